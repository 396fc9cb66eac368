//! The one HTTP/2 channel to the Baton service.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tower::Service;

use super::network::{Network, NetworkError};
use crate::config::ControlPlaneSettings;
use crate::network::{Proxies, ProxyFault, told};

const DEFAULT_PORT: u16 = 443;
/// Name resolution, connection, proxy and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Keeps middleboxes from forgetting an idle connection, and finds out that they did.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
const TCP_KEEPALIVE_PROBES: u32 = 3;
/// How long sent data may stay unacknowledged: a peer that vanished is noticed within this time.
const TCP_USER_TIMEOUT: Duration = Duration::from_mins(1);
const STREAM_WINDOW: u32 = 1024 * 1024;

/// Prepares the channel. Nothing is connected until the first call; a broken connection is replaced by the next.
pub(super) fn open(settings: &ControlPlaneSettings, network: &Network) -> Result<Channel, ChannelSetupError> {
    let host = settings.authority().host();
    let endpoint = Endpoint::from_shared(format!("https://{}", authority(settings)))?
        .user_agent(user_agent(settings))?
        .tls_config(
            ClientTlsConfig::new().domain_name(host).trust_anchors(network.roots().roots.iter().cloned()),
        )?
        .connect_timeout(CONNECT_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW);
    Ok(endpoint.connect_with_connector_lazy(Dialer::new(network)?))
}

/// Host and port, always with the port: it is part of the `:authority` of every call.
pub(super) fn authority(settings: &ControlPlaneSettings) -> String {
    let authority = settings.authority();
    match authority.port() {
        Some(_) => authority.to_string(),
        None => format!("{authority}:{DEFAULT_PORT}"),
    }
}

/// The library appends its own name and version.
fn user_agent(settings: &ControlPlaneSettings) -> String {
    format!("{} batond/{}", settings.client_id.name(), env!("CARGO_PKG_VERSION"))
}

/// Makes TCP connections to the service, directly or through a CONNECT tunnel of a proxy.
#[derive(Clone)]
struct Dialer {
    tcp: HttpConnector,
    proxies: Option<Arc<Proxies>>,
    /// For proxies that are themselves reached over TLS.
    proxy_tls: Arc<rustls::ClientConfig>,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type BoxError = Box<dyn Error + Send + Sync>;

impl Dialer {
    fn new(network: &Network) -> Result<Self, NetworkError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        tcp.set_keepalive_interval(Some(TCP_KEEPALIVE / TCP_KEEPALIVE_PROBES));
        tcp.set_keepalive_retries(Some(TCP_KEEPALIVE_PROBES));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        tcp.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT));
        let proxies = network.proxies().cloned();
        Ok(Self { tcp, proxies, proxy_tls: Arc::new(network.tls(&[b"http/1.1"])?) })
    }

    async fn dial(mut self, target: Uri) -> Result<Stream, BoxError> {
        match self.proxies.as_ref().and_then(|proxies| proxies.route(&target)) {
            None => Ok(MaybeHttpsStream::Http(self.tcp.call(target).await?)),
            Some(proxy) => match self.tunnel(&proxy, target.clone()).await {
                Ok(stream) => Ok(stream),
                Err(error) => Err(ProxyFault::of(&proxy, &target, error).await.into()),
            },
        }
    }

    async fn tunnel(self, proxy: &Intercept, target: Uri) -> Result<Stream, BoxError> {
        let name = proxy.uri().host().unwrap_or_default();
        let name = ServerName::try_from(name.trim_matches(['[', ']']))?.to_owned();
        let resolver = Arc::new(FixedServerNameResolver::new(name));
        let connector = HttpsConnector::new(self.tcp, self.proxy_tls, false, resolver);
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        Ok(tunnel.call(target).await?)
    }
}

impl Service<Uri> for Dialer {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.clone().dial(target))
    }
}

/// Why no channel can be prepared.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChannelSetupError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("the channel to the control plane cannot be set up: {0}")]
    Endpoint(String),
}

impl From<tonic::transport::Error> for ChannelSetupError {
    fn from(error: tonic::transport::Error) -> Self {
        Self::Endpoint(told("its address or its TLS cannot be used", &error))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::token::tests::{network, settings};
    use super::*;
    use crate::config::ProxySettings;

    #[test]
    fn the_authority_always_names_the_port() {
        let mut settings = settings("name@tenant.example.test/x", None);
        assert_eq!(authority(&settings), "tenant.example.test:443");
        settings.api_host = Some("api.example.test:8443".parse().unwrap());
        assert_eq!(authority(&settings), "api.example.test:8443");
        settings.api_host = Some("[::1]".parse().unwrap());
        assert_eq!(authority(&settings), "[::1]:443");
    }

    #[test]
    fn the_user_agent_starts_with_the_name_in_the_client_id() {
        let settings = settings("brave-lion@tenant.example.test/x", None);
        assert_eq!(user_agent(&settings), concat!("brave-lion batond/", env!("CARGO_PKG_VERSION")));
    }

    /// A proxy that answers one CONNECT with `answer` and tells what it was asked.
    async fn proxy(answer: &'static str) -> (std::net::SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(head).unwrap()
        });
        (address, asked)
    }

    fn dialer_through(proxy: &str, no: &str) -> Dialer {
        let settings = ProxySettings::read(|name| match name {
            "HTTPS_PROXY" => Some(proxy.to_owned()),
            "NO_PROXY" => Some(no.to_owned()),
            _ => None,
        });
        let mut dialer = Dialer::new(&network()).unwrap();
        dialer.proxies = Some(Arc::new(Proxies::of(&settings)));
        dialer
    }

    #[tokio::test]
    async fn a_proxy_is_asked_to_connect_to_the_service() {
        let (address, asked) = proxy("HTTP/1.1 200 Connection established\r\n\r\n").await;
        let dialer = dialer_through(&format!("http://user:pass@{address}"), "direct.example.test");
        dialer.dial(Uri::from_static("https://tenant.example.test:443")).await.unwrap();
        let asked = asked.await.unwrap().to_lowercase();
        assert!(asked.starts_with("connect tenant.example.test:443 http/1.1\r\n"), "{asked}");
        assert!(asked.contains("proxy-authorization: basic dxnlcjpwyxnz"), "{asked}");
    }

    #[tokio::test]
    async fn a_refusing_proxy_is_named_without_its_password() {
        let (address, _asked) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        let dialer = dialer_through(&format!("http://user:canary@{address}"), "");
        let error = dialer.dial(Uri::from_static("https://tenant.example.test:443")).await.err().unwrap();
        let text = format!("{error} {error:?}");
        assert!(text.contains(&address.to_string()), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }

    #[tokio::test]
    async fn hosts_excluded_from_the_proxy_are_dialled_directly() {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialer = dialer_through("http://127.0.0.1:1", "127.0.0.1");
        let uri: Uri = format!("https://{}", target.local_addr().unwrap()).parse().unwrap();
        let (connected, accepted) = tokio::join!(dialer.dial(uri), target.accept());
        assert!(matches!(connected.unwrap(), MaybeHttpsStream::Http(_)));
        accepted.unwrap();
    }
}
