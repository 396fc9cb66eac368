//! What the process tells of itself: its log and its metrics.
//!
//! The log is one line per event, in the shape that operators of the protocol's connectors already parse.
//!
//! Every line carries the fields of the spans around it (`task_id`, `task_type`, ...). Events with the target
//! `audit` tell of a write to AWS: they have `"logger":"audit"` and are written at every log level.

mod fields;
mod layer;
mod line;
pub mod metrics;
mod output;
mod summary;

pub use output::{LogError, stderr};
pub use summary::summarize;

use std::io::Write;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogSettings;
use layer::LogLayer;

/// Starts the log of this process, once. `stderr` is where lines go that the settings send to standard error: a
/// terminal with a progress display wants to know of them.
///
/// An error means that a file of the settings cannot be opened.
pub fn start(settings: &LogSettings, stderr: impl Write + Send + 'static) -> Result<(), LogError> {
    let output = output::open(&settings.paths, Box::new(stderr))?;
    // A second start, as tests do, keeps the first.
    let _ = subscriber(settings, output).try_init();
    Ok(())
}

/// The subscriber that [`start`] installs, with all lines going to `output`.
pub fn subscriber(
    settings: &LogSettings,
    output: impl Write + Send + 'static,
) -> impl Subscriber + Send + Sync {
    let ours = LevelFilter::from_level(settings.level);
    let filter = Targets::new()
        .with_default(ours.min(LevelFilter::WARN))
        .with_target(env!("CARGO_PKG_NAME"), ours)
        .with_target(AUDIT, ours.max(LevelFilter::INFO));
    tracing_subscriber::registry().with(filter).with(LogLayer::new(settings.format, Box::new(output)))
}

/// The target of events that tell of a write to AWS.
const AUDIT: &str = "audit";

#[cfg(test)]
mod tests;
