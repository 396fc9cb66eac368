use std::collections::BTreeSet;

use hpke::{OpModeR, single_shot_open};
use serde_json::json;

use super::*;
use crate::baton::encryption::tests::{LOW_ORDER, unhex};
use crate::baton::encryption::{EncryptionError, OwnKey, Plaintext, Recipients};
use crate::baton::v2::encryption_config::Config;
use crate::baton::v2::{EncryptedData, EncryptionConfig};

const KEY_ID: &str = "recipient-1";

fn private_key() -> <XWing as Kem>::PrivateKey {
    let seed: Vec<u8> = (0..32).collect();
    <XWing as Kem>::PrivateKey::from_bytes(&seed).unwrap()
}

fn public_bytes() -> Vec<u8> {
    XWing::sk_to_pk(&private_key()).to_bytes().to_vec()
}

fn jwk() -> Value {
    json!({"kty": "AKP", "alg": ALGORITHM, "pub": encode(&public_bytes())})
}

fn config(jwk: &str, aad: &[u8]) -> JwkPublicKeyConfig {
    JwkPublicKeyConfig { pub_key: jwk.as_bytes().to_vec(), additional_authenticated_data: aad.to_vec() }
}

fn with(member: &str, value: impl Into<Value>) -> String {
    let mut jwk = jwk();
    jwk[member] = value.into();
    jwk.to_string()
}

fn decode(message: &Value, member: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(message[member].as_str().unwrap()).unwrap()
}

/// What the holder of the private key reads; `None` where the message was changed.
fn opened(message: &Value) -> Option<Vec<u8>> {
    let key = <XWing as Kem>::EncappedKey::from_bytes(&decode(message, "encrypted_key")).ok()?;
    let part = |member: &str| message[member].as_str().unwrap().to_owned();
    let authenticated = format!("{}.{}", part("protected"), part("aad"));
    single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &private_key(),
        &key,
        b"",
        &decode(message, "ciphertext"),
        authenticated.as_bytes(),
    )
    .ok()
}

fn request(jwk: &str) -> EncryptionConfig {
    EncryptionConfig {
        provider: "baton/jwe/v1".into(),
        key_id: KEY_ID.into(),
        config: Some(Config::JwkPublicKeyConfig(config(jwk, b"tenant=1"))),
        ..EncryptionConfig::default()
    }
}

fn secret(name: &'static str) -> Plaintext {
    Plaintext { name, description: "d", schema: "", secret: "correct horse".into() }
}

#[test]
fn the_holder_of_the_key_reads_what_was_encrypted_and_each_message_is_new() {
    let key = XWingKey::parse(KEY_ID, &config(&jwk().to_string(), b"tenant=1")).unwrap();
    let [one, other] = [(); 2].map(|()| {
        let message: Value = serde_json::from_slice(&key.encrypt(b"correct horse").unwrap()).unwrap();
        message
    });
    assert_ne!(one["encrypted_key"], other["encrypted_key"]);
    for message in [one, other] {
        assert_eq!(opened(&message).unwrap(), b"correct horse");
        let names: BTreeSet<&str> = message.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            ["aad", "ciphertext", "encrypted_key", "iv", "protected", "tag"]
        );
        assert_eq!((&message["iv"], &message["tag"]), (&"".into(), &"".into()));
        assert_eq!(decode(&message, "encrypted_key").len(), 1120);
        assert_eq!(decode(&message, "ciphertext").len(), b"correct horse".len() + 16);
        assert_eq!(decode(&message, "aad"), b"tenant=1");
        let header: Value = serde_json::from_slice(&decode(&message, "protected")).unwrap();
        assert_eq!(header, json!({"alg": ALGORITHM, "kid": KEY_ID}));

        for (member, value) in [("protected", encode(b"{}")), ("aad", encode(b"tenant=2"))] {
            let mut changed = message.clone();
            changed[member] = value.into();
            assert!(opened(&changed).is_none(), "{member} is not authenticated");
        }
    }
    let without = XWingKey::parse(KEY_ID, &config(&jwk().to_string(), b"")).unwrap();
    let message: Value = serde_json::from_slice(&without.encrypt(b"").unwrap()).unwrap();
    assert_eq!((&message["aad"], opened(&message).unwrap()), (&"".into(), Vec::new()));
}

