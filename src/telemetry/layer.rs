//! The layer that turns events into lines.

use std::time::Instant;

use serde_json::Value;
use tracing::callsite::Identifier;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::is_audit;
use super::line::Line;
use super::metrics::{self, Dropped};
use super::repeats::{Decision, Repeats};
use crate::config::LogFormat;

/// Writes each event as one line, with the fields of its spans.
pub(super) struct LogLayer {
    format: LogFormat,
    /// Takes a line, and whether it tells of a write to AWS.
    output: Box<dyn Fn(String, bool) + Send + Sync>,
    repeats: Repeats<Identifier>,
    /// The ids of trace and span that are active, where there are traces.
    ids: fn() -> Option<[(&'static str, String); 2]>,
}

impl LogLayer {
    pub(super) fn new(format: LogFormat, output: impl Fn(String, bool) + Send + Sync + 'static) -> Self {
        Self { format, output: Box::new(output), repeats: Repeats::new(), ids: || None }
    }

    /// Adds to each line what `ids` gives.
    pub(super) fn with_ids(mut self, ids: fn() -> Option<[(&'static str, String); 2]>) -> Self {
        self.ids = ids;
        self
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let is_audit = is_audit(metadata.target());
        let decision = if is_audit || *metadata.level() > Level::WARN {
            Decision::Written
        } else {
            self.repeats.note(metadata.callsite(), Instant::now())
        };
        if decision == Decision::LeftOut {
            return metrics::log_line_dropped(Dropped::Repeated);
        }
        let mut fields = Fields::around(event, &context);
        for (name, id) in (self.ids)().into_iter().flatten() {
            fields.set(name, Value::from(id));
        }
        match decision {
            Decision::Last => {
                fields.set("repeated", Value::from("further lines like this are left out for a while"));
            }
            Decision::After(left_out) => fields.set("left_out", Value::from(left_out)),
            Decision::Written | Decision::LeftOut => {}
        }
        (self.output)(Line::new(metadata, fields).write(self.format), is_audit);
    }
}
