//! Syncs that nobody asked for, made at an interval.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::Rng as _;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::target::prepare_target;
use crate::baton::Code;
use crate::c1z::{self, place};
use crate::config::SyncSettings;
use crate::control_plane::chain;
use crate::sync::SyncOptions;
use crate::tasks::{Context, EngineError, Held, Synced, make};

/// How far a time may be off the schedule, as a part of the interval: many connectors of one operator do not call at
/// once.
const JITTER: f64 = 0.1;

/// Keeps the newest sync ready for the next task, until `intake` is cancelled. A sync under way is dropped then:
/// nobody is left who would use it.
pub(super) async fn prepare(context: Context, interval: Duration, intake: CancellationToken) {
    let mut schedule = Schedule::starting_now(interval);
    loop {
        let options = context.prepared.last_asked().unwrap_or_else(|| as_tasks_ask(&context.sync));
        let cancel = intake.child_token();
        match intake.run_until_cancelled(make_ahead(&context, options, cancel)).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => {
                let age = context.prepared.newest_began().map(|began| began.elapsed().as_secs_f64());
                tracing::error!(
                    error = %error,
                    last_good_age = age,
                    "sync ahead of time failed; the last good one is kept while it is young enough"
                );
            }
        }
        if intake.run_until_cancelled(schedule.next()).await.is_none() {
            return;
        }
    }
}

async fn make_ahead(
    context: &Context,
    options: SyncOptions,
    cancel: CancellationToken,
) -> Result<(), EngineError> {
    let made = make(context, &options, &cancel).await?;
    let duration = made.started_at.elapsed().as_secs_f64();
    if context.prepared.offer(made) {
        tracing::info!(duration, "sync made ahead of time");
    } else {
        tracing::info!(duration, "sync made ahead of time is not used: access was changed meanwhile");
    }
    Ok(())
}

/// Replaces `file` with a new sync at each interval, the first at once, until `intake` is cancelled. A sync that
/// fails, or looks as if access had collapsed, leaves the file as it was. One under way may finish; it ends early with `work`.
pub(super) async fn refresh(
    context: Context,
    file: PathBuf,
    interval: Duration,
    intake: CancellationToken,
    work: CancellationToken,
) {
    let options = as_configured(&context.sync);
    let mut schedule = Schedule::starting_now(interval);
    loop {
        write(&context, &options, &file, &work).await;
        if intake.is_cancelled() || intake.run_until_cancelled(schedule.next()).await.is_none() {
            return;
        }
    }
}

async fn write(context: &Context, options: &SyncOptions, file: &Path, work: &CancellationToken) {
    let began = Instant::now();
    let path = file.display();
    match replace(context, options, file, work).await {
        Ok(()) => {
            tracing::info!(path = %path, duration = began.elapsed().as_secs_f64(), "file replaced with a new sync");
        }
        Err(NotReplaced::Stopped) => {
            tracing::warn!(path = %path, "sync interrupted; the file stays as it was");
        }
        Err(NotReplaced::Held(held)) => tracing::error!(
            path = %path,
            reason = %held,
            "the sync looks as if access had collapsed; the file stays as it was"
        ),
        Err(NotReplaced::Failed(error)) => {
            tracing::error!(path = %path, error, "sync failed; the file stays as it was");
        }
    }
}

/// Why a file was not replaced.
enum NotReplaced {
    Stopped,
    Held(Held),
    Failed(String),
}

/// Whoever reads the file takes what it lacks for revoked, as a control plane does: a new sync is judged by the last.
async fn replace(
    context: &Context,
    options: &SyncOptions,
    file: &Path,
    work: &CancellationToken,
) -> Result<(), NotReplaced> {
    let made = make(context, options, work).await.map_err(|error| NotReplaced::of(&error))?;
    // A sync of some resources says nothing of the others. No task asks for it: each crawl stands for itself.
    let is_judged = made.options.targets.is_none();
    if is_judged {
        context.judge(&made.census.sync_id, &made).await.map_err(|held| {
            held.map_or_else(|| NotReplaced::Failed("it could not be judged".to_owned()), NotReplaced::Held)
        })?;
    }
    let (whole, target, stop) = (made.file.clone(), file.to_owned(), work.clone());
    let placed = spawn_blocking(move || {
        let target = prepare_target(&target).map_err(|error| NotReplaced::Failed(chain(&error)))?;
        place(whole.path(), &target, &stop).map_err(|error| match error {
            c1z::Error::Cancelled => NotReplaced::Stopped,
            error => NotReplaced::Failed(chain(&error)),
        })
    });
    placed.await.unwrap_or_else(|_| Err(NotReplaced::Failed("it could not be put in place".to_owned())))?;
    let counted = is_judged.then_some((made.options, made.census));
    context.uploaded(Synced { file: made.file, counted }).await;
    Ok(())
}

impl NotReplaced {
    fn of(error: &EngineError) -> Self {
        match Code::from_i32(error.status.code) {
            Code::Cancelled => Self::Stopped,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What a task asks for that sets none of its switches.
fn as_tasks_ask(sync: &SyncSettings) -> SyncOptions {
    SyncOptions { types: sorted(&sync.types), external: sync.external.clone(), ..SyncOptions::default() }
}

/// What a one-shot run writes.
fn as_configured(sync: &SyncSettings) -> SyncOptions {
    SyncOptions { types: sorted(&sync.types), ..SyncOptions::configured(sync) }
}

fn sorted(types: &[String]) -> Vec<String> {
    let mut types = types.to_vec();
    types.sort_unstable();
    types.dedup();
    types
}

/// Times at a jittered interval. Those that pass while work goes on are left out.
#[derive(Debug)]
struct Schedule {
    interval: Duration,
    tick: Instant,
}

impl Schedule {
    fn starting_now(interval: Duration) -> Self {
        Self { interval, tick: Instant::now() }
    }

    /// Waits for the next time.
    async fn next(&mut self) {
        let now = Instant::now();
        while self.tick <= now {
            let factor = rand::rng().random_range(1.0 - JITTER..=1.0 + JITTER);
            self.tick += self.interval.mul_f64(factor).max(Duration::from_millis(1));
        }
        sleep_until(self.tick).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_interval_is_jittered_by_a_tenth() {
        let interval = Duration::from_mins(10);
        let mut schedule = Schedule::starting_now(interval);
        for _ in 0..20 {
            let before = Instant::now();
            schedule.next().await;
            let waited = before.elapsed();
            assert!(waited >= interval.mul_f64(0.899) && waited <= interval.mul_f64(1.101), "{waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn missed_times_do_not_pile_up() {
        let interval = Duration::from_mins(10);
        let mut schedule = Schedule::starting_now(interval);
        advance(interval * 10).await;
        schedule.next().await;
        let before = Instant::now();
        schedule.next().await;
        assert!(before.elapsed() >= interval.mul_f64(0.899), "{:?}", before.elapsed());
    }

    #[test]
    fn switches_of_one_shot_runs_hold_without_a_control_plane_alone() {
        let sync = SyncSettings {
            types: vec!["b".into(), "a".into()],
            skip_entitlements_and_grants: true,
            skip_grants: true,
            ..Default::default()
        };
        assert_eq!(as_tasks_ask(&sync).types, ["a", "b"]);
        assert!(as_tasks_ask(&sync).grants && as_tasks_ask(&sync).entitlements_and_grants);
        assert!(!as_configured(&sync).grants && !as_configured(&sync).entitlements_and_grants);
    }
}
