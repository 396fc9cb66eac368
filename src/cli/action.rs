//! One-shot actions: which there are, and carrying one out.

use std::fmt::Write as _;

use prost_types::Struct;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::{Exit, answer, failure};
use crate::baton::encryption::OwnKey;
use crate::baton::ksuid;
use crate::baton::profile::Profile;
use crate::baton::v2::{
    BatonActionSchema, BatonActionStatus, InvokeActionResponse, ListActionSchemasResponse,
};
use crate::config::Arguments;
use crate::connector::{ActionResults, Connector, ProvisionError};

/// Prints the actions of a resource type, all if it is empty: a list on a terminal, JSON elsewhere.
pub(super) fn list(connector: &Connector, resource_type: &str) -> Exit {
    let mut schemas = connector.action_schemas();
    schemas.retain(|schema| resource_type.is_empty() || schema.resource_type_id == resource_type);
    let text = schemas.iter().map(readable).collect::<Vec<_>>().join("\n");
    answer::of(&ListActionSchemasResponse { schemas, annotations: Vec::new() }, text.trim_end())
}

/// What is to be carried out.
pub(super) struct Order<'a> {
    pub(super) name: &'a str,
    pub(super) resource_type: &'a str,
    pub(super) arguments: &'a Arguments,
    /// Whether secret results are printed.
    pub(super) print_credentials: bool,
}

/// Carries out an action and prints its results as JSON. Secret ones are encrypted for this process alone, as a control
/// plane would have them, and printed among the others; an action that has some is refused unless that is wanted, since
/// nobody would read them.
pub(super) async fn invoke(connector: &Connector, order: &Order<'_>, cancel: CancellationToken) -> Exit {
    if let Some(exit) = answer::refuse_to_discard() {
        return exit;
    }
    let provision = answer::provision(false, cancel);
    let known = connector.action_schemas();
    let is_it = |schema: &&BatonActionSchema| {
        schema.name == order.name && schema.resource_type_id == order.resource_type
    };
    let Some(schema) = known.iter().find(is_it) else {
        let name = order.name.chars().take(64).collect();
        return failure::of_operation("invoke action", ProvisionError::NoAction(name));
    };
    if !order.print_credentials && schema.return_types.iter().any(|result| result.is_secret) {
        tracing::error!(
            error = "the action has a secret result, which would reach nobody: --print-credentials prints it",
            "nothing was done"
        );
        return Exit::PRECONDITION;
    }
    let own = OwnKey::generate();
    let arguments = Profile::of_json(&order.arguments.0).build();
    let results = match connector.invoke_action(order.name, arguments, &[own.config()], &provision).await {
        Ok(results) => results,
        Err(error) => return failure::of_operation("invoke action", error),
    };
    let Some(response) = opened(&own, results) else {
        // What was sealed for this key a moment ago cannot be opened: nobody has it.
        connector.withdraw(&provision).await;
        return failure::of_operation("invoke action", ProvisionError::Broken);
    };
    let answer = InvokeActionResponse {
        id: ksuid::new(),
        status: BatonActionStatus::Complete.into(),
        response: Some(response),
        name: order.name.to_owned(),
        ..InvokeActionResponse::default()
    };
    answer::credential(connector, &provision, &answer).await
}

/// All results in the open, the secret ones under their names; `None` where one of them cannot be opened.
fn opened(own: &OwnKey, results: ActionResults) -> Option<Struct> {
    let mut response = results.response;
    for sealed in &results.encrypted {
        let secret = own.open(sealed)?;
        response.fields.insert(sealed.name.clone(), secret.expose_secret().into());
    }
    Some(response)
}

/// An action as a person reads it.
fn readable(schema: &BatonActionSchema) -> String {
    let mut text = format!("{}  {}\n", schema.name, schema.description);
    for argument in &schema.arguments {
        let need = if argument.is_required { "required" } else { "optional" };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {:<20} {need}  {}", argument.name, argument.display_name);
    }
    text
}
