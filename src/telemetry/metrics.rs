//! The metrics: one place that names each of them, and the functions that the rest of the program tells its events.
//!
//! There is one set per process, as there is one log. Until [`start`] is called every function here returns after
//! one look at an empty cell. `docs/metrics.md` explains each metric; a test holds it to the [`CATALOGUE`].

mod catalogue;
mod sampled;
mod series;
mod timed;

pub use catalogue::{CATALOGUE, Kind, Label, Metric, Values};
pub use sampled::{AwsOperation, AwsQuota, AwsUsage};
pub use timed::{Request, Task, TaskEnd};

use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use catalogue as known;
use sampled::Sampled;
use series::{Counters, Gauges, Histograms};

/// What [`render`] writes, for the header of an answer.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

static METRICS: OnceLock<Metrics> = OnceLock::new();

/// Begins to count. A second start keeps what was counted.
pub fn start() {
    METRICS.get_or_init(Metrics::new);
}

/// All metrics in the `OpenMetrics` text format; empty before [`start`].
pub fn render() -> String {
    METRICS.get().map(Metrics::render).unwrap_or_default()
}

/// What a question for tasks brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Poll {
    /// At least one task.
    Tasks,
    /// No task.
    Nothing,
    /// An error.
    Failed,
}

/// Counts a question for tasks.
pub fn polled(poll: Poll) {
    tell(|metrics| {
        let outcome = match poll {
            Poll::Tasks => "tasks",
            Poll::Nothing => "nothing",
            Poll::Failed => "failed",
        };
        metrics.polls.add(&[outcome], 1);
    });
}

/// How a request for an access token ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refresh {
    /// With a token.
    Ok,
    /// The endpoint does not accept our identity, or answers what is no token.
    Refused,
    /// No answer, or trouble that passes.
    Unavailable,
}

/// Counts a request for an access token.
pub fn token_refreshed(refresh: Refresh) {
    tell(|metrics| {
        let outcome = match refresh {
            Refresh::Ok => "ok",
            Refresh::Refused => "refused",
            Refresh::Unavailable => "unavailable",
        };
        metrics.tokens.add(&[outcome], 1);
    });
}

/// Begins a call of the control plane.
pub fn request(method: &'static str) -> Request {
    Request::begin(METRICS.get(), method)
}

/// Tells how many tasks may run at once.
pub fn set_task_slots(slots: usize) {
    tell(|metrics| metrics.slots.set_count(&[], u64::try_from(slots).unwrap_or(u64::MAX)));
}

/// Begins a task.
pub fn task(kind: &'static str) -> Task {
    Task::begin(METRICS.get(), kind)
}

/// Counts a report of an outcome that has to be sent again.
pub fn outcome_retried() {
    tell(|metrics| metrics.finish_retries.add(&[], 1));
}

/// Why the control plane does not know how a task ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unreported {
    /// It does not take the report.
    Refused,
    /// The report did not get through in time.
    GivenUp,
}

/// Counts an outcome that the control plane did not take.
pub fn outcome_unreported(reason: Unreported) {
    tell(|metrics| {
        let reason = match reason {
            Unreported::Refused => "refused",
            Unreported::GivenUp => "given_up",
        };
        metrics.unreported.add(&[reason], 1);
    });
}

/// A sync that gave a file.
#[derive(Clone, Debug, Default)]
pub struct SyncFigures {
    /// Resources in the file.
    pub resources: u64,
    /// Entitlements in the file.
    pub entitlements: u64,
    /// Grants in the file.
    pub grants: u64,
    /// Parts that the file does not hold.
    pub parts_incomplete: u64,
    /// What was read whole and what was not: area, whole, incomplete.
    pub scopes: Vec<(&'static str, u64, u64)>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of the database in it, unpacked.
    pub decoded_bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Takes down a sync that gave a file.
pub fn sync_ended(sync: &SyncFigures) {
    tell(|metrics| metrics.sync_ended(sync));
}

/// How a sync ended that gave no file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoSync {
    /// By an error.
    Failed,
    /// It was given up.
    Cancelled,
}

/// Counts a sync that gave no file.
pub fn sync_not_made(end: NoSync) {
    tell(|metrics| {
        let outcome = match end {
            NoSync::Failed => "failed",
            NoSync::Cancelled => "cancelled",
        };
        metrics.syncs.add(&[outcome], 1);
    });
}

/// Counts a sync that is not uploaded because it would take too much access away at once.
pub fn upload_held() {
    tell(|metrics| metrics.held.add(&[], 1));
}

/// How an upload ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upload {
    /// The control plane has the file.
    Done {
        /// Bytes of the file.
        bytes: u64,
        /// How long it took, repetitions included.
        elapsed: Duration,
    },
    /// The last attempt failed.
    Failed,
    /// It was given up.
    Cancelled,
}

/// Takes down an upload.
pub fn uploaded(upload: Upload) {
    tell(|metrics| match upload {
        Upload::Done { bytes, elapsed } => {
            metrics.uploads.add(&["ok"], 1);
            metrics.upload_bytes.add(&[], bytes);
            metrics.upload_seconds.observe(&[], elapsed.as_secs_f64());
        }
        Upload::Failed => metrics.uploads.add(&["failed"], 1),
        Upload::Cancelled => metrics.uploads.add(&["cancelled"], 1),
    });
}

/// Why a line of the log is missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dropped {
    /// Nobody read the log in time, and the line told of a write to AWS.
    Audit,
    /// Nobody read the log in time.
    Other,
    /// The same place had told too many warnings.
    Repeated,
}

