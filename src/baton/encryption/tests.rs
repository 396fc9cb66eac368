use super::super::v2::encryption_config::{AgeRecipientConfig, JwkPublicKeyConfig};
use super::*;

const SECRET: &str = "correct horse";
/// RFC 7518, appendix C: Bob's public key.
const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ","y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;
/// RFC 8037, appendix A, and the thumbprint that it gives there.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ED25519_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn jwk(json: &str) -> EncryptionConfig {
    let config = Config::JwkPublicKeyConfig(JwkPublicKeyConfig { pub_key: json.as_bytes().to_vec() });
    EncryptionConfig { config: Some(config), ..EncryptionConfig::default() }
}

fn age_config(recipient: &str) -> EncryptionConfig {
    let config = Config::AgeRecipientConfig(AgeRecipientConfig { recipient: recipient.to_owned() });
    EncryptionConfig { config: Some(config), ..EncryptionConfig::default() }
}

fn plaintext() -> Plaintext {
    Plaintext { name: "password", description: "Password", secret: SECRET.into() }
}

fn fault(config: EncryptionConfig) -> String {
    Recipients::parse(&[config]).unwrap_err().to_string()
}

#[test]
fn an_age_recipient_reads_what_was_encrypted_for_it() {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let sealed = Recipients::parse(&[age_config(&recipient)]).unwrap().seal(&plaintext()).unwrap();
    let [data] = sealed.try_into().unwrap();
    assert_eq!(age::decrypt(&identity, &data.encrypted_bytes).unwrap(), SECRET.as_bytes());
    assert_eq!((data.provider.as_str(), data.key_id.as_str()), ("baton/age/v1", ""));
    assert_eq!(data.key_ids, [key_id(&recipient)]);
    assert_eq!((data.name.as_str(), data.description.as_str()), ("password", "Password"));
}

#[test]
fn an_age_recipient_may_begin_like_a_post_quantum_one() {
    let recipient = "age1pqqyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpqwr4k7z";
    assert!(Recipients::parse(&[age_config(recipient)]).is_ok());
}

#[test]
fn the_id_of_a_jwk_is_its_thumbprint() {
    let sealed = Recipients::parse(&[jwk(ED25519)]).unwrap().seal(&plaintext()).unwrap();
    let [data] = sealed.try_into().unwrap();
    let expected = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(ED25519_THUMBPRINT).unwrap();
    let expected = hex(&expected);
    assert_eq!(
        (data.key_id.as_str(), data.key_ids.as_slice()),
        (expected.as_str(), [expected.clone()].as_slice())
    );
    let file = BASE64_STANDARD.decode(&data.encrypted_bytes).unwrap();
    assert!(file.starts_with(b"age-encryption.org/v1\n-> ssh-ed25519 "));
}

#[test]
fn an_elliptic_key_gets_a_compact_jwe_that_is_new_each_time() {
    let recipients = Recipients::parse(&[jwk(EC)]).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let [data] = recipients.seal(&plaintext()).unwrap().try_into().unwrap();
        let text = String::from_utf8(BASE64_STANDARD.decode(&data.encrypted_bytes).unwrap()).unwrap();
        let parts: Vec<&str> = text.split('.').collect();
        assert_eq!((parts.len(), parts[1]), (5, ""));
        let header = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(parts[0]).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!((&header["alg"], &header["enc"]), (&"ECDH-ES".into(), &"A256GCM".into()));
        assert_eq!(header["epk"]["crv"], "P-256");
        assert!(seen.insert(header["epk"]["x"].to_string()), "the key of an earlier message came again");
    }
}

#[test]
fn every_recipient_gets_its_own_in_their_order() {
    let one = age::x25519::Identity::generate().to_public().to_string();
    let sealed = Recipients::parse(&[jwk(EC), age_config(&one), jwk(ED25519)]).unwrap();
    let providers: Vec<String> =
        sealed.seal(&plaintext()).unwrap().into_iter().map(|data| data.provider).collect();
    assert_eq!(providers, ["baton/jwk/v1", "baton/age/v1", "baton/jwk/v1"]);
}

#[test]
fn a_provider_is_read_in_any_case_and_must_fit_its_key() {
    let one = age::x25519::Identity::generate().to_public().to_string();
    let with =
        |provider: &str, config: EncryptionConfig| EncryptionConfig { provider: provider.into(), ..config };
    for config in [
        with(" Baton/AGE/v1 ", age_config(&one)),
        with("baton/jwk/v1", jwk(EC)),
        with("baton/jwk/v1/private", jwk(EC)),
    ] {
        assert!(Recipients::parse(&[config]).is_ok());
    }
    assert!(fault(with("baton/age/v1", jwk(EC))).contains("not one for the provider baton/age/v1"));
    assert!(fault(with("baton/jwk/v1", age_config(&one))).contains("baton/jwk/v1"));
    assert!(fault(with("baton/pgp/v1", jwk(EC))).contains("unknown provider \"baton/pgp/v1\""));
    assert!(fault(EncryptionConfig::default()).contains("neither"));
    assert_eq!(Recipients::parse(&[]).unwrap_err(), EncryptionError::Nobody);
}

#[test]
fn a_key_that_cannot_be_used_is_refused_before_anything_is_made() {
    let short = format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}8"}}"#, "_".repeat(170));
    for (config, word) in [
        (age_config(""), "missing"),
        (age_config("age1pq1qqqq"), "post-quantum"),
        (age_config("ssh-ed25519 AAAA"), "X25519"),
        (age_config(" age1x"), "X25519"),
        (jwk("{"), "no JWK"),
        (jwk(r#"{"kty":"oct","k":"AA"}"#), "\"oct\""),
        (jwk(r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#), "P-521"),
        (jwk(&EC.replace("weNJ", "weNK")), "no point of the curve P-256"),
        (jwk(&EC.replace("weNJy2", "")), "x of the JWK"),
        (jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#), "3 bytes, not 32"),
        (jwk(r#"{"kty":"OKP","crv":"X25519","x":"AAAA"}"#), "\"OKP\""),
        (jwk(r#"{"kty":"RSA","e":"AQAB","n":""}"#), "n of the JWK"),
        (jwk(&short), "2048"),
        (jwk(&" ".repeat(20_000)), "longer than"),
    ] {
        let text = fault(config);
        assert!(
            text.starts_with("encryption configuration 0: ") && text.contains(word),
            "{text} lacks {word}"
        );
    }
}

#[test]
fn a_secret_shows_in_no_debug() {
    assert!(!format!("{:?}", plaintext()).contains(SECRET));
}
