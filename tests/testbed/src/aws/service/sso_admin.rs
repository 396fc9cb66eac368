//! SSO Admin: instances, permission sets, account assignments.

use serde_json::{Value, json};

use super::{ApiError, Call, Operation, Protocol, Service, put};
use crate::aws::fault::Effect;
use crate::aws::world::assignments::{Assignment, Change, PermissionSet, PrincipalType, Request, Status};

/// Account-assignment requests that may be in progress together.
const OUTSTANDING: usize = 15;

pub(crate) static SERVICE: Service = Service {
    name: "sso",
    protocol: Protocol::Json { target: "SWBExternalService" },
    operations: &[
        Operation::listing("ListInstances", 100, 100, list_instances),
        Operation::new("DescribeInstance", describe_instance),
        Operation::listing("ListPermissionSets", 100, 100, list_permission_sets),
        Operation::new("DescribePermissionSet", describe_permission_set),
        Operation::listing("ListPermissionSetsProvisionedToAccount", 100, 100, list_provisioned_to_account),
        Operation::listing(
            "ListAccountsForProvisionedPermissionSet",
            100,
            100,
            list_accounts_for_provisioned,
        ),
        Operation::listing("ListAccountAssignments", 100, 100, list_account_assignments),
        Operation::listing("ListAccountAssignmentsForPrincipal", 100, 100, list_for_principal),
        Operation::new("CreateAccountAssignment", |call| change_assignment(call, Change::Create)),
        Operation::new("DeleteAccountAssignment", |call| change_assignment(call, Change::Delete)),
        Operation::new("DescribeAccountAssignmentCreationStatus", |call| {
            describe_status(call, Change::Create)
        }),
        Operation::new("DescribeAccountAssignmentDeletionStatus", |call| {
            describe_status(call, Change::Delete)
        }),
        Operation::listing("ListAccountAssignmentCreationStatus", 100, 100, |call| {
            list_status(call, Change::Create)
        }),
        Operation::listing("ListAccountAssignmentDeletionStatus", 100, 100, |call| {
            list_status(call, Change::Delete)
        }),
        Operation::listing("ListManagedPoliciesInPermissionSet", 100, 100, list_managed_policies),
        Operation::listing(
            "ListCustomerManagedPolicyReferencesInPermissionSet",
            100,
            100,
            list_customer_managed_policies,
        ),
        Operation::new("GetInlinePolicyForPermissionSet", get_inline_policy),
    ],
    invalid: "ValidationException",
    throttled: "ThrottlingException",
    internal: "InternalServerException",
    resource: |world, _, action, input| {
        let text = |name: &str| input.get(name).and_then(Value::as_str);
        let account = text("AccountId").or_else(|| text("TargetId"));
        match (text("PermissionSetArn"), account) {
            (Some(set), _) => set.to_owned(),
            (None, Some(account)) => format!("arn:aws:sso:::account/{account}"),
            (None, None) if action == "sso:ListInstances" => "*".to_owned(),
            (None, None) => text("InstanceArn").unwrap_or(&world.center.instance_arn).to_owned(),
        }
    },
};

fn here(call: &Call<'_>) -> bool {
    call.world.center.enabled && call.region == call.world.directory.region
}

fn list_instances(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let mut instances = Vec::new();
    let everywhere = call.text("RegionScope") == Some("ALL_REGIONS");
    if (here(call) || everywhere && call.world.center.enabled)
        && call.world.organization.accounts.contains_key(&call.caller.account)
    {
        instances.push(render_instance(call));
    }
    if everywhere || call.region == call.world.directory.region {
        let account = &call.caller.account;
        let visible = call
            .world
            .center
            .other_instances
            .iter()
            .filter(|other| other.owner == *account || other.visible_to.contains(account));
        instances.extend(visible.map(|other| {
            json!({
                "InstanceArn": other.arn,
                "IdentityStoreId": other.store_id,
                "OwnerAccountId": other.owner,
                "Name": other.name,
                "Status": "ACTIVE",
                "CreatedDate": call.world.center.created.as_second(),
            })
        }));
    }
    call.page("Instances", instances.into_iter(), |instance| instance)
}

