//! The collapse breaker: holds back an upload that would read as if many had lost their access.
//!
//! Before an upload the sync is compared with the last one uploaded under the same options. What looks like the
//! connector's own blindness fails the task with the numbers. It is believed when a later task finds the same after
//! some time, if nothing could go wrong in between that would explain it.

mod records;
mod verdict;

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::config::BreakerSettings;
use crate::sync::{Census, SyncOptions};
use records::{Finding, Key, Record, Records};
use verdict::Reason;

/// Reasons that a message names one by one.
const NAMED: usize = 8;

/// Judges syncs before they are uploaded, by those that were.
#[derive(Debug, Default)]
pub struct Breaker {
    settings: BreakerSettings,
    records: Records,
    clock: Clock,
}

/// Why an upload is held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    reasons: Vec<Reason>,
    outlook: Outlook,
}

/// What will let it pass.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Outlook {
    /// The same in a crawl of another task that begins at this time or later.
    From(Timestamp),
    /// Nothing but an end of the trouble, or the operator's word.
    Trouble(Vec<String>),
}

/// The time of this process: that of the system at its start, and what has passed since. Steps of the system's clock
/// do not age a finding.
#[derive(Debug)]
struct Clock {
    started_at: Timestamp,
    started: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { started_at: Timestamp::now(), started: Instant::now() }
    }
}

impl Clock {
    fn at(&self, instant: Instant) -> Timestamp {
        later(self.started_at, instant.saturating_duration_since(self.started))
    }
}

