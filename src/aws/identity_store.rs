//! Identity Store: users, groups and memberships of Identity Center.

use aws_sdk_identitystore::Client;
use aws_sdk_identitystore::types::{self, AlternateIdentifier, Email, MemberId, Name, UniqueAttribute};
use aws_smithy_types::Document;
use aws_types::request_id::RequestId;
use futures::stream::BoxStream;

use super::Written;
use super::call::{Answer, Lane};
use super::error::{CallError, Class};
use super::operation::{Operation, Service};
use super::pages::pages;
use crate::grammar;

const LIST_USERS: Operation = Operation::safe(Service::IdentityStore, "ListUsers");
const LIST_GROUPS: Operation = Operation::safe(Service::IdentityStore, "ListGroups");
const LIST_GROUP_MEMBERSHIPS: Operation = Operation::safe(Service::IdentityStore, "ListGroupMemberships");
const GET_GROUP_MEMBERSHIP_ID: Operation = Operation::safe(Service::IdentityStore, "GetGroupMembershipId");
// A second creation is answered with a conflict, a second deletion with "not found": neither does harm.
const CREATE_GROUP_MEMBERSHIP: Operation = Operation::safe(Service::IdentityStore, "CreateGroupMembership");
const DELETE_GROUP_MEMBERSHIP: Operation = Operation::safe(Service::IdentityStore, "DeleteGroupMembership");
const GET_USER_ID: Operation = Operation::safe(Service::IdentityStore, "GetUserId");
const DESCRIBE_STORE: Operation = Operation::safe(Service::IdentityStore, "DescribeIdentityStore");
const DESCRIBE_GROUP: Operation = Operation::safe(Service::IdentityStore, "DescribeGroup");
const DESCRIBE_USER: Operation = Operation::safe(Service::IdentityStore, "DescribeUser");
const CREATE_USER: Operation = Operation::safe(Service::IdentityStore, "CreateUser");
const DELETE_USER: Operation = Operation::safe(Service::IdentityStore, "DeleteUser");

/// AWS's largest page.
const PAGE: i32 = 100;

/// The longest id of something in an identity store, which may be an ARN.
const LONGEST_ID: usize = 100;

/// From where the directory may be called. A caller from one of the addresses is let in whatever the other rules say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetworkRules {
    /// Calls must come through a VPC endpoint.
    pub endpoint_required: bool,
    /// ARNs of the only VPCs that calls may come from; any when empty.
    pub vpcs: Vec<String>,
    /// Ranges of addresses that may call.
    pub addresses: Vec<String>,
}

/// Calls of the identity store of one Identity Center instance.
#[derive(Clone, Debug)]
pub struct IdentityStore {
    client: Client,
    lane: Lane,
    store: String,
}

impl IdentityStore {
    pub(super) fn new(client: Client, lane: Lane, store: String) -> Self {
        Self { client, lane, store }
    }

    /// From where the directory may be called (`identitystore:DescribeIdentityStore`); `None` without rules.
    pub async fn network_rules(&self) -> Result<Option<NetworkRules>, CallError> {
        let request = self.client.describe_identity_store().identity_store_id(&self.store);
        let whole = Answer::with("IdentityStoreId");
        let answer =
            self.lane.send(DESCRIBE_STORE, || request.clone().customize().interceptor(whole).send()).await?;
        Ok(answer.network_configuration.map(|rules| NetworkRules {
            endpoint_required: rules.vpce_access_required,
            vpcs: rules.api_restrict_source_vpcs.unwrap_or_default(),
            addresses: rules.api_allow_source_ips.unwrap_or_default(),
        }))
    }

