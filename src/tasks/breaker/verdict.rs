//! What makes a sync implausible.

use std::collections::BTreeSet;
use std::fmt;

use crate::config::BreakerSettings;
use crate::connector::{account, iam_user, sso_user};
use crate::sync::seal::Counts;
use crate::sync::{Census, SyncOptions};

/// Two crawls found the same if what a finding counts differs by no more than one in so many of what there was before
/// it, ...
const CLOSE: u64 = 100;
/// ... or by so many rows.
const CLOSE_ROWS: u64 = 1;

/// One thing about a sync that is hard to believe.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// There is none of what every organization has.
    Empty { count: Total, before: Option<u64> },
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

/// Whether what `reasons` say of `now` holds of `held`, too. What else was counted plays no part: it may change for
/// reasons of its own. That accounts refuse is trouble, which no crawl confirms.
pub(super) fn is_same(reasons: &[Reason], now: &Census, held: &Census) -> bool {
    reasons.iter().all(|reason| match reason {
        Reason::Empty { count, .. } => count.of(held) == 0,
        Reason::Shrunk { counted, before, .. } => {
            counted.count(now).abs_diff(counted.count(held)) <= CLOSE_ROWS.max(before / CLOSE)
        }
        Reason::Unreadable { .. } | Reason::MostlyUnreadable { .. } => false,
    })
}

/// What a sync with `reasons` could not read and the last uploaded one could, for an operator; empty if there is no
/// such trouble. A crawl with trouble neither confirms a finding nor makes one that may be confirmed.
pub(super) fn trouble(reasons: &[Reason], now: &Census, before: Option<&Census>) -> Vec<String> {
    let refusals = reasons.iter().filter_map(|reason| match reason {
        Reason::Unreadable { .. } | Reason::MostlyUnreadable { .. } => Some(reason.to_string()),
        Reason::Empty { .. } | Reason::Shrunk { .. } => None,
    });
    let known =
        |area: &str| before.and_then(|before| before.incomplete.get(area)).copied().unwrap_or_default();
    let scopes = now.incomplete.iter().filter(|(area, count)| **count > known(area));
    refusals.chain(scopes.map(|(area, count)| format!("{count} of {area} could not be read whole"))).collect()
}

/// What every organization has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Total {
    Accounts,
    Users,
    Assignments,
}

impl Total {
    fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Users => "users",
            Self::Assignments => "assignments",
        }
    }

    fn types(self) -> &'static [&'static str] {
        match self {
            Self::Accounts | Self::Assignments => &[account::ID],
            Self::Users => &[sso_user::ID, iam_user::ID],
        }
    }

    fn of(self, census: &Census) -> u64 {
        let rows = match self {
            Self::Accounts | Self::Users => Rows::Resources,
            Self::Assignments => Rows::Grants,
        };
        let counts = self.types().iter().filter_map(|id| census.types.get(*id));
        counts.map(|counts| rows.of(*counts)).sum()
    }

    /// Whether the sync is about it.
    fn is_asked_for(self, census: &Census, options: &SyncOptions) -> bool {
        let has_grants = options.entitlements_and_grants && options.grants;
        (self != Self::Assignments || has_grants)
            && self.types().iter().any(|id| census.types.contains_key(*id))
    }
}

/// No accounts, no users, no assignments: all of these there were always. One that was empty in the last uploaded
/// sync, too, is what the organization is like.
fn empty(now: &Census, before: Option<&Census>, options: &SyncOptions) -> Vec<Reason> {
    [Total::Accounts, Total::Users, Total::Assignments]
        .into_iter()
        .filter(|count| count.is_asked_for(now, options) && count.of(now) == 0)
        .filter_map(|count| match before.map(|before| count.of(before)) {
            Some(0) => None,
            before => Some(Reason::Empty { count, before }),
        })
        .collect()
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
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { count, before: None } => write!(f, "there are no {}", count.name()),
            Self::Empty { count, before: Some(before) } => {
                write!(f, "there are no {}, and there were {before}", count.name())
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

    fn is_confirmed(now: &Census, held: &Census) -> bool {
        is_same(&reasons(now, Some(&organization("0", 40)), &SyncOptions::default(), &settings()), now, held)
    }

    #[test]
    fn the_same_finding_is_the_same_within_a_hundredth_of_what_there_was() {
        let mut held = organization("a", 40);
        set(&mut held, "sso_user", 100, 0);
        let mut now = organization("b", 40);
        for (users, same) in [(100, true), (96, true), (104, true), (95, false), (105, false), (0, false)] {
            set(&mut now, "sso_user", users, 0);
            assert_eq!(is_confirmed(&now, &held), same, "{users}");
        }
    }

    #[test]
    fn what_a_finding_is_not_about_may_change_meanwhile() {
        let mut held = organization("a", 40);
        set(&mut held, "sso_user", 100, 0);
        set(&mut held, "access-key", 10, 0);
        let mut now = organization("b", 41);
        set(&mut now, "sso_user", 100, 0);
        set(&mut now, "access-key", 11, 0);
        assert!(is_confirmed(&now, &held));
        set(&mut now, "iam_user", 100, 0);
        assert!(!is_confirmed(&now, &held), "a collapse that the held crawl did not find");
    }

    #[test]
    fn nothing_left_is_the_same_as_nothing_left_alone() {
        let mut held = organization("a", 40);
        for id in ["sso_user", "iam_user"] {
            set(&mut held, id, 0, 0);
        }
        let mut now = Census { sync_id: "b".into(), ..held.clone() };
        assert!(is_confirmed(&now, &held));
        set(&mut held, "sso_user", 1, 0);
        assert!(!is_confirmed(&now, &held));
        set(&mut now, "sso_user", 1, 0);
        assert!(is_confirmed(&now, &held));
    }

    #[test]
    fn a_collapse_of_one_account_is_confirmed_for_that_account_alone() {
        let collapsed = |id: &str, account: &str| {
            let mut census = organization(id, 40);
            census.accounts.get_mut(account).unwrap().insert("iam_user".into(), Counts::default());
            set(&mut census, "iam_user", 3900, 0);
            census
        };
        assert!(is_confirmed(&collapsed("b", "000000000007"), &collapsed("a", "000000000007")));
        assert!(!is_confirmed(&collapsed("b", "000000000008"), &collapsed("a", "000000000007")));
    }

    fn troubles(now: &Census, before: Option<&Census>) -> Vec<String> {
        trouble(&reasons(now, before, &SyncOptions::default(), &settings()), now, before)
    }

    #[test]
    fn an_account_that_refuses_is_never_confirmed() {
        let before = organization("0", 40);
        let mut now = organization("a", 40);
        now.entered.remove("000000000007");
        now.refused.insert("000000000007".into());
        assert!(!is_confirmed(&now, &now));
        assert_eq!(troubles(&now, Some(&before)), ["account 000000000007 was readable and no longer is"]);
        assert!(troubles(&now, Some(&now)).is_empty(), "it refused before the last upload, too");
    }

    #[test]
    fn scopes_that_are_not_whole_are_trouble_unless_they_were_so_before() {
        let mut now = organization("a", 40);
        now.incomplete.insert("groups".into(), 3);
        assert_eq!(troubles(&now, None), ["3 of groups could not be read whole"]);
        let mut before = organization("0", 40);
        before.incomplete.insert("groups".into(), 2);
        assert_eq!(troubles(&now, Some(&before)).len(), 1);
        before.incomplete.insert("groups".into(), 3);
        assert!(troubles(&now, Some(&before)).is_empty());
    }
}
