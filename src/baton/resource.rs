//! Constructors of resources and resource types.

use prost::Name;
use prost_types::{Any, Struct};

use super::any;
use super::v2::resource_type::Trait;
use super::v2::{CapabilityPermission, CapabilityPermissions, Resource, ResourceId, ResourceType};

/// The id of a resource: its type and its object id.
pub fn id(resource_type: &str, object: &str) -> ResourceId {
    ResourceId {
        resource_type: resource_type.to_owned(),
        resource: object.to_owned(),
        ..ResourceId::default()
    }
}

/// A resource that carries nothing but its id, as principals of grants do.
pub fn reference(resource_type: &str, object: &str) -> Resource {
    Resource { id: Some(id(resource_type, object)), ..Resource::default() }
}

/// A resource with its name, to be completed by the `with_` calls of [`ResourceExt`].
pub fn named(resource_type: &str, object: &str, display_name: &str) -> Resource {
    Resource { display_name: display_name.to_owned(), ..reference(resource_type, object) }
}

/// What a resource is completed with. Annotations keep the order of the calls.
pub trait ResourceExt: Sized {
    /// Appends an annotation; the trait of the resource's type comes last.
    #[must_use]
    fn with<M: Name>(self, annotation: &M) -> Self;
    /// Sets the resource-level profile.
    #[must_use]
    fn with_profile(self, profile: Struct) -> Self;
    /// Sets the parent.
    #[must_use]
    fn with_parent(self, parent: Option<ResourceId>) -> Self;
    /// The type half of the id, empty when the id is absent.
    fn type_id(&self) -> &str;
    /// The object half of the id, empty when the id is absent.
    fn object_id(&self) -> &str;
}

impl ResourceExt for Resource {
    fn with<M: Name>(mut self, annotation: &M) -> Self {
        self.annotations.push(any::pack(annotation));
        self
    }

    fn with_profile(mut self, profile: Struct) -> Self {
        self.profile = Some(profile);
        self
    }

    fn with_parent(mut self, parent: Option<ResourceId>) -> Self {
        self.parent_resource_id = parent;
        self
    }

    fn type_id(&self) -> &str {
        self.id.as_ref().map_or("", |id| id.resource_type.as_str())
    }

    fn object_id(&self) -> &str {
        self.id.as_ref().map_or("", |id| id.resource.as_str())
    }
}

/// A resource type with its annotations; the AWS permissions it needs are appended as the last one.
pub fn resource_type(
    id: &str,
    display_name: &str,
    traits: &[Trait],
    mut annotations: Vec<Any>,
    permissions: &[&str],
) -> ResourceType {
    let permissions =
        permissions.iter().map(|action| CapabilityPermission { permission: (*action).to_owned() });
    annotations.push(any::pack(&CapabilityPermissions { permissions: permissions.collect() }));
    ResourceType {
        id: id.to_owned(),
        display_name: display_name.to_owned(),
        traits: traits.iter().map(|t| i32::from(*t)).collect(),
        annotations,
        ..ResourceType::default()
    }
}
