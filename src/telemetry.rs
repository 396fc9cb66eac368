//! What the process tells of itself: its log, its metrics, and its traces.
//!
//! The log is one line per event, in the shape that operators of the protocol's connectors already parse. Every line
//! carries the fields of the spans around it (`task_id`, `task_type`, ...). Events with the target `audit` tell of a
//! write to AWS: they have `"logger":"audit"` and are written at every log level.

mod fields;
mod gate;
mod layer;
pub mod level;
mod line;
pub mod metrics;
mod otlp;
mod output;
mod summary;

pub use otlp::CollectorError;
pub use output::{LogError, stderr};
pub use summary::summarize;

use std::io::Write;

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogSettings;
use gate::Gate;
use layer::LogLayer;
use otlp::Otlp;

/// Why the process cannot tell of itself as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file of the log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The collector cannot be spoken to.
    #[error(transparent)]
    Collector(#[from] CollectorError),
}

/// The log and the traces of this process.
#[derive(Debug)]
pub struct Telemetry {
    collector: Option<Otlp>,
}

impl Telemetry {
    /// Sends what the collector has not got yet, for at most two seconds. It blocks, and the runtime must still turn.
    pub fn end(self) {
        if let Some(collector) = self.collector {
            collector.end();
        }
    }
}

/// Starts the log of this process, once, and what goes to a collector; to be called within the runtime. `stderr` is
/// where lines go that the settings send to standard error: a terminal with a progress display wants to know of them.
pub fn start(settings: &LogSettings, stderr: impl Write + Send + 'static) -> Result<Telemetry, StartError> {
    let output = output::open(&settings.paths, Box::new(stderr))?;
    let collector = settings.collector.as_ref().map(Otlp::open).transpose()?;
    let (gate, handle) = reload::Layer::new(Gate::new(settings.level));
    let lines = LogLayer::new(settings.format, Box::new(output));
    let installed = tracing_subscriber::registry()
        .with(gate)
        .with(collector.as_ref().map(Otlp::traces))
        .with(if collector.is_some() { lines.with_ids(otlp::ids) } else { lines })
        .with(collector.as_ref().map(Otlp::logs))
        .try_init();
    // A second start, as tests do, keeps the first.
    if installed.is_ok() {
        level::take_over(settings, handle);
    }
    Ok(Telemetry { collector })
}

/// A subscriber as [`start`] installs it, with all lines going to `output` and none to a collector.
pub fn subscriber(
    settings: &LogSettings,
    output: impl Write + Send + 'static,
) -> impl Subscriber + Send + Sync {
    tracing_subscriber::registry()
        .with(Gate::new(settings.level))
        .with(LogLayer::new(settings.format, Box::new(output)))
}

/// The target of events that tell of a write to AWS.
const AUDIT: &str = "audit";

#[cfg(test)]
mod tests;
