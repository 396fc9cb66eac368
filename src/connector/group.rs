//! IAM groups: rows and membership.

use super::{Kind, Needs, iam_user, inline_policy, marker};
use crate::aws::iam::Group;
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    Capability, ChildResourceType, Entitlement, Grant, GroupTrait, Resource, ResourceId, ResourceType,
    V1Identifier,
};
use crate::baton::{entitlement as entitlements, id};

/// The id of the resource type.
pub const ID: &str = "group";

/// The slug of the membership entitlement.
pub const MEMBER: &str = "member";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync], needs: Needs::Nothing };

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
