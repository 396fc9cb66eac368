//! One-shot actions: which there are, and carrying one out.

use std::fmt::Write as _;

use tokio_util::sync::CancellationToken;

use super::{Exit, answer, failure};
use crate::baton::ksuid;
use crate::baton::profile::Profile;
use crate::baton::v2::{
    BatonActionSchema, BatonActionStatus, InvokeActionResponse, ListActionSchemasResponse,
};
use crate::config::Arguments;
use crate::connector::{Connector, ProvisionError};

/// Prints the actions of a resource type, all if it is empty: a list on a terminal, JSON elsewhere.
pub(super) fn list(connector: &Connector, resource_type: &str) -> Exit {
    let mut schemas = connector.action_schemas();
    schemas.retain(|schema| resource_type.is_empty() || schema.resource_type_id == resource_type);
    let text = schemas.iter().map(readable).collect::<Vec<_>>().join("\n");
    answer::of(&ListActionSchemasResponse { schemas, annotations: Vec::new() }, text.trim_end())
}

/// Carries out an action and prints its results as JSON. They hold nothing that is not encrypted.
pub(super) async fn invoke(
    connector: &Connector,
    name: &str,
    resource_type: &str,
    arguments: &Arguments,
    cancel: CancellationToken,
) -> Exit {
    if let Some(exit) = answer::refuse_to_discard() {
        return exit;
    }
    let provision = answer::provision(false, cancel);
    let known = connector.action_schemas();
    let invoked =
        if known.iter().any(|schema| schema.name == name && schema.resource_type_id == resource_type) {
            connector.invoke_action(name, Profile::of_json(&arguments.0).build(), &provision).await
        } else {
            Err(ProvisionError::NoAction(name.chars().take(64).collect()))
        };
    match invoked {
        Ok(results) => {
            let response = InvokeActionResponse {
                id: ksuid::new(),
                status: BatonActionStatus::Complete.into(),
                annotations: Vec::new(),
                response: Some(results),
                name: name.to_owned(),
            };
            answer::credential(connector, &provision, &response).await
        }
        Err(error) => failure::of_operation("invoke action", error),
    }
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
