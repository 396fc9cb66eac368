//! Member accounts: rows, one entitlement per permission set, and the grants of account assignments.

use prost_types::Struct;

use super::{Kind, Needs, marker, permission_set_assignment, sso_group, sso_user, tags_object};
use crate::aws::Tag;
use crate::aws::organizations::Account;
use crate::aws::sso_admin::PermissionSet;
use crate::baton::entitlement;
use crate::baton::id::Binding;
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    AppTrait, Capability, ChildResourceType, Entitlement, Resource, ResourceId, ResourceType, V1Identifier,
};

/// The id of the resource type.
pub const ID: &str = "account";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync, Capability::Provision], needs: Needs::Center };

/// The resource type. Source: `organizations:ListAccounts` and the account assignments of `sso`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Account",
        &[Trait::App],
        vec![
            marker(&V1Identifier { id: ID.to_owned() }),
            marker(&ChildResourceType { resource_type_id: permission_set_assignment::ID.to_owned() }),
        ],
        &[
            "organizations:ListAccounts",
            "organizations:DescribeOrganization",
            "organizations:ListParents",
            "organizations:ListTagsForResource",
            "sso:ListPermissionSets",
            "sso:DescribePermissionSet",
            "sso:ListPermissionSetsProvisionedToAccount",
            "sso:ListAccountAssignments",
            "sso:ListInstances",
            "sso:CreateAccountAssignment",
            "sso:DeleteAccountAssignment",
            "sso:DescribeAccountAssignmentCreationStatus",
            "sso:DescribeAccountAssignmentDeletionStatus",
            // AWS needs these of the caller when it assigns in the management account.
            "iam:ListPolicies",
            "iam:AttachRolePolicy",
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "iam:PutRolePolicy",
            "iam:UpdateRole",
            "iam:UpdateRoleDescription",
            "iam:GetSAMLProvider",
        ],
    )
}

/// The resource of an account, below its root or organizational unit where the hierarchy is synced.
/// `tags` are its tags where the settings ask for them.
pub fn resource(account: &Account, parent: Option<ResourceId>, tags: Option<&[Tag]>) -> Resource {
    let id = account.id.as_str();
    resource::named(ID, id, account.name.as_deref().unwrap_or_default())
        .with_parent(parent)
        .with_profile(profile(account, tags))
        .with(&V1Identifier { id: id.to_owned() })
        .with(&ChildResourceType { resource_type_id: permission_set_assignment::ID.to_owned() })
        .with(&AppTrait::default())
}

/// What a row tells of an account. Without the setting there is no key for tags at all.
pub(super) fn profile(account: &Account, tags: Option<&[Tag]>) -> Struct {
    let profile = Profile::new()
        .string("aws_account_arn", account.arn.as_deref().unwrap_or_default())
        .string("aws_account_id", account.id.as_str());
    match tags {
        Some(tags) => profile.object("aws_tags", tags_object(tags)).build(),
        None => profile.build(),
    }
}

/// The id of the root or unit that an account hangs from, by the path that AWS sends with it; `None` without one.
pub fn parent(account: &Account) -> Option<&str> {
    let mut steps = account.paths.first()?.trim_end_matches('/').rsplit('/');
    let last = steps.next()?;
    // A path ends with the account itself.
    if last == account.id.as_str() { steps.next() } else { Some(last) }
}

/// The entitlement to a permission set on an account, provisioned there or not: an unused one can be requested too.
pub fn entitlement(account: &Resource, set: &PermissionSet) -> Entitlement {
    let grantable_to = vec![sso_user::resource_type(), sso_group::resource_type()];
    Entitlement { slug: format!("{} access", set.name), ..bare_entitlement(account, set, grantable_to) }
}

/// The entitlement as grants embed it: without slug, groups first.
pub fn entitlement_of_grants(account: &Resource, set: &PermissionSet) -> Entitlement {
    bare_entitlement(account, set, vec![sso_group::resource_type(), sso_user::resource_type()])
}

fn bare_entitlement(account: &Resource, set: &PermissionSet, grantable_to: Vec<ResourceType>) -> Entitlement {
    let binding = Binding { account: account.object_id().to_owned(), permission_set: set.arn.clone() };
    let id = binding.account_entitlement();
    Entitlement {
        display_name: format!("{} Permission Set", set.name),
        description: set.description.clone().unwrap_or_default(),
        annotations: vec![marker(&V1Identifier { id: id.clone() })],
        id,
        slug: String::new(),
        ..entitlement::assignment(account, "", grantable_to)
    }
}
