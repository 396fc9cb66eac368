//! AWS's published rates as data, and an operator's own in their place.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::aws::operation::{Operation, Service};
use crate::json::Object;

/// The rates that are kept for one calling account. AWS publishes those of Identity Center, Organizations, STS and
/// `CloudTrail`: user guide of IAM Identity Center ("Quotas"),
/// Organizations ("Quotas and service limits", figures per account; those per organization are higher, and one
/// connector calls from one account), IAM and STS quotas, `CloudTrail` API reference. Services whose operations share
/// one rate have one row. No burst is published for those; a second's worth is assumed.
///
/// AWS publishes no rate of IAM. The five rows with an operation are what others found to pass (the limiters of
/// Steampipe's AWS plugin, per account); the row for all the rest is their lowest figure.
const DOCUMENTED: [Row; 18] = [
    Row::all(Service::Sts, 600.0, 600.0),
    Row::all(Service::IdentityStore, 20.0, 20.0),
    Row::all(Service::SsoAdmin, 20.0, 20.0),
    Row::one(Service::Organizations, "ListAccounts", 8.0, 12.0),
    Row::one(Service::Organizations, "ListAccountsForParent", 5.0, 8.0),
    Row::one(Service::Organizations, "ListOrganizationalUnitsForParent", 5.0, 8.0),
    Row::one(Service::Organizations, "ListParents", 5.0, 8.0),
    Row::one(Service::Organizations, "ListRoots", 1.0, 2.0),
    Row::one(Service::Organizations, "ListTagsForResource", 10.0, 15.0),
    Row::one(Service::Organizations, "DescribeAccount", 20.0, 30.0),
    Row::one(Service::Organizations, "DescribeOrganization", 1.0, 2.0),
    Row::all(Service::Iam, 15.0, 15.0),
    Row::one(Service::Iam, "GetRole", 15.0, 15.0),
    Row::one(Service::Iam, "ListAttachedRolePolicies", 15.0, 15.0),
    Row::one(Service::Iam, "ListRolePolicies", 15.0, 15.0),
    Row::one(Service::Iam, "GetPolicy", 35.0, 35.0),
    Row::one(Service::Iam, "GetPolicyVersion", 35.0, 35.0),
    Row::all(Service::CloudTrail, 2.0, 2.0),
];

/// Calls per second, and calls at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    pub(super) burst: f64,
}

