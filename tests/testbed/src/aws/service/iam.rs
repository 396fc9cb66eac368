//! Identity and Access Management. Every account has its own, seen through the credentials of that account.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ApiError, Call, Operation, Protocol, Service, put};
use crate::aws::world::iam::{Account, Entity, Group, Policy, Rights, Role, User};

mod details;
mod lifecycle;
mod render;
mod report;
mod simulate;
mod write;

use render::{encode, tags, time};

/// Default and largest page.
const PAGE: usize = 100;
const LARGEST: usize = 1000;

const fn listing(name: &'static str, run: fn(&mut Call<'_>) -> Result<Value, ApiError>) -> Operation {
    Operation::listing(name, PAGE, LARGEST, run)
}

pub(crate) static SERVICE: Service = Service {
    name: "iam",
    protocol: Protocol::Query {
        version: "2010-05-08",
        namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
    },
    operations: &[
        listing("GetAccountAuthorizationDetails", details::get),
        listing("ListUsers", list_users),
        listing("ListGroups", list_groups),
        listing("ListRoles", list_roles),
        listing("ListPolicies", list_policies),
        Operation::new("GetUser", get_user),
        listing("GetGroup", get_group),
        Operation::new("GetRole", get_role),
        Operation::new("GetPolicy", get_policy),
        Operation::new("GetPolicyVersion", get_policy_version),
        listing("ListPolicyVersions", list_policy_versions),
        listing("ListGroupsForUser", list_groups_for_user),
        listing("ListUserTags", |call| list_tags(call, &user(call)?.tags)),
        listing("ListRoleTags", |call| list_tags(call, &role(call)?.tags)),
        listing("ListAttachedUserPolicies", |call| list_attached(call, &user(call)?.rights)),
        listing("ListAttachedGroupPolicies", |call| list_attached(call, &group(call)?.rights)),
        listing("ListAttachedRolePolicies", |call| list_attached(call, &role(call)?.rights)),
        listing("ListUserPolicies", |call| list_inline(call, &user(call)?.rights)),
        listing("ListGroupPolicies", |call| list_inline(call, &group(call)?.rights)),
        listing("ListRolePolicies", |call| list_inline(call, &role(call)?.rights)),
        Operation::new("GetUserPolicy", |call| get_inline(call, "UserName", "user", &user(call)?.rights)),
        Operation::new("GetGroupPolicy", |call| get_inline(call, "GroupName", "group", &group(call)?.rights)),
        Operation::new("GetRolePolicy", |call| get_inline(call, "RoleName", "role", &role(call)?.rights)),
        listing("ListAccessKeys", list_access_keys),
        Operation::new("GetAccessKeyLastUsed", get_access_key_last_used),
        listing("ListAccountAliases", list_account_aliases),
        Operation::new("GenerateCredentialReport", report::generate),
        Operation::new("GetCredentialReport", report::get),
        listing("SimulatePrincipalPolicy", simulate::run),
        Operation::new("CreateUser", lifecycle::create_user),
        Operation::new("DeleteUser", lifecycle::delete_user),
        Operation::new("GetLoginProfile", lifecycle::get_login_profile),
        Operation::new("CreateLoginProfile", lifecycle::create_login_profile),
        Operation::new("UpdateLoginProfile", lifecycle::update_login_profile),
        Operation::new("DeleteLoginProfile", lifecycle::delete_login_profile),
        Operation::new("CreateAccessKey", lifecycle::create_access_key),
        Operation::new("UpdateAccessKey", lifecycle::update_access_key),
        Operation::new("DeleteAccessKey", lifecycle::delete_access_key),
        listing("ListSigningCertificates", lifecycle::list_certificates),
        Operation::new("DeleteSigningCertificate", |call| lifecycle::delete(call, &lifecycle::CERTIFICATES)),
        listing("ListSSHPublicKeys", lifecycle::list_ssh_keys),
        Operation::new("DeleteSSHPublicKey", |call| lifecycle::delete(call, &lifecycle::SSH_KEYS)),
        listing("ListServiceSpecificCredentials", lifecycle::list_service_credentials),
        Operation::new("DeleteServiceSpecificCredential", |call| {
            lifecycle::delete(call, &lifecycle::SERVICE_CREDENTIALS)
        }),
        listing("ListMFADevices", lifecycle::list_mfa_devices),
        Operation::new("DeactivateMFADevice", |call| lifecycle::delete(call, &lifecycle::MFA_DEVICES)),
        Operation::new("DeleteVirtualMFADevice", lifecycle::delete_virtual_device),
        Operation::new("AddUserToGroup", write::add_user_to_group),
        Operation::new("RemoveUserFromGroup", write::remove_user_from_group),
        Operation::new("AttachUserPolicy", |call| write::attach(call, &write::USER)),
        Operation::new("AttachGroupPolicy", |call| write::attach(call, &write::GROUP)),
        Operation::new("AttachRolePolicy", |call| write::attach(call, &write::ROLE)),
        Operation::new("DetachUserPolicy", |call| write::detach(call, &write::USER)),
        Operation::new("DetachGroupPolicy", |call| write::detach(call, &write::GROUP)),
        Operation::new("DetachRolePolicy", |call| write::detach(call, &write::ROLE)),
        Operation::new("DeleteUserPolicy", |call| write::delete_inline(call, &write::USER)),
        Operation::new("DeleteGroupPolicy", |call| write::delete_inline(call, &write::GROUP)),
        Operation::new("DeleteRolePolicy", |call| write::delete_inline(call, &write::ROLE)),
    ],
    invalid: "ValidationError",
    throttled: "Throttling",
    internal: "ServiceFailure",
    resource: |_, caller, action, input| {
        let account = &caller.account;
        match action {
            "iam:ListUsers" => return format!("arn:aws:iam::{account}:user/"),
            "iam:ListGroups" => return format!("arn:aws:iam::{account}:group/"),
            "iam:ListRoles" => return format!("arn:aws:iam::{account}:role/"),
            "iam:ListPolicies" => return "policy path /".to_owned(),
            _ => {}
        }
        // The words of IAM: the kind of the entity, then its name as the request gave it.
        let kinds = [
            ("UserName", "user"),
            ("GroupName", "group"),
            ("RoleName", "role"),
            ("PolicyArn", "policy"),
            ("AccessKeyId", "access key"),
        ];
        let named = kinds
            .iter()
            .find_map(|(member, kind)| input.get(*member)?.as_str().map(|name| format!("{kind} {name}")));
        named.unwrap_or_else(|| "*".to_owned())
    },
};