    /// All users, by pages (`identitystore:ListUsers`).
    pub fn users(&self) -> BoxStream<'static, Result<Vec<User>, CallError>> {
        let (client, store) = (self.client.clone(), self.store.clone());
        pages(self.lane.clone(), LIST_USERS, move |lane, token| {
            let request =
                client.list_users().identity_store_id(&store).max_results(PAGE).set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_USERS, || {
                        request.clone().customize().interceptor(Answer::with("Users")).send()
                    })
                    .await?;
                let users =
                    page.users.into_iter().map(|user| User::read(user, &lane)).collect::<Result<_, _>>()?;
                Ok((users, page.next_token))
            }
        })
    }

    /// All groups, by pages (`identitystore:ListGroups`).
    pub fn groups(&self) -> BoxStream<'static, Result<Vec<Group>, CallError>> {
        let (client, store) = (self.client.clone(), self.store.clone());
        pages(self.lane.clone(), LIST_GROUPS, move |lane, token| {
            let request =
                client.list_groups().identity_store_id(&store).max_results(PAGE).set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_GROUPS, || {
                        request.clone().customize().interceptor(Answer::with("Groups")).send()
                    })
                    .await?;
                let groups = page
                    .groups
                    .into_iter()
                    .map(|group| Group::read(group, &lane))
                    .collect::<Result<_, _>>()?;
                Ok((groups, page.next_token))
            }
        })
    }

    /// The memberships of a group, by pages (`identitystore:ListGroupMemberships`).
    pub fn memberships(&self, group_id: &str) -> BoxStream<'static, Result<Vec<Membership>, CallError>> {
        let (client, store, group) = (self.client.clone(), self.store.clone(), group_id.to_owned());
        pages(self.lane.clone(), LIST_GROUP_MEMBERSHIPS, move |lane, token| {
            let request = client
                .list_group_memberships()
                .identity_store_id(&store)
                .group_id(&group)
                .max_results(PAGE)
                .set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_GROUP_MEMBERSHIPS, || {
                        request.clone().customize().interceptor(Answer::with("GroupMemberships")).send()
                    })
                    .await?;
                let rows = page.group_memberships.into_iter();
                let rows = rows.map(|row| Membership::read(row, &lane)).collect::<Result<_, _>>()?;
                Ok((rows, page.next_token))
            }
        })
    }

    /// The id of the membership of a user in a group (`identitystore:GetGroupMembershipId`); `None` when the user
    /// is not in the group.
    pub async fn membership_id(&self, group_id: &str, user_id: &str) -> Result<Option<String>, CallError> {
        let request = self
            .client
            .get_group_membership_id()
            .identity_store_id(&self.store)
            .group_id(group_id)
            .member_id(MemberId::UserId(user_id.to_owned()));
        match self
            .lane
            .send(GET_GROUP_MEMBERSHIP_ID, || {
                request.clone().customize().interceptor(Answer::with("MembershipId")).send()
            })
            .await
        {
            Ok(answer) => {
                plain(GET_GROUP_MEMBERSHIP_ID, &self.lane, "MembershipId", &answer.membership_id).map(Some)
            }
            Err(error) if matches!(error.class(), Class::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a user to a group (`identitystore:CreateGroupMembership`) and gives the membership's id. A user who is
    /// in the group already is a [`Class::Conflict`] that does not pass.
    pub async fn create_membership(
        &self,
        group_id: &str,
        user_id: &str,
    ) -> Result<Written<String>, CallError> {
        if self.lane.rehearses() {
            return Ok(Written { value: String::new(), request_id: None });
        }
        let request = self
            .client
            .create_group_membership()
            .identity_store_id(&self.store)
            .group_id(group_id)
            .member_id(MemberId::UserId(user_id.to_owned()));
        let answer = self
            .lane
            .send(CREATE_GROUP_MEMBERSHIP, || {
                request.clone().customize().interceptor(Answer::with("MembershipId")).send()
            })
            .await?;
        let request_id = answer.request_id().map(str::to_owned);
        let value = plain(CREATE_GROUP_MEMBERSHIP, &self.lane, "MembershipId", &answer.membership_id)?;
        Ok(Written { value, request_id })
    }

    /// Removes a membership (`identitystore:DeleteGroupMembership`). One that does not exist is a
    /// [`Class::NotFound`].
    pub async fn delete_membership(&self, membership_id: &str) -> Result<Written<()>, CallError> {
        if self.lane.rehearses() {
            return Ok(Written { value: (), request_id: None });
        }
        let request =
            self.client.delete_group_membership().identity_store_id(&self.store).membership_id(membership_id);
        let answer = self.lane.send(DELETE_GROUP_MEMBERSHIP, || request.clone().send()).await?;
        Ok(Written { value: (), request_id: answer.request_id().map(str::to_owned) })
    }
}

impl IdentityStore {
    /// The id of the user who signs in with this name (`identitystore:GetUserId`). Nobody is a
    /// [`Class::NotFound`].
    pub async fn user_id(&self, user_name: &str) -> Result<String, CallError> {
        let name = UniqueAttribute::builder()
            .attribute_path("userName")
            .attribute_value(Document::String(user_name.to_owned()))
            .build()
            .map_err(|error| self.lane.malformed(GET_USER_ID, error.to_string()))?;
        let request = self
            .client
            .get_user_id()
            .identity_store_id(&self.store)
            .alternate_identifier(AlternateIdentifier::UniqueAttribute(name));
        let whole = Answer::with("UserId");
        let answer =
            self.lane.send(GET_USER_ID, || request.clone().customize().interceptor(whole).send()).await?;
        plain(GET_USER_ID, &self.lane, "UserId", &answer.user_id)
    }

    /// A user (`identitystore:DescribeUser`).
    pub async fn user(&self, id: &str) -> Result<User, CallError> {
        let request = self.client.describe_user().identity_store_id(&self.store).user_id(id);
        let whole = Answer::with("UserId");
        let answer =
            self.lane.send(DESCRIBE_USER, || request.clone().customize().interceptor(whole).send()).await?;
        let user = types::User::builder()
            .identity_store_id(&self.store)
            .user_id(answer.user_id)
            .user_arn(answer.user_arn)
            .revision(answer.revision)
            .set_user_name(answer.user_name)
            .set_display_name(answer.display_name)
            .set_user_status(answer.user_status)
            .set_emails(answer.emails)
            .set_external_ids(answer.external_ids)
            .build()
            .map_err(|error| self.lane.malformed(DESCRIBE_USER, error.to_string()))?;
        User::read(user, &self.lane)
    }

    /// A group (`identitystore:DescribeGroup`).
    pub async fn group(&self, id: &str) -> Result<Group, CallError> {
        let request = self.client.describe_group().identity_store_id(&self.store).group_id(id);
        let whole = Answer::with("GroupId");
        let answer =
            self.lane.send(DESCRIBE_GROUP, || request.clone().customize().interceptor(whole).send()).await?;
        let group = types::Group::builder()
            .identity_store_id(&self.store)
            .group_id(answer.group_id)
            .group_arn(answer.group_arn)
            .revision(answer.revision)
            .set_display_name(answer.display_name)
            .set_external_ids(answer.external_ids)
            .build()
            .map_err(|error| self.lane.malformed(DESCRIBE_GROUP, error.to_string()))?;
        Group::read(group, &self.lane)
    }

    /// Makes a user and gives its id (`identitystore:CreateUser`). A name or an address that is taken is a
    /// [`Class::Conflict`].
    pub async fn create_user(&self, new: &NewUser<'_>) -> Result<Written<String>, CallError> {
        if self.lane.rehearses() {
            return Ok(Written { value: String::new(), request_id: None });
        }
        let name = Name::builder().given_name(new.given_name).family_name(new.family_name).build();
        let email = Email::builder().value(new.email).r#type("work").primary(true).build();
        let request = self
            .client
            .create_user()
            .identity_store_id(&self.store)
            .user_name(new.user_name)
            .display_name(new.display_name)
            .name(name)
            .emails(email);
        let whole = Answer::with("UserId");
        let answer =
            self.lane.send(CREATE_USER, || request.clone().customize().interceptor(whole).send()).await?;
        let request_id = answer.request_id().map(str::to_owned);
        Ok(Written { value: plain(CREATE_USER, &self.lane, "UserId", &answer.user_id)?, request_id })
    }

    /// Deletes a user for good (`identitystore:DeleteUser`). One that does not exist is a [`Class::NotFound`].
    pub async fn delete_user(&self, id: &str) -> Result<Written<()>, CallError> {
        if self.lane.rehearses() {
            return Ok(Written { value: (), request_id: None });
        }
        let request = self.client.delete_user().identity_store_id(&self.store).user_id(id);
        let answer = self.lane.send(DELETE_USER, || request.clone().send()).await?;
        Ok(Written { value: (), request_id: answer.request_id().map(str::to_owned) })
    }
}

/// A user to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// Name to sign in with, unique in the directory.
    pub user_name: &'a str,
    /// Name to show.
    pub display_name: &'a str,
    /// First name.
    pub given_name: &'a str,
    /// Last name.
    pub family_name: &'a str,
    /// The one address, for work.
    pub email: &'a str,
}

/// A user of Identity Center.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// Id in the identity store, never empty.
    pub id: String,
    /// Name to sign in with; AWS allows it to be absent.
    pub user_name: Option<String>,
    /// Name to show.
    pub display_name: Option<String>,
    /// Whether the user may sign in; absent where AWS does not say.
    pub status: Option<UserStatus>,
    /// Addresses in AWS's order, without empty ones.
    pub emails: Vec<String>,
    /// Ids in external identity providers.
    pub external_ids: Vec<ExternalId>,
}

