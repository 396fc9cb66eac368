//! Secrets on their way to the control plane: encrypted for every recipient that a request names, never in the clear.
//!
//! A configuration is read, and its key tried by a real encryption, by [`Recipients::parse`], before anything is made;
//! what is made then can be encrypted. Three providers: `baton/age/v1` takes an age recipient, `baton/jwk/v1` a public
//! key as a JWK, and `baton/jwe/v1` a post-quantum one, which is never taken for another.

mod jwe;
mod jwk;
mod low_order;
mod own;
mod xwing;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bech32::FromBase32 as _;
use prost::Message as _;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};

use self::jwk::PublicKey;
pub use self::own::OwnKey;
use self::xwing::XWingKey;
use super::v2::encryption_config::Config;
use super::v2::{EncryptedData, EncryptionConfig};

const AGE: &str = "baton/age/v1";
const JWK: &str = "baton/jwk/v1";
const JWE: &str = "baton/jwe/v1";
/// Another name of [`JWK`] in requests.
const JWK_PRIVATE: &str = "baton/jwk/v1/private";
/// Recipients that are served at most.
const MOST: usize = 64;
/// Values that a credential has at most.
const MOST_VALUES: usize = 2;
/// Room for one value as it is encrypted, in bytes: the JSON of a session with a token of 4 KiB, in base64 twice.
const LONGEST_VALUE: usize = 10 * 1024;
/// Room for what is encrypted in one answer, in bytes. A report is of 1 MiB at most, and tells other things, too.
const LARGEST_ANSWER: usize = 960 * 1024;
/// What is encrypted to try a key.
const TRIAL: &[u8] = b"trial";
/// What the text of a post-quantum age recipient begins with. The last letter tells: of X25519 ones, one in 1,024 begins
/// with the rest, and none has a second `1`.
const POST_QUANTUM: &str = "age1pq1";

/// A secret as it was made, with the names that the control plane shows.
#[derive(Debug)]
pub struct Plaintext {
    /// What it is, for example `password`.
    pub name: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// The JSON schema of the secret; empty where it is no JSON.
    pub schema: &'static str,
    /// The secret; wiped when it is dropped.
    pub secret: SecretString,
}

/// Why a configuration cannot be encrypted for. The text repeats nothing of the key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EncryptionError {
    /// There is nobody to encrypt for.
    #[error("no encryption configuration is given: the secret could reach nobody")]
    Nobody,
    /// A provider that is not known.
    #[error(
        "encryption configuration {index}: unknown provider {provider:?}; known are baton/age/v1, baton/jwk/v1 and \
         baton/jwe/v1"
    )]
    Provider {
        /// Its place among the configurations, from 0.
        index: usize,
        /// The provider, shortened.
        provider: String,
    },
    /// A key that is missing, malformed, or of a kind that is not served.
    #[error("encryption configuration {index}: {fault}")]
    Key {
        /// Its place among the configurations, from 0.
        index: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// There are more than are served.
    #[error("{count} encryption configurations are given, and {MOST} are served at most")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// What is encrypted for them all might not fit into one answer, and then it would reach nobody.
    #[error(
        "the encryption configurations need up to {bytes} bytes of an answer, which has room for {LARGEST_ANSWER}: give \
         fewer, or less additional data"
    )]
    TooLarge {
        /// What they need, in bytes.
        bytes: usize,
    },
    /// A recipient of `baton/jwe/v1` is not the only one of a credential that is issued.
    #[error(
        "encryption configuration {index}: a recipient of baton/jwe/v1 is issued a credential alone, not with others"
    )]
    NotAlone {
        /// Its place among the configurations, from 0.
        index: usize,
    },
    /// The encryption itself failed.
    #[error("the secret cannot be encrypted for configuration {index}: {fault}")]
    Seal {
        /// Its place among the configurations, from 0.
        index: usize,
        /// What the library says.
        fault: String,
    },
}

/// Those for whom a secret is encrypted, at least one.
#[derive(Debug)]
pub struct Recipients(Vec<Recipient>);

#[derive(Debug)]
enum Recipient {
    Age { key: AgeRecipient, id: String },
    Jwk { key: PublicKey, id: String },
    Jwe { key: Box<XWingKey>, id: String },
}

