//! What makes a sync implausible.

use std::collections::BTreeSet;
use std::fmt;

use crate::config::BreakerSettings;
use crate::connector::{account, iam_user, sso_user};
use crate::sync::seal::Counts;
use crate::sync::{Census, SyncOptions};

/// A crawl confirms another if what they count differs by no more than one in so many.
const CLOSE: u64 = 100;

/// One thing about a sync that is hard to believe.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// There is none of what every organization has.
    Empty { what: &'static str, before: Option<u64> },
    /// There are far fewer than in the last uploaded sync.
    Shrunk { counted: Counted, before: u64, now: u64 },
    /// An account that was readable refuses to be entered.
    Unreadable { account: String },
    /// Most accounts refuse to be entered, and nothing is known of how it was.
    MostlyUnreadable { refused: u64, accounts: u64 },
}

/// What was counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Counted {
    resource_type: String,
    kind: Rows,
    /// Of one account, or of all.
    account: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rows {
    Resources,
    Grants,
}

/// All that is implausible about `now`; nothing if it may be uploaded.
pub(super) fn reasons(
    now: &Census,
    before: Option<&Census>,
    options: &SyncOptions,
    settings: &BreakerSettings,
) -> Vec<Reason> {
    let mut reasons = empty(now, before, options);
    match before {
        Some(before) => {
            reasons.extend(unreadable(now, before));
            reasons.extend(shrunk(now, before, settings));
        }
        None => reasons.extend(mostly_unreadable(now, settings)),
    }
    reasons
}

/// Whether `now` is another crawl that found what `before` did: the totals, what `reasons` name, and no further
/// account that refuses.
pub(super) fn confirms(now: &Census, before: &Census, reasons: &[Reason]) -> bool {
    let same = |counted: &Counted| counted.close(now, before);
    let named = reasons.iter().filter_map(|reason| match reason {
        Reason::Shrunk { counted, .. } => Some(counted),
        _ => None,
    });
    now.sync_id != before.sync_id
        && now.types.keys().eq(before.types.keys())
        && now.types.keys().flat_map(|id| Counted::of_type(id)).all(|counted| same(&counted))
        && named.into_iter().all(same)
        && now.refused.is_subset(&before.refused)
}

/// No accounts, no users, no assignments: all of these there were always. One that was empty in the last uploaded
/// sync, too, is what the organization is like.
fn empty(now: &Census, before: Option<&Census>, options: &SyncOptions) -> Vec<Reason> {
    let grants = options.entitlements_and_grants && options.grants;
    let users: &[&str] = &[sso_user::ID, iam_user::ID];
    [
        ("accounts", Some(sum(now, &[account::ID], Rows::Resources)), &[account::ID][..], Rows::Resources),
        ("users", Some(sum(now, users, Rows::Resources)), users, Rows::Resources),
        ("assignments", grants.then(|| sum(now, &[account::ID], Rows::Grants)), &[account::ID], Rows::Grants),
    ]
    .into_iter()
    .filter(|(_, count, types, _)| *count == Some(0) && types.iter().any(|id| now.types.contains_key(*id)))
    .filter_map(|(what, _, types, rows)| match before.map(|before| sum(before, types, rows)) {
        Some(0) => None,
        before => Some(Reason::Empty { what, before }),
    })
    .collect()
}

fn sum(census: &Census, types: &[&str], rows: Rows) -> u64 {
    types.iter().filter_map(|id| census.types.get(*id)).map(|counts| rows.of(*counts)).sum()
}

fn unreadable<'a>(now: &'a Census, before: &'a Census) -> impl Iterator<Item = Reason> + 'a {
    now.refused.intersection(&before.entered).map(|account| Reason::Unreadable { account: account.clone() })
}

fn mostly_unreadable(now: &Census, settings: &BreakerSettings) -> Option<Reason> {
    let (refused, entered) = (now.refused.len() as u64, now.entered.len() as u64);
    let accounts = refused + entered;
    (refused.saturating_mul(100) > accounts.saturating_mul(settings.unreadable_percent))
        .then_some(Reason::MostlyUnreadable { refused, accounts })
}

/// Totals first, then accounts. An account that is listed no more has left, and one that refuses is named for that.
fn shrunk(now: &Census, before: &Census, settings: &BreakerSettings) -> Vec<Reason> {
    let listed: BTreeSet<&String> = now.accounts.keys().chain(&now.entered).collect();
    let totals = before.types.keys().flat_map(|id| Counted::of_type(id));
    let accounts = before.accounts.iter().filter(|(id, _)| listed.contains(id) && !now.refused.contains(*id));
    let by_account = accounts.flat_map(|(account, types)| {
        types
            .keys()
            .flat_map(|id| Counted::of_type(id))
            .map(|total| Counted { account: Some(account.clone()), ..total })
    });
    let mut reasons = Vec::new();
    for counted in totals.chain(by_account) {
        let (was, is) = (counted.count(before), counted.count(now));
        let lost = was.saturating_sub(is);
        if lost >= settings.shrinkage_rows
            && lost.saturating_mul(100) > was.saturating_mul(settings.shrinkage_percent)
        {
            reasons.push(Reason::Shrunk { counted, before: was, now: is });
        }
    }
    reasons
}

