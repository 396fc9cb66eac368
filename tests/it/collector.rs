//! What an OpenTelemetry collector gets from a running daemon.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::Value;
use testbed::aws::{Fixture, Server as Aws};
use testbed::control_plane::{Server as Plane, task};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::daemon_calls::server;
use crate::daemon_process::{batond, end, terminate};

/// A collector that keeps what it gets. Clones are the same.
#[derive(Clone, Default)]
struct Collector {
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    logs: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.logs.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Collector {
    async fn start(self, identity: Option<Identity>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Server::builder();
        if let Some(identity) = identity {
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        }
        let router = server
            .add_service(TraceServiceServer::new(self.clone()))
            .add_service(LogsServiceServer::new(self));
        tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    fn spans(&self) -> Vec<Span> {
        let traces = self.traces.lock().unwrap();
        let scopes = traces.iter().flat_map(|one| &one.resource_spans).flat_map(|one| &one.scope_spans);
        scopes.flat_map(|one| one.spans.clone()).collect()
    }

    fn records(&self) -> Vec<LogRecord> {
        let logs = self.logs.lock().unwrap();
        let scopes = logs.iter().flat_map(|one| &one.resource_logs).flat_map(|one| &one.scope_logs);
        scopes.flat_map(|one| one.log_records.clone()).collect()
    }

    fn services(&self) -> Vec<BTreeMap<String, String>> {
        let (traces, logs) = (self.traces.lock().unwrap(), self.logs.lock().unwrap());
        let traces = traces.iter().flat_map(|one| &one.resource_spans).map(|one| one.resource.as_ref());
        let logs = logs.iter().flat_map(|one| &one.resource_logs).map(|one| one.resource.as_ref());
        traces.chain(logs).map(|resource| attributes(&resource.unwrap().attributes)).collect()
    }
}

/// Attributes that are texts.
fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |one: &KeyValue| match one.value.clone()?.value? {
        any_value::Value::StringValue(text) => Some((one.key.clone(), text)),
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

fn body(record: &LogRecord) -> String {
    match record.body.clone().and_then(|body| body.value) {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Runs a daemon through one sync; gives the id of the task and the lines of the log.
async fn serve_a_sync(plane: &Plane, mut command: Command) -> (String, Vec<Value>) {
    let child = command.spawn().unwrap();
    let sync = plane.push(task::sync_full());
    assert!(plane.finished(&sync).await.unwrap().success);
    terminate(&child);
    let output = end(child).await;
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    ((*sync).to_string(), log.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

async fn world() -> (Aws, Plane, tempfile::TempDir) {
    (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await, tempfile::tempdir().unwrap())
}

fn exporting(aws: &Aws, plane: &Plane, directory: &Path, address: SocketAddr) -> Command {
    let mut command = batond(aws, plane, directory);
    command.env("BATON_OTEL_COLLECTOR_ENDPOINT", address.to_string());
    command
}

#[tokio::test]
async fn a_collector_gets_the_trace_and_the_log_of_a_task_and_no_secret() {
    let (aws, plane, directory) = world().await;
    let collector = Collector::default();
    let address = collector.clone().start(None).await;
    let mut command = exporting(&aws, &plane, directory.path(), address);
    command.env("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE", "true");
    let (sync, lines) = serve_a_sync(&plane, command).await;

    let spans = collector.spans();
    let task = spans.iter().find(|span| span.name == "task").unwrap_or_else(|| panic!("{spans:#?}"));
    let said = attributes(&task.attributes);
    assert_eq!((said["task_id"].as_str(), said["task_type"].as_str()), (sync.as_str(), "sync_full"));
    assert_eq!(task.status.as_ref().unwrap().code(), StatusCode::Ok);
    assert!(spans.iter().any(|span| span.name == "sso:ListAccountAssignments"), "{spans:#?}");
    for name in ["crawl", "write", "UploadAsset", "FinishTask"] {
        let child =
            spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
        assert_eq!(
            (&child.trace_id, &child.parent_span_id),
            (&task.trace_id, &task.span_id),
            "{name} is not within the task"
        );
    }

    let records = collector.records();
    let begins = records.iter().find(|record| body(record) == "task begins").unwrap();
    assert_eq!(attributes(&begins.attributes)["task_id"], sync);
    assert_eq!((&begins.trace_id, &begins.span_id), (&task.trace_id, &task.span_id));
    assert_eq!(begins.severity_text, "INFO");
    let line = lines.iter().find(|line| line["msg"] == "task begins").unwrap();
    let decimal = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap()).to_string();
    assert_eq!(line["dd.trace_id"], decimal(&task.trace_id[8..]));
    assert_eq!(line["dd.span_id"], decimal(&task.span_id));
    // All that was logged arrived, up to the last line.
    assert_eq!(records.len(), lines.len());
    for service in collector.services() {
        assert_eq!(service, BTreeMap::from([("service.name".to_owned(), "baton-aws-server".to_owned())]));
    }
    let everything = format!("{spans:?}{records:?}");
    for secret in plane.secrets().iter().chain([&aws.credentials().secret_access_key]) {
        assert!(!everything.contains(secret), "a secret was sent");
    }
}

#[tokio::test]
async fn a_collector_with_its_own_authority_is_reached_over_tls() {
    let (aws, plane, directory) = world().await;
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let pem = key.cert.pem();
    let collector = Collector::default();
    let identity = Identity::from_pem(&pem, key.signing_key.serialize_pem());
    let address = collector.clone().start(Some(identity)).await;
    let mut command = exporting(&aws, &plane, directory.path(), address);
    let value = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&pem);
    command.env("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_CERT", value);
    serve_a_sync(&plane, command).await;
    assert!(collector.spans().iter().any(|span| span.name == "task"));
    assert!(!collector.records().is_empty());
}

#[tokio::test]
async fn a_collector_that_is_away_harms_nothing_and_is_told_once() {
    let (aws, plane, directory) = world().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let began = Instant::now();
    let mut command = exporting(&aws, &plane, directory.path(), address);
    command.env("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE", "true");
    let (_, lines) = serve_a_sync(&plane, command).await;
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let told = lines.iter().filter(|line| line["msg"].as_str().unwrap().starts_with("the collector"));
    assert!(told.count() <= 1, "{lines:#?}");
}

#[tokio::test]
async fn settings_of_a_collector_that_cannot_be_met_end_the_start() {
    let (aws, plane, directory) = world().await;
    for (variables, message) in [
        (
            &[("PATH", "/missing.pem")][..],
            "BATON_OTEL_COLLECTOR_ENDPOINT_TLS_CERT_PATH: must be a readable file",
        ),
        (&[("PATH", "Cargo.toml"), ("VALUE", "aGVsbG8")], "cannot both be set"),
        (&[("VALUE", "aGVsbG8")], "must hold certificates in PEM"),
        (&[("VALUE", "not base64!")], "must be base64url without padding"),
    ] {
        let mut command = exporting(&aws, &plane, directory.path(), ([127, 0, 0, 1], 1).into());
        for (name, value) in variables {
            let name = if *name == "PATH" { "TLS_CERT_PATH" } else { "TLS_CERT" };
            command.env(format!("BATON_OTEL_COLLECTOR_ENDPOINT_{name}"), value);
        }
        let output = end(command.spawn().unwrap()).await;
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{log}");
        assert!(log.contains(message), "{message:?} is not in {log}");
    }
}
