//! Identity Center: instance, permission sets, assignments, and the requests that change them later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::created;
use super::directory::Directory;
use super::organization::Organization;
use crate::aws::fixture::{self, AccountState, FixtureError, Instance};
use crate::aws::ids::{Ids, random_uuid};

/// Identity Center as it is.
#[derive(Clone, Debug)]
pub(crate) struct Center {
    pub(crate) enabled: bool,
    pub(crate) instance_arn: String,
    pub(crate) instance: Instance,
    pub(crate) created: Timestamp,
    pub(crate) permission_sets: BTreeMap<String, PermissionSet>,
    pub(crate) assignments: BTreeSet<Assignment>,
    pub(crate) by_principal: BTreeMap<String, BTreeSet<Assignment>>,
    pub(crate) requests: Vec<Request>,
    pub(crate) other_instances: Vec<OtherInstance>,
}

/// A permission set.
#[derive(Clone, Debug)]
pub(crate) struct PermissionSet {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) session_duration: String,
    /// Name and ARN.
    pub(crate) managed_policies: Vec<(String, String)>,
    /// Name and path.
    pub(crate) customer_managed_policies: Vec<(String, String)>,
    pub(crate) inline_policy: String,
    pub(crate) created: Timestamp,
}

/// An instance that holds nothing.
#[derive(Clone, Debug)]
pub(crate) struct OtherInstance {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) store_id: String,
    pub(crate) owner: String,
    pub(crate) visible_to: Vec<String>,
}

/// The kind of an assignment's principal.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PrincipalType {
    /// A group.
    Group,
    /// A user.
    User,
}

impl PrincipalType {
    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Group => "GROUP",
            Self::User => "USER",
        }
    }
}

/// One principal holds one permission set on one account.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Account id.
    pub account: String,
    /// ARN of the permission set.
    pub permission_set: String,
    /// User or group.
    pub principal_type: PrincipalType,
    /// Id in the identity store; it may have left the store.
    pub principal_id: String,
}

/// Whether a request adds or removes an assignment.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    Create,
    Delete,
}

/// A request to change an assignment, in progress or ended.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) change: Change,
    pub(crate) assignment: Assignment,
    pub(crate) created: Timestamp,
    pub(crate) due: Instant,
    /// A failure that the request was told to end in.
    pub(crate) scripted_failure: Option<String>,
    pub(crate) status: Status,
}

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    InProgress,
    Succeeded,
    Failed(String),
}

impl Status {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed(_) => "FAILED",
        }
    }
}

impl Center {
    pub(crate) fn build(
        fixture: &fixture::IdentityCenter,
        organization: &Organization,
        directory: &Directory,
        ids: &Ids,
    ) -> Result<Self, FixtureError> {
        let digits = fixture.instance_id.clone().unwrap_or_else(|| ids.hex(16, &["instance"]));
        let instance = format!("{}{digits}", fixture.instance.prefix.as_str());
        let mut center = Self {
            enabled: fixture.enabled,
            instance_arn: format!("arn:aws:sso:::instance/{instance}"),
            instance: fixture.instance.clone(),
            created: created(ids, &["instance"]),
            permission_sets: BTreeMap::new(),
            assignments: BTreeSet::new(),
            by_principal: BTreeMap::new(),
            requests: Vec::new(),
            other_instances: Vec::new(),
        };
        let mut names = BTreeMap::new();
        for set in &fixture.permission_sets {
            let id = set.id.clone().unwrap_or_else(|| ids.hex(16, &["permission set", &set.name]));
            let arn = format!("arn:aws:sso:::permissionSet/{instance}/ps-{id}");
            if names.insert(set.name.as_str(), arn.clone()).is_some()
                || center.permission_sets.contains_key(&arn)
            {
                return Err(FixtureError::Duplicate { kind: "permission set", name: set.name.clone() });
            }
            let created = created(ids, &["permission set", &set.name]);
            center.permission_sets.insert(arn.clone(), PermissionSet::new(set, arn, created));
        }
        let users: BTreeMap<&str, &str> =
            directory.users.values().map(|user| (user.name.as_str(), user.id.as_str())).collect();
        let groups: BTreeMap<&str, &str> =
            directory.groups.values().map(|group| (group.name.as_str(), group.id.as_str())).collect();
        for assignment in &fixture.assignments {
            let wanted_by =
                format!("assignment of {:?} on {:?}", assignment.permission_set, assignment.account);
            let unknown = |kind, name: &str| FixtureError::Unknown {
                kind,
                name: name.to_owned(),
                wanted_by: wanted_by.clone(),
            };
            let account = organization.resolve(&assignment.account, &wanted_by)?;
            let permission_set = names
                .get(assignment.permission_set.as_str())
                .ok_or_else(|| unknown("permission set", &assignment.permission_set))?;
            let mut add = |principal_type, principal_id: &str| {
                center.assign(Assignment {
                    account: account.clone(),
                    permission_set: permission_set.clone(),
                    principal_type,
                    principal_id: principal_id.to_owned(),
                });
            };
            for user in &assignment.users {
                add(PrincipalType::User, users.get(user.as_str()).ok_or_else(|| unknown("user", user))?);
            }
            for group in &assignment.groups {
                add(PrincipalType::Group, groups.get(group.as_str()).ok_or_else(|| unknown("group", group))?);
            }
            for user in &assignment.gone_users {
                add(PrincipalType::User, &directory.derived_id(ids, "gone user", user));
            }
            for group in &assignment.gone_groups {
                add(PrincipalType::Group, &directory.derived_id(ids, "gone group", group));
            }
        }
        for other in &fixture.other_instances {
            let resolve = |name: &String| organization.resolve(name, "identity_center.other_instances");
            center.other_instances.push(OtherInstance {
                name: other.name.clone(),
                arn: format!(
                    "arn:aws:sso:::instance/ssoins-{}",
                    ids.hex(16, &["other instance", &other.name])
                ),
                store_id: format!("d-9067{}", ids.hex(6, &["other store", &other.name])),
                owner: resolve(&other.owner)?,
                visible_to: other.visible_to.iter().map(resolve).collect::<Result<_, _>>()?,
            });
        }
        Ok(center)
    }