/// An age recipient of the X25519 kind.
#[derive(Clone)]
pub struct AgeRecipient(age::x25519::Recipient);

impl std::fmt::Debug for AgeRecipient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AgeRecipient")
    }
}

impl FromStr for AgeRecipient {
    type Err = String;

    /// Reads exactly one native recipient, `age1…`, and tries it; the error says what else it is.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the age recipient is missing".to_owned());
        }
        if text.to_ascii_lowercase().starts_with(POST_QUANTUM) {
            return Err(
                "post-quantum age recipients (age1pq1…) are not served yet: give an X25519 one (age1…)"
                    .to_owned(),
            );
        }
        let key = text.parse().map_err(|fault| {
            format!("the age recipient is not exactly one X25519 recipient (age1…): {fault}")
        })?;
        let point = bech32::decode(text).and_then(|(_, data, _)| Vec::<u8>::from_base32(&data));
        if !point.is_ok_and(|point| !low_order::is_of_x25519(&point)) {
            return Err(
                "the age recipient is a point of low order: everybody could read what is encrypted for it"
                    .to_owned(),
            );
        }
        let recipient = Self(key);
        recipient.encrypt(TRIAL)?;
        Ok(recipient)
    }
}

impl AgeRecipient {
    /// A binary age file of `plaintext`.
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, String> {
        contained(|| age::encrypt(&self.0, plaintext).map_err(|error| error.to_string()))
    }
}

/// The outcome of an encryption by a library, which may panic over a key that it took.
fn contained<T>(encrypt: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let panicked = |_| Err("the library that encrypts cannot use this key".to_owned());
    catch_unwind(AssertUnwindSafe(encrypt)).unwrap_or_else(panicked)
}

