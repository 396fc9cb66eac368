//! Credentials of several values as one text, a JSON object, for those who read one.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::aws::sts::SessionCredentials;

/// The JSON schema of a session's credentials.
pub(super) const SESSION_SCHEMA: &str = r#"{"type":"object","required":["access_key_id","secret_access_key","session_token","expiration"],"properties":{"access_key_id":{"type":"string"},"secret_access_key":{"type":"string"},"session_token":{"type":"string"},"expiration":{"type":"string","format":"date-time"}},"additionalProperties":false}"#;
/// The JSON schema of an access key.
pub(super) const KEY_SCHEMA: &str = r#"{"type":"object","required":["access_key_id","secret_access_key"],"properties":{"access_key_id":{"type":"string"},"secret_access_key":{"type":"string"}},"additionalProperties":false}"#;

/// Bytes of an object beside its values.
const FRAME: usize = 256;

#[derive(Serialize)]
struct SessionJson<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: &'a str,
}

#[derive(Serialize)]
struct KeyJson<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
}

/// The credentials of a session; `None` where they cannot be written, which texts can.
pub(super) fn of_session(credentials: &SessionCredentials) -> Option<SecretString> {
    let session = SessionJson {
        access_key_id: credentials.access_key_id.expose_secret(),
        secret_access_key: credentials.secret_access_key.expose_secret(),
        session_token: credentials.session_token.expose_secret(),
        expiration: &credentials.expiration.to_string(),
    };
    let values = [session.access_key_id, session.secret_access_key, session.session_token];
    written(&session, &values)
}

/// An access key; `None` where it cannot be written, which texts can.
pub(super) fn of_key(id: &str, secret: &SecretString) -> Option<SecretString> {
    let secret = secret.expose_secret();
    written(&KeyJson { access_key_id: id, secret_access_key: secret }, &[id, secret])
}

/// What grows leaves copies behind: twice its values is room enough for what JSON escapes.
fn written(object: &impl Serialize, values: &[&str]) -> Option<SecretString> {
    let room = 2 * values.iter().map(|value| value.len()).sum::<usize>() + FRAME;
    let mut written = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *written, object).ok()?;
    std::str::from_utf8(&written).ok().map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;
    use serde_json::{Map, Value};

    use super::*;

    /// The object, once its members are those that its schema names.
    fn read(written: &SecretString, schema: &str) -> Map<String, Value> {
        let object: Map<String, Value> = serde_json::from_str(written.expose_secret()).unwrap();
        let schema: Value = serde_json::from_str(schema).unwrap();
        let names: BTreeSet<&str> = object.keys().map(String::as_str).collect();
        let required: BTreeSet<&str> =
            schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let described: BTreeSet<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((&names, &names), (&required, &described));
        object
    }

    #[test]
    fn an_object_has_the_members_that_its_schema_names_and_no_other() {
        let credentials = SessionCredentials {
            access_key_id: "ASIA".into(),
            secret_access_key: "s/\"".into(),
            session_token: "t".repeat(20_000).into(),
            expiration: Timestamp::UNIX_EPOCH,
        };
        let session = read(&of_session(&credentials).unwrap(), SESSION_SCHEMA);
        assert_eq!(session["secret_access_key"], "s/\"");
        assert_eq!(session["expiration"], "1970-01-01T00:00:00Z");
        let key = read(&of_key("AKIA", &"s".into()).unwrap(), KEY_SCHEMA);
        assert_eq!((&key["access_key_id"], &key["secret_access_key"]), (&"AKIA".into(), &"s".into()));
    }
}
