//! The client id and client secret that a connector is given.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

/// One registered connector: its id, its secret, and the public half by which assertions are checked.
pub(super) struct Credential {
    /// `<name>@<host>:<port>/pcc`.
    pub(super) client_id: String,
    /// The host of the client id without its port: the audience of assertions.
    pub(super) audience: String,
    pub(super) port: u16,
    /// `secret-token:conductorone.com:v1:<base64url of a private Ed25519 JWK>`.
    pub(super) client_secret: String,
    /// The private scalar as it stands in the key, base64url.
    pub(super) private: String,
    pub(super) public_key: Vec<u8>,
    pub(super) kid: Option<String>,
}

impl Credential {
    /// Makes a key pair and names it for `name` at `host:port`.
    pub(super) fn generate(name: &str, host: &str, port: u16, kid: Option<String>) -> io::Result<Self> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed);
        let pair = pair.map_err(|rejected| io::Error::other(rejected.to_string()))?;
        let public_key = pair.public_key().as_ref().to_vec();
        let private = URL_SAFE_NO_PAD.encode(seed);
        let mut key = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": URL_SAFE_NO_PAD.encode(&public_key),
            "d": private,
        });
        if let (Some(kid), Some(members)) = (&kid, key.as_object_mut()) {
            members.insert("kid".to_owned(), json!(kid));
        }
        Ok(Self {
            client_id: format!("{name}@{host}:{port}/pcc"),
            audience: host.to_owned(),
            port,
            client_secret: format!(
                "secret-token:conductorone.com:v1:{}",
                URL_SAFE_NO_PAD.encode(key.to_string())
            ),
            private,
            public_key,
            kid,
        })
    }
}
