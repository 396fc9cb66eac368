//! The life of one task, from its arrival to its acknowledged outcome.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crate::baton::Code;
use futures::FutureExt as _;
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use super::heartbeats::Pulse;
use super::lease::Lease;
use super::stop::Stop;
use super::supervisor::Supervisor;
use crate::baton::api::Task;
use crate::control_plane::{Client, Finish, Unacknowledged, UploadError, chain};
use crate::tasks::{self, Context, Failure, Kind, Outcome, Synced};
use crate::telemetry::Recording;
use crate::telemetry::metrics::{self, TaskEnd, Unreported, Upload};

/// How long cancelled work may take to say how far it came, before it is dropped.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for work that makes a credential, which is then handed out or withdrawn.
const PATIENCE_FOR_CREDENTIALS: Duration = Duration::from_secs(30);
/// The same where the process ends: what the drain leaves, with room for a report.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(3);

/// Runs tasks.
#[derive(Clone)]
pub(super) struct Runner {
    pub(super) client: Client,
    pub(super) pulse: Pulse,
    pub(super) context: Context,
    pub(super) supervisor: Supervisor,
}

impl Runner {
    /// Runs a task to its end, including the report. Nothing that goes wrong in it leaves this function.
    pub(super) async fn run(&self, task: Task) {
        let kind = Kind::of(&task);
        let span = tracing::info_span!(
            "task",
            otel.status_code = tracing::field::Empty,
            task_id = task.id,
            task_type = kind.name()
        );
        self.run_here(task, kind).instrument(span).await;
    }

    /// Reports a task that was accepted but never begun.
    pub(super) async fn decline(&self, task: Task) {
        let span = tracing::info_span!("task", task_id = task.id, task_type = Kind::of(&task).name());
        let failure = Stop::under(self.supervisor.work()).failure();
        self.report(&task.id, failed(failure)).instrument(span).await;
    }

    async fn run_here(&self, task: Task, kind: Kind) {
        tracing::info!("task begins");
        let mut counted = metrics::task(kind.name());
        let began = Instant::now();
        let task_id = task.id.clone();
        let stop = Stop::under(self.supervisor.work());
        let lease = if kind.needs_heartbeats() {
            match Lease::begin(&self.pulse, &self.supervisor, &task_id, &stop).await {
                Ok(lease) => Some(lease),
                Err(failure) => {
                    tracing::warn!(error = failure.status.message, "task is not begun");
                    counted.ends(end_of(&Err(failure.clone())));
                    self.report(&task_id, failed(failure)).await;
                    return;
                }
            }
        } else {
            None
        };
        let recording = task.debug.then(|| self.record(kind, &task_id)).flatten();
        let outcome = self.execute(task, kind, &stop).await;
        if let Some(settled) = self.settle(&task_id, outcome, recording, &stop).await {
            log(&settled, began);
            counted.ends(end_of(&settled));
            let may_hold_a_credential = kind.makes_credentials() && settled.is_ok();
            let is_reported = self.report(&task_id, settled.unwrap_or_else(failed)).await;
            if may_hold_a_credential && !is_reported {
                // The control plane may have it all the same: what is in use must not be withdrawn.
                tracing::error!(
                    "a credential that this task made may have reached nobody: its audit line names it; where nobody \
                     has it, delete it"
                );
            }
        }
        // Until here: the task stays leased while its file is uploaded and its outcome reported.
        drop(lease);
    }

    /// Begins the debug log that the task asks for. It goes where the file of a sync goes; other tasks have none.
    fn record(&self, kind: Kind, task_id: &str) -> Option<Recording> {
        if !kind.is_sync() {
            tracing::info!("a debug log was asked for: only that of a sync can be sent");
            return None;
        }
        Recording::begin(task_id, &self.context.work_dir)
            .inspect_err(
                |error| tracing::warn!(error = %error, "the debug log that the task asks for cannot be made"),
            )
            .ok()
    }

    /// Carries the task out. A panic becomes its outcome.
    async fn execute(&self, task: Task, kind: Kind, stop: &Stop) -> Outcome {
        let work = AssertUnwindSafe(tasks::execute(task, &self.context, stop.token())).catch_unwind();
        let impatience = async {
            stop.token().cancelled().await;
            let patience = if !kind.makes_credentials() {
                PATIENCE
            } else if self.supervisor.work().is_cancelled() {
                PATIENCE_AT_THE_END
            } else {
                PATIENCE_FOR_CREDENTIALS
            };
            sleep(patience).await;
        };
        tokio::select! {
            biased;
            outcome = work => outcome.unwrap_or_else(|_| {
                tracing::error!("task panicked");
                Outcome::Failed(tasks::panicked(kind))
            }),
            () = impatience => {
                let mut failure = stop.failure();
                if kind.makes_credentials() {
                    failure.status.message.push_str(
                        "; whether it made a credential is not known: its audit lines say what was asked of AWS",
                    );
                }
                Outcome::Failed(failure)
            }
        }
    }

