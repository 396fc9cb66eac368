//! The roots of the organization.

use super::{Kind, Needs, marker, organizational_unit};
use crate::aws::organizations::Root;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::{
    Capability, ChildResourceType, OptInRequired, Resource, ResourceType, SkipEntitlementsAndGrants,
};

/// The id of the resource type.
pub const ID: &str = "organization";

pub(super) const KIND: Kind = Kind { resource_type, capabilities: &[Capability::Sync], needs: Needs::Center };

/// The resource type. Source: `organizations:ListRoots`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Organization Root",
        &[],
        vec![
            marker(&SkipEntitlementsAndGrants {}),
            marker(&OptInRequired {}),
            marker(&ChildResourceType { resource_type_id: organizational_unit::ID.to_owned() }),
        ],
        &["organizations:ListRoots", "organizations:ListOrganizationalUnitsForParent"],
    )
}

/// The resource of a root.
pub fn resource(root: &Root) -> Resource {
    let name = root.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&root.id);
    resource::named(ID, &root.id, name)
        .with(&ChildResourceType { resource_type_id: organizational_unit::ID.to_owned() })
}
