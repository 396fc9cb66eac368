//! Where the lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file of the log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("BATON_LOG_PATH: cannot open {}", path.display())]
pub struct LogError {
    path: PathBuf,
    source: io::Error,
}

/// Standard error, line by line.
pub fn stderr() -> impl Write + Send + 'static {
    io::stderr()
}

/// Opens the files, appending to those that are there; `stdout` and `stderr` are the streams of those names.
/// Without any, all goes to standard error.
pub(super) fn open(
    paths: &[PathBuf],
    stderr: Box<dyn Write + Send>,
) -> Result<Vec<Box<dyn Write + Send>>, LogError> {
    if paths.is_empty() {
        return Ok(vec![stderr]);
    }
    let mut stderr = Some(stderr);
    let mut all: Vec<Box<dyn Write + Send>> = Vec::new();
    for path in paths {
        all.push(match path.to_str() {
            Some("stdout") => Box::new(io::stdout()),
            Some("stderr") => stderr.take().unwrap_or_else(|| Box::new(io::stderr())),
            _ => Box::new(append(path).map_err(|source| LogError { path: path.clone(), source })?),
        });
    }
    Ok(all)
}

/// A log tells who has what: a file that it makes is for its owner alone.
fn append(path: &Path) -> io::Result<File> {
    // A pipe that nobody reads yet is opened for both ends: for writing alone, it would hold up the start.
    let is_pipe = std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo());
    OpenOptions::new().append(true).read(is_pipe).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_of_the_log_is_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("batond.log");
        let log = open(std::slice::from_ref(&path), Box::new(io::sink())).unwrap();
        assert_eq!(log.len(), 1);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
