//! What a role may not do that the settings need of it.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use super::finding::{Finding, Severity, Statement};
use super::identity;
use super::probe::{self, Answers, Site, Standing};
use crate::aws::iam::{Decision, Simulated};
use crate::aws::{CallError, Denial, NETWORK_RULES, Service};
use crate::config::AwsSettings;
use crate::connector::Connector;
use crate::connector::policy::{self, Need, Role};

const CHECK: &str = "permissions";
/// The cheap way to read IAM; without it there is another.
const DETAILS: &str = "iam:GetAccountAuthorizationDetails";
/// Only the management account may use it, and it only saves calls.
const OF_MANAGEMENT: &str = "sso:ListAccountAssignmentsForPrincipal";
const SIMULATE: &str = "iam:SimulatePrincipalPolicy";

/// What a sync cannot do without. `sts:AssumeRole`, where members are read, is tried by entering them.
pub const ESSENTIAL: [&str; 11] = [
    "iam:ListPolicies",
    "identitystore:ListGroupMemberships",
    "identitystore:ListGroups",
    "identitystore:ListUsers",
    "organizations:ListAccounts",
    "sso:DescribePermissionSet",
    "sso:ListAccountAssignments",
    "sso:ListInstances",
    "sso:ListPermissionSets",
    "sso:ListPermissionSetsProvisionedToAccount",
    "sts:AssumeRole",
];
/// The one that it cannot do without besides, where access keys are synced.
pub const ESSENTIAL_FOR_KEYS: &str = "iam:ListAccessKeys";
/// The one that it cannot do without besides, where `BATON_SYNC_RESOURCE_TAGS` asks for tags.
pub const ESSENTIAL_FOR_TAGS: &str = "organizations:ListTagsForResource";
/// Those that it cannot do without besides, where tags are asked for and IAM is read entity by entity.
pub const ESSENTIAL_FOR_TAGS_BY_ENTITY: [&str; 2] = ["iam:ListRoleTags", "iam:ListUserTags"];
/// Those that it cannot do without besides, where IAM is read entity by entity.
pub const ESSENTIAL_BY_ENTITY: [&str; 10] = [
    "iam:GetGroup",
    "iam:ListAttachedGroupPolicies",
    "iam:ListAttachedRolePolicies",
    "iam:ListAttachedUserPolicies",
    "iam:ListGroupPolicies",
    "iam:ListGroups",
    "iam:ListRolePolicies",
    "iam:ListRoles",
    "iam:ListUserPolicies",
    "iam:ListUsers",
];

/// The role that the work is done as.
pub(super) async fn examine(connector: &Connector, provisioning: bool) -> Vec<Finding> {
    let (aws, settings) = (connector.aws(), connector.settings());
    let mut needs = match policy::needs(Role::Main, settings, provisioning) {
        Ok(needs) => needs,
        Err(error) => return vec![unknown_needs(&error)],
    };
    if !aws.is_management_account() {
        for need in &mut needs {
            need.actions.retain(|action| action != OF_MANAGEMENT);
        }
    }
    let api = aws.provisioning(CancellationToken::new());
    let caller = aws.caller();
    let principal = match &settings.role {
        Some(role)
            if caller.arn.contains(":assumed-role/")
                && caller.arn.contains(&format!("/{}/", role.name())) =>
        {
            role.to_string()
        }
        _ => identity::principal_of(caller, &api.iam()).await,
    };
    let site = Site {
        iam: api.iam(),
        account: caller.account.clone(),
        partition: caller.partition.clone(),
        instance: aws.instance().map(|instance| instance.arn.clone()).unwrap_or_default(),
        is_management: aws.is_management_account(),
        api: Some(api),
    };
    of_role(&site, &principal, needs, settings).await
}

/// What is needed is not known, so nothing of it can be called fine.
pub(super) fn unknown_needs(error: &serde_json::Error) -> Finding {
    Finding::new(
        Severity::Unchecked,
        CHECK,
        format!("what the role needs cannot be told by this build: {error}"),
    )
}

