//! Messages inside `google.protobuf.Any`: how annotations and traits travel.

use prost::Name;
use prost_types::Any;

/// Packs a message under its type URL, `type.googleapis.com/<full name>`.
pub fn pack<M: Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

/// The first message of type `M` among the annotations.
///
/// The type is what follows the last `/` of the type URL, whatever precedes it. An annotation whose bytes do not
/// decode as `M` is passed over: annotations are additions that a peer may not know either, so a broken one counts
/// as an absent one.
pub fn find<M: Name + Default>(annotations: &[Any]) -> Option<M> {
    of_type::<M>(annotations).find_map(|any| M::decode(any.value.as_slice()).ok())
}

/// Whether an annotation of type `M` is there, readable or not. Meant for markers, which have no content.
pub fn has<M: Name>(annotations: &[Any]) -> bool {
    of_type::<M>(annotations).next().is_some()
}

fn of_type<M: Name>(annotations: &[Any]) -> impl Iterator<Item = &Any> {
    let wanted = M::full_name();
    annotations.iter().filter(move |any| any.type_url.rsplit('/').next() == Some(wanted.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::v2::{ChildResourceType, SkipGrants, V1Identifier};

    #[test]
    fn a_malformed_annotation_counts_as_absent() {
        let mut broken = pack(&V1Identifier { id: "old".into() });
        broken.value = vec![0xff];

        assert_eq!(find::<V1Identifier>(std::slice::from_ref(&broken)), None);
        assert!(has::<V1Identifier>(std::slice::from_ref(&broken)));
        let whole = V1Identifier { id: "new".into() };
        assert_eq!(find::<V1Identifier>(&[broken, pack(&whole)]), Some(whole));
    }

    #[test]
    fn other_types_are_not_found() {
        let annotations = [pack(&V1Identifier { id: "x".into() })];

        assert_eq!(find::<ChildResourceType>(&annotations), None);
        assert!(!has::<SkipGrants>(&annotations));
        assert!(!has::<SkipGrants>(&[]));
        assert!(!has::<SkipGrants>(&[Any::default()]));
    }

    #[test]
    fn a_packed_message_carries_the_domain_of_the_protocol() {
        let any = pack(&SkipGrants {});

        assert_eq!(any.type_url, "type.googleapis.com/c1.connector.v2.SkipGrants");
        assert_eq!(any.value, Vec::<u8>::new());
    }

    #[test]
    fn the_domain_of_a_type_url_does_not_matter() {
        for type_url in
            ["c1.connector.v2.SkipGrants", "/c1.connector.v2.SkipGrants", "a/b/c1.connector.v2.SkipGrants"]
        {
            assert!(has::<SkipGrants>(&[Any { type_url: type_url.into(), value: vec![] }]), "{type_url}");
        }
    }

    #[test]
    fn the_first_of_several_is_found() {
        let child = |id: &str| ChildResourceType { resource_type_id: id.into() };

        assert_eq!(find(&[pack(&SkipGrants {}), pack(&child("a")), pack(&child("b"))]), Some(child("a")));
    }
}
