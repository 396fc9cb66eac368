//! AWS Organizations.

use serde_json::{Map, Value, json};

use super::{ApiError, Call, Operation, Protocol, Service, put};
use crate::aws::fixture::AccountState;
use crate::aws::knobs::AccountFields;
use crate::aws::world::organization::{Account, Unit};

pub(crate) static SERVICE: Service = Service {
    name: "organizations",
    protocol: Protocol::Json { target: "AWSOrganizationsV20161128" },
    operations: &[
        Operation::new("DescribeOrganization", describe_organization),
        Operation::listing("ListRoots", 20, 20, list_roots),
        Operation::listing("ListOrganizationalUnitsForParent", 20, 20, list_units),
        Operation::listing("ListAccountsForParent", 20, 20, list_accounts_for_parent),
        Operation::listing("ListAccounts", 20, 20, list_accounts),
        Operation::listing("ListParents", 20, 20, list_parents),
        Operation::listing("ListTagsForResource", 50, 50, list_tags),
        Operation::new("DescribeAccount", describe_account),
        Operation::listing("ListDelegatedAdministrators", 20, 20, list_delegated_administrators),
    ],
    invalid: "InvalidInputException",
    throttled: "TooManyRequestsException",
    internal: "ServiceException",
    resource: |world, _, _, input| {
        let organization = &world.organization;
        let text = |name: &str| input.get(name).and_then(Value::as_str);
        let prefix = format!("arn:aws:organizations::{}", organization.management);
        let id = text("ParentId").or_else(|| text("ChildId")).or_else(|| text("ResourceId"));
        match (text("AccountId"), id) {
            (Some(account), _) => format!("{prefix}:account/{}/{account}", organization.id),
            (None, Some(id)) if id.starts_with("r-") => format!("{prefix}:root/{}/{id}", organization.id),
            (None, Some(id)) if id.starts_with("ou-") => format!("{prefix}:ou/{}/{id}", organization.id),
            (None, Some(id)) => format!("{prefix}:account/{}/{id}", organization.id),
            (None, None) => "*".to_owned(),
        }
    },
};

/// Readers of the organization are its management account and delegated administrators of any service.
fn readable(call: &Call<'_>) -> Result<(), ApiError> {
    let organization = &call.world.organization;
    let account = &call.caller.account;
    if !organization.accounts.contains_key(account) {
        let message = "Your account is not a member of an organization.";
        return Err(ApiError::new("AWSOrganizationsNotInUseException", message));
    }
    if *account == organization.management || organization.delegated.contains_key(account) {
        return Ok(());
    }
    Err(ApiError::access_denied(&SERVICE, "You don't have permissions to access this resource."))
}

fn describe_organization(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let organization = &call.world.organization;
    // Every member may ask this one.
    if !organization.accounts.contains_key(&call.caller.account) {
        readable(call)?;
    }
    let management = &organization.management;
    let email = organization.accounts.get(management).map(|account| account.email.clone());
    let id = &organization.id;
    Ok(json!({"Organization": {
        "Id": id,
        "Arn": format!("arn:aws:organizations::{management}:organization/{id}"),
        "FeatureSet": "ALL",
        "MasterAccountId": management,
        "MasterAccountArn": format!("arn:aws:organizations::{management}:account/{id}/{management}"),
        "MasterAccountEmail": email,
        "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
    }}))
}

fn list_roots(call: &mut Call<'_>) -> Result<Value, ApiError> {
    readable(call)?;
    let organization = &call.world.organization;
    let root = json!({
        "Id": organization.root,
        "Arn": format!(
            "arn:aws:organizations::{}:root/{}/{}", organization.management, organization.id, organization.root
        ),
        "Name": "Root",
        "PolicyTypes": [],
    });
    call.page("Roots", std::iter::once(root), |root| root)
}

/// The parent that a listing asks about.
fn parent<'a>(call: &Call<'a>) -> Result<&'a str, ApiError> {
    let parent = call.required("ParentId")?;
    if !parent.starts_with("r-") && !parent.starts_with("ou-") {
        return Err(call
            .invalid("You provided a value that does not match the required pattern.")
            .member("Reason", "INVALID_PATTERN"));
    }
    if !call.world.organization.has_parent(parent) {
        let message = "We can't find a root or OU with the ParentId that you specified.";
        return Err(ApiError::new("ParentNotFoundException", message));
    }
    Ok(parent)
}

fn list_units(call: &mut Call<'_>) -> Result<Value, ApiError> {
    readable(call)?;
    let parent = parent(call)?;
    let units = call.world.organization.units.iter().filter(|unit| unit.parent == parent);
    call.page("OrganizationalUnits", units, |unit| render_unit(call, unit))
}

