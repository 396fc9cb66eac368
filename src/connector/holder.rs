//! Who holds a policy, and how what it grants is inherited from there.

use prost_types::Any;

use super::{group, iam_user, marker, permission_set, permission_set_assignment, role};
use crate::baton::id::entitlement_id;
use crate::baton::resource;
use crate::baton::v2::{GrantExpandable, Resource, ResourceId};

/// Something that a policy is attached to or part of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holder {
    resource_type: &'static str,
    id: String,
    inherits: Option<Inherits>,
}

/// Through which entitlement of the holder others have the policy, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Inherits {
    slug: &'static str,
    /// Only who has it directly.
    shallow: bool,
}

impl Holder {
    /// An IAM user, by ARN.
    pub fn user(arn: &str) -> Self {
        Self::new(iam_user::ID, arn, None)
    }

    /// An IAM group, by ARN: its members have its policies.
    pub fn group(arn: &str) -> Self {
        Self::new(group::ID, arn, Some(Inherits { slug: group::MEMBER, shallow: true }))
    }

    /// An IAM role, by ARN: whoever may assume it has its policies.
    pub fn role(arn: &str) -> Self {
        Self::new(role::ID, arn, Some(Inherits { slug: role::ASSIGNMENT, shallow: false }))
    }

    /// A permission set, by ARN.
    pub fn permission_set(arn: &str) -> Self {
        Self::new(permission_set::ID, arn, None)
    }

    /// A permission set on an account, by the id of the binding: whoever is assigned has its policies.
    pub fn binding(id: &str) -> Self {
        let slug = permission_set_assignment::ASSIGNED;
        Self::new(permission_set_assignment::ID, id, Some(Inherits { slug, shallow: false }))
    }

    fn new(resource_type: &'static str, id: &str, inherits: Option<Inherits>) -> Self {
        Self { resource_type, id: id.to_owned(), inherits }
    }

    /// The resource type.
    pub fn resource_type(&self) -> &'static str {
        self.resource_type
    }

    /// The object id: an ARN, or the id of a binding.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id of the resource.
    pub fn resource_id(&self) -> ResourceId {
        resource::id(self.resource_type, &self.id)
    }

    /// The principal of its grants.
    pub(super) fn principal(&self) -> Resource {
        resource::reference(self.resource_type, &self.id)
    }

    /// The annotation by which a grant to this holder reaches those who inherit from it.
    pub(super) fn expansion(&self) -> Vec<Any> {
        let expandable = self.inherits.map(|inherits| GrantExpandable {
            entitlement_ids: vec![entitlement_id(self.resource_type, &self.id, inherits.slug)],
            shallow: inherits.shallow,
            ..GrantExpandable::default()
        });
        expandable.iter().map(marker).collect()
    }
}
