//! Rows on their way into a file, kept on disk in whatever order a crawl finds them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message;
use prost_types::Any;
use tempfile::TempDir;

use super::record::put;
use super::supersede::{Rule, Rules};
use super::{Error, Owner, Sorter, Staged, annotation};
use crate::baton::v2;

/// Bytes of rows held in memory before a sorted run is written, per kind.
const FEW: usize = 64 * 1024;
const SOME: usize = 1024 * 1024;
const MANY: usize = 4 * 1024 * 1024;
/// The same in a part, of which dozens may be open at once.
const OF_PART: usize = 128 * 1024;

/// Takes rows from any number of threads. Calls block, but do no more than copy a row, or now and then write a
/// few megabytes to disk.
///
/// What is staged twice under one id is kept once, the same one whatever the order of the calls. Rows that lack
/// an id are dropped and counted. Dropping the stage removes everything.
#[derive(Debug)]
pub struct Stage {
    types: Mutex<Sorter>,
    resources: Mutex<Sorter>,
    entitlements: Mutex<Sorter>,
    grants: Mutex<Sorter>,
    nameless: AtomicU64,
    /// How often rows were given up so far; rows bear the number at which they were staged.
    round: AtomicU8,
    superseded: Mutex<Rules>,
    /// How many parts were made, which the names of their files differ by.
    parts: Arc<AtomicU64>,
    work_dir: PathBuf,
    directory: Arc<TempDir>,
}

impl Stage {
    /// A stage in a new private directory below `work_dir`.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory cannot be made.
    pub fn create(work_dir: &Path) -> Result<Self, Error> {
        let directory = tempfile::Builder::new()
            .prefix("batond-stage-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir_in(work_dir)
            .map_err(Error::io("create a directory in", work_dir))?;
        let sorter = |name, budget| Mutex::new(Sorter::new(directory.path(), name, budget));
        Ok(Self {
            types: sorter("types", FEW),
            resources: sorter("resources", SOME),
            entitlements: sorter("entitlements", SOME),
            grants: sorter("grants", MANY),
            nameless: AtomicU64::new(0),
            round: AtomicU8::new(0),
            superseded: Mutex::default(),
            parts: Arc::default(),
            work_dir: work_dir.to_owned(),
            directory: Arc::new(directory),
        })
    }

    /// The same stage, for rows that are taken over from another file. They go before the connector's own of the same
    /// id, and need not bear the traits of their types.
    pub fn foreign(&self) -> Foreign<'_> {
        Foreign(self)
    }

