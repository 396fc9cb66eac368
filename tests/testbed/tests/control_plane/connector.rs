//! A connector as small as one can be: an assertion, a token, a channel.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::Ed25519KeyPair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use svix_ksuid::{Ksuid, KsuidLike as _};
use testbed::control_plane::{Options, Pace, Server};
use testbed::proto::api::baton_service_client::BatonServiceClient;
use testbed::proto::api::baton_service_finish_task_request::{Error, FinalState, Success};
use testbed::proto::api::baton_service_hello_request::{BuildInfo, OsInfo};
use testbed::proto::api::baton_service_upload_asset_request::{Msg, UploadData, UploadEof, UploadMetadata};
use testbed::proto::api::{
    BatonServiceFinishTaskRequest, BatonServiceGetTaskRequest, BatonServiceHeartbeatRequest,
    BatonServiceHeartbeatResponse, BatonServiceHelloRequest, BatonServiceUploadAssetRequest, Task,
};
use testbed::proto::rpc;
use testbed::proto::v2::ConnectorMetadata;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// Name of the host in every request.
pub(crate) const HOST_ID: &str = "test-host";

/// A server that answers at once and loses patience soon.
pub(crate) async fn server() -> Server {
    server_with(|_| {}).await
}

/// The same after `change`.
pub(crate) async fn server_with(change: impl FnOnce(&mut Options)) -> Server {
    let pace = Pace { next_poll: Some(Duration::from_millis(1)), ..Pace::default() };
    let mut options = Options { patience: Duration::from_secs(10), pace, ..Options::default() };
    change(&mut options);
    Server::start(options).await.unwrap()
}

/// The parts of a token request, right from the start.
pub(crate) struct TokenRequest {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) form: Vec<(&'static str, String)>,
    seed: Vec<u8>,
}

impl TokenRequest {
    pub(crate) fn right(server: &Server) -> Self {
        let payload = server.client_secret().splitn(4, ':').nth(3).unwrap();
        let key: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let id = server.client_id();
        let now = Timestamp::now().as_second();
        // The random bytes of an id serve as a nonce.
        let nonce = u128::from_be_bytes(Ksuid::from_seconds(None, None).bytes()[4..].try_into().unwrap());
        let nonce = format!("{nonce:032x}");
        let mut header = json!({"alg": "EdDSA", "nonce": nonce});
        if let Some(kid) = key.get("kid") {
            header["kid"] = kid.clone();
        }
        Self {
            header,
            claims: json!({
                "iss": id, "sub": id, "aud": "localhost", "iat": now, "exp": now + 120, "nbf": now - 120,
            }),
            form: vec![
                ("client_id", id.to_owned()),
                ("grant_type", "client_credentials".to_owned()),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
                ),
            ],
            seed: URL_SAFE_NO_PAD.decode(key["d"].as_str().unwrap()).unwrap(),
        }
    }

    /// The form with the signed assertion.
    pub(crate) fn body(&self) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encode(&self.header), encode(&self.claims));
        let signature = Ed25519KeyPair::from_seed_unchecked(&self.seed).unwrap().sign(input.as_bytes());
        let assertion = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
        let fields = self.form.iter().map(|(name, value)| format!("{name}={}", escape(value)));
        fields.chain([format!("client_assertion={assertion}")]).collect::<Vec<_>>().join("&")
    }

    /// Sends it; gives the HTTP status and the body.
    pub(crate) async fn send(&self, server: &Server) -> (u16, String) {
        post(server, &self.body()).await.unwrap()
    }
}

fn escape(value: &str) -> String {
    value.replace(':', "%3A").replace('@', "%40").replace('/', "%2F")
}

/// Posts a form to the token endpoint over HTTP/1.1.
pub(crate) async fn post(server: &Server, body: &str) -> std::io::Result<(u16, String)> {
    let host = server.client_id().split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let port: u16 = host.split_once(':').unwrap().1.parse().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.ca_pem_path()).unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    let length = body.len();
    let request = format!(
        "POST /auth/v1/token HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    tls.write_all(request.as_bytes()).await?;
    let mut reply = Vec::new();
    let read = tls.read_to_end(&mut reply).await;
    let reply = String::from_utf8(reply).unwrap();
    let Some((head, body)) = reply.split_once("\r\n\r\n") else {
        return Err(read.err().unwrap_or_else(|| std::io::ErrorKind::UnexpectedEof.into()));
    };
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

/// The channel of a connector that has its token.
pub(crate) struct Connector {
    pub(crate) client: BatonServiceClient<InterceptedService<Channel, Bearer>>,
}

/// Adds a token to every call.
#[derive(Clone)]
pub(crate) struct Bearer(Option<String>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        Ok(request)
    }
}

