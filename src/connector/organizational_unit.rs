//! Organizational units.

use super::{Kind, Needs, marker, organization};
use crate::aws::organizations::OrganizationalUnit;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::{
    Capability, ChildResourceType, OptInRequired, Resource, ResourceId, ResourceType,
    SkipEntitlementsAndGrants,
};

/// The id of the resource type.
pub const ID: &str = "organizational_unit";

pub(super) const KIND: Kind = Kind { resource_type, capabilities: &[Capability::Sync], needs: Needs::Center };

/// The resource type. Source: `organizations:ListOrganizationalUnitsForParent`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Organizational Unit",
        &[],
        vec![
            marker(&SkipEntitlementsAndGrants {}),
            marker(&OptInRequired {}),
            marker(&ChildResourceType { resource_type_id: ID.to_owned() }),
        ],
        &["organizations:ListOrganizationalUnitsForParent"],
    )
}

/// The resource of a unit below `parent`, the id of a root or of another unit.
pub fn resource(unit: &OrganizationalUnit, parent: &str) -> Resource {
    let name = unit.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&unit.id);
    resource::named(ID, &unit.id, name)
        .with_parent(parent_reference(parent))
        .with(&ChildResourceType { resource_type_id: ID.to_owned() })
}

/// What a parent id of AWS names: a root (`r-…`), a unit (`ou-…`), or nothing we know.
pub fn parent_reference(parent: &str) -> Option<ResourceId> {
    if parent.starts_with("r-") {
        Some(resource::id(organization::ID, parent))
    } else if parent.starts_with("ou-") {
        Some(resource::id(ID, parent))
    } else {
        None
    }
}
