//! What changes IAM. AWS takes each of these twice without harm: a second addition changes nothing, a second removal
//! is a [`Class::NotFound`](super::super::Class::NotFound). Each demands its entities [`Verified`].

use aws_types::request_id::RequestId;
use futures::stream::BoxStream;

use super::{EntityKind, Group, Iam, PAGE, Verified, next, present, read};
use crate::aws::Written;
use crate::aws::call::Answer;
use crate::aws::error::CallError;
use crate::aws::operation::{Operation, Service};
use crate::aws::pages::pages;

const LIST_GROUPS_FOR_USER: Operation = Operation::safe(Service::Iam, "ListGroupsForUser");
const ADD_USER_TO_GROUP: Operation = Operation::safe(Service::Iam, "AddUserToGroup");
const REMOVE_USER_FROM_GROUP: Operation = Operation::safe(Service::Iam, "RemoveUserFromGroup");
const ATTACH_USER_POLICY: Operation = Operation::safe(Service::Iam, "AttachUserPolicy");
const ATTACH_GROUP_POLICY: Operation = Operation::safe(Service::Iam, "AttachGroupPolicy");
const ATTACH_ROLE_POLICY: Operation = Operation::safe(Service::Iam, "AttachRolePolicy");
const DETACH_USER_POLICY: Operation = Operation::safe(Service::Iam, "DetachUserPolicy");
const DETACH_GROUP_POLICY: Operation = Operation::safe(Service::Iam, "DetachGroupPolicy");
const DETACH_ROLE_POLICY: Operation = Operation::safe(Service::Iam, "DetachRolePolicy");
const DELETE_USER_POLICY: Operation = Operation::safe(Service::Iam, "DeleteUserPolicy");
const DELETE_GROUP_POLICY: Operation = Operation::safe(Service::Iam, "DeleteGroupPolicy");
const DELETE_ROLE_POLICY: Operation = Operation::safe(Service::Iam, "DeleteRolePolicy");

/// Sends a change, whose answer says nothing but that it was made.
macro_rules! change {
    ($iam:ident, $operation:expr, $request:expr) => {{
        if $iam.lane.rehearses() {
            return Ok(Written { value: (), request_id: None });
        }
        let request = $request;
        let answer = $iam
            .lane
            .send($operation, || request.clone().customize().interceptor(Answer::xml($operation.name)).send())
            .await?;
        Ok(Written { value: (), request_id: answer.request_id().map(str::to_owned) })
    }};
}

pub(super) use change;

impl Iam {
    /// The groups of a user, by pages (`iam:ListGroupsForUser`).
    pub fn groups_of(&self, user: &str) -> BoxStream<'static, Result<Vec<Group>, CallError>> {
        let (client, user) = (self.client.clone(), user.to_owned());
        pages(self.lane.clone(), LIST_GROUPS_FOR_USER, move |lane, marker| {
            let request = client.list_groups_for_user().user_name(&user).max_items(PAGE).set_marker(marker);
            async move {
                let whole = Answer::xml(LIST_GROUPS_FOR_USER.name).holding("Groups");
                let page = lane
                    .send(LIST_GROUPS_FOR_USER, || request.clone().customize().interceptor(whole).send())
                    .await?;
                let next = next(&lane, LIST_GROUPS_FOR_USER, page.is_truncated, page.marker)?;
                read(page.groups, next, |group| {
                    let name = present(&lane, LIST_GROUPS_FOR_USER, "GroupName", Some(group.group_name))?;
                    let arn = present(&lane, LIST_GROUPS_FOR_USER, "Arn", Some(group.arn))?;
                    Ok(Group { arn, id: group.group_id, name, path: group.path })
                })
            }
        })
    }

    /// Adds a user to a group (`iam:AddUserToGroup`).
    pub async fn add_user_to_group(
        &self,
        group: &Verified,
        user: &Verified,
    ) -> Result<Written<()>, CallError> {
        let request = self.client.add_user_to_group().group_name(group.name()).user_name(user.name());
        change!(self, ADD_USER_TO_GROUP, request)
    }

    /// Removes a user from a group (`iam:RemoveUserFromGroup`).
    pub async fn remove_user_from_group(
        &self,
        group: &Verified,
        user: &Verified,
    ) -> Result<Written<()>, CallError> {
        let request = self.client.remove_user_from_group().group_name(group.name()).user_name(user.name());
        change!(self, REMOVE_USER_FROM_GROUP, request)
    }

    /// Attaches a managed policy to an entity (`iam:AttachUserPolicy` and its kin).
    pub async fn attach_policy(&self, entity: &Verified, policy: &str) -> Result<Written<()>, CallError> {
        let (client, name) = (&self.client, entity.name());
        match entity.kind() {
            EntityKind::User => {
                change!(
                    self,
                    ATTACH_USER_POLICY,
                    client.attach_user_policy().user_name(name).policy_arn(policy)
                )
            }
            EntityKind::Group => {
                change!(
                    self,
                    ATTACH_GROUP_POLICY,
                    client.attach_group_policy().group_name(name).policy_arn(policy)
                )
            }
            EntityKind::Role => {
                change!(
                    self,
                    ATTACH_ROLE_POLICY,
                    client.attach_role_policy().role_name(name).policy_arn(policy)
                )
            }
        }
    }

    /// Detaches a managed policy from an entity (`iam:DetachUserPolicy` and its kin).
    pub async fn detach_policy(&self, entity: &Verified, policy: &str) -> Result<Written<()>, CallError> {
        let (client, name) = (&self.client, entity.name());
        match entity.kind() {
            EntityKind::User => {
                change!(
                    self,
                    DETACH_USER_POLICY,
                    client.detach_user_policy().user_name(name).policy_arn(policy)
                )
            }
            EntityKind::Group => {
                change!(
                    self,
                    DETACH_GROUP_POLICY,
                    client.detach_group_policy().group_name(name).policy_arn(policy)
                )
            }
            EntityKind::Role => {
                change!(
                    self,
                    DETACH_ROLE_POLICY,
                    client.detach_role_policy().role_name(name).policy_arn(policy)
                )
            }
        }
    }

    /// Deletes an inline policy of an entity, for good (`iam:DeleteUserPolicy` and its kin).
    pub async fn delete_inline_policy(
        &self,
        entity: &Verified,
        policy: &str,
    ) -> Result<Written<()>, CallError> {
        let (client, name) = (&self.client, entity.name());
        match entity.kind() {
            EntityKind::User => {
                change!(
                    self,
                    DELETE_USER_POLICY,
                    client.delete_user_policy().user_name(name).policy_name(policy)
                )
            }
            EntityKind::Group => {
                change!(
                    self,
                    DELETE_GROUP_POLICY,
                    client.delete_group_policy().group_name(name).policy_name(policy)
                )
            }
            EntityKind::Role => {
                change!(
                    self,
                    DELETE_ROLE_POLICY,
                    client.delete_role_policy().role_name(name).policy_name(policy)
                )
            }
        }
    }
}