fn render_instance(call: &Call<'_>) -> Value {
    let center = &call.world.center;
    let (store, owner) = (&call.world.directory.store_id, &call.world.organization.management);
    let mut row = json!({
        "InstanceArn": center.instance_arn,
        "IdentityStoreId": store,
        "IdentityStoreArn": format!("arn:aws:identitystore::{owner}:identitystore/{store}"),
        "OwnerAccountId": owner,
        "Status": center.instance.status,
        "CreatedDate": center.created.as_second(),
    });
    if let Some(reason) = &center.instance.status_reason {
        put(&mut row, "StatusReason", json!(reason));
    }
    if !center.instance.without_regions {
        put(&mut row, "PrimaryRegion", json!(primary_region(call)));
        put(&mut row, "Regions", regions(call));
    }
    row
}

fn primary_region<'c>(call: &'c Call<'_>) -> &'c str {
    call.world.center.instance.primary_region.as_deref().unwrap_or(&call.world.directory.region)
}

/// The primary region, then the others.
fn regions(call: &Call<'_>) -> Value {
    let added = call.world.center.created.as_second();
    let region = |name: &str, status: &str, primary: bool| json!({"RegionName": name, "Status": status, "AddedDate": added, "IsPrimaryRegion": primary});
    let further = &call.world.center.instance.further_regions;
    let further = further.iter().map(|one| region(&one.name, &one.status, false));
    std::iter::once(region(primary_region(call), "ACTIVE", true)).chain(further).collect()
}

fn describe_instance(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_instance(call)?;
    let mut instance = render_instance(call);
    let told = &call.world.center.instance;
    put(&mut instance, "PermissionSetsEnabled", json!(told.permission_sets_enabled));
    if let Some(rules) = &told.network {
        let rules = json!({
            "VpceAccessRequired": rules.vpce_required,
            "RestrictSourceVpcs": rules.vpcs,
            "AllowSourceIps": rules.addresses,
        });
        put(&mut instance, "NetworkConfigurationDetails", rules);
    }
    put(
        &mut instance,
        "EncryptionConfigurationDetails",
        json!({"KeyType": "AWS_OWNED_KMS_KEY", "EncryptionStatus": "ENABLED"}),
    );
    Ok(instance)
}

/// The instance that the request names must be the organization's, in this region, and the caller must administer
/// it.
fn check_instance(call: &Call<'_>) -> Result<(), ApiError> {
    let named = call.required("InstanceArn")?;
    let id = named.strip_prefix("arn:aws:sso:::instance/").unwrap_or_default();
    let digits = id.strip_prefix("ssoins-").or_else(|| id.strip_prefix("ins-")).unwrap_or_default();
    if digits.len() != 16 {
        return Err(call.invalid(format!(
            "1 validation error detected: Value '{named}' at 'instanceArn' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws(-[a-z]{{1,5}}){{0,3}}:sso:::instance/(sso)?ins-[a-zA-Z0-9-.]{{16}}"
        )));
    }
    if call.world.center.other_instances.iter().any(|other| other.arn == named) {
        return Err(call.invalid("The operation is not supported for this Identity Center instance"));
    }
    if named != call.world.center.instance_arn || !here(call) {
        return Err(missing(format!("Instance {named} not found")));
    }
    if !call.world.organization.administers(&call.caller.account, "sso.amazonaws.com") {
        return Err(refused(call));
    }
    Ok(())
}

fn missing(message: String) -> ApiError {
    ApiError::new("ResourceNotFoundException", message)
}

fn refused(call: &Call<'_>) -> ApiError {
    let resource = (SERVICE.resource)(call.world, call.caller, call.action, call.input);
    let message = format!(
        "User: {} is not authorized to perform: {} on resource: {resource}",
        call.caller.arn, call.action
    );
    ApiError::access_denied(&SERVICE, message)
}

