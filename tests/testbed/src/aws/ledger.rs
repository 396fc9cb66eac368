//! What was called, by whom, and when: counters and a transcript.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// Calls beyond this many are counted but no longer kept in the transcript; the oldest go first.
const TRANSCRIPT_LIMIT: usize = 200_000;

/// One call that has ended.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The action, for example `sso:ListInstances`.
    pub action: String,
    /// Account of the caller; empty when the caller could not be authenticated.
    pub account: String,
    /// ARN of the caller; empty when the caller could not be authenticated.
    pub principal: String,
    /// Region that the request was signed for.
    pub region: String,
    /// The id that the reply carried.
    pub request_id: String,
    /// HTTP status, 0 when no reply was sent.
    pub status: u16,
    /// Error code of the reply.
    pub error: Option<String>,
    /// When the request was read, since the server started, in seconds when serialized.
    #[serde(serialize_with = "seconds")]
    pub start: Duration,
    /// When the reply was ready.
    #[serde(serialize_with = "seconds")]
    pub end: Duration,
}

fn seconds<S: serde::Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(value.as_secs_f64())
}

/// How often one principal called one action.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Count {
    /// The action, for example `sso:ListInstances`.
    pub action: String,
    /// Account of the caller.
    pub account: String,
    /// ARN of the caller.
    pub principal: String,
    /// Calls, whatever became of them.
    pub calls: u64,
    /// Calls that were throttled.
    pub throttled: u64,
    /// Calls that ended in an error, throttled ones and lost replies included.
    pub errors: u64,
}

/// A snapshot of all counters.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counters {
    /// One row per action, account and principal.
    pub rows: Vec<Count>,
    /// The largest number of calls that were in flight together.
    pub max_in_flight: u64,
}

impl Counters {
    /// Calls of one action, for example `sso:ListInstances`, by anyone. `*` is allowed.
    pub fn calls(&self, action: &str) -> u64 {
        self.matching(action).map(|row| row.calls).sum()
    }

    /// Throttled calls of one action by anyone. `*` is allowed.
    pub fn throttled(&self, action: &str) -> u64 {
        self.matching(action).map(|row| row.throttled).sum()
    }

    /// Calls of one action that ended in an error. `*` is allowed.
    pub fn errors(&self, action: &str) -> u64 {
        self.matching(action).map(|row| row.errors).sum()
    }

    /// All calls.
    pub fn total(&self) -> u64 {
        self.calls("*")
    }

    /// Calls per action, by anyone.
    pub fn by_action(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for row in &self.rows {
            *sums.entry(row.action.clone()).or_default() += row.calls;
        }
        sums
    }

    /// Calls per account, by anyone in it; those that could not be authenticated under an empty name.
    pub fn by_account(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for row in &self.rows {
            *sums.entry(row.account.clone()).or_default() += row.calls;
        }
        sums
    }

    /// The same counters with only the rows of one account.
    #[must_use]
    pub fn of_account(&self, account: &str) -> Self {
        self.only(|row| row.account == account)
    }

    /// The same counters with only the rows of callers whose ARN the pattern covers; `*` is allowed, for the names of
    /// sessions.
    #[must_use]
    pub fn of_principal(&self, arn: &str) -> Self {
        self.only(|row| super::quota::matches(arn, &row.principal))
    }

    /// The same counters with only the rows of one action. `*` is allowed.
    #[must_use]
    pub fn of_action(&self, action: &str) -> Self {
        self.only(|row| super::quota::matches(action, &row.action))
    }

    fn only(&self, wanted: impl Fn(&Count) -> bool) -> Self {
        let rows = self.rows.iter().filter(|row| wanted(row)).cloned().collect();
        Self { rows, max_in_flight: self.max_in_flight }
    }

    fn matching(&self, action: &str) -> impl Iterator<Item = &Count> {
        self.rows.iter().filter(move |row| super::quota::matches(action, &row.action))
    }
}

/// Counters and transcript as they grow.
#[derive(Debug)]
pub(crate) struct Ledger {
    started: Instant,
    counts: BTreeMap<(String, String, String), Count>,
    transcript: VecDeque<Entry>,
    in_flight: u64,
    max_in_flight: u64,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            counts: BTreeMap::new(),
            transcript: VecDeque::new(),
            in_flight: 0,
            max_in_flight: 0,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn begin(&mut self) {
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
    }

    pub(crate) fn end(&mut self, mut entry: Entry, throttled: bool) {
        entry.end = self.elapsed();
        self.in_flight = self.in_flight.saturating_sub(1);
        let key = (entry.action.clone(), entry.account.clone(), entry.principal.clone());
        let count = self.counts.entry(key).or_insert_with(|| Count {
            action: entry.action.clone(),
            account: entry.account.clone(),
            principal: entry.principal.clone(),
            ..Count::default()
        });
        count.calls += 1;
        count.throttled += u64::from(throttled);
        count.errors += u64::from(entry.status == 0 || entry.status >= 400);
        if self.transcript.len() >= TRANSCRIPT_LIMIT {
            self.transcript.pop_front();
        }
        self.transcript.push_back(entry);
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters { rows: self.counts.values().cloned().collect(), max_in_flight: self.max_in_flight }
    }

    pub(crate) fn transcript(&self) -> Vec<Entry> {
        self.transcript.iter().cloned().collect()
    }

    pub(crate) fn reset(&mut self) {
        self.counts.clear();
        self.transcript.clear();
        self.max_in_flight = self.in_flight;
    }
}
