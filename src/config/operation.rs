//! What a run without a control plane does.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

/// The one operation of a run without a control plane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Sync into the file.
    Sync,
    /// Grant an entitlement of the file to a principal of the file.
    Grant {
        /// Id of the entitlement.
        entitlement: String,
        /// Resource id of the principal.
        principal: String,
        /// Resource type of the principal.
        principal_type: String,
    },
    /// Print the events of a feed.
    Events(EventsQuery),
    /// Make an account.
    CreateAccount {
        /// The form, filled in.
        profile: BTreeMap<String, String>,
    },
    /// Delete a resource for good.
    DeleteResource {
        /// Its type.
        resource_type: String,
        /// Its id.
        id: String,
    },
    /// Replace the credential of a resource.
    RotateCredentials {
        /// Its type.
        resource_type: String,
        /// Its id.
        id: String,
        /// Who may read the new one: age recipients, at least one.
        recipients: Vec<String>,
    },
    /// Carry out an action.
    InvokeAction {
        /// Its name.
        name: String,
        /// The resource type that it belongs to; empty for the connector's own.
        resource_type: String,
        /// Its arguments.
        arguments: Arguments,
        /// Whether its secret results are printed.
        print_credentials: bool,
    },
    /// Print which actions there are.
    ListActions {
        /// The resource type that they belong to; empty for all.
        resource_type: String,
    },
    /// Revoke a grant of the file.
    Revoke {
        /// Id of the grant.
        grant: String,
    },
}

/// The arguments of an action: a JSON object. Its `Debug` is redacted, as tokens are among them.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Arguments(pub serde_json::Map<String, serde_json::Value>);

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arguments(..)")
    }
}

/// Which events to print.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventsQuery {
    /// Id of the feed.
    pub feed: String,
    /// Where to go on; empty for the time.
    pub cursor: String,
    /// The time of the first event.
    pub start_at: Timestamp,
}

/// The kind of account that a `create_account` task makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccountKind {
    /// A user of IAM.
    IamUser,
    /// A user of the Identity Center directory.
    SsoUser,
}
