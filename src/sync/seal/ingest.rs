//! Which rows may go into a file: the rules that a control plane relies on.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use prost::Message;

use super::SealError;
use crate::baton::v2;
use crate::c1z::{StagedEntitlement, StagedGrant, StagedResource, StagedType, Traits};

/// Most entitlements that may exclude each other.
const LARGEST_GROUP: u32 = 50;

/// The resource types that are part of the sync.
#[derive(Debug, Default)]
pub(super) struct Types(BTreeMap<String, Traits>);

/// What is left of an expansion once its filter names only types that are part of the sync.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Narrowed {
    /// All of it.
    Whole,
    /// Less, encoded.
    Part(Vec<u8>),
    /// Nothing: an empty filter would let every type pass.
    Nothing,
}

impl Types {
    pub(super) fn add(&mut self, row: &StagedType<'_>) {
        self.0.insert(row.id.to_owned(), row.traits);
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether the resource's type is part of the sync.
    ///
    /// # Errors
    /// [`SealError::MissingTrait`] when it lacks an annotation that its type requires.
    pub(super) fn accept_resource(&self, row: &StagedResource<'_>) -> Result<bool, SealError> {
        let Some(required) = self.0.get(row.resource_type) else { return Ok(false) };
        match row.traits.missing(*required).next() {
            None => Ok(true),
            Some(annotation) => Err(SealError::MissingTrait {
                resource_type: row.resource_type.to_owned(),
                resource: row.id.to_owned(),
                annotation,
            }),
        }
    }

    /// Whether all types that the grant refers to are part of the sync.
    pub(super) fn accept_grant(&self, row: &StagedGrant<'_>) -> bool {
        self.has(row.resource_type) && (row.matches_externally || self.has(row.principal_type))
    }

    /// Removes types that are not part of the sync from the filter of an encoded `GrantExpandable`.
    pub(super) fn narrow(&self, expansion: &[u8]) -> Narrowed {
        let Ok(mut expandable) = v2::GrantExpandable::decode(expansion) else { return Narrowed::Whole };
        let before = expandable.resource_type_ids.len();
        expandable.resource_type_ids.retain(|id| self.has(id));
        match expandable.resource_type_ids.len() {
            after if after == before => Narrowed::Whole,
            0 => Narrowed::Nothing,
            _ => Narrowed::Part(expandable.encode_to_vec()),
        }
    }
}

/// The entitlements that exclude each other, by group.
#[derive(Debug, Default)]
pub(super) struct ExclusionGroups(BTreeMap<String, Group>);

#[derive(Debug)]
struct Group {
    resource_type: String,
    members: u32,
    has_default: bool,
}

impl ExclusionGroups {
    /// Counts the entitlement for its groups.
    ///
    /// # Errors
    /// [`SealError::ExclusionGroup`] when a group breaks a rule.
    pub(super) fn add(&mut self, row: &StagedEntitlement<'_>) -> Result<(), SealError> {
        for membership in row.exclusion_groups() {
            let id = membership.exclusion_group_id;
            let fault = match self.0.entry(id.clone()) {
                Entry::Vacant(slot) => {
                    slot.insert(Group {
                        resource_type: row.resource_type.to_owned(),
                        members: 1,
                        has_default: membership.is_default,
                    });
                    None
                }
                Entry::Occupied(slot) => slot.into_mut().add(row.resource_type, membership.is_default),
            };
            if let Some(fault) = fault {
                return Err(SealError::ExclusionGroup { group: id, fault });
            }
        }
        Ok(())
    }
}

impl Group {
    /// Counts a member; says which rule it breaks.
    fn add(&mut self, resource_type: &str, is_default: bool) -> Option<&'static str> {
        self.members += 1;
        if self.resource_type != resource_type {
            return Some("has entitlements of more than one resource type");
        }
        if self.members > LARGEST_GROUP {
            return Some("has more than 50 entitlements");
        }
        if is_default && self.has_default {
            return Some("has more than one default");
        }
        self.has_default |= is_default;
        None
    }
}
