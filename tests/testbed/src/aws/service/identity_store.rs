//! Identity Store: users, groups, memberships.

use serde_json::{Value, json};

use super::{ApiError, Call, Operation, Protocol, Service, put};
use crate::aws::fixture;
use crate::aws::fixture::ExternalId;
use crate::aws::world::directory::{Directory, Group, Membership, User};

pub(crate) static SERVICE: Service = Service {
    name: "identitystore",
    protocol: Protocol::Json { target: "AWSIdentityStore" },
    operations: &[
        Operation::listing("ListUsers", 100, 100, list_users),
        Operation::listing("ListGroups", 100, 100, list_groups),
        Operation::listing("ListGroupMemberships", 100, 100, list_group_memberships),
        Operation::listing("ListGroupMembershipsForMember", 100, 100, list_group_memberships_for_member),
        Operation::new("DescribeIdentityStore", describe_identity_store),
        Operation::new("DescribeUser", describe_user),
        Operation::new("GetUserId", get_user_id),
        Operation::new("DescribeGroup", describe_group),
        Operation::new("DescribeGroupMembership", describe_group_membership),
        Operation::new("GetGroupMembershipId", get_group_membership_id),
        Operation::new("IsMemberInGroups", is_member_in_groups),
        Operation::new("CreateGroupMembership", create_group_membership),
        Operation::new("DeleteGroupMembership", delete_group_membership),
        Operation::new("CreateUser", create_user),
        Operation::new("DeleteUser", delete_user),
    ],
    invalid: "ValidationException",
    throttled: "ThrottlingException",
    internal: "InternalServerException",
    resource: |world, _, _, _| {
        let owner = &world.organization.management;
        format!("arn:aws:identitystore::{owner}:identitystore/{}", world.directory.store_id)
    },
};

/// The store that the request names must be this one, in this region, and the caller must administer it.
fn check_store(call: &Call<'_>) -> Result<(), ApiError> {
    let named = call.required("IdentityStoreId")?;
    let named = named.rsplit('/').next().unwrap_or(named);
    let directory = &call.world.directory;
    if named != directory.store_id || call.region != directory.region || !call.world.center.enabled {
        return Err(not_found("IDENTITY_STORE", named));
    }
    if !call.world.organization.administers(&call.caller.account, "sso.amazonaws.com") {
        let resource = (SERVICE.resource)(call.world, call.caller, call.action, call.input);
        let message = format!(
            "User: {} is not authorized to perform: {} on resource: {resource}",
            call.caller.arn, call.action
        );
        return Err(ApiError::access_denied(&SERVICE, message));
    }
    Ok(())
}

fn not_found(kind: &str, id: &str) -> ApiError {
    let spoken = if kind == "GROUP_MEMBERSHIP" { "MEMBERSHIP" } else { kind };
    ApiError::new("ResourceNotFoundException", format!("{spoken} not found."))
        .member("ResourceType", kind)
        .member("ResourceId", id)
}

fn conflict(message: &str) -> ApiError {
    ApiError::new("ConflictException", message).member("Reason", "UNIQUENESS_CONSTRAINT_VIOLATION")
}

/// The one filter that a listing may carry.
fn filter<'a>(call: &Call<'a>, attribute: &str) -> Result<Option<&'a str>, ApiError> {
    let Some(filters) = call.input.get("Filters").and_then(Value::as_array) else { return Ok(None) };
    let Some(filter) = filters.first() else { return Ok(None) };
    let text = |name: &str| filter.get(name).and_then(Value::as_str);
    if filters.len() > 1 || text("AttributePath") != Some(attribute) {
        return Err(call.invalid(format!("Only one filter, on {attribute}, is supported")));
    }
    Ok(text("AttributeValue"))
}

fn group<'c>(call: &'c Call<'_>) -> Result<&'c Group, ApiError> {
    let id = call.required("GroupId")?;
    call.world.directory.groups.get(id).ok_or_else(|| not_found("GROUP", id))
}

fn user<'c>(call: &'c Call<'_>, id: &str) -> Result<&'c User, ApiError> {
    call.world.directory.users.get(id).ok_or_else(|| not_found("USER", id))
}

