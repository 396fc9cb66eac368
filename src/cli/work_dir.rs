//! The directory for the unfinished files of a one-shot run.

use std::path::Path;

use tempfile::TempDir;

/// A fresh private directory below `parent`, else below the system's temporary directory. It goes with the value.
pub(super) fn create(parent: Option<&Path>) -> std::io::Result<TempDir> {
    let builder = |parent: &Path| tempfile::Builder::new().prefix("batond-").tempdir_in(parent);
    match parent {
        Some(parent) => builder(parent),
        None => builder(&std::env::temp_dir()),
    }
}
