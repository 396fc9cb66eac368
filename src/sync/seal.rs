//! From staged rows to a file: what may not go in, what expansion adds, and the file itself.

mod chosen;
mod expansion;
mod ingest;
mod load;
mod pool;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::c1z::{self, Finished, Quality, Run, Stage, SyncType, Token, TypeCounts, Writer};
use crate::sync::Target;

pub use tally::{AccountCounts, Counts};

use chosen::Chosen;
use expansion::Expansion;
use ingest::{ExclusionGroups, Types};
use tally::Tally;

/// Rows between two looks at the cancellation.
const PATIENCE: usize = 4096;

/// What goes into the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Contents {
    /// Everything staged.
    All,
    /// All but grants.
    NoGrants,
    /// Resource types and resources.
    ResourcesOnly,
}

/// How a stage becomes a file.
#[derive(Clone, Debug)]
pub struct SealOptions {
    /// Id of the sync, a KSUID.
    pub sync_id: String,
    /// When the crawl began.
    pub started_at: Timestamp,
    /// What goes into the file, whatever else is staged.
    pub contents: Contents,
    /// Whether grants are expanded here; otherwise the file says which should be.
    pub expand: bool,
    /// The resources that the file is about, with all that hangs from them; `None` for all that is staged.
    pub targets: Option<BTreeSet<Target>>,
}

/// A file in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    /// Id of the sync, as given.
    pub sync_id: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Size of the database in it, unpacked, in bytes.
    pub decoded: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// What is in it, by resource type.
    pub types: BTreeMap<String, TypeCounts>,
    /// What is in it, by the account that a row's resource belongs to.
    pub accounts: BTreeMap<String, AccountCounts>,
    /// How many of the grants are there only by expansion.
    pub expanded: u64,
    /// What was staged and is not in it.
    pub dropped: Dropped,
    /// Targets without a row.
    pub missing: Vec<Target>,
}

/// Rows, or parts of them, that were staged and are not in the file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Dropped {
    /// Rows of any kind without an id, or without the ids of what they refer to.
    pub nameless: u64,
    /// Rows of any kind whose id, or pair of entitlement and principal, another row has.
    pub duplicates: u64,
    /// Resources whose type is not part of the sync.
    pub resources: u64,
    /// Entitlements whose resource is of a type that is not part of the sync.
    pub entitlements: u64,
    /// Grants whose entitlement or principal is of a type that is not part of the sync.
    pub grants: u64,
    /// Expansions of which some principal types are not part of the sync, and were removed.
    pub narrowed_expansions: u64,
    /// Expansions of which no principal type is part of the sync.
    pub expansions: u64,
    /// Edges of expansion from or to entitlements that are not there.
    pub edges: u64,
}

/// Why a stage did not become a file. Nothing is left behind, and a file that was there before still is.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file could not be written.
    #[error(transparent)]
    File(#[from] c1z::Error),
    /// A resource lacks what its type promises. The connector is at fault; a repetition fails alike.
    #[error("{resource_type} {resource} lacks the annotation {annotation}, which its type requires")]
    MissingTrait {
        /// Type of the resource.
        resource_type: String,
        /// Id of the resource.
        resource: String,
        /// What is missing.
        annotation: &'static str,
    },
    /// Entitlements that exclude each other break a rule. The connector is at fault; a repetition fails alike.
    #[error("exclusion group {group} {fault}")]
    ExclusionGroup {
        /// Id of the group.
        group: String,
        /// Which rule.
        fault: &'static str,
    },
    /// A grant asks to be expanded by an entitlement of another resource than its principal. The connector is at
    /// fault; a repetition fails alike.
    #[error(
        "the grant of {destination} to {principal} expands by {source_entitlement}, an entitlement of {resource}"
    )]
    ExpansionSource {
        /// Entitlement granted.
        destination: String,
        /// Principal of the grant, `type:id`.
        principal: String,
        /// Entitlement whose holders should receive it.
        source_entitlement: String,
        /// Resource of that entitlement, `type:id`.
        resource: String,
    },
}

impl SealError {
    /// Whether the caller cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::File(c1z::Error::Cancelled))
    }

    /// Whether the same sync may succeed later without anybody changing the connector.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::File(error) => error.is_retryable(),
            Self::MissingTrait { .. } | Self::ExclusionGroup { .. } | Self::ExpansionSource { .. } => false,
        }
    }
}

