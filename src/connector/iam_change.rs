//! Changes of what an IAM entity has and others may have, too: its place in a group, a managed policy.
//!
//! AWS carries each out at once and does not mind being told twice. Its reads lag behind its writes: they choose the
//! annotation of an answer, and never whether to write.

use std::time::Duration;

use futures::TryStreamExt;
use tracing::{debug, info};

use super::audit::{Audit, State, Write};
use super::conflict::Patience;
use super::iam_entity::Entity;
use super::{Connector, Provision, ProvisionError};
use crate::aws::iam::{EntityKind, Iam, Verified};
use crate::aws::{CallError, Class, Written};

/// How long a conflict with another change of the same entity is retried.
pub(super) const CONFLICT: Patience = Patience {
    limit: Duration::from_secs(30),
    first: Duration::from_millis(500),
    longest: Duration::from_secs(5),
};

/// A change of one entity.
pub(super) struct Change<'a> {
    pub(super) entity: Entity<'a>,
    pub(super) part: Part<'a>,
    /// The resource type of what it has.
    pub(super) target_type: &'static str,
    /// The object id of what it has.
    pub(super) target: &'a str,
}

/// What an entity has, in AWS's words.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    /// A user's place in this group.
    Group(Entity<'a>),
    /// The managed policy of this ARN.
    Policy(&'a str),
}

/// How a change ended well.
pub(super) struct Done {
    /// AWS was in the wanted state already, as far as it says.
    pub(super) already: bool,
    /// AWS's id of the request.
    pub(super) request_id: Option<String>,
}

impl Change<'_> {
    /// Gives the entity what the change is about. Cancel-safe: AWS does not mind a repetition.
    pub(super) async fn add(
        &self,
        connector: &Connector,
        provision: &Provision,
    ) -> Result<Done, ProvisionError> {
        let mut audit = Audit::begin(provision, self.write(State::Held));
        match self.adding(connector, provision, &mut audit).await {
            Ok(done) if done.already => {
                audit.unchanged(done.request_id.as_deref());
                Ok(done)
            }
            Ok(done) => {
                audit.changed(done.request_id.as_deref());
                Ok(done)
            }
            Err(error) => Err(audit.failed(error)),
        }
    }

    async fn adding(
        &self,
        connector: &Connector,
        provision: &Provision,
        audit: &mut Audit<'_>,
    ) -> Result<Done, ProvisionError> {
        let iam = self.entity.enter(connector, provision).await?;
        let _turn = connector.turns.wait(self.key(), provision).await?;
        let ends = self.verify(connector, &iam, provision).await?;
        let before = ends.before().await?;
        if let Some(before) = before {
            audit.found(before);
        }
        let written = CONFLICT.send(audit, provision, || ends.give()).await?;
        Ok(Done { already: before == Some(State::Held), request_id: written.request_id })
    }

    /// Takes away from the entity what the change is about. Gone already is success, and so is an end whose name is
    /// another's now: nothing is changed then. Cancel-safe: AWS does not mind a repetition.
    pub(super) async fn remove(
        &self,
        connector: &Connector,
        provision: &Provision,
    ) -> Result<Done, ProvisionError> {
        let mut audit = Audit::begin(provision, self.write(State::NotHeld));
        let removed = self.removing(connector, provision, &mut audit).await;
        taken(audit, removed)
    }

    async fn removing(
        &self,
        connector: &Connector,
        provision: &Provision,
        audit: &mut Audit<'_>,
    ) -> Result<Option<String>, ProvisionError> {
        let iam = self.entity.enter(connector, provision).await?;
        let _turn = connector.turns.wait(self.key(), provision).await?;
        let ends = self.verify(connector, &iam, provision).await?;
        let written = CONFLICT.send(audit, provision, || ends.take()).await?;
        Ok(written.request_id)
    }

    /// Both ends as AWS shows them: it is told the names of users, groups and roles alone. A policy is told by its ARN.
    async fn verify<'s>(
        &'s self,
        connector: &Connector,
        iam: &'s Iam,
        provision: &Provision,
    ) -> Result<Ends<'s>, ProvisionError> {
        let entity = self.entity.verify(connector, iam, provision).await?;
        let part = match &self.part {
            Part::Group(group) => VerifiedPart::Group(group.verify(connector, iam, provision).await?),
            Part::Policy(arn) => VerifiedPart::Policy(arn),
        };
        Ok(Ends { iam, entity, part })
    }

    fn key(&self) -> (String, &'static str, String) {
        (self.target.to_owned(), self.entity.resource_type(), self.entity.arn.to_owned())
    }

    fn write(&self, wanted: State) -> Write<'_> {
        use EntityKind::{Group, Role, User};
        let operation = match (&self.part, wanted == State::Held, self.entity.kind) {
            (Part::Group(_), true, _) => "iam:AddUserToGroup",
            (Part::Group(_), false, _) => "iam:RemoveUserFromGroup",
            (Part::Policy(_), true, User) => "iam:AttachUserPolicy",
            (Part::Policy(_), true, Group) => "iam:AttachGroupPolicy",
            (Part::Policy(_), true, Role) => "iam:AttachRolePolicy",
            (Part::Policy(_), false, User) => "iam:DetachUserPolicy",
            (Part::Policy(_), false, Group) => "iam:DetachGroupPolicy",
            (Part::Policy(_), false, Role) => "iam:DetachRolePolicy",
        };
        Write {
            operation,
            target_type: self.target_type,
            target: self.target,
            principal_type: self.entity.resource_type(),
            principal: self.entity.arn,
            wanted,
        }
    }
}

