//! IAM of an account, as what its users, groups, roles and policies hang from.

use super::{Kind, Needs, access_key, account, group, iam_policy, iam_user, marker, role};
use crate::aws::organizations::Account;
use crate::aws::{AccountId, Tag};
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    AppTrait, Capability, ChildResourceType, Resource, ResourceId, ResourceType, SkipEntitlementsAndGrants,
    V1Identifier,
};

/// The id of the resource type.
pub const ID: &str = "account_iam";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync], needs: Needs::Members };

/// The resource type. Source: `organizations:ListAccounts`, `sts:AssumeRole`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Account IAM",
        &[Trait::App],
        vec![marker(&SkipEntitlementsAndGrants {}), marker(&V1Identifier { id: ID.to_owned() })],
        &["iam:ListAccountAliases", "organizations:ListTagsForResource"],
    )
}

/// What is below the row of an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Below {
    /// Nothing: the account was not entered, or it is the caller's own, whose entities stand at top level.
    Nothing,
    /// Users, roles, groups and policies.
    Entities,
    /// The same, and access keys.
    EntitiesAndKeys,
}

/// The resource of an account; `tags` are its tags where the settings ask for them.
pub fn resource(account: &Account, below: Below, tags: Option<&[Tag]>) -> Resource {
    let id = account.id.as_str();
    let children = match below {
        Below::Nothing => &[][..],
        Below::Entities => &[iam_user::ID, role::ID, group::ID, iam_policy::ID],
        Below::EntitiesAndKeys => &[iam_user::ID, role::ID, group::ID, iam_policy::ID, access_key::ID],
    };
    let row = resource::named(ID, id, account.name.as_deref().unwrap_or_default())
        .with_profile(account::profile(account, tags))
        .with(&V1Identifier { id: id.to_owned() });
    let row = children
        .iter()
        .fold(row, |row, child| row.with(&ChildResourceType { resource_type_id: (*child).to_owned() }));
    row.with(&AppTrait::default())
}

/// What the entities of a member account hang from.
pub fn parent(account: &AccountId) -> ResourceId {
    resource::id(ID, account.as_str())
}
