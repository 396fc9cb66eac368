//! The directory where unfinished files are kept: private, of this process alone, gone when it ends.

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const PREFIX: &str = "batond-work-";
/// Held locked by the process that owns the directory; the lock ends with the process, however it ends.
const LOCK: &str = ".lock";
/// How often a directory is made anew because another process swept it before it was locked.
const ATTEMPTS: usize = 5;

/// A work directory. It and everything in it is deleted when this is dropped.
#[derive(Debug)]
pub struct WorkDir {
    dir: TempDir,
    _lock: File,
}

impl WorkDir {
    /// Makes a directory under `parent` (default: the system's directory for temporary files), mode 0700, after
    /// deleting those that earlier processes have left there.
    ///
    /// Blocks on the file system.
    pub fn create(parent: Option<&Path>) -> Result<Self, WorkDirError> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        Self::make(&parent).map_err(|source| WorkDirError { parent, source })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn make(parent: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let dir = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(parent)?;
            let lock = File::create_new(dir.path().join(LOCK))?;
            if lock.try_lock().is_ok() {
                sweep(parent, dir.path(), lock.metadata()?.uid())?;
                return Ok(Self { dir, _lock: lock });
            }
        }
        Err(io::Error::other("other processes keep deleting the directory"))
    }
}

/// The work directories in `parent`, also those of processes that are gone.
pub(super) fn within(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Deletes the work directories of processes that are gone. What cannot be deleted is left with a warning: it may
/// be broken in a way that only people can judge.
fn sweep(parent: &Path, own: &Path, uid: u32) -> io::Result<()> {
    for path in within(parent)? {
        if path == own || !is_abandoned(&path, uid) {
            continue;
        }
        match fs::remove_dir_all(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "deleted what an earlier process left behind"),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = %error, "cannot delete what an earlier process left");
            }
        }
    }
    Ok(())
}

/// Whether a directory of this user has a lock that nobody holds. One without a lock is being made or deleted just
/// now. Nothing is opened before it is known to be a file of ours: to open a pipe of somebody else would block.
fn is_abandoned(path: &Path, uid: u32) -> bool {
    let lock = path.join(LOCK);
    let is_ours = |path: &Path, is_kind: fn(&Metadata) -> bool| {
        fs::symlink_metadata(path).is_ok_and(|meta| is_kind(&meta) && meta.uid() == uid)
    };
    is_ours(path, Metadata::is_dir)
        && is_ours(&lock, Metadata::is_file)
        && File::open(&lock).is_ok_and(|lock| !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Why there is no work directory.
#[derive(Debug, thiserror::Error)]
#[error("no work directory can be made in {}: set --c1z-temp-dir (BATON_C1Z_TEMP_DIR) to a writable one", .parent.display())]
pub struct WorkDirError {
    parent: PathBuf,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_directory_is_private_and_ends_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let dir = WorkDir::create(Some(parent.path())).unwrap();
        let path = dir.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(path.join("sync-x.c1z"), "x").unwrap();
        drop(dir);
        assert!(!path.exists());
    }

    #[test]
    fn leftovers_are_swept_but_not_those_of_a_live_process() {
        let parent = tempfile::tempdir().unwrap();
        let live = WorkDir::create(Some(parent.path())).unwrap();
        let dead = parent.path().join("batond-work-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("sync-x.c1z"), "x").unwrap();
        let strange = parent.path().join("batond-work-strange");
        fs::create_dir(&strange).unwrap();
        let foreign = parent.path().join("other");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join(LOCK), "").unwrap();
        let link = parent.path().join("batond-work-link");
        std::os::unix::fs::symlink(&foreign, &link).unwrap();

        let pipe = parent.path().join("batond-work-pipe");
        fs::create_dir(&pipe).unwrap();
        let made = std::process::Command::new("mkfifo").arg(pipe.join(LOCK)).status().unwrap();
        assert!(made.success());

        let _own = WorkDir::create(Some(parent.path())).unwrap();
        assert!(!dead.exists());
        assert!(live.path().join(LOCK).exists() && strange.exists());
        assert!(foreign.join(LOCK).exists() && link.exists());
        assert!(pipe.exists(), "what is no lock says nothing");
    }

    #[test]
    fn a_missing_parent_is_named_with_the_setting() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("missing");
        let error = WorkDir::create(Some(&missing)).unwrap_err().to_string();
        assert!(error.contains(missing.to_str().unwrap()) && error.contains("BATON_C1Z_TEMP_DIR"), "{error}");
    }
}
