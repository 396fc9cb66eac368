//! Managed policies of IAM: those of AWS, and each account's own.

use super::holder::Holder;
use super::{Kind, Needs, group, iam_user, marker, permission_set, permission_set_assignment, role};
use crate::aws::iam::{AttachedPolicy, Policy};
use crate::baton::entitlement as entitlements;
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    Capability, Entitlement, Grant, Resource, ResourceId, ResourceType, RoleTrait, SkipGrants, V1Identifier,
};

/// The id of the resource type.
pub const ID: &str = "iam_policy";

/// The slug of the entitlement of every policy.
pub const ATTACHED: &str = "attached";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync], needs: Needs::Nothing };

/// The resource type. Source: `iam:ListPolicies`, `iam:GetPolicyVersion`, `iam:GetAccountAuthorizationDetails`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "IAM Managed Policy",
        &[Trait::Role],
        vec![marker(&V1Identifier { id: ID.to_owned() })],
        &[
            "iam:ListPolicies",
            "iam:GetPolicy",
            "iam:GetPolicyVersion",
            "iam:AttachUserPolicy",
            "iam:AttachRolePolicy",
            "iam:AttachGroupPolicy",
            "iam:DetachUserPolicy",
            "iam:DetachRolePolicy",
            "iam:DetachGroupPolicy",
        ],
    )
}

/// The resource of a policy. `parent` is the account of a member's own policy; AWS's policies have none.
pub fn resource(
    policy: &Policy,
    description: Option<&str>,
    document: Option<&str>,
    parent: Option<ResourceId>,
) -> Resource {
    let profile =
        Profile::new().string("aws_policy_name", &policy.name).string("aws_policy_arn", &policy.arn);
    let mut resource = resource::named(ID, &policy.arn, &policy.name)
        .with_parent(parent)
        .with_profile(super::with_document(profile, document).build())
        .with(&SkipGrants {})
        .with(&RoleTrait::default());
    description.unwrap_or_default().clone_into(&mut resource.description);
    resource
}

/// The entitlement of having the policy attached.
pub fn entitlement(policy: &Resource) -> Entitlement {
    let name = &policy.display_name;
    let grantable_to = vec![
        iam_user::resource_type(),
        role::resource_type(),
        group::resource_type(),
        permission_set::resource_type(),
        permission_set_assignment::resource_type(),
    ];
    Entitlement {
        display_name: format!("{name} Managed Policy"),
        description: format!("Has the {name} managed policy in AWS"),
        ..entitlements::assignment(policy, ATTACHED, grantable_to)
    }
}

/// The attachment of a policy to its holder. The policy may be one that is not synced itself: only its id and name
/// stand in the grant.
pub fn grant(policy: &AttachedPolicy, holder: &Holder) -> Grant {
    let policy = resource::named(ID, &policy.arn, &policy.name);
    Grant { annotations: holder.expansion(), ..super::plain_grant(&policy, ATTACHED, holder.principal()) }
}
