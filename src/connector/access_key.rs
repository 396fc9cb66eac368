//! Access keys of IAM users.

pub(super) mod make;
pub(super) mod rotate;

use jiff::Timestamp;

use super::{Kind, Needs, iam_user, marker};
use crate::aws::iam::{AccessKey, User};
use crate::baton::resource::{self, ResourceExt};
use crate::baton::time::to_proto_timestamp;
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::secret_trait::CredentialType;
use crate::baton::v2::{
    Capability, Resource, ResourceType, SecretTrait, SkipEntitlementsAndGrants, V1Identifier,
};

/// The id of the resource type.
pub const ID: &str = "access-key";

pub(super) const KIND: Kind = Kind {
    resource_type,
    capabilities: &[Capability::Sync, Capability::CredentialRotation],
    needs: Needs::Secrets,
};

/// The resource type. Source: `iam:ListAccessKeys`, `iam:GetAccessKeyLastUsed`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Access Key",
        &[Trait::Secret],
        vec![marker(&SkipEntitlementsAndGrants {})],
        &[
            "iam:ListAccessKeys",
            "iam:GetAccessKeyLastUsed",
            "iam:GetUser",
            "iam:CreateAccessKey",
            "iam:UpdateAccessKey",
            "iam:DeleteAccessKey",
            "sts:GetAccessKeyInfo",
        ],
    )
}

/// The resource of a key and its owner.
pub fn resource(key: &AccessKey, user: &User, last_used: Option<Timestamp>) -> Resource {
    let owner = resource::id(iam_user::ID, &user.arn);
    let secret = SecretTrait {
        last_used_at: last_used.map(to_proto_timestamp),
        created_by_id: Some(owner.clone()),
        identity_id: Some(owner),
        credential_type: CredentialType::StaticSecret.into(),
        credential_detail: "aws.access_key".to_owned(),
        ..SecretTrait::default()
    };
    let mut resource = resource::named(ID, &key.id, &format!("{}|{}", user.name, key.id))
        .with(&V1Identifier { id: user.arn.clone() })
        .with(&secret);
    resource.created_at = key.created.map(to_proto_timestamp);
    resource
}