/// Tries what one role needs, and tells what is missing, need by need.
pub(super) async fn of_role(
    site: &Site,
    principal: &str,
    mut needs: Vec<Need>,
    settings: &AwsSettings,
) -> Vec<Finding> {
    let mut answers = probe::ask(site, &all(&needs)).await;
    let by_entity = matches!(answers.get(DETAILS).map(Standing::of), Some(Standing::Denied(_)));
    if by_entity && let Ok(other) = policy::entity_by_entity(settings) {
        let fresh: Vec<_> = other.actions.iter().filter(|one| !answers.contains_key(*one)).cloned().collect();
        answers.extend(probe::ask(site, &fresh).await);
        for need in &mut needs {
            need.actions.retain(|action| !other.actions.contains(action));
        }
        needs.push(other);
    }
    let untried: Vec<_> = all(&needs).into_iter().filter(|action| !answers.contains_key(action)).collect();
    let simulated = if untried.is_empty() {
        Ok(BTreeMap::new())
    } else {
        let told = site.iam.simulate(principal, &untried, None).await;
        told.map(|results| results.into_iter().map(|one| (one.action.clone(), one)).collect())
    };
    let (keys, tags) = (settings.secrets, settings.resource_tags);
    let judged = Judged { site, principal, answers, simulated, untried, by_entity, keys, tags };
    judged.findings(&needs)
}

fn all(needs: &[Need]) -> Vec<String> {
    needs.iter().flat_map(|need| need.actions.iter().cloned()).collect()
}

struct Judged<'a> {
    site: &'a Site,
    principal: &'a str,
    answers: Answers,
    simulated: Result<BTreeMap<String, Simulated>, CallError>,
    untried: Vec<String>,
    /// IAM is read entity by entity.
    by_entity: bool,
    /// Access keys are synced.
    keys: bool,
    /// Tags of accounts, users and roles are synced.
    tags: bool,
}