fn permission_set<'c>(call: &'c Call<'_>) -> Result<&'c PermissionSet, ApiError> {
    check_instance(call)?;
    let arn = call.required("PermissionSetArn")?;
    call.world
        .center
        .permission_sets
        .get(arn)
        .ok_or_else(|| missing(format!("Could not find PermissionSet with id {arn}")))
}

fn account<'a>(call: &Call<'a>, member: &str) -> Result<&'a str, ApiError> {
    let id = call.required(member)?;
    if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(call.invalid(format!(
            "1 validation error detected: Value '{id}' at '{member}' failed to satisfy constraint: Member must satisfy regular expression pattern: \\d{{12}}"
        )));
    }
    if !call.world.organization.accounts.contains_key(id) {
        return Err(missing(format!("Account {id} is not part of the organization")));
    }
    Ok(id)
}

fn principal<'a>(call: &Call<'a>) -> Result<(PrincipalType, &'a str), ApiError> {
    let id = call.required("PrincipalId")?;
    match call.required("PrincipalType")? {
        "USER" => Ok((PrincipalType::User, id)),
        "GROUP" => Ok((PrincipalType::Group, id)),
        other => Err(call.invalid(format!(
            "1 validation error detected: Value '{other}' at 'principalType' failed to satisfy constraint: Member must satisfy enum value set: [USER, GROUP]"
        ))),
    }
}

fn list_permission_sets(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_instance(call)?;
    call.page("PermissionSets", call.world.center.permission_sets.keys(), |arn| json!(arn))
}

fn describe_permission_set(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let set = permission_set(call)?;
    let mut row = json!({
        "Name": set.name,
        "PermissionSetArn": set.arn,
        "CreatedDate": set.created.as_second(),
        "SessionDuration": set.session_duration,
    });
    if let Some(description) = &set.description {
        put(&mut row, "Description", json!(description));
    }
    Ok(json!({"PermissionSet": row}))
}

fn list_provisioned_to_account(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_instance(call)?;
    let account = account(call, "AccountId")?;
    call.page("PermissionSets", call.world.center.provisioned_on(account).into_iter(), |arn| json!(arn))
}

fn list_accounts_for_provisioned(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let set = permission_set(call)?;
    call.page("AccountIds", call.world.center.accounts_of(&set.arn).into_iter(), |account| json!(account))
}

fn list_account_assignments(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let set = permission_set(call)?;
    let account = account(call, "AccountId")?;
    let rows = call.world.center.of_pair(account, &set.arn);
    call.page("AccountAssignments", rows, render_assignment)
}

/// The rows of a user include those that it inherits from its groups; those name the group.
fn list_for_principal(call: &mut Call<'_>) -> Result<Value, ApiError> {
    check_instance(call)?;
    if call.caller.account != call.world.organization.management {
        return Err(refused(call));
    }
    let (kind, id) = principal(call)?;
    let only = call.input.pointer("/Filter/AccountId").and_then(Value::as_str);
    let center = &call.world.center;
    let held = |id: &str| center.by_principal.get(id).into_iter().flatten();
    let mut rows: Vec<&Assignment> = held(id).filter(|row| row.principal_type == kind).collect();
    if kind == PrincipalType::User {
        for membership in call.world.directory.groups_of(id) {
            let inherited = held(&membership.group);
            rows.extend(inherited.filter(|row| row.principal_type == PrincipalType::Group));
        }
    }
    rows.retain(|row| only.is_none_or(|only| row.account == only));
    call.page("AccountAssignments", rows.into_iter(), render_assignment)
}

fn render_assignment(assignment: &Assignment) -> Value {
    json!({
        "AccountId": assignment.account,
        "PermissionSetArn": assignment.permission_set,
        "PrincipalType": assignment.principal_type,
        "PrincipalId": assignment.principal_id,
    })
}

