//! Warnings that one place in the code repeats without end are cut off.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Warnings and errors of one place that are written in a [`WINDOW`].
const MOST: u64 = 1000;
/// The time in which they are counted.
const WINDOW: Duration = Duration::from_mins(10);

/// Counts the warnings of each place. Organizations have a hundred thousand of anything: what is wrong with all of
/// them would fill the log.
#[derive(Debug)]
pub(super) struct Repeats<P>(Mutex<HashMap<P, Window>>);

#[derive(Debug)]
struct Window {
    began: Instant,
    told: u64,
    left_out: u64,
}

/// What is to become of a warning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    /// It is written.
    Written,
    /// It is written, the last one of its place for some time.
    Last,
    /// It is written, and so many before it were not.
    After(u64),
    /// It is left out.
    LeftOut,
}

impl<P: Eq + Hash> Repeats<P> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Counts one warning of `place` at this moment.
    pub(super) fn note(&self, place: P, now: Instant) -> Decision {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = places.entry(place).or_insert(Window { began: now, told: 0, left_out: 0 });
        let mut earlier = 0;
        if now.duration_since(window.began) >= WINDOW {
            earlier = window.left_out;
            *window = Window { began: now, told: 0, left_out: 0 };
        }
        if window.told == MOST {
            window.left_out += 1;
            return Decision::LeftOut;
        }
        window.told += 1;
        match (window.told, earlier) {
            (_, 1..) => Decision::After(earlier),
            (MOST, _) => Decision::Last,
            _ => Decision::Written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_warnings_of_one_place_are_a_thousand_lines_and_are_counted_afterwards() {
        let repeats = Repeats::new();
        let now = Instant::now();
        let decisions: Vec<Decision> = (0..100_000).map(|_| repeats.note("place", now)).collect();
        assert_eq!(decisions.iter().filter(|decision| **decision == Decision::Written).count(), 999);
        assert_eq!(
            (decisions[999], decisions[1000], decisions[99_999]),
            (Decision::Last, Decision::LeftOut, Decision::LeftOut)
        );
        assert_eq!(repeats.note("another", now), Decision::Written);
        assert_eq!(repeats.note("place", now + WINDOW), Decision::After(99_000));
        assert_eq!(repeats.note("place", now + WINDOW), Decision::Written);
    }
}
