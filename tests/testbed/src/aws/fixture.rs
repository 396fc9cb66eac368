//! The description of an organization: what a fixture file says, before ids are derived and names resolved.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::knobs::Knobs;

mod generate;
pub mod iam;
mod instance;
mod principals;

pub use generate::{IamShape, Shape};
pub use instance::{Instance, InstancePrefix, NetworkRules, Region};
pub use principals::{IamRole, IamUser, Principals, Trust};

/// One AWS organization with its directory, assignments, the principals that may call it, and the knobs and
/// faults that it starts with.
///
/// Ids may be given or left out; those left out are derived from the names, so they are the same in every run.
/// Accounts are referred to by name or id, everything else by name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fixture {
    /// A name that all derived ids depend on.
    pub name: String,
    /// Accounts and organizational units.
    pub organization: Organization,
    /// Directory, permission sets and assignments.
    pub identity_center: IdentityCenter,
    /// What IAM holds, account by account; an account that is not here holds nothing of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub iam: Vec<iam::AccountIam>,
    /// How many AWS managed policies every account sees. Those that anything in the fixture refers to are among
    /// them, whatever the number.
    #[serde(skip_serializing_if = "is_zero")]
    pub aws_managed_policies: usize,
    /// Who may call, with which key, and which roles may be assumed.
    pub principals: Principals,
    /// Latency, quotas, page sizes and the like.
    pub knobs: Knobs,
    /// Faults that are armed from the start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

impl Fixture {
    /// The shipped example: an empty unit, units five deep, a suspended account, a disabled user, odd names, and
    /// an assignment whose principal has left the directory.
    ///
    /// # Errors
    /// Never in a released build: a test reads the file.
    pub fn example() -> Result<Self, FixtureError> {
        Self::from_yaml(include_str!("../../fixtures/small.yaml"))
    }

    /// Reads a fixture from YAML text. Unknown keys are refused.
    pub fn from_yaml(text: &str) -> Result<Self, FixtureError> {
        serde_saphyr::from_str(text).map_err(|error| FixtureError::Syntax(error.to_string()))
    }

    /// Reads a fixture from a YAML file.
    pub fn from_path(path: &Path) -> Result<Self, FixtureError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| FixtureError::Read { path: path.display().to_string(), source })?;
        Self::from_yaml(&text)
    }

    /// Writes the fixture as YAML, for example to keep a generated one.
    pub fn to_yaml(&self) -> Result<String, FixtureError> {
        serde_saphyr::to_string(self).map_err(|error| FixtureError::Syntax(error.to_string()))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What is wrong with a fixture.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// The file cannot be read.
    #[error("read fixture {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is not a fixture; the message names line and key.
    #[error("fixture: {0}")]
    Syntax(String),
    /// A name that nothing in the fixture carries.
    #[error("fixture: {wanted_by} refers to {kind} {name:?}, which the fixture does not have")]
    Unknown {
        /// The kind of thing that is missing.
        kind: &'static str,
        /// Its name as written.
        name: String,
        /// Where it is referred to.
        wanted_by: String,
    },
    /// Two things of a kind share an id or a name that must be unique.
    #[error("fixture: {kind} {name:?} appears twice")]
    Duplicate {
        /// The kind of thing.
        kind: &'static str,
        /// Its id or name.
        name: String,
    },
    /// The organization has no account, so nobody can own it.
    #[error("fixture: an organization needs at least one account")]
    NoAccount,
    /// An id or number that AWS could not give.
    #[error("fixture: {0}")]
    Invalid(String),
}

/// The accounts of an organization and the tree that they hang in.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Organization {
    /// `o-...`; derived when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name or id of the account that owns the organization; the first account of the tree when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_account: Option<String>,
    /// Accounts directly under the root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// Units directly under the root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizational_units: Vec<OrganizationalUnit>,
    /// Member accounts that administer a service for the organization.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delegated_administrators: Vec<DelegatedAdministrator>,
    /// What withholds actions from the principals of member accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_control_policies: Vec<ServiceControlPolicy>,
}

/// A service control policy. None holds for the management account.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceControlPolicy {
    /// Name, unique.
    pub name: String,
    /// Names or ids of accounts and units that it is attached to, or `root`.
    pub targets: Vec<String>,
    /// Actions that it denies, `*` allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// The only actions that its targets may use, as if it stood in the place of `FullAWSAccess`; everything by
    /// default.
    pub allow: Vec<String>,
    /// Denials do not name its ARN, as those of some services do not yet.
    pub without_arn: bool,
}

