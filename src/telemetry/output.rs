//! Where the lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
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
) -> Result<Box<dyn Write + Send>, LogError> {
    if paths.is_empty() {
        return Ok(stderr);
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
    Ok(Box::new(Tee(all)))
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Writes to all of them; one that fails does not keep the others from their lines.
struct Tee(Vec<Box<dyn Write + Send>>);

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for output in &mut self.0 {
            let _ = output.write_all(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        for output in &mut self.0 {
            let _ = output.flush();
        }
        Ok(())
    }
}
