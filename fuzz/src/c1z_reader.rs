//! Files of a sync, whoever wrote them: rows or an error, and nothing left on disk.
//!
//! An input is a file. One that is a bare database is packed first, as the compression hides it from the fuzzer.

use std::path::Path;
use std::sync::LazyLock;

use batond::c1z::{Error, Reader};
use tempfile::TempDir;

const DATABASE: &[u8] = b"SQLite format 3\0";
const MAGIC: &[u8] = b"C1ZF\0";

static FILES: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a directory for the file"));
static WORK: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a directory for the reader"));

/// Panics where something of this does not hold.
pub fn check(data: &[u8]) {
    let packed;
    let file = if data.starts_with(DATABASE) {
        let frame = zstd::encode_all(data, 1).expect("packing into memory");
        packed = [MAGIC, &frame].concat();
        &packed
    } else {
        data
    };
    let path = FILES.path().join("sync");
    std::fs::write(&path, file).expect("a file on disk");

    match Reader::open(&path, WORK.path()) {
        Ok(reader) => rows(&reader),
        Err(Error::NotC1z { .. } | Error::UnsupportedVersion { .. }) => assert!(!file.starts_with(MAGIC)),
        Err(error) => assert!(file.starts_with(MAGIC), "{error}"),
    }
    assert!(is_empty(WORK.path()), "something is left behind");
}

/// Asks for each kind of row under ids that the corpus has.
fn rows(reader: &Reader) {
    let _ = reader.counts();
    let _ = reader.resource_type("group");
    let _ = reader.resource("group", "g");
    let _ = reader.entitlement("group:g:member");
    if let Ok(Some(grant)) = reader.grant("group:g:member:user:u") {
        assert!(grant.entitlement.is_some() && grant.principal.is_some(), "a grant of nothing or to nobody");
    }
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}
