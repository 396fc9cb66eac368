//! Keeps what batond logs, to show it where it helps.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use batond::config::LogSettings;
use batond::telemetry;
use serde::Deserialize;

use crate::Outcome;

/// All that was logged so far, also in a file for who wants to follow it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    text: Vec<u8>,
    file: Option<File>,
}

impl Log {
    /// Starts batond's log in this process, in the shape that it has in a pod.
    pub(crate) fn capture() -> Outcome<Self> {
        let log = Self::default();
        telemetry::start(&LogSettings::default(), log.clone())?;
        Ok(log)
    }

    /// Writes all so far, and all that comes, to a file too.
    pub(crate) fn keep_in(&self, path: &Path) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = File::create(path)?;
        file.write_all(&kept.text)?;
        kept.file = Some(file);
        Ok(())
    }

    /// The log as text.
    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept.text).into_owned()
    }

    /// The lines that tell of a write to AWS.
    pub(crate) fn audit(&self) -> Outcome<Vec<Write>> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(r#""logger":"audit""#));
        Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
    }
}

/// Some of what an audit line says.
#[derive(Deserialize)]
pub(crate) struct Write {
    pub(crate) operation: String,
    pub(crate) outcome: String,
    pub(crate) aws_request_id: String,
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.text.extend_from_slice(bytes);
        if let Some(file) = &mut kept.file {
            file.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
