//! Keeps a long task leased: heartbeats from before the work until its outcome is reported.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::heartbeats::{Beat, Leased, Pulse};
use super::stop::{Reason, Stop};
use super::supervisor::Supervisor;
use crate::tasks::Failure;

/// Heartbeats in a row that may fail before the task is given up.
const TOLERATED: u32 = 9;
/// The time to the next heartbeat while the service has not named one yet.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);

/// A task that is kept leased until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    _until_dropped: DropGuard,
}

impl Lease {
    /// Sends the first heartbeat and, if it finds the task still wanted, goes on sending them in the background. A
    /// first heartbeat that is lost on the way counts as one of those that may fail; one that the service refuses
    /// means that the task is not ours.
    pub(super) async fn begin(
        pulse: &Pulse,
        supervisor: &Supervisor,
        task_id: &str,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let first = tokio::select! {
            beat = pulse.alone(task_id) => beat,
            () = stop.token().cancelled() => return Err(stop.failure()),
        };
        let mut beats = Beats::starting_with(first.sent_at);
        match &first.answer {
            Err(error) if error.is_permanent() && !error.is_identity_refused() => {
                let status = error.to_status();
                return Err(Failure { status, non_retryable: false, annotations: Vec::new() });
            }
            _ => beats.note(first),
        }
        if let Some(reason) = beats.over() {
            stop.give_up(reason);
            return Err(stop.failure());
        }
        let end = CancellationToken::new();
        let keep = keep(pulse.clone(), pulse.lease(task_id), task_id.to_owned(), stop.clone(), beats);
        let ended = end.clone();
        supervisor.spawn("heartbeats", async move {
            ended.run_until_cancelled(keep).await;
        });
        Ok(Self { _until_dropped: end.drop_guard() })
    }
}

/// Sends heartbeats until the task is to be given up.
async fn keep(pulse: Pulse, _leased: Leased, task_id: String, stop: Stop, mut beats: Beats) {
    loop {
        if let Some(reason) = beats.over() {
            tracing::warn!(reason = ?reason, "the task is given up");
            return stop.give_up(reason);
        }
        sleep_until(beats.sent_at + beats.interval).await;
        beats.note(pulse.with_others(&task_id, beats.sent_at).await);
    }
}

/// What the heartbeats so far have told.
#[derive(Debug)]
struct Beats {
    sent_at: Instant,
    interval: Duration,
    failed: u32,
    cancelled: bool,
}

impl Beats {
    fn starting_with(sent_at: Instant) -> Self {
        Self { sent_at, interval: DEFAULT_INTERVAL, failed: 0, cancelled: false }
    }

    fn note(&mut self, beat: Beat) {
        self.sent_at = beat.sent_at;
        match beat.answer {
            Ok(heartbeat) => {
                tracing::debug!(next_heartbeat = heartbeat.next.as_secs_f64(), "heartbeat");
                self.interval = heartbeat.next;
                self.failed = 0;
                self.cancelled = heartbeat.cancelled;
            }
            Err(error) => {
                self.failed += 1;
                tracing::warn!(
                    error = %error,
                    err_count = self.failed,
                    next_heartbeat = self.interval.as_secs_f64(),
                    "heartbeat failed"
                );
            }
        }
    }

    fn over(&self) -> Option<Reason> {
        if self.cancelled {
            Some(Reason::Cancelled)
        } else if self.failed > TOLERATED {
            Some(Reason::Unheard)
        } else {
            None
        }
    }
}
