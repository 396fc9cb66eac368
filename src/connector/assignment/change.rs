//! A change of one assignment, from the request to AWS's own end of it.

use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Standing;
use crate::aws::sso_admin::{
    Assignment, AssignmentRequest, AssignmentStatus, AssignmentTarget, Direction, SsoAdmin,
};
use crate::aws::{CallError, Class};
use crate::connector::audit::Audit;
use crate::connector::conflict::Patience;
use crate::connector::under_way::UnderWay;
use crate::connector::{Connector, Provision, ProvisionError};

/// How long a request of ours may stay in progress at AWS before we answer that it is not confirmed.
const SETTLE_LIMIT: Duration = Duration::from_mins(5);
/// The wait before the first look at a request in progress.
const FIRST_POLL: Duration = Duration::from_millis(300);
/// The wait before each further one.
const POLL: Duration = Duration::from_millis(500);
/// How long after a change was accepted its status may not be found yet.
const STATUS_LAG: Duration = Duration::from_secs(30);
/// The wait between two looks at the list of assignments.
const LIST_POLL: Duration = Duration::from_secs(1);
/// How long a conflict with another change of the same account is retried.
const CONFLICT: Patience = Patience {
    limit: Duration::from_mins(3),
    first: Duration::from_millis(500),
    longest: Duration::from_secs(15),
};
/// The first attempt, which is not repeated before AWS was asked what is in the way.
const AT_ONCE: Patience = Patience { limit: Duration::ZERO, ..CONFLICT };
/// How long the list may go on showing what is gone.
const LIST_LAG: Duration = Duration::from_secs(10);

/// A change of one assignment under way at AWS.
pub(super) struct Change<'a> {
    pub(super) sso_admin: SsoAdmin,
    pub(super) under_way: UnderWay,
    pub(super) provision: &'a Provision,
    pub(super) target: &'a AssignmentTarget,
    pub(super) direction: Direction,
}