/// Writes the staged rows to `target`, expanded if wanted. Blocks; memory is bounded by a small base and some
/// bytes per direct grant that takes part in expansion.
///
/// # Errors
/// See [`SealError`]. After an error or a cancellation `target` is as it was before.
pub fn seal(
    stage: Stage,
    options: &SealOptions,
    target: &Path,
    cancel: &CancellationToken,
) -> Result<Sealed, SealError> {
    let staged = stage.finish()?;
    let mut pulse = Pulse { cancel, beats: 0 };
    let mut dropped = Dropped { nameless: staged.nameless(), ..Dropped::default() };
    let sync_type = match options.contents {
        _ if options.targets.is_some() => SyncType::Partial,
        Contents::All | Contents::NoGrants => SyncType::Full,
        Contents::ResourcesOnly => SyncType::ResourcesOnly,
    };
    let (chosen, missing) = Chosen::of(&staged, options.targets.as_ref(), &mut pulse)?;
    let run = Run { sync_id: &options.sync_id, sync_type, started_at: options.started_at };
    let mut writer = Writer::create(staged.work_dir(), &run)?;

    let mut types = Types::default();
    let mut rows = staged.types()?;
    while let Some(row) = rows.next_row()? {
        types.add(&row);
        writer.resource_type(row.id, row.data)?;
    }
    dropped.duplicates += rows.duplicates();

    let mut tally = Tally::default();
    let mut resources = 0;
    let mut rows = staged.resources()?;
    while let Some(row) = rows.next_row()? {
        pulse.beat()?;
        if !chosen.has(row.resource_type, row.id) {
            continue;
        }
        if types.accept_resource(&row)? {
            writer.resource(&row)?;
            tally.resource(row.resource_type, row.id);
            resources += 1;
        } else {
            dropped.resources += 1;
        }
    }
    dropped.duplicates += rows.duplicates();

    let wants_grants = options.contents == Contents::All;
    let mut expansion = Expansion::default();
    if wants_grants && options.expand {
        expansion.collect(&staged, &types, &mut pulse)?;
    }

    if options.contents != Contents::ResourcesOnly {
        let mut groups = ExclusionGroups::default();
        let mut rows = staged.entitlements()?;
        while let Some(row) = rows.next_row()? {
            pulse.beat()?;
            if !chosen.has(row.resource_type, row.resource) {
                continue;
            }
            if types.has(row.resource_type) {
                groups.add(&row)?;
                let stored = writer.entitlement(&row)?;
                expansion.stored(&row, stored)?;
            } else {
                dropped.entitlements += 1;
            }
        }
        dropped.duplicates += rows.duplicates();
    }

    let needs_expansion = expansion.is_asked_for();
    let mut expanded = 0;
    if wants_grants {
        let mut additions = expansion.run(&staged, &types, &mut pulse, &mut dropped)?;
        let mut grants =
            load::Grants { types: &types, chosen: &chosen, writer: &mut writer, tally: &mut tally };
        expanded = grants.write(&staged, &mut additions, &mut pulse, &mut dropped)?;
    }
    // Frees the disk before the database grows.
    drop(staged);

    let quality = Quality {
        dropped_entitlements: dropped.entitlements > 0,
        dropped_grants: dropped.grants > 0,
        narrowed_expansions: dropped.narrowed_expansions > 0,
        dropped_expansions: dropped.expansions > 0,
    };
    let token = Token {
        steps: steps(options.contents, types.count(), resources, needs_expansion),
        needs_expansion,
        skips_entitlements_and_grants: options.contents == Contents::ResourcesOnly,
        skips_grants: options.contents == Contents::NoGrants,
        quality,
    };
    let Finished { packed, decoded, types, duplicates } = writer.finish(&token, target, cancel)?;
    dropped.duplicates += duplicates;
    let sync_id = options.sync_id.clone();
    let accounts = tally.into_accounts();
    Ok(Sealed {
        sync_id,
        bytes: packed.bytes,
        decoded,
        sha256: packed.sha256,
        types,
        accounts,
        expanded,
        dropped,
        missing,
    })
}

/// How many steps a connector would count that lists per type and per resource: one to begin, one for the types,
/// then for each phase one to plan it and one per item, and one to expand.
fn steps(contents: Contents, types: u64, resources: u64, expands: bool) -> u64 {
    let listing = 2 + (1 + types);
    let entitlements = (1 + types) + (1 + resources);
    match contents {
        Contents::ResourcesOnly => listing,
        Contents::NoGrants => listing + entitlements,
        Contents::All => listing + entitlements + (1 + resources) + u64::from(expands),
    }
}

/// Looks at the cancellation every few thousand rows.
struct Pulse<'a> {
    cancel: &'a CancellationToken,
    beats: usize,
}

impl Pulse<'_> {
    fn beat(&mut self) -> Result<(), c1z::Error> {
        let looks = self.beats.is_multiple_of(PATIENCE);
        self.beats = self.beats.wrapping_add(1);
        if looks && self.cancel.is_cancelled() { Err(c1z::Error::Cancelled) } else { Ok(()) }
    }
}
