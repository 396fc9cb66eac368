//! What a crawl learns about itself: what was read whole, what was not and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

use crate::aws::{AccountId, CallError, Class};

use crate::sync::completeness::{Area, Completeness};
use crate::sync::{Incomplete, SyncError};

/// So many things may vanish during a crawl before it is taken for wrong, ...
const FEW: u64 = 10;
/// ... unless there are so many work items that this is less than a tenth of them.
const TENTH: u64 = 10;

/// What the strands of a crawl find out, gathered.
#[derive(Debug, Default)]
pub(super) struct Findings(Mutex<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    completeness: Completeness,
    incomplete: Vec<Incomplete>,
    /// Optional reads that were denied: how many, by what they would have told and the missing action.
    denied: BTreeMap<(&'static str, String), u64>,
    cheaper: BTreeSet<String>,
    vanished: u64,
    orphans: u64,
    entered: BTreeSet<AccountId>,
    refused: BTreeSet<AccountId>,
}

/// What a crawl found out about itself.
#[derive(Debug)]
pub(in crate::sync) struct Found {
    /// What was read whole, and what was not, by area.
    pub(in crate::sync) completeness: Completeness,
    /// What is missing, and why.
    pub(in crate::sync) incomplete: Vec<Incomplete>,
    /// Actions that would have made the crawl cheaper.
    pub(in crate::sync) cheaper: Vec<String>,
    /// Assignments that were seen and whose principal is gone from the directory.
    pub(in crate::sync) orphans: u64,
    /// The accounts that let us in.
    pub(in crate::sync) entered: BTreeSet<AccountId>,
    /// The accounts that refused to.
    pub(in crate::sync) refused: BTreeSet<AccountId>,
}

impl Found {
    /// Adds what a crawl found that read a part again.
    pub(in crate::sync) fn renew(&mut self, again: Self) {
        let Self { completeness, incomplete, cheaper, orphans: _, entered, refused } = again;
        for (area, coverage) in completeness {
            self.completeness.entry(area).or_default().incomplete += coverage.incomplete;
        }
        self.incomplete.extend(incomplete);
        self.incomplete.sort();
        self.incomplete.dedup();
        self.cheaper.extend(cheaper);
        self.cheaper.sort();
        self.cheaper.dedup();
        self.refused.retain(|account| !entered.contains(account));
        self.entered.retain(|account| !refused.contains(account));
        self.entered.extend(entered);
        self.refused.extend(refused);
    }
}

impl Findings {
    /// One scope was read whole.
    pub(super) fn whole(&self, area: Area) {
        self.gathered().completeness.entry(area).or_default().whole += 1;
    }

    /// Something of one scope is missing.
    pub(super) fn incomplete(&self, area: Area, scope: String, reason: String) {
        let mut gathered = self.gathered();
        gathered.completeness.entry(area).or_default().incomplete += 1;
        gathered.incomplete.push(Incomplete { scope, reason });
    }

    /// An account let us in.
    pub(super) fn entered(&self, account: &AccountId) {
        self.gathered().entered.insert(account.clone());
    }

    /// An account refused to let us in.
    pub(super) fn refused(&self, account: &AccountId, scope: String, reason: String) {
        self.incomplete(Area::Iam, scope, reason);
        self.gathered().refused.insert(account.clone());
    }

    /// A detail is missing from a scope that counts as read all the same.
    pub(super) fn lacks(&self, scope: String, reason: String) {
        self.gathered().incomplete.push(Incomplete { scope, reason });
    }

    /// The result of a read whose refusal takes no more than `what` away: `None` where it is denied, which is said
    /// once for each action.
    pub(super) fn optional<T>(
        &self,
        what: &'static str,
        read: Result<T, CallError>,
    ) -> Result<Option<T>, CallError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error) if matches!(error.class(), Class::Denied) => {
                self.denied(what, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn denied(&self, what: &'static str, error: &CallError) {
        let action = error.missing_action().unwrap_or_else(|| error.operation().to_owned());
        let mut gathered = self.gathered();
        let count = gathered.denied.entry((what, action.clone())).or_default();
        *count += 1;
        if *count == 1 {
            drop(gathered);
            warn!(missing_permission = action, "synced without {what}: {error}");
        }
    }

    /// The crawl takes more calls for want of the action that was denied.
    pub(super) fn cheaper(&self, error: &CallError) {
        let action = error.missing_action().unwrap_or_else(|| error.operation().to_owned());
        if self.gathered().cheaper.insert(action.clone()) {
            info!(
                missing_permission = action,
                statement = error.statement(),
                "{action} would make the sync cheaper"
            );
        }
    }

    /// An assignment whose principal is gone from the directory. It gives nobody access.
    pub(super) fn orphan(&self) {
        self.gathered().orphans += 1;
    }

    /// Something that was deleted between being listed and being read has no row, which is the truth; any other
    /// failure to read it is an error.
    pub(super) fn vanished(
        &self,
        area: Area,
        error: CallError,
        scope: impl FnOnce() -> String,
    ) -> Result<(), SyncError> {
        if !matches!(error.class(), Class::NotFound) {
            return Err(error.into());
        }
        let scope = scope();
        warn!(scope, operation = error.operation(), "vanished during the sync");
        self.gathered().vanished += 1;
        self.incomplete(area, scope, "vanished during the sync".to_owned());
        Ok(())
    }

    /// A few things may be deleted while a crawl reads `items`; when many are gone, it is the crawl that is wrong.
    pub(super) fn conclude(self, items: u64) -> Result<Found, SyncError> {
        let gathered = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Gathered { completeness, mut incomplete, denied, cheaper, vanished, orphans, entered, refused } =
            gathered;
        if vanished > FEW && vanished > items / TENTH {
            let what = format!("{vanished} of {items} things vanished between being listed and being read");
            return Err(SyncError::Shifted { what });
        }
        incomplete.extend(denied.into_iter().map(|((what, action), reads)| Incomplete {
            scope: what.to_owned(),
            reason: format!("{action} is denied ({reads} {})", if reads == 1 { "read" } else { "reads" }),
        }));
        incomplete.sort();
        let cheaper = cheaper.into_iter().collect();
        Ok(Found { completeness, incomplete, cheaper, orphans, entered, refused })
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