fn member_id<'a>(call: &Call<'a>) -> Result<&'a str, ApiError> {
    call.input.get("MemberId").and_then(|member| member.get("UserId")).and_then(Value::as_str).ok_or_else(
        || call.invalid("Value at 'memberId' failed to satisfy constraint: Member must not be null"),
    )
}

fn list_users(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let wanted = filter(call, "UserName")?;
    let users =
        call.world.directory.users.values().filter(|user| wanted.is_none_or(|name| user.name == name));
    call.page("Users", users, |user| render_user(call, user))
}

fn list_groups(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let wanted = filter(call, "DisplayName")?;
    let groups =
        call.world.directory.groups.values().filter(|group| wanted.is_none_or(|name| group.name == name));
    call.page("Groups", groups, |group| render_group(call, group))
}

fn list_group_memberships(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let group = &group(call)?.id;
    call.page("GroupMemberships", call.world.directory.members(group), |row| render_membership(call, row))
}

fn list_group_memberships_for_member(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let user = &user(call, member_id(call)?)?.id;
    call.page("GroupMemberships", call.world.directory.groups_of(user), |row| render_membership(call, row))
}

fn describe_identity_store(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let (store, owner) = (&call.world.directory.store_id, &call.world.organization.management);
    let mut answer = json!({
        "IdentityStoreId": store,
        "IdentityStoreArn": format!("arn:aws:identitystore::{owner}:identitystore/{store}"),
    });
    if let Some(rules) = &call.world.center.instance.store_network {
        let rules = json!({
            "VpceAccessRequired": rules.vpce_required,
            "ApiRestrictSourceVpcs": rules.vpcs,
            "ApiAllowSourceIps": rules.addresses,
        });
        put(&mut answer, "NetworkConfiguration", rules);
    }
    Ok(answer)
}

fn describe_user(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    Ok(render_user(call, user(call, call.required("UserId")?)?))
}

fn get_user_id(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let attribute = |name: &str| {
        call.input.pointer(&format!("/AlternateIdentifier/UniqueAttribute/{name}")).and_then(Value::as_str)
    };
    let (Some("userName" | "UserName"), Some(name)) =
        (attribute("AttributePath"), attribute("AttributeValue"))
    else {
        return Err(call.invalid("Only the unique attribute userName is supported"));
    };
    // Nobody knows an id to name.
    let unknown =
        || ApiError::new("ResourceNotFoundException", "USER not found.").member("ResourceType", "USER");
    let user = call.world.directory.user_named(name).ok_or_else(unknown)?;
    Ok(json!({
        "IdentityStoreId": call.world.directory.store_id,
        "UserId": user.id,
        "UserArn": format!("arn:aws:identitystore:::user/{}", user.id),
    }))
}

fn describe_group(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    Ok(render_group(call, group(call)?))
}

fn describe_group_membership(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let id = call.required("MembershipId")?;
    let membership =
        call.world.directory.memberships.get(id).ok_or_else(|| not_found("GROUP_MEMBERSHIP", id))?;
    Ok(render_membership(call, membership))
}

fn get_group_membership_id(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let group = &group(call)?.id;
    let user = &user(call, member_id(call)?)?.id;
    let membership =
        call.world.directory.membership(group, user).ok_or_else(|| not_found("GROUP_MEMBERSHIP", user))?;
    Ok(membership_reply(call, &membership.id))
}

fn is_member_in_groups(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let user = &user(call, member_id(call)?)?.id;
    let groups = call.input.get("GroupIds").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let results: Vec<Value> = groups
        .iter()
        .filter_map(Value::as_str)
        .map(|group| {
            let exists = call.world.directory.membership(group, user).is_some();
            json!({"GroupId": group, "MemberId": {"UserId": user}, "MembershipExists": exists})
        })
        .collect();
    Ok(json!({"Results": results}))
}

fn create_group_membership(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let group = group(call)?.id.clone();
    let user = user(call, member_id(call)?)?.id.clone();
    let id = call
        .world
        .directory
        .add_member(&group, &user)
        .ok_or_else(|| conflict("Member and Group relationship already exists."))?;
    Ok(membership_reply(call, &id))
}

