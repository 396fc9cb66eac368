//! Trust policies: who may assume a role.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::{Arn, iam_user};

/// The action that a person or a role assumes a role with.
const ASSUME: &str = "sts:AssumeRole";

/// What a trust policy says of who may assume the role.
///
/// Only statements that allow count; denials are not subtracted and conditions are not weighed, as reviews have it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trust {
    /// Principals of statements that allow exactly `sts:AssumeRole`, as written.
    assumers: Vec<String>,
    /// Principals of statements that allow any way to assume.
    aws: Vec<String>,
    services: Vec<String>,
    federated: Vec<String>,
}

/// The document is not a trust policy.
#[derive(Debug, thiserror::Error)]
#[error("the trust policy is not a policy document: {0}")]
pub struct TrustError(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "Statement")]
    statement: OneOrMany<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "Effect", default)]
    effect: String,
    #[serde(rename = "Action", default)]
    action: Option<OneOrMany<String>>,
    #[serde(rename = "Principal", default)]
    principal: Option<Principal>,
}

/// Named principals, or a text, of which `*` is the only one that means something.
#[derive(Deserialize)]
#[serde(untagged)]
enum Principal {
    Named(Named),
    Text(#[expect(dead_code, reason = "a text names nobody in particular")] String),
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "AWS", default)]
    aws: Option<OneOrMany<String>>,
    #[serde(rename = "Service", default)]
    service: Option<OneOrMany<String>>,
    #[serde(rename = "Federated", default)]
    federated: Option<OneOrMany<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

fn names(given: Option<OneOrMany<String>>) -> Vec<String> {
    let mut names = given.map(OneOrMany::into_vec).unwrap_or_default();
    names.retain(|name| !name.is_empty());
    names
}

impl Trust {
    /// Reads a document. `Statement` is one or several; so are actions and principals.
    ///
    /// # Errors
    /// [`TrustError`] for anything else.
    pub fn parse(document: &str) -> Result<Self, TrustError> {
        // By way of a value, whose reader bounds how deep a document may be nested.
        let document: Value = serde_json::from_str(document)?;
        let document = Document::deserialize(document)?;
        let mut trust = Self::default();
        for statement in document.statement.into_vec() {
            let actions = names(statement.action);
            if statement.effect != "Allow" || !actions.iter().any(|action| action.starts_with(ASSUME)) {
                continue;
            }
            let Some(Principal::Named(named)) = statement.principal else { continue };
            let aws = names(named.aws);
            if actions.iter().any(|action| action == ASSUME) {
                trust.assumers.extend(aws.iter().cloned());
            }
            trust.aws.extend(aws);
            trust.services.extend(names(named.service));
            trust.federated.extend(names(named.federated));
        }
        Ok(trust)
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

    /// What kind of role this makes, in the words of the `NonHumanIdentityTrait`.
    pub(super) fn detail(&self, account: &str) -> String {
        let service = self
            .services
            .iter()
            .map(|service| service.split('.').next().unwrap_or_default().to_lowercase().replace('-', "_"));
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
        let is_foreign = |name: &String| Arn::parse(name).is_some_and(|arn| arn.account != account);
        if self.aws.iter().any(is_foreign) { "aws.role.cross_account" } else { "aws.role" }.to_owned()
    }
}
