//! The catalogue of metrics: each one once, with its labels and the values that they may have.

/// One metric, as it is shown.
#[derive(Debug)]
pub struct Metric {
    /// The name that queries use: that of a counter ends with `_total`.
    pub name: &'static str,
    /// How its samples are to be read.
    pub kind: Kind,
    /// What tells its series apart. All sets are bounded.
    pub labels: &'static [Label],
    /// What it says, with its unit: one sentence without full stop.
    pub help: &'static str,
}

/// How samples are to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// The present value.
    Gauge,
    /// Counts of observations by their size.
    Histogram,
}

/// A label of a metric.
#[derive(Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may say.
    pub values: Values,
}

/// What a label may say.
#[derive(Debug)]
pub enum Values {
    /// One of these words.
    Words(&'static [&'static str]),
    /// One of a set that another part of the program bounds; these are the words that name it.
    Names(&'static str),
}

impl Kind {
    /// The name of the kind in the exposition format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Metric {
    /// The names of its samples.
    pub fn samples(&self) -> Vec<String> {
        match self.kind {
            Kind::Counter | Kind::Gauge => vec![self.name.to_owned()],
            Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", self.name)).into(),
        }
    }

    /// The name under which it is registered: the library adds the end of a counter's.
    pub(super) fn stem(&self) -> &'static str {
        self.name.strip_suffix("_total").unwrap_or(self.name)
    }
}

/// Declares the metrics and lists them in the order of their declaration.
macro_rules! metrics {
    ($($item:ident = $kind:ident $name:literal { $($label:expr),* } $help:literal;)*) => {
        $(pub(super) static $item: Metric =
            Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*

        /// All metrics, in the order of the documentation.
        pub static CATALOGUE: &[&Metric] = &[$(&$item),*];
    };
}

const fn outcome(words: &'static [&'static str]) -> Label {
    Label { name: "outcome", values: Values::Words(words) }
}

const fn words(name: &'static str, words: &'static [&'static str]) -> Label {
    Label { name, values: Values::Words(words) }
}

const fn names(name: &'static str, what: &'static str) -> Label {
    Label { name, values: Values::Names(what) }
}

const KIND: Label = names("kind", "the kinds of task, as `task_type` in the log");
const METHOD: Label = names("method", "the calls of the Baton service");
const CODE: Label = names("code", "the gRPC codes, `OK` among them");
const SERVICE: Label = names("service", "the AWS services, as IAM names them");
const OPERATION: Label = names("operation", "the AWS operations that batond calls");
const AREA: Label = names("area", "the areas of a sync");

metrics! {
    POLLS = Counter "batond_polls_total" { outcome(&["tasks", "nothing", "failed"]) }
        "Questions for tasks that were answered or failed";
    RPCS = Counter "batond_control_plane_requests_total" { METHOD, CODE }
        "Calls of the control plane by how they ended; one that was given up counts as CANCELLED";
    RPC_SECONDS = Histogram "batond_control_plane_request_duration_seconds" { METHOD }
        "Time of a call of the control plane, in seconds";
    TOKENS = Counter "batond_token_refreshes_total" { outcome(&["ok", "refused", "unavailable"]) }
        "Requests for an access token";

    TASKS = Counter "batond_tasks_total" { KIND, outcome(&["done", "passing", "failed", "open"]) }
        "Tasks by how they ended";
    IN_FLIGHT = Gauge "batond_tasks_in_flight" {}
        "Tasks that run at the moment";
    SLOTS = Gauge "batond_task_slots" {}
        "Tasks that may run at once";
    TASK_SECONDS = Histogram "batond_task_duration_seconds" { KIND }
        "Time from the beginning of a task until its outcome was known, its upload included, in seconds";
    FINISH_RETRIES = Counter "batond_outcome_retries_total" {}
        "Reports of an outcome that had to be sent again";
    UNREPORTED = Counter "batond_outcomes_unreported_total" { words("reason", &["refused", "given_up"]) }
        "Outcomes that the control plane did not take";

    SYNCS = Counter "batond_syncs_total" { outcome(&["complete", "incomplete", "failed", "cancelled"]) }
        "Syncs by how they ended";
    SYNC_AGE = Gauge "batond_sync_age_seconds" {}
        "Seconds since the last sync ended that gave a file, complete or not; since the start while there is none";
    SYNC_SECONDS = Gauge "batond_sync_last_duration_seconds" {}
        "How long the last sync that gave a file took, in seconds";
    SYNC_BYTES = Gauge "batond_sync_last_file_bytes" {}
        "Size of the last sync's file, in bytes";
    SYNC_DECODED = Gauge "batond_sync_last_decoded_bytes" {}
        "Size of the database in the last sync's file, unpacked, in bytes";
    SYNC_ROWS = Gauge "batond_sync_last_rows" { words("kind", &["resources", "entitlements", "grants"]) }
        "Rows of the last sync";
    SYNC_SCOPES = Gauge "batond_sync_last_scopes" { AREA, words("state", &["whole", "incomplete"]) }
        "Groups, accounts, permission sets and so on of the last sync by whether they were read whole";
    SYNC_MISSING = Gauge "batond_sync_last_parts_incomplete" {}
        "Parts that the last sync does not hold, as its warnings list them";
    HELD = Counter "batond_uploads_held_total" {}
        "Syncs that were not uploaded because they would have taken too much access away at once";
    UPLOADS = Counter "batond_uploads_total" { outcome(&["ok", "failed", "cancelled"]) }
        "Uploads by how they ended, after all attempts";
    UPLOAD_BYTES = Counter "batond_upload_bytes_total" {}
        "Bytes of files that were uploaded";
    UPLOAD_SECONDS = Histogram "batond_upload_duration_seconds" {}
        "Time of an upload that succeeded, repetitions included, in seconds";

    AWS_REQUESTS = Counter "batond_aws_requests_total" { SERVICE, OPERATION }
        "Requests sent to AWS, each attempt of a call";
    AWS_THROTTLED = Counter "batond_aws_throttled_total" { SERVICE, OPERATION }
        "Requests that AWS throttled";
    AWS_ERRORS = Counter "batond_aws_errors_total" { SERVICE, OPERATION }
        "Requests that failed in any other way";
    AWS_IN_FLIGHT = Gauge "batond_aws_requests_in_flight" {}
        "Requests to AWS under way";
    QUOTA_BUSY = Counter "batond_aws_quota_busy_seconds_total" { SERVICE }
        "Seconds of its rate that the busiest bucket of the service has used; growth of 1 a second is the full rate";
    QUOTA_SLOWED = Gauge "batond_aws_quota_buckets_slowed" { SERVICE }
        "Buckets of the service that are slower than the table, since AWS throttled";

    LOG_DROPPED = Counter "batond_log_lines_dropped_total" { words("kind", &["audit", "other", "repeated"]) }
        "Lines of the log that were not written";
    BUILD = Gauge "batond_build_info" { names("version", "the version of batond") }
        "1, with the version as label";
    STARTED = Gauge "process_start_time_seconds" {}
        "When the process started, in seconds since 1970";
    MEMORY = Gauge "process_resident_memory_bytes" {}
        "Memory of the process, in bytes";
    FILES = Gauge "process_open_fds" {}
        "Open file descriptors";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions_and_are_declared_once() {
        let mut names = BTreeSet::new();
        for Metric { name, kind, help, .. } in CATALOGUE {
            assert!(names.insert(name), "{name} is declared twice");
            assert!(name.starts_with("batond_") || name.starts_with("process_"), "{name}");
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(!help.is_empty() && !help.ends_with('.'), "{name}");
        }
    }
}