/// Whether a user may sign in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UserStatus {
    /// Yes.
    Enabled,
    /// No.
    Disabled,
    /// A value newer than this program.
    Other(String),
}

/// An id in an external identity provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExternalId {
    /// The provider.
    pub issuer: String,
    /// The id there.
    pub id: String,
}

/// A group of Identity Center.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// Id in the identity store, never empty.
    pub id: String,
    /// Name to show.
    pub display_name: Option<String>,
    /// Ids in external identity providers.
    pub external_ids: Vec<ExternalId>,
}

/// A user's place in a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Membership {
    /// Its id; absent where AWS does not give one.
    pub id: Option<String>,
    /// The member; absent where the member is no user, or of a kind newer than this program.
    pub user_id: Option<String>,
}

impl User {
    fn read(user: types::User, lane: &Lane) -> Result<Self, CallError> {
        if user.user_id.is_empty() {
            return Err(lane.malformed(LIST_USERS, "a user has no UserId"));
        }
        let status = user.user_status.map(|status| match status {
            types::UserStatus::Enabled => UserStatus::Enabled,
            types::UserStatus::Disabled => UserStatus::Disabled,
            other => UserStatus::Other(other.as_str().to_owned()),
        });
        let emails = user.emails.unwrap_or_default().into_iter().filter_map(|email| email.value);
        Ok(Self {
            id: plain(LIST_USERS, lane, "UserId", &user.user_id)?,
            user_name: user.user_name,
            display_name: user.display_name,
            status,
            emails: emails.filter(|email| !email.is_empty()).collect(),
            external_ids: external_ids(user.external_ids),
        })
    }
}

