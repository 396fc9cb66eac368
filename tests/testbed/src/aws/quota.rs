//! AWS's documented request rates, as token buckets.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::knobs::Knobs;

/// Which calls are throttled.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Quotas {
    /// None.
    #[default]
    Off,
    /// Those beyond the rates that AWS documents.
    Documented,
    /// Those beyond the given rates.
    Table(Vec<Quota>),
}

/// A rate that a set of actions shares.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// An action such as `organizations:ListAccounts`, or all of a service: `sso:*`. All actions that one pattern
    /// matches draw from one bucket.
    pub action: String,
    /// Who shares the bucket.
    pub scope: Scope,
    /// Calls per second.
    pub rate: f64,
    /// Calls that may come at once after a pause.
    pub burst: f64,
}

/// Who draws from one bucket.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All callers of one account.
    Account,
    /// All callers of the organization.
    Organization,
}

static DOCUMENTED: LazyLock<Vec<Quota>> = LazyLock::new(documented);
static PER_ACCOUNT: LazyLock<Vec<Quota>> = LazyLock::new(per_account);

/// The rates of services that each account has to itself: `CloudTrail` as documented, and IAM, which publishes none, as
/// others have measured it.
pub fn per_account() -> Vec<Quota> {
    let each = |rate: f64, actions: &[&str]| -> Vec<Quota> {
        let quota =
            |action: &&str| Quota { action: (*action).to_owned(), scope: Scope::Account, rate, burst: rate };
        actions.iter().map(quota).collect()
    };
    [
        each(2.0, &["cloudtrail:LookupEvents"]),
        each(15.0, &["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"]),
        each(35.0, &["iam:GetPolicy", "iam:GetPolicyVersion"]),
    ]
    .concat()
}

/// The rates that AWS documents: user guide of Identity Center, reference of Organizations, IAM and STS quotas,
/// reference of `CloudTrail`.
pub fn documented() -> Vec<Quota> {
    // (action, per account, burst, per organization, burst)
    const ORGANIZATIONS: [(&str, f64, f64, f64, f64); 8] = [
        ("ListAccounts", 8.0, 12.0, 9.0, 15.0),
        ("ListParents", 5.0, 8.0, 6.0, 10.0),
        ("ListAccountsForParent", 5.0, 8.0, 6.0, 10.0),
        ("ListOrganizationalUnitsForParent", 5.0, 8.0, 6.0, 10.0),
        ("ListTagsForResource", 10.0, 15.0, 12.0, 18.0),
        ("DescribeAccount", 20.0, 30.0, 24.0, 36.0),
        ("ListDelegatedAdministrators", 5.0, 8.0, 6.0, 10.0),
        ("DescribeOrganization", 1.0, 2.0, 1.0, 2.0),
    ];
    let quota = |action: &str, scope, rate, burst| Quota { action: action.to_owned(), scope, rate, burst };
    let mut table = vec![
        quota("sso:*", Scope::Account, 20.0, 20.0),
        quota("identitystore:*", Scope::Account, 20.0, 20.0),
        quota("sts:*", Scope::Account, 600.0, 600.0),
        quota("cloudtrail:LookupEvents", Scope::Account, 2.0, 2.0),
        quota("organizations:ListRoots", Scope::Account, 1.0, 2.0),
        quota("organizations:ListRoots", Scope::Organization, 1.0, 2.0),
    ];
    for (operation, rate, burst, org_rate, org_burst) in ORGANIZATIONS {
        let action = format!("organizations:{operation}");
        table.push(quota(&action, Scope::Account, rate, burst));
        table.push(quota(&action, Scope::Organization, org_rate, org_burst));
    }
    table
}

/// A rate in force: the table that it stands in, its place there, and who shares it.
type Owner = (Table, usize, String);

/// A table of rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    /// The one that [`Quotas`] chooses.
    Chosen,
    /// [`per_account`].
    PerAccount,
}

/// The buckets in use.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    levels: BTreeMap<Owner, (f64, Instant)>,
}

