//! From a message to a tree of JSON values whose objects keep the order of their members.

use base64::prelude::{BASE64_STANDARD, Engine};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};
use prost_types::value::Kind as StructKind;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{JsonError, decode, descriptor};

/// A JSON value. Members of objects print in the order in which they stand here.
pub(super) enum Json {
    Scalar(serde_json::Value),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(value) => value.serialize(serializer),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    object.serialize_entry(name, value)?;
                }
                object.end()
            }
        }
    }
}

/// Each kind by itself: a blanket implementation collides with those of crates that are generic over `Vec`.
macro_rules! scalars {
    ($($kind:ty),+) => {
        $(impl From<$kind> for Json {
            fn from(value: $kind) -> Self {
                Self::Scalar(value.into())
            }
        })+
    };
}

scalars!(bool, i32, u32, i64, &str, String, serde_json::Value);

/// The JSON of a message; the well-known types have a notation of their own.
pub(super) fn of_message(message: &DynamicMessage) -> Result<Json, JsonError> {
    match of_well_known(message) {
        Some(json) => json,
        None => Ok(Json::Object(members(message)?)),
    }
}

fn of_well_known(message: &DynamicMessage) -> Option<Result<Json, JsonError>> {
    let json = match message.descriptor().full_name() {
        "google.protobuf.Any" => transcode(message).and_then(|any| of_any(&any)),
        "google.protobuf.Struct" => transcode(message).and_then(of_struct),
        "google.protobuf.Timestamp" => {
            transcode::<prost_types::Timestamp>(message).map(|time| time.to_string().into())
        }
        "google.protobuf.Duration" => {
            transcode::<prost_types::Duration>(message).map(|duration| duration.to_string().into())
        }
        "google.protobuf.BoolValue" => transcode::<bool>(message).map(Json::from),
        _ => return None,
    };
    Some(json)
}

fn transcode<M: Message + Default>(message: &DynamicMessage) -> Result<M, JsonError> {
    message.transcode_to().map_err(|source| {
        let type_name = message.descriptor().full_name().to_owned();
        JsonError::Malformed { type_name, source }
    })
}

fn of_any(any: &prost_types::Any) -> Result<Json, JsonError> {
    let type_name = any.type_url.rsplit('/').next().unwrap_or_default();
    let content = decode(descriptor(type_name)?, &any.value)?;
    let mut object = vec![("@type".to_owned(), Json::from(any.type_url.clone()))];
    match of_well_known(&content) {
        Some(value) => object.push(("value".to_owned(), value?)),
        None => object.extend(members(&content)?),
    }
    Ok(Json::Object(object))
}

fn of_struct(value: prost_types::Struct) -> Result<Json, JsonError> {
    let members = value.fields.into_iter().map(|(name, value)| Ok((name, of_struct_value(value)?)));
    Ok(Json::Object(members.collect::<Result<_, JsonError>>()?))
}

fn of_struct_value(value: prost_types::Value) -> Result<Json, JsonError> {
    Ok(match value.kind {
        None | Some(StructKind::NullValue(_)) => serde_json::Value::Null.into(),
        Some(StructKind::NumberValue(number)) => finite(number).ok_or(JsonError::NotFinite)?,
        Some(StructKind::StringValue(text)) => text.into(),
        Some(StructKind::BoolValue(truth)) => truth.into(),
        Some(StructKind::StructValue(value)) => of_struct(value)?,
        Some(StructKind::ListValue(list)) => {
            Json::Array(list.values.into_iter().map(of_struct_value).collect::<Result<_, _>>()?)
        }
    })
}

fn members(message: &DynamicMessage) -> Result<Vec<(String, Json)>, JsonError> {
    let descriptor = message.descriptor();
    let declared = descriptor.descriptor_proto().field.iter().map(prost_types::FieldDescriptorProto::number);
    declared
        .filter_map(|number| descriptor.get_field(u32::try_from(number).ok()?))
        .filter(|field| message.has_field(field))
        .map(|field| Ok((field.json_name().to_owned(), of_field(&field, &message.get_field(&field))?)))
        .collect()
}

fn of_field(field: &FieldDescriptor, value: &Value) -> Result<Json, JsonError> {
    match (value, field.kind()) {
        (Value::Map(entries), Kind::Message(entry)) => {
            let kind = entry.map_entry_value_field().kind();
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let members = entries.into_iter().map(|(key, value)| Ok((name(key), of_value(&kind, value)?)));
            Ok(Json::Object(members.collect::<Result<_, JsonError>>()?))
        }
        (Value::List(items), kind) => {
            Ok(Json::Array(items.iter().map(|item| of_value(&kind, item)).collect::<Result<_, _>>()?))
        }
        (value, kind) => of_value(&kind, value),
    }
}

fn of_value(kind: &Kind, value: &Value) -> Result<Json, JsonError> {
    Ok(match value {
        Value::Bool(truth) => (*truth).into(),
        Value::I32(number) => (*number).into(),
        Value::U32(number) => (*number).into(),
        Value::I64(number) => number.to_string().into(),
        Value::U64(number) => number.to_string().into(),
        Value::F32(number) => of_float(f64::from(*number)),
        Value::F64(number) => of_float(*number),
        Value::String(text) => text.clone().into(),
        Value::Bytes(bytes) => BASE64_STANDARD.encode(bytes).into(),
        Value::EnumNumber(number) => of_enum(kind, *number),
        Value::Message(message) => of_message(message)?,
        // Lists and maps hold neither lists nor maps.
        Value::List(_) | Value::Map(_) => serde_json::Value::Null.into(),
    })
}

fn of_enum(kind: &Kind, number: i32) -> Json {
    match kind.as_enum().and_then(|values| values.get_value(number)) {
        Some(value) => value.name().into(),
        None => number.into(),
    }
}

fn of_float(number: f64) -> Json {
    finite(number).unwrap_or_else(|| {
        let name = if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        name.into()
    })
}

/// A number in its shortest notation: whole ones without a fraction.
fn finite(number: f64) -> Option<Json> {
    // Below 2^53 every whole double is an integer and prints as one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "whole, and within the range of i64")]
        return Some((number as i64).into());
    }
    serde_json::Number::from_f64(number).map(|number| serde_json::Value::Number(number).into())
}

fn name(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}
