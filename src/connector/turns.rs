//! Changes of one target take turns: in this process they never overlap, and the first to come goes first.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Provision, ProvisionError};

/// Who changes what now, and who waits for it. Clones share the queues.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<std::sync::Mutex<HashMap<Key, Weak<Mutex<()>>>>>);

/// A target: what is held, and the kind and the AWS id of who holds it.
pub(super) type Key = (String, &'static str, String);

/// The right to change a target, until it is dropped.
pub(super) type Turn = OwnedMutexGuard<()>;

impl Turns {
    /// Waits until everybody who asked for `key` earlier is done. Cancel-safe: who gives up leaves the queue.
    pub(super) async fn wait(&self, key: Key, provision: &Provision) -> Result<Turn, ProvisionError> {
        let queue = self.queue(key);
        tokio::select! {
            biased;
            () = provision.cancel.cancelled() => Err(ProvisionError::Cancelled),
            turn = queue.lock_owned() => Ok(turn),
        }
    }

    fn queue(&self, key: Key) -> Arc<Mutex<()>> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|_, queue| queue.strong_count() > 0);
        let known = queues.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let queue = Arc::default();
            queues.insert(key, Arc::downgrade(&queue));
            queue
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_queue_is_forgotten_when_nobody_is_in_it() {
        let turns = Turns::default();
        let provision = Provision::new("t", tokio_util::sync::CancellationToken::new());
        let key = |name: &str| (name.to_owned(), "sso_user", "u".to_owned());
        let first = turns.wait(key("a"), &provision).await.unwrap();
        assert!(Arc::ptr_eq(OwnedMutexGuard::mutex(&first), &turns.queue(key("a"))));
        drop(first);
        let _other = turns.wait(key("b"), &provision).await.unwrap();
        assert_eq!(turns.0.lock().unwrap().keys().cloned().collect::<Vec<_>>(), [key("b")]);
    }
}
