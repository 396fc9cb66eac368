//! Why a change fails, told apart by what its caller may do.

use std::time::Duration;

use crate::aws::{AccessError, AccountId, CallError, Class};
use crate::baton::encryption::EncryptionError;
use crate::baton::id::IdError;

/// Why a change was not carried out, or not known to be.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The request itself is wrong: repeating it cannot help.
    #[error("{0}")]
    Invalid(String),
    /// This connector does not do that.
    #[error("{0}")]
    Unsupported(String),
    /// What is to be changed is not what AWS has under its name.
    #[error(
        "the {kind} of this name is {found}, not {asked}: its path has changed, or it is another {kind}; nothing was \
         changed"
    )]
    OtherEntity {
        /// The resource type.
        kind: &'static str,
        /// The ARN that the task names.
        asked: String,
        /// The ARN of whoever has the name now.
        found: String,
    },
    /// Nobody may read whether AWS has what is to be changed under its ARN.
    #[error(
        "{arn} is not changed: it cannot be told from others of its name, since AWS lets neither be read: {get}; or: \
         {list}"
    )]
    Unverified {
        /// The ARN that the task names.
        arn: String,
        /// The refusal of `iam:GetUser`, `GetGroup` or `GetRole`.
        get: CallError,
        /// The refusal of `iam:ListUsers`, `ListGroups` or `ListRoles`.
        list: CallError,
    },
    /// It must not be changed, whoever asks.
    #[error("{0}")]
    Protected(String),
    /// Whether it may be changed cannot be told now. A repetition asks again.
    #[error("nothing was changed, since {what}: {error}")]
    GuardBlind {
        /// What is not known.
        what: &'static str,
        /// The read that would tell.
        error: CallError,
    },
    /// The name or address of a new account is somebody else's, or cannot be told not to be.
    #[error("{0}")]
    Taken(String),
    /// There is no action of this name.
    #[error("there is no action {0:?}")]
    NoAction(String),
    /// AWS does not accept the token of a web identity.
    #[error("AWS does not accept the web identity token: {0}")]
    Token(CallError),
    /// STS gives no federation token.
    #[error("STS gives no federation token: {0}")]
    NoFederation(CallError),
    /// What is to be changed lies in an account whose IAM this connector does not touch.
    #[error(
        "{account} is not the connector's own account ({own}), and IAM of members is not read: set \
         BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED (and BATON_GLOBAL_AWS_ORGS_ENABLED) to change it there"
    )]
    Outside {
        /// The account of what is to be changed.
        account: AccountId,
        /// The connector's own.
        own: AccountId,
    },
    /// The account in which something is to be changed lets nobody in.
    #[error("account {account} cannot be entered, and nothing was changed: {error}")]
    NoEntry {
        /// The account.
        account: AccountId,
        /// Why.
        error: AccessError,
    },
    /// A call to AWS failed.
    #[error(transparent)]
    Call(CallError),
    /// AWS reports a conflict with a membership that does not exist.
    #[error(
        "{0}; yet the user is not in the group: the directory may be managed by an external identity provider, where \
         its memberships have to be changed"
    )]
    NotOurs(CallError),
    /// The user has as many access keys as AWS allows.
    #[error(
        "{user} has as many access keys as AWS allows ({keys}), and none was made or changed: delete one that nobody \
         uses, then ask again. Where an earlier rotation was repeated, the key that it made is among them: {error}"
    )]
    KeysFull {
        /// The ARN of the user.
        user: String,
        /// The keys that AWS lists, with their state.
        keys: String,
        /// AWS's answer.
        error: CallError,
    },
    /// AWS tried and gave a reason.
    #[error("AWS reports that the account assignment failed: {reason}")]
    Failed {
        /// AWS's own text.
        reason: String,
        /// The id of the request that AWS accepted.
        request_id: Option<String>,
        /// The reason is trouble of AWS's own, and passes.
        passing: bool,
    },
    /// AWS refused or failed a change, and something is wrong with the account.
    #[error("{what}: {error}")]
    Account {
        /// What is wrong with it.
        what: String,
        /// AWS's answer.
        error: Box<ProvisionError>,
    },
    /// AWS was still at it when we stopped waiting. A repetition finds out.
    #[error("AWS has not finished after {} s; it may still carry the change out", waited.as_secs())]
    Unconfirmed {
        /// How long we waited.
        waited: Duration,
        /// The id of the request that AWS accepted.
        request_id: Option<String>,
    },
    /// It failed after a credential was made, which reached nobody.
    #[error("{error}; {what}")]
    Undelivered {
        /// Why it failed.
        error: Box<ProvisionError>,
        /// What became of the credential.
        what: String,
    },
    /// It failed after an access key was made, which reached nobody and could not be deleted. A repetition would make
    /// another one.
    #[error("{error}; {what}. This must not be retried: delete the key first")]
    KeyLeft {
        /// Why it failed.
        error: Box<ProvisionError>,
        /// What became of the key, in words.
        what: String,
        /// The id of the key.
        key: String,
    },
    /// A fault of this program ended the change.
    #[error("a fault of the connector ended the change; its log says where")]
    Broken,
    /// The task was cancelled; AWS may have carried the change out.
    #[error("cancelled before AWS confirmed the change")]
    Cancelled,
}

impl ProvisionError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub(super) fn no_entry(account: AccountId, error: AccessError) -> Self {
        match error {
            AccessError::Call(call) if matches!(call.class(), Class::Cancelled) => Self::Cancelled,
            error => Self::NoEntry { account, error },
        }
    }
}

/// A call that the task's own cancellation ended is the end of the task, not an error of AWS.
impl From<CallError> for ProvisionError {
    fn from(error: CallError) -> Self {
        if matches!(error.class(), Class::Cancelled) { Self::Cancelled } else { Self::Call(error) }
    }
}

impl From<EncryptionError> for ProvisionError {
    fn from(error: EncryptionError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<IdError> for ProvisionError {
    fn from(error: IdError) -> Self {
        Self::Invalid(error.to_string())
    }
}