impl Group {
    fn read(group: types::Group, lane: &Lane) -> Result<Self, CallError> {
        if group.group_id.is_empty() {
            return Err(lane.malformed(LIST_GROUPS, "a group has no GroupId"));
        }
        Ok(Self {
            id: plain(LIST_GROUPS, lane, "GroupId", &group.group_id)?,
            display_name: group.display_name,
            external_ids: external_ids(group.external_ids),
        })
    }
}

impl Membership {
    fn read(membership: types::GroupMembership, lane: &Lane) -> Result<Self, CallError> {
        let user_id = match membership.member_id {
            Some(MemberId::UserId(id)) => Some(plain(LIST_GROUP_MEMBERSHIPS, lane, "UserId", &id)?),
            _ => None,
        };
        let id = match membership.membership_id.as_str() {
            "" => None,
            id => Some(plain(LIST_GROUP_MEMBERSHIPS, lane, "MembershipId", id)?),
        };
        Ok(Self { id, user_id })
    }
}

/// The id that AWS gave, also where it gave an ARN: ids are compared with ids, and sent as such.
fn plain(operation: Operation, lane: &Lane, member: &str, text: &str) -> Result<String, CallError> {
    let id = grammar::id_in_identity_store(text, LONGEST_ID);
    id.map(str::to_owned).ok_or_else(|| lane.malformed(operation, format!("{member} is not an id")))
}

fn external_ids(ids: Option<Vec<types::ExternalId>>) -> Vec<ExternalId> {
    ids.unwrap_or_default().into_iter().map(|id| ExternalId { issuer: id.issuer, id: id.id }).collect()
}
