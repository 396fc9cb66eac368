//! The file of call rates that `BATON_AWS_QUOTAS` names: it is read, or its fault is told in bounded words.

use std::path::PathBuf;
use std::sync::LazyLock;

use batond::aws::{AccessError, Aws};
use batond::config::{AwsSettings, QuotaSetting};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const LONGEST_MESSAGE: usize = 16 * 1024;

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a directory for the file"));
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

/// Panics where something of this does not hold.
pub fn check(data: &[u8]) {
    let path = DIRECTORY.path().join("quotas.yaml");
    std::fs::write(&path, data).expect("a file on disk");
    // Rates that are accepted lead no further than to certificates that are not there.
    let settings = AwsSettings {
        quotas: QuotaSetting::File(path.clone()),
        ca_bundle: Some(PathBuf::from("/nowhere")),
        ..AwsSettings::default()
    };
    match RUNTIME.block_on(Aws::connect(&settings)) {
        Err(AccessError::CaBundle { .. }) => {}
        Err(error @ AccessError::QuotaFile { .. }) => {
            assert!(error.to_string().len() <= LONGEST_MESSAGE);
        }
        other => panic!("neither rates nor their fault: {other:?}"),
    }
}
