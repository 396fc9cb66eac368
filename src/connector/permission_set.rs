//! Permission sets of Identity Center.

use super::{Kind, Needs, marker};
use crate::aws::sso_admin::PermissionSet;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    Capability, ChildResourceType, OptInRequired, Resource, ResourceType, RoleTrait, SkipEntitlements,
};

/// The id of the resource type.
pub const ID: &str = "permission_set";

pub(super) const KIND: Kind = Kind { resource_type, capabilities: &[Capability::Sync], needs: Needs::Center };

/// The resource type. Source: `sso:ListPermissionSets`, `sso:DescribePermissionSet`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Permission Set",
        &[Trait::Role],
        vec![marker(&SkipEntitlements {}), marker(&OptInRequired {})],
        &[
            "sso:ListInstances",
            "sso:ListPermissionSets",
            "sso:DescribePermissionSet",
            "sso:ListManagedPoliciesInPermissionSet",
        ],
    )
}

/// The resource of a permission set; its id is the bare ARN, which bindings name as their role.
pub fn resource(set: &PermissionSet) -> Resource {
    let mut resource = resource::named(ID, &set.arn, &set.name)
        .with(&ChildResourceType { resource_type_id: "inline_policy".to_owned() })
        .with(&RoleTrait::default());
    resource.description = set.description.clone().unwrap_or_default();
    resource
}
