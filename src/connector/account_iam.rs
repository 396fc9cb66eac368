//! IAM of an account, as what its users, groups, roles and policies hang from.

use super::{Kind, Needs, group, iam_policy, iam_user, marker, role};
use crate::aws::AccountId;
use crate::aws::organizations::Account;
use crate::baton::profile::Profile;
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
        &["iam:ListAccountAliases"],
    )
}

/// The resource of an account. Only an account that was entered has its entities below it; those of the caller's own
/// stand at top level.
pub fn resource(account: &Account, entered: bool) -> Resource {
    let id = account.id.as_str();
    let profile = Profile::new()
        .string("aws_account_arn", account.arn.as_deref().unwrap_or_default())
        .string("aws_account_id", id)
        .build();
    let children = if entered { &[iam_user::ID, role::ID, group::ID, iam_policy::ID][..] } else { &[] };
    let row = resource::named(ID, id, account.name.as_deref().unwrap_or_default())
        .with_profile(profile)
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
