//! The settings file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::unknown::meant;
use crate::config::fault::Note;
use crate::config::field::{Field, Kind, fields};
use crate::text::{NAME, printable};

/// The texts of the file, by the name of the setting.
pub(super) type Content = BTreeMap<&'static str, Vec<SecretString>>;

/// Reads the file; what is wrong with it becomes a note that quotes none of its content.
pub(super) fn read(path: &Path, notes: &mut Vec<Note>) -> Content {
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            notes.push(Note::warning(format!("settings file {shown} is ignored: {}", error.kind())));
            return Content::new();
        }
    };
    let options = serde_saphyr::Options { with_snippet: false, ..serde_saphyr::Options::default() };
    match serde_saphyr::from_str_with_options::<Option<Keys>>(&text, options) {
        Ok(keys) => {
            let keys = keys.unwrap_or_default();
            for unknown in keys.unknown {
                let known = fields().filter(|field| field.is_flag()).map(|field| field.name.to_owned());
                let (name, meant) = (printable(&unknown, NAME), meant(&unknown, known));
                notes.push(Note::warning(format!(
                    "settings file {shown}: the key '{name}' is no setting{meant}"
                )));
            }
            keys.content
        }
        Err(error) => {
            // The error's own text may quote the file, which may hold secrets.
            let place = error
                .location()
                .map_or_else(String::new, |l| format!(" at line {}, column {}", l.line(), l.column()));
            notes.push(Note::warning(format!(
                "settings file {shown} is ignored: it must be YAML with one key per setting{place}"
            )));
            Content::new()
        }
    }
}

#[derive(Default)]
struct Keys {
    content: Content,
    unknown: Vec<String>,
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one key per setting")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Keys::default();
        while let Some(key) = map.next_key::<String>()? {
            let key = key.to_ascii_lowercase();
            let Some(field) = fields().find(|field| field.is_flag() && field.name == key) else {
                map.next_value::<IgnoredAny>()?;
                keys.unknown.push(key);
                continue;
            };
            let texts = value(field, &mut map)?;
            if !texts.is_empty() {
                keys.content.insert(field.name, texts);
            }
        }
        Ok(keys)
    }
}

/// Reads the value by the kind of its setting: a text keeps the digits and zeros that it was written with.
fn value<'de, A: MapAccess<'de>>(field: &Field, map: &mut A) -> Result<Vec<SecretString>, A::Error> {
    if field.kind == Kind::List {
        return Ok(map.next_value::<Option<Items>>()?.map_or_else(Vec::new, |items| items.0));
    }
    Ok(map.next_value::<Option<SecretString>>()?.into_iter().collect())
}

/// A sequence of texts, or one text in its place.
struct Items(Vec<SecretString>);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemsVisitor)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Items, E> {
        Ok(Items(vec![SecretString::from(text)]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Items, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Items(texts))
    }
}
