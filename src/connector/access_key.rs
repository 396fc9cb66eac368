//! Access keys of IAM users.

pub(super) mod delete;
pub(super) mod make;
pub(super) mod rotate;

use jiff::Timestamp;

use super::iam_entity::enter;
use super::{Connector, Kind, Needs, Provision, ProvisionError, iam_user, marker};
use crate::aws::Input;
use crate::aws::iam::{AccessKey, Iam, Verified};
use crate::baton::resource::{self, ResourceExt};
use crate::baton::time::to_proto_timestamp;
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::secret_trait::CredentialType;
use crate::baton::v2::{
    Capability, CredentialResourceMode, Resource, ResourceType, SecretTrait, SkipEntitlementsAndGrants,
    V1Identifier,
};

/// The id of the resource type.
pub const ID: &str = "access-key";

pub(super) const KIND: Kind = Kind {
    resource_type,
    capabilities: &[Capability::Sync, Capability::CredentialRotation, Capability::ResourceDelete],
    needs: Needs::Secrets,
};

/// What there is of the type where keys are issued and not read: one that was issued can be deleted.
pub(super) const ISSUED: Kind =
    Kind { capabilities: &[Capability::ResourceDelete], needs: Needs::Nothing, ..KIND };

/// Whether a key that is issued shows up in a later sync.
pub(super) fn mode(are_read: bool) -> CredentialResourceMode {
    if are_read { CredentialResourceMode::Discoverable } else { CredentialResourceMode::Virtual }
}

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

/// The resource of a key and its owner, by ARN and name.
pub fn resource(key: &AccessKey, owner: &str, name: &str, last_used: Option<Timestamp>) -> Resource {
    let v1 = V1Identifier { id: owner.to_owned() };
    let owner = resource::id(iam_user::ID, owner);
    let secret = SecretTrait {
        last_used_at: last_used.map(to_proto_timestamp),
        created_by_id: Some(owner.clone()),
        identity_id: Some(owner),
        credential_type: CredentialType::StaticSecret.into(),
        credential_detail: "aws.access_key".to_owned(),
        ..SecretTrait::default()
    };
    let mut resource = resource::named(ID, &key.id, &format!("{name}|{}", key.id)).with(&v1).with(&secret);
    resource.created_at = key.created.map(to_proto_timestamp);
    resource
}

/// The id of a key of a user, as a request has it. Those of sessions begin with ASIA, and are none.
fn key_of(id: &str) -> Result<&str, ProvisionError> {
    let legal = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if (16..=128).contains(&id.len()) && id.starts_with("AKIA") && id.bytes().all(legal) {
        return Ok(id);
    }
    // What stands in its place may be a secret: it is not repeated.
    Err(ProvisionError::invalid(
        "invalid access-key id: expected that of a user's key, AKIA and at least 12 letters and digits",
    ))
}

/// The user whose key this is, and IAM of the user's account.
///
/// Source: `sts:GetAccessKeyInfo`, `iam:GetAccessKeyLastUsed`, `GetUser`.
async fn owner(
    connector: &Connector,
    key: &str,
    provision: &Provision,
) -> Result<(Iam, Verified), ProvisionError> {
    let sts = connector.api(provision).sts();
    let account = sts.account_of_key(key).await?;
    let iam = enter(connector, &account, provision).await?;
    let name = iam.access_key_owner(key).await?;
    // The root user of an account may have keys, too.
    let name = name.filter(|name| Input::EntityName.takes(name)).ok_or_else(|| {
        ProvisionError::invalid(format!("{key} is not the key of an IAM user of account {account}"))
    })?;
    let user = Verified::from(&iam.user(&name).await?);
    Ok((iam, user))
}