impl Default for ServiceControlPolicy {
    fn default() -> Self {
        let everything = vec!["*".to_owned()];
        Self {
            name: String::new(),
            targets: Vec::new(),
            deny: Vec::new(),
            allow: everything,
            without_arn: false,
        }
    }
}

/// A unit with what is in it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrganizationalUnit {
    /// `ou-...`; derived when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name, unique among its siblings.
    pub name: String,
    /// Accounts directly in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// Units directly in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizational_units: Vec<OrganizationalUnit>,
}

/// An AWS account.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    /// Twelve digits, quoted; derived when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name; need not be unique.
    pub name: String,
    /// Address of the root user; derived when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Life cycle state.
    pub state: AccountState,
    /// The account's IAM alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Where an account is in its life, in AWS's words.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountState {
    /// Usable.
    #[default]
    Active,
    /// Created, not activated yet.
    PendingActivation,
    /// Suspended by AWS.
    Suspended,
    /// Being closed by its owner.
    PendingClosure,
    /// Closed.
    Closed,
}

/// A member account that may act for the organization in one service.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DelegatedAdministrator {
    /// Name or id of the account.
    pub account: String,
    /// Service principals, for example `sso.amazonaws.com`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
}

/// An organization instance of Identity Center.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityCenter {
    /// False: the organization has no instance, every listing of instances is empty.
    pub enabled: bool,
    /// The region that the instance lives in. Elsewhere it does not exist.
    pub region: String,
    /// `d-` and ten hexadecimal digits; derived when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_store_id: Option<String>,
    /// The sixteen characters after `ssoins-` or `ins-`; derived when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// What AWS tells of the instance.
    #[serde(skip_serializing_if = "Instance::is_plain")]
    pub instance: Instance,
    /// People.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// Groups and their members.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Permission sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permission_sets: Vec<PermissionSet>,
    /// Who has which permission set on which account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assignments: Vec<Assignment>,
    /// Further instances that `ListInstances` shows; they hold nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_instances: Vec<OtherInstance>,
}

impl Default for IdentityCenter {
    fn default() -> Self {
        Self {
            enabled: true,
            region: "us-east-1".to_owned(),
            identity_store_id: None,
            instance_id: None,
            instance: Instance::default(),
            users: Vec::new(),
            groups: Vec::new(),
            permission_sets: Vec::new(),
            assignments: Vec::new(),
            other_instances: Vec::new(),
        }
    }
}

/// A user of the identity store.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct User {
    /// The user id; derived when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `UserName`, unique.
    pub name: String,
    /// `DisplayName`; absent when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Given and family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// See `given_name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// The one address that AWS keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `UserStatus` is `DISABLED` instead of `ENABLED`.
    pub disabled: bool,
    /// `UserStatus` is left out of replies.
    pub without_status: bool,
    /// Ids in the directories that the user came from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_ids: Vec<ExternalId>,
}

/// The id of a user or group in another directory.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExternalId {
    /// Who issued it.
    pub issuer: String,
    /// The id.
    pub id: String,
}

/// A group of the identity store.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    /// The group id; derived when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `DisplayName`, unique.
    pub name: String,
    /// `Description`; absent when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Names of its users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Ids in the directories that the group came from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_ids: Vec<ExternalId>,
}

/// A permission set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PermissionSet {
    /// The sixteen characters after `ps-`; derived when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name, unique.
    pub name: String,
    /// Description; absent when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// ISO 8601 duration; one hour when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_duration: Option<String>,
    /// AWS managed policies: a name such as `AdministratorAccess`, or an ARN.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_policies: Vec<String>,
    /// Customer managed policies by path and name, for example `/team/ReadBuckets`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub customer_managed_policies: Vec<String>,
    /// An inline policy, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline_policy: Option<String>,
}

/// One permission set on one account for some principals.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assignment {
    /// Name of the permission set.
    pub permission_set: String,
    /// Name or id of the account.
    pub account: String,
    /// Names of users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Names of groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Names of users that have left the directory: AWS keeps such assignments, the user itself is gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone_users: Vec<String>,
    /// The same for groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone_groups: Vec<String>,
}

/// An instance of Identity Center beside the organization's.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtherInstance {
    /// `Name` of the instance.
    pub name: String,
    /// Name or id of the account that owns it.
    pub owner: String,
    /// Names or ids of the accounts that see it beside the owner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub visible_to: Vec<String>,
}
