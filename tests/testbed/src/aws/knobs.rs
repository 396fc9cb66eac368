//! What can be turned while the testbed runs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::drop_members;
use super::quota::{Quotas, matches};

/// Behaviour that holds for every call until it is changed. Durations are written in milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each knob is turned by itself")]
pub struct Knobs {
    /// Time that passes before each call is carried out.
    #[serde(rename = "latency_ms", with = "millis")]
    pub latency: Duration,
    /// Caps the page size of every listing below AWS's own.
    pub page_size: Option<usize>,
    /// Caps per action, for example `sso:ListPermissionSets: 2`; goes before `page_size`.
    pub page_sizes: BTreeMap<String, usize>,
    /// Every listing starts with an empty page that carries a token.
    pub empty_pages: bool,
    /// Which calls are throttled.
    pub quotas: Quotas,
    /// Throttles IAM and `CloudTrail` in each account by itself, beside `quotas`: 2 `LookupEvents` a second as AWS
    /// documents, and for IAM, which publishes no rates, 15 a second each of `GetRole`, `ListAttachedRolePolicies` and
    /// `ListRolePolicies`, 35 each of `GetPolicy` and `GetPolicyVersion`.
    pub account_quotas: bool,
    /// How long an assignment stays in progress.
    #[serde(rename = "settle_ms", with = "millis")]
    pub settle: Duration,
    /// The same per action, for example `sso:DeleteAccountAssignment: 5000`; goes before `settle_ms`.
    #[serde(rename = "settles_ms", with = "millis_by_name")]
    pub settles: BTreeMap<String, Duration>,
    /// How long calls go on seeing what was before a write; which ones, `lag_of` says.
    #[serde(rename = "lag_ms", with = "millis")]
    pub lag: Duration,
    /// Which calls lag behind.
    pub lag_of: Lagging,
    /// The lifetime of new role sessions, whatever is asked for; AWS's own rules when absent.
    #[serde(rename = "session_lifetime_ms", with = "optional_millis")]
    pub session_lifetime: Option<Duration>,
    /// The same by the name of the role; goes before `session_lifetime_ms`.
    #[serde(rename = "session_lifetimes_ms", with = "millis_by_name")]
    pub session_lifetimes: BTreeMap<String, Duration>,
    /// How long an IAM credential report takes to be made.
    #[serde(rename = "report_generation_ms", with = "millis")]
    pub report_generation: Duration,
    /// Every account has a credential report of this age from the start; none has one when absent. AWS hands out
    /// none that is older than four hours.
    #[serde(rename = "report_age_ms", with = "optional_millis")]
    pub report_age: Option<Duration>,
    /// How AWS tells the state of an account.
    pub account_fields: AccountFields,
    /// Whether accounts and units carry their path in the organization.
    pub account_paths: bool,
    /// Members that answers leave out wherever they stand, by action: `identitystore:*: [DisplayName, Emails]`. AWS
    /// may leave out whatever its models do not require.
    pub left_out: BTreeMap<String, Vec<String>>,
    /// Whether request signatures are checked.
    pub verify_signatures: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            page_size: None,
            page_sizes: BTreeMap::new(),
            empty_pages: false,
            quotas: Quotas::Off,
            account_quotas: false,
            settle: Duration::from_millis(20),
            settles: BTreeMap::new(),
            lag: Duration::ZERO,
            lag_of: Lagging::Listings,
            session_lifetime: None,
            session_lifetimes: BTreeMap::new(),
            report_generation: Duration::ZERO,
            report_age: None,
            account_fields: AccountFields::Both,
            account_paths: true,
            left_out: BTreeMap::new(),
            verify_signatures: true,
        }
    }
}

impl Knobs {
    /// How long a change by this action stays in progress.
    pub(crate) fn settle_of(&self, action: &str) -> Duration {
        self.settles.get(action).copied().unwrap_or(self.settle)
    }

    /// The lifetime of new sessions of a role, if it is not AWS's own.
    pub(crate) fn lifetime_of(&self, role: &str) -> Option<Duration> {
        self.session_lifetimes.get(role).copied().or(self.session_lifetime)
    }

    /// Takes out of an answer what it shall lack.
    pub(crate) fn leave_out(&self, action: &str, answer: &mut Value) {
        let patterns = self.left_out.iter().filter(|(pattern, _)| matches(pattern, action));
        for member in patterns.flat_map(|(_, members)| members) {
            drop_members(answer, member);
        }
    }

    /// The largest page of an action whose documented maximum is `documented`.
    pub(crate) fn page_cap(&self, action: &str, documented: usize) -> usize {
        self.page_sizes.get(action).copied().or(self.page_size).unwrap_or(documented).clamp(1, documented)
    }
}

/// The calls that see what was before a write.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Lagging {
    /// Listings of memberships and assignments.
    #[default]
    Listings,
    /// Every read of IAM, Identity Store, SSO Admin and Organizations.
    Reads,
    /// The same, and a write does not find what an earlier one has made.
    Everything,
}

/// The members that carry an account's state: `State` replaces `Status`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum AccountFields {
    /// `State` and `Status`.
    #[default]
    Both,
    /// `State` alone.
    State,
    /// `Status` alone.
    Status,
    /// Neither.
    Neither,
}

/// Durations as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// Durations by name, as whole milliseconds.
mod millis_by_name {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(
        values: &BTreeMap<String, Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let millis: BTreeMap<_, _> = values.iter().map(|(name, time)| (name, time.as_millis())).collect();
        millis.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Duration>, D::Error> {
        let millis = BTreeMap::<String, u64>::deserialize(deserializer)?;
        Ok(millis.into_iter().map(|(name, time)| (name, Duration::from_millis(time))).collect())
    }
}

/// Durations as whole milliseconds, or nothing.
mod optional_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::millis::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}
