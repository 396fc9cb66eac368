//! The tasks of actions: which there are, carrying one out, and what became of it.
//!
//! An action is carried out to its end before its task is answered, so that its status is never "running".

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use prost::Message as _;
use prost_types::Struct;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::grant::failed;
use super::outcome::{Failure, Outcome};
use super::request::{malformed, provisioning_disabled};
use crate::baton::api::task::{
    ActionGetSchemaTask, ActionInvokeTask, ActionListSchemasTask, ActionStatusTask,
};
use crate::baton::{Code, any, ksuid, v2};
use crate::connector::{ActionResults, Provision};

/// How many invocations are remembered; the oldest is forgotten first.
const REMEMBERED: usize = 1000;
/// Room for their results, in bytes; what is encrypted for many recipients is large.
const ROOM: usize = 16 * 1024 * 1024;

/// The actions that this process carried out, with their results. They hold nothing that is not encrypted.
#[derive(Debug, Default)]
pub struct Invoked(Mutex<VecDeque<v2::GetActionStatusResponse>>);

impl Invoked {
    fn remember(&self, ended: v2::GetActionStatusResponse) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.push_back(ended);
        let mut bytes: usize = known.iter().map(v2::GetActionStatusResponse::encoded_len).sum();
        while known.len() > REMEMBERED || bytes > ROOM {
            let Some(forgotten) = known.pop_front() else { break };
            bytes = bytes.saturating_sub(forgotten.encoded_len());
        }
    }

    fn find(&self, id: &str) -> Option<v2::GetActionStatusResponse> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|ended| ended.id == id).cloned()
    }
}

/// The actions of the connector, or those of a resource type, of which there are none.
pub(super) fn list(order: &ActionListSchemasTask, context: &Context) -> Outcome {
    let schemas = context.engine.action_schemas();
    let wanted = |schema: &v2::BatonActionSchema| {
        order.resource_type_id.is_empty() || schema.resource_type_id == order.resource_type_id
    };
    let schemas = schemas.into_iter().filter(wanted).collect();
    let response = v2::ListActionSchemasResponse { schemas, annotations: Vec::new() };
    Outcome::Done { response: any::pack(&response), annotations: Vec::new() }
}

/// One action.
pub(super) fn schema(order: &ActionGetSchemaTask, context: &Context) -> Outcome {
    if order.name.is_empty() {
        return incomplete("action_get_schema", "the name is missing");
    }
    match context.engine.action_schemas().into_iter().find(|schema| schema.name == order.name) {
        Some(schema) => {
            let response = v2::GetActionSchemaResponse { schema: Some(schema), annotations: Vec::new() };
            Outcome::Done { response: any::pack(&response), annotations: Vec::new() }
        }
        None => unknown(format!("there is no action {:?}", shortened(&order.name))),
    }
}

/// Carries an action out. A failure is final, unless it passes with time: the same arguments fail again.
pub(super) async fn invoke(
    task_id: String,
    order: ActionInvokeTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Outcome {
    if order.name.is_empty() {
        return incomplete("action_invoke", "the name is missing");
    }
    if !context.provisioning {
        return Outcome::Failed(provisioning_disabled());
    }
    let known = context.engine.action_schemas();
    let is_it = |schema: &v2::BatonActionSchema| {
        schema.name == order.name && schema.resource_type_id == order.resource_type_id
    };
    if !known.iter().any(is_it) {
        return unknown(format!("there is no action {:?}", shortened(&order.name)));
    }
    let provision = Provision::new(task_id, cancel.clone());
    let (id, name) = (ksuid::new(), order.name);
    let arguments = order.args.unwrap_or_default();
    let ended = context.engine.invoke_action(&name, arguments, &order.encryption_configs, &provision).await;
    // What is secret was encrypted once: whoever asks for the status reads the same.
    let (status, results) = match &ended {
        Ok(results) => (v2::BatonActionStatus::Complete, results.clone()),
        Err(error) => {
            let response = reason(&error.status.message);
            (v2::BatonActionStatus::Failed, ActionResults { response, encrypted: Vec::new() })
        }
    };
    context.invoked.remember(v2::GetActionStatusResponse {
        name: name.clone(),
        id: id.clone(),
        status: status.into(),
        annotations: Vec::new(),
        response: Some(results.response),
        encrypted_data: results.encrypted,
    });
    match ended {
        Ok(results) => {
            let response = v2::InvokeActionResponse {
                id,
                status: status.into(),
                annotations: Vec::new(),
                response: Some(results.response),
                name,
                encrypted_data: results.encrypted,
            };
            Outcome::Done { response: any::pack(&response), annotations: Vec::new() }
        }
        Err(error) => Outcome::Failed(failed("invoking action failed", error.status)),
    }
}

/// What became of an action. The answer is a success also where the action failed.
pub(super) fn status(order: &ActionStatusTask, context: &Context) -> Outcome {
    if order.id.is_empty() {
        return incomplete("action_status", "the id is missing");
    }
    match context.invoked.find(&order.id) {
        Some(response) => Outcome::Done { response: any::pack(&response), annotations: Vec::new() },
        None => unknown(format!(
            "no invocation {:?} is known: this process remembers the last {REMEMBERED}, and none of an earlier process",
            shortened(&order.id)
        )),
    }
}

/// The protocol has the text of a failure among the results.
fn reason(message: &str) -> Struct {
    crate::baton::profile::Profile::new().string("error", message).build()
}

fn unknown(message: String) -> Outcome {
    Outcome::Failed(Failure::retryable(Code::NotFound, message))
}

fn incomplete(kind: &str, missing: &str) -> Outcome {
    Outcome::Failed(Failure { non_retryable: false, ..malformed(kind, missing) })
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(id: usize, bytes: usize) -> v2::GetActionStatusResponse {
        let encrypted = v2::EncryptedData { encrypted_bytes: vec![0; bytes], ..v2::EncryptedData::default() };
        v2::GetActionStatusResponse {
            id: id.to_string(),
            encrypted_data: vec![encrypted],
            ..v2::GetActionStatusResponse::default()
        }
    }

    #[test]
    fn results_are_forgotten_from_the_oldest_on_by_their_number_and_by_their_size() {
        let invoked = Invoked::default();
        (0..=REMEMBERED).for_each(|id| invoked.remember(ended(id, 1)));
        assert!(invoked.find("0").is_none() && invoked.find("1").is_some());
        (2000..2040).for_each(|id| invoked.remember(ended(id, 1024 * 1024)));
        assert!(invoked.find("2024").is_none() && invoked.find("2025").is_some());
        assert!(invoked.find("1000").is_none());
    }
}