impl Buckets {
    /// Takes one call out of each bucket that covers it, or none if one of them is empty.
    pub(crate) fn admit(&mut self, knobs: &Knobs, action: &str, account: &str, now: Instant) -> bool {
        let chosen: &[Quota] = match &knobs.quotas {
            Quotas::Off => &[],
            Quotas::Documented => &DOCUMENTED,
            Quotas::Table(table) => table,
        };
        let per_account: &[Quota] = if knobs.account_quotas { &PER_ACCOUNT } else { &[] };
        let rows =
            chosen.iter().enumerate().map(|(index, quota)| (Table::Chosen, index, quota)).chain(
                per_account.iter().enumerate().map(|(index, quota)| (Table::PerAccount, index, quota)),
            );
        let mut drawn = Vec::new();
        for (table, index, quota) in rows.filter(|(_, _, quota)| matches(&quota.action, action)) {
            let owner = match quota.scope {
                Scope::Account => account,
                Scope::Organization => "",
            };
            let key = (table, index, owner.to_owned());
            let (level, since) = self.levels.get(&key).copied().unwrap_or((quota.burst, now));
            let level = (level + now.duration_since(since).as_secs_f64() * quota.rate).min(quota.burst);
            if level < 1.0 {
                return false;
            }
            drawn.push((key, level - 1.0));
        }
        for (key, level) in drawn {
            self.levels.insert(key, (level, now));
        }
        true
    }

    /// Forgets all levels: every bucket is full again.
    pub(crate) fn refill(&mut self) {
        self.levels.clear();
    }
}

/// Whether an action pattern covers an action. `*` stands for any text; case does not matter, as in IAM.
pub(crate) fn matches(pattern: &str, action: &str) -> bool {
    fn go(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                go(rest, text) || text.split_first().is_some_and(|(_, left)| go(pattern, left))
            }
            (Some((expected, rest)), Some((found, left))) => {
                expected.eq_ignore_ascii_case(found) && go(rest, left)
            }
            _ => false,
        }
    }
    go(pattern.as_bytes(), action.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn documented_ones() -> Knobs {
        Knobs { quotas: Quotas::Documented, ..Knobs::default() }
    }

    #[test]
    fn patterns_match_as_in_a_policy() {
        assert!(matches("*", "sso:ListInstances"));
        assert!(matches("sso:List*", "sso:ListInstances"));
        assert!(matches("SSO:listinstances", "sso:ListInstances"));
        assert!(!matches("sso:List", "sso:ListInstances"));
        assert!(!matches("sso:*Users", "sso:ListInstances"));
    }

    #[test]
    fn a_bucket_refills_at_its_rate_and_never_above_its_burst() {
        let mut buckets = Buckets::default();
        let (start, knobs) = (Instant::now(), documented_ones());
        let mut admit =
            |after: Duration| buckets.admit(&knobs, "organizations:ListRoots", "111111111111", start + after);
        assert!(admit(Duration::ZERO) && admit(Duration::ZERO));
        assert!(!admit(Duration::ZERO));
        assert!(!admit(Duration::from_millis(900)));
        assert!(admit(Duration::from_secs(1)));
        assert!(admit(Duration::from_mins(10)) && admit(Duration::from_mins(10)));
        assert!(!admit(Duration::from_mins(10)));
    }

    #[test]
    fn one_account_does_not_empty_the_bucket_of_another() {
        let mut buckets = Buckets::default();
        let (now, knobs) = (Instant::now(), documented_ones());
        while buckets.admit(&knobs, "sso:ListInstances", "111111111111", now) {}
        assert!(buckets.admit(&knobs, "sso:ListInstances", "222222222222", now));
    }

    #[test]
    fn the_bucket_of_the_organization_is_shared_by_its_accounts() {
        let mut buckets = Buckets::default();
        let (now, knobs) = (Instant::now(), documented_ones());
        let mut admitted = 0;
        for account in ["111111111111", "222222222222"] {
            while buckets.admit(&knobs, "organizations:ListAccounts", account, now) {
                admitted += 1;
            }
        }
        assert_eq!(admitted, 15);
    }

    #[test]
    fn each_account_has_its_own_rates_beside_the_chosen_table() {
        let knobs = Knobs {
            account_quotas: true,
            quotas: Quotas::Table(vec![Quota {
                action: "iam:*".to_owned(),
                scope: Scope::Organization,
                rate: 1.0,
                burst: 20.0,
            }]),
            ..Knobs::default()
        };
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        let mut admitted = |action: &str, account: &str| {
            (0..40).filter(|_| buckets.admit(&knobs, action, account, now)).count()
        };
        assert_eq!(admitted("cloudtrail:LookupEvents", "111111111111"), 2);
        assert_eq!(admitted("iam:GetRole", "111111111111"), 15);
        assert_eq!(admitted("iam:GetRole", "222222222222"), 5);
    }
}
