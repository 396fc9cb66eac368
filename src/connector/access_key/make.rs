//! The making of an access key: its secret reaches its recipients, or no key stays.

use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::Timestamp;

use super::ID;
use crate::aws::iam::{AccessKey, Belonging, Iam, NewAccessKey, Verified};
use crate::aws::{CallError, Class};
use crate::baton::encryption::{EncryptionError, Plaintext, Recipients};
use crate::baton::v2::EncryptedData;
use crate::connector::audit::{Audit, State, Write};
use crate::connector::iam_change::CONFLICT;
use crate::connector::undelivered::Credential;
use crate::connector::{Provision, ProvisionError, envelope, iam_user};

/// Keys that a user may have.
const MOST: usize = 2;
/// How often a key that was just made is looked for to be deleted, as AWS may not know it everywhere yet.
const ATTEMPTS: u32 = 3;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(2);

/// A key that was made.
pub(in crate::connector) struct Made {
    /// The key.
    pub(in crate::connector) key: AccessKey,
    /// Its id and its secret, for each recipient.
    pub(in crate::connector) encrypted: Vec<EncryptedData>,
    /// The keys that AWS listed before.
    pub(in crate::connector) before: Vec<AccessKey>,
    /// AWS's id of the request.
    pub(in crate::connector) request_id: Option<String>,
}

/// Makes an access key of a user, whose secret goes to the recipients alone.
///
/// Source: `iam:ListAccessKeys`, `CreateAccessKey`. The cancellation of the task does not end the request that makes
/// the key. From then on the key is in `provision`, whence it is withdrawn where its answer reaches nobody; a process
/// that is killed leaves it. A user has two at most, and one who has them is a [`ProvisionError::KeysFull`].
pub(in crate::connector) async fn make(
    iam: &Iam,
    user: &Verified,
    recipients: &Recipients,
    provision: &Provision,
) -> Result<Made, ProvisionError> {
    let before = keys(iam, user.name()).await?;
    // AWS would say so, and a rehearsal does not ask it.
    if provision.rehearsal.is_some() && before.len() >= MOST {
        return Err(ProvisionError::invalid(format!(
            "{} has as many access keys as AWS allows: {}",
            user.arn(),
            listed(&before)
        )));
    }
    let mut audit = Audit::begin(provision, write("iam:CreateAccessKey", user, user.name(), State::Held));
    provision.makes(Credential::KeyAskedFor {
        user: user.clone(),
        before: before.clone(),
        sent: Timestamp::now(),
    });
    let steady = iam.uncancelled();
    let error = match CONFLICT.send(&mut audit, provision, || steady.create_access_key(user)).await {
        Ok(made) => {
            provision.makes(Credential::Key {
                user: user.clone(),
                id: made.value.key.id.clone(),
                replaced: None,
            });
            audit.made(&made.value.key.id);
            audit.changed(made.request_id.as_deref());
            let encrypted = sealed(&made.value, recipients)?;
            return Ok(Made { key: made.value.key, encrypted, before, request_id: made.request_id });
        }
        Err(error) => error,
    };
    if audit.is_open(&error) {
        return Err(audit.failed(error));
    }
    provision.undelivered.clear();
    match audit.failed(error) {
        ProvisionError::Call(error) if error.code() == Some("LimitExceeded") => {
            Err(ProvisionError::KeysFull { user: user.arn().to_owned(), keys: listed(&before), error })
        }
        error => Err(error),
    }
}

/// The id and the secret of a key, for each recipient.
fn sealed(key: &NewAccessKey, recipients: &Recipients) -> Result<Vec<EncryptedData>, EncryptionError> {
    let plaintexts = [
        Plaintext {
            name: "access_key_id",
            description: "Access key id",
            schema: "",
            secret: key.key.id.clone().into(),
        },
        Plaintext {
            name: "secret_access_key",
            description: "Secret access key",
            schema: "",
            secret: key.secret.clone(),
        },
    ];
    recipients.seal_parts(&plaintexts, || {
        Some(Plaintext {
            name: "access_key",
            description: "Access key: its id and its secret",
            schema: envelope::KEY_SCHEMA,
            secret: envelope::of_key(&key.key.id, &key.secret)?,
        })
    })
}

/// Deletes a key whose secret reached nobody. AWS may not know it everywhere yet: it is tried several times.
pub(in crate::connector) async fn withdraw(
    iam: &Iam,
    user: &Verified,
    id: &str,
    provision: &Provision,
) -> Result<(), ProvisionError> {
    for attempt in 1.. {
        match discard(iam, user, id, provision).await {
            Ok(()) => break,
            Err(ProvisionError::Call(error))
                if matches!(error.class(), Class::NotFound) && attempt < ATTEMPTS =>
            {
                provision.pause(BETWEEN_ATTEMPTS).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Deletes a key whose secret reached nobody (`iam:DeleteAccessKey`).
async fn discard(iam: &Iam, user: &Verified, id: &str, provision: &Provision) -> Result<(), ProvisionError> {
    let mut audit = Audit::begin(provision, write("iam:DeleteAccessKey", user, id, State::NotHeld));
    let delete = || iam.remove_belonging(user, Belonging::AccessKey, id);
    match CONFLICT.send(&mut audit, provision, delete).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            Ok(())
        }
        Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
            audit.already(&error);
            Err(error.into())
        }
        Err(error) => Err(audit.failed(error)),
    }
}

/// A write about an access key of a user.
pub(super) fn write<'a>(
    operation: &'static str,
    user: &'a Verified,
    target: &'a str,
    wanted: State,
) -> Write<'a> {
    Write { operation, target_type: ID, target, principal_type: iam_user::ID, principal: user.arn(), wanted }
}

async fn keys(iam: &Iam, user: &str) -> Result<Vec<AccessKey>, CallError> {
    iam.access_keys(user).try_concat().await
}

/// Keys for people: id, state and age.
fn listed(keys: &[AccessKey]) -> String {
    let text = |key: &AccessKey| {
        let state = if key.is_active() { "active" } else { "inactive" };
        let created = key.created.map(|created| format!(", made at {created}")).unwrap_or_default();
        format!("{}: {state}{created}", key.id)
    };
    if keys.is_empty() {
        return "none is listed yet".to_owned();
    }
    keys.iter().map(text).collect::<Vec<_>>().join("; ")
}
