//! Changes of assignments that AWS has under way for this process: within AWS's limits, and watched together.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::debug;

use super::turns::{Turn, Turns};
use super::{Provision, ProvisionError};
use crate::aws::AccountId;
use crate::aws::sso_admin::{Direction, SsoAdmin};

/// Changes that AWS has under way at once, in all.
const IN_ALL: usize = 15;
/// Up to so many are looked at one by one.
const FEW: usize = 4;
/// How long a list of what is in progress holds good.
const TICK: Duration = Duration::from_millis(400);

/// The places for changes under way. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct UnderWay(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Arc<Semaphore>,
    accounts: Turns,
    creations: Mutex<Look>,
    deletions: Mutex<Look>,
}

/// What AWS's list said last.
#[derive(Debug, Default)]
struct Look {
    at: Option<Instant>,
    in_progress: HashSet<String>,
    /// It may not be read.
    denied: bool,
}

/// A place that is taken, until it is dropped.
pub(super) struct Place {
    _account: Turn,
    _place: OwnedSemaphorePermit,
}

impl Default for UnderWay {
    fn default() -> Self {
        Self(Arc::new(Shared {
            places: Arc::new(Semaphore::new(IN_ALL)),
            accounts: Turns::default(),
            creations: Mutex::default(),
            deletions: Mutex::default(),
        }))
    }
}

impl UnderWay {
    /// Waits for a place: AWS refuses a second change of an account, and a sixteenth in all. First come, first served.
    /// Cancel-safe: who gives up leaves the queue.
    pub(super) async fn place(
        &self,
        account: &AccountId,
        provision: &Provision,
    ) -> Result<Place, ProvisionError> {
        // The account before the place in all: who waits for a busy account keeps nobody else out.
        let account =
            self.0.accounts.wait((account.to_string(), "account", String::new()), provision).await?;
        tokio::select! {
            biased;
            () = provision.cancel.cancelled() => Err(ProvisionError::Cancelled),
            place = Arc::clone(&self.0.places).acquire_owned() => match place {
                Ok(place) => Ok(Place { _account: account, _place: place }),
                // Nobody closes it.
                Err(_) => Err(ProvisionError::Cancelled),
            },
        }
    }

    /// Whether AWS still works on a request, by one list for all that wait. False means that it has to be asked about
    /// this one: it may have ended, the list may not know it yet, or may not be read.
    pub(super) async fn is_in_progress(
        &self,
        sso_admin: &SsoAdmin,
        direction: Direction,
        request: &str,
    ) -> bool {
        if IN_ALL - self.0.places.available_permits() <= FEW {
            return false;
        }
        // Held while listing, so that all who wait share one list.
        let mut look = match direction {
            Direction::Create => self.0.creations.lock().await,
            Direction::Delete => self.0.deletions.lock().await,
        };
        if look.denied {
            return false;
        }
        if look.at.is_none_or(|at| at.elapsed() >= TICK) {
            match sso_admin.in_progress(direction).try_concat().await {
                Ok(ids) => look.in_progress = ids.into_iter().collect(),
                Err(error) => {
                    debug!(error = %error, "changes under way cannot be listed; each is looked at alone");
                    look.denied = !error.is_retryable();
                    look.in_progress.clear();
                }
            }
            look.at = Some(Instant::now());
        }
        look.in_progress.contains(request)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn a_place_is_one_in_its_account_and_one_of_fifteen_in_all() {
        let under_way = UnderWay::default();
        let provision = Provision::new("t", CancellationToken::new());
        let account = |number: usize| format!("{number:012}").parse::<AccountId>().unwrap();
        let mut places = Vec::new();
        for number in 0..IN_ALL {
            places.push(under_way.place(&account(number), &provision).await.unwrap());
        }
        assert!(under_way.place(&account(99), &provision).now_or_never().is_none(), "a sixteenth");
        places.pop();
        assert!(under_way.place(&account(0), &provision).now_or_never().is_none(), "the account is busy");
        let sixteenth = under_way.place(&account(99), &provision).now_or_never();
        assert!(sixteenth.is_some_and(|place| place.is_ok()), "those who gave up hold nothing");
        provision.cancel.cancel();
        let cancelled = under_way.place(&account(0), &provision).await;
        assert!(matches!(cancelled, Err(ProvisionError::Cancelled)));
    }
}