    /// Gives up the rows staged so far that `covers` tells: what is staged from here on takes their place. Of other
    /// rows that are staged again, the later ones stay.
    ///
    /// # Errors
    /// [`Error::Rounds`] after 255 times.
    pub fn supersede(
        &self,
        covers: impl Fn(&Owner<'_>) -> bool + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let mut superseded = self.superseded.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.round.load(Ordering::Acquire).checked_add(1).ok_or(Error::Rounds)?;
        superseded.add(Rule::new(covers));
        self.round.store(next, Ordering::Release);
        Ok(())
    }

    /// A record that begins with the origin and the round: of those with one key, foreign ones are the last, and the
    /// latest of those that are ours.
    fn record(&self, origin: Origin) -> Vec<u8> {
        let mut record = Vec::new();
        put(&mut record, &[origin as u8]);
        put(&mut record, &[self.round.load(Ordering::Acquire)]);
        record
    }

    /// A stage for the rows of a scope that is not known to be readable to its end. They are staged once it is
    /// [joined](Self::join); dropping it leaves nothing of them.
    #[must_use]
    pub fn part(&self) -> Self {
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let sorter = |kind: &str| {
            Mutex::new(Sorter::new(self.directory.path(), format!("{kind}-part-{number}"), OF_PART))
        };
        Self {
            types: sorter("types"),
            resources: sorter("resources"),
            entitlements: sorter("entitlements"),
            grants: sorter("grants"),
            nameless: AtomicU64::new(0),
            round: AtomicU8::new(self.round.load(Ordering::Acquire)),
            superseded: Mutex::default(),
            parts: Arc::clone(&self.parts),
            work_dir: self.work_dir.clone(),
            directory: Arc::clone(&self.directory),
        }
    }

    /// Stages all rows of a part.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses.
    pub fn join(&self, part: Self) -> Result<(), Error> {
        absorb(&self.types, part.types)?;
        absorb(&self.resources, part.resources)?;
        absorb(&self.entitlements, part.entitlements)?;
        absorb(&self.grants, part.grants)?;
        self.nameless.fetch_add(part.nameless.into_inner(), Ordering::Relaxed);
        Ok(())
    }

    /// Adds a resource type.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses, [`Error::InvalidId`] for an id with a null character.
    pub fn resource_type(&self, row: &v2::ResourceType) -> Result<(), Error> {
        self.put_resource_type(Origin::Own, row)
    }

    fn put_resource_type(&self, origin: Origin, row: &v2::ResourceType) -> Result<(), Error> {
        if row.id.is_empty() {
            self.drop_nameless();
            return Ok(());
        }
        let key = key("resource type", &[&row.id])?;
        let mut record = self.record(origin);
        put(&mut record, row.id.as_bytes());
        put(&mut record, &[Traits::required_by(row).0]);
        put(&mut record, &row.encode_to_vec());
        push(&self.types, &key, &record)
    }

    /// Adds a resource.
    ///
    /// # Errors
    /// As [`Stage::resource_type`].
    pub fn resource(&self, row: &v2::Resource) -> Result<(), Error> {
        self.put_resource(Origin::Own, row)
    }

    fn put_resource(&self, origin: Origin, row: &v2::Resource) -> Result<(), Error> {
        let Some(id) = named(row.id.as_ref()) else {
            self.drop_nameless();
            return Ok(());
        };
        let key = key("resource", &[&id.resource_type, &id.resource])?;
        let mut record = self.record(origin);
        put(&mut record, id.resource_type.as_bytes());
        put(&mut record, id.resource.as_bytes());
        let parent = named(row.parent_resource_id.as_ref());
        put(&mut record, parent.map_or(&[], |parent| parent.resource_type.as_bytes()));
        put(&mut record, parent.map_or(&[], |parent| parent.resource.as_bytes()));
        put(&mut record, &[origin.traits(row).0]);
        put(&mut record, &row.encode_to_vec());
        push(&self.resources, &key, &record)
    }

    /// Adds an entitlement.
    ///
    /// # Errors
    /// As [`Stage::resource_type`].
    pub fn entitlement(&self, row: &v2::Entitlement) -> Result<(), Error> {
        self.put_entitlement(Origin::Own, row)
    }

    fn put_entitlement(&self, origin: Origin, row: &v2::Entitlement) -> Result<(), Error> {
        let resource = row.resource.as_ref().and_then(|resource| named(resource.id.as_ref()));
        let (Some(resource), false) = (resource, row.id.is_empty()) else {
            self.drop_nameless();
            return Ok(());
        };
        let key = key("entitlement", &[&resource.resource_type, &row.id])?;
        let mut groups = Vec::new();
        for group in annotation::all::<v2::EntitlementExclusionGroup>(&row.annotations) {
            put(&mut groups, &group.encode_to_vec());
        }
        let mut record = self.record(origin);
        put(&mut record, resource.resource_type.as_bytes());
        put(&mut record, resource.resource.as_bytes());
        put(&mut record, row.id.as_bytes());
        put(&mut record, &groups);
        put(&mut record, &row.encode_to_vec());
        push(&self.entitlements, &key, &record)
    }

    /// Adds a grant. Its `GrantExpandable` annotation, if any, leaves the message for a column of its own.
    ///
    /// # Errors
    /// As [`Stage::resource_type`].
    pub fn grant(&self, row: &v2::Grant) -> Result<(), Error> {
        self.put_grant(Origin::Own, row)
    }

    fn put_grant(&self, origin: Origin, row: &v2::Grant) -> Result<(), Error> {
        let parts =
            row.entitlement.as_ref().zip(row.principal.as_ref()).and_then(|(entitlement, principal)| {
                let resource = named(entitlement.resource.as_ref()?.id.as_ref())?;
                Some((entitlement, resource, principal, named(principal.id.as_ref())?))
            });
        let Some((entitlement, resource, principal, principal_id)) = parts else {
            self.drop_nameless();
            return Ok(());
        };
        if row.id.is_empty() || entitlement.id.is_empty() {
            self.drop_nameless();
            return Ok(());
        }
        let pair = [&*entitlement.id, &*principal_id.resource_type, &*principal_id.resource];
        let key = key("grant", &pair)?;
        if row.id.contains('\0') || resource.resource_type.contains('\0') {
            return Err(Error::InvalidId { kind: "grant", id: row.id.clone() });
        }
        let mut annotations = Vec::new();
        for annotation in row.annotations.iter().filter(|one| !annotation::is::<v2::GrantExpandable>(one)) {
            put(&mut annotations, &annotation.encode_to_vec());
        }
        let mut sources = Vec::new();
        for (source, detail) in row.sources.iter().flat_map(|sources| &sources.sources) {
            put(&mut sources, source.as_bytes());
            put(&mut sources, &[u8::from(detail.is_direct)]);
        }
        let mut record = self.record(origin);
        put(&mut record, row.id.as_bytes());
        put(&mut record, resource.resource_type.as_bytes());
        put(&mut record, resource.resource.as_bytes());
        for part in pair {
            put(&mut record, part.as_bytes());
        }
        // A grant of another file is taken over as it is, whoever else is.
        let stands_alone = matches!(origin, Origin::Foreign) || matches_externally(&row.annotations);
        put(&mut record, &[u8::from(stands_alone)]);
        put(&mut record, &expansion(&row.annotations).map(|one| one.encode_to_vec()).unwrap_or_default());
        put(&mut record, &entitlement.encode_to_vec());
        put(&mut record, &principal.encode_to_vec());
        put(&mut record, &annotations);
        put(&mut record, &sources);
        push(&self.grants, &key, &record)
    }

    /// Ends the input; the rows can be read from here on.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses.
    pub fn finish(self) -> Result<Staged, Error> {
        let finish =
            |sorter: Mutex<Sorter>| sorter.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
        Ok(Staged {
            types: finish(self.types)?,
            resources: finish(self.resources)?,
            entitlements: finish(self.entitlements)?,
            grants: finish(self.grants)?,
            nameless: self.nameless.into_inner(),
            superseded: self.superseded.into_inner().unwrap_or_else(PoisonError::into_inner),
            work_dir: self.work_dir,
            directory: self.directory,
        })
    }

    fn drop_nameless(&self) {
        self.nameless.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes rows of another file into a stage.
#[derive(Debug)]
pub struct Foreign<'a>(&'a Stage);

impl Foreign<'_> {
    /// Adds a resource type.
    ///
    /// # Errors
    /// As [`Stage::resource_type`].
    pub fn resource_type(&self, row: &v2::ResourceType) -> Result<(), Error> {
        self.0.put_resource_type(Origin::Foreign, row)
    }

    /// Adds a resource.
    ///
    /// # Errors
    /// As [`Stage::resource_type`].
    pub fn resource(&self, row: &v2::Resource) -> Result<(), Error> {
        self.0.put_resource(Origin::Foreign, row)
    }

    /// Adds an entitlement.
    ///
    /// # Errors
    /// As [`Stage::resource_type`].
    pub fn entitlement(&self, row: &v2::Entitlement) -> Result<(), Error> {
        self.0.put_entitlement(Origin::Foreign, row)
    }

    /// Adds a grant.
    ///
    /// # Errors
    /// As [`Stage::resource_type`].
    pub fn grant(&self, row: &v2::Grant) -> Result<(), Error> {
        self.0.put_grant(Origin::Foreign, row)
    }
}

/// Where a row comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Own,
    Foreign,
}

