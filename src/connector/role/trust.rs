//! Trust policies: who may assume a role.

use std::collections::BTreeSet;
use std::fmt;

use crate::aws::iam::{DocumentError, Effect, Principals, Statement, statements};

use super::{Arn, iam_user};

/// The action that a person or a role assumes a role with.
const ASSUME: &str = "sts:AssumeRole";

/// All actions that assume a role.
const WAYS: [&str; 3] = [ASSUME, "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"];

/// What a trust policy says of who may assume the role.
///
/// Only statements that allow count; denials are not subtracted and conditions are not weighed, as reviews have it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trust {
    /// Principals of statements that allow `sts:AssumeRole`, as written.
    assumers: Vec<String>,
    /// Principals of statements that allow any way to assume.
    aws: Vec<String>,
    services: Vec<String>,
    federated: Vec<String>,
    unshown: BTreeSet<Unshown>,
}

/// Why somebody may be able to assume a role whom no grant names.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Unshown {
    /// A statement allows everybody but those it names.
    AllBut,
    /// A statement names nobody, in a way that IAM's grammar does not have.
    UnknownPrincipal,
    /// A statement neither allows nor denies.
    UnknownEffect,
}

/// The document is not a trust policy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the trust policy is not a policy document: {0}")]
pub struct TrustError(#[from] DocumentError);

impl Trust {
    /// Reads a document.
    ///
    /// # Errors
    /// [`TrustError`] for anything but a policy document.
    pub fn parse(document: &str) -> Result<Self, TrustError> {
        let mut trust = Self::default();
        for statement in statements(document)? {
            if WAYS.iter().any(|way| statement.covers(way)) {
                trust.add(statement);
            }
        }
        Ok(trust)
    }

    /// Adds a statement about assuming the role.
    fn add(&mut self, statement: Statement) {
        let person_may = statement.covers(ASSUME);
        match (statement.effect, statement.principals) {
            (Effect::Deny, _) => {}
            (Effect::Neither, _) => {
                self.unshown.insert(Unshown::UnknownEffect);
            }
            (Effect::Allow, Principals::AllBut) => {
                self.unshown.insert(Unshown::AllBut);
            }
            (Effect::Allow, Principals::Text(everybody)) if everybody == "*" => {}
            (Effect::Allow, Principals::Text(_) | Principals::Unnamed) => {
                self.unshown.insert(Unshown::UnknownPrincipal);
            }
            (Effect::Allow, Principals::Named(named)) => {
                if person_may {
                    self.assumers.extend(named.aws.iter().cloned());
                }
                self.aws.extend(named.aws);
                self.services.extend(named.services);
                self.federated.extend(named.federated);
            }
        }
    }

    /// Why there may be others who can assume the role.
    pub fn unshown(&self) -> impl Iterator<Item = Unshown> {
        self.unshown.iter().copied()
    }

    /// The users and roles that are named, each once, as resource type and ARN. Accounts, wildcards, sessions and
    /// the ids of what was deleted are nobody that a row stands for.
    pub(super) fn assumers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let mut seen = BTreeSet::new();
        self.assumers.iter().filter_map(move |name| {
            let resource = Arn::parse(name)?.resource;
            let kind = if resource.starts_with("user/") {
                iam_user::ID
            } else if resource.starts_with("role/") {
                super::ID
            } else {
                return None;
            };
            seen.insert(name.as_str()).then_some((kind, name.as_str()))
        })
    }

    /// What kind of role this makes, in the words of the `NonHumanIdentityTrait`. `account` is the role's own.
    pub(super) fn detail(&self, account: &str) -> String {
        let names = self.services.iter().map(|service| service.split('.').next().unwrap_or_default());
        let service = names.filter(|name| !name.is_empty()).map(|name| name.to_lowercase().replace('-', "_"));
        if let Some(service) = service.min() {
            return format!("aws.role.{service}");
        }
        if !self.federated.is_empty() {
            let provider = self.federated.iter().find_map(|provider| {
                if provider.contains(":oidc-provider/") {
                    Some("oidc")
                } else if provider.contains(":saml-provider/") {
                    Some("saml")
                } else {
                    None
                }
            });
            return format!("aws.role.{}", provider.unwrap_or("federated"));
        }
        let is_foreign = |name: &String| {
            Arn::parse(name).is_some_and(|arn| !arn.account.is_empty() && arn.account != account)
        };
        if self.aws.iter().any(is_foreign) { "aws.role.cross_account" } else { "aws.role" }.to_owned()
    }
}

impl fmt::Display for Unshown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllBut => "a statement allows everybody but those it names in NotPrincipal",
            Self::UnknownPrincipal => {
                "a statement allows somebody whom it does not name as IAM's grammar has it"
            }
            Self::UnknownEffect => "the effect of a statement is neither Allow nor Deny",
        })
    }
}
