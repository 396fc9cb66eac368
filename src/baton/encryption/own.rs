//! A recipient that is this process itself, for an answer that is read where it is made.

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::baton::v2::encryption_config::{AgeRecipientConfig, Config};
use crate::baton::v2::{EncryptedData, EncryptionConfig};

/// A key that was made for one answer and never leaves the process. `Debug` shows nothing of it.
pub struct OwnKey(age::x25519::Identity);

impl std::fmt::Debug for OwnKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OwnKey")
    }
}

impl OwnKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// The configuration that has secrets encrypted for it.
    pub fn config(&self) -> EncryptionConfig {
        let config = AgeRecipientConfig { recipient: self.0.to_public().to_string() };
        EncryptionConfig { config: Some(Config::AgeRecipientConfig(config)), ..EncryptionConfig::default() }
    }

    /// What was encrypted for it; `None` for anything else, and for what is no text.
    pub fn open(&self, data: &EncryptedData) -> Option<SecretString> {
        let opened = Zeroizing::new(age::decrypt(&self.0, &data.encrypted_bytes).ok()?);
        std::str::from_utf8(&opened).ok().map(SecretString::from)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::baton::encryption::{Plaintext, Recipients};

    #[test]
    fn what_is_sealed_for_an_own_key_is_opened_by_it_alone() {
        let key = OwnKey::generate();
        let plaintext = Plaintext { name: "n", description: "d", schema: "{}", secret: "canary".into() };
        let sealed = Recipients::parse(&[key.config()]).unwrap().seal(&plaintext).unwrap();
        let [data] = sealed.try_into().unwrap();
        assert_eq!((data.name.as_str(), data.schema.as_str()), ("n", "{}"));
        assert_eq!(key.open(&data).unwrap().expose_secret(), "canary");
        assert!(OwnKey::generate().open(&data).is_none());
        assert!(key.open(&EncryptedData::default()).is_none());
    }

    #[test]
    fn an_own_key_shows_in_no_debug() {
        assert_eq!(format!("{:?}", OwnKey::generate()), "OwnKey");
    }
}
