//! Grants put together from messages that are encoded already: the same entitlement and the same principal go
//! into thousands of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use prost::encoding::{WireType, encode_key, encode_varint};

/// Appends a `Grant` whose entitlement, principal and annotations are encoded.
pub(super) fn grant(
    message: &mut Vec<u8>,
    entitlement: &[u8],
    principal: &[u8],
    id: &str,
    annotations: &[&[u8]],
    sources: &BTreeMap<Cow<'_, str>, bool>,
) {
    field(message, 1, entitlement);
    field(message, 2, principal);
    field(message, 3, id.as_bytes());
    for annotation in annotations {
        field(message, 4, annotation);
    }
    if !sources.is_empty() {
        let mut entries = Vec::new();
        let mut entry = Vec::new();
        for (source, direct) in sources {
            entry.clear();
            field(&mut entry, 1, source.as_bytes());
            // A map entry always has its value, even an empty one.
            field(&mut entry, 2, if *direct { &[1 << 3, 1] } else { &[] });
            field(&mut entries, 1, &entry);
        }
        field(message, 5, &entries);
    }
}

fn field(message: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(bytes.len() as u64, message);
    message.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::{Message, Name};
    use prost_types::Any;

    use crate::baton::v2;

    #[test]
    fn a_grant_from_parts_is_the_grant() {
        let annotation = Any { type_url: v2::GrantImmutable::type_url(), value: Vec::new() };
        let source = |is_direct| v2::grant_sources::GrantSource { is_direct };
        let grant = v2::Grant {
            entitlement: Some(v2::Entitlement { id: "group:g:member".into(), ..Default::default() }),
            principal: Some(v2::Resource { display_name: "Ada".into(), ..Default::default() }),
            id: "a grant".into(),
            annotations: vec![annotation.clone(), annotation.clone()],
            sources: Some(v2::GrantSources {
                sources: BTreeMap::from([("direct".into(), source(true)), ("not".into(), source(false))]),
            }),
        };
        let mut bytes = Vec::new();
        super::grant(
            &mut bytes,
            &grant.entitlement.as_ref().unwrap().encode_to_vec(),
            &grant.principal.as_ref().unwrap().encode_to_vec(),
            &grant.id,
            &[&annotation.encode_to_vec(), &annotation.encode_to_vec()],
            &BTreeMap::from([("direct".into(), true), ("not".into(), false)]),
        );
        assert_eq!(v2::Grant::decode(bytes.as_slice()).unwrap(), grant);
    }
}
