//! Heartbeats of all leased tasks: one call for each, or one for all.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::baton::Code;
use crate::control_plane::{Client, Heartbeat, Heartbeats, RpcError};

/// What keeps tasks leased. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client,
    /// Whether one call may name several tasks.
    batches: AtomicBool,
    /// The tasks that one call names.
    leased: Mutex<BTreeSet<String>>,
    /// The last call for several tasks. Locked while one is under way: who is due meanwhile takes its answer.
    last: tokio::sync::Mutex<Option<Batch>>,
}

#[derive(Debug)]
struct Batch {
    sent_at: Instant,
    tasks: Vec<String>,
    answer: Result<Heartbeats, RpcError>,
}

/// One heartbeat of one task.
#[derive(Debug)]
pub(super) struct Beat {
    /// When it was sent.
    pub(super) sent_at: Instant,
    /// What came back.
    pub(super) answer: Result<Heartbeat, RpcError>,
}

/// A task that heartbeats of others name too, until this is dropped.
#[derive(Debug)]
pub(super) struct Leased {
    pulse: Pulse,
    task_id: String,
}

impl Pulse {
    /// With `batches`, several tasks go into one call, as long as the service takes that.
    pub(super) fn new(client: Client, batches: bool) -> Self {
        Self(Arc::new(Shared {
            client,
            batches: AtomicBool::new(batches),
            leased: Mutex::default(),
            last: tokio::sync::Mutex::default(),
        }))
    }

    pub(super) fn lease(&self, task_id: &str) -> Leased {
        self.leased().insert(task_id.to_owned());
        Leased { pulse: self.clone(), task_id: task_id.to_owned() }
    }

    /// A heartbeat for this task alone.
    pub(super) async fn alone(&self, task_id: &str) -> Beat {
        let sent_at = Instant::now();
        Beat { sent_at, answer: self.0.client.heartbeat(task_id).await }
    }

    /// The next heartbeat of a task whose last was sent at `previous`: one for all leased tasks, or the one that was
    /// sent for another since.
    pub(super) async fn with_others(&self, task_id: &str, previous: Instant) -> Beat {
        let mut last = self.0.last.lock().await;
        if !self.0.batches.load(Ordering::Relaxed) {
            drop(last);
            return self.alone(task_id).await;
        }
        if let Some(beat) =
            last.as_ref().filter(|batch| batch.sent_at > previous).and_then(|it| it.of(task_id))
        {
            return beat;
        }
        let tasks: Vec<String> = self.leased().iter().cloned().collect();
        if tasks.len() > 1 {
            let sent_at = Instant::now();
            let answer = self.0.client.heartbeats(&tasks).await;
            match &answer {
                Err(error) if refuses_the_form(error) => {
                    tracing::warn!(
                        error = %error,
                        "heartbeats for several tasks are refused; each task has its own from now on"
                    );
                    self.0.batches.store(false, Ordering::Relaxed);
                }
                // One of the tasks may be meant.
                Err(error) if error.is_permanent() && !error.is_identity_refused() => {}
                _ => {
                    let batch = last.insert(Batch { sent_at, tasks, answer });
                    if let Some(beat) = batch.of(task_id) {
                        return beat;
                    }
                }
            }
        }
        drop(last);
        self.alone(task_id).await
    }

    fn leased(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    /// What it says of one task; `None` if it did not name it.
    fn of(&self, task_id: &str) -> Option<Beat> {
        self.tasks.iter().any(|id| id == task_id).then(|| Beat {
            sent_at: self.sent_at,
            answer: self.answer.clone().map(|Heartbeats { next, cancelled }| Heartbeat {
                next,
                cancelled: cancelled.iter().any(|id| id == task_id),
            }),
        })
    }
}

fn refuses_the_form(error: &RpcError) -> bool {
    matches!(error.code(), Code::Unimplemented | Code::InvalidArgument)
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.pulse.leased().remove(&self.task_id);
    }
}
