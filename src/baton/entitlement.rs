//! Constructor of entitlements.

use super::id::entitlement_id;
use super::resource::ResourceExt;
use super::v2::entitlement::PurposeValue;
use super::v2::{Entitlement, Resource, ResourceType};

/// The assignment entitlement `name` of a resource: slug and display name are the name, the id is the composed one.
pub fn assignment(resource: &Resource, name: &str, grantable_to: Vec<ResourceType>) -> Entitlement {
    Entitlement {
        id: entitlement_id(resource.type_id(), resource.object_id(), name),
        display_name: name.to_owned(),
        slug: name.to_owned(),
        purpose: PurposeValue::Assignment.into(),
        resource: Some(resource.clone()),
        grantable_to,
        ..Entitlement::default()
    }
}
