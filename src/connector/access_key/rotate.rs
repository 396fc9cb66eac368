//! A new access key in the place of another: the old one is put out of use, and not deleted.
//!
//! Who deletes it is the control plane or an operator, when whoever used it has moved to the new one. Until then it can
//! be put into use again.

use tracing::warn;

use super::make::{self, Made};
use super::{ID, iam_user, key_of, owner};
use crate::aws::Class;
use crate::aws::iam::{AccessKey, Iam, Verified};
use crate::baton::encryption::Recipients;
use crate::baton::resource;
use crate::baton::v2::credential_options::Options;
use crate::baton::v2::{CredentialOptions, RotateCredentialRequest, RotateCredentialResponse};
use crate::connector::audit::{Audit, State};
use crate::connector::iam_change::CONFLICT;
use crate::connector::undelivered::Credential;
use crate::connector::{Connector, Provision, ProvisionError, with_request_id};

/// Makes a further access key of the user whose key this is, and deactivates this one. The answer names the new key.
///
/// Source: `sts:GetAccessKeyInfo`, `iam:GetAccessKeyLastUsed`, `GetUser`, `ListAccessKeys`, `CreateAccessKey`,
/// `UpdateAccessKey`, `DeleteAccessKey`. Where AWS refuses to deactivate the old key, the new one is deleted again and
/// the rotation fails; where it is not known whether AWS did, the new one is handed out, as it may be the only one that
/// works. A process that is killed may leave a key whose secret nobody has; the user has two keys then, and a repetition
/// is a [`ProvisionError::KeysFull`].
pub(in crate::connector) async fn rotate(
    connector: &Connector,
    request: &RotateCredentialRequest,
    provision: &Provision,
) -> Result<RotateCredentialResponse, ProvisionError> {
    check(request.credential_options.as_ref())?;
    let recipients = Recipients::parse(&request.encryption_configs)?;
    let old = key_of(request.resource_id.as_ref().map_or("", |id| &id.resource))?;
    if old == connector.aws.base_key() {
        return Err(ProvisionError::Protected(format!(
            "{old} is not rotated: the connector itself starts with it"
        )));
    }
    let (iam, user) = owner(connector, old, provision).await?;
    connector.guard(provision).await?.identity(user.arn())?;
    let turn = (user.arn().to_owned(), iam_user::ID, user.arn().to_owned());
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

/// A rotation whose new key is made.
struct Rotation<'a> {
    iam: &'a Iam,
    user: &'a Verified,
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
        let before = made.before.iter().find(|key| key.id == old).map(AccessKey::is_active);
        if let Some(active) = before {
            audit.found(if active { State::Active } else { State::Inactive });
        }
        let send = || iam.deactivate_access_key(user, old);
        match CONFLICT.send(&mut audit, provision, send).await {
            Ok(written) if before == Some(false) => audit.unchanged(written.request_id.as_deref()),
            Ok(written) => {
                audit.changed(written.request_id.as_deref());
                self.replaced();
            }
            Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
                audit.already(&error);
            }
            // A cancelled task cannot delete the new key any more either.
            Err(error) if audit.is_open(&error) || matches!(error, ProvisionError::Cancelled) => {
                let error = audit.failed(error);
                self.replaced();
                warn!(
                    user = user.arn(),
                    old_key = old,
                    new_key = made.key.id,
                    error = %error,
                    "the old access key may still be active; the new one is handed out all the same"
                );
            }
            Err(error) => return Err(audit.failed(error)),
        }
        Ok(())
    }

    /// Notes that the old key has to work again where the new one is withdrawn.
    fn replaced(&self) {
        self.provision.makes(Credential::Key {
            user: self.user.clone(),
            id: self.made.key.id.clone(),
            replaced: Some(self.old.to_owned()),
        });
    }
}

/// Puts a key back into use, as the one that replaced it is withdrawn (`iam:UpdateAccessKey`).
pub(in crate::connector) async fn restore(
    iam: &Iam,
    user: &Verified,
    old: &str,
    provision: &Provision,
) -> Result<(), ProvisionError> {
    let mut audit = Audit::begin(provision, make::write("iam:UpdateAccessKey", user, old, State::Active));
    match CONFLICT.send(&mut audit, provision, || iam.activate_access_key(user, old)).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            Ok(())
        }
        Err(error) => Err(audit.failed(error)),
    }
}
