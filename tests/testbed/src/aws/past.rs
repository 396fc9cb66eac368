//! The world as it was before its latest changes: AWS's answers lag behind writes.

use std::time::Duration;

use tokio::time::Instant;

use super::knobs::Lagging;
use super::service::{Operation, Service};
use super::world::World;

/// Worlds as they were before each change that some call may not see yet, oldest first. Changes that a test makes
/// itself are none of them.
#[derive(Debug, Default)]
pub(crate) struct Past {
    before: Vec<(Instant, World)>,
}

impl Past {
    /// Keeps the world as it is before a change that happens now.
    pub(crate) fn remember(&mut self, world: &World, lag: Duration) {
        let now = Instant::now();
        self.before.retain(|(at, _)| now.duration_since(*at) < lag);
        if !lag.is_zero() {
            self.before.push((now, world.clone()));
        }
    }

    /// The world as it was `lag` ago, if it has changed since.
    pub(crate) fn as_of(&mut self, lag: Duration) -> Option<&mut World> {
        let now = Instant::now();
        self.before.iter_mut().find(|(at, _)| now.duration_since(*at) < lag).map(|(_, world)| world)
    }
}

/// Whether a read lags behind.
pub(crate) fn lags(of: Lagging, service: &Service, operation: &Operation) -> bool {
    let listings = [
        "ListGroupMemberships",
        "ListGroupMembershipsForMember",
        "ListAccountAssignments",
        "ListAccountAssignmentsForPrincipal",
    ];
    match of {
        Lagging::Listings => listings.contains(&operation.name),
        // A report is made by a call of its own, and sessions begin at once.
        Lagging::Reads | Lagging::Everything => {
            !operation.name.ends_with("CredentialReport") && !["sts", "cloudtrail"].contains(&service.name)
        }
    }
}
