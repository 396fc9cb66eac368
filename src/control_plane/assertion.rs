//! The signed statement with which a client shows the token endpoint that it holds its key (RFC 7523).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom as _;
use ring::signature::Ed25519KeyPair;
use secrecy::SecretString;
use serde::Serialize;

use crate::config::{ClientId, ControlPlaneSettings, SigningKey};

/// How long an assertion holds, and how far it reaches back for clocks that differ.
const VALIDITY_SECONDS: i64 = 120;

/// Signs an assertion for now, with a fresh nonce.
pub(super) fn sign_now(settings: &ControlPlaneSettings) -> Result<SecretString, AssertionError> {
    let mut nonce = [0; 16];
    ring::rand::SystemRandom::new().fill(&mut nonce).map_err(|_| AssertionError::Randomness)?;
    sign(&settings.client_id, settings.client_secret.expose(), jiff::Timestamp::now().as_second(), nonce)
}

/// Why no assertion could be made; neither carries any part of the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum AssertionError {
    #[error("the operating system gives no random bytes")]
    Randomness,
    #[error("the client secret's key cannot sign")]
    Key,
}

/// Compact serialisation: three parts, base64url without padding, joined by dots.
fn sign(
    client_id: &ClientId,
    key: SigningKey<'_>,
    now: i64,
    nonce: [u8; 16],
) -> Result<SecretString, AssertionError> {
    let header =
        Header { alg: "EdDSA", kid: key.key_id, nonce: format!("{:032x}", u128::from_be_bytes(nonce)) };
    let claims = Claims {
        iss: client_id.as_str(),
        sub: client_id.as_str(),
        aud: client_id.host(),
        iat: now,
        exp: now + VALIDITY_SECONDS,
        nbf: now - VALIDITY_SECONDS,
    };
    let mut token = encode(&header)?;
    token.push('.');
    token.push_str(&encode(&claims)?);
    let pair = Ed25519KeyPair::from_seed_and_public_key(key.seed, key.public_key)
        .map_err(|_| AssertionError::Key)?;
    let signature = pair.sign(token.as_bytes());
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature.as_ref()));
    Ok(token.into())
}

fn encode(part: &impl Serialize) -> Result<String, AssertionError> {
    serde_json::to_vec(part).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|_| AssertionError::Key)
}

/// The protected header. A server that pins the form refuses members beyond these.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    nonce: String,
}

/// The claims. The audience is one string, the host that the client id names, whatever host is really called.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    nbf: i64,
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};
    use secrecy::ExposeSecret as _;
    use serde_json::{Value, json};

    use super::super::token::tests::{secret_with, settings};
    use super::*;

    fn parts(assertion: &SecretString) -> (Value, Value, String, Vec<u8>) {
        let text = assertion.expose_secret();
        let (signed, signature) = text.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        (read(header), read(claims), signed.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap())
    }

    #[test]
    fn an_assertion_carries_exactly_the_agreed_claims_and_headers() {
        let settings = settings("brave-lion@tenant.example.test:8443/pcc", Some("key-1"));
        let assertion =
            sign(&settings.client_id, settings.client_secret.expose(), 1_700_000_000, [0xab; 16]).unwrap();
        let (header, claims, signed, signature) = parts(&assertion);
        assert_eq!(header, json!({"alg": "EdDSA", "kid": "key-1", "nonce": "ab".repeat(16)}));
        assert_eq!(
            claims,
            json!({
                "iss": "brave-lion@tenant.example.test:8443/pcc",
                "sub": "brave-lion@tenant.example.test:8443/pcc",
                "aud": "tenant.example.test",
                "iat": 1_700_000_000,
                "exp": 1_700_000_120,
                "nbf": 1_699_999_880,
            })
        );
        let key = settings.client_secret.expose();
        UnparsedPublicKey::new(&ED25519, key.public_key).verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn a_key_without_an_id_leaves_the_header_without_one() {
        let settings = settings("a@b.test/c", None);
        let (header, ..) = parts(&sign_now(&settings).unwrap());
        assert!(header.get("kid").is_none());
        assert_eq!(header["nonce"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn two_assertions_never_share_a_nonce() {
        let settings = settings("a@b.test/c", None);
        let nonce = || parts(&sign_now(&settings).unwrap()).0["nonce"].as_str().unwrap().to_owned();
        assert_ne!(nonce(), nonce());
    }

    #[test]
    fn a_small_nonce_keeps_its_leading_zeros() {
        let settings = settings("a@b.test/c", None);
        let assertion = sign(&settings.client_id, settings.client_secret.expose(), 0, [0; 16]).unwrap();
        assert_eq!(parts(&assertion).0["nonce"], json!("0".repeat(32)));
        assert!(!format!("{assertion:?}").contains(&secret_with(None)));
    }
}
