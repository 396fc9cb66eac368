//! What IAM says of its entities.
//!
//! Policy documents are JSON text here: IAM sends them percent-encoded (RFC 3986, where `+` is a plus).

use jiff::Timestamp;

use crate::aws::Tag;

/// A user, as `iam:ListUsers` and `iam:GetAccountAuthorizationDetails` tell it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// Its ARN, never empty.
    pub arn: String,
    /// Its unique id, `AIDA...`.
    pub id: String,
    /// Its name, never empty.
    pub name: String,
    /// Its path, `/` or `/.../`.
    pub path: String,
    /// When its password was last used; only `iam:ListUsers` says so.
    pub password_last_used: Option<Timestamp>,
}

/// A group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// Its ARN, never empty.
    pub arn: String,
    /// Its unique id, `AGPA...`.
    pub id: String,
    /// Its name, never empty.
    pub name: String,
    /// Its path, `/` or `/.../`.
    pub path: String,
}

/// A role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Role {
    /// Its ARN, never empty.
    pub arn: String,
    /// Its unique id, `AROA...`.
    pub id: String,
    /// Its name, never empty.
    pub name: String,
    /// Its path, `/` or `/.../`.
    pub path: String,
    /// What it is for; only `iam:ListRoles` says so.
    pub description: Option<String>,
    /// The longest session in seconds; only `iam:ListRoles` says so.
    pub max_session_seconds: Option<i32>,
    /// The trust policy document.
    pub trust: Option<String>,
}

/// A managed policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Its ARN, never empty. That of a policy of AWS's own has `aws` in the place of the account.
    pub arn: String,
    /// Its name, never empty.
    pub name: String,
    /// The version in force, `v1` and so on.
    pub default_version: String,
}

/// A managed policy that is attached to something.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct AttachedPolicy {
    /// Its ARN, never empty.
    pub arn: String,
    /// Its name; empty where AWS does not say.
    pub name: String,
}

/// A policy that is part of a user, group or role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InlinePolicy {
    /// Its name, never empty.
    pub name: String,
    /// Its document; `None` where it may not be read.
    pub document: Option<String>,
}

/// An access key, without its secret, which AWS tells once and never again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessKey {
    /// Its id, `AKIA...`, never empty.
    pub id: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its status in AWS's word, `Active` or `Inactive`; what AWS does not say is taken for `Active`.
    pub status: String,
}

impl AccessKey {
    /// Whether it works.
    pub fn is_active(&self) -> bool {
        self.status == "Active"
    }
}

/// A use of an access key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyUse {
    /// When.
    pub at: Timestamp,
    /// The service that was called, `s3`; `None` where AWS does not know.
    pub service: Option<String>,
    /// The region that was called; `None` where AWS does not know.
    pub region: Option<String>,
}

/// One entity with what belongs to it, as `iam:GetAccountAuthorizationDetails` tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Detail {
    /// A user.
    User(UserDetail),
    /// A group.
    Group(GroupDetail),
    /// A role.
    Role(RoleDetail),
    /// A policy of the account's own.
    Policy(PolicyDetail),
}

/// A user with what belongs to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserDetail {
    /// The user.
    pub user: User,
    /// Names of the groups that it is a member of.
    pub groups: Vec<String>,
    /// The managed policies attached to it.
    pub attached: Vec<AttachedPolicy>,
    /// Its inline policies.
    pub inline: Vec<InlinePolicy>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A group with what belongs to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupDetail {
    /// The group.
    pub group: Group,
    /// The managed policies attached to it.
    pub attached: Vec<AttachedPolicy>,
    /// Its inline policies.
    pub inline: Vec<InlinePolicy>,
}

/// A role with what belongs to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoleDetail {
    /// The role, without description and session length.
    pub role: Role,
    /// The managed policies attached to it.
    pub attached: Vec<AttachedPolicy>,
    /// Its inline policies.
    pub inline: Vec<InlinePolicy>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A policy with its document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyDetail {
    /// The policy.
    pub policy: Policy,
    /// What it is for.
    pub description: Option<String>,
    /// The document of its default version.
    pub document: Option<String>,
}
