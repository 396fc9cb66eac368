//! What an error of a library means.

use std::error::Error;
use std::io;

use super::proxy::ProxyFault;
use crate::text::{NAME, printable};

/// The words for a name that is not resolved.
pub const UNRESOLVED: &str = "the host's name is not resolved";
/// The words for a certificate of an authority that nobody trusts here.
pub const UNTRUSTED: &str = "the server's certificate is of an authority that is not trusted";

/// How libraries begin a text that holds no values, and what it means.
const KNOWN: [(&str, &str); 18] = [
    ("dns error", UNRESOLVED),
    ("tunnel error: proxy authorization required", "the proxy demands a user name and a password"),
    ("tunnel error: unsuccessful", "the proxy refuses to connect"),
    ("tunnel error: failed to create underlying connection", "the proxy cannot be reached"),
    ("tunnel error: unexpected end of file", "the proxy closed the connection"),
    ("tunnel error: ", "the proxy's answer cannot be used"),
    ("tcp connect error", "no connection"),
    ("HTTP connect timeout", "no connection in time"),
    ("HTTP read timeout", "no answer in time"),
    ("TLS handshake failed", "TLS cannot be agreed on"),
    ("operation timed out", "no answer in time"),
    ("deadline has elapsed", "no answer in time"),
    ("connection closed before message completed", "the connection was closed before the answer"),
    ("invalid HTTP", "the answer is not HTTP"),
    ("error reading a body from connection", "the answer was cut off"),
    ("broken pipe", "the connection was closed"),
    (
        "Invalid Configuration: FIPS and custom endpoint",
        "FIPS endpoints (AWS_USE_FIPS_ENDPOINT) and an endpoint of your own (AWS_ENDPOINT_URL) exclude each other: \
         unset one of them",
    ),
    (CONTRADICTION, "the settings of the endpoint (region, FIPS, dual stack, URL) contradict each other"),
];

/// How the AWS SDK begins what it says of settings that contradict each other.
const CONTRADICTION: &str = "Invalid Configuration: ";

/// How the system's resolver begins what it says.
const RESOLVER: &str = "failed to lookup address information: ";

/// What an error of a library and its causes mean, outermost first. Of what is not known here, no more than `kind` is
/// told: it may hold secrets.
pub fn told(kind: &str, error: &(dyn Error + 'static)) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = words(error);
        // An error of the system has its kind twice: in the wrapper's words and in its own.
        if let Some(words) = words.filter(|words| !told.iter().any(|one| one.contains(words.as_str()))) {
            told.push(words);
        }
        next = inner(error);
    }
    if told.is_empty() {
        return format!("{kind}; no more is told of it, as it may hold secrets");
    }
    told.join(": ")
}

/// Whether it comes of settings that contradict each other, so that it stays until one is changed.
pub fn contradicts(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| inner(error))
        .any(|error| error.to_string().starts_with(CONTRADICTION))
}

/// The next cause. An error of the system hides the one that it wraps.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn words(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(fault) = error.downcast_ref::<ProxyFault>() {
        return Some(fault.to_string());
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_system(error);
    }
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        let (line, column) = (error.line(), error.column());
        return Some(format!("the text is not JSON of the wanted form (line {line}, column {column})"));
    }
    if error.is::<http::uri::InvalidUri>() || error.is::<http::uri::InvalidUriParts>() {
        return Some("the address is no URL".to_owned());
    }
    if error.is::<tokio::time::error::Elapsed>() {
        return Some("no answer in time".to_owned());
    }
    let text = error.to_string();
    if text.starts_with(RESOLVER) {
        return Some(printable(&text, NAME).into_owned());
    }
    KNOWN.iter().find(|(start, _)| text.starts_with(start)).map(|(_, words)| (*words).to_owned())
}

/// Errors of the system have the system's own text. Those that a library made hold one of its.
fn of_system(error: &io::Error) -> Option<String> {
    if error.raw_os_error().is_some() {
        return Some(error.to_string());
    }
    match error.kind() {
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => None,
        _ if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>) => None,
        // The kind of what the resolver says has no name.
        _ if error.to_string().starts_with(RESOLVER) => None,
        kind => Some(kind.to_string()),
    }
}

fn of_tls(error: &rustls::Error) -> String {
    use rustls::CertificateError as Fault;
    let rustls::Error::InvalidCertificate(fault) = error else {
        return match error {
            rustls::Error::AlertReceived(alert) => format!("the server ended TLS with the alert {alert:?}"),
            rustls::Error::PeerIncompatible(_) => "the server speaks no TLS that is allowed here".to_owned(),
            rustls::Error::InvalidMessage(_) => "the server's answer is not TLS".to_owned(),
            _ => "TLS cannot be agreed on".to_owned(),
        };
    };
    match fault {
        // The second: a known authority's name, but another key. It was made anew, and the old one is still trusted.
        Fault::UnknownIssuer | Fault::BadSignature => UNTRUSTED.to_owned(),
        Fault::Expired | Fault::ExpiredContext { .. } => "the server's certificate has expired".to_owned(),
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; see that this host's clock is right".to_owned()
        }
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
            "the server's certificate is of another name".to_owned()
        }
        Fault::Revoked => "the server's certificate is revoked".to_owned(),
        _ => "the server's certificate cannot be used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    }

    fn link(text: &'static str, source: Option<Box<dyn Error + Send + Sync>>) -> Link {
        Link { text, source }
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let inner = link("Request { body: canary }", None);
        let outer = link("canary in an address", Some(inner.into()));
        let wrapped = io::Error::other(link("canary in the system's error", Some(outer.into())));
        for error in [&wrapped as &(dyn Error + 'static), &link("https://user:canary@host", None)] {
            let text = told("dispatch failure", error);
            assert!(!text.contains("canary") && text.starts_with("dispatch failure; "), "{text}");
        }
        let parsed = serde_json::from_str::<u8>(r#""canary""#).unwrap_err();
        assert!(!told("parse", &parsed).contains("canary"));
        let uri = "http://canary canary".parse::<http::Uri>().unwrap_err();
        assert_eq!(told("address", &uri), "the address is no URL");
    }

    #[test]
    fn known_troubles_of_the_way_are_told_apart_without_their_values() {
        let refused = || io::Error::from_raw_os_error(111);
        let dns = io::Error::other("failed to lookup address information: Name or service not known");
        let untrusted = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        for (error, expected) in [
            (
                link("client error (canary)", Some(link("tcp connect error", Some(refused().into())).into())),
                "no connection: Connection refused (os error 111)",
            ),
            (
                link("dns error", Some(dns.into())),
                "the host's name is not resolved: failed to lookup address information: Name or service not known",
            ),
            (link("canary", Some(io::Error::new(io::ErrorKind::InvalidData, untrusted).into())), UNTRUSTED),
            (
                link("canary", Some(link("tunnel error: unsuccessful", None).into())),
                "the proxy refuses to connect",
            ),
            (
                link("canary", Some(io::Error::from(io::ErrorKind::ConnectionReset).into())),
                "connection reset",
            ),
        ] {
            assert_eq!(told("failure", &error), expected);
        }
    }
}