impl Change<'_> {
    /// Whether the assignment exists, by AWS's own list.
    pub(super) async fn exists(&self) -> Result<bool, CallError> {
        let mut pages = self.sso_admin.assignments(&self.target.account, &self.target.permission_set);
        while let Some(page) = pages.try_next().await? {
            let is_it = |a: &Assignment| {
                a.principal == self.target.principal && a.principal_id == self.target.principal_id
            };
            if page.iter().any(is_it) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether AWS's list shows the state that the change leads to.
    async fn is_so(&self) -> Result<bool, CallError> {
        Ok(self.exists().await? == (self.direction == Direction::Create))
    }

    /// Whether the list comes to show, within the time that it lags behind, that the assignment is gone; so it is with
    /// its permission set.
    pub(super) async fn is_gone(&self) -> Result<bool, ProvisionError> {
        let deadline = Instant::now() + LIST_LAG;
        loop {
            match self.exists().await {
                Ok(false) => return Ok(true),
                Ok(true) => {}
                Err(error) if matches!(error.class(), Class::NotFound) => {
                    return Ok(self.is_set_gone().await?);
                }
                Err(error) => return Err(error.into()),
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.provision.pause(LIST_POLL).await?;
        }
    }

    /// Whether AWS, asked for the permission set itself, does not know it (any more). One of another instance is not
    /// looked for here.
    async fn is_set_gone(&self) -> Result<bool, CallError> {
        if !self.sso_admin.has_arn_of(&self.target.permission_set) {
            return Ok(false);
        }
        match self.sso_admin.describe_permission_set(&self.target.permission_set).await {
            Ok(_) => Ok(false),
            Err(error) if matches!(error.class(), Class::NotFound) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// How the account stands; `None` where that may not be read (`organizations:DescribeAccount`).
    pub(super) async fn standing(&self, connector: &Connector) -> Option<Standing> {
        let organizations = connector.api(self.provision).organizations();
        match organizations.describe_account(&self.target.account).await {
            Ok(account) => Some(Standing::In(account.state)),
            Err(error) if matches!(error.class(), Class::NotFound) => Some(Standing::Departed),
            Err(error) => {
                debug!(error = %error, "how the account stands is not known");
                None
            }
        }
    }

    /// Submits the change and follows it to its end; gives AWS's id of the request that asked for it.
    pub(super) async fn carry_out(&self, audit: &mut Audit<'_>) -> Result<Option<String>, ProvisionError> {
        let _place = self.under_way.place(&self.target.account, self.provision).await?;
        let mut request = self.submit(audit).await?;
        let request_id = request.aws_request_id.take();
        audit.accepted(request_id.as_deref());
        self.settle(request, request_id).await
    }

    /// Follows an accepted request to its end; gives AWS's id of it.
    async fn settle(
        &self,
        mut request: AssignmentRequest,
        request_id: Option<String>,
    ) -> Result<Option<String>, ProvisionError> {
        let deadline = Instant::now() + SETTLE_LIMIT;
        let status_due = Instant::now() + STATUS_LAG;
        let mut wait = FIRST_POLL;
        loop {
            match request.status {
                AssignmentStatus::Succeeded => return Ok(request_id),
                AssignmentStatus::Failed { reason } => {
                    let passing = passes(&reason);
                    return Err(ProvisionError::Failed { reason, request_id, passing });
                }
                AssignmentStatus::InProgress => {}
            }
            let Some(id) = request.request_id.take() else {
                warn!("AWS accepted the change without an id to follow it by; watching the assignment list");
                return self.watch(deadline, request_id).await;
            };
            if Instant::now() >= deadline {
                return Err(ProvisionError::Unconfirmed { waited: SETTLE_LIMIT, request_id });
            }
            self.provision.pause(wait).await?;
            wait = POLL;
            if self.under_way.is_in_progress(&self.sso_admin, self.direction, &id).await {
                request = AssignmentRequest::in_progress(id);
                continue;
            }
            request = match self.status(&id).await {
                Ok(next) => AssignmentRequest { request_id: Some(id), ..next },
                // The change goes on at AWS: trouble with looking at it is no reason to report a failure.
                Err(error) if error.is_retryable() => {
                    debug!(error = %error, "assignment status not readable yet");
                    AssignmentRequest::in_progress(id)
                }
                // AWS may not know everywhere yet what it accepted; only the status tells a reason.
                Err(error)
                    if matches!(error.class(), Class::NotFound | Class::Malformed)
                        && Instant::now() < status_due =>
                {
                    debug!(error = %error, "assignment status not found yet");
                    AssignmentRequest::in_progress(id)
                }
                Err(error) if matches!(error.class(), Class::Cancelled) => return Err(error.into()),
                // Where the status cannot be read, most often for want of the permission, the list is the proof.
                Err(error) => {
                    warn!(error = %error, "assignment status cannot be read; watching the assignment list");
                    return self.watch(deadline, request_id).await;
                }
            };
        }
    }

    /// Submits, and repeats while AWS reports a conflict: an earlier change of the account has not settled. What
    /// that change leads to does not matter; a change to what is so already is none at AWS.
    async fn submit(&self, audit: &mut Audit<'_>) -> Result<AssignmentRequest, ProvisionError> {
        let send = async || match self.direction {
            Direction::Create => self.sso_admin.create_assignment(self.target).await,
            Direction::Delete => self.sso_admin.delete_assignment(self.target).await,
        };
        match AT_ONCE.send(audit, self.provision, send).await {
            Err(ProvisionError::Call(busy)) if matches!(busy.class(), Class::Conflict { passing: true }) => {}
            ended => return ended,
        }
        if let Some(request) = self.left_behind().await {
            return Ok(request);
        }
        self.provision.pause(CONFLICT.first).await?;
        CONFLICT.send(audit, self.provision, send).await
    }

    /// The very same change, where AWS has it under way already: by a process that was killed, or from an attempt whose
    /// answer was lost. It is followed to its end like one of ours; asked for again it would only be refused until then.
    async fn left_behind(&self) -> Option<AssignmentRequest> {
        let under_way: Vec<String> = self.sso_admin.in_progress(self.direction).try_concat().await.ok()?;
        for id in under_way {
            let Ok(request) = self.status(&id).await else { continue };
            let failed = matches!(request.status, AssignmentStatus::Failed { .. });
            if !failed && request.target.as_ref() == Some(self.target) {
                info!(
                    request_id = id,
                    "AWS has this change under way from an earlier request, which is followed"
                );
                return Some(AssignmentRequest { request_id: Some(id), aws_request_id: None, ..request });
            }
        }
        None
    }

    async fn status(&self, request: &str) -> Result<AssignmentRequest, CallError> {
        match self.direction {
            Direction::Create => self.sso_admin.creation_status(request).await,
            Direction::Delete => self.sso_admin.deletion_status(request).await,
        }
    }

    async fn watch(
        &self,
        deadline: Instant,
        request_id: Option<String>,
    ) -> Result<Option<String>, ProvisionError> {
        while Instant::now() < deadline {
            match self.is_so().await {
                Ok(true) => return Ok(request_id),
                Ok(false) => {}
                Err(error) if error.is_retryable() => {
                    debug!(error = %error, "assignment list not readable yet");
                }
                Err(error) => return Err(error.into()),
            }
            self.provision.pause(LIST_POLL).await?;
        }
        Err(ProvisionError::Unconfirmed { waited: SETTLE_LIMIT, request_id })
    }
}

/// Whether AWS's reason for a failed change is trouble of its own that passes. It has no code, only this text.
fn passes(reason: &str) -> bool {
    const PHRASES: [&str; 5] = [
        "try again",
        "internal service exception",
        "internal server error",
        "internal failure",
        "too many requests",
    ];
    let reason = reason.to_ascii_lowercase();
    PHRASES.iter().any(|phrase| reason.contains(phrase))
}
