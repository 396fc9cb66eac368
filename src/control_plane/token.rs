//! Access tokens: fetched with a signed assertion, kept for all calls, renewed shortly before they expire.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Intercept;
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use zeroize::Zeroizing;

use super::assertion::{self, AssertionError};
use super::channel;
use super::error::{chain, way};
use super::network::{Network, NetworkError};
use super::token_answer::TokenAnswer;
use crate::config::ControlPlaneSettings;
use crate::network::{ProxyFault, told};
use crate::telemetry::metrics::{self, Refresh};

/// A token that expires within this time is not used any more.
const UNUSABLE: Duration = Duration::from_secs(10);
/// Renewal starts this long before a token becomes unusable, or after nine tenths of its life if that is later.
const EARLY: Duration = Duration::from_secs(50);
/// How long a still usable token goes on being used after its renewal failed.
const PAUSE: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// A token answer is a few hundred bytes.
const LARGEST_ANSWER: usize = 256 * 1024;

/// The tokens of one client id. Clones share one cache, and at most one request to the endpoint is in flight.
#[derive(Clone)]
pub(super) struct Tokens {
    shared: Arc<Shared>,
}

struct Shared {
    settings: ControlPlaneSettings,
    url: String,
    /// Host and port.
    authority: String,
    http: reqwest::Client,
    /// The proxy on the way, and where the way leads.
    proxy: Option<(Intercept, http::Uri)>,
    cached: Mutex<Option<Cached>>,
}

struct Cached {
    authorization: Authorization,
    renew_at: Instant,
    unusable_at: Instant,
}

/// The value of the `authorization` metadata of a call.
#[derive(Clone)]
pub(super) struct Authorization {
    value: MetadataValue<Ascii>,
    fetched_at: Instant,
}

impl Authorization {
    pub(super) fn value(&self) -> MetadataValue<Ascii> {
        self.value.clone()
    }
}

impl Tokens {
    /// Makes an empty cache; nothing is fetched yet. `timeout` bounds a whole request to the endpoint.
    pub(super) fn new(
        settings: &ControlPlaneSettings,
        network: &Network,
        timeout: Duration,
    ) -> Result<Self, TokenSetupError> {
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(network.tls(&[b"h2", b"http/1.1"])?)
            .https_only(true)
            // An assertion is for the endpoint that it was made for, not for where that one points.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(timeout)
            .user_agent(concat!("batond-credential-provider batond/", env!("CARGO_PKG_VERSION")));
        let url = format!("https://{}/auth/v1/token", settings.authority());
        let setup =
            |error: reqwest::Error| TokenSetupError::Http(told("it cannot be made", &error.without_url()));
        // The environment's proxies are read in one place, which knows more exceptions than the library.
        http = http.no_proxy();
        let target: Option<http::Uri> = url.parse().ok();
        let way = target.and_then(|target| Some((network.proxies()?.route(&target)?, target)));
        if let Some((proxy, _)) = &way {
            let mut through = reqwest::Proxy::all(proxy.uri().to_string()).map_err(setup)?;
            if let Some(credentials) = proxy.basic_auth() {
                through = through.custom_http_auth(credentials.clone());
            }
            http = http.proxy(through);
        }
        let shared = Shared {
            settings: settings.clone(),
            url,
            authority: channel::authority(settings),
            http: http.build().map_err(setup)?,
            proxy: way,
            cached: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Host and port of the endpoint, which are those of the service.
    pub(super) fn authority(&self) -> &str {
        &self.shared.authority
    }

    /// The authorization for a call that starts now, fetched if there is none or it is about to expire.
    ///
    /// Cancel-safe: a request in flight is given up, and the next caller makes its own.
    pub(super) async fn authorization(&self) -> Result<Authorization, TokenError> {
        // Held while fetching, so that all who wait share one request.
        let mut cached = self.shared.cached.lock().await;
        let now = Instant::now();
        if let Some(token) = cached.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.authorization.clone());
        }
        let fetched = self.shared.fetch(now).await;
        metrics::token_refreshed(match &fetched {
            Ok(_) => Refresh::Ok,
            Err(error) if error.is_permanent() => Refresh::Refused,
            Err(_) => Refresh::Unavailable,
        });
        match fetched {
            Ok(token) => Ok(cached.insert(token).authorization.clone()),
            Err(error) => match cached.as_mut().filter(|token| Instant::now() < token.unusable_at) {
                Some(token) if !error.is_permanent() => {
                    tracing::warn!(
                        error = chain(&error),
                        "access token cannot be renewed; going on with the present one"
                    );
                    token.renew_at = Instant::now() + PAUSE;
                    Ok(token.authorization.clone())
                }
                _ => {
                    *cached = None;
                    Err(error)
                }
            },
        }
    }

