//! What stands behind a denial, as far as AWS's words tell.

use std::fmt;

/// Organizations' words towards an account that is neither the management account nor a delegated administrator,
/// whatever the policies of the caller allow.
const WRONG_ACCOUNT: &str = "have permissions to access this resource";

/// What stands before the policy that denies.
const EXPLICIT: &str = "explicit deny";

/// What stands before the kind of policy that lacks a statement.
const NONE_ALLOWS: &str = "because no ";

/// What stands behind a denial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denial {
    /// No policy of the caller's own allows it, or AWS does not say more: a statement there helps.
    Missing,
    /// A policy withholds it, against which no further statement in the caller's own policies helps.
    Withheld(Withheld),
    /// The service answers the management account of the organization and delegated administrators alone.
    WrongAccount,
}

/// A policy that withholds something, and how. Its `Display` says which, and that a statement does not help but
/// what does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Withheld {
    /// The policy.
    pub by: PolicyKind,
    /// Whether a statement of it denies, rather than that none allows.
    pub explicit: bool,
}

/// The kinds of policy that decide over a call to AWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PolicyKind {
    /// A policy of the caller's own.
    IdentityBased,
    /// The policy of what the call is about.
    ResourceBased,
    /// The trust policy of the role that is to be assumed.
    RoleTrust,
    /// A policy of the caller's organization.
    ServiceControl,
    /// A policy of the organization of what the call is about.
    ResourceControl,
    /// The bound of the caller's own policies.
    PermissionsBoundary,
    /// The policy with which the caller's session was made.
    Session,
    /// The policy of the endpoint in a private network that the call took.
    VpcEndpoint,
    /// AWS names none.
    Unnamed,
}

impl Denial {
    /// Reads the words of a denial: `... with an explicit deny in a <kind>` and `... because no <kind> allows the
    /// <action> action`.
    pub(in crate::aws) fn read(message: &str) -> Self {
        let text = message.to_ascii_lowercase();
        if text.contains(WRONG_ACCOUNT) {
            return Self::WrongAccount;
        }
        let (rest, explicit) = match (text.split_once(EXPLICIT), text.split_once(NONE_ALLOWS)) {
            (Some((_, rest)), _) => (rest, true),
            (None, Some((_, rest))) => (rest, false),
            (None, None) => return Self::Missing,
        };
        match PolicyKind::named_in(rest) {
            None if explicit => Self::Withheld(Withheld { by: PolicyKind::Unnamed, explicit }),
            None => Self::Missing,
            Some(PolicyKind::IdentityBased) if !explicit => Self::Missing,
            Some(by) => Self::Withheld(Withheld { by, explicit }),
        }
    }

    /// Whether the words name a policy, or that none allows it, as why.
    pub(in crate::aws) fn is_explained(message: &str) -> bool {
        let text = message.to_ascii_lowercase();
        [WRONG_ACCOUNT, EXPLICIT, NONE_ALLOWS].iter().any(|words| text.contains(words))
    }
}

impl PolicyKind {
    const NAMED: [(&str, Self); 8] = [
        ("identity-based policy", Self::IdentityBased),
        ("role trust policy", Self::RoleTrust),
        ("resource-based policy", Self::ResourceBased),
        ("service control policy", Self::ServiceControl),
        ("resource control policy", Self::ResourceControl),
        ("permissions boundary", Self::PermissionsBoundary),
        ("session policy", Self::Session),
        ("vpc endpoint policy", Self::VpcEndpoint),
    ];

    fn named_in(text: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(words, _)| text.contains(words)).map(|&(_, kind)| kind)
    }

    /// Who can change such a policy, and how.
    fn remedy(self) -> &'static str {
        match self {
            Self::IdentityBased => "take the denial out of the caller's own policies, or except this from it",
            Self::ResourceBased => "change the policy of the resource",
            Self::RoleTrust => "change the role's trust policy",
            Self::ServiceControl => {
                "whoever administers the organization has to except the caller's role there, or to detach that policy"
            }
            Self::ResourceControl => {
                "whoever administers the resource's organization has to except the caller's role there"
            }
            Self::PermissionsBoundary => "change the permissions boundary of the caller's role or user",
            Self::Session => "change the policy that the caller's session is made with",
            Self::VpcEndpoint => "change the policy of the VPC endpoint on the way to the service",
            Self::Unnamed => {
                "look for the denial in the caller's own policies, its permissions boundary and the service control \
                 policies of its organization"
            }
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMED.iter().find(|(_, kind)| kind == self);
        f.write_str(match self {
            Self::VpcEndpoint => "VPC endpoint policy",
            _ => named.map_or("policy that AWS does not name", |(words, _)| words),
        })
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, explicit } = self;
        let article = if *by == PolicyKind::IdentityBased { "an" } else { "a" };
        if *explicit {
            write!(f, "an explicit deny in {article} {by} withholds it")?;
        } else {
            write!(f, "no {by} allows it")?;
        }
        write!(f, "; another statement does not help: {}", by.remedy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str =
        "User: arn:aws:iam::111111111111:user/connector is not authorized to perform: iam:ListUsers ";

    fn read(words: &str) -> Denial {
        Denial::read(&format!("{DENIED}{words}"))
    }

    #[test]
    fn an_explicit_deny_is_told_with_its_policy_and_with_what_helps_against_it() {
        for (words, by, helps) in [
            ("a service control policy", PolicyKind::ServiceControl, "administers the organization"),
            (
                "a service control policy: arn:aws:organizations::1:policy/o-1/service_control_policy/p-1",
                PolicyKind::ServiceControl,
                "except the caller's role",
            ),
            ("an identity-based policy", PolicyKind::IdentityBased, "caller's own policies"),
            ("a resource-based policy", PolicyKind::ResourceBased, "of the resource"),
            ("a resource control policy", PolicyKind::ResourceControl, "resource's organization"),
            ("a permissions boundary", PolicyKind::PermissionsBoundary, "boundary"),
            ("a session policy", PolicyKind::Session, "session"),
            ("a VPC endpoint policy", PolicyKind::VpcEndpoint, "VPC endpoint"),
            ("the role trust policy", PolicyKind::RoleTrust, "trust policy"),
            ("something new", PolicyKind::Unnamed, "look for the denial"),
        ] {
            let denial = read(&format!("on resource: * with an explicit deny in {words}"));
            let withheld = Withheld { by, explicit: true };
            assert_eq!(denial, Denial::Withheld(withheld), "{words}");
            let told = withheld.to_string();
            assert!(told.starts_with("an explicit deny in a") && told.contains(helps), "{told}");
        }
    }

    #[test]
    fn a_policy_that_does_not_allow_is_no_explicit_deny() {
        let boundary = read("because no permissions boundary allows the iam:ListUsers action");
        let withheld = Withheld { by: PolicyKind::PermissionsBoundary, explicit: false };
        assert_eq!(boundary, Denial::Withheld(withheld));
        assert!(withheld.to_string().starts_with("no permissions boundary allows it"));
    }

    #[test]
    fn only_where_the_own_policies_lack_it_does_a_statement_help() {
        assert_eq!(read("because no identity-based policy allows the iam:ListUsers action"), Denial::Missing);
        assert_eq!(read("on resource: *"), Denial::Missing);
        assert_eq!(Denial::read(""), Denial::Missing);
        let outsider = Denial::read("You don't have permissions to access this resource.");
        assert_eq!(outsider, Denial::WrongAccount);
    }
}
