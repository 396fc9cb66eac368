//! A new access key of an IAM user.

use futures::TryStreamExt as _;
use jiff::Timestamp;
use tracing::warn;

use super::{ID, found};
use crate::aws::iam::{AccessKey, Belonging, EntityKind, Iam};
use crate::aws::{CallError, Class};
use crate::baton::encryption::{Plaintext, Recipients};
use crate::baton::v2::credential_issue_options::Options;
use crate::baton::v2::{CredentialResourceMode, IssueCredentialRequest, IssueCredentialResponse};
use crate::connector::audit::{Audit, State, Write};
use crate::connector::iam_change::CONFLICT;
use crate::connector::iam_entity::Entity;
use crate::connector::{Connector, Provision, ProvisionError, access_key, guard, with_request_id};

/// Makes an access key, whose secret goes to the recipients of the request alone.
///
/// Source: `iam:CreateAccessKey`, `GetUser`, `ListAccessKeys`, `DeleteAccessKey`. A key whose secret was lost with the
/// reply is deleted where it is certain which one it is. Else, or cancelled, or the process killed, there may be a key
/// whose secret nobody has; a user has two at most.
pub(in crate::connector) async fn issue(
    connector: &Connector,
    request: &IssueCredentialRequest,
    provision: &Provision,
) -> Result<IssueCredentialResponse, ProvisionError> {
    match request.credential_options.as_ref().and_then(|options| options.options.as_ref()) {
        Some(Options::ApiKey(api_key)) if api_key.scopes.is_empty() => {}
        Some(Options::ApiKey(_)) => {
            return Err(ProvisionError::invalid("an access key has no scopes: it may what its user may"));
        }
        Some(_) => {
            return Err(ProvisionError::Unsupported(
                "of an iam_user access keys are issued: the only credential option is an API key".to_owned(),
            ));
        }
        None => return Err(ProvisionError::invalid("the credential options name no option")),
    }
    if request.expires_at.is_some() {
        return Err(ProvisionError::invalid("an access key does not expire: ask for one without expires_at"));
    }
    let recipients = Recipients::parse(&request.encryption_configs)?;
    let identity = request.identity_id.as_ref();
    let identity = identity.ok_or_else(|| ProvisionError::invalid("the identity is missing"))?;
    let user = Entity::parse(EntityKind::User, &identity.resource)?;
    guard::identity(&connector.settings, connector.aws.caller(), &connector.directory(), user.arn)?;
    let iam = user.enter(connector, provision).await?;
    let _turn = connector.turns.wait((user.arn.to_owned(), ID, user.arn.to_owned()), provision).await?;
    let owner = found(&iam, &user).await?;
    let before = keys(&iam, user.name).await?;
    let mut audit = Audit::begin(provision, write("iam:CreateAccessKey", &user, user.name, State::Held));
    let sent = Timestamp::now();
    let made = match CONFLICT.send(&mut audit, provision, || iam.create_access_key(user.name)).await {
        Ok(made) => made,
        Err(ProvisionError::Call(error)) if error.may_have_happened() => {
            let error = audit.failed(error);
            without_orphan(&iam, &user, &before, sent, provision).await?;
            return Err(error.into());
        }
        Err(error) => return Err(audit.failed(error)),
    };
    audit.changed(made.request_id.as_deref());
    let key = made.value;
    let plaintexts = [
        Plaintext { name: "access_key_id", description: "Access key id", secret: key.key.id.clone().into() },
        Plaintext { name: "secret_access_key", description: "Secret access key", secret: key.secret },
    ];
    let mut encrypted_data = Vec::new();
    for plaintext in &plaintexts {
        encrypted_data.extend(recipients.seal(plaintext)?);
    }
    Ok(IssueCredentialResponse {
        secret: Some(access_key::resource(&key.key, &owner, None)),
        encrypted_data,
        annotations: with_request_id(vec![], made.request_id),
        resource_mode: CredentialResourceMode::Discoverable.into(),
        request_id: request.request_id.clone(),
    })
}

async fn keys(iam: &Iam, user: &str) -> Result<Vec<AccessKey>, CallError> {
    iam.access_keys(user).try_concat().await
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
    let id = match suspects.as_slice() {
        [] => return Ok(()),
        [one] => &one.id,
        [one, other, ..] => {
            warn!(
                user = user.arn,
                keys = format!("{}, {}", one.id, other.id),
                "the secret of one of these access keys reached nobody; none is deleted, as it is not certain which"
            );
            return Ok(());
        }
    };
    let mut audit = Audit::begin(provision, write("iam:DeleteAccessKey", user, id, State::NotHeld));
    let delete = || iam.remove_belonging(user.name, Belonging::AccessKey, id);
    match CONFLICT.send(&mut audit, provision, delete).await {
        Ok(written) => audit.changed(written.request_id.as_deref()),
        Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => audit.already(&error),
        Err(error) => return Err(audit.failed(error)),
    }
    Ok(())
}

fn write<'a>(operation: &'static str, user: &'a Entity<'_>, target: &'a str, wanted: State) -> Write<'a> {
    Write { operation, target_type: access_key::ID, target, principal_type: ID, principal: user.arn, wanted }
}
