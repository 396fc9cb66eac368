//! IAM of an account by the one call that tells its entities with all that belongs to them.

use std::collections::{HashMap, HashSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::last_use::LastUses;
use super::page_room::PageSize;
use super::{ByDetails, ENTITIES, Reading};
use crate::aws::iam::{
    Detail, EntityKind, GroupDetail, InlinePolicy, PolicyDetail, PolicyOwner, Role, RoleDetail, User,
    UserDetail,
};
use crate::aws::{CallError, Class};
use crate::connector::{access_key, group, iam_policy, iam_user, role};
use crate::sync::SyncError;
use crate::sync::crawl::Crawl;

/// What the lists tell that the details lack.
#[derive(Default)]
struct Lists {
    last_uses: LastUses,
    roles: HashMap<String, OfRole>,
    /// ARNs of the policies that are attached, where only those are synced.
    attached: Option<HashSet<String>>,
}

/// What only the list of roles tells.
struct OfRole {
    description: Option<String>,
    max_session_seconds: Option<i32>,
}

/// The groups of one account, which are staged when all users are known.
#[derive(Default)]
struct Membership {
    users: Vec<String>,
    /// Numbers of users by the name of their group.
    of_group: HashMap<String, Vec<usize>>,
    groups: Vec<GroupDetail>,
}

impl Membership {
    fn add(&mut self, user: &UserDetail) {
        for group in &user.groups {
            self.of_group.entry(group.clone()).or_default().push(self.users.len());
        }
        self.users.push(user.user.arn.clone());
    }

    fn members(&self, group: &str) -> impl Iterator<Item = &str> {
        let numbers = self.of_group.get(group).map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|number| self.users.get(*number).map(String::as_str))
    }
}

