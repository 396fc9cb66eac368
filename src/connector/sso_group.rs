//! Identity Center groups: rows, membership, and its grant and revoke.

use tracing::debug;

use super::audit::{Audit, Write};
use super::{
    Connector, Kind, Provision, ProvisionError, granted, marker, principal_of, resource_of, revoked,
};
use crate::aws::Class;
use crate::aws::identity_store::{Group, Membership};
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

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync, Capability::Provision] };

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
    resource::named(ID, &id, name)
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

    fn write<'b>(&'b self, operation: &'static str) -> Write<'b> {
        Write {
            operation,
            target_type: ID,
            target: self.group.object_id(),
            principal_type: sso_user::ID,
            principal: self.user,
        }
    }
}

/// Adds a user to a group. Already a member is success, with the protocol's annotation and the existing membership.
///
/// Source: `identitystore:CreateGroupMembership`, `GetGroupMembershipId`. Cancel-safe: the write is idempotent at AWS.
pub(super) async fn add_member(
    connector: &Connector,
    entitlement: &Entitlement,
    principal: &Resource,
    provision: &Provision,
) -> Result<GrantManagerServiceGrantResponse, ProvisionError> {
    let target = Target::parse(entitlement, principal)?;
    let store = connector.aws.provisioning(provision.cancel.clone()).identity_store();
    let audit = Audit::begin(provision, target.write("identitystore:CreateGroupMembership"));
    match store.create_membership(target.group_id, target.user_id).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            let grant = membership_grant(target.group, target.user, Some(&written.value));
            Ok(granted(vec![grant], vec![], written.request_id))
        }
        Err(error) if matches!(error.class(), Class::Conflict { .. }) => {
            audit.unchanged(error.request_id());
            // A conflict is also the answer to a concurrent change: only the membership itself proves that it exists.
            let grants = match store.membership_id(target.group_id, target.user_id).await {
                Ok(Some(membership)) => vec![membership_grant(target.group, target.user, Some(&membership))],
                Ok(None) => return Err(error.into()),
                Err(denied) if matches!(denied.class(), Class::Denied) => {
                    debug!(group.id = target.group_id, "membership exists; its id may not be read");
                    Vec::new()
                }
                Err(other) => return Err(other.into()),
            };
            Ok(granted(
                grants,
                vec![any::pack(&GrantAlreadyExists {})],
                error.request_id().map(str::to_owned),
            ))
        }
        Err(error) => Err(audit.failed(error).into()),
    }
}

/// Removes a user from a group. Not a member (any more) is success, with the protocol's annotation.
///
/// The membership is looked up by group and user: the id of a grant may be stale, and must never remove another
/// user's membership. Source: `identitystore:GetGroupMembershipId`, `DeleteGroupMembership`. Cancel-safe.
pub(super) async fn remove_member(
    connector: &Connector,
    grant: &Grant,
    provision: &Provision,
) -> Result<GrantManagerServiceRevokeResponse, ProvisionError> {
    let (entitlement, principal) = principal_of(grant)?;
    let target = Target::parse(entitlement, principal)?;
    let store = connector.aws.provisioning(provision.cancel.clone()).identity_store();
    let audit = Audit::begin(provision, target.write("identitystore:DeleteGroupMembership"));
    let membership = match store.membership_id(target.group_id, target.user_id).await {
        Ok(None) => {
            audit.unchanged(None);
            return Ok(revoked(vec![any::pack(&GrantAlreadyRevoked {})], None));
        }
        Ok(Some(membership)) => membership,
        Err(denied) if matches!(denied.class(), Class::Denied) && is_membership_id(&grant.id) => {
            grant.id.clone()
        }
        Err(error) => return Err(audit.failed(error).into()),
    };
    match store.delete_membership(&membership).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            Ok(revoked(vec![], written.request_id))
        }
        Err(gone) if matches!(gone.class(), Class::NotFound) => {
            audit.unchanged(gone.request_id());
            Ok(revoked(vec![any::pack(&GrantAlreadyRevoked {})], gone.request_id().map(str::to_owned)))
        }
        Err(error) => Err(audit.failed(error).into()),
    }
}

/// Whether a grant id is a bare membership id of AWS: neither composed nor a placeholder.
fn is_membership_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composed_or_placeholder_grant_id_is_no_membership_id() {
        assert!(is_membership_id("90677d7f1c-5b4b4a3e-52f6-4f3c"));
        for id in ["", "sso_group:arn:member:sso_user:u", "🧸_UNKNOWN_GRANT_ID", "a b"] {
            assert!(!is_membership_id(id), "{id}");
        }
    }
}
