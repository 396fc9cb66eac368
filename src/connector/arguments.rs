//! The arguments of an action, taken out one by one and checked. What is wrong with one is told by its name: its value
//! may be a secret, and is not repeated.

use std::ops::RangeInclusive;

use prost_types::Struct;
use prost_types::value::Kind;

use super::ProvisionError;
use crate::aws::{Input, Tag};
use crate::json;

/// Takes a text out of the arguments; a blank one is none.
pub(super) fn text(arguments: &mut Struct, name: &str) -> Result<Option<String>, ProvisionError> {
    match take(arguments, name) {
        None => Ok(None),
        Some(Kind::StringValue(text)) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
        Some(_) => Err(ProvisionError::invalid(format!("{name} is no text"))),
    }
}

/// Takes a text that must be there.
pub(super) fn required(arguments: &mut Struct, name: &str) -> Result<String, ProvisionError> {
    text(arguments, name)?.ok_or_else(|| ProvisionError::invalid(format!("{name} is missing")))
}

/// Takes a number, and leaves off what follows its point.
pub(super) fn number(
    arguments: &mut Struct,
    name: &str,
    range: RangeInclusive<u32>,
) -> Result<Option<i32>, ProvisionError> {
    let (least, most) = range.into_inner();
    let within = f64::from(least)..=f64::from(most);
    match take(arguments, name) {
        None => Ok(None),
        // In its range it is whole and small.
        #[allow(clippy::cast_possible_truncation, reason = "no range reaches further than an i32")]
        Some(Kind::NumberValue(number)) if within.contains(&number.trunc()) => {
            Ok(Some(number.trunc() as i32))
        }
        Some(_) => Err(ProvisionError::invalid(format!("{name} is not a number of {least} to {most}"))),
    }
}

/// Takes a list of texts; none is no text.
pub(super) fn texts(arguments: &mut Struct, name: &str, most: usize) -> Result<Vec<String>, ProvisionError> {
    let items = match take(arguments, name) {
        None => return Ok(Vec::new()),
        Some(Kind::ListValue(list)) => list.values,
        Some(_) => return Err(ProvisionError::invalid(format!("{name} is no list"))),
    };
    if items.len() > most {
        return Err(ProvisionError::invalid(format!("{name} has more than {most} items")));
    }
    let text = |item: prost_types::Value| match item.kind {
        Some(Kind::StringValue(text)) if !text.trim().is_empty() => Ok(text),
        _ => Err(ProvisionError::invalid(format!("{name} holds an item that is blank, or no text"))),
    };
    items.into_iter().map(text).collect()
}

/// Takes the tags of a session, by key.
pub(super) fn tags(arguments: &mut Struct, name: &str, most: usize) -> Result<Vec<Tag>, ProvisionError> {
    let members = match take(arguments, name) {
        None => return Ok(Vec::new()),
        Some(Kind::StructValue(object)) => object.fields,
        Some(_) => return Err(ProvisionError::invalid(format!("{name} is no object"))),
    };
    if members.len() > most {
        return Err(ProvisionError::invalid(format!("{name} has more than {most} items")));
    }
    let tag = |(key, value): (String, prost_types::Value)| {
        let Some(Kind::StringValue(value)) = value.kind else {
            return Err(ProvisionError::invalid(format!("{name} holds a value that is no text")));
        };
        fits(&format!("a key of {name}"), &key, Input::SessionTagKey)?;
        fits(&format!("a value of {name}"), &value, Input::TagValue)?;
        Ok(Tag { key, value })
    };
    members.into_iter().map(tag).collect()
}

/// Takes the policy of a session: a JSON object.
pub(super) fn policy(arguments: &mut Struct, name: &str) -> Result<Option<String>, ProvisionError> {
    let policy = text(arguments, name)?;
    if let Some(policy) = &policy {
        fits(name, policy, Input::SessionPolicy)?;
        if json::read::<serde_json::Map<_, _>>(policy.as_bytes()).is_err() {
            return Err(ProvisionError::invalid(format!("{name} is no JSON object")));
        }
    }
    Ok(policy)
}

/// Refuses what AWS would.
pub(super) fn fits(name: &str, value: &str, input: Input) -> Result<(), ProvisionError> {
    if input.takes(value) {
        return Ok(());
    }
    Err(ProvisionError::invalid(format!("{name} is not {}", input.told())))
}

/// An argument that is null is none.
fn take(arguments: &mut Struct, name: &str) -> Option<Kind> {
    let kind = arguments.fields.remove(name)?.kind?;
    Some(kind).filter(|kind| !matches!(kind, Kind::NullValue(_)))
}
