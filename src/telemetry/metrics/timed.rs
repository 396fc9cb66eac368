//! What takes time, counted when it ends, in whatever way it ends.

use std::time::Instant;

use super::Metrics;

/// A call of the control plane. Dropped without an end it counts as given up.
#[derive(Debug)]
pub struct Request {
    metrics: Option<(&'static Metrics, Instant)>,
    method: &'static str,
}

impl Request {
    pub(super) fn begin(metrics: Option<&'static Metrics>, method: &'static str) -> Self {
        Self { metrics: metrics.map(|metrics| (metrics, Instant::now())), method }
    }

    /// It was answered, or failed, with this gRPC code.
    pub fn ends(mut self, code: &'static str) {
        self.count(code);
    }

    fn count(&mut self, code: &'static str) {
        if let Some((metrics, began)) = self.metrics.take() {
            metrics.requests.add(&[self.method, code], 1);
            metrics.request_seconds.observe(&[self.method], began.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.count("CANCELLED");
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TaskEnd {
    /// It was done.
    Done,
    /// It failed with trouble that passes.
    Passing,
    /// It failed.
    Failed,
    /// Nothing is reported of it.
    Open,
}

/// A task that runs until this is dropped. Without an end it counts as left open.
#[derive(Debug)]
pub struct Task {
    metrics: Option<(&'static Metrics, Instant)>,
    kind: &'static str,
    ended: bool,
}

const ENDS: [&str; 4] = ["done", "passing", "failed", "open"];

impl Task {
    pub(super) fn begin(metrics: Option<&'static Metrics>, kind: &'static str) -> Self {
        if let Some(metrics) = metrics {
            for end in ENDS {
                metrics.tasks.begin(&[kind, end]);
            }
            metrics.in_flight.add(&[], 1.0);
        }
        Self { metrics: metrics.map(|metrics| (metrics, Instant::now())), kind, ended: false }
    }

    /// Its outcome is known. Only the first one counts.
    pub fn ends(&mut self, end: TaskEnd) {
        let Some((metrics, began)) = self.metrics else { return };
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let outcome = match end {
            TaskEnd::Done => "done",
            TaskEnd::Passing => "passing",
            TaskEnd::Failed => "failed",
            TaskEnd::Open => "open",
        };
        metrics.tasks.add(&[self.kind, outcome], 1);
        metrics.task_seconds.observe(&[self.kind], began.elapsed().as_secs_f64());
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.ends(TaskEnd::Open);
        if let Some((metrics, _)) = self.metrics {
            metrics.in_flight.add(&[], -1.0);
        }
    }
}
