//! What a finished sync says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::census::Census;
use super::completeness::{Area, Completeness};
use super::crawl::Found;
use super::seal::{AccountCounts, Counts, Dropped, Sealed};
use super::{Target, TypeCounts};
use crate::aws::{AccountId, Saturation, Stats};

/// What a finished sync says of itself.
#[derive(Clone, Debug)]
pub struct Report {
    /// The id of the sync, a KSUID.
    pub sync_id: String,
    /// Where the file is.
    pub file: PathBuf,
    /// The size of the file.
    pub bytes: u64,
    /// The size of the database in it, unpacked, in bytes.
    pub decoded: u64,
    /// The SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The rows by resource type; entitlements and grants under the type of the entitlement's resource.
    pub types: BTreeMap<String, TypeCounts>,
    /// The rows by account and resource type, of what belongs to an account.
    pub accounts: BTreeMap<String, AccountCounts>,
    /// The accounts whose IAM may be read.
    pub entered: BTreeSet<AccountId>,
    /// The accounts that refused to be entered.
    pub refused: BTreeSet<AccountId>,
    /// How many of the grants are there by expansion only.
    pub expanded: u64,
    /// What was read and is not in the file, because its type is not part of the sync or it came twice.
    pub dropped: Dropped,
    /// The calls made to AWS, by service and operation.
    pub calls: Stats,
    /// How far the quotas were used; empty with quotas off.
    pub saturation: Vec<Saturation>,
    /// What was read whole and what was not, by area.
    pub completeness: Completeness,
    /// What could not be read, and why. Empty for a complete sync.
    pub incomplete: Vec<Incomplete>,
    /// AWS actions that would have made the crawl cheaper, and are denied.
    pub cheaper: Vec<String>,
    /// Assignments that were seen and left out, since their principal is gone from the directory. Where principals
    /// are asked for what they hold, such assignments are not seen.
    pub orphans: u64,
    /// How long crawl and file took together.
    pub elapsed: Duration,
}

/// A part of the organization that a sync does not hold.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Incomplete {
    /// Which part.
    pub scope: String,
    /// Why, for an operator.
    pub reason: String,
}

impl Incomplete {
    fn target(target: Target) -> Self {
        let Target { resource_type, resource } = target;
        Self { scope: format!("{resource_type} {resource}"), reason: "it is not there".to_owned() }
    }
}

impl Report {
    pub(super) fn new(
        sealed: Sealed,
        file: &Path,
        calls: Stats,
        saturation: Vec<Saturation>,
        found: Found,
        elapsed: Duration,
    ) -> Self {
        let Found { completeness, incomplete, cheaper, orphans, entered, refused, .. } = found;
        let Sealed { sync_id, bytes, decoded, sha256, types, accounts, expanded, dropped, missing } = sealed;
        let incomplete = incomplete.into_iter().chain(missing.into_iter().map(Incomplete::target)).collect();
        Self {
            sync_id,
            file: file.to_owned(),
            bytes,
            decoded,
            sha256,
            types,
            accounts,
            entered,
            refused,
            expanded,
            dropped,
            calls,
            saturation,
            completeness,
            incomplete,
            cheaper,
            orphans,
            elapsed,
        }
    }

    /// The bucket that the quotas allow the least time for, if any was used beyond its burst.
    pub fn busiest(&self) -> Option<&Saturation> {
        self.saturation.iter().max_by_key(|used| used.floor()).filter(|used| !used.floor().is_zero())
    }

    /// What the file holds, as far as its plausibility is judged by it.
    pub fn census(&self) -> Census {
        let counts = |one: &TypeCounts| Counts { resources: one.resources, grants: one.grants };
        let ids = |accounts: &BTreeSet<AccountId>| accounts.iter().map(ToString::to_string).collect();
        Census {
            sync_id: self.sync_id.clone(),
            types: self.types.iter().map(|(id, one)| (id.clone(), counts(one))).collect(),
            accounts: self.accounts.clone(),
            entered: ids(&self.entered),
            refused: ids(&self.refused),
            incomplete: self.incomplete_scopes(),
        }
    }

    /// Scopes that were not read whole, by area, without the accounts that refused to be entered.
    fn incomplete_scopes(&self) -> BTreeMap<String, u64> {
        let refused = self.refused.len() as u64;
        let scopes = self.completeness.iter().map(|(area, coverage)| match area {
            Area::Iam => (area, coverage.incomplete.saturating_sub(refused)),
            _ => (area, coverage.incomplete),
        });
        scopes
            .filter(|(_, incomplete)| *incomplete > 0)
            .map(|(area, incomplete)| (area.name().to_owned(), incomplete))
            .collect()
    }

    /// The sum over all resource types.
    pub fn total(&self) -> TypeCounts {
        self.types.values().fold(TypeCounts::default(), |sum, one| TypeCounts {
            resources: sum.resources + one.resources,
            entitlements: sum.entitlements + one.entitlements,
            grants: sum.grants + one.grants,
        })
    }
}
