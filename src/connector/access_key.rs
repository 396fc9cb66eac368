//! Access keys of IAM users.

pub(super) mod delete;
pub(super) mod make;
pub(super) mod rotate;

use jiff::Timestamp;

use super::iam_entity::enter;
use super::{Connector, Kind, Needs, Provision, ProvisionError, iam_user, marker};
use crate::aws::Input;
use crate::aws::iam::{AccessKey, Iam, KeyUse, Verified};
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::time::to_proto_timestamp;
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::secret_trait::CredentialType;
use crate::baton::v2::status::ResourceStatus;
use crate::baton::v2::{
    Capability, CredentialResourceMode, Resource, ResourceId, ResourceType, SecretTrait,
    SkipEntitlementsAndGrants, Status, V1Identifier,
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

/// What is known of the last use of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LastUse {
    /// Its last use; `None` if there was none.
    Known(Option<KeyUse>),
    /// It may not be read, or the key went away meanwhile.
    Unavailable,
}

impl LastUse {
    /// When it was; `None` also where that is not known.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Known(Some(used)) => Some(used.at),
            Self::Known(None) | Self::Unavailable => None,
        }
    }

    fn describe(&self) -> Profile {
        let used = match self {
            Self::Unavailable => return Profile::new().string("last_used_status", "unavailable"),
            Self::Known(used) => used.as_ref(),
        };
        let where_used = [
            ("last_used_service", used.and_then(|used| used.service.as_ref())),
            ("last_used_region", used.and_then(|used| used.region.as_ref())),
        ];
        let profile = Profile::new().string("last_used_status", "available");
        where_used.into_iter().fold(profile, |profile, (key, text)| match text {
            Some(text) => profile.string(key, text),
            None => profile,
        })
    }
}

/// The resource of a key and its owner, by ARN and name. `parent` is the `account_iam` of a member's key.
pub fn resource(
    key: &AccessKey,
    owner: &str,
    name: &str,
    last_use: &LastUse,
    parent: Option<ResourceId>,
) -> Resource {
    let v1 = V1Identifier { id: owner.to_owned() };
    let owner = resource::id(iam_user::ID, owner);
    let secret = SecretTrait {
        last_used_at: last_use.at().map(to_proto_timestamp),
        created_by_id: Some(owner.clone()),
        identity_id: Some(owner),
        credential_type: CredentialType::StaticSecret.into(),
        credential_detail: "aws.access_key".to_owned(),
        ..SecretTrait::default()
    };
    let mut resource = resource::named(ID, &key.id, &format!("{name}|{}", key.id))
        .with_parent(parent)
        .with_profile(last_use.describe().build())
        .with(&v1)
        .with(&secret);
    let status = if key.is_active() { ResourceStatus::Enabled } else { ResourceStatus::Disabled };
    resource.status = Some(Status { status: status.into(), details: key.status.clone() });
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