impl Judged<'_> {
    fn findings(&self, needs: &[Need]) -> Vec<Finding> {
        let mut found: Vec<Finding> = needs.iter().flat_map(|need| self.missing(need)).collect();
        found.extend(self.unclear());
        found.extend(self.key());
        found.extend(self.unsimulated());
        found.extend(self.allowed());
        let mut found: Vec<_> = found.into_iter().map(|one| one.of(&self.site.account)).collect();
        found.extend(self.limits());
        found
    }

    /// What is missing of a need, apart by what withholds it and by how that is known.
    fn missing(&self, need: &Need) -> Vec<Finding> {
        let mut withheld: BTreeMap<(Known, Option<String>), Vec<String>> = BTreeMap::new();
        for action in &need.actions {
            let mut lacking = action.clone();
            let (known, by) = match self.answers.get(action).map(Standing::of) {
                Some(Standing::Denied(error)) => {
                    // Some operations need what another service permits.
                    lacking = error.missing_action().unwrap_or(lacking);
                    match error.denial() {
                        Some(Denial::Withheld(withheld)) => (Known::Tried, Some(withheld.to_string())),
                        Some(Denial::WrongAccount) => (Known::Tried, Some(WRONG_ACCOUNT.to_owned())),
                        _ if self.may_be_the_account(error) => (Known::Account, None),
                        _ if error.may_be_network_rules() => (Known::Unexplained, None),
                        _ => (Known::Tried, None),
                    }
                }
                Some(_) => continue,
                None => match self.simulated.as_ref().ok().and_then(|all| all.get(action)) {
                    Some(one) => match one.decision {
                        Decision::Allowed => continue,
                        Decision::NotAllowed if one.lacks_context => {
                            (Known::Doubtful, Some(CONDITION.to_owned()))
                        }
                        Decision::NotAllowed => (Known::Simulated, None),
                        Decision::Denied => (Known::Doubtful, Some(OWN.to_owned())),
                        Decision::Boundary => (Known::Doubtful, Some(BOUNDARY.to_owned())),
                        Decision::Organization => (Known::Doubtful, Some(ORGANIZATION.to_owned())),
                    },
                    None => continue,
                },
            };
            withheld.entry((known, by)).or_default().push(lacking);
        }
        withheld
            .into_iter()
            .map(|((known, by), actions)| self.lack(need, known, by.as_deref(), &actions))
            .collect()
    }

    /// AWS denies these services to an account that is neither the management account nor a delegated administrator
    /// whatever its policies, and then names no action.
    fn may_be_the_account(&self, error: &CallError) -> bool {
        let of_organization =
            matches!(error.service(), Service::Organizations | Service::SsoAdmin | Service::IdentityStore);
        of_organization && !self.site.is_management && !error.message().contains("not authorized to perform")
    }

    fn lack(&self, need: &Need, known: Known, by: Option<&str>, actions: &[String]) -> Finding {
        let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
        let role = name_of(self.principal);
        if known == Known::Doubtful {
            let what = format!("{role} may not {}, as {SIMULATE} has it", actions.join(", "));
            let by = by.unwrap_or(CONDITION);
            return Finding::new(Severity::Unchecked, CHECK, what)
                .why(format!("if it is so: {}", need.without))
                .next(format!(
                    "{by}, or seems to: a simulation does not know what conditions compare with, such as a region, an \
                     address or a tag. Look at that policy"
                ));
        }
        let is_essential = actions.iter().any(|action| self.is_essential(action));
        let severity = if is_essential { Severity::Error } else { Severity::Warning };
        let found =
            Finding::new(severity, CHECK, format!("{role} may not {}", actions.join(", "))).why(need.without);
        if let Some(by) = by {
            return found.next(by);
        }
        let found = found.adding(Statement::allowing(format!("the policies of {role}"), &actions, "*"));
        match known {
            Known::Account => found.next(
                "AWS says so as well, whatever the policies, of an account that is neither the management account of \
                 the organization nor a delegated administrator: is this the right account?",
            ),
            Known::Unexplained => found.next(format!("AWS names no policy as the reason: {NETWORK_RULES}")),
            Known::Simulated => found.next(
                "where it is allowed on some resources or under a condition alone, as it may be, this is no fault",
            ),
            Known::Tried | Known::Doubtful => found,
        }
    }

    fn is_essential(&self, action: &str) -> bool {
        ESSENTIAL.contains(&action)
            || self.by_entity && ESSENTIAL_BY_ENTITY.contains(&action)
            || self.keys && action == ESSENTIAL_FOR_KEYS
            || self.tags && action == ESSENTIAL_FOR_TAGS
            || self.tags && self.by_entity && ESSENTIAL_FOR_TAGS_BY_ENTITY.contains(&action)
    }

    /// Trials whose answer says nothing of a permission.
    fn unclear(&self) -> Vec<Finding> {
        let unclear = self.answers.iter().filter_map(|(action, answer)| match Standing::of(answer) {
            Standing::Unclear(error) => {
                Some(Finding::new(Severity::Unchecked, CHECK, self.told(error)).next("ask again later"))
            }
            Standing::Refused(error) => {
                let essential = self.is_essential(action);
                let severity = if essential { Severity::Error } else { Severity::Unchecked };
                let found = Finding::new(severity, CHECK, self.told(error))
                    .next("AWS refuses the request itself: see that the settings fit the account");
                Some(if essential { found.why("a sync fails on it") } else { found })
            }
            Standing::Allowed | Standing::Denied(_) | Standing::Key(_) => None,
        });
        unclear.collect()
    }

    /// An error in words that are the same for all members: which account it is stands beside it.
    fn told(&self, error: &CallError) -> String {
        let text = told(error);
        match self.site.api {
            Some(_) => text,
            None => text.replace(self.site.account.as_str(), "ACCOUNT"),
        }
    }

    fn key(&self) -> Option<Finding> {
        let error = self.answers.values().find_map(|answer| match Standing::of(answer) {
            Standing::Key(error) => Some(error),
            _ => None,
        })?;
        let role = name_of(self.principal);
        let add =
            Statement::allowing(format!("the policies of {role}, and the key's"), &["kms:Decrypt"], "*");
        Some(
            Finding::new(Severity::Error, "key", error.to_string())
                .why("Identity Center cannot be read without the key that encrypts it: there is no sync")
                .next("use-key.json of deploy/iam narrows the statement to that key and to Identity Center")
                .adding(add),
        )
    }

    /// Permissions that nobody could ask for.
    fn unsimulated(&self) -> Option<Finding> {
        let left: Vec<&str> = match &self.simulated {
            Ok(known) => {
                self.untried.iter().filter(|one| !known.contains_key(*one)).map(String::as_str).collect()
            }
            Err(_) => self.untried.iter().map(String::as_str).collect(),
        };
        if left.is_empty() {
            return None;
        }
        let found = Finding::new(Severity::Unchecked, CHECK, format!("not checked: {}", left.join(", ")));
        let Err(error) = &self.simulated else {
            return Some(found.why("AWS did not answer for them"));
        };
        if error.missing_action().is_none() {
            let found = found.why(format!(
                "{SIMULATE}, which would tell without a change, gave no answer: {}",
                self.told(error)
            ));
            return Some(found.next("ask again later"));
        }
        let role = name_of(self.principal);
        // In members the same statement does for all of them.
        let principal = match self.site.api {
            Some(_) => self.principal.to_owned(),
            None => self.principal.replace(self.site.account.as_str(), "*"),
        };
        let add = Statement::allowing(format!("the policies of {role}"), &[SIMULATE], &principal);
        Some(found.why(format!("{SIMULATE}, which would tell without a change, is not allowed")).adding(add))
    }

    fn limits(&self) -> Option<Finding> {
        let told = self.simulated.as_ref().is_ok_and(|told| !told.is_empty());
        told.then(|| {
            let what = format!(
                "{SIMULATE} weighs a role's own policies, its permissions boundary and, where AWS lets it, service control \
                 policies; not those of sessions, resources, resource control and VPC endpoints, nor what conditions \
                 compare with: a change that it allows may still be refused"
            );
            Finding::new(Severity::Note, CHECK, what)
        })
    }

    fn allowed(&self) -> Option<Finding> {
        let tried: BTreeSet<&String> = self
            .answers
            .iter()
            .filter(|(_, answer)| matches!(Standing::of(answer), Standing::Allowed))
            .map(|(action, _)| action)
            .collect();
        let told = self.simulated.iter().flatten().filter(|(_, one)| one.decision == Decision::Allowed);
        let (tried, told) = (tried.len(), told.count());
        let role = name_of(self.principal);
        (tried + told > 0).then(|| {
            let what = match told {
                0 => format!("{role} may do {tried} things that were tried"),
                told => format!(
                    "{role} may do {tried} things that were tried and, as {SIMULATE} has it, {told} that were not"
                ),
            };
            Finding::ok(CHECK, what)
        })
    }
}