impl Crawl<'_> {
    /// Reads an account by its details, unless they are denied.
    pub(super) async fn details(&self, reading: &Reading<'_>) -> Result<ByDetails, SyncError> {
        let size = PageSize::new();
        let next_size = size.clone();
        let mut pages = reading.iam.authorization_details(move || next_size.get());
        let mut lists = None;
        let mut membership = Membership::default();
        loop {
            let room = self.page_room.page().await;
            let page = match pages.try_next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if lists.is_none() && matches!(error.class(), Class::Denied) => {
                    return Ok(ByDetails::Denied(error));
                }
                Err(error) => return Err(error.into()),
            };
            let lists = match &lists {
                Some(lists) => lists,
                // Not before it is known that the details may be read: the other way needs other lists.
                None => lists.insert(self.lists(reading).await?),
            };
            size.learn(page.len(), page.iter().map(bytes).sum());
            self.page(reading, lists, page, &mut membership).await?;
            drop(room);
        }
        for group in &membership.groups {
            self.group_rows(reading, group, membership.members(&group.group.name))?;
        }
        Ok(ByDetails::Read)
    }

    async fn lists(&self, reading: &Reading<'_>) -> Result<Lists, SyncError> {
        let last_uses = async {
            if !self.scope.has(iam_user::ID) && !self.scope.has(access_key::ID) {
                return Ok(LastUses::default());
            }
            let users = reading.iam.users().try_concat().await;
            let users: Vec<_> = self.findings.optional("last use of passwords", users)?.unwrap_or_default();
            self.last_uses(reading, &users).await
        };
        let roles = async {
            if !self.scope.has(role::ID) {
                return Ok(HashMap::new());
            }
            let only_here = |role: Role| {
                let of_role =
                    OfRole { description: role.description, max_session_seconds: role.max_session_seconds };
                (role.arn, of_role)
            };
            let roles =
                reading.iam.roles().map_ok(|page| stream::iter(page.into_iter().map(Ok::<_, CallError>)));
            let roles = roles.try_flatten().map_ok(only_here).try_collect().await;
            let what = "descriptions and session lengths of roles";
            Ok::<_, SyncError>(self.findings.optional(what, roles)?.unwrap_or_default())
        };
        let attached = async {
            if !self.connector.settings().only_attached_policies || !self.scope.has(iam_policy::ID) {
                return Ok(None);
            }
            let policies: Vec<_> = reading.iam.policies(PolicyOwner::Account, true).try_concat().await?;
            Ok(Some(policies.into_iter().map(|policy| policy.arn).collect()))
        };
        let (last_uses, roles, attached) = tokio::try_join!(last_uses, roles, attached)?;
        Ok(Lists { last_uses, roles, attached })
    }

    async fn page(
        &self,
        reading: &Reading<'_>,
        lists: &Lists,
        page: Vec<Detail>,
        membership: &mut Membership,
    ) -> Result<(), SyncError> {
        let mut users = Vec::new();
        for detail in page {
            match detail {
                Detail::User(user) => {
                    membership.add(&user);
                    users.push(user);
                }
                Detail::Group(detail) if self.scope.has(group::ID) => membership.groups.push(detail),
                Detail::Role(detail) if self.scope.has(role::ID) => {
                    self.role_detail(reading, lists, detail)?;
                }
                Detail::Policy(detail) if self.scope.has(iam_policy::ID) => {
                    self.policy_detail(reading, lists, detail).await?;
                }
                Detail::Group(_) | Detail::Role(_) | Detail::Policy(_) => {}
            }
        }
        if !self.scope.has(iam_user::ID) && !self.scope.has(access_key::ID) {
            return Ok(());
        }
        stream::iter(users)
            .map(Ok)
            .map_ok(async |user: UserDetail| self.user_detail(reading, lists, &user).await)
            .try_buffer_unordered(ENTITIES)
            .try_collect()
            .await
    }

    async fn user_detail(
        &self,
        reading: &Reading<'_>,
        lists: &Lists,
        detail: &UserDetail,
    ) -> Result<(), SyncError> {
        let read = async {
            let last_use = self.last_use(reading, &lists.last_uses, &detail.user).await?;
            self.user_rows(reading, detail, &last_use).await
        };
        let User { name, arn, .. } = &detail.user;
        self.unless_gone(read.await, reading.entity(EntityKind::User, name, arn)).await
    }

    fn role_detail(&self, reading: &Reading<'_>, lists: &Lists, detail: RoleDetail) -> Result<(), SyncError> {
        let mut detail = detail;
        if let Some(of_role) = lists.roles.get(&detail.role.arn) {
            detail.role.description.clone_from(&of_role.description);
            detail.role.max_session_seconds = of_role.max_session_seconds;
        }
        self.role_rows(reading, &detail)
    }

    async fn policy_detail(
        &self,
        reading: &Reading<'_>,
        lists: &Lists,
        detail: PolicyDetail,
    ) -> Result<(), SyncError> {
        let policy = &detail.policy;
        if lists.attached.as_ref().is_some_and(|attached| !attached.contains(&policy.arn)) {
            return Ok(());
        }
        let description = if self.connector.settings().iam_tags {
            match detail.description {
                Some(description) => Some(description),
                None => self.description(reading, &policy.arn).await?,
            }
        } else {
            None
        };
        self.policy(
            reading.rows,
            policy,
            description.as_deref(),
            detail.document.as_deref(),
            reading.parent.clone(),
        )
    }
}

/// The bytes of an entity's documents, which are most of it.
fn bytes(detail: &Detail) -> usize {
    let of_inline = |inline: &[InlinePolicy]| {
        inline.iter().map(|policy| policy.document.as_ref().map_or(0, String::len)).sum::<usize>()
    };
    match detail {
        Detail::User(user) => of_inline(&user.inline),
        Detail::Group(group) => of_inline(&group.inline),
        Detail::Role(role) => of_inline(&role.inline) + role.role.trust.as_ref().map_or(0, String::len),
        Detail::Policy(policy) => policy.document.as_ref().map_or(0, String::len),
    }
}
