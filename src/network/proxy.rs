//! The proxies on the way.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{Bypass, ProxySettings};

/// Longest time for the question why a proxy refuses.
const QUESTION: Duration = Duration::from_secs(5);
/// Longest first line of an answer that is looked at, in bytes.
const FIRST_LINE: u64 = 64;

type BoxError = Box<dyn Error + Send + Sync>;

/// Which proxy stands in the way to which host.
#[derive(Debug)]
pub struct Proxies {
    /// For ports that no exception names.
    others: Matcher,
    by_port: Vec<(u16, Matcher)>,
}

impl Proxies {
    /// As the settings say.
    pub fn of(settings: &ProxySettings) -> Self {
        let ports = settings.bypass.iter().filter_map(|one| one.port);
        let by_port = ports.map(|port| (port, matcher(settings, Some(port)))).collect();
        Self { others: matcher(settings, None), by_port }
    }

    /// The proxy for a request to `target`; `None` where it goes there directly.
    pub fn route(&self, target: &Uri) -> Option<Intercept> {
        let usual = if target.scheme_str() == Some("http") { 80 } else { 443 };
        let port = target.port_u16().unwrap_or(usual);
        let named = self.by_port.iter().find(|(one, _)| *one == port);
        named.map_or(&self.others, |(_, matcher)| matcher).intercept(target)
    }
}

/// The rules for targets on one port; exceptions that name another one are none of them.
fn matcher(settings: &ProxySettings, port: Option<u16>) -> Matcher {
    let holds = |bypass: &&Bypass| bypass.port.is_none() || bypass.port == port;
    let hosts: Vec<&str> = settings.bypass.iter().filter(holds).map(|one| one.host.as_str()).collect();
    // The library's `*` is for names alone, and Go's for addresses as well.
    if hosts.contains(&"*") {
        return Matcher::builder().build();
    }
    let mut builder = Matcher::builder().no(hosts.join(","));
    if let Some(url) = &settings.http {
        builder = builder.http(url.expose_secret().to_owned());
    }
    if let Some(url) = &settings.https {
        builder = builder.https(url.expose_secret().to_owned());
    }
    builder.build()
}

/// Trouble on the way through a proxy. Neither its `Display` nor its `Debug` tells more than the proxy's address and
/// the status of its answer; [`told`](super::told) goes on with the cause.
pub struct ProxyFault {
    address: String,
    status: Option<u16>,
    source: BoxError,
}

impl ProxyFault {
    /// What a request through `proxy` to `target` failed with. A proxy that refuses the tunnel is asked once more, since
    /// the libraries do not give the status of its answer.
    pub async fn of(proxy: &Intercept, target: &Uri, source: BoxError) -> Self {
        let status = if tunnel_fault(&*source) { refusal(proxy, target).await } else { None };
        let scheme = proxy.uri().scheme_str().unwrap_or("http");
        // Without what stands before the host, which may be a password.
        let host = proxy.uri().host().unwrap_or_default();
        let port = proxy.uri().port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        Self { address: format!("{scheme}://{host}{port}"), status, source }
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, status, .. } = self;
        match status {
            Some(407) => write!(
                f,
                "the proxy {address} answers with HTTP status 407: give it a user name and a password in HTTPS_PROXY"
            ),
            Some(status @ 500..) => {
                write!(f, "the proxy {address} answers with HTTP status {status}: it does not reach the host")
            }
            Some(status) => write!(
                f,
                "the proxy {address} answers with HTTP status {status}: let it admit the host, or except the host in \
                 NO_PROXY"
            ),
            None => write!(f, "through the proxy {address}"),
        }
    }
}

impl fmt::Debug for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ProxyFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// Whether a proxy did not open its tunnel.
pub fn tunnel_fault(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .any(|error| error.to_string().starts_with("tunnel error: "))
}

