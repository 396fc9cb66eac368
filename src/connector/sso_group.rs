//! Identity Center groups: rows, membership, and its grant and revoke.

use std::time::Duration;

use futures::TryStreamExt;
use tracing::debug;

use super::audit::{Audit, State, Write};
use super::conflict::Patience;
use super::turns::Key;
use super::{
    Connector, Kind, Needs, Provision, ProvisionError, granted, marker, principal_of, resource_of, revoked,
};
use crate::aws::identity_store::{Group, IdentityStore, Membership};
use crate::aws::{CallError, Class};
use crate::baton::id::{self, Directory};
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    Capability, Entitlement, Grant, GrantAlreadyExists, GrantAlreadyRevoked,
    GrantManagerServiceGrantResponse, GrantManagerServiceRevokeResponse, GroupTrait, Resource, ResourceType,
    V1Identifier,
};
use crate::baton::{any, entitlement};
use crate::connector::sso_user;

/// The id of the resource type.
pub const ID: &str = "sso_group";

/// The slug of the membership entitlement.
pub const MEMBER: &str = "member";

/// How long a conflict with another change of the directory is retried.
const CONFLICT: Patience = Patience {
    limit: Duration::from_secs(30),
    first: Duration::from_millis(500),
    longest: Duration::from_secs(5),
};

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync, Capability::Provision], needs: Needs::Center };

/// The resource type. Source: `identitystore:ListGroups`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "SSO Group",
        &[Trait::Group],
        vec![marker(&V1Identifier { id: ID.to_owned() })],
        &[
            "sso:ListInstances",
            "identitystore:ListGroups",
            "identitystore:ListGroupMemberships",
            "identitystore:GetGroupMembershipId",
            "identitystore:CreateGroupMembership",
            "identitystore:DeleteGroupMembership",
        ],
    )
}

/// The resource of a group.
pub fn resource(directory: &Directory, group: &Group) -> Resource {
    let id = directory.group(&group.id);
    let name = group.display_name.as_deref().unwrap_or_default();
    let profile = Profile::new()
        .string("aws_group_type", "sso")
        .string("aws_group_name", name)
        .string("aws_group_id", &group.id);
    // A row without a name cannot be found.
    resource::named(ID, &id, if name.is_empty() { &group.id } else { name })
        .with_profile(super::with_external_ids(profile, &group.external_ids).build())
        .with(&V1Identifier { id })
        .with(&GroupTrait::default())
}

/// The membership entitlement of a group.
pub fn entitlement(group: &Resource) -> Entitlement {
    let name = &group.display_name;
    Entitlement {
        display_name: format!("{name} Group Member"),
        description: format!("Is member of the {name} SSO group in AWS"),
        annotations: vec![marker(&V1Identifier { id: id::v1_membership_id(group.object_id()) })],
        ..entitlement::assignment(group, MEMBER, vec![sso_user::resource_type()])
    }
}

/// The grant of a membership; `None` for a member that is no user.
pub fn grant(directory: &Directory, group: &Resource, membership: &Membership) -> Option<Grant> {
    let user = directory.user(membership.user_id.as_deref()?);
    Some(membership_grant(group, &user, membership.id.as_deref()))
}

/// The membership id of AWS is the grant's id, so that a revoke finds the membership again.
fn membership_grant(group: &Resource, user: &str, membership: Option<&str>) -> Grant {
    let entitlement = id::entitlement_id(ID, group.object_id(), MEMBER);
    let v1 = id::v1_grant_id(&id::v1_membership_id(group.object_id()), user);
    Grant {
        id: membership.map_or_else(|| id::grant_id(&entitlement, sso_user::ID, user), str::to_owned),
        entitlement: Some(Entitlement {
            id: entitlement,
            resource: Some(group.clone()),
            ..Entitlement::default()
        }),
        principal: Some(resource::reference(sso_user::ID, user)),
        annotations: vec![marker(&V1Identifier { id: v1 })],
        ..Grant::default()
    }
}

/// What a membership task is about: the group's resource and the AWS ids of both ends.
struct Target<'a> {
    group: &'a Resource,
    group_id: &'a str,
    user: &'a str,
    user_id: &'a str,
}

impl<'a> Target<'a> {
    fn parse(entitlement: &'a Entitlement, principal: &'a Resource) -> Result<Self, ProvisionError> {
        if principal.type_id() != sso_user::ID {
            return Err(ProvisionError::invalid(format!(
                "only an sso_user can be a member of an sso_group, not a {}",
                principal.type_id()
            )));
        }
        let group = resource_of(entitlement)?;
        let user = principal.object_id();
        Ok(Self {
            group,
            group_id: id::sso_group_of(group.object_id())?,
            user,
            user_id: id::sso_user_of(user)?,
        })
    }

    fn key(&self) -> Key {
        (self.group_id.to_owned(), sso_user::ID, self.user_id.to_owned())
    }

