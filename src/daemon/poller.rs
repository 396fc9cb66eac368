//! Asks for tasks while there are slots for them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};

use super::runner::Runner;
use crate::baton::Code;
use crate::baton::api::Task;
use crate::config::DaemonSettings;
use crate::control_plane::RpcError;
use crate::telemetry::metrics::{self, Poll};

/// Shortest time to the next question after one that brought nothing, for services that name none.
const FLOOR: Duration = Duration::from_millis(250);
/// Longest time to the next question after one that failed.
const LONGEST_ERROR_WAIT: Duration = Duration::from_mins(1);
/// The time to the next question while our identity is refused: people have to repair that.
const IDENTITY_WAIT: Duration = Duration::from_mins(5);

/// How long a question that is under way at the stop may still be answered: a task in an answer that nobody reads
/// would wait for the end of its lease.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// The loop that asks for tasks and hands them to the runner.
pub(super) struct Poller {
    runner: Runner,
    slots: Arc<Semaphore>,
    size: usize,
    /// Whether to ask for several tasks at once; not any more once the service refuses that.
    batches: AtomicBool,
    in_flight: InFlight,
}

impl Poller {
    pub(super) fn new(runner: Runner, settings: &DaemonSettings) -> Self {
        let size = settings.task_concurrency.max(1);
        metrics::set_task_slots(size);
        Self {
            runner,
            slots: Arc::new(Semaphore::new(size)),
            size,
            batches: AtomicBool::new(settings.get_tasks),
            in_flight: InFlight::default(),
        }
    }

    /// Polls until nothing new is to be begun; tasks that were accepted but not begun by then are declined.
    pub(super) async fn run(&self) {
        let mut queue = Queue::default();
        self.poll(&mut queue).await;
        for task in queue.tasks {
            let runner = self.runner.clone();
            self.runner.supervisor.spawn("task", async move { runner.decline(task).await });
        }
    }

    async fn poll(&self, queue: &mut Queue) {
        let intake = self.runner.supervisor.intake();
        loop {
            // A slot before the question: a task is never asked for that could not begin.
            let slot = intake.run_until_cancelled(Arc::clone(&self.slots).acquire_owned()).await;
            let Some(Ok(slot)) = slot else { return };
            if queue.tasks.len() + self.in_flight.len() < self.size {
                if queue.tasks.is_empty() {
                    intake.run_until_cancelled(sleep_until(queue.next_poll)).await;
                }
                if queue.next_poll <= Instant::now() && !intake.is_cancelled() {
                    self.ask(queue).await;
                }
            }
            if intake.is_cancelled() {
                return;
            }
            if let Some(task) = queue.tasks.pop_front() {
                self.begin(task, slot);
            }
        }
    }

    /// Asks once, and notes what came and when to ask again. After the stop it waits a moment longer for the answer.
    async fn ask(&self, queue: &mut Queue) {
        let too_late = async {
            self.runner.supervisor.intake().cancelled().await;
            sleep(LAST_ANSWER).await;
        };
        let answer = tokio::select! {
            biased;
            answer = self.question(queue) => answer,
            () = too_late => return,
        };
        metrics::polled(match &answer {
            Ok((tasks, _)) if tasks.is_empty() => Poll::Nothing,
            Ok(_) => Poll::Tasks,
            Err(_) => Poll::Failed,
        });
        let wait = match answer {
            Ok((tasks, next_poll)) => {
                queue.errors = 0;
                tracing::debug!(tasks = tasks.len(), next_poll = next_poll.as_secs_f64(), "asked for tasks");
                let accepted = self.accept(queue, tasks);
                if accepted { next_poll } else { next_poll.max(FLOOR) }
            }
            Err(error) => {
                queue.errors = queue.errors.saturating_add(1);
                let wait = wait_after(queue.errors, &error);
                report(&error, queue.errors, wait);
                wait
            }
        };
        queue.next_poll = Instant::now() + wait;
    }

    async fn question(&self, queue: &Queue) -> Result<(Vec<Task>, Duration), RpcError> {
        let client = &self.runner.client;
        if self.batches.load(Ordering::Relaxed) {
            let known: Vec<String> =
                queue.tasks.iter().map(|task| task.id.clone()).chain(self.in_flight.ids()).collect();
            let page_size = u32::try_from((2 * self.size).saturating_sub(known.len())).unwrap_or(u32::MAX);
            match client.get_tasks(page_size, known).await {
                Ok(polled) => return Ok((polled.tasks, polled.next_poll)),
                Err(error) if error.code() == Code::Unimplemented => {
                    tracing::warn!(
                        error = %error,
                        "the control plane hands out no batches (BATON_GET_TASKS); tasks are asked for one by one"
                    );
                    self.batches.store(false, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        let polled = client.get_task().await?;
        Ok((polled.task.into_iter().collect(), polled.next_poll))
    }

    /// Queues those that are new, and says whether there were any. The service alone keeps a task from being handed
    /// out twice; one that comes again while it runs here is not begun again.
    fn accept(&self, queue: &mut Queue, tasks: Vec<Task>) -> bool {
        let before = queue.tasks.len();
        for task in tasks {
            if task.id.is_empty() {
                tracing::warn!("a task without an id was handed out; it cannot be answered and is not begun");
                continue;
            }
            let queued = queue.tasks.iter().any(|other| other.id == task.id);
            if queued || self.in_flight.contains(&task.id) {
                tracing::info!(task_id = task.id, "task was handed out again while it is under way; ignored");
            } else {
                queue.tasks.push_back(task);
            }
        }
        queue.tasks.len() > before
    }

    fn begin(&self, task: Task, slot: OwnedSemaphorePermit) {
        let entry = self.in_flight.enter(&task.id);
        let runner = self.runner.clone();
        self.runner.supervisor.spawn("task", async move {
            runner.run(task).await;
            drop(entry);
            drop(slot);
        });
    }
}

/// What is known between two questions.
struct Queue {
    tasks: VecDeque<Task>,
    next_poll: Instant,
    errors: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { tasks: VecDeque::new(), next_poll: Instant::now(), errors: 0 }
    }
}

/// 1, 4, 9 ... 60 seconds.
fn wait_after(errors: u32, error: &RpcError) -> Duration {
    if error.is_identity_refused() {
        return IDENTITY_WAIT;
    }
    Duration::from_secs(u64::from(errors).pow(2)).min(LONGEST_ERROR_WAIT)
}

fn report(error: &RpcError, err_count: u32, wait: Duration) {
    let next_check_after = wait.as_secs_f64();
    if error.is_permanent() {
        tracing::error!(error = %error, err_count, next_check_after, "asking for tasks failed");
    } else {
        tracing::warn!(error = %error, err_count, next_check_after, "asking for tasks failed");
    }
}

/// The ids of the tasks that run.
#[derive(Clone, Debug, Default)]
struct InFlight(Arc<Mutex<BTreeSet<String>>>);

impl InFlight {
    fn enter(&self, id: &str) -> Entry {
        self.set().insert(id.to_owned());
        Entry { all: self.clone(), id: id.to_owned() }
    }

    fn contains(&self, id: &str) -> bool {
        self.set().contains(id)
    }

    fn len(&self) -> usize {
        self.set().len()
    }

    fn ids(&self) -> Vec<String> {
        self.set().iter().cloned().collect()
    }

    fn set(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that runs, until this is dropped.
#[derive(Debug)]
struct Entry {
    all: InFlight,
    id: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.set().remove(&self.id);
    }
}