    /// Adds an assignment at once; true when it is new.
    pub(crate) fn assign(&mut self, assignment: Assignment) -> bool {
        self.by_principal.entry(assignment.principal_id.clone()).or_default().insert(assignment.clone());
        self.assignments.insert(assignment)
    }

    /// Removes an assignment at once; true when it was there.
    pub(crate) fn unassign(&mut self, assignment: &Assignment) -> bool {
        if let Some(held) = self.by_principal.get_mut(&assignment.principal_id) {
            held.remove(assignment);
        }
        self.assignments.remove(assignment)
    }

    /// Assignments of one permission set on one account.
    pub(crate) fn of_pair<'a>(
        &'a self,
        account: &'a str,
        permission_set: &'a str,
    ) -> impl Iterator<Item = &'a Assignment> {
        let first = Assignment {
            account: account.to_owned(),
            permission_set: permission_set.to_owned(),
            principal_type: PrincipalType::Group,
            principal_id: String::new(),
        };
        self.assignments
            .range(first..)
            .take_while(move |held| held.account == account && held.permission_set == permission_set)
    }

    /// Permission sets that are in use on an account: AWS provisions a set with its first assignment and removes
    /// it with the last.
    pub(crate) fn provisioned_on(&self, account: &str) -> BTreeSet<&str> {
        let first = Assignment {
            account: account.to_owned(),
            permission_set: String::new(),
            principal_type: PrincipalType::Group,
            principal_id: String::new(),
        };
        self.assignments
            .range(first..)
            .take_while(|held| held.account == account)
            .map(|held| held.permission_set.as_str())
            .collect()
    }

    /// Accounts on which a permission set is in use.
    pub(crate) fn accounts_of(&self, permission_set: &str) -> BTreeSet<&str> {
        self.assignments
            .iter()
            .filter(|held| held.permission_set == permission_set)
            .map(|held| held.account.as_str())
            .collect()
    }

    /// Starts a request that is decided after `settle`.
    pub(crate) fn request(
        &mut self,
        change: Change,
        assignment: Assignment,
        settle: Duration,
        scripted_failure: Option<String>,
    ) -> Request {
        let request = Request {
            id: random_uuid(),
            change,
            assignment,
            created: Timestamp::now(),
            due: Instant::now() + settle,
            scripted_failure,
            status: Status::InProgress,
        };
        self.requests.push(request.clone());
        request
    }

    /// Requests that are to be decided, in the order in which they were made.
    pub(crate) fn due(&self) -> Vec<usize> {
        let now = Instant::now();
        let open = |request: &Request| request.status == Status::InProgress && request.due <= now;
        self.requests.iter().enumerate().filter(|(_, one)| open(one)).map(|(index, _)| index).collect()
    }

    /// Decides the requests that are due.
    pub(crate) fn settle(&mut self, due: &[usize], organization: &Organization, directory: &Directory) {
        for &index in due {
            let Some(request) = self.requests.get(index).cloned() else { continue };
            let status = self.decide(&request, organization, directory);
            if let Some(request) = self.requests.get_mut(index) {
                request.status = status;
            }
        }
    }

    fn decide(&mut self, request: &Request, organization: &Organization, directory: &Directory) -> Status {
        if let Some(reason) = &request.scripted_failure {
            return Status::Failed(reason.clone());
        }
        let target = &request.assignment;
        match request.change {
            Change::Delete if self.unassign(target) => Status::Succeeded,
            Change::Delete => Status::Failed(
                "Received a 404 status error: the account assignment does not exist.".to_owned(),
            ),
            Change::Create => {
                let account = organization.accounts.get(&target.account);
                if account.is_none_or(|account| account.state != AccountState::Active) {
                    return Status::Failed(format!(
                        "Account {} is suspended or does not exist.",
                        target.account
                    ));
                }
                let known = match target.principal_type {
                    PrincipalType::User => directory.users.contains_key(&target.principal_id),
                    PrincipalType::Group => directory.groups.contains_key(&target.principal_id),
                };
                if !known {
                    return Status::Failed(format!(
                        "Received a 404 status error: {} {} not found.",
                        target.principal_type.as_str(),
                        target.principal_id
                    ));
                }
                self.assign(target.clone());
                Status::Succeeded
            }
        }
    }
}

impl PermissionSet {
    fn new(set: &fixture::PermissionSet, arn: String, created: Timestamp) -> Self {
        let managed = |policy: &String| {
            let arn = if policy.starts_with("arn:") {
                policy.clone()
            } else {
                format!("arn:aws:iam::aws:policy/{policy}")
            };
            (last_segment(&arn).to_owned(), arn)
        };
        let customer = |policy: &String| {
            let name = last_segment(policy);
            let path = policy.strip_suffix(name).filter(|path| !path.is_empty()).unwrap_or("/");
            (name.to_owned(), path.to_owned())
        };
        Self {
            name: set.name.clone(),
            description: set.description.clone(),
            session_duration: set.session_duration.clone().unwrap_or_else(|| "PT1H".to_owned()),
            managed_policies: set.managed_policies.iter().map(managed).collect(),
            customer_managed_policies: set.customer_managed_policies.iter().map(customer).collect(),
            inline_policy: set.inline_policy.clone().unwrap_or_default(),
            created,
            arn,
        }
    }
}

fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
