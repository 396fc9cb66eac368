//! Identity and Access Management: the listings of an account that holds no IAM entities of its own interest.

use serde_json::{Value, json};

use super::{ApiError, Call, Operation, Protocol, Service};

pub(crate) static SERVICE: Service = Service {
    name: "iam",
    protocol: Protocol::Query {
        version: "2010-05-08",
        namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
    },
    operations: &[
        Operation::listing("ListAccountAliases", 100, 1000, list_account_aliases),
        Operation::listing("ListUsers", 100, 1000, |call| nothing(call, "Users")),
        Operation::listing("ListGroups", 100, 1000, |call| nothing(call, "Groups")),
        Operation::listing("ListRoles", 100, 1000, |call| nothing(call, "Roles")),
        Operation::listing("ListPolicies", 100, 1000, |call| nothing(call, "Policies")),
    ],
    invalid: "ValidationError",
    throttled: "Throttling",
    internal: "ServiceFailure",
    resource: |_, caller, action, _| {
        let kind = match action {
            "iam:ListUsers" => "user/",
            "iam:ListGroups" => "group/",
            "iam:ListRoles" => "role/",
            "iam:ListPolicies" => "policy/",
            _ => return "*".to_owned(),
        };
        format!("arn:aws:iam::{}:{kind}", caller.account)
    },
};

fn list_account_aliases(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.world.organization.accounts.get(&call.caller.account);
    let alias = account.and_then(|account| account.alias.clone());
    call.page("AccountAliases", alias.into_iter(), |alias| json!(alias))
}

fn nothing(call: &mut Call<'_>, member: &str) -> Result<Value, ApiError> {
    call.page(member, std::iter::empty::<Value>(), |row| row)
}
