//! What the server holds.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::Faults;
use super::knobs::Knobs;
use super::ledger::Ledger;
use super::past::Past;
use super::quota::Buckets;
use super::world::World;

/// Everything that the server holds, behind one lock that is never held across an await.
#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
}

/// See [`State`].
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) world: World,
    pub(crate) past: Past,
    pub(crate) knobs: Knobs,
    pub(crate) faults: Faults,
    pub(crate) buckets: Buckets,
    pub(crate) ledger: Ledger,
}

impl State {
    pub(crate) fn new(world: World, knobs: Knobs, faults: Faults) -> Self {
        let inner = Inner {
            world,
            past: Past::default(),
            knobs,
            faults,
            buckets: Buckets::default(),
            ledger: Ledger::new(),
        };
        Self { inner: Mutex::new(inner) }
    }

    /// The state, with the assignment requests that are due decided.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let due = inner.world.center.due();
        if !due.is_empty() {
            let Inner { world, past, knobs, .. } = &mut *inner;
            past.remember(world, knobs.lag);
            world.center.settle(&due, &world.organization, &world.directory);
        }
        inner
    }
}
