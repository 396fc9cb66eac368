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
            let name = &self.settings.member_role_name;
            let arn = format!("arn:{partition}:iam::{account}:role/{name}");
            let role: RoleArn = arn
                .parse()
                .map_err(|error| AccessError::AmbientConfiguration { detail: format!("{arn}: {error}") })?;
            let credentials =
                credentials::enter_member(&self.settings, &self.base, calls, caller, &role).await?;
            let config = self.base.client_config(self.base.region(), &credentials);
            Ok(Member { iam: aws_sdk_iam::Client::new(&config), credentials })
        });
        member.await.cloned()
    }
}
