//! The role in each member account, entered once for the life of the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::account::AccountId;
use super::call::Calls;
use super::credentials::{self, Refreshing};
use super::error::AccessError;
use super::http::Base;
use crate::config::{AwsSettings, RoleArn};

/// The members that were entered.
#[derive(Debug)]
pub(super) struct Members {
    settings: AwsSettings,
    base: Base,
    entered: Mutex<HashMap<AccountId, Arc<OnceCell<Member>>>>,
}

/// A member account that was entered: clients and credentials of its own, so that its throttles and refreshes are
/// its own, too.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) credentials: Refreshing,
}

impl Members {
    pub(super) fn new(settings: AwsSettings, base: Base) -> Self {
        Self { settings, base, entered: Mutex::default() }
    }

    /// The member, entered unless it was: whoever asks meanwhile shares the entry. Its credentials are good, or
    /// renewed here. A refusal is not remembered, and it means the same whether it comes at the first entry or at a
    /// renewal: a member that refuses is forgotten, and the next who asks enters it anew.
    pub(super) async fn enter(
        &self,
        account: &AccountId,
        partition: &str,
        calls: &Arc<Calls>,
        caller: &Refreshing,
    ) -> Result<Member, AccessError> {
        let cell = {
            let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(entered.entry(account.clone()).or_default())
        };
        let entry = cell.get_or_try_init(async || {
            let role = role_of(account, partition, &self.settings.member_role_name)?;
            let credentials =
                credentials::enter_member(&self.settings, &self.base, calls, caller, &role).await?;
            let config = self.base.client_config(self.base.region(), &credentials);
            Ok::<_, AccessError>(Member { iam: aws_sdk_iam::Client::new(&config), credentials })
        });
        let member = entry.await?;
        match member.credentials.current().await {
            Ok(_) => Ok(member.clone()),
            Err(error) => {
                if error.is_refusal() {
                    self.forget(account, &cell);
                }
                Err(Arc::unwrap_or_clone(error))
            }
        }
    }

    /// Forgets this entry, unless another one took its place.
    fn forget(&self, account: &AccountId, cell: &Arc<OnceCell<Member>>) {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        if entered.get(account).is_some_and(|held| Arc::ptr_eq(held, cell)) {
            entered.remove(account);
        }
    }
}

/// The role of a member, in the partition of whoever enters it.
fn role_of(account: &AccountId, partition: &str, name: &str) -> Result<RoleArn, AccessError> {
    let arn = format!("arn:{partition}:iam::{account}:role/{name}");
    arn.parse().map_err(|error| AccessError::AmbientConfiguration { detail: format!("{arn}: {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_of_a_member_is_in_the_partition_of_the_caller() {
        let account: AccountId = "444444444444".parse().unwrap();
        for (partition, name) in [("aws", "reader"), ("aws-us-gov", "team/reader"), ("aws-cn", "reader")] {
            let role = role_of(&account, partition, name).unwrap();
            assert_eq!(role.to_string(), format!("arn:{partition}:iam::444444444444:role/{name}"));
        }
        let error = role_of(&account, "aws-moon", "reader").unwrap_err();
        assert!(error.to_string().contains("aws-moon") && !error.is_refusal(), "{error}");
    }
}
