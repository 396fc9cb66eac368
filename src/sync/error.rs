//! Why a sync did not end in a file.

use super::external::ExternalError;
use super::seal::SealError;
use crate::aws::{AccessError, AccountId, CallError, Class};
use crate::c1z;

/// Why a sync did not end in a file. No variant leaves a partial one behind.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The sync was cancelled.
    #[error("sync cancelled")]
    Cancelled,
    /// The type filter names a type that is not registered under the settings.
    #[error("invalid resource type '{id}' in filter; registered are: {}", known.join(", "))]
    UnknownType {
        /// The id that is not known.
        id: String,
        /// The ids that are.
        known: Vec<String>,
    },
    /// A call to AWS failed for good; without its answer the sync would be a lie.
    #[error(transparent)]
    Call(CallError),
    /// A read is denied that a setting asks for: what it is to tell is not left out in silence.
    #[error("{setting} asks for a read that is denied: {error}")]
    AskedFor {
        /// The setting, as the environment names it.
        setting: &'static str,
        /// The denial.
        error: CallError,
    },
    /// Whether a member account may be entered could not be found out: it may be as well, and its rows with it.
    #[error("account {account} could not be entered: {error}")]
    Entry {
        /// The account.
        account: AccountId,
        /// What kept us from entering.
        error: Box<AccessError>,
    },
    /// No member account can be entered, as the connector's own policies do not allow it: a fault of the set-up, which
    /// says nothing of the accounts.
    #[error(
        "none of {members} member accounts can be entered, because the connector itself may not assume their roles; \
         allow it with {statement}. The first of them: {error}"
    )]
    NoEntry {
        /// How many there are.
        members: usize,
        /// The statement, as JSON, that is missing in the connector's policy.
        statement: String,
        /// What was said of the first.
        error: Box<AccessError>,
    },
    /// The organization changed under the crawl in a way that would leave a hole in the file.
    #[error("the organization changed while it was read: {what}; a later sync sees it whole")]
    Shifted {
        /// What changed.
        what: String,
    },
    /// Rows could not be staged on disk.
    #[error("staging rows failed")]
    Stage(#[from] c1z::Error),
    /// Another connector's rows could not be taken over.
    #[error("taking over rows of another connector failed")]
    External(#[source] ExternalError),
    /// What was staged did not become a file.
    #[error("writing the sync file failed")]
    File(#[source] SealError),
    /// The thread that writes the file ended without an answer.
    #[error("the writer of the sync file ended unexpectedly")]
    Writer,
}

impl SyncError {
    /// Whether the same sync may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Cancelled | Self::Shifted { .. } | Self::Writer => true,
            Self::Call(error) | Self::AskedFor { error, .. } => error.is_retryable(),
            Self::Entry { error, .. } => error.is_retryable(),
            Self::Stage(error) => error.is_retryable(),
            Self::File(error) => error.is_retryable(),
            Self::External(ExternalError::File { source, .. } | ExternalError::Stage(source)) => {
                source.is_retryable()
            }
            Self::External(ExternalError::NoEntitlement { .. } | ExternalError::NoType { .. })
            | Self::NoEntry { .. }
            | Self::UnknownType { .. } => false,
        }
    }

    pub(super) fn of_entry(account: AccountId, error: AccessError) -> Self {
        match error {
            AccessError::Call(error) if matches!(error.class(), Class::Cancelled) => Self::Cancelled,
            error => Self::Entry { account, error: Box::new(error) },
        }
    }

    pub(super) fn of_omission(members: usize, error: &AccessError) -> Self {
        let role = error.hop().map_or("", |hop| hop.role.as_str());
        let resource = match role.splitn(6, ':').collect::<Vec<_>>().as_slice() {
            [arn, partition, service, region, _account, name] => {
                format!("{arn}:{partition}:{service}:{region}:*:{name}")
            }
            _ => "*".to_owned(),
        };
        let resource = serde_json::Value::String(resource);
        let statement = format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":{resource}}}"#);
        Self::NoEntry { members, statement, error: Box::new(error.clone()) }
    }

    /// The failure of a read that is only made because a setting asks for it.
    pub(super) fn of_asked(setting: &'static str, error: CallError) -> Self {
        if matches!(error.class(), Class::Denied) { Self::AskedFor { setting, error } } else { error.into() }
    }

    /// Whether AWS refused a read that the sync cannot do without.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Call(error) | Self::AskedFor { error, .. } if matches!(error.class(), Class::Denied))
    }
}

impl From<CallError> for SyncError {
    fn from(error: CallError) -> Self {
        if matches!(error.class(), Class::Cancelled) { Self::Cancelled } else { Self::Call(error) }
    }
}

impl From<ExternalError> for SyncError {
    fn from(error: ExternalError) -> Self {
        match error {
            ExternalError::Stage(c1z::Error::Cancelled) => Self::Cancelled,
            error => Self::External(error),
        }
    }
}

impl From<SealError> for SyncError {
    fn from(error: SealError) -> Self {
        if error.is_cancelled() { Self::Cancelled } else { Self::File(error) }
    }
}
