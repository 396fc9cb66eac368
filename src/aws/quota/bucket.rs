//! One token bucket with a line of waiters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::Priority;
use super::rates::Rate;

/// Share of the published burst that is used: what is left absorbs the jitter of the way, which lets requests
/// arrive closer together than they were sent.
const BURST_SHARE: f64 = 0.75;
/// What a throttled reply leaves of the rate.
const DECREASE: f64 = 0.7;
/// Replies to requests that were under way together count as one sign.
const ONE_SIGN: Duration = Duration::from_secs(1);
/// Longest wait between two looks at a bucket.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// The rate never falls below this share of the published one.
const FLOOR: f64 = 0.05;
/// Seconds in which the rate climbs from nothing to the published one.
const RECOVERY_SECONDS: f64 = 60.0;

/// A place in line: by priority, then in the order of arrival.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::aws) struct Ticket {
    pub(super) priority: Priority,
    pub(super) number: u64,
}

/// Tokens that drip in at a rate; each admitted request takes one, in the order of the tickets.
///
/// In any span of `t` seconds it admits at most `burst + rate * t` requests. A throttled reply lowers the rate at
/// once and by a factor, time without one raises it evenly, up to the published rate and never above it.
#[derive(Debug)]
pub(super) struct Bucket {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ceiling: f64,
    rate: f64,
    burst: f64,
    tokens: f64,
    refilled: Instant,
    lowered: Option<Instant>,
    not_before: Instant,
    admitted: u64,
    throttled: u64,
    line: BTreeMap<Ticket, Arc<Notify>>,
}

/// What a bucket was used for so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) admitted: u64,
    pub(super) throttled: u64,
    pub(super) rate: f64,
    pub(super) ceiling: f64,
    pub(super) burst: f64,
}

/// What the holder of a ticket has to do.
enum Turn {
    /// Others go first.
    Behind,
    /// First in line, but there is no token before this moment.
    At(Instant),
    /// First in line, and there is a token.
    Now,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        let now = Instant::now();
        let burst = (rate.burst * BURST_SHARE).max(1.0);
        let state = State {
            ceiling: rate.per_second,
            rate: rate.per_second,
            burst,
            tokens: burst,
            refilled: now,
            lowered: None,
            not_before: now,
            admitted: 0,
            throttled: 0,
            line: BTreeMap::new(),
        };
        Self { state: Mutex::new(state) }
    }

    /// Waits for the ticket's turn, a token and, where there are slots, a free one. The token is taken last, when
    /// the request can leave at once: tokens never pile up in front of busy slots.
    pub(super) async fn admit(
        &self,
        ticket: Ticket,
        slots: Option<&Arc<Semaphore>>,
    ) -> Option<OwnedSemaphorePermit> {
        let place = Place::join(self, ticket);
        loop {
            let turn = self.lock().turn(ticket, Instant::now());
            match turn {
                Turn::Behind => place.called.notified().await,
                Turn::At(moment) => sleep_until(moment).await,
                Turn::Now => {
                    let slot = slot(slots).await;
                    // While it waited for the slot, somebody of higher priority may have come.
                    if self.lock().take(ticket, Instant::now()) {
                        return slot;
                    }
                }
            }
        }
    }

    /// Slows down; nothing passes before `retry_after` is over.
    pub(super) fn throttled(&self, retry_after: Option<Duration>) {
        self.lock().throttled(retry_after, Instant::now());
    }

    /// What it was used for so far.
    pub(super) fn usage(&self) -> Usage {
        let mut state = self.lock();
        state.refill(Instant::now());
        let State { admitted, throttled, rate, ceiling, burst, .. } = *state;
        Usage { admitted, throttled, rate, ceiling, burst }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for one of the slots; without slots there is nothing to wait for.
pub(super) async fn slot(slots: Option<&Arc<Semaphore>>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(slots?).acquire_owned().await.ok()
}

impl State {
    fn turn(&mut self, ticket: Ticket, now: Instant) -> Turn {
        if self.line.first_key_value().is_some_and(|(first, _)| *first != ticket) {
            return Turn::Behind;
        }
        self.refill(now);
        if now < self.not_before {
            return Turn::At(self.not_before);
        }
        if self.tokens >= 1.0 {
            return Turn::Now;
        }
        // The timer has a resolution of a millisecond; less than that would spin.
        let seconds = ((1.0 - self.tokens) / self.rate).max(0.001);
        // A file of rates may ask for next to none.
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        Turn::At(now + wait)
    }

    fn take(&mut self, ticket: Ticket, now: Instant) -> bool {
        let ready = matches!(self.turn(ticket, now), Turn::Now);
        if ready {
            self.tokens -= 1.0;
            self.admitted += 1;
        }
        ready
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.refilled).as_secs_f64();
        let rate = (self.rate + self.ceiling / RECOVERY_SECONDS * seconds).min(self.ceiling);
        // The mean of both ends is exact while the rate climbs, and too little where it reached its ceiling.
        self.tokens = (self.tokens + f64::midpoint(self.rate, rate) * seconds).min(self.burst);
        self.rate = rate;
        self.refilled = now;
    }

    fn throttled(&mut self, retry_after: Option<Duration>, now: Instant) {
        self.refill(now);
        self.throttled += 1;
        if self.lowered.is_none_or(|then| now.saturating_duration_since(then) >= ONE_SIGN) {
            self.rate = (self.rate * DECREASE).max(self.ceiling * FLOOR);
            self.lowered = Some(now);
        }
        self.tokens = 0.0;
        self.not_before = self.not_before.max(now + retry_after.unwrap_or_default());
    }
}