fn missing(message: String) -> ApiError {
    ApiError::with_status("NoSuchEntity", message, 404)
}

/// IAM of the caller's account; `None` when it holds nothing.
fn account<'c>(call: &'c Call<'_>) -> Option<&'c Account> {
    call.world.iam.account(&call.caller.account)
}

/// The user that the request names, or the calling one.
fn user<'c>(call: &'c Call<'_>) -> Result<&'c User, ApiError> {
    let name = match call.text("UserName") {
        Some(name) => name,
        None => call
            .caller
            .user_name()
            .ok_or_else(|| call.invalid("Must specify userName when calling with non-User credentials"))?,
    };
    account(call)
        .and_then(|account| account.users.get(name))
        .ok_or_else(|| missing(format!("The user with name {name} cannot be found.")))
}

fn group<'c>(call: &'c Call<'_>) -> Result<&'c Group, ApiError> {
    let name = call.required("GroupName")?;
    account(call)
        .and_then(|account| account.groups.get(name))
        .ok_or_else(|| missing(format!("The group with name {name} cannot be found.")))
}

fn role<'c>(call: &'c Call<'_>) -> Result<&'c Role, ApiError> {
    let name = call.required("RoleName")?;
    account(call)
        .and_then(|account| account.roles.get(name))
        .ok_or_else(|| missing(format!("The role with name {name} cannot be found.")))
}

fn policy<'c>(call: &'c Call<'_>) -> Result<&'c Policy, ApiError> {
    let arn = call.required("PolicyArn")?;
    if !arn.starts_with("arn:aws:iam::") {
        return Err(ApiError::new("InvalidInput", format!("ARN {arn} is not valid.")));
    }
    call.world
        .iam
        .policy(&call.caller.account, arn)
        .ok_or_else(|| missing(format!("Policy {arn} was not found.")))
}

/// Whether an entity lies under the path that a listing asks for.
fn under(call: &Call<'_>, entity: &Entity) -> bool {
    call.text("PathPrefix").is_none_or(|prefix| entity.path.starts_with(prefix))
}

fn list_users(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let users = account(call).into_iter().flat_map(|account| account.users.values());
    call.page("Users", users.filter(|user| under(call, &user.entity)), render::user)
}

fn list_groups(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let groups = account(call).into_iter().flat_map(|account| account.groups.values());
    call.page("Groups", groups.filter(|group| under(call, &group.entity)), render::group)
}

fn list_roles(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let roles = account(call).into_iter().flat_map(|account| account.roles.values());
    call.page("Roles", roles.filter(|role| under(call, &role.entity)), render::role)
}

fn list_policies(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let scope = call.text("Scope").unwrap_or("All");
    if !["All", "AWS", "Local"].contains(&scope) {
        return Err(call.invalid(format!(
            "1 validation error detected: Value '{scope}' at 'scope' failed to satisfy constraint: Member must satisfy enum value set: [AWS, Local, All]"
        )));
    }
    let only_attached = call.text("OnlyAttached").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let of_aws = call.world.iam.aws_managed.values().filter(|_| scope != "Local");
    let own = account(call).into_iter().flat_map(|account| account.policies.values());
    let policies = own
        .filter(|_| scope != "AWS")
        .chain(of_aws)
        .map(|policy| (policy, attachments(call, policy)))
        .filter(|(policy, attached)| (*attached > 0 || !only_attached) && under(call, &policy.entity));
    call.page("Policies", policies, |(policy, attached)| render::policy(policy, attached))
}

