//! Settings of the log.

use std::path::PathBuf;

/// Level, shape and destination of the log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The least severe level that is written.
    pub level: tracing::Level,
    /// The shape of a line.
    pub format: LogFormat,
    /// Files to append to, `stdout` and `stderr` among them; empty means standard error.
    pub paths: Vec<PathBuf>,
}

/// The documented defaults of a process without a terminal.
impl Default for LogSettings {
    fn default() -> Self {
        Self { level: tracing::Level::INFO, format: LogFormat::Json, paths: Vec::new() }
    }
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Columns separated by tabs, for people.
    Console,
}