impl Connector {
    /// Fetches a token and prepares a channel.
    pub(crate) async fn start(server: &Server) -> Self {
        let (status, body) = TokenRequest::right(server).send(server).await;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        Self::with_token(server, Some(body["access_token"].as_str().unwrap()))
    }

    pub(crate) fn with_token(server: &Server, token: Option<&str>) -> Self {
        let authority = server.client_id().split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
        let port = authority.split_once(':').unwrap().1;
        let ca = Certificate::from_pem(fs::read(server.ca_pem_path()).unwrap());
        let channel = Endpoint::from_shared(format!("https://127.0.0.1:{port}"))
            .unwrap()
            .origin(format!("https://{authority}").parse().unwrap())
            .user_agent("small-connector")
            .unwrap()
            .tls_config(ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost"))
            .unwrap()
            .connect_lazy();
        Self { client: BatonServiceClient::with_interceptor(channel, Bearer(token.map(ToOwned::to_owned))) }
    }

    pub(crate) async fn hello(&mut self, task_id: &str) -> Result<(), Status> {
        self.client.hello(hello(task_id)).await.map(drop)
    }

    pub(crate) async fn poll(&mut self) -> Result<Option<Task>, Status> {
        let reply = self.client.get_task(BatonServiceGetTaskRequest { host_id: HOST_ID.to_owned() }).await?;
        Ok(reply.into_inner().task)
    }

    pub(crate) async fn beat(&mut self, task_id: &str) -> Result<BatonServiceHeartbeatResponse, Status> {
        let request = BatonServiceHeartbeatRequest {
            host_id: HOST_ID.to_owned(),
            task_id: task_id.to_owned(),
            ..Default::default()
        };
        self.client.heartbeat(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn upload(&mut self, messages: Vec<Msg>) -> Result<(), Status> {
        let messages = messages.into_iter().map(|msg| BatonServiceUploadAssetRequest { msg: Some(msg) });
        self.client.upload_asset(tokio_stream::iter(messages.collect::<Vec<_>>())).await.map(drop)
    }

    pub(crate) async fn succeed(
        &mut self,
        task_id: &str,
        response: Option<prost_types::Any>,
    ) -> Result<(), Status> {
        let success = FinalState::Success(Success { annotations: vec![], response });
        self.finish(task_id, None, success).await
    }

    pub(crate) async fn fail(&mut self, task_id: &str, non_retryable: bool) -> Result<(), Status> {
        let status = rpc::Status { code: 14, message: "AWS is away".to_owned(), details: vec![] };
        let error = FinalState::Error(Error { non_retryable, ..Default::default() });
        self.finish(task_id, Some(status), error).await
    }

    async fn finish(
        &mut self,
        task_id: &str,
        status: Option<rpc::Status>,
        final_state: FinalState,
    ) -> Result<(), Status> {
        let request = BatonServiceFinishTaskRequest {
            host_id: HOST_ID.to_owned(),
            task_id: task_id.to_owned(),
            status,
            final_state: Some(final_state),
        };
        self.client.finish_task(request).await.map(drop)
    }
}

/// A hello with every field.
pub(crate) fn hello(task_id: &str) -> BatonServiceHelloRequest {
    let word = || "x".to_owned();
    BatonServiceHelloRequest {
        host_id: HOST_ID.to_owned(),
        task_id: task_id.to_owned(),
        build_info: Some(BuildInfo { lang_version: word(), package: word(), package_version: word() }),
        os_info: Some(OsInfo {
            hostname: word(),
            os: word(),
            platform: word(),
            platform_version: word(),
            platform_family: word(),
            kernel_version: word(),
            kernel_arch: word(),
            virtualization_system: word(),
        }),
        connector_metadata: Some(ConnectorMetadata::default()),
        annotations: vec![],
    }
}

/// The messages of a right upload of `chunks`.
pub(crate) fn upload_of(task_id: &str, chunks: &[&[u8]]) -> Vec<Msg> {
    let digest = ring::digest::digest(&ring::digest::SHA256, &chunks.concat());
    let metadata =
        UploadMetadata { host_id: HOST_ID.to_owned(), task_id: task_id.to_owned(), annotations: vec![] };
    let data = chunks.iter().map(|chunk| Msg::Data(UploadData { data: chunk.to_vec() }));
    let eof = UploadEof { sha256_checksum: digest.as_ref().to_vec(), annotations: vec![] };
    [Msg::Metadata(metadata)].into_iter().chain(data).chain([Msg::Eof(eof)]).collect()
}
