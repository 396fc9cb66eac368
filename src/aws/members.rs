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

    /// The member, entered unless it was: whoever asks meanwhile shares the entry. A refusal is not remembered.
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
        let member = cell.get_or_try_init(async || {
            let role = role_of(account, partition, &self.settings.member_role_name)?;
            let credentials =
                credentials::enter_member(&self.settings, &self.base, calls, caller, &role).await?;
            let config = self.base.client_config(self.base.region(), &credentials);
            Ok(Member { iam: aws_sdk_iam::Client::new(&config), credentials })
        });
        member.await.cloned()
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
