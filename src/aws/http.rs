//! The one place that builds SDK configuration: connections, trust, proxies, endpoints, timeouts, regions.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector, proxy::ProxyConfig};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::region::Region;
use http::Uri;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use super::call::BoundedClient;
use super::credentials::Refreshing;
use super::error::AccessError;
use crate::config::{AwsSettings, ProxySettings, Secret, StaticKeys};
use crate::network::{Proxies, ProxyFault, told};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Longest time to make a connection, through a proxy where there is one.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time for one request, unless the settings allow less.
const ATTEMPT: Duration = Duration::from_mins(1);
/// Idle connections are closed before the usual middleboxes forget them.
const IDLE: Duration = Duration::from_mins(1);

/// The configuration that all clients share, with the base credentials.
///
/// Ambient choices (endpoint URLs, FIPS, dual stack) are part of it, so they hold for every client in every mode,
/// also for STS and after a role was assumed.
#[derive(Debug)]
pub(super) struct Base {
    sdk: SdkConfig,
    region: String,
}

impl Base {
    /// Reads the ambient configuration and lays the settings over it. Does no call to AWS; without a region in the
    /// settings it may ask the instance metadata for one.
    pub(super) async fn load(settings: &AwsSettings) -> Result<Self, AccessError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT.min(settings.http_timeout))
            .operation_attempt_timeout(ATTEMPT.min(settings.http_timeout))
            .operation_timeout(settings.http_timeout)
            .build();
        // Retries and the cache of credentials are this program's own: each request takes a token of its quota,
        // and each hop refreshes early.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http_client(settings.ca_bundle.as_deref())?)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .identity_cache(IdentityCache::no_cache());
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(url) = &settings.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(keys) = &settings.static_keys {
            loader = loader.credentials_provider(static_credentials(keys));
        }
        let sdk = loader.load().await;
        let region = sdk.region().map(ToString::to_string).ok_or(AccessError::NoRegion)?;
        // It becomes part of host names and headers.
        if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') || region.is_empty() {
            let detail = "the region (AWS_REGION or the profile) is not the name of a region".to_owned();
            return Err(AccessError::AmbientConfiguration { detail });
        }
        Ok(Self { sdk, region })
    }

    /// The region of STS and Organizations.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The source of the base credentials: the static keys, else the ambient chain.
    pub(super) fn credentials(&self) -> Option<SharedCredentialsProvider> {
        self.sdk.credentials_provider()
    }

    /// The configuration of clients in `region` that call with `credentials`.
    pub(super) fn client_config(&self, region: &str, credentials: &Refreshing) -> SdkConfig {
        self.sdk
            .to_builder()
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            .build()
    }
}

fn static_credentials(keys: &StaticKeys) -> aws_credential_types::Credentials {
    aws_credential_types::Credentials::builder()
        .access_key_id(&keys.access_key_id)
        .secret_access_key(keys.secret_access_key.expose_secret())
        .provider_name("settings")
        .build()
}

/// One pool of connections for all clients: rustls on ring, the system's roots and the bundle beside them, proxies
/// from the environment, and a bound for each answer.
fn http_client(ca_bundle: Option<&Path>) -> Result<SharedHttpClient, AccessError> {
    let mut trust = TrustStore::default();
    if let Some(path) = ca_bundle {
        trust.add_pem_certificate(read_bundle(path)?);
    }
    let tls = TlsContext::builder().with_trust_store(trust).build().map_err(|error| {
        let detail = format!("TLS: {}", told("its configuration cannot be made", &error));
        AccessError::AmbientConfiguration { detail }
    })?;
    let settings = ProxySettings::of_process();
    let through = |proxy: Option<&Secret>, scheme: fn(&str) -> Result<ProxyConfig, BoxError>| {
        // The settings hold no address that is none.
        let proxy = proxy.and_then(|url| scheme(url.expose_secret()).ok());
        proxy.map(|proxy| pool(tls.clone(), proxy))
    };
    let ways = Ways {
        direct: pool(tls.clone(), ProxyConfig::disabled()),
        http: through(settings.http.as_ref(), |url| ProxyConfig::http(url).map_err(Into::into)),
        https: through(settings.https.as_ref(), |url| ProxyConfig::https(url).map_err(Into::into)),
        proxies: Arc::new(Proxies::of(&settings)),
    };
    Ok(SharedHttpClient::new(BoundedClient(SharedHttpClient::new(ways))))
}

/// Connections that all go through one proxy, or through none.
fn pool(tls: TlsContext, proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().pool_idle_timeout(IDLE).build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().pool_idle_timeout(IDLE).proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls.clone()).build()
    })
}

/// The ways out: to each host the one that the environment says. Trouble on the way through a proxy names the proxy.
#[derive(Debug)]
struct Ways<Way = SharedHttpClient> {
    direct: Way,
    http: Option<Way>,
    https: Option<Way>,
    proxies: Arc<Proxies>,
}

impl HttpClient for Ways {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = |client: &SharedHttpClient| client.http_connector(settings, components);
        SharedHttpConnector::new(Ways {
            direct: connector(&self.direct),
            http: self.http.as_ref().map(connector),
            https: self.https.as_ref().map(connector),
            proxies: Arc::clone(&self.proxies),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.direct.connector_metadata()
    }
}

impl HttpConnector for Ways<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target: Option<Uri> = request.uri().parse().ok();
        let proxy = target.and_then(|target| Some((self.proxies.route(&target)?, target)));
        let Some((proxy, target)) = proxy else { return self.direct.call(request) };
        let way = if target.scheme_str() == Some("http") { &self.http } else { &self.https };
        let answer = way.as_ref().unwrap_or(&self.direct).call(request);
        HttpConnectorFuture::new(async move {
            match answer.await {
                Err(error) if error.is_timeout() => {
                    Err(ConnectorError::timeout(ProxyFault::of(&proxy, &target, error.into()).await.into()))
                }
                Err(error) if error.is_io() => {
                    Err(ConnectorError::io(ProxyFault::of(&proxy, &target, error.into()).await.into()))
                }
                answer => answer,
            }
        })
    }
}

/// The bundle's bytes, once it is certain that they hold certificates: the SDK panics over others.
fn read_bundle(path: &Path) -> Result<Vec<u8>, AccessError> {
    let fault = |fault: String| AccessError::CaBundle { path: path.to_owned(), fault };
    let bytes = std::fs::read(path).map_err(|error| {
        fault(match error.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => told("it cannot be read", &error),
        })
    })?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|_| fault("not a PEM file".to_owned()))?;
        roots.add(certificate).map_err(|_| fault("not a CA certificate".to_owned()))?;
    }
    if roots.is_empty() {
        return Err(fault("it holds no PEM certificate".to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_bundle_that_holds_no_certificates_is_named() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (content, fault) in
            [("", "holds no PEM"), ("hello", "holds no PEM"), (broken, "not a CA certificate")]
        {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            let error = http_client(Some(file.path())).unwrap_err().to_string();
            assert!(error.starts_with("AWS_CA_BUNDLE: ") && error.contains(fault), "{content}: {error}");
        }
        let error = http_client(Some(Path::new("/nowhere/ca.pem"))).unwrap_err().to_string();
        assert_eq!(error, "AWS_CA_BUNDLE: /nowhere/ca.pem: there is no such file");
    }
}