    fn write<'b>(&'b self, operation: &'static str, wanted: State) -> Write<'b> {
        Write {
            operation,
            target_type: ID,
            target: self.group.object_id(),
            principal_type: sso_user::ID,
            principal: self.user,
            wanted,
        }
    }
}

/// Adds a user to a group. Already a member is success, with the protocol's annotation and the existing membership.
///
/// Source: `identitystore:CreateGroupMembership`, `GetGroupMembershipId`, `ListGroupMemberships`. Cancel-safe: the
/// write is idempotent at AWS.
pub(super) async fn add_member(
    connector: &Connector,
    entitlement: &Entitlement,
    principal: &Resource,
    provision: &Provision,
) -> Result<GrantManagerServiceGrantResponse, ProvisionError> {
    let target = Target::parse(entitlement, principal)?;
    let store = connector.api(provision).identity_store();
    let mut audit = Audit::begin(provision, target.write("identitystore:CreateGroupMembership", State::Held));
    let _turn = match connector.turns.wait(target.key(), provision).await {
        Ok(turn) => turn,
        Err(error) => return Err(audit.failed(error)),
    };
    let write = || store.create_membership(target.group_id, target.user_id);
    match CONFLICT.send(&mut audit, provision, write).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            let grant = membership_grant(target.group, target.user, Some(&written.value));
            Ok(granted(vec![grant], vec![], written.request_id))
        }
        // A quota is a conflict, too, and no membership.
        Err(ProvisionError::Call(error)) if error.code() == Some("ConflictException") => {
            // AWS has more reasons for a conflict: only the membership itself proves that it exists.
            let grants = match find_membership(&store, &target).await {
                Ok(Some(membership)) => vec![membership_grant(target.group, target.user, Some(&membership))],
                Ok(None) => return Err(audit.failed(ProvisionError::NotOurs(error))),
                Err(denied)
                    if matches!(denied.class(), Class::Denied)
                        && matches!(error.class(), Class::Conflict { passing: false }) =>
                {
                    debug!(group.id = target.group_id, "membership exists; its id may not be read");
                    Vec::new()
                }
                Err(other) => return Err(audit.failed(other).into()),
            };
            audit.already(&error);
            Ok(granted(
                grants,
                vec![any::pack(&GrantAlreadyExists {})],
                error.request_id().map(str::to_owned),
            ))
        }
        Err(error) => Err(audit.failed(error)),
    }
}

/// Removes a user from a group. Not a member (any more) is success, with the protocol's annotation.
///
/// The membership is looked up by group and user: the id of a grant may be stale, and must never remove another
/// user's membership. Source: `identitystore:GetGroupMembershipId`, `ListGroupMemberships`, `DeleteGroupMembership`.
/// Cancel-safe.
pub(super) async fn remove_member(
    connector: &Connector,
    grant: &Grant,
    provision: &Provision,
) -> Result<GrantManagerServiceRevokeResponse, ProvisionError> {
    let (entitlement, principal) = principal_of(grant)?;
    let target = Target::parse(entitlement, principal)?;
    let store = connector.api(provision).identity_store();
    let mut audit =
        Audit::begin(provision, target.write("identitystore:DeleteGroupMembership", State::NotHeld));
    let _turn = match connector.turns.wait(target.key(), provision).await {
        Ok(turn) => turn,
        Err(error) => return Err(audit.failed(error)),
    };
    let membership = match find_membership(&store, &target).await {
        Ok(None) => {
            audit.unchanged(None);
            return Ok(revoked(vec![any::pack(&GrantAlreadyRevoked {})], None));
        }
        Ok(Some(membership)) => membership,
        Err(error) => return Err(audit.failed(error).into()),
    };
    match CONFLICT.send(&mut audit, provision, || store.delete_membership(&membership)).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            Ok(revoked(vec![], written.request_id))
        }
        Err(ProvisionError::Call(gone)) if matches!(gone.class(), Class::NotFound) => {
            audit.already(&gone);
            Ok(revoked(vec![any::pack(&GrantAlreadyRevoked {})], gone.request_id().map(str::to_owned)))
        }
        Err(error) => Err(audit.failed(error)),
    }
}

/// The id of the membership; `None` when the user is not in the group. Without the permission to ask for one
/// membership, the list of the group's members tells, which every sync reads.
async fn find_membership(store: &IdentityStore, target: &Target<'_>) -> Result<Option<String>, CallError> {
    let denied = match store.membership_id(target.group_id, target.user_id).await {
        Err(error) if matches!(error.class(), Class::Denied) => error,
        known => return known,
    };
    let mut pages = store.memberships(target.group_id);
    loop {
        match pages.try_next().await {
            Ok(Some(page)) => {
                if let Some(found) =
                    page.into_iter().find(|one| one.user_id.as_deref() == Some(target.user_id))
                {
                    return found.id.map(Some).ok_or(denied);
                }
            }
            Ok(None) => return Ok(None),
            Err(gone) if matches!(gone.class(), Class::NotFound) => return Ok(None),
            Err(both) if matches!(both.class(), Class::Denied) => return Err(denied),
            Err(error) => return Err(error),
        }
    }
}
