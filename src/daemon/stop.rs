//! Why a task is given up before it is done.

use std::sync::{Arc, OnceLock};

use crate::baton::Code;
use tokio_util::sync::CancellationToken;

use crate::tasks::Failure;

/// The cancellation of one task. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<Reason>>,
}

/// Who gives a task up, other than the process that ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// The control plane does not want it any more.
    Cancelled,
    /// The control plane does not hear us any more and will hand the task out again.
    Unheard,
}

impl Stop {
    /// Cancelled with `work`, or for a reason of its own.
    pub(super) fn under(work: &CancellationToken) -> Self {
        Self { token: work.child_token(), reason: Arc::default() }
    }

    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Gives the task up. The first reason counts.
    pub(super) fn give_up(&self, reason: Reason) {
        _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// What is reported of a task that was given up. It may be handed out again.
    pub(super) fn failure(&self) -> Failure {
        match self.reason.get() {
            Some(Reason::Cancelled) => {
                Failure::retryable(Code::Cancelled, "the control plane cancelled the task")
            }
            Some(Reason::Unheard) => Failure::retryable(
                Code::Cancelled,
                "the task was given up: ten heartbeats in a row did not reach the control plane",
            ),
            None => Failure::retryable(
                Code::Aborted,
                "the connector is stopping: the task was interrupted and may be handed out again",
            ),
        }
    }
}