/// Ends the record of a removal: what is gone, or belongs to an entity whose name is another's now, is taken already.
pub(super) fn taken(
    audit: Audit<'_>,
    removed: Result<Option<String>, ProvisionError>,
) -> Result<Done, ProvisionError> {
    match removed {
        Ok(request_id) => {
            audit.changed(request_id.as_deref());
            Ok(Done { already: false, request_id })
        }
        Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
            audit.already(&error);
            Ok(Done { already: true, request_id: error.request_id().map(str::to_owned) })
        }
        Err(ProvisionError::OtherEntity { asked, found, .. }) => {
            info!(asked, found, "the name is that of another ARN now; there is nothing to revoke");
            audit.unchanged(None);
            Ok(Done { already: true, request_id: None })
        }
        Err(error) => Err(audit.failed(error)),
    }
}

/// Both ends of a change, and the calls of IAM in their account.
struct Ends<'a> {
    iam: &'a Iam,
    entity: Verified,
    part: VerifiedPart<'a>,
}

enum VerifiedPart<'a> {
    Group(Verified),
    Policy(&'a str),
}

impl Ends<'_> {
    /// Whether the entity has it already; `None` where that cannot be read.
    async fn before(&self) -> Result<Option<State>, CallError> {
        let (iam, name) = (self.iam, self.entity.name());
        let found = match &self.part {
            VerifiedPart::Group(group) => {
                let groups: Result<Vec<_>, _> = iam.groups_of(name).try_concat().await;
                groups.map(|groups| groups.iter().any(|one| one.arn == group.arn()))
            }
            VerifiedPart::Policy(arn) => {
                let policies = iam.attached_policies(self.entity.kind(), name);
                let policies: Result<Vec<_>, _> = policies.try_concat().await;
                policies.map(|policies| policies.iter().any(|one| one.arn == *arn))
            }
        };
        match found {
            Ok(true) => Ok(Some(State::Held)),
            Ok(false) => Ok(Some(State::NotHeld)),
            Err(error) if matches!(error.class(), Class::Cancelled) => Err(error),
            // It may be denied, or not show yet what was made a moment ago: the write tells.
            Err(error) => {
                debug!(error = %error, "whether it is so already is not known");
                Ok(None)
            }
        }
    }

    async fn give(&self) -> Result<Written<()>, CallError> {
        match &self.part {
            VerifiedPart::Group(group) => self.iam.add_user_to_group(group, &self.entity).await,
            VerifiedPart::Policy(arn) => self.iam.attach_policy(&self.entity, arn).await,
        }
    }

    async fn take(&self) -> Result<Written<()>, CallError> {
        match &self.part {
            VerifiedPart::Group(group) => self.iam.remove_user_from_group(group, &self.entity).await,
            VerifiedPart::Policy(arn) => self.iam.detach_policy(&self.entity, arn).await,
        }
    }
}
