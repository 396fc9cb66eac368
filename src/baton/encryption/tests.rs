use super::super::v2::encryption_config::{AgeRecipientConfig, JwkPublicKeyConfig};
use super::*;

const SECRET: &str = "correct horse";
/// RFC 7518, appendix C: Bob's public key.
const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ","y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;
/// RFC 8037, appendix A, and the thumbprint that it gives there.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ED25519_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn jwk(json: &str) -> EncryptionConfig {
    let config = Config::JwkPublicKeyConfig(JwkPublicKeyConfig {
        pub_key: json.as_bytes().to_vec(),
        ..JwkPublicKeyConfig::default()
    });
    EncryptionConfig { config: Some(config), ..EncryptionConfig::default() }
}

fn age_config(recipient: &str) -> EncryptionConfig {
    let config = Config::AgeRecipientConfig(AgeRecipientConfig { recipient: recipient.to_owned() });
    EncryptionConfig { config: Some(config), ..EncryptionConfig::default() }
}

fn plaintext() -> Plaintext {
    Plaintext { name: "password", description: "Password", schema: "", secret: SECRET.into() }
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
        (jwk(r#"["OKP","Ed25519","11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","","","",null]"#), "no JWK"),
        (jwk(r#"{"kty":"oct","k":"AA"}"#), "\"oct\""),
        (jwk(r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#), "P-521"),
        (jwk(&EC.replace("weNJ", "weNK")), "no point of the curve P-256"),
        (jwk(&EC.replace("weNJy2", "")), "x of the JWK"),
        (jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#), "3 bytes, not 32"),
        (jwk(r#"{"kty":"OKP","crv":"X25519","x":"AAAA"}"#), "\"OKP\""),
        (jwk(r#"{"kty":"RSA","e":"AQAB","n":""}"#), "n of the JWK"),
        (jwk(&short), "2048"),
        (jwk(&rsa("AQ")), "exponent is even or 1"),
        (jwk(&rsa("AAAAAQ")), "exponent is even or 1"),
        (jwk(&rsa("Ag")), "exponent is even or 1"),
        (jwk(&rsa("AQAB").replace("_w\"", "_g\"")), "modulus is even"),
        (jwk(&" ".repeat(20_000)), "longer than"),
    ] {
        let text = fault(config);
        assert!(
            text.starts_with("encryption configuration 0: ") && text.contains(word),
            "{text} lacks {word}"
        );
    }
}

/// An RSA key of 2,048 bits, all set, with this exponent.
fn rsa(exponent: &str) -> String {
    let modulus = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode([0xff; 256]);
    format!(r#"{{"kty":"RSA","e":"{exponent}","n":"{modulus}"}}"#)
}

/// Every point of X25519 with which nothing is agreed, as the curve's own tables of such points have them.
pub(super) const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// The same of Ed25519.
const LOW_ORDER_ED25519: [&str; 6] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

pub(super) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
fn a_point_of_low_order_is_refused_before_anything_is_encrypted_for_it() {
    use bech32::ToBase32 as _;
    for point in LOW_ORDER {
        let recipient = bech32::encode("age", unhex(point).to_base32(), bech32::Variant::Bech32).unwrap();
        let text = fault(age_config(&recipient));
        assert!(text.contains("low order"), "{point}: {text}");
        assert!(recipient.parse::<AgeRecipient>().unwrap_err().contains("low order"), "{point}");
    }
    for point in LOW_ORDER_ED25519 {
        let x = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(unhex(point));
        let text = fault(jwk(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)));
        assert!(text.contains("low order"), "{point}: {text}");
    }
}

#[test]
fn a_library_that_panics_over_a_key_is_an_error() {
    let refused = contained(|| -> Result<(), String> { panic!("as a library would") });
    assert!(refused.unwrap_err().contains("cannot use this key"));
}

#[test]
fn a_secret_shows_in_no_debug() {
    assert!(!format!("{:?}", plaintext()).contains(SECRET));
}

#[test]
fn recipients_whose_answer_might_be_too_large_to_be_told_are_refused_before_anything_is_made() {
    let one = OwnKey::generate().config();
    let many = vec![one.clone(); MOST + 1];
    let refused = Recipients::parse(&many).unwrap_err();
    assert_eq!(refused, EncryptionError::TooMany { count: MOST + 1 });
    let refused = Recipients::parse(&vec![one.clone(); MOST]).unwrap_err();
    assert!(matches!(refused, EncryptionError::TooLarge { bytes } if bytes > LARGEST_ANSWER), "{refused}");
    // What is served fits, with the longest values that there are.
    let served = Recipients::parse(&vec![one; 40]).unwrap();
    let secret = "x".repeat(LONGEST_VALUE * 9 / 16);
    let plaintext = Plaintext { secret: secret.into(), ..plaintext() };
    let bytes: usize = served.seal(&plaintext).unwrap().iter().map(EncryptedData::encoded_len).sum();
    assert!(MOST_VALUES * bytes <= LARGEST_ANSWER, "{bytes}");
}
