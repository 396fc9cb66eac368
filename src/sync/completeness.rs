//! What a sync knows to have read whole, by area.

use std::collections::BTreeMap;
use std::fmt;

/// A kind of scope that is read whole or not.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Area {
    /// The users of the Identity Center directory.
    Users,
    /// A group of the directory with its members.
    Groups,
    /// A permission set with its policies.
    PermissionSets,
    /// A member account: its row and what is provisioned to it.
    Accounts,
    /// A permission set on an account with who is assigned.
    Bindings,
    /// The tree of the organization.
    Tree,
    /// IAM of one account.
    Iam,
    /// The policies that AWS manages.
    AwsManagedPolicies,
}

impl Area {
    /// The area in an operator's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "Identity Center users",
            Self::Groups => "Identity Center groups",
            Self::PermissionSets => "permission sets",
            Self::Accounts => "accounts",
            Self::Bindings => "permission sets on accounts",
            Self::Tree => "organization tree",
            Self::Iam => "IAM of accounts",
            Self::AwsManagedPolicies => "AWS-managed policies",
        }
    }
}

impl Area {
    /// The area in one word, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Groups => "groups",
            Self::PermissionSets => "permission_sets",
            Self::Accounts => "accounts",
            Self::Bindings => "bindings",
            Self::Tree => "tree",
            Self::Iam => "iam",
            Self::AwsManagedPolicies => "aws_managed_policies",
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much of an area was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Coverage {
    /// Scopes that were read whole.
    pub whole: u64,
    /// Scopes of which something is missing.
    pub incomplete: u64,
}

/// The areas that a sync read, each with its coverage. An area outside the sync's types is absent.
pub type Completeness = BTreeMap<Area, Coverage>;