    /// Does what is left between the outcome and its report, and gives what is to be reported; `None` if nothing is.
    async fn settle(
        &self,
        task_id: &str,
        outcome: Outcome,
        recording: Option<Recording>,
        stop: &Stop,
    ) -> Option<Result<Finish, Failure>> {
        match outcome {
            Outcome::Done { response, annotations } => {
                Some(Ok(Finish::Success { response: Some(response), annotations }))
            }
            // The work tells that it was cancelled; why is known here alone.
            Outcome::Failed(failure) if stop.token().is_cancelled() && failure.code() == Code::Cancelled => {
                Some(Err(stop.failure()))
            }
            Outcome::Failed(failure) => Some(Err(failure)),
            Outcome::Synced(synced) => {
                if let Err(failure) = self.upload(task_id, synced, stop).await {
                    return Some(Err(failure));
                }
                if let Some(recording) = recording {
                    self.upload_recording(task_id, recording, stop).await;
                }
                Some(Ok(Finish::Success { response: None, annotations: Vec::new() }))
            }
            Outcome::Announce(metadata) => {
                let hello = self.client.hello(task_id, *metadata);
                match stop.token().run_until_cancelled(hello).await {
                    Some(Ok(())) => {
                        tracing::info!("task ends: the connector was announced again");
                        None
                    }
                    Some(Err(error)) => {
                        let status = error.to_status();
                        Some(Err(Failure { status, non_retryable: false, annotations: Vec::new() }))
                    }
                    None => Some(Err(stop.failure())),
                }
            }
        }
    }

    async fn upload(&self, task_id: &str, synced: Synced, stop: &Stop) -> Result<(), Failure> {
        let began = Instant::now();
        let uploaded =
            stop.token().run_until_cancelled(self.client.upload(task_id, synced.file.path())).await;
        metrics::uploaded(match &uploaded {
            None => Upload::Cancelled,
            Some(Ok(())) => Upload::Done { bytes: synced.file.bytes(), elapsed: began.elapsed() },
            Some(Err(_)) => Upload::Failed,
        });
        match uploaded {
            None => Err(stop.failure()),
            Some(Ok(())) => {
                tracing::info!(duration = began.elapsed().as_secs_f64(), "sync uploaded");
                self.context.uploaded(synced).await;
                Ok(())
            }
            Some(Err(UploadError::Rpc(error))) => {
                let status = error.to_status();
                Err(Failure { status, non_retryable: false, annotations: Vec::new() })
            }
            Some(Err(UploadError::Read(error))) => {
                let message = format!("the sync cannot be read back for its upload: {error}");
                Err(Failure::retryable(Code::Unknown, message))
            }
        }
    }

    /// Sends the debug log of a task whose sync was uploaded. Its loss changes nothing about the sync.
    async fn upload_recording(&self, task_id: &str, recording: Recording, stop: &Stop) {
        if let Err(error) = recording.flush() {
            tracing::warn!(error = %error, "the debug log that the task asked for is incomplete");
        }
        match stop.token().run_until_cancelled(self.client.upload(task_id, recording.path())).await {
            Some(Ok(())) => tracing::info!("debug log uploaded"),
            Some(Err(error)) => {
                tracing::warn!(error = chain(&error), "the debug log is lost; the sync is uploaded");
            }
            None => {}
        }
    }

    /// Reports an outcome; gives whether the control plane acknowledged it.
    async fn report(&self, task_id: &str, finish: Finish) -> bool {
        match self.client.finish(task_id, &finish, self.supervisor.reports()).await {
            Ok(()) => {
                tracing::debug!("task outcome reported");
                true
            }
            Err(Unacknowledged::Refused(error)) => {
                tracing::error!(error = %error, "the control plane does not take the outcome of the task");
                metrics::outcome_unreported(Unreported::Refused);
                false
            }
            Err(Unacknowledged::GivenUp(error)) => {
                let error = error.map(|error| error.to_string()).unwrap_or_default();
                tracing::error!(error, "the outcome of the task is lost: it could not be reported in time");
                metrics::outcome_unreported(Unreported::GivenUp);
                self.supervisor.note_unreported();
                false
            }
        }
    }
}

fn failed(failure: Failure) -> Finish {
    let Failure { status, non_retryable, annotations } = failure;
    Finish::Failure { status, non_retryable, annotations }
}

/// What the metrics say of it.
fn end_of(outcome: &Result<Finish, Failure>) -> TaskEnd {
    match outcome {
        Ok(_) => TaskEnd::Done,
        Err(failure) if failure.passes_with_time() => TaskEnd::Passing,
        Err(_) => TaskEnd::Failed,
    }
}

fn log(outcome: &Result<Finish, Failure>, began: Instant) {
    let duration = began.elapsed().as_secs_f64();
    tracing::Span::current().record("otel.status_code", if outcome.is_ok() { "OK" } else { "ERROR" });
    match outcome {
        Ok(_) => tracing::info!(duration, "task ends: done"),
        Err(failure) if failure.passes_with_time() => tracing::warn!(
            duration,
            error = failure.status.message,
            code = ?failure.code(),
            non_retryable = failure.non_retryable,
            "task ends: not done this time"
        ),
        Err(failure) => tracing::error!(
            duration,
            error = failure.status.message,
            code = ?failure.code(),
            non_retryable = failure.non_retryable,
            "task ends: failed"
        ),
    }
}
