//! The environment and the settings file: whatever is in them, the outcome is settings or a list of faults, and no
//! secret shows in either.
//!
//! An input is lines of `NAME=value`, a line `---`, and the file.

use std::ffi::OsString;
use std::fmt::Debug;
use std::path::Path;
use std::sync::LazyLock;

use batond::config::{Environment, Flags, Host, RawSettings, Secrecy, Settings, fields};
use tempfile::TempDir;

const CANARY: &str = "zanzibar";

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a directory for the file"));

/// Panics where something of this does not hold.
pub fn check(text: &str) {
    let (environment, file) = text.split_once("\n---\n").unwrap_or(("", text));
    let path = DIRECTORY.path().join(".baton.yaml");
    std::fs::write(&path, file).expect("a file on disk");
    let mut variables: Vec<(OsString, OsString)> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        // it names a file of the machine
        .filter(|(name, _)| *name != "BATON_CONFIG_PATH")
        .map(|(name, value)| (name.into(), value.into()))
        .collect();

    read(&variables);

    if text.contains(CANARY) {
        return;
    }
    for field in fields().filter(|field| field.secrecy != Secrecy::Plain) {
        variables.push((field.variable().into(), CANARY.into()));
    }
    assert!(!read(&variables).contains(CANARY), "a secret is shown");
}

/// All that anybody may print of the settings.
fn read(variables: &[(OsString, OsString)]) -> String {
    match resolve(variables, DIRECTORY.path()) {
        Ok(shown) | Err(shown) => shown,
    }
}

fn resolve(variables: &[(OsString, OsString)], directory: &Path) -> Result<String, String> {
    let environment = Environment::from_variables(variables.iter().cloned()).map_err(shown)?;
    let raw = RawSettings::gather(Flags::new(), &environment, directory).map_err(shown)?;
    let before = format!("{raw:?}");
    let host = Host { name: "host".to_owned(), is_terminal: false };
    let (settings, notes) = Settings::resolve(raw, &host).map_err(|error| {
        assert!(!error.faults().is_empty(), "settings are refused without a reason");
        format!("{before} {error} {error:?}")
    })?;
    assert!((1..=256).contains(&settings.host_id.chars().count()));
    assert!((2..=64).contains(&settings.aws.session_name.len()));
    Ok(format!("{before} {settings:?} {notes:?}"))
}

fn shown(fault: impl Debug) -> String {
    format!("{fault:?}")
}
