//! A new access key in the place of another: the old one is put out of use, and not deleted.
//!
//! Who deletes it is the control plane or an operator, when whoever used it has moved to the new one. Until then it can
//! be put into use again.

use tracing::warn;

use super::make::{self, Made};
use super::{ID, iam_user};
use crate::aws::Class;
use crate::aws::iam::{EntityKind, Iam, User};
use crate::baton::encryption::Recipients;
use crate::baton::resource;
use crate::baton::v2::credential_options::Options;
use crate::baton::v2::{CredentialOptions, RotateCredentialRequest, RotateCredentialResponse};
use crate::connector::audit::{Audit, State};
use crate::connector::iam_change::CONFLICT;
use crate::connector::iam_entity::{Entity, enter, is_name};
use crate::connector::{Connector, Provision, ProvisionError, guard, with_request_id};

/// Makes a further access key of the user whose key this is, and deactivates this one. The answer names the new key.
///
/// Source: `sts:GetAccessKeyInfo`, `iam:GetAccessKeyLastUsed`, `GetUser`, `ListAccessKeys`, `CreateAccessKey`,
/// `UpdateAccessKey`, `DeleteAccessKey`. Where AWS refuses to deactivate the old key, the new one is deleted again and
/// the rotation fails; where it is not known whether AWS did, the new one is handed out, as it may be the only one that
/// works. Cancelled, or its answer lost, there may be a key whose secret nobody has; the user has two keys then, and a
/// repetition is a [`ProvisionError::KeysFull`].
pub(in crate::connector) async fn rotate(
    connector: &Connector,
    request: &RotateCredentialRequest,
    provision: &Provision,
) -> Result<RotateCredentialResponse, ProvisionError> {
    check(request.credential_options.as_ref())?;
    let recipients = Recipients::parse(&request.encryption_configs)?;
    let old = request.resource_id.as_ref().map(|id| id.resource.as_str());
    let old = old.filter(|id| is_key(id)).ok_or_else(|| {
        // What stands in its place may be a secret: it is not repeated.
        ProvisionError::invalid(
            "invalid access-key id: expected that of a user's key, AKIA and at least 12 letters and digits",
        )
    })?;
    if old == connector.aws.base_key() {
        return Err(ProvisionError::Protected(format!(
            "{old} is not rotated: the connector itself starts with it"
        )));
    }
    let (iam, owner) = owner(connector, old, provision).await?;
    let user = Entity::parse(EntityKind::User, &owner.arn)?;
    guard::identity(&connector.settings, &connector.aws.callers(), &connector.directory(), user.arn)?;
    let turn = (user.arn.to_owned(), iam_user::ID, user.arn.to_owned());
    let _turn = connector.turns.wait(turn, provision).await?;
    let made = make::make(&iam, &user, &recipients, provision).await?;
    let rotation = Rotation { iam: &iam, user: &user, old, made: &made, provision };
    rotation.deactivate().await?;
    Ok(RotateCredentialResponse {
        resource_id: Some(resource::id(ID, &made.key.id)),
        encrypted_data: made.encrypted,
        annotations: with_request_id(vec![], made.request_id),
    })
}

/// AWS makes the secret of a key: options that would choose another are refused, and of the rest nothing is read.
fn check(options: Option<&CredentialOptions>) -> Result<(), ProvisionError> {
    let Some(options) = options else { return Ok(()) };
    match options.options {
        Some(Options::RandomPassword(_) | Options::NoPassword(_)) => Ok(()),
        Some(Options::Sso(_) | Options::EncryptedPassword(_)) => Err(ProvisionError::Unsupported(
            "AWS makes the secret of an access key: the credential options are RANDOM_PASSWORD, NO_PASSWORD or none"
                .to_owned(),
        )),
        None => Err(ProvisionError::invalid("the credential options name no option")),
    }
}

/// Whether AWS gives an id of this kind to keys of users. Those of sessions begin with ASIA.
fn is_key(id: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (16..=128).contains(&id.len()) && id.starts_with("AKIA") && id.bytes().all(legal)
}

/// The user whose key this is, and IAM of the user's account.
async fn owner(
    connector: &Connector,
    key: &str,
    provision: &Provision,
) -> Result<(Iam, User), ProvisionError> {
    let sts = connector.api(provision).sts();
    let account = sts.account_of_key(key).await?;
    let iam = enter(connector, &account, provision).await?;
    let name = iam.access_key_owner(key).await?;
    // The root user of an account may have keys, too.
    let name = name.filter(|name| is_name(name, 1..=128)).ok_or_else(|| {
        ProvisionError::invalid(format!("{key} is not the key of an IAM user of account {account}"))
    })?;
    let user = iam.user(&name).await?;
    Ok((iam, user))
}

/// A rotation whose new key is made.
struct Rotation<'a> {
    iam: &'a Iam,
    user: &'a Entity<'a>,
    old: &'a str,
    made: &'a Made,
    provision: &'a Provision,
}

impl Rotation<'_> {
    /// Puts the old key out of use; one that is gone is out of use already. An error leaves the user with the old key
    /// alone.
    async fn deactivate(&self) -> Result<(), ProvisionError> {
        let Self { iam, user, old, made, provision } = *self;
        let mut audit =
            Audit::begin(provision, make::write("iam:UpdateAccessKey", user, old, State::Inactive));
        let before = made.before.iter().find(|key| key.id == old).map(|key| key.active);
        if let Some(active) = before {
            audit.found(if active { State::Active } else { State::Inactive });
        }
        let send = || iam.deactivate_access_key(user.name, old);
        match CONFLICT.send(&mut audit, provision, send).await {
            Ok(written) if before == Some(false) => audit.unchanged(written.request_id.as_deref()),
            Ok(written) => audit.changed(written.request_id.as_deref()),
            Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
                audit.already(&error);
            }
            // A cancelled task cannot delete the new key any more either.
            Err(error) if audit.is_open(&error) || matches!(error, ProvisionError::Cancelled) => {
                let error = audit.failed(error);
                warn!(
                    user = user.arn,
                    old_key = old,
                    new_key = made.key.id,
                    error = %error,
                    "the old access key may still be active; the new one is handed out all the same"
                );
            }
            Err(error) => {
                let error = audit.failed(error);
                make::withdraw(iam, user, &made.key.id, provision).await;
                return Err(error);
            }
        }
        Ok(())
    }
}
