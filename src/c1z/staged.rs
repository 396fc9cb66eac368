//! Staged rows, read back in order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use tempfile::TempDir;

use super::record::Fields;
use super::supersede::{OwnerOf, Rules, of_grant, of_resource, of_type};
use super::{Error, Merge, Sorted, Traits};
use crate::baton::v2;

/// All rows of a sync on disk. Each kind can be read any number of times. Dropping it removes them.
#[derive(Debug)]
pub struct Staged {
    pub(super) types: Sorted,
    pub(super) resources: Sorted,
    pub(super) entitlements: Sorted,
    pub(super) grants: Sorted,
    pub(super) nameless: u64,
    pub(super) superseded: Rules,
    pub(super) work_dir: PathBuf,
    /// Last, so that it goes after the files in it.
    pub(super) directory: Arc<TempDir>,
}

impl Staged {
    /// Resource types, by id.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses.
    pub fn types(&self) -> Result<Rows<TypeRows>, Error> {
        self.rows(&self.types, of_type)
    }

    /// Resources, by type and id.
    ///
    /// # Errors
    /// As [`Staged::types`].
    pub fn resources(&self) -> Result<Rows<ResourceRows>, Error> {
        self.rows(&self.resources, of_resource)
    }

    /// Entitlements, by resource type and id.
    ///
    /// # Errors
    /// As [`Staged::types`].
    pub fn entitlements(&self) -> Result<Rows<EntitlementRows>, Error> {
        self.rows(&self.entitlements, of_resource)
    }

    /// Grants, by entitlement, principal type and principal: one of each.
    ///
    /// # Errors
    /// As [`Staged::types`].
    pub fn grants(&self) -> Result<Rows<GrantRows>, Error> {
        self.rows(&self.grants, of_grant)
    }

    /// How many rows were dropped for want of an id.
    pub fn nameless(&self) -> u64 {
        self.nameless
    }

    /// The directory below which the stage was made.
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// The private directory of the rows, for what else belongs to this sync.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn rows<K>(&self, sorted: &Sorted, owner_of: OwnerOf) -> Result<Rows<K>, Error> {
        let merge = if self.superseded.is_empty() {
            sorted.read()?
        } else {
            let rules = self.superseded.clone();
            sorted.read_kept(Box::new(move |record| rules.keep(record, owner_of)))?
        };
        Ok(Rows {
            merge,
            same: Vec::new(),
            united: Vec::new(),
            duplicates: 0,
            directory: self.directory.path().to_owned(),
            kind: PhantomData,
        })
    }
}

/// Marks [`Rows`] of resource types.
#[derive(Debug)]
pub enum TypeRows {}
/// Marks [`Rows`] of resources.
#[derive(Debug)]
pub enum ResourceRows {}
/// Marks [`Rows`] of entitlements.
#[derive(Debug)]
pub enum EntitlementRows {}
/// Marks [`Rows`] of grants.
#[derive(Debug)]
pub enum GrantRows {}

/// Rows of one kind, in order, each key once.
#[derive(Debug)]
pub struct Rows<K> {
    merge: Merge,
    /// The records of the current key, in order; seldom more than one.
    same: Vec<Vec<u8>>,
    /// What the expansions of these records unite to.
    united: Vec<u8>,
    duplicates: u64,
    directory: PathBuf,
    kind: PhantomData<K>,
}

/// A staged resource type.
#[derive(Clone, Copy, Debug)]
pub struct StagedType<'a> {
    /// Its id.
    pub id: &'a str,
    /// Annotations that each resource of the type must carry.
    pub traits: Traits,
    /// The encoded message.
    pub data: &'a [u8],
}

/// A staged resource.
#[derive(Clone, Copy, Debug)]
pub struct StagedResource<'a> {
    /// Its type.
    pub resource_type: &'a str,
    /// Its id within the type.
    pub id: &'a str,
    /// Type and id of its parent.
    pub parent: Option<(&'a str, &'a str)>,
    /// Trait annotations that it carries.
    pub traits: Traits,
    /// The encoded message.
    pub data: &'a [u8],
}

