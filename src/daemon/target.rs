//! The file that syncs are written to, looked at before the first of them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;

/// New files are made beside the target under its name with this many random characters between two marks.
const PREFIX: &str = ".";
const RANDOM: usize = 6;
const SUFFIX: &str = ".tmp";
/// Links that are followed one after the other.
const LINKS: usize = 40;

/// Finds out whether a sync can be put at `file`, and deletes the unfinished files that killed processes left beside
/// it. One that a process still writes is locked and stays. Gives the path to write to: where links lead.
///
/// A sync takes the place of a file at once, so that nobody reads half of one. Nothing can take the place of a device,
/// a pipe or a file that is mounted by itself: these are refused.
///
/// Blocks on the file system.
pub fn prepare_target(file: &Path) -> Result<PathBuf, TargetError> {
    prepare(file).map_err(|source| TargetError { file: file.to_owned(), source })
}

fn prepare(file: &Path) -> io::Result<PathBuf> {
    let file = follow(file)?;
    let name = file.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
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
    Ok(file)
}

/// Where links lead to: a plain file that can be replaced, or nothing yet.
fn follow(file: &Path) -> io::Result<PathBuf> {
    let mut file = file.to_owned();
    for _ in 0..LINKS {
        let kind = match fs::symlink_metadata(&file) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(file),
            Err(error) => return Err(error),
        };
        if kind.is_symlink() {
            let leads_to = fs::read_link(&file)?;
            file = file.parent().unwrap_or(Path::new("")).join(leads_to);
        } else if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        } else if !kind.is_file() {
            return Err(io::Error::other("it is a device, a pipe or a socket, not a file"));
        } else if is_mounted(&file)? {
            return Err(io::Error::other(
                "it is mounted by itself, so that no other file can take its place; mount its directory",
            ));
        } else {
            return Ok(file);
        }
    }
    Err(io::Error::other("too many links lead to one another"))
}

/// Whether a file is mounted by itself. Kernels before 5.8 do not tell.
fn is_mounted(file: &Path) -> io::Result<bool> {
    match statx(CWD, file, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) {
        Ok(told) => Ok(told.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
            && told.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        Err(Errno::NOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
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
    fn links_are_followed_to_a_file_or_to_where_one_may_be_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("elsewhere")).unwrap();
        let linked = [("first", "second"), ("second", "elsewhere/sync.c1z"), ("round", "round")];
        for (from, to) in linked {
            std::os::unix::fs::symlink(to, path(from)).unwrap();
        }
        assert_eq!(prepare_target(&path("first")).unwrap(), path("elsewhere/sync.c1z"));
        fs::write(path("elsewhere/sync.c1z"), "x").unwrap();
        assert_eq!(prepare_target(&path("first")).unwrap(), path("elsewhere/sync.c1z"));
        assert!(prepare_target(&path("round")).is_err());
    }

    #[test]
    fn what_is_no_plain_file_is_refused_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for target in [pipe.as_path(), &link, &socket, Path::new("/dev/null")] {
            let error = prepare_target(target).unwrap_err();
            assert!(error.source.to_string().contains("not a file"), "{error:?}");
            assert!(fs::symlink_metadata(target).is_ok());
        }
    }

    #[test]
    fn what_is_mounted_is_told_apart() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!is_mounted(file.path()).unwrap());
        assert!(is_mounted(Path::new("/proc")).unwrap());
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
