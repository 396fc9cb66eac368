//! Counts the rows of a file by account, for whoever has to judge whether the file is plausible.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::connector::account_of;

/// Rows of one account: by resource type, how many.
pub type AccountCounts = BTreeMap<String, Counts>;

/// Rows of one resource type.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// Resources of the type.
    pub resources: u64,
    /// Grants of entitlements of these resources, derived ones included.
    pub grants: u64,
}

/// The rows so far, by the account that their resource's id names.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<String, AccountCounts>);

impl Tally {
    pub(super) fn resource(&mut self, resource_type: &str, resource: &str) {
        if let Some(counts) = self.counts(resource_type, resource) {
            counts.resources += 1;
        }
    }

    /// Counts a grant of an entitlement of the resource.
    pub(super) fn grant(&mut self, resource_type: &str, resource: &str) {
        if let Some(counts) = self.counts(resource_type, resource) {
            counts.grants += 1;
        }
    }

    pub(super) fn into_accounts(self) -> BTreeMap<String, AccountCounts> {
        self.0
    }

    /// Nothing where the id names no account. Keys are only copied when they are new.
    fn counts(&mut self, resource_type: &str, resource: &str) -> Option<&mut Counts> {
        let account = account_of(resource_type, resource)?;
        let account = account.as_str();
        if !self.0.contains_key(account) {
            self.0.insert(account.to_owned(), AccountCounts::default());
        }
        let types = self.0.get_mut(account)?;
        if !types.contains_key(resource_type) {
            types.insert(resource_type.to_owned(), Counts::default());
        }
        types.get_mut(resource_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_for_the_account_that_their_resource_names() {
        let mut tally = Tally::default();
        tally.resource("account", "111111111111");
        tally.grant("account", "111111111111");
        tally.grant("account", "111111111111");
        tally.resource("iam_user", "arn:aws:iam::222222222222:user/ann");
        // Twelve digits at the end of an id are an account only where the kind of the id says so.
        tally.resource("sso_user", "arn:aws:identitystore:us-east-1::d-1/user/0a1b-333333333333");
        tally.resource("sso_group", "arn:aws:identitystore:us-east-1::d-1/group/0a1b-333333333333");
        let accounts = tally.into_accounts();
        assert_eq!(accounts.len(), 2);
        assert_eq!(accounts["111111111111"]["account"], Counts { resources: 1, grants: 2 });
        assert_eq!(accounts["222222222222"]["iam_user"], Counts { resources: 1, grants: 0 });
    }
}