/// Counts a line of the log that was not written.
pub fn log_line_dropped(dropped: Dropped) {
    tell(|metrics| {
        let kind = match dropped {
            Dropped::Audit => "audit",
            Dropped::Other => "other",
            Dropped::Repeated => "repeated",
        };
        metrics.log_dropped.add(&[kind], 1);
    });
}

/// Names where the use of AWS can be looked up. It is called at each scrape and must not wait for anything.
pub fn observe_aws(source: impl Fn() -> AwsUsage + Send + Sync + 'static) {
    tell(|metrics| metrics.sampled.set_aws(Box::new(source)));
}

fn tell(event: impl FnOnce(&Metrics)) {
    if let Some(metrics) = METRICS.get() {
        event(metrics);
    }
}

/// All series, and the registry that writes them.
#[derive(Debug)]
struct Metrics {
    registry: Registry,
    polls: Counters,
    requests: Counters,
    request_seconds: Histograms,
    tokens: Counters,
    tasks: Counters,
    in_flight: Gauges,
    slots: Gauges,
    task_seconds: Histograms,
    finish_retries: Counters,
    unreported: Counters,
    syncs: Counters,
    sync_seconds: Gauges,
    sync_bytes: Gauges,
    sync_decoded: Gauges,
    sync_rows: Gauges,
    sync_scopes: Gauges,
    sync_missing: Gauges,
    held: Counters,
    uploads: Counters,
    upload_bytes: Counters,
    upload_seconds: Histograms,
    log_dropped: Counters,
    sampled: Sampled,
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::default();
        let sampled = Sampled::new();
        let r = &mut registry;
        let build = Gauges::register(r, &known::BUILD);
        build.set(&[env!("CARGO_PKG_VERSION")], 1.0);
        let mut metrics = Self {
            polls: Counters::register(r, &known::POLLS),
            requests: Counters::register(r, &known::RPCS),
            request_seconds: Histograms::register(r, &known::RPC_SECONDS, exchange),
            tokens: Counters::register(r, &known::TOKENS),
            tasks: Counters::register(r, &known::TASKS),
            in_flight: Gauges::register(r, &known::IN_FLIGHT),
            slots: Gauges::register(r, &known::SLOTS),
            task_seconds: Histograms::register(r, &known::TASK_SECONDS, work),
            finish_retries: Counters::register(r, &known::FINISH_RETRIES),
            unreported: Counters::register(r, &known::UNREPORTED),
            syncs: Counters::register(r, &known::SYNCS),
            sync_seconds: Gauges::register(r, &known::SYNC_SECONDS),
            sync_bytes: Gauges::register(r, &known::SYNC_BYTES),
            sync_decoded: Gauges::register(r, &known::SYNC_DECODED),
            sync_rows: Gauges::register(r, &known::SYNC_ROWS),
            sync_scopes: Gauges::register(r, &known::SYNC_SCOPES),
            sync_missing: Gauges::register(r, &known::SYNC_MISSING),
            held: Counters::register(r, &known::HELD),
            uploads: Counters::register(r, &known::UPLOADS),
            upload_bytes: Counters::register(r, &known::UPLOAD_BYTES),
            upload_seconds: Histograms::register(r, &known::UPLOAD_SECONDS, work),
            log_dropped: Counters::register(r, &known::LOG_DROPPED),
            sampled: sampled.clone(),
            registry,
        };
        metrics.registry.register_collector(Box::new(sampled));
        metrics.begin();
        metrics
    }

    /// Makes the series whose labels are known from the start.
    fn begin(&self) {
        for one in
            [&self.polls, &self.tokens, &self.unreported, &self.syncs, &self.uploads, &self.log_dropped]
        {
            one.begin_words();
        }
        for one in [&self.finish_retries, &self.held, &self.upload_bytes] {
            one.begin(&[]);
        }
        self.in_flight.set(&[], 0.0);
    }

    fn sync_ended(&self, sync: &SyncFigures) {
        let outcome = if sync.parts_incomplete == 0 { "complete" } else { "incomplete" };
        self.syncs.add(&[outcome], 1);
        self.sampled.synced_now();
        self.sync_seconds.set(&[], sync.elapsed.as_secs_f64());
        self.sync_bytes.set_count(&[], sync.bytes);
        self.sync_decoded.set_count(&[], sync.decoded_bytes);
        self.sync_rows.set_count(&["resources"], sync.resources);
        self.sync_rows.set_count(&["entitlements"], sync.entitlements);
        self.sync_rows.set_count(&["grants"], sync.grants);
        self.sync_missing.set_count(&[], sync.parts_incomplete);
        self.sync_scopes.clear();
        for (area, whole, incomplete) in &sync.scopes {
            self.sync_scopes.set_count(&[area, "whole"], *whole);
            self.sync_scopes.set_count(&[area, "incomplete"], *incomplete);
        }
    }

    fn render(&self) -> String {
        let mut page = String::new();
        // Writing into a text fails only if a label does, and none of these can.
        let _ = prometheus_client::encoding::text::encode(&mut page, &self.registry);
        page
    }
}

/// Sizes of an exchange over the network.
fn exchange() -> Histogram {
    Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0])
}

/// Sizes of work: from a grant of an instant to a sync of an hour.
fn work() -> Histogram {
    Histogram::new([0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0])
}

#[cfg(test)]
mod tests;
