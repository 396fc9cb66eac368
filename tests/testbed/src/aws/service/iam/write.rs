//! What changes IAM: membership of groups and policies of users, groups and roles.

use serde_json::{Value, json};

use super::{account, group, missing, policy, user};
use crate::aws::service::{ApiError, Call};
use crate::aws::world::iam::{Account, Entity, Kind, Rights};

/// Groups of one user at most.
const GROUPS: usize = 10;
/// Managed policies of one entity at most.
const POLICIES: usize = 10;

/// Something that policies belong to, in the words of requests and errors.
pub(super) struct Holder {
    kind: Kind,
    /// The member of a request that names it.
    member: &'static str,
    /// In a message.
    word: &'static str,
    /// In the name of a quota.
    quota: &'static str,
}

pub(super) static USER: Holder =
    Holder { kind: Kind::User, member: "UserName", word: "user", quota: "PoliciesPerUser" };
pub(super) static GROUP: Holder =
    Holder { kind: Kind::Group, member: "GroupName", word: "group", quota: "PoliciesPerGroup" };
pub(super) static ROLE: Holder =
    Holder { kind: Kind::Role, member: "RoleName", word: "role", quota: "PoliciesPerRole" };

fn limit(quota: &str, most: usize) -> ApiError {
    ApiError::with_status("LimitExceeded", format!("Cannot exceed quota for {quota}: {most}"), 409)
}

/// IAM of the caller's account for change.
fn account_mut<'c>(call: &'c mut Call<'_>) -> &'c mut Account {
    call.world.iam.account_mut(&call.caller.account)
}

/// The entity that the request names, and its rights.
fn holder<'c>(call: &'c mut Call<'_>, holder: &Holder) -> Result<(&'c Entity, &'c mut Rights), ApiError> {
    let name = call.required(holder.member)?;
    account_mut(call)
        .rights_mut(holder.kind, name)
        .ok_or_else(|| missing(format!("The {} with name {name} cannot be found.", holder.word)))
}

/// Service-linked roles are changed by their service alone.
fn changeable(entity: &Entity) -> Result<(), ApiError> {
    if entity.path.starts_with("/aws-service-role/") {
        let message = format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            entity.name
        );
        return Err(ApiError::new("UnmodifiableEntity", message));
    }
    Ok(())
}

pub(super) fn add_user_to_group(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let group = group(call)?.entity.name.clone();
    call.required("UserName")?;
    let user = user(call)?.entity.name.clone();
    if let Some(user) = account_mut(call).users.get_mut(&user)
        && !user.groups.contains(&group)
    {
        if user.groups.len() >= GROUPS {
            return Err(limit("GroupsPerUser", GROUPS));
        }
        user.groups.push(group);
    }
    Ok(json!({}))
}

pub(super) fn remove_user_from_group(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let group = group(call)?.entity.name.clone();
    call.required("UserName")?;
    let user = user(call)?.entity.name.clone();
    let Some(held) = account_mut(call).users.get_mut(&user).map(|user| &mut user.groups) else {
        return Ok(json!({}));
    };
    let before = held.len();
    held.retain(|name| *name != group);
    if held.len() == before {
        return Err(missing(format!("User {user} not in group {group}")));
    }
    Ok(json!({}))
}

pub(super) fn attach(call: &mut Call<'_>, to: &Holder) -> Result<Value, ApiError> {
    let arn = call.required("PolicyArn")?;
    let (entity, rights) = holder(call, to)?;
    changeable(entity)?;
    let held = rights.attached.iter().any(|(_, held)| held == arn);
    let full = rights.attached.len() >= POLICIES;
    let policy = policy(call)?.entity.name.clone();
    if full && !held {
        return Err(limit(to.quota, POLICIES));
    }
    let name = call.required(to.member)?;
    account_mut(call).attach(to.kind, name, (&policy, arn));
    Ok(json!({}))
}

pub(super) fn detach(call: &mut Call<'_>, from: &Holder) -> Result<Value, ApiError> {
    let (entity, _) = holder(call, from)?;
    changeable(entity)?;
    let (name, arn) = (call.required(from.member)?, call.required("PolicyArn")?);
    if account(call).is_none() || !account_mut(call).detach(from.kind, name, arn) {
        return Err(missing(format!("Policy {arn} was not found.")));
    }
    Ok(json!({}))
}

pub(super) fn delete_inline(call: &mut Call<'_>, of: &Holder) -> Result<Value, ApiError> {
    let policy = call.required("PolicyName")?;
    let (entity, rights) = holder(call, of)?;
    changeable(entity)?;
    if rights.inline.remove(policy).is_none() {
        return Err(missing(format!("The {} policy with name {policy} cannot be found.", of.word)));
    }
    Ok(json!({}))
}
