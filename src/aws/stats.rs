//! Counts of the calls made.

use std::collections::BTreeMap;
use std::ops::Sub;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::operation::{Operation, Service};

/// A snapshot of the calls made so far; `later - earlier` is what happened in between.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Counts per service and operation.
    pub operations: BTreeMap<(Service, &'static str), Counts>,
    /// Requests under way at the moment of the snapshot; a difference keeps the later one.
    pub in_flight: usize,
}

/// Counts of one operation. Each request counts, so a call that needed three attempts counts three times.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Requests sent.
    pub calls: u64,
    /// Those that AWS throttled.
    pub throttled: u64,
    /// Those that failed in any other way.
    pub errors: u64,
}

impl Stats {
    /// The counts of all operations together.
    pub fn total(&self) -> Counts {
        self.operations.values().fold(Counts::default(), |sum, counts| Counts {
            calls: sum.calls + counts.calls,
            throttled: sum.throttled + counts.throttled,
            errors: sum.errors + counts.errors,
        })
    }
}

impl Sub<&Stats> for &Stats {
    type Output = Stats;

    /// What was counted since `earlier`; operations without a request since then are left out.
    fn sub(self, earlier: &Stats) -> Stats {
        let since = |key, counts: &Counts| {
            let before = earlier.operations.get(key).copied().unwrap_or_default();
            Counts {
                calls: counts.calls.saturating_sub(before.calls),
                throttled: counts.throttled.saturating_sub(before.throttled),
                errors: counts.errors.saturating_sub(before.errors),
            }
        };
        let operations = self
            .operations
            .iter()
            .map(|(key, counts)| (*key, since(key, counts)))
            .filter(|(_, counts)| *counts != Counts::default())
            .collect();
        Stats { operations, in_flight: self.in_flight }
    }
}

/// The counters behind the snapshots.
#[derive(Debug, Default)]
pub(super) struct Counters {
    operations: Mutex<BTreeMap<(Service, &'static str), Counts>>,
    in_flight: AtomicUsize,
}

impl Counters {
    pub(super) fn snapshot(&self) -> Stats {
        Stats {
            operations: self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
        }
    }

    /// Counts a request as under way until the guard is dropped.
    pub(super) fn depart(&self, operation: Operation) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.count(operation, |counts| counts.calls += 1);
        InFlight(self)
    }

    pub(super) fn count(&self, operation: Operation, add: impl FnOnce(&mut Counts)) {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        add(operations.entry((operation.service, operation.name)).or_default());
    }
}

/// One request under way.
pub(super) struct InFlight<'a>(&'a Counters);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_tells_what_happened_in_between() {
        let counters = Counters::default();
        let users = Operation::safe(Service::IdentityStore, "ListUsers");
        let groups = Operation::safe(Service::IdentityStore, "ListGroups");
        drop(counters.depart(users));
        let earlier = counters.snapshot();
        drop(counters.depart(groups));
        counters.count(groups, |counts| counts.throttled += 1);
        let under_way = counters.depart(groups);
        let between = &counters.snapshot() - &earlier;
        drop(under_way);
        let expected = Counts { calls: 2, throttled: 1, errors: 0 };
        assert_eq!(between.operations, BTreeMap::from([((Service::IdentityStore, "ListGroups"), expected)]));
        assert_eq!((between.in_flight, counters.snapshot().in_flight), (1, 0));
        assert_eq!(between.total(), expected);
    }
}