fn render_unit(call: &Call<'_>, unit: &Unit) -> Value {
    let organization = &call.world.organization;
    let mut row = json!({
        "Id": unit.id,
        "Arn": format!("arn:aws:organizations::{}:ou/{}/{}", organization.management, organization.id, unit.id),
        "Name": unit.name,
    });
    if call.knobs.account_paths {
        put(&mut row, "Path", json!(unit.path));
    }
    row
}

fn list_accounts_for_parent(call: &mut Call<'_>) -> Result<Value, ApiError> {
    readable(call)?;
    let parent = parent(call)?;
    let accounts = call.world.organization.accounts.values().filter(|account| account.parent == parent);
    call.page("Accounts", accounts, |account| render_account(call, account))
}

fn list_accounts(call: &mut Call<'_>) -> Result<Value, ApiError> {
    readable(call)?;
    call.page("Accounts", call.world.organization.accounts.values(), |account| render_account(call, account))
}

fn render_account(call: &Call<'_>, account: &Account) -> Value {
    let organization = &call.world.organization;
    let mut row = json!({
        "Id": account.id,
        "Arn": format!(
            "arn:aws:organizations::{}:account/{}/{}", organization.management, organization.id, account.id
        ),
        "Name": account.name,
        "Email": account.email,
        "JoinedMethod": if account.id == organization.management { "INVITED" } else { "CREATED" },
        "JoinedTimestamp": account.joined.as_second(),
    });
    add_state(&mut row, call, account.state);
    if call.knobs.account_paths {
        put(&mut row, "Paths", json!([account.path]));
    }
    row
}

fn add_state(row: &mut Value, call: &Call<'_>, state: AccountState) {
    let fields = call.knobs.account_fields;
    if matches!(fields, AccountFields::Both | AccountFields::State) {
        put(row, "State", json!(state));
    }
    // The older member knows fewer words: an account not yet active was active, a closed one suspended.
    let status = match state {
        AccountState::Active | AccountState::PendingActivation => "ACTIVE",
        AccountState::Suspended | AccountState::Closed => "SUSPENDED",
        AccountState::PendingClosure => "PENDING_CLOSURE",
    };
    if matches!(fields, AccountFields::Both | AccountFields::Status) {
        put(row, "Status", json!(status));
    }
}

fn list_parents(call: &mut Call<'_>) -> Result<Value, ApiError> {
    readable(call)?;
    let child = call.required("ChildId")?;
    let organization = &call.world.organization;
    let account = organization.accounts.get(child).map(|account| account.parent.as_str());
    let unit = organization.units.iter().find(|unit| unit.id == child).map(|unit| unit.parent.as_str());
    let parent = account.or(unit).ok_or_else(|| {
        let message =
            "We can't find an organizational unit (OU) or AWS account with the ChildId that you specified.";
        ApiError::new("ChildNotFoundException", message)
    })?;
    call.page("Parents", std::iter::once(parent), |parent| {
        let kind = if parent.starts_with("r-") { "ROOT" } else { "ORGANIZATIONAL_UNIT" };
        json!({"Id": parent, "Type": kind})
    })
}

fn describe_account(call: &mut Call<'_>) -> Result<Value, ApiError> {
    readable(call)?;
    let id = call.required("AccountId")?;
    let account = call.world.organization.accounts.get(id).ok_or_else(|| {
        let message = "You specified an account that doesn't exist.";
        ApiError::new("AccountNotFoundException", message)
    })?;
    Ok(json!({"Account": render_account(call, account)}))
}

/// Accounts alone have tags here.
fn list_tags(call: &mut Call<'_>) -> Result<Value, ApiError> {
    readable(call)?;
    let id = call.required("ResourceId")?;
    let account = call.world.organization.accounts.get(id).ok_or_else(|| {
        let message = "You specified a target that doesn't exist.";
        ApiError::new("TargetNotFoundException", message)
    })?;
    call.page("Tags", account.tags.iter(), |(key, value)| json!({"Key": key, "Value": value}))
}

fn list_delegated_administrators(call: &mut Call<'_>) -> Result<Value, ApiError> {
    readable(call)?;
    let wanted = call.text("ServicePrincipal");
    let organization = &call.world.organization;
    let delegated = organization
        .delegated
        .iter()
        .filter(|(_, services)| wanted.is_none_or(|wanted| services.contains(wanted)))
        .filter_map(|(account, _)| organization.accounts.get(account));
    call.page("DelegatedAdministrators", delegated, |account| {
        let mut row = render_account(call, account);
        row.as_object_mut().map(|row: &mut Map<String, Value>| row.remove("Paths"));
        put(&mut row, "DelegationEnabledDate", json!(account.joined.as_second()));
        row
    })
}