#[test]
fn what_is_no_public_key_of_x_wing_for_encryption_is_refused_and_not_repeated() {
    let pairs = |text: &str| jwk().to_string().replacen('{', &format!("{{{text},"), 1);
    let padded = format!("{}=", encode(&public_bytes()));
    let shorter = encode(&public_bytes()[1..]);
    // Coefficients of ML-KEM are below 3329, and twelve bits hold more.
    let beyond = encode(&[&[0xff; 1184], &public_bytes()[1184..]].concat());
    let open: Value = serde_json::from_str(&with("kid", KEY_ID)).unwrap();
    for fine in
        [open.to_string(), with("use", "enc"), with("key_ops", vec!["encrypt"]), with("x5c", "passed over")]
    {
        assert!(XWingKey::parse(KEY_ID, &config(&fine, b"")).is_ok(), "{fine}");
    }
    for (jwk, word) in [
        (String::new(), "no JWK"),
        ("[]".into(), "no JWK"),
        (format!("{} {{}}", jwk()), "no JWK"),
        (pairs(r#""kty":"AKP""#), "twice"),
        (pairs(r#""x":1,"x":1"#), "twice"),
        (with("kty", "OKP"), "another kind"),
        (
            with("alg", "https://conductorone.com/alg/hpke-xwing-hkdf-sha256-chacha20poly1305/v1"),
            "another kind",
        ),
        (with("alg", Value::Null), "another kind"),
        (with("priv", "canary"), "private key"),
        (with("d", Value::Null), "private key"),
        (with("k", "canary"), "private key"),
        (with("kid", "another"), "kid"),
        (with("kid", Value::Null), "kid"),
        (with("use", "sig"), "not meant"),
        (with("key_ops", vec!["encrypt", "decrypt"]), "not meant"),
        (with("key_ops", "encrypt"), "not meant"),
        (with("pub", padded), "no base64url"),
        (with("pub", Value::Null), "no base64url"),
        (with("pub", shorter), "1215 bytes"),
        (with("pub", ""), "0 bytes"),
        (with("pub", beyond), "no key of X-Wing"),
        (with("filler", "x".repeat(16 * 1024)), "longer than"),
    ] {
        let fault = XWingKey::parse(KEY_ID, &config(&jwk, b"")).unwrap_err();
        assert!(fault.contains(word) && !fault.contains("canary"), "{fault} lacks {word}");
    }
}

#[test]
fn a_point_of_low_order_in_it_is_refused() {
    for point in LOW_ORDER {
        let key = encode(&[&public_bytes()[..1184], &unhex(point)].concat());
        let fault = XWingKey::parse(KEY_ID, &config(&with("pub", key), b"")).unwrap_err();
        assert!(fault.contains("low order"), "{point}: {fault}");
    }
}

#[test]
fn ids_data_and_secrets_out_of_bounds_are_refused() {
    let jwk = jwk().to_string();
    let parse = |id: &str, aad: &[u8]| XWingKey::parse(id, &config(&jwk, aad));
    for id in ["", " a", "a\n", &"x".repeat(1025)] {
        assert!(parse(id, b"").unwrap_err().contains("key_id"), "{id:?}");
    }
    assert!(parse(&"x".repeat(1024), &vec![0; 16 * 1024]).is_ok());
    assert!(parse("a", &vec![0; 16 * 1024 + 1]).unwrap_err().contains("additional data"));
    // Each is written as six letters.
    assert!(parse(&"\u{1}".repeat(1024), b"").unwrap_err().contains("header"));
    let key = parse("a", b"").unwrap();
    assert!(key.encrypt(&vec![0; 1024 * 1024]).is_ok());
    assert!(key.encrypt(&vec![0; 1024 * 1024 + 1]).unwrap_err().contains("longer"));
}

#[test]
fn the_provider_is_never_taken_from_the_key_and_others_authenticate_no_data() {
    let faulty = |config: EncryptionConfig| Recipients::parse(&[config]).unwrap_err().to_string();
    let written = jwk().to_string();
    assert!(Recipients::parse(&[request(&written)]).is_ok());
    let unnamed = EncryptionConfig { provider: String::new(), ..request(&written) };
    assert!(faulty(unnamed).contains("additional data"));
    let other = EncryptionConfig { provider: "baton/jwk/v1".into(), ..request(&written) };
    assert!(faulty(other).contains("additional data"));
    let mut plain = request(&written);
    plain.provider.clear();
    plain.config = Some(Config::JwkPublicKeyConfig(config(&written, b"")));
    assert!(faulty(plain).contains("\"AKP\""));
    let keyless = EncryptionConfig { config: None, ..request(&written) };
    assert!(faulty(keyless).contains("baton/jwe/v1"));
    let of_age = EncryptionConfig { provider: "baton/jwe/v1".into(), ..OwnKey::generate().config() };
    assert!(faulty(of_age).contains("not one for the provider baton/jwe/v1"));
}

#[test]
fn an_issued_credential_is_for_one_such_recipient_alone() {
    let (jwe, age) = (request(&jwk().to_string()), OwnKey::generate().config());
    let check = |configs: &[EncryptionConfig]| Recipients::parse(configs).unwrap().check_for_issuing();
    assert_eq!(check(std::slice::from_ref(&jwe)), Ok(()));
    assert_eq!(check(&[age.clone(), age.clone()]), Ok(()));
    assert_eq!(check(&[age.clone(), jwe.clone()]), Err(EncryptionError::NotAlone { index: 1 }));
    assert_eq!(check(&[jwe.clone(), jwe]), Err(EncryptionError::NotAlone { index: 0 }));
}

#[test]
fn such_a_recipient_reads_the_values_of_a_credential_as_one() {
    let (jwe, own) = (request(&jwk().to_string()), OwnKey::generate());
    let parts = [secret("one"), secret("two")];
    let sealed = |configs: &[EncryptionConfig]| {
        Recipients::parse(configs).unwrap().seal_parts(&parts, || Some(secret("whole"))).unwrap()
    };
    let names = |sealed: Vec<EncryptedData>| -> Vec<(String, String)> {
        sealed.into_iter().map(|data| (data.provider, data.name)).collect()
    };
    let pair = |provider: &str, name: &str| (provider.to_owned(), name.to_owned());
    let age = [pair("baton/age/v1", "one"), pair("baton/age/v1", "two")];
    let whole = pair("baton/jwe/v1", "whole");
    assert_eq!(names(sealed(&[own.config()])), age);
    assert_eq!(names(sealed(std::slice::from_ref(&jwe))), std::slice::from_ref(&whole));
    assert_eq!(names(sealed(&[jwe.clone(), own.config()])), [&age[..], &[whole]].concat());
    let [data] = <[_; 1]>::try_from(sealed(&[jwe])).unwrap();
    assert_eq!((data.key_ids.as_slice(), data.key_id.as_str()), (&[KEY_ID.to_owned()][..], ""));
    let message: Value = serde_json::from_slice(&data.encrypted_bytes).unwrap();
    assert_eq!(opened(&message).unwrap(), b"correct horse");
}
