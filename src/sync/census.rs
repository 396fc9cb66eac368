//! What a sync counted: the little of it that outlives it, to judge the next one by.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::seal::{AccountCounts, Counts};

/// The rows of one sync in numbers. No name, no row: account ids and resource types are all that it tells.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Census {
    /// The id of the sync.
    pub sync_id: String,
    /// Rows by resource type. A type without a row is present if it was part of the sync.
    pub types: BTreeMap<String, Counts>,
    /// Rows by account and resource type, of what belongs to an account.
    pub accounts: BTreeMap<String, AccountCounts>,
    /// The accounts whose IAM may be read, by id.
    pub entered: BTreeSet<String>,
    /// The accounts that refused to be entered, by id.
    pub refused: BTreeSet<String>,
    /// Scopes that were not read whole, by area; accounts that refused are no part of it.
    #[serde(default)]
    pub incomplete: BTreeMap<String, u64>,
}
