//! IAM groups: rows, membership, and its grant and revoke.

use super::iam_change::{Change, Part};
use super::iam_entity::Entity;
use super::{
    Connector, Kind, Needs, Provision, ProvisionError, granted, iam_user, inline_policy, marker,
    principal_of, resource_of, revoked,
};
use crate::aws::iam::{EntityKind, Group};
use crate::baton::any;
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    Capability, ChildResourceType, Entitlement, Grant, GrantAlreadyExists, GrantAlreadyRevoked,
    GrantManagerServiceGrantResponse, GrantManagerServiceRevokeResponse, GroupTrait, Resource, ResourceId,
    ResourceType, V1Identifier,
};
use crate::baton::{entitlement as entitlements, id};

/// The id of the resource type.
pub const ID: &str = "group";

/// The slug of the membership entitlement.
pub const MEMBER: &str = "member";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync, Capability::Provision], needs: Needs::Nothing };

/// The resource type. Source: `iam:ListGroups`, `iam:GetGroup`, `iam:GetAccountAuthorizationDetails`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Group",
        &[Trait::Group],
        vec![marker(&V1Identifier { id: ID.to_owned() })],
        &[
            "iam:ListGroups",
            "iam:GetGroup",
            "iam:ListAttachedGroupPolicies",
            "iam:AddUserToGroup",
            "iam:RemoveUserFromGroup",
        ],
    )
}

/// The resource of a group; `parent` is the account of a member's group.
pub fn resource(group: &Group, parent: Option<ResourceId>) -> Resource {
    let profile = Profile::new()
        .string("aws_arn", &group.arn)
        .string("aws_path", &group.path)
        .string("aws_group_type", "iam")
        .string("aws_group_name", &group.name)
        .string("aws_group_id", &group.id)
        .build();
    resource::named(ID, &group.arn, &group.name)
        .with_parent(parent)
        .with_profile(profile)
        .with(&V1Identifier { id: group.arn.clone() })
        .with(&ChildResourceType { resource_type_id: inline_policy::ID.to_owned() })
        .with(&GroupTrait::default())
}

/// The membership entitlement of a group.
pub fn entitlement(group: &Resource) -> Entitlement {
    let name = &group.display_name;
    Entitlement {
        display_name: format!("{name} Group Member"),
        description: format!("Is member of the {name} IAM group in AWS"),
        annotations: vec![marker(&V1Identifier { id: id::v1_membership_id(group.object_id()) })],
        ..entitlements::assignment(group, MEMBER, vec![iam_user::resource_type()])
    }
}

/// The membership of a user, by ARN.
pub fn member_grant(group: &Resource, user_arn: &str) -> Grant {
    let v1 = id::v1_grant_id(&id::v1_membership_id(group.object_id()), user_arn);
    Grant {
        annotations: vec![marker(&V1Identifier { id: v1 })],
        ..super::plain_grant(group, MEMBER, resource::reference(iam_user::ID, user_arn))
    }
}

/// Puts a user into a group of the same account. In it already is success, with the protocol's annotation.
///
/// Source: `iam:GetUser`, `GetGroup`, `ListGroupsForUser`, `AddUserToGroup`. Cancel-safe.
pub(super) async fn add_member(
    connector: &Connector,
    entitlement: &Entitlement,
    principal: &Resource,
    provision: &Provision,
) -> Result<GrantManagerServiceGrantResponse, ProvisionError> {
    let group = resource_of(entitlement)?;
    let done = membership(group, principal)?.add(connector, provision).await?;
    let already = done.already.then(|| any::pack(&GrantAlreadyExists {}));
    let grant = member_grant(group, principal.object_id());
    Ok(granted(vec![grant], already.into_iter().collect(), done.request_id))
}

/// Takes a user out of a group. Not in it (any more) is success, with the protocol's annotation.
///
/// Source: `iam:GetUser`, `GetGroup`, `RemoveUserFromGroup`. Cancel-safe.
pub(super) async fn remove_member(
    connector: &Connector,
    grant: &Grant,
    provision: &Provision,
) -> Result<GrantManagerServiceRevokeResponse, ProvisionError> {
    let (entitlement, principal) = principal_of(grant)?;
    let done = membership(resource_of(entitlement)?, principal)?.remove(connector, provision).await?;
    let already = done.already.then(|| any::pack(&GrantAlreadyRevoked {}));
    Ok(revoked(already.into_iter().collect(), done.request_id))
}

fn membership<'a>(group: &'a Resource, user: &'a Resource) -> Result<Change<'a>, ProvisionError> {
    if user.type_id() != iam_user::ID {
        return Err(ProvisionError::invalid(format!(
            "only an iam_user can be a member of an IAM group, not a {}",
            user.type_id()
        )));
    }
    let entity = Entity::of(user)?;
    let target = Entity::parse(EntityKind::Group, group.object_id())?;
    if entity.account != target.account {
        return Err(ProvisionError::invalid(format!(
            "the user is of account {}, the group of account {}: IAM groups take users of their own account",
            entity.account, target.account
        )));
    }
    let arn = target.arn;
    Ok(Change { entity, part: Part::Group(target), target_type: ID, target: arn })
}