/// A staged entitlement.
#[derive(Clone, Copy, Debug)]
pub struct StagedEntitlement<'a> {
    /// Type of its resource.
    pub resource_type: &'a str,
    /// Id of its resource.
    pub resource: &'a str,
    /// Its id.
    pub id: &'a str,
    groups: &'a [u8],
    /// The encoded message.
    pub data: &'a [u8],
}

impl StagedEntitlement<'_> {
    /// The exclusion groups that it is in.
    pub fn exclusion_groups(&self) -> impl Iterator<Item = v2::EntitlementExclusionGroup> {
        Fields(self.groups).filter_map(|group| v2::EntitlementExclusionGroup::decode(group).ok())
    }
}

/// A staged grant.
#[derive(Clone, Debug)]
pub struct StagedGrant<'a> {
    /// Its id.
    pub id: &'a str,
    /// Type of the entitlement's resource.
    pub resource_type: &'a str,
    /// Id of the entitlement's resource.
    pub resource: &'a str,
    /// The entitlement's id.
    pub entitlement: &'a str,
    /// Type of the principal.
    pub principal_type: &'a str,
    /// Id of the principal within its type.
    pub principal: &'a str,
    /// Whether it stands for principals of another file.
    pub matches_externally: bool,
    /// The encoded `GrantExpandable`, empty if the grant does not expand.
    pub expansion: &'a [u8],
    /// The encoded entitlement.
    pub entitlement_message: &'a [u8],
    /// The encoded principal.
    pub principal_message: &'a [u8],
    /// The encoded annotations, without the expansion.
    pub annotations: Vec<&'a [u8]>,
    /// The sources that the connector set: whether direct, by entitlement.
    pub sources: BTreeMap<Cow<'a, str>, bool>,
}

impl<K> Rows<K> {
    /// How many rows were left out so far because another has their key.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Steps to the next key; false at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        let mut first = self.same.pop().unwrap_or_default();
        self.same.clear();
        first.clear();
        match self.merge.next()? {
            None => return Ok(false),
            Some((_, record)) => first.extend_from_slice(record),
        }
        self.same.push(first);
        while self.merge.next_is_same() {
            if let Some((_, record)) = self.merge.next()? {
                self.same.push(record.to_vec());
                self.duplicates += 1;
            }
        }
        // Rows of another file are the last, and go before ours.
        let origin = self.same.last().and_then(|record| Fields(record).byte());
        self.same.retain(|record| Fields(record).byte() == origin);
        Ok(true)
    }

    /// Of several records with one key the last: of the latest round, and of these a choice as good as any and always
    /// the same.
    fn last(&self) -> Fields<'_> {
        fields(self.same.last().map_or(&[], Vec::as_slice))
    }

    fn damaged(&self) -> Error {
        Error::Staged { path: self.directory.clone() }
    }
}

impl Rows<TypeRows> {
    /// The next row.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Staged`] when the disk does not give back what was written.
    pub fn next_row(&mut self) -> Result<Option<StagedType<'_>>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        let mut fields = self.last();
        let mut parse =
            || Some(StagedType { id: fields.text()?, traits: Traits(fields.byte()?), data: fields.bytes()? });
        parse().ok_or_else(|| self.damaged()).map(Some)
    }
}

impl Rows<ResourceRows> {
    /// The next row.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Staged`] when the disk does not give back what was written.
    pub fn next_row(&mut self) -> Result<Option<StagedResource<'_>>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        let mut fields = self.last();
        let mut parse = || {
            Some(StagedResource {
                resource_type: fields.text()?,
                id: fields.text()?,
                parent: Some((fields.text()?, fields.text()?)).filter(|(kind, _)| !kind.is_empty()),
                traits: Traits(fields.byte()?),
                data: fields.bytes()?,
            })
        };
        parse().ok_or_else(|| self.damaged()).map(Some)
    }
}

impl Rows<EntitlementRows> {
    /// The next row.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Staged`] when the disk does not give back what was written.
    pub fn next_row(&mut self) -> Result<Option<StagedEntitlement<'_>>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        let mut fields = self.last();
        let mut parse = || {
            Some(StagedEntitlement {
                resource_type: fields.text()?,
                resource: fields.text()?,
                id: fields.text()?,
                groups: fields.bytes()?,
                data: fields.bytes()?,
            })
        };
        parse().ok_or_else(|| self.damaged()).map(Some)
    }
}