/// The status with which a proxy answers the wish for a tunnel.
async fn refusal(proxy: &Intercept, target: &Uri) -> Option<u16> {
    if proxy.uri().scheme_str() != Some("http") {
        return None;
    }
    let host = proxy.uri().host()?.trim_matches(['[', ']']);
    let port = proxy.uri().port_u16().unwrap_or(80);
    let wanted = format!("{}:{}", target.host()?, target.port_u16().unwrap_or(443));
    let mut question = format!("CONNECT {wanted} HTTP/1.1\r\nHost: {wanted}\r\n").into_bytes();
    if let Some(credentials) = proxy.basic_auth() {
        question.extend_from_slice(b"Proxy-Authorization: ");
        question.extend_from_slice(credentials.as_bytes());
        question.extend_from_slice(b"\r\n");
    }
    question.extend_from_slice(b"\r\n");
    let asked = async {
        let mut stream = TcpStream::connect((host, port)).await.ok()?;
        stream.write_all(&question).await.ok()?;
        let mut answer = Vec::new();
        // Whoever refuses may break the connection behind the first line.
        let _ = stream.take(FIRST_LINE).read_to_end(&mut answer).await;
        status_in(&answer)
    };
    timeout(QUESTION, asked).await.ok().flatten()
}

/// The status in the first line of an answer that refuses.
fn status_in(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let status = line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.trim().parse().ok()?;
    (300..600).contains(&status).then_some(status)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn proxies(no: &str) -> Proxies {
        let read = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://user:canary@proxy.test:3128".to_owned()),
            "NO_PROXY" => Some(no.to_owned()),
            _ => None,
        };
        Proxies::of(&ProxySettings::read(read))
    }

    #[test]
    fn exceptions_are_read_as_go_reads_them() {
        for (no, target, direct) in [
            ("", "https://sts.corp.test", false),
            ("*", "https://sts.corp.test", true),
            ("*", "https://10.1.2.3", true),
            ("localhost, *", "https://[fd00:ec2::23]", true),
            ("corp.test", "https://sts.corp.test", true),
            (".corp.test", "https://sts.corp.test", true),
            ("*.corp.test", "https://sts.corp.test", true),
            ("localhost, *.Corp.Test", "https://sts.corp.test", true),
            ("*.other.test", "https://sts.corp.test", false),
            ("sts.corp.test:443", "https://sts.corp.test", true),
            ("sts.corp.test:443", "https://sts.corp.test:8443", false),
            ("sts.corp.test:8443", "https://sts.corp.test:8443", true),
            ("sts.corp.test:8443", "https://sts.corp.test", false),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("fd00:ec2::23", "https://[fd00:ec2::23]", true),
            ("[fd00:ec2::23]", "https://[fd00:ec2::23]", true),
            ("[fd00:ec2::23]:443", "https://[fd00:ec2::23]", true),
            ("", "http://plain.test", true),
        ] {
            let target: Uri = target.parse().unwrap();
            assert_eq!(proxies(no).route(&target).is_none(), direct, "{no}: {target}");
        }
    }

    #[tokio::test]
    async fn a_refusing_proxy_is_told_by_its_address_and_its_status_and_never_by_its_password() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:canary@{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        });
        let read = |name: &str| (name == "HTTPS_PROXY").then(|| url.clone());
        let target = Uri::from_static("https://sts.corp.test");
        let proxy = Proxies::of(&ProxySettings::read(read)).route(&target).unwrap();
        let fault = ProxyFault::of(&proxy, &target, "tunnel error: unsuccessful".into()).await;
        let text = super::super::told("failure", &fault);
        assert!(text.contains("the proxy http://127.0.0.1:") && text.contains("status 403"), "{text}");
        assert!(!format!("{text}{fault:?}").contains("canary"), "{text}");
    }

    #[test]
    fn only_a_refusal_has_a_status() {
        assert_eq!(status_in(b"HTTP/1.1 407 Proxy Authentication Required\r\n"), Some(407));
        assert_eq!(status_in(b"HTTP/1.0 502\r\n"), Some(502));
        for other in ["HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n", "", "HTTP/1.1 x\r\n"] {
            assert_eq!(status_in(other.as_bytes()), None, "{other}");
        }
    }
}
