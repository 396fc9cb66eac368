//! Uploads a file to a service that throws it away, in turns with two bare tonic streams, and says how fast each was
//! and how much memory the process took.
//!
//! `cargo bench --bench upload -- [MEGABYTES]`: 100 unless told. Client and service are one process, on loopback TLS.
//! One bare stream reads the file and sums it up, as the protocol wants; the other sends as much from memory.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking and reports by printing"
)]

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use axum::routing::post;
use batond::config::ControlPlaneSettings;
use batond::control_plane::{Client, Network, Proxies};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ring::digest::{Context, SHA256};
use testbed::proto::api::baton_service_client::BatonServiceClient;
use testbed::proto::api::baton_service_server::{BatonService, BatonServiceServer};
use testbed::proto::api::baton_service_upload_asset_request::{Msg, UploadData, UploadEof};
use testbed::proto::api::{
    BatonServiceFinishTaskRequest, BatonServiceFinishTaskResponse, BatonServiceGetTaskRequest,
    BatonServiceGetTaskResponse, BatonServiceGetTasksRequest, BatonServiceGetTasksResponse,
    BatonServiceHeartbeatRequest, BatonServiceHeartbeatResponse, BatonServiceHelloRequest,
    BatonServiceHelloResponse, BatonServiceUploadAssetRequest, BatonServiceUploadAssetResponse,
    StartDebuggingRequest, StartDebuggingResponse,
};
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

const ROUNDS: usize = 5;
const CHUNK: usize = 512 * 1024;
const MEGABYTE: usize = 1_000_000;
/// The key pair of RFC 8037, appendix A.1, in the form of a client secret.
const SECRET: &str = "secret-token:conductorone.com:v1:eyJrdHkiOiJPS1AiLCJjcnYiOiJFZDI1NTE5IiwieCI6IjExcVlBWUt4Q3JmVlNfN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm8iLCJkIjoibldHeG5lXzlXbUM2aEVyMGt1d3N4RVJKeFdsN01ta1pjRHVzQXh5dWYyQSJ9";
const TOKEN: &str = r#"{"access_token":"bench","token_type":"Bearer","expires_in":3600}"#;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let megabytes: u32 = std::env::args().skip(1).find_map(|one| one.parse().ok()).unwrap_or(100);
    let bytes = usize::try_from(megabytes).unwrap() * MEGABYTE;
    let ca = CertifiedIssuer::self_signed(authority(), KeyPair::generate().unwrap()).unwrap();
    // Small frames of the service must not wait for acknowledgements.
    let listener = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap().with_nodelay(Some(true));
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, &ca));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sync.c1z");
    fill(&file, bytes);
    let network = Network::trusting([ca.der().clone()], Proxies::Bypass).unwrap();
    let settings = ControlPlaneSettings {
        client_id: format!("bench@localhost:{port}/pcc").parse().unwrap(),
        client_secret: SECRET.parse().unwrap(),
        api_host: None,
    };
    let client = Client::new(&settings, "bench", &network, Duration::from_secs(10)).unwrap();
    let channel = Endpoint::from_shared(format!("https://localhost:{port}"))
        .unwrap()
        .tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca.pem())))
        .unwrap()
        .connect()
        .await
        .unwrap();

    client.upload("warm", Path::new("/dev/null")).await.unwrap();
    let before = resident();
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        client.upload("task", &file).await.unwrap();
        let ours = begun.elapsed();
        let begun = Instant::now();
        let mut service = BatonServiceClient::new(channel.clone());
        service.upload_asset(tokio_stream::iter(summed_up(&file))).await.unwrap();
        let read = begun.elapsed();
        let begun = Instant::now();
        service.upload_asset(tokio_stream::iter(messages(bytes))).await.unwrap();
        let times = [ours, read, begun.elapsed()];
        for (least, time) in best.iter_mut().zip(times) {
            *least = time.min(*least);
        }
        println!("{:.0?}, resident {:.1} MiB at the peak so far", times, resident());
    }
    let [ours, read, memory] = best.map(|time| f64::from(megabytes) / time.as_secs_f64());
    println!(
        "best of {ROUNDS}: {ours:.0} MB/s; bare stream of the file {read:.0} MB/s, ratio {:.2}; from memory {memory:.0} MB/s, \
         ratio {:.2}; resident {before:.1} MiB before, {:.1} MiB peak",
        ours / read,
        ours / memory,
        resident()
    );
}

