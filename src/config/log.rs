//! Settings of the log and of what else tells of the work.

use std::path::PathBuf;

use jiff::Timestamp;

/// Level, shape and destination of the log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The least severe level that is written.
    pub level: tracing::Level,
    /// When a level of debug ends and info begins.
    pub debug_until: Option<Timestamp>,
    /// The shape of a line.
    pub format: LogFormat,
    /// Files to append to, `stdout` and `stderr` among them; empty means standard error.
    pub paths: Vec<PathBuf>,
    /// Where traces and a copy of the log go, too.
    pub collector: Option<CollectorSettings>,
}

/// An OpenTelemetry collector that speaks OTLP over gRPC.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CollectorSettings {
    /// Its address as a URI of scheme and authority.
    pub endpoint: String,
    /// Certificates (PEM) to trust in place of the system's.
    pub ca: Option<Vec<u8>>,
}

/// The documented defaults of a process without a terminal.
impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: tracing::Level::INFO,
            debug_until: None,
            format: LogFormat::Json,
            paths: Vec::new(),
            collector: None,
        }
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
