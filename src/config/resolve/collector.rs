//! Settings of the OpenTelemetry collector.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::uri::Authority;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config::CollectorSettings;
use crate::config::field::{Field, operating as fields};
use crate::config::read::Reader;

/// Prefixes of a gRPC target that name the ordinary way to an address.
const ORDINARY: [&str; 4] = ["dns:///", "passthrough:///", "https://", "http://"];

/// The collector; `None` where there is none, or where both of its signals are switched off. One of the switches
/// alone changes nothing.
pub(super) fn resolve(reader: &mut Reader) -> Option<CollectorSettings> {
    let endpoint = reader.text(&fields::OTEL_COLLECTOR_ENDPOINT)?;
    let (traces_off, logs_off) =
        (reader.switch(&fields::OTEL_TRACING_DISABLED), reader.switch(&fields::OTEL_LOGGING_DISABLED));
    let plain = reader.switch(&fields::OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE);
    if traces_off && logs_off {
        return None;
    }
    if traces_off != logs_off {
        let set = if traces_off { &fields::OTEL_TRACING_DISABLED } else { &fields::OTEL_LOGGING_DISABLED };
        reader.inform(set, "has no effect alone: traces and logs can be switched off together only");
    }
    let Some(endpoint) = uri(&endpoint, plain) else {
        reader.refuse(&fields::OTEL_COLLECTOR_ENDPOINT, "must be host:port, as gRPC names a target");
        return None;
    };
    let ca = if plain { None } else { authorities(reader) };
    Some(CollectorSettings { endpoint, ca })
}

/// The target as a URI; gRPC's port where none is named is 443.
fn uri(target: &str, plain: bool) -> Option<String> {
    let rest = ORDINARY.iter().find_map(|prefix| target.strip_prefix(prefix)).unwrap_or(target);
    let authority: Authority = rest.trim_end_matches('/').parse().ok()?;
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return None;
    }
    let port = if authority.port().is_some() { "" } else { ":443" };
    let scheme = if plain { "http" } else { "https" };
    Some(format!("{scheme}://{authority}{port}"))
}

fn authorities(reader: &mut Reader) -> Option<Vec<u8>> {
    let by_path = &fields::OTEL_COLLECTOR_ENDPOINT_TLS_CERT_PATH;
    let by_value = &fields::OTEL_COLLECTOR_ENDPOINT_TLS_CERT;
    match (reader.path(by_path), reader.text(by_value)) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            reader.fault(by_value, format!("and {} cannot both be set", by_path.variable()));
            None
        }
        (Some(path), None) => match std::fs::read(&path) {
            Ok(pem) => certificates(reader, by_path, pem),
            Err(error) => {
                reader.refuse(by_path, &format!("must be a readable file ({})", error.kind()));
                None
            }
        },
        (None, Some(text)) => {
            let Ok(pem) = BASE64_URL_SAFE_NO_PAD.decode(text) else {
                reader.fault(by_value, "must be base64url without padding");
                return None;
            };
            certificates(reader, by_value, pem)
        }
    }
}

fn certificates(reader: &mut Reader, field: &Field, pem: Vec<u8>) -> Option<Vec<u8>> {
    let mut found = CertificateDer::pem_slice_iter(&pem).peekable();
    if found.peek().is_none() || found.any(|one| one.is_err()) {
        reader.fault(field, "must hold certificates in PEM");
        return None;
    }
    Some(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_target_becomes_a_uri() {
        for (target, plain, expected) in [
            ("collector:4317", false, Some("https://collector:4317")),
            ("dns:///collector.otel.svc:4317", true, Some("http://collector.otel.svc:4317")),
            ("http://collector:4317/", false, Some("https://collector:4317")),
            ("[::1]:4317", true, Some("http://[::1]:4317")),
            ("collector", false, Some("https://collector:443")),
            ("unix:///run/collector.sock", false, None),
            ("user@collector:4317", false, None),
            ("a b", false, None),
        ] {
            assert_eq!(uri(target, plain).as_deref(), expected, "{target}");
        }
    }
}
