//! Public keys as JSON Web Keys (RFC 7517), with their thumbprint (RFC 7638).

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;

use super::jwe::{Curve, Point};
use super::{TRIAL, contained, key_id, low_order};
use crate::json;

/// Longest JWK that is read, in bytes: an RSA key of 4,096 bits has fewer than 1,000.
const LONGEST: usize = 16 * 1024;

/// A public key that can be encrypted for.
pub(super) enum PublicKey {
    /// An Ed25519 or RSA key, to which age encrypts as to the key of SSH that it also is.
    Ssh(age::ssh::Recipient),
    /// A point on an elliptic curve, for a JWE.
    Ec(Point),
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PublicKey")
    }
}

#[derive(Deserialize)]
struct Members {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    kid: Option<String>,
}

impl PublicKey {
    /// Reads a JWK and tries the key; gives it and the hex SHA-256 of its thumbprint's text. Private members are ignored.
    pub(super) fn parse(json: &[u8]) -> Result<(Self, String), String> {
        let (key, id) = Self::read(json)?;
        key.encrypt(TRIAL)?;
        Ok((key, id))
    }

    fn read(written: &[u8]) -> Result<(Self, String), String> {
        if written.len() > LONGEST {
            return Err(format!("the JWK is longer than {LONGEST} bytes"));
        }
        let jwk: Members = json::read(written).map_err(|error| {
            format!("the public key is no JWK (line {}, column {})", error.line(), error.column())
        })?;
        match (jwk.kty.as_str(), jwk.crv.as_str()) {
            ("OKP", "Ed25519") => {
                let key = exactly(&jwk.x, "x", 32)?;
                if low_order::is_of_ed25519(&key) {
                    return Err(
                        "the JWK is a point of low order: everybody could read what is encrypted for it"
                            .to_owned(),
                    );
                }
                let id = json!({"crv": jwk.crv, "kty": jwk.kty, "x": jwk.x});
                Ok((Self::Ssh(ssh("ssh-ed25519", &[&key])?), key_id(&id.to_string())))
            }
            ("RSA", _) => {
                let (exponent, modulus) = (number(&jwk.e, "e")?, number(&jwk.n, "n")?);
                if is_even(&exponent) || exponent == [1] || is_even(&modulus) {
                    return Err(
                        "the JWK is no RSA key: its exponent is even or 1, or its modulus is even".to_owned()
                    );
                }
                let id = json!({"e": jwk.e, "kty": jwk.kty, "n": jwk.n});
                Ok((Self::Ssh(ssh("ssh-rsa", &[&exponent, &modulus])?), key_id(&id.to_string())))
            }
            ("EC", name) => {
                let curve = Curve::named(name).ok_or_else(|| {
                    let name: String = name.chars().take(32).collect();
                    format!("the curve {name:?} of the JWK is not served: P-256 and P-384 are")
                })?;
                let x = exactly(&jwk.x, "x", curve.bytes())?;
                let y = exactly(&jwk.y, "y", curve.bytes())?;
                let point = Point::new(curve, &x, &y, jwk.kid)?;
                let id = json!({"crv": jwk.crv, "kty": jwk.kty, "x": jwk.x, "y": jwk.y});
                Ok((Self::Ec(point), key_id(&id.to_string())))
            }
            (kind, _) => {
                let kind: String = kind.chars().take(32).collect();
                Err(format!("keys of type {kind:?} are not served: Ed25519, RSA and EC are"))
            }
        }
    }

    /// An age file, or the text of a JWE.
    pub(super) fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Ssh(recipient) => {
                contained(|| age::encrypt(recipient, plaintext).map_err(|error| error.to_string()))
            }
            Self::Ec(point) => point.encrypt(plaintext).map(String::into_bytes),
        }
    }
}

/// The recipient of age that is this key in the writing of SSH: texts with their length before them.
fn ssh(kind: &str, parts: &[&[u8]]) -> Result<age::ssh::Recipient, String> {
    let mut wire = Vec::new();
    for part in std::iter::once(&kind.as_bytes()).chain(parts) {
        let length = u32::try_from(part.len()).map_err(|_| "the key is too long".to_owned())?;
        wire.extend_from_slice(&length.to_be_bytes());
        wire.extend_from_slice(part);
    }
    let text = format!("{kind} {}", BASE64_STANDARD.encode(wire));
    text.parse().map_err(|error| match error {
        age::ssh::ParseRecipientKeyError::RsaModulusTooSmall => {
            "the RSA key has fewer than 2048 bits".to_owned()
        }
        age::ssh::ParseRecipientKeyError::RsaModulusTooLarge => {
            "the RSA key has more than 4096 bits".to_owned()
        }
        _ => format!("the key is no valid {kind} key"),
    })
}

/// A positive number as SSH writes it: without leading zeros, but with one where the first bit is set.
fn number(text: &str, member: &str) -> Result<Vec<u8>, String> {
    let bytes = bytes(text, member)?;
    let digits: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    match digits.first() {
        None => Err(format!("the member {member} of the JWK is missing or zero")),
        Some(first) if *first >= 0x80 => Ok(std::iter::once(0).chain(digits).collect()),
        Some(_) => Ok(digits),
    }
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|last| last % 2 == 0)
}

fn exactly(text: &str, member: &str, length: usize) -> Result<Vec<u8>, String> {
    let bytes = bytes(text, member)?;
    if bytes.len() != length {
        return Err(format!("the member {member} of the JWK has {} bytes, not {length}", bytes.len()));
    }
    Ok(bytes)
}

fn bytes(text: &str, member: &str) -> Result<Vec<u8>, String> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("the member {member} of the JWK is no base64url"))
}
