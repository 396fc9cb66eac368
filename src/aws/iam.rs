//! Identity and Access Management of one account: users, groups, roles, policies, and keys.

mod change;
mod credential;
mod credential_report;
mod details;
mod document;
mod entity;
mod shelf;
mod simulate;
mod statement;
mod user;
mod verified;

pub use credential::{LoginProfile, NewAccessKey};
pub use credential_report::{CredentialReport, UserReport};
pub use entity::{
    AccessKey, AttachedPolicy, Detail, Group, GroupDetail, InlinePolicy, KeyUse, Policy, PolicyDetail, Role,
    RoleDetail, User, UserDetail,
};
pub use shelf::Shelf;
pub use simulate::{Decision, Simulated};
pub use statement::{DocumentError, Effect, Named, Principals, Statement, statements};
pub use user::Belonging;
pub use verified::{Unverified, Verified};

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{self, PolicyScopeType};
use aws_smithy_types::DateTime;
use futures::stream::BoxStream;
use jiff::Timestamp;

use super::account::AccountId;
use super::call::{Answer, Lane};
use super::error::CallError;
use super::operation::{Operation, Service};
use super::pages::{Page, pages};
use super::tag::Tag;

const LIST_USERS: Operation = Operation::safe(Service::Iam, "ListUsers");
const LIST_GROUPS: Operation = Operation::safe(Service::Iam, "ListGroups");
const LIST_ROLES: Operation = Operation::safe(Service::Iam, "ListRoles");
const LIST_POLICIES: Operation = Operation::safe(Service::Iam, "ListPolicies");
const GET_GROUP: Operation = Operation::safe(Service::Iam, "GetGroup");
const GET_ROLE: Operation = Operation::safe(Service::Iam, "GetRole");
const LIST_ATTACHED_USER_POLICIES: Operation = Operation::safe(Service::Iam, "ListAttachedUserPolicies");
const LIST_ATTACHED_GROUP_POLICIES: Operation = Operation::safe(Service::Iam, "ListAttachedGroupPolicies");
const LIST_ATTACHED_ROLE_POLICIES: Operation = Operation::safe(Service::Iam, "ListAttachedRolePolicies");
const LIST_USER_POLICIES: Operation = Operation::safe(Service::Iam, "ListUserPolicies");
const LIST_GROUP_POLICIES: Operation = Operation::safe(Service::Iam, "ListGroupPolicies");
const LIST_ROLE_POLICIES: Operation = Operation::safe(Service::Iam, "ListRolePolicies");
const GET_USER_POLICY: Operation = Operation::safe(Service::Iam, "GetUserPolicy");
const GET_GROUP_POLICY: Operation = Operation::safe(Service::Iam, "GetGroupPolicy");
const GET_ROLE_POLICY: Operation = Operation::safe(Service::Iam, "GetRolePolicy");
const GET_POLICY: Operation = Operation::safe(Service::Iam, "GetPolicy");
const GET_POLICY_VERSION: Operation = Operation::safe(Service::Iam, "GetPolicyVersion");
const LIST_USER_TAGS: Operation = Operation::safe(Service::Iam, "ListUserTags");
const LIST_ROLE_TAGS: Operation = Operation::safe(Service::Iam, "ListRoleTags");
const LIST_ACCESS_KEYS: Operation = Operation::safe(Service::Iam, "ListAccessKeys");
const GET_ACCESS_KEY_LAST_USED: Operation = Operation::safe(Service::Iam, "GetAccessKeyLastUsed");
const LIST_ACCOUNT_ALIASES: Operation = Operation::safe(Service::Iam, "ListAccountAliases");

/// AWS's largest page.
const PAGE: i32 = 1000;

/// Calls of IAM in one account.
#[derive(Clone, Debug)]
pub struct Iam {
    client: Client,
    lane: Lane,
    account: AccountId,
}

/// Who made a managed policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PolicyOwner {
    /// AWS: every account has it.
    Aws,
    /// The account itself.
    Account,
}

/// What a policy can be attached to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntityKind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
}

/// Sends one page of a listing: `$operation` by the request that `$request` builds, refused unless it is whole.
macro_rules! send {
    ($lane:ident, $operation:expr, $request:ident) => {
        send!($lane, $operation, $request, Answer::xml($operation.name))
    };
    ($lane:ident, $operation:expr, $request:ident, holding $list:literal) => {
        send!($lane, $operation, $request, Answer::xml($operation.name).holding($list))
    };
    ($lane:ident, $operation:expr, $request:ident, $answer:expr) => {
        $lane.send($operation, || $request.clone().customize().interceptor($answer).send())
    };
}