impl Origin {
    fn traits(self, row: &v2::Resource) -> Traits {
        match self {
            Self::Own => Traits::of(row),
            Self::Foreign => Traits(u8::MAX),
        }
    }
}

/// Which of the traits that a sync insists on are present: a resource whose type has one of them must carry the
/// annotation of that trait.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traits(pub(super) u8);

impl Traits {
    const NAMES: [&'static str; 5] = ["AppTrait", "GroupTrait", "UserTrait", "RoleTrait", "SecretTrait"];

    /// The names of the annotations that are `required` and not here.
    pub fn missing(self, required: Self) -> impl Iterator<Item = &'static str> {
        let missing = required.0 & !self.0;
        Self::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| missing & (1 << bit) != 0)
            .map(|(_, name)| name)
    }

    fn from_bits(bits: [bool; 5]) -> Self {
        Self(bits.into_iter().enumerate().fold(0, |all, (bit, set)| all | (u8::from(set) << bit)))
    }

    fn required_by(row: &v2::ResourceType) -> Self {
        use v2::resource_type::Trait;
        let has = |wanted: Trait| row.traits.contains(&(wanted as i32));
        Self::from_bits([
            has(Trait::App),
            has(Trait::Group),
            has(Trait::User),
            has(Trait::Role),
            has(Trait::Secret),
        ])
    }

    fn of(row: &v2::Resource) -> Self {
        Self::from_bits([
            annotation::has::<v2::AppTrait>(&row.annotations),
            annotation::has::<v2::GroupTrait>(&row.annotations),
            annotation::has::<v2::UserTrait>(&row.annotations),
            annotation::has::<v2::RoleTrait>(&row.annotations),
            annotation::has::<v2::SecretTrait>(&row.annotations),
        ])
    }
}

