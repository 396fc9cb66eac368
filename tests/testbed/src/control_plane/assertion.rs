//! Checks a client assertion: the signed statement by which a connector asks for an access token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Map, Value};

use super::credential::Credential;

/// Seconds by which the clocks of connector and server may differ.
const SKEW: i64 = 60;
/// Seconds from `iat` to `exp`, and from `nbf` to `iat`.
const LIFETIME: i64 = 120;

/// Checks signature, header and claims of a compact JWS against the registered connector at `now` (Unix seconds).
///
/// Gives the nonce, for the caller to refuse a replay, or every fault that was found.
pub(super) fn verify(assertion: &str, credential: &Credential, now: i64) -> Result<String, Vec<String>> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let &[header, claims, signature] = parts.as_slice() else {
        return Err(vec![format!("client_assertion has {} dot-separated parts, not 3", parts.len())]);
    };
    let mut faults = Vec::new();
    match URL_SAFE_NO_PAD.decode(signature) {
        Ok(bytes) => {
            let key = UnparsedPublicKey::new(&ED25519, &credential.public_key);
            if key.verify(format!("{header}.{claims}").as_bytes(), &bytes).is_err() {
                faults.push("the signature is not that of the registered key".to_owned());
            }
        }
        Err(error) => faults.push(format!("the signature is not base64url without padding: {error}")),
    }
    let nonce =
        object("header", header, &mut faults).map(|header| check_header(&header, credential, &mut faults));
    if let Some(claims) = object("claims", claims, &mut faults) {
        check_claims(&claims, credential, now, &mut faults);
    }
    match nonce {
        Some(nonce) if faults.is_empty() => Ok(nonce),
        _ => Err(faults),
    }
}

fn object(name: &str, part: &str, faults: &mut Vec<String>) -> Option<Map<String, Value>> {
    let bytes = match URL_SAFE_NO_PAD.decode(part) {
        Ok(bytes) => bytes,
        Err(error) => {
            faults.push(format!("the {name} part is not base64url without padding: {error}"));
            return None;
        }
    };
    match serde_json::from_slice(&bytes) {
        Ok(object) => Some(object),
        Err(error) => {
            faults.push(format!("the {name} part is not a JSON object: {error}"));
            None
        }
    }
}

fn check_header(header: &Map<String, Value>, credential: &Credential, faults: &mut Vec<String>) -> String {
    unexpected("header", header, &["alg", "nonce", "kid"], faults);
    equal("header", header, "alg", "EdDSA", faults);
    match (&credential.kid, header.get("kid")) {
        (None, None) => {}
        (Some(_), _) => equal("header", header, "kid", credential.kid.as_deref().unwrap_or_default(), faults),
        (None, Some(_)) => faults.push("header kid is set although the key has none".to_owned()),
    }
    let nonce = header.get("nonce").and_then(Value::as_str).unwrap_or_default();
    let lower_hex = nonce.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if nonce.len() != 32 || !lower_hex {
        faults.push("header nonce is not 32 lower-case hexadecimal digits".to_owned());
    }
    nonce.to_owned()
}

fn check_claims(claims: &Map<String, Value>, credential: &Credential, now: i64, faults: &mut Vec<String>) {
    unexpected("claim", claims, &["iss", "sub", "aud", "iat", "exp", "nbf"], faults);
    equal("claim", claims, "iss", &credential.client_id, faults);
    equal("claim", claims, "sub", &credential.client_id, faults);
    equal("claim", claims, "aud", &credential.audience, faults);
    let mut seconds = |name: &str| {
        let value = claims.get(name).and_then(Value::as_i64);
        if value.is_none() {
            faults.push(format!("claim {name} is not a whole number of seconds"));
        }
        value
    };
    let (issued, expires, not_before) = (seconds("iat"), seconds("exp"), seconds("nbf"));
    let Some(issued) = issued else { return };
    let ahead = issued.saturating_sub(now);
    if !(-SKEW..=SKEW).contains(&ahead) {
        faults.push(format!("claim iat is {ahead} s away from this server's clock"));
    }
    if expires.is_some_and(|at| at.saturating_sub(issued) != LIFETIME) {
        faults.push(format!("claim exp is not iat + {LIFETIME}"));
    }
    if not_before.is_some_and(|at| issued.saturating_sub(at) != LIFETIME) {
        faults.push(format!("claim nbf is not iat - {LIFETIME}"));
    }
}

