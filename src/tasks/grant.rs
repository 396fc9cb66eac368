//! A grant task: give an entitlement to a principal.
//!
//! The task's own annotations and its wanted duration are the control plane's business and go no further.

use tokio_util::sync::CancellationToken;

use super::Context;
use super::outcome::{Failure, Outcome};
use super::request::{check_entitlement, check_resource, malformed, provisioning_disabled};
use crate::baton::api::task::GrantTask;
use crate::baton::{any, rpc, v2};
use crate::connector::Provision;

pub(super) async fn execute(
    task_id: String,
    order: GrantTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Outcome {
    match grant(task_id, order, context, cancel).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn grant(
    task_id: String,
    order: GrantTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Result<Outcome, Failure> {
    let (entitlement, principal) = parts(order)?;
    check_entitlement(&entitlement)?;
    check_resource(&principal, "principal")?;
    if !context.provisioning {
        return Err(provisioning_disabled());
    }
    let _change = context.prepared.provisioning();
    let provision = Provision { task_id, cancel: cancel.clone() };
    let response = context
        .engine
        .grant(&entitlement, &principal, &provision)
        .await
        .map_err(|error| failed("grant failed", error.status))?;
    let annotations = response.annotations.clone();
    Ok(Outcome::Done { response: any::pack(&response), annotations })
}

fn parts(order: GrantTask) -> Result<(v2::Entitlement, v2::Resource), Failure> {
    let entitlement = order.entitlement.ok_or_else(|| malformed("grant", "the entitlement is missing"))?;
    let principal = order.principal.ok_or_else(|| malformed("grant", "the principal is missing"))?;
    Ok((entitlement, principal))
}

/// The failure to change AWS, with the operation before its message.
pub(super) fn failed(operation: &str, mut status: rpc::Status) -> Failure {
    status.message = format!("{operation}: {}", status.message);
    Failure::of_change(status)
}