impl Rows {
    fn of(self, counts: Counts) -> u64 {
        match self {
            Self::Resources => counts.resources,
            Self::Grants => counts.grants,
        }
    }
}

impl Counted {
    fn of_type(id: &str) -> [Self; 2] {
        [Rows::Resources, Rows::Grants].map(|kind| Self { resource_type: id.to_owned(), kind, account: None })
    }

    fn count(&self, census: &Census) -> u64 {
        let types = match &self.account {
            None => Some(&census.types),
            Some(account) => census.accounts.get(account),
        };
        types.and_then(|types| types.get(&self.resource_type)).map_or(0, |counts| self.kind.of(*counts))
    }

    fn close(&self, a: &Census, b: &Census) -> bool {
        let (a, b) = (self.count(a), self.count(b));
        a.abs_diff(b).saturating_mul(CLOSE) <= a.max(b)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { what, before: None } => write!(f, "there are no {what}"),
            Self::Empty { what, before: Some(before) } => {
                write!(f, "there are no {what}, and there were {before}")
            }
            Self::Shrunk { counted, before, now } => {
                // The bounds of the settings keep it from being divided by zero.
                let percent = (before - now).saturating_mul(100) / before.max(&1);
                write!(f, "{counted} fell from {before} to {now} ({percent} % less)")
            }
            Self::Unreadable { account } => write!(f, "account {account} was readable and no longer is"),
            Self::MostlyUnreadable { refused, accounts } => {
                write!(f, "{refused} of {accounts} accounts cannot be read")
            }
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = match self.kind {
            Rows::Resources => "resources",
            Rows::Grants => "grants",
        };
        write!(f, "{} {rows}", self.resource_type)?;
        self.account.as_ref().map_or(Ok(()), |account| write!(f, " of account {account}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BreakerSettings {
        BreakerSettings::default()
    }

    /// An organization with `accounts` accounts of ten users each and five assignments.
    fn organization(id: &str, accounts: u64) -> Census {
        let mut census = Census { sync_id: id.into(), ..Census::default() };
        census.types.insert("sso_user".into(), Counts { resources: 400, grants: 0 });
        for account in 0..accounts {
            let account = format!("{account:012}");
            let types = [
                ("account".to_owned(), Counts { resources: 1, grants: 5 }),
                ("iam_user".to_owned(), Counts { resources: 100, grants: 0 }),
            ];
            census.accounts.insert(account.clone(), types.clone().into());
            census.entered.insert(account);
            for (id, counts) in types {
                let total = census.types.entry(id).or_default();
                total.resources += counts.resources;
                total.grants += counts.grants;
            }
        }
        census
    }

    fn said(now: &Census, before: Option<&Census>) -> Vec<String> {
        said_under(now, before, &SyncOptions::default())
    }

    fn said_under(now: &Census, before: Option<&Census>, options: &SyncOptions) -> Vec<String> {
        reasons(now, before, options, &settings()).iter().map(ToString::to_string).collect()
    }

    fn set(census: &mut Census, id: &str, resources: u64, grants: u64) {
        census.types.insert(id.into(), Counts { resources, grants });
    }

    #[test]
    fn the_same_organization_is_plausible_and_so_is_one_that_grows() {
        assert!(said(&organization("b", 40), Some(&organization("a", 40))).is_empty());
        assert!(said(&organization("b", 400), Some(&organization("a", 40))).is_empty());
        assert!(said(&organization("a", 40), None).is_empty());
    }

    #[test]
    fn a_type_that_loses_more_than_the_share_is_named_with_its_numbers() {
        let before = organization("a", 40);
        let mut now = organization("b", 40);
        set(&mut now, "sso_user", 12, 0);
        assert_eq!(said(&now, Some(&before)), ["sso_user resources fell from 400 to 12 (97 % less)"]);
        set(&mut now, "sso_user", 280, 0);
        assert!(said(&now, Some(&before)).is_empty(), "30 % is not more than 30 %");
        set(&mut now, "sso_user", 279, 0);
        assert_eq!(said(&now, Some(&before)).len(), 1);
    }

    #[test]
    fn grants_are_counted_too() {
        let before = organization("a", 40);
        let mut now = organization("b", 40);
        set(&mut now, "account", 40, 100);
        assert_eq!(said(&now, Some(&before)), ["account grants fell from 200 to 100 (50 % less)"]);
    }

    #[test]
    fn one_account_that_collapses_is_named_though_the_total_hardly_changes() {
        let before = organization("a", 40);
        let mut now = organization("b", 40);
        let account = now.accounts.get_mut("000000000007").unwrap();
        account.insert("iam_user".into(), Counts::default());
        set(&mut now, "iam_user", 3900, 0);
        assert_eq!(
            said(&now, Some(&before)),
            ["iam_user resources of account 000000000007 fell from 100 to 0 (100 % less)"]
        );
    }

    #[test]
    fn an_account_that_left_the_organization_holds_nothing_up() {
        let before = organization("a", 40);
        let mut now = organization("b", 40);
        now.accounts.remove("000000000007");
        now.entered.remove("000000000007");
        set(&mut now, "account", 39, 195);
        set(&mut now, "iam_user", 3900, 0);
        assert!(said(&now, Some(&before)).is_empty());
    }

    #[test]
    fn small_numbers_hold_nothing_up_until_nothing_is_left() {
        let mut before = organization("a", 2);
        set(&mut before, "sso_user", 40, 0);
        let mut now = organization("b", 2);
        set(&mut now, "sso_user", 1, 0);
        assert!(said(&now, Some(&before)).is_empty());
        set(&mut now, "sso_user", 0, 0);
        set(&mut now, "iam_user", 0, 0);
        let all = said(&now, Some(&before));
        assert!(all.contains(&"there are no users, and there were 240".to_owned()), "{all:?}");
    }

    #[test]
    fn an_account_that_was_readable_is_named_once() {
        let before = organization("a", 40);
        let mut now = organization("b", 40);
        now.entered.remove("000000000007");
        now.refused.insert("000000000007".into());
        now.accounts.get_mut("000000000007").unwrap().remove("iam_user");
        set(&mut now, "iam_user", 3900, 0);
        assert_eq!(said(&now, Some(&before)), ["account 000000000007 was readable and no longer is"]);
        // One that never was readable, or that is new, holds nothing up.
        assert!(said(&now, Some(&now)).is_empty());
    }

    #[test]
    fn without_a_baseline_what_is_empty_or_mostly_unreadable_is_held() {
        let mut now = organization("a", 0);
        set(&mut now, "account", 0, 0);
        set(&mut now, "sso_user", 0, 0);
        assert_eq!(
            said(&now, None),
            ["there are no accounts", "there are no users", "there are no assignments"]
        );

        let mut now = organization("a", 4);
        for account in ["000000000001", "000000000002"] {
            now.entered.remove(account);
            now.refused.insert(account.into());
        }
        assert!(said(&now, None).is_empty(), "half is not more than half");
        now.entered.remove("000000000003");
        now.refused.insert("000000000003".into());
        assert_eq!(said(&now, None), ["3 of 4 accounts cannot be read"]);
    }

    #[test]
    fn what_is_not_asked_for_is_not_missed() {
        let mut now = Census { sync_id: "a".into(), ..Census::default() };
        set(&mut now, "sso_group", 0, 0);
        assert!(said(&now, None).is_empty(), "neither accounts nor users are part of the sync");
        set(&mut now, "account", 3, 0);
        let without_grants = SyncOptions { grants: false, ..SyncOptions::default() };
        assert!(said_under(&now, None, &without_grants).is_empty());
        assert_eq!(said(&now, None), ["there are no assignments"]);
    }

    #[test]
    fn what_was_empty_before_may_stay_so() {
        let mut before = organization("a", 4);
        set(&mut before, "account", 4, 0);
        let mut now = organization("b", 4);
        set(&mut now, "account", 4, 0);
        assert!(said(&now, Some(&before)).is_empty());
    }

    fn confirmed(now: &Census, held: &Census) -> bool {
        let before = organization("0", 40);
        confirms(now, held, &reasons(now, Some(&before), &SyncOptions::default(), &settings()))
    }

    #[test]
    fn another_crawl_within_a_hundredth_confirms_and_the_same_one_does_not() {
        let mut held = organization("a", 40);
        set(&mut held, "sso_user", 100, 0);
        assert!(!confirmed(&held, &held), "one crawl is no second opinion");
        let mut now = organization("b", 40);
        for (users, confirms) in [(100, true), (99, true), (101, true), (98, false), (102, false)] {
            set(&mut now, "sso_user", users, 0);
            assert_eq!(confirmed(&now, &held), confirms, "{users}");
        }
    }

    #[test]
    fn a_crawl_that_misses_another_account_confirms_nothing() {
        let refusing = |id: &str, account: &str| {
            let mut census = organization(id, 40);
            census.entered.remove(account);
            census.refused.insert(account.into());
            census
        };
        assert!(confirmed(&refusing("b", "000000000007"), &refusing("a", "000000000007")));
        assert!(!confirmed(&refusing("b", "000000000008"), &refusing("a", "000000000007")));

        let collapsed = |id: &str, account: &str| {
            let mut census = organization(id, 40);
            census.accounts.get_mut(account).unwrap().insert("iam_user".into(), Counts::default());
            set(&mut census, "iam_user", 3900, 0);
            census
        };
        assert!(confirmed(&collapsed("b", "000000000007"), &collapsed("a", "000000000007")));
        assert!(!confirmed(&collapsed("b", "000000000008"), &collapsed("a", "000000000007")));
    }
}
