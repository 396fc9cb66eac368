//! The sync that is made ahead of being asked for, and the conditions under which it may be the answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::crawl::Made;
use crate::sync::{self, Affected, Changes, SyncOptions};

/// How long after a change AWS may still show what was before it.
const SETTLING: Duration = Duration::from_mins(1);

/// The newest sync that this process made unasked.
///
/// It is an answer only while it can be the truth: any change of AWS by this process makes it worthless, and one
/// that was under way while a sync was made, or ended less than a minute before, keeps that sync from being used.
#[derive(Debug, Default)]
pub struct Prepared {
    state: Mutex<State>,
    changes: Arc<Changes>,
}

#[derive(Debug, Default)]
struct State {
    newest: Option<Made>,
    asked: Option<SyncOptions>,
    changes_running: usize,
    last_change: Option<Instant>,
}

/// While it lives, a change of AWS is under way.
#[derive(Debug)]
pub(super) struct Change {
    prepared: Arc<Prepared>,
    logged: sync::Change,
}

impl Change {
    /// It is known by now what was changed, and that it was nothing else.
    pub(super) fn affects(&mut self, affected: Affected) {
        self.logged.affects(affected);
    }
}

impl Prepared {
    /// Keeps `sync` as the newest, if no change of AWS makes it doubtful. Says whether it did.
    pub fn offer(&self, sync: Made) -> bool {
        let mut state = self.state();
        let usable = state.unchanged_since(sync.started_at);
        if usable {
            state.newest = Some(sync);
        }
        usable
    }

    /// The newest sync, if it was made with exactly `options` and its making began less than `max_age` ago.
    pub fn newest(&self, options: &SyncOptions, max_age: Duration) -> Option<Made> {
        let state = self.state();
        let newest = state.newest.as_ref()?;
        (newest.options == *options && newest.started_at.elapsed() < max_age).then(|| newest.clone())
    }

    /// When the making of the newest sync began.
    pub fn newest_began(&self) -> Option<Instant> {
        self.state().newest.as_ref().map(|newest| newest.started_at)
    }

    /// Gives the newest sync up: the next task makes its own.
    pub(super) fn forget(&self) {
        self.state().newest = None;
    }

    /// Whether no change of AWS by this process can be missing from what was read since `began`.
    pub(super) fn unchanged_since(&self, began: Instant) -> bool {
        self.state().unchanged_since(began)
    }

    /// The options with which a sync was last asked for: the next will be asked for likewise.
    pub fn last_asked(&self) -> Option<SyncOptions> {
        self.state().asked.clone()
    }

    pub(super) fn note_asked(&self, options: &SyncOptions) {
        self.state().asked = Some(options.clone());
    }

    /// Marks that a change of AWS begins, and what it may change.
    pub(super) fn provisioning(self: &Arc<Self>, affected: Affected) -> Change {
        let mut state = self.state();
        state.changes_running += 1;
        state.newest = None;
        Change { prepared: Arc::clone(self), logged: self.changes.begin(affected) }
    }

    /// What this process changed.
    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn unchanged_since(&self, began: Instant) -> bool {
        self.changes_running == 0 && self.last_change.is_none_or(|ended| ended + SETTLING <= began)
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let mut state = self.prepared.state();
        state.changes_running = state.changes_running.saturating_sub(1);
        state.last_change = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::super::outcome::SyncFile;
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn options(types: &[&str]) -> SyncOptions {
        SyncOptions { types: types.iter().map(ToString::to_string).collect(), ..SyncOptions::default() }
    }

    fn sync(started_at: Instant) -> Made {
        let file = SyncFile::new(tempfile::NamedTempFile::new().unwrap().into_temp_path());
        Made { options: options(&[]), started_at, file, census: Arc::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn another_filter_another_option_or_age_is_no_answer() {
        let prepared = Prepared::default();
        assert!(prepared.newest(&options(&[]), HOUR).is_none());
        assert!(prepared.offer(sync(Instant::now())));
        assert!(prepared.newest(&options(&["account"]), HOUR).is_none());
        assert!(prepared.newest(&SyncOptions { expand: false, ..options(&[]) }, HOUR).is_none());
        assert!(prepared.newest(&options(&[]), Duration::ZERO).is_none());
        assert!(prepared.newest(&options(&[]), HOUR).is_some());
        advance(HOUR).await;
        assert!(prepared.newest(&options(&[]), HOUR).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_during_the_sync_makes_it_unusable() {
        let prepared = Arc::new(Prepared::default());
        let started = Instant::now();
        let change = prepared.provisioning(Affected::Anything);
        assert!(!prepared.offer(sync(started)), "a change is under way");
        drop(change);
        assert!(!prepared.offer(sync(started)), "a change ended after the sync began");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_in_the_minute_before_the_sync_makes_it_unusable() {
        let prepared = Arc::new(Prepared::default());
        drop(prepared.provisioning(Affected::Anything));
        advance(Duration::from_secs(59)).await;
        assert!(!prepared.offer(sync(Instant::now())));
        advance(Duration::from_secs(1)).await;
        assert!(prepared.offer(sync(Instant::now())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_after_the_sync_makes_it_worthless() {
        let prepared = Arc::new(Prepared::default());
        assert!(prepared.offer(sync(Instant::now())));
        let change = prepared.provisioning(Affected::Anything);
        assert!(prepared.newest(&options(&[]), HOUR).is_none());
        drop(change);
        assert!(prepared.newest(&options(&[]), HOUR).is_none());
    }
}
