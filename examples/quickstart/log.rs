//! Keeps what batond logs, to show it where it helps.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use batond::config::LogSettings;
use batond::telemetry;
use serde::Deserialize;

use crate::Outcome;

/// All that was logged so far.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Starts batond's log in this process, in the shape that it has in a pod.
    pub(crate) fn capture() -> Outcome<Self> {
        let log = Self::default();
        telemetry::start(&LogSettings::default(), log.clone())?;
        Ok(log)
    }

    /// The log as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
