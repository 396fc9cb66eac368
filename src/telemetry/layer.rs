//! The layer that turns events into lines.

use std::io::Write;
use std::sync::Mutex;

use serde_json::Value;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::line::Line;
use crate::config::LogFormat;

/// Writes each event as one line, with the fields of its spans.
pub(super) struct LogLayer {
    format: LogFormat,
    output: Mutex<Box<dyn Write + Send>>,
    /// The ids of trace and span that are active, where there are traces.
    ids: fn() -> Option<[(&'static str, String); 2]>,
}

impl LogLayer {
    pub(super) fn new(format: LogFormat, output: Box<dyn Write + Send>) -> Self {
        Self { format, output: Mutex::new(output), ids: || None }
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
        let mut fields = Fields::around(event, &context);
        for (name, id) in (self.ids)().into_iter().flatten() {
            fields.set(name, Value::from(id));
        }
        let line = Line::new(event.metadata(), fields).write(self.format);
        // A log that cannot be written must not end the work that it tells of.
        if let Ok(mut output) = self.output.lock() {
            let _ = output.write_all(line.as_bytes());
            let _ = output.flush();
        }
    }
}
