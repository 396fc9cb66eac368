//! Profiles: free data of a resource, as `google.protobuf.Struct`.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{Struct, Value};

/// Builds a `google.protobuf.Struct`. Its keys are ordered, whatever the order in which they were set; a key that is
/// set twice keeps the later value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    fields: BTreeMap<String, Value>,
}

impl Profile {
    /// An empty profile.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a text.
    #[must_use]
    pub fn string(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.value(key, value.into())
    }

    /// Sets a number. Struct numbers are doubles: integers are exact up to 2^53.
    #[must_use]
    pub fn number(self, key: impl Into<String>, value: impl Into<f64>) -> Self {
        self.value(key, value.into())
    }

    /// Sets a truth value.
    #[must_use]
    pub fn bool(self, key: impl Into<String>, value: bool) -> Self {
        self.value(key, value)
    }

    /// Sets a list; its items may be texts, numbers, truth values, lists or objects.
    #[must_use]
    pub fn list<V: Into<Value>>(self, key: impl Into<String>, items: impl IntoIterator<Item = V>) -> Self {
        self.value(key, items.into_iter().map(Into::into).collect::<Vec<Value>>())
    }

    /// Sets an object.
    #[must_use]
    pub fn object(self, key: impl Into<String>, value: Profile) -> Self {
        self.value(key, value)
    }

    /// The members of a JSON object. Numbers become doubles, as everywhere in a Struct.
    pub fn of_json(object: &serde_json::Map<String, serde_json::Value>) -> Self {
        Self { fields: object.iter().map(|(key, value)| (key.clone(), of_json(value))).collect() }
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The message.
    pub fn build(self) -> Struct {
        Struct { fields: self.fields }
    }

    fn value(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(key.into(), value.into());
        self
    }
}

fn of_json(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value { kind: Some(Kind::NullValue(0)) },
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => number.as_f64().unwrap_or(f64::NAN).into(),
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(of_json).collect::<Vec<_>>().into(),
        Json::Object(members) => Profile::of_json(members).into(),
    }
}

impl From<Profile> for Value {
    fn from(profile: Profile) -> Self {
        profile.fields.into()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn a_key_set_twice_keeps_the_later_value() {
        let profile = Profile::new().string("k", "a").number("k", 2).build();

        assert_eq!(profile.fields.len(), 1);
        assert_eq!(profile.fields["k"].kind, Some(Kind::NumberValue(2.0)));
    }

    #[test]
    fn the_order_of_setting_does_not_change_the_bytes() {
        let one = Profile::new().string("a", "1").bool("b", true).build();
        let other = Profile::new().bool("b", true).string("a", "1").build();

        assert_eq!(one.encode_to_vec(), other.encode_to_vec());
    }

    #[test]
    fn lists_and_objects_nest() {
        let profile = Profile::new()
            .list("tags", ["x", "y"])
            .list("owners", [Profile::new().string("name", "n")])
            .object("inner", Profile::new().list("none", Vec::<String>::new()))
            .build();

        let tags = Value::from(vec![Value::from("x"), Value::from("y")]);
        assert_eq!(profile.fields["tags"], tags);
        let owner = BTreeMap::from([("name".to_owned(), Value::from("n"))]);
        assert_eq!(profile.fields["owners"], Value::from(vec![Value::from(owner)]));
        let inner = BTreeMap::from([("none".to_owned(), Value::from(Vec::new()))]);
        assert_eq!(profile.fields["inner"], Value::from(inner));
    }

    #[test]
    fn every_kind_of_json_has_its_value() {
        let text = r#"{"t":"x","n":1.5,"b":true,"0":null,"l":[1,"y",[]],"o":{"k":false}}"#;
        let inner = Profile::new().bool("k", false);
        let expected = Profile::new()
            .string("t", "x")
            .number("n", 1.5)
            .bool("b", true)
            .value("0", Value { kind: Some(Kind::NullValue(0)) })
            .value("l", vec![Value::from(1.0), Value::from("y"), Value::from(Vec::<Value>::new())])
            .object("o", inner);
        assert_eq!(Profile::of_json(&serde_json::from_str(text).unwrap()), expected);
    }

    #[test]
    fn a_profile_is_empty_until_something_is_set() {
        assert!(Profile::new().is_empty());
        assert!(!Profile::new().string("k", "").is_empty());
    }
}