/// The id that the protocol gives a key: the SHA-256 of its text, in hex.
pub fn key_id(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write as _;
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Recipients {
    /// Reads all configurations of a request, and tries each key; one that cannot be served refuses them all.
    ///
    /// Source: message `EncryptionConfig`.
    pub fn parse(configs: &[EncryptionConfig]) -> Result<Self, EncryptionError> {
        if configs.is_empty() {
            return Err(EncryptionError::Nobody);
        }
        let count = configs.len();
        if count > MOST {
            return Err(EncryptionError::TooMany { count });
        }
        let parse = |(index, config)| Recipient::parse(index, config);
        let recipients: Self = configs.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        let bytes = recipients.room()?;
        if bytes > LARGEST_ANSWER {
            return Err(EncryptionError::TooLarge { bytes });
        }
        Ok(recipients)
    }

    /// The most that an answer for them all needs, in bytes, told by what stands around a secret that is empty.
    fn room(&self) -> Result<usize, EncryptionError> {
        let empty = Plaintext { name: "", description: "", schema: "", secret: SecretString::default() };
        let around = self.seal(&empty)?.iter().map(EncryptedData::encoded_len).sum::<usize>();
        Ok(MOST_VALUES * (around + self.0.len() * LONGEST_VALUE))
    }

    /// Refuses recipients that may not have an issued credential together.
    pub fn check_for_issuing(&self) -> Result<(), EncryptionError> {
        match self.0.iter().position(Recipient::takes_one_value) {
            Some(index) if self.0.len() > 1 => Err(EncryptionError::NotAlone { index }),
            _ => Ok(()),
        }
    }

    /// A credential of several values, encrypted for each recipient: value by value, and for recipients of
    /// `baton/jwe/v1`, which take one, as the one that `whole` makes of them.
    pub fn seal_parts(
        &self,
        parts: &[Plaintext],
        whole: impl FnOnce() -> Option<Plaintext>,
    ) -> Result<Vec<EncryptedData>, EncryptionError> {
        let mut sealed = Vec::new();
        for part in parts {
            sealed.extend(self.seal_for(|recipient| !recipient.takes_one_value(), part)?);
        }
        if let Some(index) = self.0.iter().position(Recipient::takes_one_value) {
            let fault = "its values cannot be written as one".to_owned();
            let whole = whole().ok_or(EncryptionError::Seal { index, fault })?;
            sealed.extend(self.seal_for(Recipient::takes_one_value, &whole)?);
        }
        Ok(sealed)
    }

    /// `plaintext`, encrypted for each recipient, in their order.
    ///
    /// Source: message `EncryptedData`.
    pub fn seal(&self, plaintext: &Plaintext) -> Result<Vec<EncryptedData>, EncryptionError> {
        self.seal_for(|_| true, plaintext)
    }

    fn seal_for(
        &self,
        wanted: impl Fn(&Recipient) -> bool,
        plaintext: &Plaintext,
    ) -> Result<Vec<EncryptedData>, EncryptionError> {
        let sealed = |(index, recipient): (usize, &Recipient)| {
            let bytes = plaintext.secret.expose_secret().as_bytes();
            recipient.seal(bytes, plaintext).map_err(|fault| EncryptionError::Seal { index, fault })
        };
        self.0.iter().enumerate().filter(|(_, recipient)| wanted(recipient)).map(sealed).collect()
    }
}

impl FromIterator<Recipient> for Recipients {
    fn from_iter<I: IntoIterator<Item = Recipient>>(recipients: I) -> Self {
        Self(recipients.into_iter().collect())
    }
}

impl Recipient {
    fn parse(index: usize, config: &EncryptionConfig) -> Result<Self, EncryptionError> {
        let fault = |fault: String| EncryptionError::Key { index, fault };
        let provider = match (config.provider.trim().to_ascii_lowercase().as_str(), &config.config) {
            ("", Some(Config::AgeRecipientConfig(_))) | (AGE, _) => AGE,
            ("", Some(Config::JwkPublicKeyConfig(_))) | (JWK | JWK_PRIVATE, _) => JWK,
            (JWE, _) => JWE,
            ("", None) => return Err(fault("it names neither a provider nor a key".to_owned())),
            (other, _) => {
                let provider = other.chars().take(64).collect();
                return Err(EncryptionError::Provider { index, provider });
            }
        };
        match &config.config {
            Some(Config::AgeRecipientConfig(age)) if provider == AGE => {
                let key = age.recipient.parse().map_err(fault)?;
                Ok(Self::Age { key, id: key_id(&age.recipient) })
            }
            Some(Config::JwkPublicKeyConfig(jwk)) if provider == JWE => {
                let key = XWingKey::parse(&config.key_id, jwk).map_err(fault)?;
                Ok(Self::Jwe { key: Box::new(key), id: config.key_id.clone() })
            }
            Some(Config::JwkPublicKeyConfig(jwk)) if provider == JWK => {
                if !jwk.additional_authenticated_data.is_empty() {
                    return Err(fault("only baton/jwe/v1 authenticates additional data".to_owned()));
                }
                let (key, id) = PublicKey::parse(&jwk.pub_key).map_err(fault)?;
                Ok(Self::Jwk { key, id })
            }
            _ => Err(fault(format!("its key is missing, or is not one for the provider {provider}"))),
        }
    }

    /// Whether it reads a credential as one value.
    fn takes_one_value(&self) -> bool {
        matches!(self, Self::Jwe { .. })
    }

    fn seal(&self, bytes: &[u8], plaintext: &Plaintext) -> Result<EncryptedData, String> {
        let sealed = EncryptedData {
            name: plaintext.name.to_owned(),
            description: plaintext.description.to_owned(),
            schema: plaintext.schema.to_owned(),
            ..EncryptedData::default()
        };
        match self {
            Self::Age { key, id } => Ok(EncryptedData {
                provider: AGE.to_owned(),
                key_ids: vec![id.clone()],
                encrypted_bytes: key.encrypt(bytes)?,
                ..sealed
            }),
            Self::Jwe { key, id } => Ok(EncryptedData {
                provider: JWE.to_owned(),
                key_ids: vec![id.clone()],
                encrypted_bytes: key.encrypt(bytes)?,
                ..sealed
            }),
            // The protocol has its ciphertext as base64 text, and its id twice: the older field is still read.
            Self::Jwk { key, id } => Ok(EncryptedData {
                provider: JWK.to_owned(),
                key_ids: vec![id.clone()],
                key_id: id.clone(),
                encrypted_bytes: BASE64_STANDARD.encode(key.encrypt(bytes)?).into_bytes(),
                ..sealed
            }),
        }
    }
}

#[cfg(test)]
mod tests;
