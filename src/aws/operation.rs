//! Names of AWS services and operations.

use std::fmt;

/// An AWS service that this program calls.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Service {
    /// Security Token Service.
    Sts,
    /// Identity Store: the users and groups of Identity Center.
    IdentityStore,
    /// SSO Admin: the permission sets and assignments of Identity Center.
    SsoAdmin,
    /// Organizations.
    Organizations,
    /// Identity and Access Management.
    Iam,
    /// `CloudTrail`.
    CloudTrail,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 6] =
        [Self::Sts, Self::IdentityStore, Self::SsoAdmin, Self::Organizations, Self::Iam, Self::CloudTrail];

    /// The service's name in IAM policies: what stands before the colon of an action.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::IdentityStore => "identitystore",
            Self::SsoAdmin => "sso",
            Self::Organizations => "organizations",
            Self::Iam => "iam",
            Self::CloudTrail => "cloudtrail",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One operation of a service, and whether it may be sent twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Operation {
    pub(super) service: Service,
    pub(super) name: &'static str,
    pub(super) repeat: Repeat,
    /// Whether the call proves who calls by this program's credentials.
    pub(super) is_signed: bool,
}

/// Whether a call may be sent again when its first outcome is unknown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Repeat {
    /// A read, or a write whose second execution changes nothing and says so.
    Safe,
    /// Only when the first one was certainly not carried out.
    IfNotCarriedOut,
}

impl Operation {
    /// An operation that may be repeated.
    pub(super) const fn safe(service: Service, name: &'static str) -> Self {
        Self { service, name, repeat: Repeat::Safe, is_signed: true }
    }

    /// An operation that must not be repeated blindly.
    pub(super) const fn once(service: Service, name: &'static str) -> Self {
        Self { service, name, repeat: Repeat::IfNotCarriedOut, is_signed: true }
    }

    /// The same operation, which proves who calls by a token that it carries.
    pub(super) const fn unsigned(self) -> Self {
        Self { is_signed: false, ..self }
    }

    /// Whether it changes what AWS holds, by the verb of its name: whatever is not known to read writes.
    pub(super) fn writes(self) -> bool {
        let reads =
            ["Get", "List", "Describe", "Lookup", "Simulate", "GenerateCredentialReport", "AssumeRole"];
        !reads.iter().any(|verb| self.name.starts_with(verb))
    }

    /// The IAM action that permits the operation; for all operations used here it bears the operation's name.
    pub(super) fn action(self) -> String {
        format!("{}:{}", self.service, self.name)
    }
}