impl Rows<GrantRows> {
    /// The next row. Of several grants for one pair of entitlement and principal the one with the smallest id
    /// stays, and takes over the sources, annotations and expansions of the others.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Staged`] when the disk does not give back what was written.
    pub fn next_row(&mut self) -> Result<Option<StagedGrant<'_>>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        let directory = &self.directory;
        let parse = |record| {
            StagedGrant::parse(fields(record)).ok_or_else(|| Error::Staged { path: directory.clone() })
        };
        let mut grants = self.same.iter().map(|record| parse(record));
        let Some(first) = grants.next() else { return Ok(None) };
        let mut first = first?;
        let mut others = grants.collect::<Result<Vec<_>, _>>()?;
        if others.is_empty() {
            return Ok(Some(first));
        }
        for other in &mut others {
            if other.id < first.id {
                std::mem::swap(other, &mut first);
            }
        }
        let expansions = [first.expansion]
            .into_iter()
            .chain(others.iter().map(|one| one.expansion))
            .filter(|one| !one.is_empty());
        self.united = unite(expansions);
        for other in others {
            for annotation in other.annotations {
                if !first.annotations.contains(&annotation) {
                    first.annotations.push(annotation);
                }
            }
            for (source, direct) in other.sources {
                *first.sources.entry(source).or_default() |= direct;
            }
        }
        first.annotations.sort_unstable();
        first.expansion = &self.united;
        Ok(Some(first))
    }

    /// The key of the row that comes next: [`StagedGrant::key`].
    pub fn peek(&self) -> Option<&[u8]> {
        self.merge.peek()
    }
}

impl<'a> StagedGrant<'a> {
    /// What staged grants are ordered by.
    pub fn key(entitlement: &str, principal_type: &str, principal: &str) -> Vec<u8> {
        [entitlement, principal_type, principal].join("\0").into_bytes()
    }

    fn parse(mut fields: Fields<'a>) -> Option<Self> {
        let mut grant = StagedGrant {
            id: fields.text()?,
            resource_type: fields.text()?,
            resource: fields.text()?,
            entitlement: fields.text()?,
            principal_type: fields.text()?,
            principal: fields.text()?,
            matches_externally: fields.byte()? != 0,
            expansion: fields.bytes()?,
            entitlement_message: fields.bytes()?,
            principal_message: fields.bytes()?,
            annotations: Fields(fields.bytes()?).collect(),
            sources: BTreeMap::new(),
        };
        let mut sources = Fields(fields.bytes()?);
        while let (Some(source), Some(direct)) = (sources.text(), sources.byte()) {
            grant.sources.insert(Cow::Borrowed(source), direct != 0);
        }
        Some(grant)
    }

    /// Whether the principal holds the entitlement by itself, not through another.
    pub fn is_direct(&self) -> bool {
        self.sources.is_empty() || self.sources.contains_key(self.entitlement)
    }
}

/// The fields of a record behind its origin and its round.
fn fields(record: &[u8]) -> Fields<'_> {
    let mut fields = Fields(record);
    fields.byte();
    fields.byte();
    fields
}

/// One expansion that covers all: shallow only if all are, filtered only if all are.
fn unite<'a>(expansions: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut united: Option<v2::GrantExpandable> = None;
    for one in expansions.filter_map(|bytes| v2::GrantExpandable::decode(bytes).ok()) {
        let Some(all) = &mut united else {
            united = Some(one);
            continue;
        };
        all.shallow &= one.shallow;
        all.entitlement_ids.extend(one.entitlement_ids);
        if all.resource_type_ids.is_empty() || one.resource_type_ids.is_empty() {
            all.resource_type_ids.clear();
        } else {
            all.resource_type_ids.extend(one.resource_type_ids);
        }
        for list in [&mut all.entitlement_ids, &mut all.resource_type_ids] {
            list.sort_unstable();
            list.dedup();
        }
    }
    united.map(|one| one.encode_to_vec()).unwrap_or_default()
}
