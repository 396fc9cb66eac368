//! How far a sync is: counters that its display and logs read while it runs.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// The phases of a sync, in order.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Phase {
    /// Not begun.
    #[default]
    Idle,
    /// Reading AWS.
    Crawl,
    /// Expanding, loading and packing.
    Write,
    /// The file is in place.
    Done,
}

/// The counters of one sync. All methods may be called from any task at any time.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    known: AtomicU64,
    done: AtomicU64,
    rows: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// The phase.
    pub phase: Phase,
    /// Work items (groups, accounts, account and permission set pairs, ...) known so far; it grows while reading.
    pub known: u64,
    /// Work items read whole.
    pub done: u64,
    /// Rows staged.
    pub rows: u64,
}

impl Progress {
    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        let phase = match self.phase.load(Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Crawl,
            2 => Phase::Write,
            _ => Phase::Done,
        };
        Snapshot {
            phase,
            known: self.known.load(Relaxed),
            done: self.done.load(Relaxed),
            rows: self.rows.load(Relaxed),
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub(super) fn found(&self, items: usize) {
        self.known.fetch_add(items as u64, Relaxed);
    }

    pub(super) fn finished(&self) {
        self.done.fetch_add(1, Relaxed);
    }

    pub(super) fn staged(&self, rows: u64) {
        self.rows.fetch_add(rows, Relaxed);
    }
}
