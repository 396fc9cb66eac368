//! Inline policies: part of one user, group, role or permission set.

use super::holder::Holder;
use super::{Kind, Needs, iam_policy, marker, permission_set};
use crate::baton::entitlement as entitlements;
use crate::baton::id::inline_policy_id;
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{Capability, Entitlement, Grant, Resource, ResourceType, RoleTrait, V1Identifier};

/// The id of the resource type.
pub const ID: &str = "inline_policy";

/// What the one inline policy of a permission set is called.
pub const OF_PERMISSION_SET: &str = "inline";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync], needs: Needs::Nothing };

/// The resource type. Source: `iam:GetAccountAuthorizationDetails`, `iam:List{User,Role,Group}Policies`,
/// `iam:Get{User,Role,Group}Policy`, `sso:GetInlinePolicyForPermissionSet`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Inline Policy",
        &[Trait::Role],
        vec![marker(&V1Identifier { id: ID.to_owned() })],
        &[
            "iam:ListUserPolicies",
            "iam:ListRolePolicies",
            "iam:ListGroupPolicies",
            "sso:GetInlinePolicyForPermissionSet",
            "iam:GetUserPolicy",
            "iam:GetRolePolicy",
            "iam:GetGroupPolicy",
            "iam:DeleteUserPolicy",
            "iam:DeleteRolePolicy",
            "iam:DeleteGroupPolicy",
        ],
    )
}

/// The resource of a policy that is part of `holder`.
pub fn resource(holder: &Holder, name: &str, document: Option<&str>) -> Resource {
    let parent = holder.id();
    let profile = Profile::new().string("aws_policy_name", name).string("aws_parent_arn", parent);
    let mut resource = resource::named(ID, &inline_policy_id(parent, name), name)
        .with_parent(Some(holder.resource_id()))
        .with_profile(super::with_document(profile, document).build())
        .with(&RoleTrait::default());
    resource.description = match holder.resource_type() {
        permission_set::ID => format!("Inline policy attached to permission set {parent}"),
        kind => format!("Inline policy {name} attached to {kind} IAM {parent}"),
    };
    resource
}

/// The entitlement of having the policy, which nobody but its holder can.
pub fn entitlement(policy: &Resource) -> Entitlement {
    let name = &policy.display_name;
    let of_holder = policy.parent_resource_id.as_ref().and_then(|id| super::type_of(&id.resource_type));
    Entitlement {
        display_name: format!("{name} Inline Policy"),
        description: format!("Has the {name} inline policy in AWS"),
        ..entitlements::assignment(policy, iam_policy::ATTACHED, of_holder.into_iter().collect())
    }
}

/// The holder's own policy.
pub fn grant(policy: &Resource, holder: &Holder) -> Grant {
    Grant {
        annotations: holder.expansion(),
        ..super::plain_grant(policy, iam_policy::ATTACHED, holder.principal())
    }
}
