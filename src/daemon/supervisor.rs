//! Starts and watches everything that runs beside the main task, and ends it in two phases.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// What cancelled tasks get to say how they ended. Together with the grace period it has to fit into the time that
/// the platform gives a process to stop.
const LAST_WORDS: Duration = Duration::from_secs(4);
/// The pause before a service that panicked starts again.
const RESTART: Duration = Duration::from_secs(1);

/// Spawns for the daemon; nothing else does. Clones are the same supervisor.
#[derive(Clone, Debug, Default)]
pub(super) struct Supervisor {
    intake: CancellationToken,
    work: CancellationToken,
    reports: CancellationToken,
    end: CancellationToken,
    running: TaskTracker,
    unreported: Arc<AtomicUsize>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Drained {
    /// Everything ended by itself.
    Finished,
    /// What was left was cancelled, and has said so.
    Cancelled,
    /// Something was left without a word.
    Abandoned,
}

impl Supervisor {
    /// Cancelled when nothing new is to be begun.
    pub(super) fn intake(&self) -> &CancellationToken {
        &self.intake
    }

    /// Cancelled when running work is to end.
    pub(super) fn work(&self) -> &CancellationToken {
        &self.work
    }

    /// Cancelled when there is no time left for reports.
    pub(super) fn reports(&self) -> &CancellationToken {
        &self.reports
    }

    /// Notes that the control plane will not learn how a task ended.
    pub(super) fn note_unreported(&self) {
        self.unreported.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs `future` in the present span. If it panics, that is logged and concerns nothing else.
    pub(super) fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let contained = async move {
            if AssertUnwindSafe(future).catch_unwind().await.is_err() {
                tracing::error!("{name} panicked");
            }
        };
        self.running.spawn(contained.in_current_span());
    }

    /// Runs what `make` makes until it returns; after a panic it is made anew.
    pub(super) fn serve<F>(&self, name: &'static str, make: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.running.spawn(async move {
            while AssertUnwindSafe(make()).catch_unwind().await.is_err() {
                tracing::error!("{name} panicked and is started again");
                sleep(RESTART).await;
            }
        });
    }

    /// Runs `future` until the guard of [`Supervisor::until_dropped`] is dropped; a drain does not wait for it.
    pub(super) fn spawn_to_the_end(&self, future: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.end.clone().run_until_cancelled_owned(future));
    }

    /// The guard whose end ends what goes on through a drain.
    pub(super) fn until_dropped(&self) -> DropGuard {
        self.end.clone().drop_guard()
    }

    /// Ends everything: nothing new is begun; what runs may finish within `grace`, then is cancelled and gets a
    /// few seconds to say so.
    pub(super) async fn drain(&self, grace: Duration) -> Drained {
        self.intake.cancel();
        self.running.close();
        let finished = timeout(grace, self.running.wait()).await.is_ok();
        if !finished {
            tracing::warn!(tasks.left = self.running.len(), "grace period ended; cancelling what still runs");
            self.work.cancel();
            let quiet = timeout(LAST_WORDS, self.running.wait()).await.is_ok();
            self.reports.cancel();
            // Whoever waited for a report to be taken notes that it was not.
            if !quiet && timeout(LAST_WORDS / 8, self.running.wait()).await.is_err() {
                tracing::error!(tasks.left = self.running.len(), "tasks did not end; leaving them");
                return Drained::Abandoned;
            }
        }
        match (finished, self.unreported.load(Ordering::Relaxed)) {
            (true, 0) => Drained::Finished,
            (false, 0) => Drained::Cancelled,
            (_, unreported) => {
                tracing::error!(tasks.unreported = unreported, "outcomes of tasks could not be reported");
                Drained::Abandoned
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const GRACE: Duration = Duration::from_secs(25);

    #[tokio::test(start_paused = true)]
    async fn an_idle_process_drains_at_once() {
        let supervisor = Supervisor::default();
        let intake = supervisor.intake().clone();
        supervisor.serve("poller", move || intake.clone().cancelled_owned());
        let started = Instant::now();
        assert_eq!(supervisor.drain(GRACE).await, Drained::Finished);
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn running_work_may_finish_within_the_grace_period() {
        let supervisor = Supervisor::default();
        supervisor.spawn("work", sleep(GRACE / 2));
        assert_eq!(supervisor.drain(GRACE).await, Drained::Finished);
        assert!(!supervisor.work().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_takes_longer_is_cancelled() {
        let supervisor = Supervisor::default();
        supervisor.spawn("work", supervisor.work().clone().cancelled_owned());
        let started = Instant::now();
        assert_eq!(supervisor.drain(GRACE).await, Drained::Cancelled);
        assert_eq!(started.elapsed(), GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ignores_everything_is_left_behind_in_bounded_time() {
        let supervisor = Supervisor::default();
        supervisor.spawn("work", std::future::pending());
        let started = Instant::now();
        assert_eq!(supervisor.drain(GRACE).await, Drained::Abandoned);
        assert!(started.elapsed() < GRACE + Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_that_was_not_reported_is_not_a_clean_end() {
        let supervisor = Supervisor::default();
        supervisor.note_unreported();
        assert_eq!(supervisor.drain(GRACE).await, Drained::Abandoned);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_ends_nothing_else_and_a_service_starts_again() {
        let supervisor = Supervisor::default();
        supervisor.spawn("work", async { panic!("planned") });
        let (starts, mut started) = tokio::sync::watch::channel(0);
        supervisor.serve("service", move || {
            let starts = starts.clone();
            async move {
                starts.send_modify(|n| *n += 1);
                assert!(*starts.borrow() > 2, "planned");
            }
        });
        timeout(Duration::from_mins(1), started.wait_for(|n| *n == 3)).await.unwrap().unwrap();
        assert_eq!(supervisor.drain(GRACE).await, Drained::Finished);
    }
}