/// Membership in the line, given up on drop, in whatever way the wait ends.
struct Place<'a> {
    bucket: &'a Bucket,
    ticket: Ticket,
    called: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn join(bucket: &'a Bucket, ticket: Ticket) -> Self {
        let called = Arc::new(Notify::new());
        bucket.lock().line.insert(ticket, Arc::clone(&called));
        Self { bucket, ticket, called }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.bucket.lock();
        state.line.remove(&self.ticket);
        if let Some((_, next)) = state.line.first_key_value() {
            next.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 20.0;
    /// Three quarters of the published burst of 20.
    const BURST: f64 = 15.0;
    const TICKET: Ticket = Ticket { priority: Priority::Sync, number: 0 };

    fn fresh() -> State {
        Bucket::new(Rate { per_second: RATE, burst: 20.0 }).state.into_inner().unwrap()
    }

    /// When each of `count` requests may leave if all of them want to at `start`, in seconds after `start`.
    fn departures(state: &mut State, count: usize, start: Instant) -> Vec<f64> {
        let mut now = start;
        let mut times = Vec::new();
        while times.len() < count {
            match state.turn(TICKET, now) {
                Turn::Now => {
                    assert!(state.take(TICKET, now));
                    times.push(now.duration_since(start).as_secs_f64());
                }
                Turn::At(moment) => now = moment,
                Turn::Behind => panic!("nobody else waits"),
            }
        }
        times
    }

    #[track_caller]
    fn assert_never_above_the_rate(times: &[f64]) {
        for (first, from) in times.iter().enumerate() {
            for (sent, to) in (1_u32..).zip(&times[first..]) {
                let allowed = BURST + RATE * (to - from);
                assert!(f64::from(sent) <= allowed + 1e-6, "{sent} requests from {from} s to {to} s");
            }
        }
    }

    fn pause(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_rate_of_next_to_none_is_waited_for_without_a_panic() {
        let mut state =
            Bucket::new(Rate { per_second: f64::MIN_POSITIVE, burst: 1.0 }).state.into_inner().unwrap();
        let now = Instant::now();
        while matches!(state.turn(TICKET, now), Turn::Now) {
            assert!(state.take(TICKET, now));
        }
        assert!(matches!(state.turn(TICKET, now), Turn::At(moment) if moment == now + LONGEST_WAIT));
    }

    #[test]
    fn the_rate_is_never_above_the_published_one() {
        let mut state = fresh();
        let start = state.refilled;
        let times = departures(&mut state, 400, start);
        assert_never_above_the_rate(&times);
        let floor = (400.0 - BURST) / RATE;
        assert!(times[399] < floor * 1.03, "{} s for a floor of {floor} s", times[399]);
    }

    #[test]
    fn a_pause_fills_the_bucket_to_its_burst_and_no_further() {
        let mut state = fresh();
        let start = state.refilled;
        departures(&mut state, 50, start);
        let later = departures(&mut state, 30, start + pause(3600.0));
        assert_never_above_the_rate(&later);
        assert!(later[14] < 0.001 && later[15] > 0.04, "{later:?}");
    }

    #[test]
    fn a_throttled_bucket_slows_down_and_recovers_to_its_rate() {
        let mut state = fresh();
        let mut now = state.refilled;
        for _ in 0..12 {
            state.throttled(None, now);
            now += pause(1.1);
        }
        let slow = departures(&mut state, 5, now);
        assert!(slow[4] - slow[0] > 4.0 / (RATE * 0.4), "{slow:?}");
        now += pause(RECOVERY_SECONDS * 2.0);
        let again = departures(&mut state, 200, now);
        assert_never_above_the_rate(&again);
        assert!(again[199] < (200.0 - BURST) / RATE * 1.03, "{} s", again[199]);
    }

    #[test]
    fn throttling_without_end_leaves_a_trickle() {
        let mut state = fresh();
        let mut now = state.refilled;
        for _ in 0..1000 {
            state.throttled(None, now);
            now += pause(1.0);
        }
        assert!(state.rate >= RATE * FLOOR);
    }

    #[test]
    fn throttled_replies_to_one_volley_count_once() {
        let mut state = fresh();
        let now = state.refilled;
        for _ in 0..20 {
            state.throttled(None, now);
        }
        assert!((state.rate - RATE * DECREASE).abs() < 1e-9, "{}", state.rate);
    }

    #[test]
    fn nothing_passes_before_the_time_that_aws_asks_for() {
        let mut state = fresh();
        let now = state.refilled;
        state.throttled(Some(pause(7.0)), now);
        state.throttled(Some(pause(2.0)), now);
        let times = departures(&mut state, 1, now);
        assert!((7.0..7.1).contains(&times[0]), "{times:?}");
    }

    #[test]
    fn a_burst_of_less_than_two_still_lets_one_pass() {
        let mut state = Bucket::new(Rate { per_second: 0.5, burst: 1.0 }).state.into_inner().unwrap();
        let start = state.refilled;
        let times = departures(&mut state, 3, start);
        assert!(times[0] < 1e-6 && times[2] > 3.99 && times[2] < 4.1, "{times:?}");
    }
}
