//! `rotate_credentials` and `issue_credential` tasks: secrets that are made here, and leave encrypted.

use tokio_util::sync::CancellationToken;

use super::grant::failed;
use super::outcome::{Failure, Outcome};
use super::request::{check_resource_id, invalid, malformed, provisioning_disabled};
use super::{Context, affected};
use crate::baton::api::task::{IssueCredentialTask, RotateCredentialsTask};
use crate::baton::{any, v2};
use crate::connector::Provision;

/// Longest id of a request, in bytes.
const LONGEST_REQUEST_ID: usize = 128;

pub(super) async fn rotate(
    task_id: String,
    order: RotateCredentialsTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Outcome {
    rotated(task_id, order, context, cancel).await.unwrap_or_else(Outcome::Failed)
}

async fn rotated(
    task_id: String,
    order: RotateCredentialsTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Result<Outcome, Failure> {
    let id = order.resource_id.as_ref();
    let id = id.ok_or_else(|| malformed("rotate_credentials", "the resource id is missing"))?;
    check_resource_id(id, "resource_id")?;
    let affected = affected::by_resource(id);
    if !context.provisioning {
        return Err(provisioning_disabled());
    }
    let request = v2::RotateCredentialRequest {
        resource_id: order.resource_id,
        credential_options: order.credential_options,
        encryption_configs: order.encryption_configs,
    };
    let _change = context.prepared.provisioning(affected);
    let provision = Provision::new(task_id, cancel.clone());
    let response = context
        .engine
        .rotate_credential(&request, &provision)
        .await
        .map_err(|error| failed("rotate credentials failed", error.status))?;
    let annotations = response.annotations.clone();
    Ok(Outcome::Done { response: any::pack(&response), annotations })
}

pub(super) async fn issue(
    task_id: String,
    order: IssueCredentialTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Outcome {
    issued(task_id, order, context, cancel).await.unwrap_or_else(Outcome::Failed)
}

async fn issued(
    task_id: String,
    order: IssueCredentialTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Result<Outcome, Failure> {
    let missing = |what: &str| malformed("issue_credential", what);
    let id = order.identity_id.as_ref().ok_or_else(|| missing("the identity is missing"))?;
    if order.credential_options.is_none() {
        return Err(missing("the credential options are missing"));
    }
    if order.encryption_configs.is_empty() {
        return Err(missing("the encryption configs are missing"));
    }
    check_resource_id(id, "identity_id")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if task_id.is_empty() || task_id.len() > LONGEST_REQUEST_ID || !task_id.bytes().all(plain) {
        return Err(invalid("request_id", "is not 1 to 128 letters, digits, - and _"));
    }
    if !context.provisioning {
        return Err(provisioning_disabled());
    }
    let affected = affected::by_resource(id);
    let request = v2::IssueCredentialRequest {
        identity_id: order.identity_id,
        credential_options: order.credential_options,
        encryption_configs: order.encryption_configs,
        request_id: task_id.clone(),
        expires_at: order.expires_at,
    };
    let _change = context.prepared.provisioning(affected);
    let provision = Provision::new(task_id, cancel.clone());
    let response = context
        .engine
        .issue_credential(&request, &provision)
        .await
        .map_err(|error| failed("issue credential failed", error.status))?;
    let annotations = response.annotations.clone();
    Ok(Outcome::Done { response: any::pack(&response), annotations })
}
