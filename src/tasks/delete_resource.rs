//! A `delete_resource` task: end a resource for good.

use tokio_util::sync::CancellationToken;

use super::grant::failed;
use super::outcome::{Failure, Outcome};
use super::request::{check_resource_id, malformed, provisioning_disabled};
use super::{Context, affected};
use crate::baton::any;
use crate::baton::api::task::DeleteResourceTask;
use crate::connector::Provision;

pub(super) async fn execute(
    task_id: String,
    order: DeleteResourceTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Outcome {
    match delete(task_id, order, context, cancel).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn delete(
    task_id: String,
    order: DeleteResourceTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Result<Outcome, Failure> {
    let whole = |id: &crate::baton::v2::ResourceId| !id.resource_type.is_empty() && !id.resource.is_empty();
    let id = order.resource_id.filter(whole);
    let id = id.ok_or_else(|| malformed("delete_resource", "the resource id is missing"))?;
    check_resource_id(&id, "resource_id")?;
    if let Some(parent) = &order.parent_resource_id {
        check_resource_id(parent, "parent_resource_id")?;
    }
    if !context.provisioning {
        return Err(provisioning_disabled());
    }
    let _change = context.prepared.provisioning(affected::by_deletion(&id));
    let provision = Provision::new(task_id, cancel.clone());
    let response = context
        .engine
        .delete(&id, order.parent_resource_id.as_ref(), &provision)
        .await
        .map_err(|error| failed("delete resource failed", error.status))?;
    let annotations = response.annotations.clone();
    Ok(Outcome::Done { response: any::pack(&response), annotations })
}