use send;

impl Iam {
    pub(super) fn new(client: Client, lane: Lane, account: AccountId) -> Self {
        Self { client, lane, account }
    }

    /// The same calls, which the cancellation of their task does not end.
    #[must_use]
    pub fn uncancelled(&self) -> Self {
        Self { lane: self.lane.clone().uncancelled(), ..self.clone() }
    }

    /// The account whose IAM this is.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The users, by pages (`iam:ListUsers`).
    pub fn users(&self) -> BoxStream<'static, Result<Vec<User>, CallError>> {
        self.users_under(None)
    }

    fn users_under(&self, path: Option<&str>) -> BoxStream<'static, Result<Vec<User>, CallError>> {
        let (client, path) = (self.client.clone(), path.map(str::to_owned));
        pages(self.lane.clone(), LIST_USERS, move |lane, marker| {
            let request =
                client.list_users().set_path_prefix(path.clone()).max_items(PAGE).set_marker(marker);
            async move {
                let page = send!(lane, LIST_USERS, request, holding "Users").await?;
                let next = next(&lane, LIST_USERS, page.is_truncated, page.marker)?;
                read(page.users, next, |user| User::read(user, LIST_USERS, &lane))
            }
        })
    }

    /// The groups, by pages (`iam:ListGroups`).
    pub fn groups(&self) -> BoxStream<'static, Result<Vec<Group>, CallError>> {
        self.groups_under(None)
    }

    fn groups_under(&self, path: Option<&str>) -> BoxStream<'static, Result<Vec<Group>, CallError>> {
        let (client, path) = (self.client.clone(), path.map(str::to_owned));
        pages(self.lane.clone(), LIST_GROUPS, move |lane, marker| {
            let request =
                client.list_groups().set_path_prefix(path.clone()).max_items(PAGE).set_marker(marker);
            async move {
                let page = send!(lane, LIST_GROUPS, request, holding "Groups").await?;
                let next = next(&lane, LIST_GROUPS, page.is_truncated, page.marker)?;
                read(page.groups, next, |group| {
                    let name = present(&lane, LIST_GROUPS, "GroupName", Some(group.group_name))?;
                    let arn = present(&lane, LIST_GROUPS, "Arn", Some(group.arn))?;
                    Ok(Group { arn, id: group.group_id, name, path: group.path })
                })
            }
        })
    }

    /// The roles, by pages (`iam:ListRoles`).
    pub fn roles(&self) -> BoxStream<'static, Result<Vec<Role>, CallError>> {
        self.roles_under(None)
    }

    fn roles_under(&self, path: Option<&str>) -> BoxStream<'static, Result<Vec<Role>, CallError>> {
        let (client, path) = (self.client.clone(), path.map(str::to_owned));
        pages(self.lane.clone(), LIST_ROLES, move |lane, marker| {
            let request =
                client.list_roles().set_path_prefix(path.clone()).max_items(PAGE).set_marker(marker);
            async move {
                let page = send!(lane, LIST_ROLES, request, holding "Roles").await?;
                let next = next(&lane, LIST_ROLES, page.is_truncated, page.marker)?;
                read(page.roles, next, |role| Role::read(role, LIST_ROLES, &lane))
            }
        })
    }

    /// Managed policies, all or only those that are attached to something in this account, by pages
    /// (`iam:ListPolicies`).
    pub fn policies(
        &self,
        of: PolicyOwner,
        only_attached: bool,
    ) -> BoxStream<'static, Result<Vec<Policy>, CallError>> {
        let client = self.client.clone();
        let scope = match of {
            PolicyOwner::Aws => PolicyScopeType::Aws,
            PolicyOwner::Account => PolicyScopeType::Local,
        };
        pages(self.lane.clone(), LIST_POLICIES, move |lane, marker| {
            let request = client
                .list_policies()
                .scope(scope.clone())
                .only_attached(only_attached)
                .max_items(PAGE)
                .set_marker(marker);
            async move {
                let page = send!(lane, LIST_POLICIES, request, holding "Policies").await?;
                let next = next(&lane, LIST_POLICIES, page.is_truncated, page.marker)?;
                read(page.policies.unwrap_or_default(), next, |policy| {
                    Ok(Policy {
                        arn: present(&lane, LIST_POLICIES, "Arn", policy.arn)?,
                        name: present(&lane, LIST_POLICIES, "PolicyName", policy.policy_name)?,
                        default_version: present(
                            &lane,
                            LIST_POLICIES,
                            "DefaultVersionId",
                            policy.default_version_id,
                        )?,
                    })
                })
            }
        })
    }

    /// The members of a group, by pages (`iam:GetGroup`).
    pub fn group_members(&self, group: &str) -> BoxStream<'static, Result<Vec<User>, CallError>> {
        let (client, group) = (self.client.clone(), group.to_owned());
        pages(self.lane.clone(), GET_GROUP, move |lane, marker| {
            let request = client.get_group().group_name(&group).max_items(PAGE).set_marker(marker);
            async move {
                let page = send!(lane, GET_GROUP, request, holding "Users").await?;
                let next = next(&lane, GET_GROUP, page.is_truncated, page.marker)?;
                read(page.users, next, |user| User::read(user, GET_GROUP, &lane))
            }
        })
    }

    /// A role (`iam:GetRole`). One that does not exist is a [`Class::NotFound`](super::Class::NotFound).
    pub async fn role(&self, name: &str) -> Result<Role, CallError> {
        let lane = &self.lane;
        let request = self.client.get_role().role_name(name);
        let role = send!(lane, GET_ROLE, request).await?.role;
        Role::read(role.ok_or_else(|| lane.malformed(GET_ROLE, "it holds no role"))?, GET_ROLE, lane)
    }

    /// The managed policies attached to an entity, by pages (`iam:ListAttachedUserPolicies` and its kin).
    pub fn attached_policies(
        &self,
        kind: EntityKind,
        name: &str,
    ) -> BoxStream<'static, Result<Vec<AttachedPolicy>, CallError>> {
        /// One listing; the three differ in their operation and in the member that names the entity.
        macro_rules! list {
            ($operation:expr, $method:ident, $name:ident) => {{
                let (client, name) = (self.client.clone(), name.to_owned());
                pages(self.lane.clone(), $operation, move |lane, marker| {
                    let request = client.$method().$name(&name).max_items(PAGE).set_marker(marker);
                    async move {
                        let page = send!(lane, $operation, request, holding "AttachedPolicies").await?;
                        let next = next(&lane, $operation, page.is_truncated, page.marker)?;
                        read(page.attached_policies.unwrap_or_default(), next, |policy| {
                            AttachedPolicy::read(policy, $operation, &lane)
                        })
                    }
                })
            }};
        }
        match kind {
            EntityKind::User => list!(LIST_ATTACHED_USER_POLICIES, list_attached_user_policies, user_name),
            EntityKind::Group => {
                list!(LIST_ATTACHED_GROUP_POLICIES, list_attached_group_policies, group_name)
            }
            EntityKind::Role => list!(LIST_ATTACHED_ROLE_POLICIES, list_attached_role_policies, role_name),
        }
    }

    /// Names of the inline policies of an entity, by pages (`iam:ListUserPolicies` and its kin).
    pub fn inline_policy_names(
        &self,
        kind: EntityKind,
        name: &str,
    ) -> BoxStream<'static, Result<Vec<String>, CallError>> {
        /// As in `attached_policies`.
        macro_rules! list {
            ($operation:expr, $method:ident, $name:ident) => {{
                let (client, name) = (self.client.clone(), name.to_owned());
                pages(self.lane.clone(), $operation, move |lane, marker| {
                    let request = client.$method().$name(&name).max_items(PAGE).set_marker(marker);
                    async move {
                        let page = send!(lane, $operation, request, holding "PolicyNames").await?;
                        let next = next(&lane, $operation, page.is_truncated, page.marker)?;
                        Ok((page.policy_names, next))
                    }
                })
            }};
        }
        match kind {
            EntityKind::User => list!(LIST_USER_POLICIES, list_user_policies, user_name),
            EntityKind::Group => list!(LIST_GROUP_POLICIES, list_group_policies, group_name),
            EntityKind::Role => list!(LIST_ROLE_POLICIES, list_role_policies, role_name),
        }
    }

    /// The document of an inline policy (`iam:GetUserPolicy` and its kin).
    pub async fn inline_policy(
        &self,
        kind: EntityKind,
        name: &str,
        policy: &str,
    ) -> Result<String, CallError> {
        let (client, lane) = (&self.client, &self.lane);
        let (operation, document) = match kind {
            EntityKind::User => {
                let request = client.get_user_policy().user_name(name).policy_name(policy);
                (GET_USER_POLICY, send!(lane, GET_USER_POLICY, request).await?.policy_document)
            }
            EntityKind::Group => {
                let request = client.get_group_policy().group_name(name).policy_name(policy);
                (GET_GROUP_POLICY, send!(lane, GET_GROUP_POLICY, request).await?.policy_document)
            }
            EntityKind::Role => {
                let request = client.get_role_policy().role_name(name).policy_name(policy);
                (GET_ROLE_POLICY, send!(lane, GET_ROLE_POLICY, request).await?.policy_document)
            }
        };
        let document = present(lane, operation, "PolicyDocument", Some(document))?;
        document::decoded(lane, operation, &document)
    }

    /// The document of a version of a managed policy (`iam:GetPolicyVersion`).
    pub async fn policy_document(&self, arn: &str, version: &str) -> Result<String, CallError> {
        let lane = &self.lane;
        let request = self.client.get_policy_version().policy_arn(arn).version_id(version);
        let answer = send!(lane, GET_POLICY_VERSION, request).await?;
        let document = answer.policy_version.and_then(|version| version.document);
        let document = document
            .ok_or_else(|| lane.malformed(GET_POLICY_VERSION, format!("{arn} {version} has no document")))?;
        document::decoded(lane, GET_POLICY_VERSION, &document)
    }

    /// What a managed policy is for (`iam:GetPolicy`).
    pub async fn policy_description(&self, arn: &str) -> Result<Option<String>, CallError> {
        let lane = &self.lane;
        let request = self.client.get_policy().policy_arn(arn);
        let answer = send!(lane, GET_POLICY, request).await?;
        let policy =
            answer.policy.ok_or_else(|| lane.malformed(GET_POLICY, format!("{arn} is no policy")))?;
        Ok(policy.description)
    }

    /// The tags of a user, by pages (`iam:ListUserTags`).
    pub fn user_tags(&self, name: &str) -> BoxStream<'static, Result<Vec<Tag>, CallError>> {
        let (client, name) = (self.client.clone(), name.to_owned());
        pages(self.lane.clone(), LIST_USER_TAGS, move |lane, marker| {
            let request = client.list_user_tags().user_name(&name).max_items(PAGE).set_marker(marker);
            async move {
                let page = send!(lane, LIST_USER_TAGS, request, holding "Tags").await?;
                let next = next(&lane, LIST_USER_TAGS, page.is_truncated, page.marker)?;
                read(page.tags, next, |tag| Ok(read_tag(tag)))
            }
        })
    }

    /// The tags of a role, by pages (`iam:ListRoleTags`).
    pub fn role_tags(&self, name: &str) -> BoxStream<'static, Result<Vec<Tag>, CallError>> {
        let (client, name) = (self.client.clone(), name.to_owned());
        pages(self.lane.clone(), LIST_ROLE_TAGS, move |lane, marker| {
            let request = client.list_role_tags().role_name(&name).max_items(PAGE).set_marker(marker);
            async move {
                let page = send!(lane, LIST_ROLE_TAGS, request, holding "Tags").await?;
                let next = next(&lane, LIST_ROLE_TAGS, page.is_truncated, page.marker)?;
                read(page.tags, next, |tag| Ok(read_tag(tag)))
            }
        })
    }

    /// The access keys of a user, by pages (`iam:ListAccessKeys`).
    pub fn access_keys(&self, user: &str) -> BoxStream<'static, Result<Vec<AccessKey>, CallError>> {
        let (client, user) = (self.client.clone(), user.to_owned());
        pages(self.lane.clone(), LIST_ACCESS_KEYS, move |lane, marker| {
            let request = client.list_access_keys().user_name(&user).max_items(PAGE).set_marker(marker);
            async move {
                let page = send!(lane, LIST_ACCESS_KEYS, request, holding "AccessKeyMetadata").await?;
                let next = next(&lane, LIST_ACCESS_KEYS, page.is_truncated, page.marker)?;
                read(page.access_key_metadata, next, |key| {
                    let id = present(&lane, LIST_ACCESS_KEYS, "AccessKeyId", key.access_key_id)?;
                    let created = time(&lane, LIST_ACCESS_KEYS, key.create_date)?;
                    Ok(AccessKey { id, created, status: status(key.status.as_ref()) })
                })
            }
        })
    }

    /// The last use of an access key (`iam:GetAccessKeyLastUsed`); `None` if there was none, as far as AWS remembers.
    pub async fn access_key_last_used(&self, key: &str) -> Result<Option<KeyUse>, CallError> {
        let lane = &self.lane;
        let request = self.client.get_access_key_last_used().access_key_id(key);
        let answer = send!(lane, GET_ACCESS_KEY_LAST_USED, request).await?;
        let Some(used) = answer.access_key_last_used else { return Ok(None) };
        let at = time(lane, GET_ACCESS_KEY_LAST_USED, used.last_used_date)?;
        // AWS writes "N/A" for what it does not know.
        let known = |text: String| Some(text).filter(|text| !text.is_empty() && text != "N/A");
        Ok(at.map(|at| KeyUse { at, service: known(used.service_name), region: known(used.region) }))
    }

    /// The name of the user whose access key this is (`iam:GetAccessKeyLastUsed`); `None` where AWS names nobody. A key
    /// that this account has not is a [`Class::NotFound`](super::Class::NotFound).
    pub async fn access_key_owner(&self, key: &str) -> Result<Option<String>, CallError> {
        let lane = &self.lane;
        let request = self.client.get_access_key_last_used().access_key_id(key);
        let answer = send!(lane, GET_ACCESS_KEY_LAST_USED, request).await?;
        Ok(answer.user_name.filter(|name| !name.is_empty()))
    }

    /// The aliases of the account (`iam:ListAccountAliases`). AWS allows one.
    pub async fn account_aliases(&self) -> Result<Vec<String>, CallError> {
        let lane = &self.lane;
        let request = self.client.list_account_aliases().max_items(PAGE);
        Ok(send!(lane, LIST_ACCOUNT_ALIASES, request, holding "AccountAliases").await?.account_aliases)
    }
}