    /// Forgets `rejected`, unless it was replaced meanwhile: the next call fetches a new one.
    pub(super) async fn discard(&self, rejected: &Authorization) {
        let mut cached = self.shared.cached.lock().await;
        if cached.as_ref().is_some_and(|token| token.authorization.fetched_at == rejected.fetched_at) {
            *cached = None;
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

impl Shared {
    async fn fetch(&self, now: Instant) -> Result<Cached, TokenError> {
        let assertion = assertion::sign_now(&self.settings).map_err(TokenError::Assertion)?;
        let form = [
            ("client_id", self.settings.client_id.as_str()),
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.expose_secret()),
        ];
        let mut response = match self.http.post(&self.url).form(&form).send().await {
            Ok(response) => response,
            Err(error) => return Err(self.unreachable(error).await),
        };
        let mut body = Zeroizing::new(Vec::new());
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(self.unreachable(error).await),
            }
            if body.len() > LARGEST_ANSWER {
                return Err(TokenError::Malformed { fault: "it is too long" });
            }
        }
        classify(response.status(), &body, &self.authority)?;
        Ok(Cached::new(TokenAnswer::read(&body)?, now))
    }

    async fn unreachable(&self, error: reqwest::Error) -> TokenError {
        let error = error.without_url();
        let reason = match &self.proxy {
            Some((proxy, target)) => way(&ProxyFault::of(proxy, target, error.into()).await),
            None => way(&error),
        };
        TokenError::Unreachable { endpoint: self.authority.clone(), reason }
    }
}

/// What the status of the endpoint's answer means; anything but 200 is an error. A refusal is the endpoint's own only
/// with a status that it refuses with and without the page of somebody in between.
fn classify(status: StatusCode, body: &[u8], endpoint: &str) -> Result<(), TokenError> {
    let code = status.as_u16();
    match code {
        200 if !is_page(body) => Ok(()),
        400 | 401 | 403 if !is_page(body) => Err(TokenError::Refused { status: code }),
        408 | 425 | 429 | 500..=599 => Err(TokenError::OutOfOrder { status: code }),
        _ => Err(TokenError::SomebodyElse { endpoint: endpoint.to_owned(), status: code }),
    }
}

/// Whether it is a page for people, as web gateways and other servers show them.
fn is_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

impl Cached {
    /// What `answer` gives, whose life counts from `asked_at`, the moment before the request.
    fn new(answer: TokenAnswer, asked_at: Instant) -> Self {
        let usable = answer.life.saturating_sub(UNUSABLE);
        Self {
            authorization: Authorization { value: answer.authorization, fetched_at: asked_at },
            renew_at: asked_at + usable.saturating_sub(EARLY.min(answer.life / 10)),
            unusable_at: asked_at + usable,
        }
    }
}

/// Why there is no access token. No variant carries a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The endpoint does not accept this client.
    #[error(
        "the token endpoint refuses this client with HTTP status {status}: check BATON_CLIENT_ID, \
         BATON_CLIENT_SECRET and the clock of this host"
    )]
    Refused {
        /// The HTTP status of its answer.
        status: u16,
    },
    /// What answers is not the endpoint.
    #[error(
        "what answers at {endpoint} with HTTP status {status} is not the token endpoint{}: see that the host in \
         BATON_CLIENT_ID or BATON_C1_API_HOST is the control plane, and that no proxy or web gateway answers in its place",
        if (300..400).contains(.status) { " but points elsewhere, which is not followed" } else { "" }
    )]
    SomebodyElse {
        /// Host and port that were asked.
        endpoint: String,
        /// The HTTP status of the answer.
        status: u16,
    },
    /// The endpoint cannot serve anybody now.
    #[error("the token endpoint is out of order: HTTP status {status}")]
    OutOfOrder {
        /// The HTTP status of its answer.
        status: u16,
    },
    /// No answer arrived: name resolution, connection, TLS or a timeout.
    #[error("the token endpoint at {endpoint} cannot be reached: {reason}")]
    Unreachable {
        /// Its host and port.
        endpoint: String,
        /// The causes, outermost first.
        reason: String,
    },
    /// The endpoint answers 200 without a token that can be used.
    #[error("the token endpoint's answer cannot be used: {fault}")]
    Malformed {
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The assertion could not be signed.
    #[error("the client assertion cannot be signed")]
    #[expect(private_interfaces, reason = "the cause is for reading only")]
    Assertion(#[source] AssertionError),
}

impl TokenError {
    /// Whether asking again gives the same answer until a setting changes here or there.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Assertion(_) => true,
            // Somebody in between may have answered.
            Self::OutOfOrder { .. }
            | Self::SomebodyElse { .. }
            | Self::Unreachable { .. }
            | Self::Malformed { .. } => false,
        }
    }
}