fn unexpected(kind: &str, object: &Map<String, Value>, known: &[&str], faults: &mut Vec<String>) {
    let others = object.keys().filter(|name| !known.contains(&name.as_str()));
    faults.extend(others.map(|name| format!("unexpected {kind} {name}")));
}

fn equal(kind: &str, object: &Map<String, Value>, name: &str, wanted: &str, faults: &mut Vec<String>) {
    match object.get(name) {
        Some(Value::String(value)) if value == wanted => {}
        Some(value) => faults.push(format!("{kind} {name} is {value}, not \"{wanted}\"")),
        None => faults.push(format!("{kind} {name} is missing")),
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::Ed25519KeyPair;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn registered(kid: Option<&str>) -> Credential {
        Credential::generate("test", "localhost", 8443, kid.map(String::from)).unwrap()
    }

    fn header() -> Value {
        json!({"alg": "EdDSA", "nonce": "0123456789abcdef0123456789abcdef"})
    }

    fn claims(credential: &Credential) -> Value {
        let id = &credential.client_id;
        json!({"iss": id, "sub": id, "aud": "localhost", "iat": NOW, "exp": NOW + 120, "nbf": NOW - 120})
    }

    fn sign(credential: &Credential, header: &Value, claims: &Value) -> String {
        let seed = URL_SAFE_NO_PAD.decode(&credential.private).unwrap();
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap().sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn faults(credential: &Credential, header: &Value, claims: &Value) -> Vec<String> {
        verify(&sign(credential, header, claims), credential, NOW).expect_err("the assertion is wrong")
    }

    #[test]
    fn a_right_assertion_gives_its_nonce() {
        let credential = registered(None);
        let assertion = sign(&credential, &header(), &claims(&credential));
        assert_eq!(verify(&assertion, &credential, NOW).unwrap(), "0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn another_connectors_signature_is_refused() {
        let credential = registered(None);
        let mut other = registered(None);
        other.client_id.clone_from(&credential.client_id);
        let assertion = sign(&other, &header(), &claims(&credential));
        let faults = verify(&assertion, &credential, NOW).unwrap_err();
        assert_eq!(faults, ["the signature is not that of the registered key"]);
    }

    #[test]
    fn a_header_member_nobody_asked_for_is_named() {
        let credential = registered(None);
        let mut typed = header();
        typed["typ"] = json!("JWT");
        assert_eq!(faults(&credential, &typed, &claims(&credential)), ["unexpected header typ"]);
    }

    #[test]
    fn a_key_id_is_sent_if_and_only_if_the_key_has_one() {
        let (without, with) = (registered(None), registered(Some("key-1")));
        let mut named = header();
        named["kid"] = json!("key-1");
        assert_eq!(
            faults(&without, &named, &claims(&without)),
            ["header kid is set although the key has none"]
        );
        assert_eq!(faults(&with, &header(), &claims(&with)), ["header kid is missing"]);
        assert!(verify(&sign(&with, &named, &claims(&with)), &with, NOW).is_ok());
    }

    #[test]
    fn an_audience_with_a_port_or_as_a_list_is_refused() {
        let credential = registered(None);
        for audience in [json!("localhost:8443"), json!(["localhost"])] {
            let mut wrong = claims(&credential);
            wrong["aud"] = audience;
            let faults = faults(&credential, &header(), &wrong);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].starts_with("claim aud is"), "{faults:?}");
        }
    }

    #[test]
    fn an_old_or_oddly_timed_assertion_is_refused() {
        let credential = registered(None);
        let mut old = claims(&credential);
        for name in ["iat", "exp", "nbf"] {
            old[name] = json!(old[name].as_i64().unwrap() - 3600);
        }
        assert_eq!(
            faults(&credential, &header(), &old),
            ["claim iat is -3600 s away from this server's clock"]
        );

        let mut long = claims(&credential);
        long["exp"] = json!(NOW + 600);
        long["nbf"] = json!(1_700_000_000.5);
        let wanted = ["claim nbf is not a whole number of seconds", "claim exp is not iat + 120"];
        assert_eq!(faults(&credential, &header(), &long), wanted);
    }

    #[test]
    fn text_that_is_no_assertion_is_refused_without_a_panic() {
        let credential = registered(None);
        for text in ["", "a", "a.b", "..", "!.!.!", "bnVsbA.bnVsbA.bnVsbA", "a.b.c.d"] {
            assert!(verify(text, &credential, NOW).is_err(), "{text}");
        }
    }
}
