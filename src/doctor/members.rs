//! The role in each member account.

use futures::TryStreamExt as _;
use futures::stream::{self, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::finding::{Finding, Severity, Statement};
use super::permissions;
use super::probe::Site;
use crate::aws::iam::Iam;
use crate::aws::organizations::{Account, AccountState};
use crate::aws::{AccessError, AccountId};
use crate::connector::Connector;
use crate::connector::policy::{self, Role};

const CHECK: &str = "members";
/// Accounts at a time.
const AT_ONCE: usize = 16;

/// Enters each account that is in use, and tries there what is needed there.
pub(super) async fn examine(connector: &Connector, provisioning: bool) -> Vec<Finding> {
    if !policy::has_members(connector.settings()) {
        return Vec::new();
    }
    let api = connector.aws().provisioning(CancellationToken::new());
    let accounts: Vec<Account> = match api.organizations().accounts().try_concat().await {
        Ok(accounts) => accounts,
        Err(error) => {
            let what = format!("the members are not known: {error}");
            return vec![Finding::new(Severity::Unchecked, CHECK, what)];
        }
    };
    let own = &connector.aws().caller().account;
    let in_use = accounts.into_iter().filter(|one| one.state == AccountState::Active && one.id != *own);
    let found = stream::iter(in_use).map(|account| Box::pin(member(connector, account.id, provisioning)));
    let found: Vec<Looked> = found.buffered(AT_ONCE).collect().await;
    let none_may_be_entered = !found.is_empty() && found.iter().all(|one| one.own_omission);
    let found = found.into_iter().flat_map(|one| one.findings);
    if none_may_be_entered { found.map(|one| of_omission(connector, one)).collect() } else { found.collect() }
}

/// What was found of one member.
struct Looked {
    findings: Vec<Finding>,
    /// It could not be entered, and nothing but the connector's own policies is in the way.
    own_omission: bool,
}

/// A sync fails where the connector itself may enter no member.
fn of_omission(connector: &Connector, found: Finding) -> Finding {
    let (settings, caller) = (connector.settings(), connector.aws().caller());
    let roles = format!("arn:{}:iam::*:role/{}", caller.partition, settings.member_role_name);
    let add = Statement::allowing("the policies of the connector's own role", &["sts:AssumeRole"], &roles);
    Finding { severity: Severity::Error, next: None, ..found }
        .why("no member account can be entered, which is a fault of the set-up: there is no sync")
        .adding(add)
}

async fn member(connector: &Connector, account: AccountId, provisioning: bool) -> Looked {
    let api = connector.aws().provisioning(CancellationToken::new());
    let iam = match api.member_iam(&account).await {
        Ok(iam) => iam,
        Err(error) => {
            // One text for all accounts: which they are stands beside it.
            let text = match &error {
                AccessError::Call(call) => permissions::told(call),
                other => other.to_string(),
            };
            let what = text.replace(account.as_str(), "ACCOUNT");
            let found = if error.is_refusal() {
                Finding::new(Severity::Warning, CHECK, what)
                    .why("their IAM is missing in every sync, and nothing is changed there")
                    .next("batond policy --for member prints the policies of the role that has to be there")
            } else {
                Finding::new(Severity::Unchecked, CHECK, what).next("ask again later")
            };
            return Looked { findings: vec![found.of(&account)], own_omission: error.is_own_omission() };
        }
    };
    Looked { findings: inside(connector, account, iam, provisioning).await, own_omission: false }
}

/// Tries in a member that was entered what is needed there.
async fn inside(connector: &Connector, account: AccountId, iam: Iam, provisioning: bool) -> Vec<Finding> {
    let (settings, caller) = (connector.settings(), connector.aws().caller());
    let needs = match policy::needs(Role::Member, settings, provisioning) {
        Ok(needs) => needs,
        Err(error) => return vec![permissions::unknown_needs(&error).of(&account)],
    };
    let role = format!("arn:{}:iam::{account}:role/{}", caller.partition, settings.member_role_name);
    let site = Site {
        iam,
        api: None,
        account,
        partition: caller.partition.clone(),
        instance: String::new(),
        is_management: false,
    };
    permissions::of_role(&site, &role, needs, settings).await
}