/// The marker that leads on. A listing that is cut without one would end in silence.
fn next(
    lane: &Lane,
    operation: Operation,
    is_truncated: bool,
    marker: Option<String>,
) -> Result<Option<String>, CallError> {
    match (is_truncated, marker.filter(|marker| !marker.is_empty())) {
        (false, _) => Ok(None),
        (true, Some(marker)) => Ok(Some(marker)),
        (true, None) => Err(lane.malformed(operation, "the page is truncated, and has no marker")),
    }
}

fn read<T, U>(
    items: Vec<T>,
    next: Option<String>,
    item: impl FnMut(T) -> Result<U, CallError>,
) -> Result<Page<U>, CallError> {
    Ok((items.into_iter().map(item).collect::<Result<_, _>>()?, next))
}

/// A member that AWS's model promises, and that must say something.
fn present(
    lane: &Lane,
    operation: Operation,
    member: &str,
    value: Option<String>,
) -> Result<String, CallError> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| lane.malformed(operation, format!("an item has no {member}")))
}

/// The status of a key: one that AWS does not tell is taken for working.
fn status(status: Option<&types::StatusType>) -> String {
    status.map_or("Active", types::StatusType::as_str).to_owned()
}

fn time(lane: &Lane, operation: Operation, time: Option<DateTime>) -> Result<Option<Timestamp>, CallError> {
    let Some(time) = time else { return Ok(None) };
    let nanos = i32::try_from(time.subsec_nanos()).unwrap_or_default();
    let time = Timestamp::new(time.secs(), nanos);
    time.map(Some).map_err(|_| lane.malformed(operation, "a time is out of range"))
}