/// How it is known that something is missing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Known {
    /// AWS refused a call.
    Tried,
    /// The same, in words that may be about the account.
    Account,
    /// The same, by Identity Center and without a word of policies.
    Unexplained,
    /// No policy allows it, by simulation.
    Simulated,
    /// A policy withholds it by simulation, which does not know everything.
    Doubtful,
}

/// An error without what is another one each time.
pub(super) fn told(error: &CallError) -> String {
    let code = error.code().map(|code| format!(" [{code}]")).unwrap_or_default();
    format!("{}:{}: {} ({}){code}", error.service(), error.operation(), error.class().name(), error.message())
}

const OWN: &str = "a statement of its own denies it";
const CONDITION: &str = "a condition withholds it";
const BOUNDARY: &str = "its permissions boundary withholds it";
const ORGANIZATION: &str = "a service control policy of the organization withholds it";
const WRONG_ACCOUNT: &str = "AWS answers the management account of the organization and delegated administrators alone, \
                             whatever the policies: use a role of such an account";

/// `role/path/name` or `user/name`: the same in each account.
fn name_of(principal: &str) -> &str {
    principal.splitn(6, ':').nth(5).unwrap_or(principal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_named_the_same_in_each_account() {
        assert_eq!(name_of("arn:aws:iam::111111111111:role/team/Reader"), "role/team/Reader");
    }
}
