//! What a crawl learns about itself: what was read whole, what was not and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

use super::second_look::{Kind, Thing};
use crate::aws::{AccessError, AccountId, CallError, Class};
use crate::sync::completeness::{Area, Completeness};
use crate::sync::{Incomplete, SyncError};

/// One thing of a kind may vanish during a crawl, and up to a tenth of the kind; when more are gone, it is the crawl
/// that is wrong.
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
    /// How many of each kind were read, and how many were gone.
    kinds: BTreeMap<Kind, Seen>,
    orphans: u64,
    entered: BTreeSet<AccountId>,
    refused: BTreeSet<AccountId>,
    /// What was said of the accounts that the connector itself may not enter.
    omissions: Vec<AccessError>,
}

#[derive(Debug, Default)]
struct Seen {
    read: u64,
    /// Names of those that were gone, each of which several strands may miss.
    gone: BTreeSet<String>,
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
    /// What was said of those among them that the connector itself may not enter.
    omissions: Vec<AccessError>,
}

impl Found {
    /// Fails where nobody but the connector itself keeps it from entering any member account; `own` is the caller's.
    pub(in crate::sync) fn check_entry(&self, own: &AccountId) -> Result<(), SyncError> {
        let has_entered = self.entered.iter().any(|account| account != own);
        match self.omissions.first() {
            Some(error) if !has_entered && self.omissions.len() == self.refused.len() => {
                Err(SyncError::of_omission(self.refused.len(), error))
            }
            _ => Ok(()),
        }
    }

    /// Adds what a crawl found that read a part again.
    pub(in crate::sync) fn renew(&mut self, again: Self) {
        let Self { completeness, incomplete, cheaper, orphans: _, entered, refused, omissions: _ } = again;
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

    /// An account cannot be entered. Where the connector's own policies are all that is in the way, that says nothing
    /// of the account.
    pub(super) fn not_entered(&self, error: &AccessError) {
        if error.is_own_omission() {
            self.gathered().omissions.push(error.clone());
        }
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

    /// A thing that was listed was read as well.
    pub(super) fn read(&self, kind: Kind) {
        self.gathered().kinds.entry(kind).or_default().read += 1;
    }

    /// A thing was deleted between being listed and being read: it has no row, which is the truth.
    pub(super) fn vanished(&self, thing: &Thing<'_>, operation: &str) {
        let scope = thing.to_string();
        warn!(scope, operation, "vanished during the sync");
        let is_news = self.gathered().kinds.entry(thing.kind()).or_default().gone.insert(scope.clone());
        if is_news {
            self.incomplete(thing.area(), scope, "vanished during the sync".to_owned());
        }
    }

    /// A few things of a kind may be deleted while a crawl reads them; when many are gone, it is the crawl that is wrong.
    pub(super) fn conclude(self) -> Result<Found, SyncError> {
        let gathered = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Gathered {
            completeness,
            mut incomplete,
            denied,
            cheaper,
            kinds,
            orphans,
            entered,
            refused,
            omissions,
        } = gathered;
        for (kind, Seen { read, gone }) in kinds {
            let gone = gone.len() as u64;
            let all = read + gone;
            if gone > 1 && gone > all / TENTH {
                let what = format!("{gone} of {all} {kind} vanished between being listed and being read");
                return Err(SyncError::Shifted { what });
            }
        }
        incomplete.extend(denied.into_iter().map(|((what, action), reads)| Incomplete {
            scope: what.to_owned(),
            reason: format!("{action} is denied ({reads} {})", if reads == 1 { "read" } else { "reads" }),
        }));
        incomplete.sort();
        let cheaper = cheaper.into_iter().collect();
        Ok(Found { completeness, incomplete, cheaper, orphans, entered, refused, omissions })
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concluded(read: u64, gone: u64) -> Result<Found, SyncError> {
        let findings = Findings::default();
        (0..read).for_each(|_| findings.read(Kind::Groups));
        // Many of another kind make no difference.
        (0..1000).for_each(|_| findings.read(Kind::Pairs));
        for number in 0..gone {
            let group = format!("g{number}");
            // One that two strands miss is gone once.
            (0..2).for_each(|_| findings.vanished(&Thing::Group(&group), "ListGroupMemberships"));
        }
        findings.conclude()
    }

    #[test]
    fn one_thing_of_a_kind_may_vanish_or_a_tenth_of_it() {
        for (read, gone) in [(0, 1), (2, 1), (18, 2), (900, 100)] {
            let found = concluded(read, gone).unwrap();
            assert_eq!(found.incomplete.len() as u64, gone);
        }
        for (read, gone) in [(0, 3), (1, 2), (17, 2), (899, 100)] {
            let error = concluded(read, gone).unwrap_err();
            let told = format!("{gone} of {} groups of Identity Center vanished", read + gone);
            assert!(error.is_retryable() && error.to_string().contains(&told), "{error}");
        }
    }
}
