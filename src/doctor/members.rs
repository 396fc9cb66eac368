//! The role in each member account.

use futures::TryStreamExt as _;
use futures::stream::{self, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::finding::{Finding, Severity};
use super::permissions;
use super::probe::Site;
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
    let found: Vec<Vec<Finding>> = found.buffered(AT_ONCE).collect().await;
    found.into_iter().flatten().collect()
}

async fn member(connector: &Connector, account: AccountId, provisioning: bool) -> Vec<Finding> {
    let (settings, caller) = (connector.settings(), connector.aws().caller());
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
            return vec![found.of(&account)];
        }
    };
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
