//! What this process itself changes in AWS while syncs are made.
//!
//! A sync that was begun before a change and is uploaded after it must hold the change: downstream, what it lacks reads
//! as revoked, and what was revoked as there again. So what was changed meanwhile is read again before the sync is
//! sealed.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Target;

/// Changes that are remembered. A crawl in which more of them end is made again as a whole.
const MOST: usize = 4096;

/// What a change may have changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Affected {
    /// These resources, with all that hangs from them.
    These(BTreeSet<Target>),
    /// Nobody knows what.
    Anything,
}

impl Affected {
    /// One resource, with all that hangs from it.
    pub fn one(resource_type: &str, resource: &str) -> Self {
        let target = Target { resource_type: resource_type.to_owned(), resource: resource.to_owned() };
        Self::These([target].into())
    }

    fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::These(all), Self::These(others)) => all.extend(others.iter().cloned()),
            _ => *self = Self::Anything,
        }
    }
}

/// The changes that have ended, the oldest first.
#[derive(Debug, Default)]
pub struct Changes(Mutex<Ended>);

#[derive(Debug, Default)]
struct Ended {
    changes: VecDeque<(Instant, Affected)>,
    /// When the newest of those ended that are forgotten.
    forgotten: Option<Instant>,
}

/// A change under way. It ends when this is dropped, done or not: a failed one may have changed something, too.
#[derive(Debug)]
pub struct Change {
    changes: Arc<Changes>,
    affected: Affected,
}

impl Changes {
    /// Notes that a change begins.
    #[must_use]
    pub fn begin(self: &Arc<Self>, affected: Affected) -> Change {
        Change { changes: Arc::clone(self), affected }
    }

    /// What the changes affected that have ended at `time` or since; `None` if there were none.
    pub(super) fn ended_since(&self, time: Instant) -> Option<Affected> {
        let ended = self.ended();
        if ended.forgotten.is_some_and(|forgotten| forgotten >= time) {
            return Some(Affected::Anything);
        }
        let mut affected = None::<Affected>;
        for (_, one) in ended.changes.iter().filter(|(at, _)| *at >= time) {
            match &mut affected {
                Some(all) => all.add(one),
                None => affected = Some(one.clone()),
            }
        }
        affected
    }

    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change {
    /// It is known by now what was affected, and that it was nothing else.
    pub fn affects(&mut self, affected: Affected) {
        self.affected = affected;
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let mut ended = self.changes.ended();
        if ended.changes.len() >= MOST {
            ended.forgotten = ended.changes.pop_front().map(|(at, _)| at);
        }
        ended.changes.push_back((Instant::now(), self.affected.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    fn group(id: &str) -> Affected {
        Affected::one("sso_group", id)
    }

    #[tokio::test(start_paused = true)]
    async fn changes_count_from_their_end() {
        let changes = Arc::new(Changes::default());
        let began = Instant::now();
        let change = changes.begin(group("a"));
        advance(Duration::from_secs(1)).await;
        assert_eq!(changes.ended_since(began), None, "it is still under way");
        drop(change);
        assert_eq!(changes.ended_since(began), Some(group("a")));
        assert_eq!(changes.ended_since(Instant::now()), Some(group("a")), "at the very same time");
        advance(Duration::from_secs(1)).await;
        assert_eq!(changes.ended_since(Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_several_changes_affect_is_known_unless_one_of_them_is_unknown() {
        let changes = Arc::new(Changes::default());
        let began = Instant::now();
        drop(changes.begin(group("a")));
        let mut unknown = changes.begin(Affected::Anything);
        unknown.affects(group("b"));
        drop(unknown);
        let Some(Affected::These(all)) = changes.ended_since(began) else { panic!("not known") };
        assert_eq!(all.len(), 2);
        drop(changes.begin(Affected::Anything));
        assert_eq!(changes.ended_since(began), Some(Affected::Anything));
    }

    #[tokio::test(start_paused = true)]
    async fn more_changes_than_are_remembered_may_have_been_anything() {
        let changes = Arc::new(Changes::default());
        let began = Instant::now();
        for _ in 0..=MOST {
            drop(changes.begin(group("a")));
        }
        assert_eq!(changes.ended_since(began), Some(Affected::Anything));
        advance(Duration::from_secs(1)).await;
        drop(changes.begin(group("b")));
        assert_eq!(changes.ended_since(Instant::now()), Some(group("b")));
    }
}