fn delete_group_membership(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let id = call.required("MembershipId")?;
    if !call.world.directory.remove_membership(id) {
        return Err(not_found("GROUP_MEMBERSHIP", id));
    }
    Ok(json!({}))
}

fn create_user(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let name = call.required("UserName")?;
    if call.world.directory.user_named(name).is_some() {
        return Err(conflict("Duplicate UserName"));
    }
    let part = |name: &str| {
        call.input.get("Name").and_then(|whole| whole.get(name)).and_then(Value::as_str).map(str::to_owned)
    };
    let email = call.input.pointer("/Emails/0/Value").and_then(Value::as_str);
    let user = fixture::User {
        name: name.to_owned(),
        display_name: Some(call.required("DisplayName")?.to_owned()),
        given_name: part("GivenName"),
        family_name: part("FamilyName"),
        email: email.map(str::to_owned),
        ..fixture::User::default()
    };
    let id = call.world.directory.add_user(&user);
    Ok(json!({
        "IdentityStoreId": call.world.directory.store_id,
        "UserId": id,
        "UserArn": format!("arn:aws:identitystore:::user/{id}"),
        "Revision": Directory::revision(),
    }))
}

fn delete_user(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_store(call)?;
    let id = call.required("UserId")?;
    if !call.world.directory.remove_user(id) {
        return Err(not_found("USER", id));
    }
    Ok(json!({}))
}

fn membership_reply(call: &Call<'_>, id: &str) -> Value {
    json!({
        "IdentityStoreId": call.world.directory.store_id,
        "MembershipId": id,
        "MembershipArn": format!("arn:aws:identitystore:::membership/{id}"),
    })
}

fn render_user(call: &Call<'_>, user: &User) -> Value {
    let mut row = json!({
        "IdentityStoreId": call.world.directory.store_id,
        "UserId": user.id,
        "UserArn": format!("arn:aws:identitystore:::user/{}", user.id),
        "Revision": user.created.as_millisecond().to_string(),
        "UserName": user.name,
        "CreatedAt": user.created.as_second(),
        "UpdatedAt": user.created.as_second(),
    });
    if user.given_name.is_some() || user.family_name.is_some() {
        put(
            &mut row,
            "Name",
            without_nulls(json!({"GivenName": user.given_name, "FamilyName": user.family_name})),
        );
    }
    if let Some(display_name) = &user.display_name {
        put(&mut row, "DisplayName", json!(display_name));
    }
    if let Some(email) = &user.email {
        put(&mut row, "Emails", json!([{"Value": email, "Type": "work", "Primary": true}]));
    }
    if let Some(status) = user.status {
        put(&mut row, "UserStatus", json!(status));
    }
    add_external_ids(&mut row, &user.external_ids);
    row
}

fn render_group(call: &Call<'_>, group: &Group) -> Value {
    let mut row = json!({
        "IdentityStoreId": call.world.directory.store_id,
        "GroupId": group.id,
        "GroupArn": format!("arn:aws:identitystore:::group/{}", group.id),
        "Revision": group.created.as_millisecond().to_string(),
        "DisplayName": group.name,
        "CreatedAt": group.created.as_second(),
        "UpdatedAt": group.created.as_second(),
    });
    if let Some(description) = &group.description {
        put(&mut row, "Description", json!(description));
    }
    add_external_ids(&mut row, &group.external_ids);
    row
}

fn render_membership(call: &Call<'_>, membership: &Membership) -> Value {
    json!({
        "IdentityStoreId": call.world.directory.store_id,
        "MembershipId": membership.id,
        "MembershipArn": format!("arn:aws:identitystore:::membership/{}", membership.id),
        "GroupId": membership.group,
        "MemberId": {"UserId": membership.user},
        "CreatedAt": membership.created.as_second(),
        "UpdatedAt": membership.created.as_second(),
    })
}

fn add_external_ids(row: &mut Value, external_ids: &[ExternalId]) {
    if !external_ids.is_empty() {
        put(
            row,
            "ExternalIds",
            external_ids
                .iter()
                .map(|external| json!({"Issuer": external.issuer, "Id": external.id}))
                .collect::<Vec<_>>(),
        );
    }
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}
