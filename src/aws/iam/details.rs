//! The one call that tells all entities of an account with what belongs to them.

use aws_sdk_iam::types::{self, EntityType};
use futures::stream::BoxStream;

use super::{
    AttachedPolicy, Detail, Group, GroupDetail, Iam, InlinePolicy, Policy, PolicyDetail, Role, RoleDetail,
    User, UserDetail, document, next, present, read_tag,
};
use crate::aws::Tag;
use crate::aws::call::{Answer, Lane};
use crate::aws::error::{CallError, Class};
use crate::aws::operation::{Operation, Service};
use crate::aws::pages::pages;

const GET_DETAILS: Operation = Operation::safe(Service::Iam, "GetAccountAuthorizationDetails");
/// A page that is too large is asked for again with this part of its entities.
const FEWER: i32 = 8;

impl Iam {
    /// Users, groups, roles and the account's own policies with all that belongs to them, by pages
    /// (`iam:GetAccountAuthorizationDetails`). `page_size` is asked before each page, 1 to 1000: a page of many long
    /// documents takes tens of megabytes. A page that is too large is asked for again with fewer entities.
    pub fn authorization_details(
        &self,
        page_size: impl Fn() -> i32 + Send + 'static,
    ) -> BoxStream<'static, Result<Vec<Detail>, CallError>> {
        let client = self.client.clone();
        pages(self.lane.clone(), GET_DETAILS, move |lane, marker| {
            let request = client
                .get_account_authorization_details()
                .filter(EntityType::User)
                .filter(EntityType::Group)
                .filter(EntityType::Role)
                .filter(EntityType::LocalManagedPolicy)
                .set_marker(marker);
            let mut entities = page_size();
            async move {
                let page = loop {
                    let request = request.clone().max_items(entities);
                    let sent = lane.send(GET_DETAILS, || {
                        request.clone().customize().interceptor(Answer::xml(GET_DETAILS.name)).send()
                    });
                    match sent.await {
                        Err(error) if matches!(error.class(), Class::TooLarge { .. }) && entities > 1 => {
                            entities = (entities / FEWER).max(1);
                        }
                        sent => break sent?,
                    }
                };
                let next = next(&lane, GET_DETAILS, page.is_truncated, page.marker)?;
                let users = page.user_detail_list.unwrap_or_default().into_iter();
                let groups = page.group_detail_list.unwrap_or_default().into_iter();
                let roles = page.role_detail_list.unwrap_or_default().into_iter();
                let policies = page.policies.unwrap_or_default().into_iter();
                let details = users
                    .map(|user| user_detail(user, &lane).map(Detail::User))
                    .chain(groups.map(|group| group_detail(group, &lane).map(Detail::Group)))
                    .chain(roles.map(|role| role_detail(role, &lane).map(Detail::Role)))
                    .chain(policies.map(|policy| policy_detail(policy, &lane).map(Detail::Policy)));
                Ok((details.collect::<Result<_, _>>()?, next))
            }
        })
    }
}

fn user_detail(user: types::UserDetail, lane: &Lane) -> Result<UserDetail, CallError> {
    Ok(UserDetail {
        user: User {
            arn: present(lane, GET_DETAILS, "Arn", user.arn)?,
            id: user.user_id.unwrap_or_default(),
            name: present(lane, GET_DETAILS, "UserName", user.user_name)?,
            path: user.path.unwrap_or_default(),
            password_last_used: None,
        },
        groups: user.group_list.unwrap_or_default(),
        attached: attached(user.attached_managed_policies, lane)?,
        inline: inline(user.user_policy_list, lane)?,
        tags: tags(user.tags),
    })
}

fn group_detail(group: types::GroupDetail, lane: &Lane) -> Result<GroupDetail, CallError> {
    Ok(GroupDetail {
        group: Group {
            arn: present(lane, GET_DETAILS, "Arn", group.arn)?,
            id: group.group_id.unwrap_or_default(),
            name: present(lane, GET_DETAILS, "GroupName", group.group_name)?,
            path: group.path.unwrap_or_default(),
        },
        attached: attached(group.attached_managed_policies, lane)?,
        inline: inline(group.group_policy_list, lane)?,
    })
}

fn role_detail(role: types::RoleDetail, lane: &Lane) -> Result<RoleDetail, CallError> {
    let trust = role.assume_role_policy_document;
    Ok(RoleDetail {
        role: Role {
            arn: present(lane, GET_DETAILS, "Arn", role.arn)?,
            id: role.role_id.unwrap_or_default(),
            name: present(lane, GET_DETAILS, "RoleName", role.role_name)?,
            path: role.path.unwrap_or_default(),
            description: None,
            max_session_seconds: None,
            trust: trust.map(|text| document::decoded(lane, GET_DETAILS, &text)).transpose()?,
        },
        attached: attached(role.attached_managed_policies, lane)?,
        inline: inline(role.role_policy_list, lane)?,
        tags: tags(role.tags),
    })
}

fn policy_detail(policy: types::ManagedPolicyDetail, lane: &Lane) -> Result<PolicyDetail, CallError> {
    let versions = policy.policy_version_list.unwrap_or_default();
    let default_version = present(lane, GET_DETAILS, "DefaultVersionId", policy.default_version_id)?;
    let in_force = versions.into_iter().find(|version| version.version_id.as_ref() == Some(&default_version));
    let text = in_force.and_then(|version| version.document);
    let arn = present(lane, GET_DETAILS, "Arn", policy.arn)?;
    // An ARN ends with the name, which not every server of this API tells once more.
    let name = policy.policy_name.or_else(|| Some(arn.rsplit('/').next()?.to_owned()));
    Ok(PolicyDetail {
        document: text.map(|text| document::decoded(lane, GET_DETAILS, &text)).transpose()?,
        policy: Policy { name: present(lane, GET_DETAILS, "PolicyName", name)?, arn, default_version },
        description: policy.description,
    })
}

fn attached(
    policies: Option<Vec<types::AttachedPolicy>>,
    lane: &Lane,
) -> Result<Vec<AttachedPolicy>, CallError> {
    let policies = policies.unwrap_or_default().into_iter();
    policies.map(|policy| AttachedPolicy::read(policy, GET_DETAILS, lane)).collect()
}

fn inline(policies: Option<Vec<types::PolicyDetail>>, lane: &Lane) -> Result<Vec<InlinePolicy>, CallError> {
    let policies = policies.unwrap_or_default().into_iter();
    let policies = policies.map(|policy| {
        let text = policy.policy_document;
        Ok(InlinePolicy {
            name: present(lane, GET_DETAILS, "PolicyName", policy.policy_name)?,
            document: text.map(|text| document::decoded(lane, GET_DETAILS, &text)).transpose()?,
        })
    });
    policies.collect()
}

fn tags(tags: Option<Vec<types::Tag>>) -> Vec<Tag> {
    tags.unwrap_or_default().into_iter().map(read_tag).collect()
}