/// No later than the end of time.
fn later(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| time.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

impl Breaker {
    /// A breaker that remembers in the state directory of the settings, or as long as it lives.
    pub fn new(settings: BreakerSettings) -> Self {
        let records = Records::new(settings.state_dir.clone());
        Self { settings, records, clock: Clock::default() }
    }

    /// Whether a sync may be uploaded. One that may not is remembered: a later one may confirm it. `task` is who asks
    /// for the upload, and `began` when the crawl began.
    ///
    /// Blocks on the file system.
    ///
    /// # Errors
    /// The reasons why it is held.
    pub fn judge(
        &self,
        task: &str,
        began: Instant,
        options: &SyncOptions,
        census: &Census,
    ) -> Result<(), Held> {
        let key = Key::new(options, census);
        let mut record = self.records.read(&key);
        let reasons = verdict::reasons(census, record.uploaded.as_ref(), options, &self.settings);
        if reasons.is_empty() {
            // What was held before was not there to stay.
            if record.held.take().is_some() {
                self.records.write(&key, &record);
            }
            return Ok(());
        }
        if self.settings.allow {
            tracing::warn!(reason = %Listed(&reasons), "sync is uploaded although it looks implausible: BATON_ALLOW_COLLAPSE is set");
            return Ok(());
        }
        let trouble = verdict::trouble(&reasons, census, record.uploaded.as_ref());
        if !trouble.is_empty() {
            if record.held.take().is_some() {
                self.records.write(&key, &record);
            }
            return Err(Held { reasons, outlook: Outlook::Trouble(trouble) });
        }
        let now = self.clock.at(Instant::now());
        // A finding of the future was kept by a clock that was wrong.
        let found_before = record
            .held
            .as_ref()
            .filter(|found| found.since <= now && verdict::is_same(&reasons, census, &found.census));
        if let Some(found) = found_before {
            let from = later(found.since, self.settings.confirm_after);
            if found.task != task && self.clock.at(began) >= from {
                tracing::warn!(
                    reason = %Listed(&reasons),
                    held_since = %found.since,
                    "sync is uploaded although it looks implausible: a later crawl has found the same"
                );
                return Ok(());
            }
            return Err(Held { reasons, outlook: Outlook::From(from) });
        }
        record.held = Some(Finding { task: task.to_owned(), since: now, census: census.clone() });
        self.records.write(&key, &record);
        Err(Held { reasons, outlook: Outlook::From(later(now, self.settings.confirm_after)) })
    }

    /// Remembers a sync that was uploaded.
    ///
    /// Blocks on the file system.
    pub fn uploaded(&self, options: &SyncOptions, census: &Census) {
        let record = Record { uploaded: Some(census.clone()), held: None };
        self.records.write(&Key::new(options, census), &record);
    }

    /// Notes that a crawl failed: what was held before is no longer confirmed by what is found after.
    ///
    /// Blocks on the file system.
    pub fn crawl_failed(&self) {
        self.records.forget_findings();
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. ", Listed(&self.reasons))?;
        match &self.outlook {
            Outlook::From(from) => write!(
                f,
                "If it is meant, sync again: a sync that another task asks for, begins at {from:.0} or later and \
                 finds the same is let pass; BATON_ALLOW_COLLAPSE=true lets it pass at once"
            ),
            Outlook::Trouble(trouble) => write!(
                f,
                "No later crawl confirms that while something cannot be read ({}): let it be read again, or have \
                 it pass with BATON_ALLOW_COLLAPSE=true",
                Listed(trouble)
            ),
        }
    }
}

/// The first few of many.
struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().take(NAMED).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{item}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::sync::seal::Counts;

    const QUARTER: Duration = Duration::from_mins(15);

    fn census(id: &str, users: u64, robots: u64) -> Census {
        let counts = |resources| Counts { resources, grants: 0 };
        let types =
            [("sso_user".to_owned(), counts(users)), ("access-key".to_owned(), counts(robots))].into();
        Census { sync_id: id.into(), types, ..Census::default() }
    }

    /// Judges a crawl that has just been made.
    fn judge(breaker: &Breaker, task: &str, census: &Census) -> Result<(), String> {
        breaker.judge(task, Instant::now(), &SyncOptions::default(), census).map_err(|held| held.to_string())
    }

    fn after_an_upload() -> Breaker {
        let breaker = Breaker::default();
        breaker.uploaded(&SyncOptions::default(), &census("0", 400, 9));
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn a_finding_is_confirmed_by_another_task_after_a_quarter_of_an_hour_and_by_nothing_else() {
        let breaker = after_an_upload();
        assert!(judge(&breaker, "a", &census("1", 200, 9)).is_err());
        advance(Duration::from_secs(2)).await;
        assert!(judge(&breaker, "a", &census("2", 200, 9)).is_err(), "the same task, handed out again");
        assert!(judge(&breaker, "b", &census("3", 200, 9)).is_err(), "another task, too early");
        advance(QUARTER).await;
        assert!(judge(&breaker, "a", &census("4", 200, 9)).is_err(), "the same task, however late");
        assert_eq!(judge(&breaker, "c", &census("5", 200, 9)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_counts_to_the_beginning_of_the_crawl_that_confirms() {
        let breaker = after_an_upload();
        assert!(judge(&breaker, "a", &census("1", 200, 9)).is_err());
        let began = Instant::now();
        advance(QUARTER).await;
        let late = breaker.judge("b", began, &SyncOptions::default(), &census("2", 200, 9));
        assert!(late.is_err(), "a crawl that began with the finding looked no later");
    }

    #[tokio::test(start_paused = true)]
    async fn another_finding_waits_for_itself() {
        let breaker = after_an_upload();
        assert!(judge(&breaker, "a", &census("1", 200, 9)).is_err());
        advance(QUARTER).await;
        assert!(judge(&breaker, "b", &census("2", 100, 9)).is_err());
        advance(QUARTER / 2).await;
        assert!(judge(&breaker, "c", &census("3", 100, 9)).is_err());
        advance(QUARTER / 2).await;
        assert_eq!(judge(&breaker, "d", &census("4", 100, 9)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_removal_that_was_meant_passes_though_another_type_changes_each_time() {
        let breaker = after_an_upload();
        assert!(judge(&breaker, "a", &census("1", 200, 10)).is_err());
        advance(QUARTER).await;
        assert_eq!(judge(&breaker, "b", &census("2", 201, 11)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_between_makes_the_finding_wait_anew() {
        let plausible = |breaker: &Breaker| assert_eq!(judge(breaker, "p", &census("p", 400, 9)), Ok(()));
        let failed = |breaker: &Breaker| breaker.crawl_failed();
        let troubled = |breaker: &Breaker| {
            let mut census = census("t", 200, 9);
            census.incomplete.insert("groups".into(), 1);
            let held = judge(breaker, "t", &census).unwrap_err();
            assert!(held.contains("1 of groups could not be read whole"), "{held}");
            assert!(!held.contains("or later and finds the same"), "{held}");
        };
        for between in [&plausible as &dyn Fn(&Breaker), &failed, &troubled] {
            let breaker = after_an_upload();
            assert!(judge(&breaker, "a", &census("1", 200, 9)).is_err());
            between(&breaker);
            advance(QUARTER).await;
            assert!(judge(&breaker, "b", &census("2", 200, 9)).is_err());
            advance(QUARTER).await;
            assert_eq!(judge(&breaker, "c", &census("3", 200, 9)), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_confirms_nothing_however_long_it_lasts() {
        let breaker = after_an_upload();
        for task in ["a", "b", "c"] {
            let mut census = census(task, 200, 9);
            census.incomplete.insert("bindings".into(), 40);
            assert!(judge(&breaker, task, &census).is_err());
            advance(QUARTER).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_finding_outlives_the_process_and_a_clock_that_was_wrong_does_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let settings = BreakerSettings { state_dir: Some(directory.path().into()), ..Default::default() };
        let started = |settings: &BreakerSettings, late: Duration| {
            let mut breaker = Breaker::new(settings.clone());
            breaker.clock.started_at = later(breaker.clock.started_at, late);
            breaker
        };
        let first = started(&settings, Duration::ZERO);
        first.uploaded(&SyncOptions::default(), &census("0", 400, 9));
        assert!(judge(&first, "a", &census("1", 200, 9)).is_err());
        let early = started(&settings, QUARTER / 2);
        assert!(judge(&early, "b", &census("2", 200, 9)).is_err());
        let ahead = started(&settings, QUARTER + Duration::from_secs(9));
        assert_eq!(judge(&ahead, "c", &census("3", 200, 9)), Ok(()));

        // It was not uploaded, but another one is found by a clock that is days ahead, and is set right after.
        assert!(judge(&started(&settings, QUARTER * 400), "d", &census("4", 100, 9)).is_err());
        let right = started(&settings, Duration::ZERO);
        assert!(judge(&right, "e", &census("5", 100, 9)).is_err());
        advance(QUARTER).await;
        assert_eq!(judge(&right, "f", &census("6", 100, 9)), Ok(()));
    }
}
