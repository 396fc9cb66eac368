//! Points of low order: what is agreed with one is the same for every key, and so is known to everybody.

use curve25519_dalek::edwards::CompressedEdwardsY;
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SystemRandom;

/// Whether nothing secret can be agreed with this public key of X25519.
pub(super) fn is_of_x25519(key: &[u8]) -> bool {
    let agreed = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new())
        .and_then(|own| agree_ephemeral(own, &UnparsedPublicKey::new(&X25519, key), |_| ()));
    agreed.is_err()
}

/// Whether nothing secret can be agreed with this public key of Ed25519. What is no point is left to who reads it.
pub(super) fn is_of_ed25519(key: &[u8]) -> bool {
    let point = CompressedEdwardsY::from_slice(key).ok().and_then(|point| point.decompress());
    point.is_some_and(|point| point.is_small_order())
}
