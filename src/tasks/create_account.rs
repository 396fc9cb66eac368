//! A `create_account` task: make an account.

use tokio_util::sync::CancellationToken;

use super::grant::failed;
use super::outcome::{Failure, Outcome};
use super::request::{check_account, malformed, provisioning_disabled};
use super::{Context, affected};
use crate::baton::api::task::CreateAccountTask;
use crate::baton::{any, v2};
use crate::connector::Provision;
use crate::sync::Affected;

pub(super) async fn execute(
    task_id: String,
    order: CreateAccountTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Outcome {
    match create(task_id, order, context, cancel).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn create(
    task_id: String,
    order: CreateAccountTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Result<Outcome, Failure> {
    let info = order.account_info.as_ref();
    check_account(info.ok_or_else(|| malformed("create_account", "the account is missing"))?)?;
    if !context.provisioning {
        return Err(provisioning_disabled());
    }
    let request = v2::CreateAccountRequest {
        account_info: order.account_info,
        credential_options: order.credential_options,
        encryption_configs: order.encryption_configs,
        resource_type_id: order.resource_type_id,
    };
    // Until it answers, nobody knows which it is.
    let mut change = context.prepared.provisioning(Affected::Anything);
    let provision = Provision::new(task_id, cancel.clone());
    let response = context
        .engine
        .create_account(&request, &provision)
        .await
        .map_err(|error| failed("create account failed", error.status))?;
    change.affects(affected::by_creation(&response));
    let annotations = response.annotations.clone();
    Ok(Outcome::Done { response: any::pack(&response), annotations })
}
