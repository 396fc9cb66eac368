//! Reads JSON that comes from outside.
//!
//! A struct that derives `Deserialize` takes an array as well as an object, and gives its members out by position: an
//! answer, an event or a policy of another shape would say something that nobody wrote. What is read here is an
//! object, or refused.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};

/// A value that is written as an object, and in no other way. Also for the members of structs.
#[derive(Debug, Default)]
pub struct Object<T>(pub T);

/// Reads the members of one object, of which none is there twice, known or not.
///
/// # Errors
/// Anything else. The error may quote what was read.
pub fn read_distinct(json: &[u8]) -> Result<serde_json::Map<String, serde_json::Value>, serde_json::Error> {
    serde_json::from_slice(json).map(|Distinct(members)| members)
}

struct Distinct(serde_json::Map<String, serde_json::Value>);

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DistinctVisitor)
    }
}

struct DistinctVisitor;

impl<'de> Visitor<'de> for DistinctVisitor {
    type Value = Distinct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Distinct, A::Error> {
        let mut read = serde_json::Map::new();
        while let Some((name, value)) = members.next_entry()? {
            if read.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(Distinct(read))
    }
}

/// Reads one object. Its reader bounds how deep it may be nested.
///
/// # Errors
/// Anything else, a member that is there twice, and what `T` refuses. The error may quote what was read.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).map(|Object(value)| value)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        name: String,
    }

    #[derive(Debug, Deserialize)]
    struct Outer {
        inner: Object<Inner>,
        other: Option<Object<Inner>>,
    }

    #[test]
    fn what_is_no_object_is_refused_at_every_depth() {
        for json in [
            r#"[{"name":"a"},null]"#,
            r#"{"inner":["a"]}"#,
            r#"{"inner":{"name":"a"},"other":["a"]}"#,
            r#"{"inner":"a"}"#,
            r#"{"inner":{"name":"a","name":"b"}}"#,
            r#"{"inner":{"name":"a"}} {}"#,
            "null",
            "",
        ] {
            assert!(read::<Outer>(json.as_bytes()).is_err(), "{json}");
        }
        let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
        assert!(read::<Outer>(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_member_that_nobody_knows_is_refused_when_it_is_there_twice() {
        for json in [r#"{"a":1,"b":2,"a":1}"#, r#"["a"]"#, r#"{"a":1} {"#, "\u{0}", ""] {
            assert!(read_distinct(json.as_bytes()).is_err(), "{json}");
        }
        let read = read_distinct(br#"{"b":{"a":1},"a":1}"#).unwrap();
        assert_eq!(serde_json::Value::from(read), serde_json::json!({"a": 1, "b": {"a": 1}}));
    }

    #[test]
    fn an_object_is_read_by_the_names_of_its_members() {
        let outer: Outer = read(br#" {"other":{"name":"b"},"new":[1],"inner":{"name":"a"}} "#).unwrap();
        assert_eq!((outer.inner.0.name.as_str(), outer.other.unwrap().0.name.as_str()), ("a", "b"));
        let outer: Outer = read(br#"{"inner":{"name":"a"},"other":null}"#).unwrap();
        assert!(outer.other.is_none());
    }
}
