//! Annotations told apart by the name of their message.

use prost::{Message, Name};
use prost_types::Any;

/// Whether the annotation holds an `M`.
pub(super) fn is<M: Name>(annotation: &Any) -> bool {
    let name = annotation.type_url.rsplit('/').next().unwrap_or_default();
    name.strip_suffix(M::NAME).and_then(|name| name.strip_suffix('.')) == Some(M::PACKAGE)
}

/// Whether any of the annotations holds an `M`.
pub(super) fn has<M: Name>(annotations: &[Any]) -> bool {
    annotations.iter().any(is::<M>)
}

/// All readable annotations of type `M`; a damaged one counts as absent.
pub(super) fn all<M: Name + Message + Default>(annotations: &[Any]) -> impl Iterator<Item = M> {
    annotations
        .iter()
        .filter(|annotation| is::<M>(annotation))
        .filter_map(|annotation| M::decode(annotation.value.as_slice()).ok())
}
