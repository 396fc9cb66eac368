//! Bindings: one permission set provisioned to one account, with who is assigned.

use super::{Kind, Needs, account, marker, permission_set, sso_group, sso_user};
use crate::aws::iam::AttachedPolicy;
use crate::aws::sso_admin::{CustomerPolicy, PermissionSet};
use crate::baton::entitlement as entitlements;
use crate::baton::id::{self, Arn};
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{Capability, Entitlement, OptInRequired, Resource, ResourceType, ScopeBindingTrait};
use crate::config::Partition;

/// The id of the resource type.
pub const ID: &str = "permission_set_assignment";

/// The slug of the entitlement; control planes compose it themselves when they provision just in time.
pub const ASSIGNED: &str = "assigned";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync, Capability::Provision], needs: Needs::Center };

/// The resource type. Source: `sso:ListPermissionSetsProvisionedToAccount`, `sso:ListAccountAssignments`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Permission Set Assignment",
        &[Trait::ScopeBinding],
        vec![marker(&OptInRequired {})],
        &[
            "sso:ListInstances",
            "sso:ListPermissionSetsProvisionedToAccount",
            "sso:DescribePermissionSet",
            "sso:ListAccountAssignments",
            "sso:ListManagedPoliciesInPermissionSet",
            "sso:ListCustomerManagedPolicyReferencesInPermissionSet",
            "sso:CreateAccountAssignment",
            "sso:DeleteAccountAssignment",
            "sso:DescribeAccountAssignmentCreationStatus",
            "sso:DescribeAccountAssignmentDeletionStatus",
            "organizations:DescribeAccount",
        ],
    )
}

/// The resource of a permission set provisioned to `account`.
pub fn resource(account: &Resource, set: &PermissionSet) -> Resource {
    let account_id = account.object_id();
    let binding = ScopeBindingTrait {
        role_id: Some(resource::id(permission_set::ID, &set.arn)),
        scope_resource_id: Some(resource::id(account::ID, account_id)),
    };
    resource::named(ID, &id::binding_id(&set.arn, account_id), &format!("{} on {account_id}", set.name))
        .with_parent(account.id.clone())
        .with(&binding)
}

/// The policy that a permission set's reference to a customer-managed policy means in an account: one of the partition
/// that the ARN of the set names, else of the partition of `region`, where Identity Center is.
pub fn customer_policy(
    account: &str,
    set: &PermissionSet,
    region: &str,
    reference: &CustomerPolicy,
) -> AttachedPolicy {
    let named = Arn::parse(&set.arn).map(|arn| arn.partition).filter(|partition| !partition.is_empty());
    let partition = named.unwrap_or_else(|| Partition::of_region(region).as_str());
    let CustomerPolicy { path, name } = reference;
    AttachedPolicy {
        arn: format!("arn:{partition}:iam::{account}:policy{path}{name}"),
        name: name.to_owned(),
    }
}

/// The one entitlement of a binding.
pub fn entitlement(binding: &Resource) -> Entitlement {
    entitlements::assignment(binding, ASSIGNED, vec![sso_user::resource_type(), sso_group::resource_type()])
}
