//! The client secret: an Ed25519 key that signs client assertions.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::Ed25519KeyPair;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

use crate::json;

/// A private Ed25519 key, read from `secret-token:<host>:v1:<base64url of a JSON Web Key>`.
///
/// Its `Debug` is redacted, and its memory is cleared when it is dropped.
#[derive(Clone)]
pub struct ClientSecret {
    seed: Zeroizing<[u8; 32]>,
    public_key: [u8; 32],
    key_id: Option<String>,
}

/// The key itself, borrowed from a [`ClientSecret`] for the moment in which something is signed.
#[derive(Clone, Copy)]
pub struct SigningKey<'a> {
    /// The private seed (`d` of the JSON Web Key).
    pub seed: &'a [u8; 32],
    /// The public key (`x` of the JSON Web Key); it belongs to the seed.
    pub public_key: &'a [u8; 32],
    /// The key id (`kid` of the JSON Web Key), where it has one.
    pub key_id: Option<&'a str>,
}

impl ClientSecret {
    /// Gives out the key, for signing or decrypting alone.
    pub fn expose(&self) -> SigningKey<'_> {
        SigningKey { seed: &self.seed, public_key: &self.public_key, key_id: self.key_id.as_deref() }
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

impl FromStr for ClientSecret {
    type Err = ClientSecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(4, ':');
        let (Some(_scheme), Some(_issuer), Some(version), Some(payload)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ClientSecretError::Shape);
        };
        if version != "v1" {
            return Err(ClientSecretError::Version);
        }
        let decoded =
            Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).map_err(|_| ClientSecretError::Encoding)?);
        // serde_json quotes what it met; its error must not travel.
        let key: JsonWebKey = json::read(&decoded).map_err(|_| ClientSecretError::Key)?;
        if key.kty != "OKP" || key.crv != "Ed25519" {
            return Err(ClientSecretError::Algorithm);
        }
        let seed = Zeroizing::new(key_bytes(key.d.expose_secret())?);
        let public_key = key_bytes(&key.x)?;
        Ed25519KeyPair::from_seed_and_public_key(&*seed, &public_key)
            .map_err(|_| ClientSecretError::Mismatch)?;
        Ok(Self { seed, public_key, key_id: key.kid.filter(|kid| !kid.is_empty()) })
    }
}

/// Why a text is not a client secret. No variant carries any part of the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientSecretError {
    /// Fewer than four parts.
    #[error(
        "invalid client secret: expected four parts separated by ':', like secret-token:<issuer>:v1:<key>"
    )]
    Shape,
    /// The third part is not `v1`.
    #[error("invalid client secret: its version (third part) must be v1")]
    Version,
    /// The fourth part does not decode.
    #[error("invalid client secret: its fourth part must be base64url without padding")]
    Encoding,
    /// The fourth part decodes, but to no private JSON Web Key.
    #[error(
        "invalid client secret: its fourth part must hold a JSON Web Key with 32 bytes in each of x and d"
    )]
    Key,
    /// A key of another kind.
    #[error("invalid client secret: its key must be of type OKP on the curve Ed25519")]
    Algorithm,
    /// Public and private half are not of one key; signatures by it would be refused.
    #[error("invalid client secret: the public half of its key (x) does not belong to the private one (d)")]
    Mismatch,
}

/// The members of a JSON Web Key that matter here (RFC 8037).
#[derive(Deserialize)]
struct JsonWebKey {
    kty: String,
    crv: String,
    x: String,
    d: SecretString,
    kid: Option<String>,
}

fn key_bytes(text: &str) -> Result<[u8; 32], ClientSecretError> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| ClientSecretError::Key)?);
    let mut key = [0; 32];
    if bytes.len() != key.len() {
        key.zeroize();
        return Err(ClientSecretError::Key);
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A.1.
    const D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn secret(jwk: &str) -> String {
        format!("secret-token:conductorone.com:v1:{}", URL_SAFE_NO_PAD.encode(jwk))
    }

    #[test]
    fn a_malformed_secret_is_refused_without_being_quoted() {
        let ec = r#"{"kty":"EC","crv":"P-256","x":"canary","d":"canary"}"#;
        let short = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","d":"AAAA"}}"#);
        let public_only = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"}}"#);
        let by_position = format!(r#"["OKP","Ed25519","{X}","{D}",null]"#);
        let other = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","d":"{X}"}}"#);
        for (text, error) in [
            (String::new(), ClientSecretError::Shape),
            ("secret-token:canary:v1".to_owned(), ClientSecretError::Shape),
            ("secret-token:conductorone.com:v2:canary".to_owned(), ClientSecretError::Version),
            ("secret-token:conductorone.com:v1:canary==".to_owned(), ClientSecretError::Encoding),
            (secret("canary"), ClientSecretError::Key),
            (secret(r#"{"kty":"canary"}"#), ClientSecretError::Key),
            (secret(ec), ClientSecretError::Algorithm),
            (secret(&short), ClientSecretError::Key),
            (secret(&public_only), ClientSecretError::Key),
            (secret(&by_position), ClientSecretError::Key),
            (secret(&other), ClientSecretError::Mismatch),
        ] {
            let found = text.parse::<ClientSecret>().unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(found.to_string().starts_with("invalid client secret"));
            assert!(!format!("{found} {found:?}").contains("canary"));
        }
    }

    #[test]
    fn a_secret_gives_out_its_key_only_when_asked() {
        let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","d":"{D}","kid":"key-1"}}"#);
        let parsed: ClientSecret = secret(&jwk).parse().unwrap();
        assert_eq!(format!("{parsed:?}"), "ClientSecret([redacted])");
        let key = parsed.expose();
        assert_eq!(URL_SAFE_NO_PAD.encode(key.seed), D);
        assert_eq!(URL_SAFE_NO_PAD.encode(key.public_key), X);
        assert_eq!(key.key_id, Some("key-1"));
    }

    #[test]
    fn the_first_two_parts_are_not_checked_and_the_key_id_is_optional() {
        let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","d":"{D}"}}"#);
        let text = format!("::v1:{}", URL_SAFE_NO_PAD.encode(jwk));
        assert_eq!(text.parse::<ClientSecret>().unwrap().expose().key_id, None);
    }
}
