//! The end of an access key: put out of use, then deleted.

use std::time::Duration;

use super::{iam_user, key_of, make, owner};
use crate::aws::iam::{Belonging, EntityKind, Verified};
use crate::aws::{CallError, Class, Written};
use crate::baton::any;
use crate::baton::v2::{DeleteResourceResponse, ResourceDoesNotExist, ResourceId};
use crate::connector::audit::{Audit, State};
use crate::connector::iam_change::CONFLICT;
use crate::connector::iam_entity::Entity;
use crate::connector::{Connector, Provision, ProvisionError, with_request_id};

/// How long after a first look a key that AWS does not show is looked for again.
const BEFORE_GONE: Duration = Duration::from_secs(3);

/// Deactivates a key of a user, then deletes it for good. A key that is gone is success, with the protocol's annotation.
/// `parent`, where the request has one, must be the key's user or its account.
///
/// Source: `sts:GetAccessKeyInfo`, `iam:GetAccessKeyLastUsed`, `GetUser`, `UpdateAccessKey`, `DeleteAccessKey`.
/// Cancelled in the middle, the key may work no longer and still be there; a repetition goes on.
pub(in crate::connector) async fn delete(
    connector: &Connector,
    id: &ResourceId,
    parent: Option<&ResourceId>,
    provision: &Provision,
) -> Result<DeleteResourceResponse, ProvisionError> {
    let key = key_of(&id.resource)?;
    if key == connector.aws.base_key() {
        return Err(ProvisionError::Protected(format!(
            "{key} is not deleted: the connector itself starts with it"
        )));
    }
    let gone = || DeleteResourceResponse { annotations: vec![any::pack(&ResourceDoesNotExist {})] };
    let mut found = owner(connector, key, provision).await;
    // A key that was made a moment ago may not show yet, and would be left behind as gone.
    if is_gone(&found) {
        provision.pause(BEFORE_GONE).await?;
        found = owner(connector, key, provision).await;
    }
    if is_gone(&found) {
        return Ok(gone());
    }
    let (iam, user) = found?;
    let account = Entity::parse(EntityKind::User, user.arn())?.account;
    let is_its = |parent: &&ResourceId| parent.resource == user.arn() || parent.resource == account.as_str();
    if let Some(parent) = parent.filter(|parent| !is_its(parent)) {
        return Err(ProvisionError::invalid(format!(
            "the key is one of {}, and the request names {} {:?} as its parent",
            user.arn(),
            parent.resource_type.chars().take(64).collect::<String>(),
            parent.resource.chars().take(256).collect::<String>(),
        )));
    }
    connector.guard(provision).await?.identity(user.arn())?;
    let turn = (user.arn().to_owned(), iam_user::ID, user.arn().to_owned());
    let _turn = connector.turns.wait(turn, provision).await?;
    let deletion = Deletion { user: &user, key, provision };
    let (iam, user) = (&iam, &user);
    let deactivate = || iam.deactivate_access_key(user, key);
    if deletion.step("iam:UpdateAccessKey", State::Inactive, deactivate).await?.is_none() {
        return Ok(gone());
    }
    let remove = || iam.remove_belonging(user, Belonging::AccessKey, key);
    Ok(match deletion.step("iam:DeleteAccessKey", State::NotHeld, remove).await? {
        Some(request_id) => DeleteResourceResponse { annotations: with_request_id(vec![], request_id) },
        None => gone(),
    })
}

/// Whether AWS says that there is no such key, or no such user any more.
fn is_gone<T>(found: &Result<T, ProvisionError>) -> bool {
    matches!(found, Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound))
}

struct Deletion<'a> {
    user: &'a Verified,
    key: &'a str,
    provision: &'a Provision,
}

impl Deletion<'_> {
    /// One write and its audit line; gives AWS's id of the request, or `None` for a key that was gone already.
    async fn step<F>(
        &self,
        operation: &'static str,
        wanted: State,
        write: impl Fn() -> F,
    ) -> Result<Option<Option<String>>, ProvisionError>
    where
        F: Future<Output = Result<Written<()>, CallError>>,
    {
        let mut audit = Audit::begin(self.provision, make::write(operation, self.user, self.key, wanted));
        match CONFLICT.send(&mut audit, self.provision, write).await {
            Ok(written) => {
                audit.changed(written.request_id.as_deref());
                Ok(Some(written.request_id))
            }
            Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
                audit.already(&error);
                Ok(None)
            }
            Err(error) => Err(audit.failed(error)),
        }
    }
}
