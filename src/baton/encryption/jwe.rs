//! JSON Web Encryption in its compact form (RFC 7516), for a key on an elliptic curve: algorithm ECDH-ES, content
//! under A256GCM (RFC 7518, sections 4.6 and 5.3).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::agreement::{self, ECDH_P256, ECDH_P384, EphemeralPrivateKey, UnparsedPublicKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use zeroize::Zeroizing;

const CONTENT: &str = "A256GCM";
/// Of the key of [`CONTENT`].
const KEY_BITS: u32 = 256;

/// A curve of NIST.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl Curve {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "P-256" => Some(Self::P256),
            "P-384" => Some(Self::P384),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }

    /// The length of a coordinate.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &ECDH_P256,
            Self::P384 => &ECDH_P384,
        }
    }
}

/// A public key on a curve.
pub(super) struct Point {
    curve: Curve,
    /// Uncompressed, as SEC 1 has it: 4, x, y.
    sec1: Vec<u8>,
    kid: Option<String>,
}

impl Point {
    /// Refuses a point that is not on its curve.
    pub(super) fn new(curve: Curve, x: &[u8], y: &[u8], kid: Option<String>) -> Result<Self, String> {
        let sec1 = [&[4], x, y].concat();
        let point = Self { curve, sec1, kid };
        // The agreement is what checks it; its result is not used.
        point.agree(|_, _| ()).map(|()| point)
    }

    /// The compact JWE of `plaintext`.
    pub(super) fn encrypt(&self, plaintext: &[u8]) -> Result<String, String> {
        let (epk, key) = self.agree(|epk, shared| (epk.to_vec(), derive(shared)))?;
        let coordinates = epk.get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at_checked(self.curve.bytes()).unwrap_or_default();
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let mut header = json!({
            "alg": "ECDH-ES",
            "enc": CONTENT,
            "epk": {"kty": "EC", "crv": self.curve.name(), "x": encode(x), "y": encode(y)},
        });
        if let (Some(kid), Some(members)) = (&self.kid, header.as_object_mut()) {
            members.insert("kid".to_owned(), json!(kid));
        }
        let header = encode(header.to_string().as_bytes());
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| "no randomness can be had".to_owned())?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice())
            .map_err(|_| "the derived key is unfit".to_owned())?;
        let mut content = plaintext.to_vec();
        let tag = LessSafeKey::new(key)
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(header.as_bytes()),
                &mut content,
            )
            .map_err(|_| "the content is too long".to_owned())?;
        // The key is agreed directly: its own part is empty.
        Ok(format!("{header}..{}.{}.{}", encode(&nonce), encode(&content), encode(tag.as_ref())))
    }

    /// Agrees on a secret with a key made for this once, and hands out that key's public half and the secret.
    fn agree<T>(&self, with: impl FnOnce(&[u8], &[u8]) -> T) -> Result<T, String> {
        let random = SystemRandom::new();
        let own = EphemeralPrivateKey::generate(self.curve.agreement(), &random)
            .map_err(|_| "no key can be made".to_owned())?;
        let public = own.compute_public_key().map_err(|_| "no key can be made".to_owned())?;
        let theirs = UnparsedPublicKey::new(self.curve.agreement(), &self.sec1);
        agreement::agree_ephemeral(own, &theirs, |shared| with(public.as_ref(), shared))
            .map_err(|_| format!("the JWK is no point of the curve {}", self.curve.name()))
    }
}

/// The Concat KDF of NIST SP 800-56A as JWA uses it, one round of SHA-256, with neither party named.
fn derive(shared: &[u8]) -> Zeroizing<Vec<u8>> {
    let name = CONTENT.as_bytes();
    let round: u32 = 1;
    // The name is seven bytes; neither party has any.
    let (name_length, nobody) = (7_u32.to_be_bytes(), 0_u32.to_be_bytes());
    let input = Zeroizing::new(
        [&round.to_be_bytes(), shared, &name_length, name, &nobody, &nobody, &KEY_BITS.to_be_bytes()]
            .concat(),
    );
    Zeroizing::new(digest(&SHA256, &input).as_ref().to_vec())
}
