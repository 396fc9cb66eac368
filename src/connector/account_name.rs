//! The name of the connector's own account, as the rows of its users tell it.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::debug;

use super::{Connector, reads_members};
use crate::aws::{Api, CallError, Class};

/// The name that Organizations gave, once it was read. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnName(Arc<Mutex<Option<String>>>);

impl Connector {
    /// Whether the display names of IAM users tell their account: only then there are users of several.
    pub fn names_accounts_of_users(&self) -> bool {
        reads_members(&self.settings)
    }

    /// Keeps the name that a list of accounts gave to the connector's own account; gives the name that rows tell,
    /// which is the account's alias where Organizations knows none.
    pub fn keep_own_name(&self, listed: Option<&str>) -> Option<String> {
        let mut kept = self.own_name.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = listed.filter(|name| !name.is_empty()) {
            *kept = Some(name.to_owned());
        }
        kept.clone().or_else(|| self.alias.clone())
    }

    /// The name of the connector's own account: the one that was read before, else what Organizations says now
    /// (`organizations:DescribeAccount`), else the account's alias. `None` where nobody names it.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// The call failed. One that is refused, also because there is no organization, is no error: then the alias has to
    /// do.
    pub async fn own_account_name(&self, api: &Api) -> Result<Option<String>, CallError> {
        let kept = self.own_name.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if kept.is_some() || !self.settings.organizations {
            return Ok(kept.or_else(|| self.alias.clone()));
        }
        match api.organizations().describe_account(&self.aws.caller().account).await {
            Ok(account) => Ok(self.keep_own_name(account.name.as_deref())),
            Err(error) if matches!(error.class(), Class::Denied | Class::NotFound | Class::Invalid) => {
                debug!(%error, "the account's name is not known to Organizations");
                Ok(self.alias.clone())
            }
            // A name that is missing for a while only would rename the users twice.
            Err(error) => Err(error),
        }
    }
}