fn authority() -> CertificateParams {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
}

/// The service and its token endpoint, until the process ends.
fn serve(listener: TcpIncoming, ca: &CertifiedIssuer<'static, KeyPair>) -> impl Future<Output = ()> + use<> {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, ca).unwrap();
    let identity = Identity::from_pem(certificate.pem(), key.serialize_pem());
    let router = Routes::new(BatonServiceServer::new(Sink))
        .into_axum_router()
        .route("/auth/v1/token", post(async || TOKEN));
    let server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .unwrap()
        .add_routes(Routes::from(router))
        .serve_with_incoming(listener);
    async { server.await.unwrap() }
}

fn fill(path: &Path, bytes: usize) {
    let mut file = std::fs::File::create(path).unwrap();
    for length in lengths(bytes) {
        file.write_all(&vec![7; length]).unwrap();
    }
}

/// The file in chunks, and its checksum.
fn summed_up(path: &Path) -> impl Iterator<Item = BatonServiceUploadAssetRequest> + use<> {
    let mut file = std::fs::File::open(path).unwrap();
    let mut digest = Some(Context::new(&SHA256));
    std::iter::from_fn(move || {
        let mut data = Vec::with_capacity(CHUNK);
        (&mut file).take(CHUNK as u64).read_to_end(&mut data).unwrap();
        let msg = if data.is_empty() {
            let sha256_checksum = digest.take()?.finish().as_ref().to_vec();
            Msg::Eof(UploadEof { sha256_checksum, ..Default::default() })
        } else {
            digest.as_mut()?.update(&data);
            Msg::Data(UploadData { data })
        };
        Some(BatonServiceUploadAssetRequest { msg: Some(msg) })
    })
}

fn messages(bytes: usize) -> impl Iterator<Item = BatonServiceUploadAssetRequest> {
    lengths(bytes).map(|length| BatonServiceUploadAssetRequest {
        msg: Some(Msg::Data(UploadData { data: vec![7; length] })),
    })
}

/// Those of the chunks that make up so many bytes.
fn lengths(bytes: usize) -> impl Iterator<Item = usize> {
    (0..bytes).step_by(CHUNK).map(move |begin| CHUNK.min(bytes - begin))
}

/// The most memory that the process has held, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: u32 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    f64::from(kibibytes) / 1024.0
}

/// Takes uploads and nothing else.
struct Sink;

fn nothing<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("uploads alone"))
}

#[tonic::async_trait]
impl BatonService for Sink {
    async fn upload_asset(
        &self,
        request: Request<Streaming<BatonServiceUploadAssetRequest>>,
    ) -> Result<Response<BatonServiceUploadAssetResponse>, Status> {
        let mut stream = request.into_inner();
        while stream.message().await?.is_some() {}
        Ok(Response::new(BatonServiceUploadAssetResponse::default()))
    }

    async fn hello(
        &self,
        _: Request<BatonServiceHelloRequest>,
    ) -> Result<Response<BatonServiceHelloResponse>, Status> {
        nothing()
    }

    async fn get_task(
        &self,
        _: Request<BatonServiceGetTaskRequest>,
    ) -> Result<Response<BatonServiceGetTaskResponse>, Status> {
        nothing()
    }

    async fn get_tasks(
        &self,
        _: Request<BatonServiceGetTasksRequest>,
    ) -> Result<Response<BatonServiceGetTasksResponse>, Status> {
        nothing()
    }

    async fn heartbeat(
        &self,
        _: Request<BatonServiceHeartbeatRequest>,
    ) -> Result<Response<BatonServiceHeartbeatResponse>, Status> {
        nothing()
    }

    async fn finish_task(
        &self,
        _: Request<BatonServiceFinishTaskRequest>,
    ) -> Result<Response<BatonServiceFinishTaskResponse>, Status> {
        nothing()
    }

    async fn start_debugging(
        &self,
        _: Request<StartDebuggingRequest>,
    ) -> Result<Response<StartDebuggingResponse>, Status> {
        nothing()
    }
}
