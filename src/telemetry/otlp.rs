//! Traces and a copy of the log for an OpenTelemetry collector.
//!
//! What is sent is what the log says: the same events, the same fields, through the same filter. The exporters work
//! on threads of their own behind bounded queues; a collector that does not keep up loses records, and nothing else
//! is held up by it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter, SdkLogger, SdkLoggerProvider,
};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use serde_json::Value;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::line::Line;
use crate::config::CollectorSettings;
use crate::network::told;

/// The name under which baton-aws reports itself, so that queries go on finding it.
const SERVICE: &str = "baton-aws-server";
const LOG_DELAY: Duration = Duration::from_secs(1);
/// Longest time for a connection, and for one request.
const DEADLINE: Duration = Duration::from_secs(10);
/// At most one line tells of failures in this time.
const SILENCE: Duration = Duration::from_mins(10);
/// What the last records get to arrive when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The collector cannot be spoken to as the settings say.
#[derive(Debug, thiserror::Error)]
#[error("BATON_OTEL_COLLECTOR_ENDPOINT: no connection to {endpoint} can be prepared: {reason}")]
pub struct CollectorError {
    endpoint: String,
    reason: String,
}

/// The way to a collector.
pub(super) struct Otlp {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
}

impl Otlp {
    /// Prepares the way; nothing is connected yet. To be called within the runtime, which carries the connection.
    pub(super) fn open(settings: &CollectorSettings) -> Result<Self, CollectorError> {
        let refused = |error: &(dyn std::error::Error + 'static)| CollectorError {
            endpoint: settings.endpoint.clone(),
            reason: told("its address or its certificates cannot be used", error),
        };
        let channel = channel(settings).map_err(|error| refused(&error))?;
        let failures = Failures::default();
        let spans = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_channel(channel.clone())
            .with_timeout(DEADLINE)
            .build()
            .map_err(|error| refused(&error))?;
        let logs = opentelemetry_otlp::LogExporter::builder()
            .with_tonic()
            .with_channel(channel)
            .with_timeout(DEADLINE)
            .build()
            .map_err(|error| refused(&error))?;
        let resource = Resource::builder_empty().with_service_name(SERVICE).build();
        let traces = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(Sampler::AlwaysOn)
            .with_batch_exporter(Rare { inner: spans, failures: failures.clone() })
            .build();
        let config = BatchConfigBuilder::default().with_scheduled_delay(LOG_DELAY).build();
        let batches =
            BatchLogProcessor::builder(Rare { inner: logs, failures }).with_batch_config(config).build();
        let logs = SdkLoggerProvider::builder().with_resource(resource).with_log_processor(batches).build();
        Ok(Self { traces, logs })
    }

    /// The layer that sends spans.
    pub(super) fn traces<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Events travel as logs.
            .with_filter(filter_fn(is_span))
    }

    /// The layer that sends events.
    pub(super) fn logs(&self) -> Records {
        Records(self.logs.logger(env!("CARGO_PKG_NAME")))
    }

    /// Sends what is left, for at most two seconds.
    pub(super) fn end(&self) {
        let began = Instant::now();
        // What does not arrive by now is lost; there is nobody left to tell.
        let _ = self.traces.shutdown_with_timeout(LAST_WORDS / 2);
        let _ = self.logs.shutdown_with_timeout(LAST_WORDS.saturating_sub(began.elapsed()));
    }
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp").finish_non_exhaustive()
    }
}

fn is_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
}

fn channel(settings: &CollectorSettings) -> Result<Channel, tonic::transport::Error> {
    let mut endpoint = Endpoint::from_shared(settings.endpoint.clone())?
        .connect_timeout(DEADLINE)
        .timeout(DEADLINE)
        .user_agent(concat!("batond/", env!("CARGO_PKG_VERSION")))?;
    if settings.endpoint.starts_with("https:") {
        let tls = match &settings.ca {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        endpoint = endpoint.tls_config(tls)?;
    }
    Ok(endpoint.connect_lazy())
}

/// The ids of the trace and the span that are active, in decimal: what a line of the log is found by.
pub(super) fn ids() -> Option<[(&'static str, String); 2]> {
    let context = opentelemetry::Context::current();
    let span = context.span().span_context().clone();
    if !span.is_valid() {
        return None;
    }
    let (trace, span) = (u128::from_be_bytes(span.trace_id().to_bytes()), span.span_id().to_bytes());
    // The reader of these fields knows the lower half of a trace's id.
    let (trace, span) = (trace & u128::from(u64::MAX), u64::from_be_bytes(span));
    Some([("dd.trace_id", trace.to_string()), ("dd.span_id", span.to_string())])
}

/// Sends each event as a log record.
pub(super) struct Records(SdkLogger);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Records {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let line = Line::new(event.metadata(), Fields::around(event, &context));
        let (severity, text) = match line.level {
            Level::ERROR => (Severity::Error, "ERROR"),
            Level::WARN => (Severity::Warn, "WARN"),
            Level::INFO => (Severity::Info, "INFO"),
            Level::DEBUG => (Severity::Debug, "DEBUG"),
            Level::TRACE => (Severity::Trace, "TRACE"),
        };
        let mut record = self.0.create_log_record();
        record.set_timestamp(SystemTime::from(line.time));
        record.set_severity_number(severity);
        record.set_severity_text(text);
        record.set_target(event.metadata().target().to_owned());
        record.set_body(AnyValue::from(line.message));
        record.add_attribute("caller", line.caller);
        for (name, value) in line.fields.0 {
            record.add_attribute(name, any(value));
        }
        self.0.emit(record);
    }
}

fn any(value: Value) -> AnyValue {
    match value {
        Value::Bool(switch) => AnyValue::Boolean(switch),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => AnyValue::Int(whole),
            (None, Some(real)) => AnyValue::Double(real),
            (None, None) => AnyValue::from(number.to_string()),
        },
        Value::String(text) => AnyValue::from(text),
        other => AnyValue::from(other.to_string()),
    }
}

/// When the last failure was told. Clones share it.
#[derive(Clone, Debug, Default)]
struct Failures(Arc<Mutex<Option<Instant>>>);

impl Failures {
    fn note(&self, result: &OTelSdkResult) {
        let Err(error) = result else { return };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|then| then.elapsed() >= SILENCE) {
            *last = Some(Instant::now());
            drop(last);
            let error = told("the export failed", error);
            tracing::warn!(error, "the collector does not get traces or logs; some are lost");
        }
    }
}

/// An exporter whose failures are told rarely.
#[derive(Debug)]
struct Rare<E> {
    inner: E,
    failures: Failures,
}

impl<E: SpanExporter> SpanExporter for Rare<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.inner.export(batch).await;
        self.failures.note(&result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Rare<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let result = self.inner.export(batch).await;
        self.failures.note(&result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
