//! `GetAccountAuthorizationDetails`: everything that an account holds, in pages of entities of all kinds.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::{ApiError, Call, put};
use super::{account, attachments, render};
use crate::aws::world::iam::{Group, Policy, Rights, Role, User};

const FILTERS: [&str; 5] = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];

/// One entity of any kind.
#[derive(Clone, Copy)]
enum Any<'a> {
    User(&'a User),
    Group(&'a Group),
    Role(&'a Role),
    Policy(&'a Policy),
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let mut wanted = Vec::new();
    for index in 1.. {
        let Some(filter) = call.text(&format!("Filter.member.{index}")) else { break };
        if !FILTERS.contains(&filter) {
            return Err(call.invalid(format!(
                "1 validation error detected: Value '[{filter}]' at 'filter' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [{}]]",
                FILTERS.join(", ")
            )));
        }
        wanted.push(filter);
    }
    let wants = |filter: &str| wanted.is_empty() || wanted.contains(&filter);
    let here = account(call);
    let users = here.iter().flat_map(|here| here.users.values()).filter(|_| wants("User")).map(Any::User);
    let groups = here.iter().flat_map(|here| here.groups.values()).filter(|_| wants("Group")).map(Any::Group);
    let roles = here.iter().flat_map(|here| here.roles.values()).filter(|_| wants("Role")).map(Any::Role);
    let own = here.iter().flat_map(|here| here.policies.values()).filter(|_| wants("LocalManagedPolicy"));
    // Of the policies of AWS, those in use.
    let of_aws = call
        .world
        .iam
        .aws_managed
        .values()
        .filter(|policy| wants("AWSManagedPolicy") && attachments(call, policy) > 0);
    let policies = own.chain(of_aws).map(Any::Policy);

    let window = call.window(users.chain(groups).chain(roles).chain(policies))?;
    let mut lists: [(&str, Vec<Value>); 4] = [
        ("UserDetailList", Vec::new()),
        ("GroupDetailList", Vec::new()),
        ("RoleDetailList", Vec::new()),
        ("Policies", Vec::new()),
    ];
    for any in window.rows {
        let [users, groups, roles, policies] = &mut lists;
        match any {
            Any::User(user) => users.1.push(user_detail(user)),
            Any::Group(group) => groups.1.push(group_detail(group)),
            Any::Role(role) => roles.1.push(role_detail(role)),
            Any::Policy(policy) => policies.1.push(policy_detail(policy, attachments(call, policy))),
        }
    }
    let answer: Map<String, Value> =
        lists.into_iter().map(|(name, rows)| (name.to_owned(), Value::Array(rows))).collect();
    Ok(call.finish(answer, window.next))
}

fn user_detail(user: &User) -> Value {
    let mut row = render::user_detail(user);
    put(&mut row, "GroupList", user.groups.clone());
    put_rights(&mut row, "UserPolicyList", &user.rights);
    put_tags(&mut row, &user.tags);
    row
}

fn group_detail(group: &Group) -> Value {
    let mut row = render::group(group);
    put_rights(&mut row, "GroupPolicyList", &group.rights);
    row
}

fn role_detail(role: &Role) -> Value {
    let mut row = render::role_detail(role);
    put(&mut row, "InstanceProfileList", Value::Array(Vec::new()));
    put_rights(&mut row, "RolePolicyList", &role.rights);
    put_tags(&mut row, &role.tags);
    put(&mut row, "RoleLastUsed", render::last_used(role));
    row
}

fn policy_detail(policy: &Policy, attachments: usize) -> Value {
    let mut row = render::policy(policy, attachments);
    let versions: Vec<Value> =
        policy.versions().rev().map(|version| render::version(&version, true)).collect();
    put(&mut row, "PolicyVersionList", versions);
    row
}

fn put_rights(row: &mut Value, inline_member: &str, rights: &Rights) {
    let inline: Vec<Value> = rights
        .inline
        .iter()
        .map(|(name, document)| {
            serde_json::json!({"PolicyName": name, "PolicyDocument": render::encode(document)})
        })
        .collect();
    put(row, inline_member, inline);
    put(row, "AttachedManagedPolicies", rights.attached.iter().map(render::attached).collect::<Vec<_>>());
}

fn put_tags(row: &mut Value, tags: &BTreeMap<String, String>) {
    put(row, "Tags", render::tags(tags));
}
