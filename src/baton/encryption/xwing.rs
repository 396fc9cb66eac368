//! Post-quantum recipients: a flattened JWE (RFC 7516) that HPKE (RFC 9180) encrypts as one message.
//!
//! The key is agreed by X-Wing, which stands while either ML-KEM-768 or X25519 does; HKDF-SHA256 derives from it, and
//! ChaCha20-Poly1305 encrypts. Nothing is signed: whoever knows the public key can make such a message.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem, OpModeS, Serializable as _, single_shot_seal};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{TRIAL, contained, low_order};
use crate::baton::v2::encryption_config::JwkPublicKeyConfig;
use crate::json;

/// The name of the whole combination, which the message authenticates.
const ALGORITHM: &str = "https://c1.ai/alg/hpke-xwing-hkdf-sha256-chacha20poly1305/v1";

/// Longest JWK, and longest data that is authenticated along, in bytes each.
const LONGEST_MEMBER: usize = 16 * 1024;
/// Longest id of a key, in bytes.
const LONGEST_KEY_ID: usize = 1024;
/// Longest header as JSON, in bytes: what an id needs escaped can outgrow its own length.
const LONGEST_HEADER: usize = 4096;
/// Longest plaintext, in bytes.
const LONGEST_PLAINTEXT: usize = 1024 * 1024;
/// Bytes of a public key of X25519, which stands behind that of ML-KEM.
const X25519: usize = 32;

/// A public key of X-Wing, with what goes along in each message.
pub(super) struct XWingKey {
    key: <XWing as Kem>::PublicKey,
    /// The header, in base64url.
    protected: String,
    /// The data that is authenticated along, in base64url.
    aad: String,
}

impl std::fmt::Debug for XWingKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("XWingKey")
    }
}

/// The members of the header, and no others.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
}

/// A flattened JWE of integrated encryption: the tag is inside the ciphertext, and there is no vector.
#[derive(Serialize)]
struct Message<'a> {
    protected: &'a str,
    encrypted_key: String,
    aad: &'a str,
    iv: &'a str,
    ciphertext: String,
    tag: &'a str,
}

impl XWingKey {
    /// Reads a key and tries it by an encryption.
    ///
    /// # Errors
    /// What is wrong with it, without repeating any of it.
    pub(super) fn parse(key_id: &str, config: &JwkPublicKeyConfig) -> Result<Self, String> {
        let (written, aad) = (&config.pub_key, &config.additional_authenticated_data);
        if key_id.is_empty() || key_id.len() > LONGEST_KEY_ID || key_id.trim() != key_id {
            return Err(format!("its key_id is not 1 to {LONGEST_KEY_ID} bytes without blanks around them"));
        }
        let header = serde_json::to_vec(&Header { alg: ALGORITHM, kid: key_id });
        let header = header.map_err(|_| "its key_id cannot be written as JSON".to_owned())?;
        if header.len() > LONGEST_HEADER {
            return Err(format!("its key_id makes a header of more than {LONGEST_HEADER} bytes"));
        }
        if written.len() > LONGEST_MEMBER || aad.len() > LONGEST_MEMBER {
            return Err(format!("the JWK or its additional data is longer than {LONGEST_MEMBER} bytes"));
        }
        let jwk = json::read_distinct(written).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("the public key is no JWK, or has a member twice (line {line}, column {column})")
        })?;
        let key = Self { key: public_key(&jwk, key_id)?, protected: encode(&header), aad: encode(aad) };
        key.encrypt(TRIAL)?;
        Ok(key)
    }

    /// The message for `plaintext`, as JSON.
    pub(super) fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, String> {
        if plaintext.len() > LONGEST_PLAINTEXT {
            return Err(format!("the secret is longer than {LONGEST_PLAINTEXT} bytes"));
        }
        let authenticated = format!("{}.{}", self.protected, self.aad);
        let (encapsulated, ciphertext) = contained(|| {
            single_shot_seal::<ChaCha20Poly1305, HkdfSha256, XWing>(
                &OpModeS::Base,
                &self.key,
                b"",
                plaintext,
                authenticated.as_bytes(),
            )
            .map_err(|_| "the secret cannot be encrypted".to_owned())
        })?;
        let message = Message {
            protected: &self.protected,
            encrypted_key: encode(&encapsulated.to_bytes()),
            aad: &self.aad,
            iv: "",
            ciphertext: encode(&ciphertext),
            tag: "",
        };
        serde_json::to_vec(&message).map_err(|_| "the message cannot be written".to_owned())
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The key in a JWK whose members fit this use of it; what else stands in it is passed over.
fn public_key(jwk: &Map<String, Value>, key_id: &str) -> Result<<XWing as Kem>::PublicKey, String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if ["priv", "d", "k"].iter().any(|name| jwk.contains_key(*name)) {
        return Err("the JWK holds a private key".to_owned());
    }
    if text("kty") != Some("AKP") || text("alg") != Some(ALGORITHM) {
        return Err("the JWK is of another kind than AKP with the algorithm of X-Wing".to_owned());
    }
    let differs = |name: &str, wanted: &Value| jwk.get(name).is_some_and(|found| found != wanted);
    if differs("kid", &key_id.into()) {
        return Err("the kid of the JWK is another one than the key_id".to_owned());
    }
    if differs("use", &"enc".into()) || differs("key_ops", &Value::from(vec!["encrypt"])) {
        return Err("the JWK is not meant to encrypt for".to_owned());
    }
    let bytes = text("pub").and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
    let bytes = bytes.ok_or_else(|| "the member pub of the JWK is missing, or no base64url".to_owned())?;
    let key = contained(|| {
        <XWing as Kem>::PublicKey::from_bytes(&bytes)
            .map_err(|_| format!("the member pub of the JWK, of {} bytes, is no key of X-Wing", bytes.len()))
    })?;
    let point = bytes.len().checked_sub(X25519).and_then(|at| bytes.get(at..)).unwrap_or_default();
    if low_order::is_of_x25519(point) {
        return Err("the JWK has a point of low order: half of its protection is none".to_owned());
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
