//! IAM of an account entity by entity, where the one call that tells everything is denied.

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::last_use::LastUses;
use super::{ENTITIES, Reading};
use crate::aws::iam::{
    AttachedPolicy, EntityKind, Group, GroupDetail, InlinePolicy, Policy, PolicyOwner, Role, RoleDetail,
    User, UserDetail,
};
use crate::aws::{CallError, Tag};
use crate::connector::{access_key, group, iam_policy, iam_user, inline_policy, role};
use crate::sync::SyncError;
use crate::sync::crawl::second_look::{Kind, Thing, is_gone};
use crate::sync::crawl::{Crawl, RESOURCE_TAGS};

impl Crawl<'_> {
    /// Reads an account entity by entity. What the rows need must be readable; the rest is said and counted.
    pub(super) async fn entities(&self, reading: &Reading<'_>) -> Result<(), SyncError> {
        tokio::try_join!(
            self.each_user(reading),
            self.each_group(reading),
            self.each_role(reading),
            self.each_policy(reading),
        )?;
        Ok(())
    }

    async fn each_user(&self, reading: &Reading<'_>) -> Result<(), SyncError> {
        if !self.scope.has(iam_user::ID) && !self.scope.has(access_key::ID) {
            return Ok(());
        }
        let users: Vec<User> = reading.iam.users().try_concat().await?;
        let lookups = self.last_uses(reading, &users).await?;
        stream::iter(users)
            .map(Ok)
            .map_ok(async |user: User| {
                let (name, arn) = (user.name.clone(), user.arn.clone());
                let read = self.user(reading, user, &lookups).await;
                self.unless_gone(read, reading.entity(EntityKind::User, &name, &arn)).await
            })
            .try_buffer_unordered(ENTITIES)
            .try_collect()
            .await
    }

    async fn user(&self, reading: &Reading<'_>, user: User, lookups: &LastUses) -> Result<(), SyncError> {
        let (kind, name) = (EntityKind::User, &user.name);
        let wanted = self.scope.has(iam_user::ID);
        let (attached, inline, tags, last_use) = tokio::try_join!(
            self.attached(reading, kind, name, wanted),
            self.inline(reading, kind, name, wanted),
            self.tags_of(wanted, "tags of IAM users", reading.iam.user_tags(name)),
            self.last_use(reading, lookups, &user),
        )?;
        let detail = UserDetail { user, groups: Vec::new(), attached, inline, tags };
        self.user_rows(reading, &detail, &last_use).await
    }

    async fn each_group(&self, reading: &Reading<'_>) -> Result<(), SyncError> {
        if !self.scope.has(group::ID) {
            return Ok(());
        }
        each(reading.iam.groups(), |group: Group| async move {
            let (name, arn) = (group.name.clone(), group.arn.clone());
            let read = self.iam_group(reading, group).await;
            self.unless_gone(read, reading.entity(EntityKind::Group, &name, &arn)).await
        })
        .await
    }

    async fn iam_group(&self, reading: &Reading<'_>, group: Group) -> Result<(), SyncError> {
        let (kind, name) = (EntityKind::Group, &group.name);
        let members = async {
            if !self.scope.grants {
                return Ok(Vec::new());
            }
            let members: Vec<User> = reading.iam.group_members(name).try_concat().await?;
            Ok(members.into_iter().map(|user| user.arn).collect())
        };
        let (members, attached, inline) = tokio::try_join!(
            members,
            self.attached(reading, kind, name, true),
            self.inline(reading, kind, name, true),
        )?;
        let detail = GroupDetail { group, attached, inline };
        self.group_rows(reading, &detail, members.iter().map(String::as_str))
    }

    async fn each_role(&self, reading: &Reading<'_>) -> Result<(), SyncError> {
        if !self.scope.has(role::ID) {
            return Ok(());
        }
        each(reading.iam.roles(), |role: Role| async move {
            let (name, arn) = (role.name.clone(), role.arn.clone());
            let read = self.role(reading, role).await;
            self.unless_gone(read, reading.entity(EntityKind::Role, &name, &arn)).await
        })
        .await
    }

    async fn role(&self, reading: &Reading<'_>, role: Role) -> Result<(), SyncError> {
        let (kind, name) = (EntityKind::Role, &role.name);
        let (attached, inline, tags) = tokio::try_join!(
            self.attached(reading, kind, name, true),
            self.inline(reading, kind, name, true),
            self.tags_of(true, "tags of IAM roles", reading.iam.role_tags(name)),
        )?;
        self.role_rows(reading, &RoleDetail { role, attached, inline, tags })
    }

    async fn each_policy(&self, reading: &Reading<'_>) -> Result<(), SyncError> {
        if !self.scope.has(iam_policy::ID) {
            return Ok(());
        }
        let only_attached = self.connector.settings().only_attached_policies;
        each(reading.iam.policies(PolicyOwner::Account, only_attached), |policy: Policy| async move {
            let document = reading.iam.policy_document(&policy.arn, &policy.default_version).await;
            let document = self.document(&policy.arn, document)?;
            let description = if self.connector.settings().iam_tags {
                self.description(reading, &policy.arn).await?
            } else {
                None
            };
            self.policy(
                reading.rows,
                &policy,
                description.as_deref(),
                document.as_deref(),
                reading.parent.clone(),
            )
        })
        .await
    }

    /// What a policy is for; only asked for together with tags.
    pub(super) async fn description(
        &self,
        reading: &Reading<'_>,
        arn: &str,
    ) -> Result<Option<String>, SyncError> {
        let read = reading.iam.policy_description(arn).await;
        self.detail("descriptions of IAM policies", arn, read.map(Option::unwrap_or_default))
    }

    async fn attached(
        &self,
        reading: &Reading<'_>,
        kind: EntityKind,
        name: &str,
        wanted: bool,
    ) -> Result<Vec<AttachedPolicy>, SyncError> {
        if !wanted || !self.scope.grants || !self.scope.has(iam_policy::ID) {
            return Ok(Vec::new());
        }
        Ok(reading.iam.attached_policies(kind, name).try_concat().await?)
    }

    async fn inline(
        &self,
        reading: &Reading<'_>,
        kind: EntityKind,
        name: &str,
        wanted: bool,
    ) -> Result<Vec<InlinePolicy>, SyncError> {
        if !wanted || !self.scope.has(inline_policy::ID) {
            return Ok(Vec::new());
        }
        let names: Vec<String> = reading.iam.inline_policy_names(kind, name).try_concat().await?;
        let policies = stream::iter(names).map(async |policy: String| {
            let document = match reading.iam.inline_policy(kind, name, &policy).await {
                Err(error) if is_gone(&error) => {
                    let gone = Thing::InlinePolicy { iam: &reading.iam, kind, name, policy: &policy };
                    return self.vanished(gone, error).await.map(|()| None);
                }
                document => self.findings.optional("documents of inline policies", document)?,
            };
            self.findings.read(Kind::InlinePolicies);
            Ok::<_, SyncError>(Some(InlinePolicy { name: policy, document }))
        });
        policies.buffered(ENTITIES).try_filter_map(async |policy| Ok(policy)).try_collect().await
    }

    async fn tags_of(
        &self,
        wanted: bool,
        what: &'static str,
        pages: BoxStream<'_, Result<Vec<Tag>, CallError>>,
    ) -> Result<Vec<Tag>, SyncError> {
        let settings = self.connector.settings();
        if !wanted || !settings.iam_tags && !settings.resource_tags {
            return Ok(Vec::new());
        }
        let read = pages.try_concat().await;
        if settings.resource_tags {
            return read.map_err(|error| SyncError::of_asked(RESOURCE_TAGS, error));
        }
        Ok(self.findings.optional(what, read)?.unwrap_or_default())
    }

    /// The read of an entity, which may have been deleted since it was listed.
    pub(super) async fn unless_gone(
        &self,
        read: Result<(), SyncError>,
        entity: Thing<'_>,
    ) -> Result<(), SyncError> {
        match read {
            Err(SyncError::Call(error)) if is_gone(&error) => self.vanished(entity, error).await,
            read => {
                self.findings.read(entity.kind());
                read
            }
        }
    }
}

/// Runs `read` on each item of a listing, several at once.
async fn each<T, F>(
    pages: BoxStream<'_, Result<Vec<T>, CallError>>,
    read: impl Fn(T) -> F,
) -> Result<(), SyncError>
where
    F: Future<Output = Result<(), SyncError>>,
{
    pages
        .map_err(SyncError::from)
        .map_ok(|page| stream::iter(page.into_iter().map(Ok)))
        .try_flatten()
        .map_ok(read)
        .try_buffer_unordered(ENTITIES)
        .try_collect()
        .await
}
