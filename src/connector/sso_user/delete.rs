//! The end of a user of Identity Center.

use super::ID;
use crate::aws::Class;
use crate::baton::any;
use crate::baton::id;
use crate::baton::v2::{DeleteResourceResponse, ResourceDoesNotExist, ResourceId};
use crate::connector::audit::{Audit, State, Write};
use crate::connector::iam_change::CONFLICT;
use crate::connector::{Connector, Provision, ProvisionError, with_request_id};

/// Deletes a user of the directory for good: Identity Center knows no other end through its interface. One that is
/// gone is success, with the protocol's annotation. Assignments and memberships are left to AWS.
///
/// Source: `identitystore:DeleteUser`. Cancel-safe: a second deletion finds nothing.
pub(in crate::connector) async fn delete(
    connector: &Connector,
    id: &ResourceId,
    provision: &Provision,
) -> Result<DeleteResourceResponse, ProvisionError> {
    let user = id::sso_user_of(&id.resource)?;
    connector.guard(provision).await?.identity(&id.resource)?;
    let store = connector.api(provision).identity_store();
    let mut audit = Audit::begin(
        provision,
        Write {
            operation: "identitystore:DeleteUser",
            target_type: ID,
            target: &id.resource,
            principal_type: ID,
            principal: &id.resource,
            wanted: State::NotHeld,
        },
    );
    let key = (id.resource.clone(), ID, id.resource.clone());
    let _turn = match connector.turns.wait(key, provision).await {
        Ok(turn) => turn,
        Err(error) => return Err(audit.failed(error)),
    };
    match CONFLICT.send(&mut audit, provision, || store.delete_user(user)).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            Ok(DeleteResourceResponse { annotations: with_request_id(vec![], written.request_id) })
        }
        Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
            audit.already(&error);
            Ok(DeleteResourceResponse { annotations: vec![any::pack(&ResourceDoesNotExist {})] })
        }
        Err(error) => Err(audit.failed(error)),
    }
}