fn push(sorter: &Mutex<Sorter>, key: &[u8], record: &[u8]) -> Result<(), Error> {
    sorter.lock().unwrap_or_else(PoisonError::into_inner).push(key, record)
}

fn absorb(sorter: &Mutex<Sorter>, part: Mutex<Sorter>) -> Result<(), Error> {
    let part = part.into_inner().unwrap_or_else(PoisonError::into_inner);
    sorter.lock().unwrap_or_else(PoisonError::into_inner).absorb(part)
}

/// The parts behind each other, apart by a null character, so that keys are ordered as their parts are.
fn key(kind: &'static str, parts: &[&str]) -> Result<Vec<u8>, Error> {
    match parts.iter().find(|part| part.contains('\0')) {
        Some(part) => Err(Error::InvalidId { kind, id: (*part).to_owned() }),
        None => Ok(parts.join("\0").into_bytes()),
    }
}

/// The id, if both of its parts are there.
fn named(id: Option<&v2::ResourceId>) -> Option<&v2::ResourceId> {
    id.filter(|id| !id.resource_type.is_empty() && !id.resource.is_empty())
}

/// The expansion asked for: the first that names an entitlement.
fn expansion(annotations: &[Any]) -> Option<v2::GrantExpandable> {
    annotation::all::<v2::GrantExpandable>(annotations)
        .find(|one| one.entitlement_ids.iter().any(|id| !id.trim().is_empty()))
}

/// Whether the grant stands for grants of principals in another file, so that its own principal need not exist.
fn matches_externally(annotations: &[Any]) -> bool {
    annotation::has::<v2::ExternalResourceMatchAll>(annotations)
        || annotation::has::<v2::ExternalResourceMatchId>(annotations)
        || annotation::has::<v2::ExternalResourceMatch>(annotations)
}
