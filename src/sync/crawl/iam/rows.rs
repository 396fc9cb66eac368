//! From facts of an account to rows, whichever way they were read.

use crate::aws::iam::{GroupDetail, InlinePolicy, Policy, Role, RoleDetail, User, UserDetail};
use crate::aws::{CallError, Class, Tag};
use crate::baton::v2::{Resource, ResourceId};
use crate::connector::iam_user::Console;
use crate::connector::{Holder, access_key, group, iam_policy, iam_user, inline_policy, role};
use crate::sync::SyncError;
use crate::sync::crawl::Crawl;
use crate::sync::crawl::rows::Rows;

use super::Reading;
use super::last_use::LastUse;

impl Crawl<'_> {
    /// A user with its policies and keys.
    pub(super) async fn user_rows(
        &self,
        reading: &Reading<'_>,
        detail: &UserDetail,
        last_use: &LastUse,
    ) -> Result<(), SyncError> {
        let user = &detail.user;
        if self.scope.has(iam_user::ID) {
            let account_name = self.account_name(reading).await;
            let about = iam_user::About {
                tags: self.tags(&detail.tags),
                addresses_in_tags: self.connector.settings().iam_tags,
                account_name: account_name.as_deref(),
                names_account: self.connector.names_accounts_of_users(),
                activity: Some(last_use.activity),
                console: self.console_access(reading, user).await?,
                parent: reading.parent.clone(),
            };
            reading.rows.resource(&iam_user::resource(user, &about))?;
            self.policies_of(reading.rows, &Holder::user(&user.arn), &detail.attached, &detail.inline)?;
        }
        if self.scope.has(access_key::ID) {
            for (key, last_use) in &last_use.keys {
                let parent = reading.parent.clone();
                reading.rows.resource(&access_key::resource(key, &user.arn, &user.name, last_use, parent))?;
            }
        }
        Ok(())
    }

    /// Whether a user may sign in to the console; `None` without the setting. The credential report knows as much,
    /// but may be four hours old.
    async fn console_access(&self, reading: &Reading<'_>, user: &User) -> Result<Option<Console>, SyncError> {
        if !self.connector.settings().console_access {
            return Ok(None);
        }
        match reading.iam.login_profile(&user.name).await {
            Ok(profile) => Ok(Some(Console::Enabled(profile))),
            Err(error) if matches!(error.class(), Class::NotFound) => Ok(Some(Console::Disabled)),
            Err(error) => {
                self.findings.optional("console access of IAM users", Err::<(), _>(error))?;
                Ok(Some(Console::Unavailable))
            }
        }
    }

    /// A group with its members and policies.
    pub(super) fn group_rows<'m>(
        &self,
        reading: &Reading<'_>,
        detail: &GroupDetail,
        members: impl Iterator<Item = &'m str>,
    ) -> Result<(), SyncError> {
        let resource = group::resource(&detail.group, reading.parent.clone());
        reading.rows.resource(&resource)?;
        if self.scope.entitlements {
            reading.rows.entitlement(&group::entitlement(&resource))?;
        }
        if self.scope.grants {
            for user in members {
                reading.rows.grant(&group::member_grant(&resource, user))?;
            }
        }
        self.policies_of(reading.rows, &Holder::group(&detail.group.arn), &detail.attached, &detail.inline)
    }

    /// A role with who may assume it and its policies.
    pub(super) fn role_rows(&self, reading: &Reading<'_>, detail: &RoleDetail) -> Result<(), SyncError> {
        let role = &detail.role;
        let resource = role::resource(role, self.tags(&detail.tags), reading.parent.clone());
        reading.rows.resource(&resource)?;
        if self.scope.entitlements {
            reading.rows.entitlement(&role::entitlement(&resource))?;
        }
        if self.scope.grants {
            self.trust_rows(reading.rows, &resource, role)?;
        }
        self.policies_of(reading.rows, &Holder::role(&role.arn), &detail.attached, &detail.inline)
    }

    /// Who may assume a role. What its trust policy says and no grant can show is listed.
    fn trust_rows(&self, rows: Rows<'_>, resource: &Resource, role: &Role) -> Result<(), SyncError> {
        let scope = || format!("trust policy of role {}", role.arn);
        let trust = match role::trust(role) {
            Ok(trust) => trust,
            Err(error) => {
                tracing::warn!(role = role.arn, %error, "a trust policy cannot be read");
                self.findings.lacks(scope(), error.to_string());
                return Ok(());
            }
        };
        for why in trust.unshown() {
            self.findings.lacks(scope(), format!("not all who may assume the role are shown: {why}"));
        }
        role::trust_grants(resource, &trust).iter().try_for_each(|grant| rows.grant(grant))?;
        Ok(())
    }

    /// A managed policy.
    pub(in crate::sync::crawl) fn policy(
        &self,
        rows: Rows<'_>,
        policy: &Policy,
        description: Option<&str>,
        document: Option<&str>,
        parent: Option<ResourceId>,
    ) -> Result<(), SyncError> {
        let resource = iam_policy::resource(policy, description, document, parent);
        rows.resource(&resource)?;
        if self.scope.entitlements {
            rows.entitlement(&iam_policy::entitlement(&resource))?;
        }
        Ok(())
    }

    /// An inline policy, which its holder always has.
    pub(in crate::sync::crawl) fn inline_policy(
        &self,
        rows: Rows<'_>,
        holder: &Holder,
        name: &str,
        document: Option<&str>,
    ) -> Result<(), SyncError> {
        let resource = inline_policy::resource(holder, name, document);
        rows.resource(&resource)?;
        if self.scope.entitlements {
            rows.entitlement(&inline_policy::entitlement(&resource))?;
        }
        if self.scope.grants {
            rows.grant(&inline_policy::grant(&resource, holder))?;
        }
        Ok(())
    }

    fn policies_of(
        &self,
        rows: Rows<'_>,
        holder: &Holder,
        attached: &[crate::aws::iam::AttachedPolicy],
        inline: &[InlinePolicy],
    ) -> Result<(), SyncError> {
        if self.scope.grants && self.scope.has(iam_policy::ID) {
            for policy in attached {
                rows.grant(&iam_policy::grant(policy, holder))?;
            }
        }
        if self.scope.has(inline_policy::ID) {
            for policy in inline {
                self.inline_policy(rows, holder, &policy.name, policy.document.as_deref())?;
            }
        }
        Ok(())
    }

    /// Tags are read only where that is asked for: rows must not depend on which permission happens to be granted.
    fn tags<'t>(&self, tags: &'t [Tag]) -> &'t [Tag] {
        if self.connector.settings().iam_tags || self.connector.settings().resource_tags { tags } else { &[] }
    }

    /// The document of a managed policy. Without it the row stays, and lacks it.
    pub(in crate::sync::crawl) fn document(
        &self,
        arn: &str,
        read: Result<String, CallError>,
    ) -> Result<Option<String>, SyncError> {
        self.detail("documents of IAM policies", arn, read)
    }

    /// A detail of a policy. It is missing where it may not be read, or was replaced since the policy was listed.
    pub(in crate::sync::crawl) fn detail(
        &self,
        what: &'static str,
        arn: &str,
        read: Result<String, CallError>,
    ) -> Result<Option<String>, SyncError> {
        match read {
            Err(error) if matches!(error.class(), Class::NotFound) => {
                tracing::warn!(policy = arn, operation = error.operation(), "changed during the sync");
                self.findings.lacks(format!("{what}: {arn}"), "changed during the sync".to_owned());
                Ok(None)
            }
            read => Ok(self.findings.optional(what, read)?),
        }
    }
}
