//! What this process made a moment ago: AWS may not know it everywhere yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::{Provision, ProvisionError};
use crate::aws::Class;

/// How long AWS may take until it knows everywhere what was made.
const LAG: Duration = Duration::from_secs(30);
/// The wait between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// Object ids with the time at which they were made. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent(Arc<Mutex<HashMap<String, Instant>>>);

impl Recent {
    /// This was made now.
    pub(super) fn note(&self, id: &str) {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|_, at| at.elapsed() < LAG);
        made.insert(id.to_owned(), Instant::now());
    }

    fn knows_one_of(&self, ids: &[&str]) -> bool {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().any(|id| made.get(*id).is_some_and(|at| at.elapsed() < LAG))
    }

    /// Carries out `work` about these ids, again as long as AWS does not find what this process made a moment ago.
    /// Cancelled between two attempts, it ends at once.
    pub(super) async fn until_found<T, F>(
        &self,
        ids: &[&str],
        provision: &Provision,
        work: impl Fn() -> F,
    ) -> Result<T, ProvisionError>
    where
        F: Future<Output = Result<T, ProvisionError>>,
    {
        loop {
            match work().await {
                Err(ProvisionError::Call(error))
                    if matches!(error.class(), Class::NotFound) && self.knows_one_of(ids) =>
                {
                    debug!(error = %error, "AWS does not know yet what was made a moment ago; trying again");
                    provision.pause(PAUSE).await?;
                }
                ended => return ended,
            }
        }
    }
}