fn attachments(call: &Call<'_>, policy: &Policy) -> usize {
    account(call).map(|account| account.attachments(&policy.entity.arn)).unwrap_or_default()
}

fn get_user(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user(call)?;
    let mut row = render::user(user);
    if !user.tags.is_empty() {
        put(&mut row, "Tags", tags(&user.tags));
    }
    Ok(json!({"User": row}))
}

fn get_group(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let group = group(call)?;
    let members = account(call).into_iter().flat_map(|account| account.members(&group.entity.name));
    let mut answer = call.page("Users", members, render::user_detail)?;
    put(&mut answer, "Group", render::group(group));
    Ok(answer)
}

fn get_role(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let role = match role(call) {
        Ok(role) => role,
        // One that is only there to be assumed: no listing has it.
        Err(error) => {
            let name = call.required("RoleName")?;
            let own = call.world.access.role_named(&call.caller.account, name);
            return own.map(|role| json!({"Role": render::principal(role)})).ok_or(error);
        }
    };
    let mut row = render::role(role);
    if !role.tags.is_empty() {
        put(&mut row, "Tags", tags(&role.tags));
    }
    put(&mut row, "RoleLastUsed", render::last_used(role));
    Ok(json!({"Role": row}))
}

fn get_policy(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let policy = policy(call)?;
    let mut row = render::policy(policy, attachments(call, policy));
    if let Some(description) = &policy.description {
        put(&mut row, "Description", json!(description));
    }
    put(&mut row, "Tags", tags(&policy.tags));
    Ok(json!({"Policy": row}))
}

fn get_policy_version(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let policy = policy(call)?;
    let id = call.required("VersionId")?;
    let version = policy.versions().find(|version| version.id == id).ok_or_else(|| {
        missing(format!("Policy {} version {id} does not exist or is not attachable.", policy.entity.arn))
    })?;
    Ok(json!({"PolicyVersion": render::version(&version, true)}))
}

fn list_policy_versions(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let policy = policy(call)?;
    call.page("Versions", policy.versions().rev(), |version| render::version(&version, false))
}

fn list_groups_for_user(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user(call)?;
    let groups = account(call).map(|account| &account.groups);
    let rows = user.groups.iter().filter_map(|name| groups?.get(name));
    call.page("Groups", rows, render::group)
}

fn list_tags(call: &Call<'_>, held: &BTreeMap<String, String>) -> Result<Value, ApiError> {
    call.page("Tags", held.iter(), |(key, value)| json!({"Key": key, "Value": value}))
}

fn list_attached(call: &Call<'_>, rights: &Rights) -> Result<Value, ApiError> {
    let prefix = call.text("PathPrefix").unwrap_or("/");
    let rows = rights.attached.iter().filter(|(_, arn)| {
        arn.split_once(":policy").is_none_or(|(_, path_and_name)| path_and_name.starts_with(prefix))
    });
    call.page("AttachedPolicies", rows, render::attached)
}

fn list_inline(call: &Call<'_>, rights: &Rights) -> Result<Value, ApiError> {
    call.page("PolicyNames", rights.inline.keys(), |name| json!(name))
}

fn get_inline(call: &Call<'_>, owner: &str, kind: &str, rights: &Rights) -> Result<Value, ApiError> {
    let name = call.required("PolicyName")?;
    let document = rights
        .inline
        .get(name)
        .ok_or_else(|| missing(format!("The {kind} policy with name {name} cannot be found.")))?;
    Ok(json!({
        owner: call.text(owner),
        "PolicyName": name,
        "PolicyDocument": encode(document),
    }))
}

fn list_access_keys(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user(call)?;
    call.page("AccessKeyMetadata", user.keys.iter(), |key| {
        json!({
            "UserName": user.entity.name,
            "AccessKeyId": key.id,
            "Status": if key.active { "Active" } else { "Inactive" },
            "CreateDate": time(key.created),
        })
    })
}

fn get_access_key_last_used(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.required("AccessKeyId")?;
    let (owner, key) = account(call)
        .and_then(|account| account.key(id))
        .ok_or_else(|| missing(format!("The Access Key with id {id} cannot be found")))?;
    let last = match key.last_used {
        Some(used) => json!({"LastUsedDate": time(used), "ServiceName": "s3", "Region": "us-east-1"}),
        None => json!({"ServiceName": "N/A", "Region": "N/A"}),
    };
    Ok(json!({"UserName": owner.entity.name, "AccessKeyLastUsed": last}))
}

fn list_account_aliases(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.world.organization.accounts.get(&call.caller.account);
    let alias = account.and_then(|account| account.alias.clone());
    call.page("AccountAliases", alias.into_iter(), |alias| json!(alias))
}
