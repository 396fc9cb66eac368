//! The password of an IAM user, which signs in to the console.

use secrecy::SecretString;

use super::ID;
use crate::aws::Class;
use crate::aws::iam::{EntityKind, Iam, Verified};
use crate::baton::encryption::{Plaintext, Recipients};
use crate::baton::v2::credential_options::Options;
use crate::baton::v2::{RotateCredentialRequest, RotateCredentialResponse};
use crate::connector::audit::{Audit, State, Write};
use crate::connector::iam_change::CONFLICT;
use crate::connector::iam_entity::Entity;
use crate::connector::password::Recipe;
use crate::connector::undelivered::Credential;
use crate::connector::{Connector, Provision, ProvisionError, with_request_id};

/// A password that is to be set.
pub(super) struct Password {
    pub(super) text: SecretString,
    /// Whether the user must choose another at the next sign-in.
    pub(super) reset: bool,
}

impl Password {
    /// As the control plane is told it.
    pub(super) fn plaintext(&self) -> Plaintext {
        Plaintext {
            name: "password",
            description: "Password of the IAM user for the AWS console",
            schema: "",
            secret: self.text.clone(),
        }
    }
}

/// Replaces the password of a user by a random one; who has none gets one.
///
/// Source: `iam:UpdateLoginProfile`, `CreateLoginProfile`. Where the outcome is not known, a first password is deleted
/// again (`DeleteLoginProfile`), and one that replaced another is named: a repetition sets another.
pub(in crate::connector) async fn rotate(
    connector: &Connector,
    request: &RotateCredentialRequest,
    provision: &Provision,
) -> Result<RotateCredentialResponse, ProvisionError> {
    let options = request.credential_options.as_ref();
    let Some(Options::RandomPassword(random)) = options.and_then(|options| options.options.as_ref()) else {
        return Err(ProvisionError::Unsupported(
            "of an iam_user the password is rotated: the only credential option is RANDOM_PASSWORD"
                .to_owned(),
        ));
    };
    let reset = options.is_some_and(|options| options.force_change_at_next_login);
    let recipients = Recipients::parse(&request.encryption_configs)?;
    let password = Password { text: Recipe::parse(random)?.make(), reset };
    let id =
        request.resource_id.as_ref().ok_or_else(|| ProvisionError::invalid("the resource id is missing"))?;
    let user = Entity::parse(EntityKind::User, &id.resource)?;
    connector.guard(provision).await?.identity(user.arn)?;
    let iam = user.enter(connector, provision).await?;
    let _turn = connector.turns.wait((user.arn.to_owned(), ID, user.arn.to_owned()), provision).await?;
    let user = user.verify(connector, &iam, provision).await?;
    // Encrypted first: a password that could not be handed out is not set.
    let encrypted_data = recipients.seal(&password.plaintext())?;
    let request_id = match replace(&iam, &user, &password, provision).await {
        Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
            create(&iam, &user, &password, provision).await?
        }
        replaced => replaced?,
    };
    Ok(RotateCredentialResponse {
        encrypted_data,
        resource_id: Some(id.clone()),
        annotations: with_request_id(vec![], request_id),
    })
}

/// Gives a user the first password. One that is there already is replaced: it is of an attempt whose answer was lost.
pub(super) async fn create(
    iam: &Iam,
    user: &Verified,
    password: &Password,
    provision: &Provision,
) -> Result<Option<String>, ProvisionError> {
    let mut audit = Audit::begin(provision, write("iam:CreateLoginProfile", user, State::Held));
    provision.makes(Credential::Password { user: user.clone(), is_first: true });
    let send = || iam.create_login_profile(user, &password.text, password.reset);
    match CONFLICT.send(&mut audit, provision, send).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            Ok(written.request_id)
        }
        Err(ProvisionError::Call(error)) if error.code() == Some("EntityAlreadyExists") => {
            audit.already(&error);
            replace(iam, user, password, provision).await
        }
        Err(error) => Err(failed(audit, error, provision)),
    }
}

async fn replace(
    iam: &Iam,
    user: &Verified,
    password: &Password,
    provision: &Provision,
) -> Result<Option<String>, ProvisionError> {
    let mut audit = Audit::begin(provision, write("iam:UpdateLoginProfile", user, State::Held));
    provision.makes(Credential::Password { user: user.clone(), is_first: false });
    let send = || iam.update_login_profile(user, &password.text, password.reset);
    match CONFLICT.send(&mut audit, provision, send).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            Ok(written.request_id)
        }
        Err(error) => Err(failed(audit, error, provision)),
    }
}

/// The error of a password that was not set, or not surely.
fn failed(audit: Audit<'_>, error: ProvisionError, provision: &Provision) -> ProvisionError {
    if !audit.is_open(&error) {
        provision.undelivered.clear();
    }
    audit.failed(error)
}

/// Deletes a first password that reached nobody (`iam:DeleteLoginProfile`); one that is not there is as good.
pub(in crate::connector) async fn withdraw(
    iam: &Iam,
    user: &Verified,
    provision: &Provision,
) -> Result<(), ProvisionError> {
    let mut audit = Audit::begin(provision, write("iam:DeleteLoginProfile", user, State::NotHeld));
    match CONFLICT.send(&mut audit, provision, || iam.delete_login_profile(user)).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            Ok(())
        }
        Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
            audit.already(&error);
            Ok(())
        }
        Err(error) => Err(audit.failed(error)),
    }
}

fn write<'a>(operation: &'static str, user: &'a Verified, wanted: State) -> Write<'a> {
    Write {
        operation,
        target_type: "login_profile",
        target: user.name(),
        principal_type: ID,
        principal: user.arn(),
        wanted,
    }
}
