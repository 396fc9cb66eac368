//! The file that syncs are written to, looked at before the first of them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// New files are made beside the target under its name with this many random characters between two marks.
const PREFIX: &str = ".";
const RANDOM: usize = 6;
const SUFFIX: &str = ".tmp";

/// Finds out whether a sync can be put at `file`, and deletes the unfinished files that killed processes left beside
/// it. One that a process still writes is locked and stays.
///
/// Blocks on the file system.
pub fn prepare_target(file: &Path) -> Result<(), TargetError> {
    prepare(file).map_err(|source| TargetError { file: file.to_owned(), source })
}

fn prepare(file: &Path) -> io::Result<()> {
    let name = file.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    if file.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!("{PREFIX}{name}");
    let probe =
        tempfile::Builder::new().prefix(&prefix).rand_bytes(RANDOM).suffix(SUFFIX).tempfile_in(directory)?;
    let uid = probe.as_file().metadata()?.uid();
    probe.close()?;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let random = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix(prefix.as_str())?.strip_suffix(SUFFIX));
        let is_unfinished = random.is_some_and(|random| {
            random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if is_unfinished && is_abandoned(&path, uid) {
            match fs::remove_file(&path) {
                Ok(()) => {
                    tracing::info!(path = %path.display(), "deleted what an earlier process left behind");
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), error = %error, "cannot delete what an earlier process left");
                }
            }
        }
    }
    Ok(())
}

/// Whether it is a file of this user that nobody has locked.
fn is_abandoned(path: &Path, uid: u32) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.uid() == uid)
        && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// Why no sync can be written.
#[derive(Debug, thiserror::Error)]
#[error("no sync can be written to {}: name a file in a writable directory with --file (BATON_FILE)", .file.display())]
pub struct TargetError {
    file: PathBuf,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_of_killed_processes_go_and_nothing_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in [
            "sync.c1z",
            ".sync.c1zA1b2C3.tmp",
            ".sync.c1zlocked.tmp",
            ".sync.c1z-notes.tmp",
            ".other.c1zA1b2C3.tmp",
        ] {
            fs::write(path(name), "x").unwrap();
        }
        let busy = File::open(path(".sync.c1zlocked.tmp")).unwrap();
        busy.try_lock().unwrap();
        prepare_target(&path("sync.c1z")).unwrap();
        let mut left: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".other.c1zA1b2C3.tmp", ".sync.c1z-notes.tmp", ".sync.c1zlocked.tmp", "sync.c1z"]);
        assert_eq!(fs::read(path("sync.c1z")).unwrap(), b"x");
    }

    #[test]
    fn a_target_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing/sync.c1z");
        for target in [missing.as_path(), directory.path(), Path::new("/")] {
            let error = prepare_target(target).unwrap_err().to_string();
            assert!(error.contains(target.to_str().unwrap()) && error.contains("BATON_FILE"), "{error}");
        }
    }
}
