//! Fields of events and spans as JSON values.

use std::error::Error;
use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::gate::is_ours;
use super::is_audit;
use crate::network::told;

/// Fields that begin so speak to the library that makes traces, and to nobody else.
const FOR_TRACES: &str = "otel.";

/// Fields in the order in which they were recorded; a later value of the same name replaces the earlier one.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(pub(super) Vec<(&'static str, Value)>);

impl Fields {
    /// The fields of an event and of the spans around it, which [`Fields`] in their extensions hold.
    pub(super) fn around<S>(event: &Event<'_>, context: &Context<'_, S>) -> Self
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut fields = Self::default();
        if !is_told(event.metadata()) {
            fields.set(
                "library",
                Value::from(event.metadata().target().split("::").next().unwrap_or_default()),
            );
        }
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(outer) = span.extensions().get::<Self>() {
                outer.0.iter().for_each(|(name, value)| fields.set(name, value.clone()));
            }
        }
        if is_told(event.metadata()) {
            event.record(&mut fields);
        } else {
            fields.set("message", Value::from(of_library(event)));
        }
        fields
    }

    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        if name.starts_with(FOR_TRACES) {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes the message out; empty where there is none.
    pub(super) fn take_message(&mut self) -> String {
        let Some(at) = self.0.iter().position(|(name, _)| *name == "message") else { return String::new() };
        match self.0.remove(at).1 {
            Value::String(message) => message,
            other => other.to_string(),
        }
    }
}

/// Whether an event is told as it is. What a library says may hold anything, such as the request that it could not
/// send.
fn is_told(metadata: &Metadata<'_>) -> bool {
    is_ours(metadata) || is_audit(metadata.target())
}

/// What libraries say without a value in it, and that is good to know.
const KNOWN: [&str; 5] = [
    "provider failed to provide credentials",
    "STS returned an error assuming web identity role",
    "STS refused to grant assume role",
    "failed to load base credentials",
    "failed to load region from IMDS",
];

/// The message of a library's event: its own where it is known to hold no value.
fn of_library(event: &Event<'_>) -> &'static str {
    let mut said = Fields::default();
    event.record(&mut said);
    let message = said.take_message();
    KNOWN
        .into_iter()
        .find(|known| *known == message)
        .unwrap_or("a library warns; its words are left out, as they may hold secrets")
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), Value::from(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), Value::from(value));
    }

    /// An error of ours with what its causes mean, outermost first.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        if let Some(cause) = value.source() {
            text.push_str(": ");
            text.push_str(&told("a library failed", cause));
        }
        self.set(field.name(), Value::from(text));
    }
}