/// What shares a rate: all operations of a service, or one of them.
pub(super) type Shared = (Service, Option<&'static str>);

struct Row {
    shared: Shared,
    rate: Rate,
}

impl Row {
    const fn all(service: Service, per_second: f64, burst: f64) -> Self {
        Self { shared: (service, None), rate: Rate { per_second, burst } }
    }

    const fn one(service: Service, operation: &'static str, per_second: f64, burst: f64) -> Self {
        Self { shared: (service, Some(operation)), rate: Rate { per_second, burst } }
    }
}

/// The rates in force.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rates(BTreeMap<Shared, Rate>);

impl Rates {
    /// AWS's own.
    pub(super) fn documented() -> Self {
        Self(DOCUMENTED.iter().map(|row| (row.shared, row.rate)).collect())
    }

    /// AWS's own, with those of a YAML file in their place where it names them:
    ///
    /// ```yaml
    /// sso: { rate: 40, burst: 40 }
    /// organizations:
    ///   operations:
    ///     ListAccounts: { rate: 16 }
    /// ```
    ///
    /// `rate` is calls per second above 0, `burst` (1 or more; the rate when absent) calls at once after a pause.
    pub(super) fn from_yaml(text: &str) -> Result<Self, RatesError> {
        let file: BTreeMap<String, Object<ServiceRates>> =
            serde_saphyr::from_str_with_options(text, without_snippet())
                .map_err(|error| RatesError::Yaml(error.to_string()))?;
        let mut rates = Self::documented();
        for (name, Object(given)) in file {
            let service = Service::ALL
                .into_iter()
                .find(|service| service.as_str() == name)
                .ok_or_else(|| RatesError::Unknown { key: name.clone(), known: known_services() })?;
            if let Some(rate) = given.rate {
                rates.replace((service, None), &name, GivenRate { rate, burst: given.burst })?;
            } else if given.burst.is_some() {
                return Err(RatesError::BurstAlone(name));
            }
            for (operation, Object(rate)) in given.operations {
                let key = format!("{name}.operations.{operation}");
                let shared = DOCUMENTED
                    .iter()
                    .map(|row| row.shared)
                    .find(|shared| *shared == (service, Some(operation.as_str())))
                    .ok_or_else(|| RatesError::Unknown {
                        key: key.clone(),
                        known: known_operations(service),
                    })?;
                rates.replace(shared, &key, rate)?;
            }
        }
        Ok(rates)
    }

    /// The rate of an operation, and what shares it: its own row goes before its service's.
    pub(super) fn of(&self, operation: Operation) -> Option<(Shared, Rate)> {
        [(operation.service, Some(operation.name)), (operation.service, None)]
            .into_iter()
            .find_map(|shared| self.0.get(&shared).map(|rate| (shared, *rate)))
    }

    fn replace(&mut self, shared: Shared, key: &str, given: GivenRate) -> Result<(), RatesError> {
        let per_second = given.rate;
        if !per_second.is_finite() || per_second <= 0.0 {
            return Err(RatesError::Rate(key.to_owned()));
        }
        let burst = given.burst.unwrap_or_else(|| per_second.max(1.0));
        if !burst.is_finite() || burst < 1.0 {
            return Err(RatesError::Burst(key.to_owned()));
        }
        self.0.insert(shared, Rate { per_second, burst });
        Ok(())
    }
}

/// What is wrong with a file is told without its lines: it may be another file than was meant.
fn without_snippet() -> serde_saphyr::Options {
    serde_saphyr::Options { with_snippet: false, ..serde_saphyr::Options::default() }
}

/// Why a file of rates cannot be used; names the key.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum RatesError {
    #[error("not a file of rates: {0}")]
    Yaml(String),
    #[error("{key}: unknown; known here: {known}")]
    Unknown { key: String, known: String },
    #[error("{0}.rate: must be a number of calls per second above 0")]
    Rate(String),
    #[error("{0}.burst: must be a number of calls, 1 or more")]
    Burst(String),
    #[error("{0}.burst: needs {0}.rate beside it")]
    BurstAlone(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceRates {
    rate: Option<f64>,
    burst: Option<f64>,
    #[serde(default)]
    operations: BTreeMap<String, Object<GivenRate>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenRate {
    rate: f64,
    burst: Option<f64>,
}

fn known_services() -> String {
    Service::ALL.map(Service::as_str).join(", ")
}

fn known_operations(service: Service) -> String {
    let names: Vec<_> =
        DOCUMENTED.iter().filter(|row| row.shared.0 == service).filter_map(|row| row.shared.1).collect();
    if names.is_empty() {
        "none, the operations of this service share one rate".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rates: &Rates, service: Service, name: &'static str) -> Option<(Shared, Rate)> {
        rates.of(Operation::safe(service, name))
    }

    #[test]
    fn a_wrong_file_names_its_key() {
        for (text, message) in [
            ("sso: { rate: 0 }", "sso.rate: must be"),
            ("sso: { rate: -1 }", "sso.rate: must be"),
            ("sso: { rate: .nan }", "sso.rate: must be"),
            ("sso: { rate: 5, burst: 0.5 }", "sso.burst: must be"),
            ("sso: { burst: 5 }", "sso.burst: needs sso.rate"),
            (
                "ssoadmin: { rate: 5 }",
                "ssoadmin: unknown; known here: sts, identitystore, sso, organizations, iam, cloudtrail",
            ),
            ("sso: { operations: { ListInstances: { rate: 5 } } }", "share one rate"),
            (
                "organizations: { operations: { ListAcounts: { rate: 5 } } }",
                "organizations.operations.ListAcounts: unknown; known here: ListAccounts, ",
            ),
            (
                "organizations: { operations: { ListRoots: { rate: 0 } } }",
                "organizations.operations.ListRoots.rate",
            ),
            ("sso: { rates: 5 }", "rates"),
            ("sso: fast", "not a file of rates"),
            ("- sso", "not a file of rates"),
        ] {
            let error = Rates::from_yaml(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_replaces_only_what_it_names() {
        let text =
            "sso: { rate: 40 }\norganizations:\n  operations:\n    ListRoots: { rate: 0.5, burst: 3 }\n";
        let rates = Rates::from_yaml(text).unwrap();
        let sso = rate(&rates, Service::SsoAdmin, "ListInstances").unwrap();
        assert_eq!(sso, ((Service::SsoAdmin, None), Rate { per_second: 40.0, burst: 40.0 }));
        let roots = rate(&rates, Service::Organizations, "ListRoots").unwrap();
        assert_eq!(roots.1, Rate { per_second: 0.5, burst: 3.0 });
        let accounts = rate(&rates, Service::Organizations, "ListAccounts").unwrap();
        assert_eq!(accounts.1, Rate { per_second: 8.0, burst: 12.0 });
    }

    #[test]
    fn an_empty_file_leaves_the_documented_rates() {
        assert_eq!(Rates::from_yaml("{}").unwrap(), Rates::documented());
    }
}
