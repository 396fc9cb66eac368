//! What the process tells of itself: its log, its metrics, and its traces.
//!
//! The log is one line per event, in the shape that operators of the protocol's connectors already parse. Every line
//! carries the fields of the spans around it (`task_id`, `task_type`, ...). Events with the target `audit` tell of a
//! write to AWS: they have `"logger":"audit"` and are written at every log level. Telling something never waits for
//! who reads it: see `telemetry::queue`.

mod fields;
mod gate;
mod layer;
pub mod level;
mod line;
pub mod metrics;
mod otlp;
mod output;
mod panics;
mod queue;
mod recording;
mod repeats;
mod summary;

pub use otlp::CollectorError;
pub use output::{LogError, stderr};
pub use panics::tell_panics;
pub use recording::Recording;
pub use summary::summarize;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::Subscriber;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogSettings;
use gate::Gate;
use layer::LogLayer;
use otlp::Otlp;
use queue::Queue;
use recording::{Recorder, WhileRecording};

/// Why the process cannot tell of itself as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file of the log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The collector cannot be spoken to.
    #[error(transparent)]
    Collector(#[from] CollectorError),
    /// The system has no thread left.
    #[error("no thread can be started that writes the log")]
    Thread(#[source] io::Error),
}

/// What the last lines of the log get to be read when the process ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The queues of the one log of this process, once there is one.
static QUEUES: OnceLock<Vec<Queue>> = OnceLock::new();

/// Waits until the lines of the log are written, for at most a second. It blocks.
pub fn settle() {
    let deadline = Instant::now() + LAST_LINES;
    for queue in QUEUES.get().into_iter().flatten() {
        queue.settle(deadline);
    }
}

/// The log and the traces of this process.
#[derive(Debug)]
pub struct Telemetry {
    collector: Option<Otlp>,
}

impl Telemetry {
    /// Sends what the collector has not got yet, for at most two seconds, and writes the lines that still wait, for
    /// at most one more. It blocks, and the runtime must still turn.
    pub fn end(self) {
        if let Some(collector) = &self.collector {
            collector.end();
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        settle();
    }
}

/// Starts the log of this process, once, and what goes to a collector; to be called within the runtime. `stderr` is
/// where lines go that the settings send to standard error: a terminal with a progress display wants to know of them.
pub fn start(settings: &LogSettings, stderr: impl Write + Send + 'static) -> Result<Telemetry, StartError> {
    let outputs = output::open(&settings.paths, Box::new(stderr))?;
    let collector = settings.collector.as_ref().map(Otlp::open).transpose()?;
    let gate = Gate::new(settings.level);
    let format = settings.format;
    let queues =
        outputs.into_iter().map(|output| Queue::begin(output, move |missing| line::gap(missing, format)));
    let queues = queues.collect::<io::Result<Vec<_>>>().map_err(StartError::Thread)?;
    // A second start, as tests do, keeps the first.
    let queues = QUEUES.get_or_init(|| queues);
    let lines = LogLayer::new(format, move |line, is_audit| {
        let line = Arc::from(line);
        for queue in queues {
            queue.add(&line, is_audit);
        }
    });
    let installed = tracing_subscriber::registry()
        .with(collector.as_ref().map(Otlp::traces).with_filter(gate.clone()))
        .with(if collector.is_some() { lines.with_ids(otlp::ids) } else { lines }.with_filter(gate.clone()))
        .with(collector.as_ref().map(Otlp::logs).with_filter(gate.clone()))
        .with(Recorder.with_filter(WhileRecording))
        .try_init();
    if installed.is_ok() {
        level::take_over(settings, gate);
    }
    Ok(Telemetry { collector })
}

/// A subscriber as [`start`] installs it, with all lines going to `output`, which whoever tells something waits for,
/// and none to a collector.
pub fn subscriber(
    settings: &LogSettings,
    output: impl Write + Send + 'static,
) -> impl Subscriber + Send + Sync {
    let output = Mutex::new(output);
    let write = move |line: String, _| {
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = output.write_all(line.as_bytes()).and_then(|()| output.flush());
    };
    tracing_subscriber::registry()
        .with(LogLayer::new(settings.format, write).with_filter(Gate::new(settings.level)))
        .with(Recorder.with_filter(WhileRecording))
}

/// The target of events that tell of a write to AWS.
const AUDIT: &str = "audit";

/// Whether an event of this target tells of a write to AWS: its outcome, or (`audit::document`) what it deletes.
fn is_audit(target: &str) -> bool {
    target.strip_prefix(AUDIT).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests;