fn change_assignment(call: &mut Call<'_>, change: Change) -> Result<Value, ApiError> {
    let permission_set = permission_set(call)?.arn.clone();
    let account = account(call, "TargetId")?;
    if call.required("TargetType")? != "AWS_ACCOUNT" {
        return Err(call.invalid("Value at 'targetType' failed to satisfy constraint: Member must satisfy enum value set: [AWS_ACCOUNT]"));
    }
    let (principal_type, principal_id) = principal(call)?;
    // Access to the management account is the management account's own to give.
    let management = &call.world.organization.management;
    if account == management && call.caller.account != *management {
        return Err(refused(call));
    }
    let open = || call.world.center.requests.iter().filter(|request| request.status == Status::InProgress);
    if open().any(|request| request.assignment.account == account) {
        let message = format!("A conflicting operation is in progress for account {account}.");
        return Err(ApiError::new("ConflictException", message));
    }
    if open().count() >= OUTSTANDING {
        return Err(ApiError::throttled(&SERVICE));
    }
    let assignment = Assignment {
        account: account.to_owned(),
        permission_set,
        principal_type,
        principal_id: principal_id.to_owned(),
    };
    let scripted = match call.quirk {
        Some(Effect::SettlesFailed(reason)) => Some(reason.clone()),
        _ => None,
    };
    let request = call.world.center.request(change, assignment, call.knobs.settle_of(call.action), scripted);
    Ok(status_reply(&request))
}

fn status_reply(request: &Request) -> Value {
    let member = match request.change {
        Change::Create => "AccountAssignmentCreationStatus",
        Change::Delete => "AccountAssignmentDeletionStatus",
    };
    let target = &request.assignment;
    let mut row = json!({
        "Status": request.status.as_str(),
        "RequestId": request.id,
        "TargetId": target.account,
        "TargetType": "AWS_ACCOUNT",
        "PermissionSetArn": target.permission_set,
        "PrincipalType": target.principal_type,
        "PrincipalId": target.principal_id,
        "CreatedDate": request.created.as_second(),
    });
    if let Status::Failed(reason) = &request.status {
        put(&mut row, "FailureReason", json!(reason));
    }
    json!({member: row})
}

fn describe_status(call: &mut Call<'_>, change: Change) -> Result<Value, ApiError> {
    check_instance(call)?;
    let id = call.required(match change {
        Change::Create => "AccountAssignmentCreationRequestId",
        Change::Delete => "AccountAssignmentDeletionRequestId",
    })?;
    call.world
        .center
        .requests
        .iter()
        .find(|request| request.id == id && request.change == change)
        .map(status_reply)
        .ok_or_else(|| missing(format!("Request {id} not found")))
}

fn list_status(call: &mut Call<'_>, change: Change) -> Result<Value, ApiError> {
    check_instance(call)?;
    let wanted = call.input.pointer("/Filter/Status").and_then(Value::as_str);
    let requests = call
        .world
        .center
        .requests
        .iter()
        .filter(|request| request.change == change)
        .filter(|request| wanted.is_none_or(|wanted| request.status.as_str() == wanted));
    let member = match change {
        Change::Create => "AccountAssignmentsCreationStatus",
        Change::Delete => "AccountAssignmentsDeletionStatus",
    };
    call.page(member, requests, |request| {
        json!({
            "Status": request.status.as_str(),
            "RequestId": request.id,
            "CreatedDate": request.created.as_second(),
        })
    })
}

fn list_managed_policies(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let set = permission_set(call)?;
    call.page(
        "AttachedManagedPolicies",
        set.managed_policies.iter(),
        |(name, arn)| json!({"Name": name, "Arn": arn}),
    )
}

fn list_customer_managed_policies(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let set = permission_set(call)?;
    call.page(
        "CustomerManagedPolicyReferences",
        set.customer_managed_policies.iter(),
        |(name, path)| json!({"Name": name, "Path": path}),
    )
}

fn get_inline_policy(call: &mut Call<'_>) -> Result<Value, ApiError> {
    Ok(json!({"InlinePolicy": permission_set(call)?.inline_policy}))
}