impl User {
    fn read(user: types::User, operation: Operation, lane: &Lane) -> Result<Self, CallError> {
        Ok(Self {
            arn: present(lane, operation, "Arn", Some(user.arn))?,
            id: user.user_id,
            name: present(lane, operation, "UserName", Some(user.user_name))?,
            path: user.path,
            password_last_used: time(lane, operation, user.password_last_used)?,
        })
    }
}

impl Role {
    fn read(role: types::Role, operation: Operation, lane: &Lane) -> Result<Self, CallError> {
        let trust = role.assume_role_policy_document;
        Ok(Self {
            arn: present(lane, operation, "Arn", Some(role.arn))?,
            id: role.role_id,
            name: present(lane, operation, "RoleName", Some(role.role_name))?,
            path: role.path,
            description: role.description,
            max_session_seconds: role.max_session_duration,
            trust: trust.map(|text| document::decoded(lane, operation, &text)).transpose()?,
        })
    }
}

impl AttachedPolicy {
    pub(super) fn read(
        policy: types::AttachedPolicy,
        operation: Operation,
        lane: &Lane,
    ) -> Result<Self, CallError> {
        let arn = present(lane, operation, "PolicyArn", policy.policy_arn)?;
        Ok(Self { arn, name: policy.policy_name.unwrap_or_default() })
    }
}

fn read_tag(tag: types::Tag) -> Tag {
    Tag { key: tag.key, value: tag.value }
}
