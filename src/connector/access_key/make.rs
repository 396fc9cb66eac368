//! The making of an access key: its secret reaches its recipients, or no key stays.

use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use tracing::warn;

use super::ID;
use crate::aws::iam::{AccessKey, Belonging, Iam, NewAccessKey};
use crate::aws::{CallError, Class};
use crate::baton::encryption::{EncryptionError, Plaintext, Recipients};
use crate::baton::v2::EncryptedData;
use crate::connector::audit::{Audit, State, Write};
use crate::connector::iam_change::CONFLICT;
use crate::connector::iam_entity::Entity;
use crate::connector::{Provision, ProvisionError, iam_user};

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
/// Source: `iam:ListAccessKeys`, `CreateAccessKey`, `DeleteAccessKey`. A key whose secret was lost with the reply is
/// deleted where it is certain which one it is, and so is one that cannot be encrypted. Else, or cancelled, or the process killed, there may be a key whose
/// secret nobody has; a user has two at most, and one who has them is a [`ProvisionError::KeysFull`].
pub(in crate::connector) async fn make(
    iam: &Iam,
    user: &Entity<'_>,
    recipients: &Recipients,
    provision: &Provision,
) -> Result<Made, ProvisionError> {
    let before = keys(iam, user.name).await?;
    // AWS would say so, and a rehearsal does not ask it.
    if provision.rehearsal.is_some() && before.len() >= MOST {
        return Err(ProvisionError::invalid(format!(
            "{} has as many access keys as AWS allows: {}",
            user.arn,
            listed(&before)
        )));
    }
    let mut audit = Audit::begin(provision, write("iam:CreateAccessKey", user, user.name, State::Held));
    let sent = Timestamp::now();
    match CONFLICT.send(&mut audit, provision, || iam.create_access_key(user.name)).await {
        Ok(made) => {
            audit.changed(made.request_id.as_deref());
            let encrypted = match sealed(&made.value, recipients) {
                Ok(encrypted) => encrypted,
                Err(error) => {
                    withdraw(iam, user, &made.value.key.id, provision).await;
                    return Err(error.into());
                }
            };
            Ok(Made { key: made.value.key, encrypted, before, request_id: made.request_id })
        }
        Err(ProvisionError::Call(error)) if error.may_have_happened() => {
            let error = audit.failed(error);
            without_orphan(iam, user, &before, sent, provision).await?;
            Err(error.into())
        }
        Err(ProvisionError::Call(error)) if error.code() == Some("LimitExceeded") => {
            let error = audit.failed(error);
            Err(ProvisionError::KeysFull { user: user.arn.to_owned(), keys: listed(&before), error })
        }
        Err(error) => Err(audit.failed(error)),
    }
}

/// The id and the secret of a key, for each recipient.
fn sealed(key: &NewAccessKey, recipients: &Recipients) -> Result<Vec<EncryptedData>, EncryptionError> {
    let plaintexts = [
        Plaintext { name: "access_key_id", description: "Access key id", secret: key.key.id.clone().into() },
        Plaintext { name: "secret_access_key", description: "Secret access key", secret: key.secret.clone() },
    ];
    let mut encrypted_data = Vec::new();
    for plaintext in &plaintexts {
        encrypted_data.extend(recipients.seal(plaintext)?);
    }
    Ok(encrypted_data)
}

/// Deletes a key that was made for nobody; where that fails, a warning names it.
pub(super) async fn withdraw(iam: &Iam, user: &Entity<'_>, id: &str, provision: &Provision) {
    let mut ended = Ok(false);
    for attempt in 1..=ATTEMPTS {
        ended = discard(iam, user, id, provision).await;
        if !matches!(ended, Ok(false))
            || attempt == ATTEMPTS
            || provision.pause(BETWEEN_ATTEMPTS).await.is_err()
        {
            break;
        }
    }
    let left = match ended {
        Ok(true) => return,
        Ok(false) => "AWS does not know it yet, or not any more".to_owned(),
        Err(error) => error.to_string(),
    };
    warn!(
        user = user.arn,
        key = id,
        error = left,
        "the secret of this access key reached nobody, and the key could not be deleted"
    );
}

/// Deletes a key whose secret reached nobody (`iam:DeleteAccessKey`); false when AWS does not know it.
async fn discard(
    iam: &Iam,
    user: &Entity<'_>,
    id: &str,
    provision: &Provision,
) -> Result<bool, ProvisionError> {
    let mut audit = Audit::begin(provision, write("iam:DeleteAccessKey", user, id, State::NotHeld));
    let delete = || iam.remove_belonging(user.name, Belonging::AccessKey, id);
    match CONFLICT.send(&mut audit, provision, delete).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            Ok(true)
        }
        Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
            audit.already(&error);
            Ok(false)
        }
        Err(error) => Err(audit.failed(error)),
    }
}

/// A write about an access key of a user.
pub(super) fn write<'a>(
    operation: &'static str,
    user: &'a Entity<'_>,
    target: &'a str,
    wanted: State,
) -> Write<'a> {
    Write { operation, target_type: ID, target, principal_type: iam_user::ID, principal: user.arn, wanted }
}

async fn keys(iam: &Iam, user: &str) -> Result<Vec<AccessKey>, CallError> {
    iam.access_keys(user).try_concat().await
}

/// Keys for people: id, state and age.
fn listed(keys: &[AccessKey]) -> String {
    let text = |key: &AccessKey| {
        let state = if key.active { "active" } else { "inactive" };
        let created = key.created.map(|created| format!(", made at {created}")).unwrap_or_default();
        format!("{}: {state}{created}", key.id)
    };
    if keys.is_empty() {
        return "none is listed yet".to_owned();
    }
    keys.iter().map(text).collect::<Vec<_>>().join("; ")
}

/// Deletes what a creation without an answer, sent at `sent`, left behind: its secret reached nobody.
///
/// AWS's list lags: what it did not show before may be older, and in use. The key goes when it is the only one that can
/// be meant, by the time of its creation; where several can be, none does.
async fn without_orphan(
    iam: &Iam,
    user: &Entity<'_>,
    before: &[AccessKey],
    sent: Timestamp,
    provision: &Provision,
) -> Result<(), ProvisionError> {
    let mut suspects = keys(iam, user.name).await?;
    // AWS tells whole seconds.
    suspects.retain(|key| {
        let known = before.iter().any(|one| one.id == key.id);
        !known && key.created.is_some_and(|created| created.as_second() >= sent.as_second())
    });
    match suspects.as_slice() {
        [] => Ok(()),
        [one] => discard(iam, user, &one.id, provision).await.map(drop),
        [one, other, ..] => {
            warn!(
                user = user.arn,
                keys = format!("{}, {}", one.id, other.id),
                "the secret of one of these access keys reached nobody; none is deleted, as it is not certain which"
            );
            Ok(())
        }
    }
}
