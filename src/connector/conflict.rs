//! Writes that AWS refuses for now, because an earlier change is still under way.

use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::audit::Audit;
use super::{Provision, ProvisionError};
use crate::aws::{CallError, Class};

/// How long such a write is repeated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first refusal to the last repetition, at most.
    pub limit: Duration,
    /// The wait before the first repetition; it doubles.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Patience {
    /// Sends `write`, again while AWS reports a conflict that passes; gives its answer, which is that conflict when
    /// it lasted. Cancelled between two attempts, it ends at once.
    pub(super) async fn send<T, F>(
        self,
        audit: &mut Audit<'_>,
        provision: &Provision,
        write: impl Fn() -> F,
    ) -> Result<T, ProvisionError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let deadline = Instant::now() + self.limit;
        let mut wait = self.first;
        loop {
            audit.sending();
            let error = match write().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if matches!(error.class(), Class::Conflict { .. }) {
                audit.refused(&error);
            }
            let passing = matches!(error.class(), Class::Conflict { passing: true });
            if !passing || Instant::now() + wait >= deadline {
                return Err(error.into());
            }
            debug!(error = %error, "an earlier change is under way; trying again");
            provision.pause(wait).await?;
            wait = (wait * 2).min(self.longest);
        }
    }
}