/// Why no client of the token endpoint can be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenSetupError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("the client of the token endpoint cannot be set up: {0}")]
    Http(String),
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use rustls_pki_types::CertificateDer;

    use super::super::network::Proxies;
    use super::*;

    /// The key pair of RFC 8037, appendix A.1.
    pub(in super::super) fn secret_with(key_id: Option<&str>) -> String {
        let kid = key_id.map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
        let jwk = format!(
            r#"{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"{kid}}}"#
        );
        format!("secret-token:conductorone.com:v1:{}", URL_SAFE_NO_PAD.encode(jwk))
    }

    pub(in super::super) fn settings(client_id: &str, key_id: Option<&str>) -> ControlPlaneSettings {
        ControlPlaneSettings {
            client_id: client_id.parse().unwrap(),
            client_secret: secret_with(key_id).parse().unwrap(),
            api_host: None,
        }
    }

    /// A network that trusts one certificate authority of its own.
    pub(in super::super) fn network() -> Network {
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        Network::trusting([CertificateDer::from(authority.der().to_vec())], Proxies::Bypass).unwrap()
    }

    /// Tokens that hold a valid one already and never ask for another.
    pub(in super::super) fn filled() -> Tokens {
        let tokens =
            Tokens::new(&settings("name@127.0.0.1/test", None), &network(), Duration::from_secs(1)).unwrap();
        let answer = r#"{"access_token":"canary-token","token_type":"bearer","expires_in":86400}"#;
        *tokens.shared.cached.try_lock().unwrap() = Some(cached(answer, Instant::now()));
        tokens
    }

    fn cached(body: &str, asked_at: Instant) -> Cached {
        Cached::new(TokenAnswer::read(body.as_bytes()).unwrap(), asked_at)
    }

    #[test]
    fn a_busy_endpoint_is_waited_for_and_a_refusing_one_is_not() {
        let answer = |status, body: &str| {
            classify(StatusCode::from_u16(status).unwrap(), body.as_bytes(), "host.test:443")
        };
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert!(!answer(status, "").unwrap_err().is_permanent(), "{status}");
        }
        for status in [400, 401, 403] {
            for body in ["", r#"{"error":"invalid_client"}"#, "no"] {
                assert!(answer(status, body).unwrap_err().is_permanent(), "{status}");
            }
        }
        assert!(answer(200, r#"{"access_token":"t"}"#).is_ok());
    }

    #[test]
    fn an_answer_of_somebody_else_is_waited_out_and_names_the_host() {
        let page = " <html>Access Denied: canary</html>";
        for (status, body) in [
            (201, ""),
            (204, ""),
            (301, ""),
            (307, ""),
            (404, "not found"),
            (405, ""),
            (451, page),
            (401, page),
            (403, page),
            (200, page),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = classify(status, body.as_bytes(), "host.test:443").unwrap_err();
            let text = error.to_string();
            assert!(!error.is_permanent(), "{status}");
            assert!(text.contains("host.test:443") && text.contains("BATON_C1_API_HOST"), "{text}");
            assert!(!text.contains("canary"), "{text}");
            assert_eq!(text.contains("points elsewhere"), status.is_redirection(), "{text}");
        }
    }

    #[test]
    fn a_token_is_renewed_before_it_becomes_unusable() {
        for (expires_in, renew, unusable) in [
            ("3600", 3540, 3590),
            ("60", 44, 50),
            ("11", 0, 1),
            ("10", 0, 0),
            ("0", 0, 0),
            ("-5", 0, 0),
            ("1e300", 86400 - 60, 86400 - 10),
        ] {
            let asked = Instant::now();
            let body = format!(r#"{{"access_token":"t","expires_in":{expires_in}}}"#);
            let token = cached(&body, asked);
            assert_eq!((token.renew_at - asked).as_secs(), renew, "{expires_in}");
            assert_eq!((token.unusable_at - asked).as_secs(), unusable, "{expires_in}");
        }
        let token = cached(r#"{"access_token":"t"}"#, Instant::now());
        assert!(token.unusable_at <= Instant::now(), "a missing life means expired");
    }

    #[test]
    fn the_override_moves_the_endpoint() {
        let mut settings = settings("name@tenant.example.test:8443/x", None);
        let tokens = |settings: &ControlPlaneSettings| {
            Tokens::new(settings, &network(), Duration::from_secs(1)).unwrap()
        };
        assert_eq!(tokens(&settings).shared.url, "https://tenant.example.test:8443/auth/v1/token");
        settings.api_host = Some("api.example.test:444".parse().unwrap());
        let moved = tokens(&settings);
        assert_eq!(moved.shared.url, "https://api.example.test:444/auth/v1/token");
        assert_eq!(
            format!("{moved:?}"),
            r#"Tokens { url: "https://api.example.test:444/auth/v1/token", .. }"#
        );
    }

    #[tokio::test]
    async fn a_rejected_token_is_forgotten_once() {
        let tokens = filled();
        let first = tokens.authorization().await.unwrap();
        tokens.discard(&first).await;
        assert!(tokens.shared.cached.lock().await.is_none());

        let newer = cached(r#"{"access_token":"newer","expires_in":600}"#, Instant::now());
        *tokens.shared.cached.lock().await = Some(newer);
        tokens.discard(&first).await;
        assert!(tokens.shared.cached.lock().await.is_some(), "a newer token was thrown away");
    }
}
