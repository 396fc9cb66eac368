//! IAM roles: rows, and who may assume them.

mod trust;

pub use self::trust::{Trust, TrustError, Unshown};

use super::{Kind, Needs, group, iam_user, inline_policy, marker, sso_user};
use crate::aws::Tag;
use crate::aws::iam::Role;
use crate::baton::entitlement as entitlements;
use crate::baton::id::{self, Arn};
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::non_human_identity_trait::NhiType;
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    Capability, ChildResourceType, Entitlement, Grant, GrantExpandable, NonHumanIdentityTrait, Resource,
    ResourceId, ResourceType, RoleTrait, V1Identifier,
};

/// The id of the resource type.
pub const ID: &str = "role";

/// The slug of the entitlement to assume a role.
pub const ASSIGNMENT: &str = "assignment";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync], needs: Needs::Nothing };

/// The path of the roles that AWS services make for themselves.
const SERVICE_LINKED: &str = "/aws-service-role/";

/// The resource type. Source: `iam:ListRoles`, `iam:GetAccountAuthorizationDetails`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "IAM Role",
        &[Trait::Role],
        vec![marker(&V1Identifier { id: ID.to_owned() })],
        &["iam:ListRoles", "iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRoleTags"],
    )
}

/// The resource of a role. `tags` are those that the settings ask for, `parent` is the account of a member's role.
pub fn resource(role: &Role, tags: &[Tag], parent: Option<ResourceId>) -> Resource {
    let mut profile = Profile::new()
        .string("aws_arn", &role.arn)
        .string("aws_path", &role.path)
        .object("aws_tags", super::tags_object(tags))
        .string("aws_role_name", &role.name)
        .string("aws_role_description", role.description.as_deref().unwrap_or_default());
    if let Some(seconds) = role.max_session_seconds {
        profile = profile.number("aws_max_session_duration_seconds", seconds);
    }
    resource::named(ID, &role.arn, &role.name)
        .with_parent(parent)
        .with_profile(profile.build())
        .with(&V1Identifier { id: role.arn.clone() })
        .with(&ChildResourceType { resource_type_id: inline_policy::ID.to_owned() })
        .with(&identity(role))
        .with(&RoleTrait::default())
}

/// What kind of non-human identity a role is.
fn identity(role: &Role) -> NonHumanIdentityTrait {
    if role.path.starts_with(SERVICE_LINKED) {
        return NonHumanIdentityTrait {
            nhi_type: NhiType::ManagedIdentity.into(),
            nhi_detail: "aws.service_linked_role".to_owned(),
        };
    }
    let account = Arn::parse(&role.arn).map_or("", |arn| arn.account);
    NonHumanIdentityTrait {
        nhi_type: NhiType::AssumableRole.into(),
        nhi_detail: trust(role).unwrap_or_default().detail(account),
    }
}

/// The entitlement to assume a role.
pub fn entitlement(role: &Resource) -> Entitlement {
    let name = &role.display_name;
    let grantable_to =
        vec![iam_user::resource_type(), resource_type(), group::resource_type(), sso_user::resource_type()];
    Entitlement {
        display_name: format!("{name} Role"),
        description: format!("Can assume the {name} role in AWS"),
        annotations: vec![marker(&V1Identifier { id: id::v1_membership_id(role.object_id()) })],
        ..entitlements::assignment(role, ASSIGNMENT, grantable_to)
    }
}

/// What the role's trust policy says; without a document nobody may assume the role.
///
/// # Errors
/// [`TrustError`] when the document is not a policy.
pub fn trust(role: &Role) -> Result<Trust, TrustError> {
    role.trust.as_deref().map_or_else(|| Ok(Trust::default()), Trust::parse)
}

/// Who the trust policy lets assume the role: the users and roles that it names, each once and as it names them,
/// wherever they are.
pub fn trust_grants(resource: &Resource, trust: &Trust) -> Vec<Grant> {
    let grants = trust.assumers().map(|(kind, arn)| {
        let grant = super::plain_grant(resource, ASSIGNMENT, resource::reference(kind, arn));
        if kind != ID {
            return grant;
        }
        let through = GrantExpandable {
            entitlement_ids: vec![id::entitlement_id(ID, arn, ASSIGNMENT)],
            ..GrantExpandable::default()
        };
        Grant { annotations: vec![marker(&through)], ..grant }
    });
    grants.collect()
}
