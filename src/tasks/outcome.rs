//! How a task ended, and how an error becomes the status that the control plane is told.

use std::path::Path;
use std::sync::Arc;

use crate::baton::Code;
use prost_types::Any;
use tempfile::TempPath;

use super::engine::EngineError;
use super::kind::Kind;
use crate::baton::{rpc, v2};
use crate::sync::{Census, SyncOptions};

/// How a task ended, as far as the connector is concerned.
#[derive(Debug)]
pub enum Outcome {
    /// It was done.
    Done {
        /// The answer of the operation.
        response: Any,
        /// The remarks of that answer, which go along once more.
        annotations: Vec<Any>,
    },
    /// It was not done.
    Failed(Failure),
    /// A sync lies on disk; the task is done once the file is uploaded.
    Synced(Synced),
    /// The connector is to be announced anew, under the id of the task; that announcement is the answer.
    Announce(Box<v2::ConnectorMetadata>),
}

/// A failure as the control plane is told it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Code, message for humans, details for programs.
    pub status: rpc::Status,
    /// Whether the task must not be handed out again.
    pub non_retryable: bool,
    /// Remarks that go along.
    pub annotations: Vec<Any>,
}

impl Failure {
    /// A failure that may be tried again.
    pub fn retryable(code: Code, message: impl Into<String>) -> Self {
        let status = rpc::Status { code: code.into(), message: message.into(), details: Vec::new() };
        Self { status, non_retryable: false, annotations: Vec::new() }
    }

    /// A failure that stays one however often it is tried.
    pub fn permanent(code: Code, message: impl Into<String>) -> Self {
        Self { non_retryable: true, ..Self::retryable(code, message) }
    }

    /// The failure to change AWS: final, except for what passes with time.
    pub fn of_change(status: rpc::Status) -> Self {
        let non_retryable = !passes_with_time(Code::from_i32(status.code));
        Self { status, non_retryable, annotations: Vec::new() }
    }

    /// The failure of a task of `kind`: retryable, unless it is about changing AWS ([`Failure::of_change`]).
    pub fn of(kind: Kind, status: rpc::Status) -> Self {
        if kind.is_provisioning() {
            Self::of_change(status)
        } else {
            Self { status, non_retryable: false, annotations: Vec::new() }
        }
    }

    /// Whether it is trouble of the moment, which nobody needs to look at.
    pub fn passes_with_time(&self) -> bool {
        passes_with_time(self.code())
    }

    /// The code of the status.
    pub fn code(&self) -> Code {
        Code::from_i32(self.status.code)
    }
}

/// Trouble of the moment: throttling, transport, a lost race, a cancellation.
fn passes_with_time(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Cancelled
    )
}

/// The outcome of a task that panicked. Its text stays in the log.
pub fn panicked(kind: Kind) -> Failure {
    let message = "Internal Server Error".to_owned();
    Failure::of(kind, rpc::Status { code: Code::Internal.into(), message, details: Vec::new() })
}

/// A sync that may be uploaded.
#[derive(Clone, Debug)]
pub struct Synced {
    /// The file.
    pub file: SyncFile,
    /// What it contains and counts, if later ones are to be judged by it.
    pub counted: Option<(SyncOptions, Arc<Census>)>,
}

/// A finished sync on disk, deleted with its last clone.
#[derive(Clone, Debug)]
pub struct SyncFile(Arc<TempPath>);

impl SyncFile {
    /// Takes over a file that is whole.
    pub fn new(path: TempPath) -> Self {
        Self(Arc::new(path))
    }

    /// An empty file in `directory`. Its name says nothing of what comes from outside.
    pub(super) fn empty_in(directory: &Path) -> Result<Self, EngineError> {
        let file = tempfile::Builder::new().prefix("sync-").suffix(".c1z").tempfile_in(directory);
        let file = file.map_err(|error| {
            let directory = directory.display();
            EngineError::local(format!("no file can be made in the work directory {directory}: {error}"))
        })?;
        Ok(Self::new(file.into_temp_path()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// How long it is, in bytes; 0 where that cannot be told.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(self.path()).map_or(0, |metadata| metadata.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::api::Task;
    use crate::baton::api::task::{GrantTask, SyncFullTask, TaskType};

    fn kind(task_type: TaskType) -> Kind {
        Kind::of(&Task { task_type: Some(task_type), ..Default::default() })
    }

    #[test]
    fn what_passes_with_time_is_retryable_for_every_kind_of_task() {
        let grant = kind(TaskType::Grant(GrantTask::default()));
        let sync = kind(TaskType::SyncFull(SyncFullTask::default()));
        for number in 1..=16 {
            let passes = [1, 4, 8, 10, 14].contains(&number);
            let status = rpc::Status { code: number, ..Default::default() };
            assert_eq!(Failure::of(grant, status.clone()).non_retryable, !passes, "grant, code {number}");
            assert!(!Failure::of(sync, status).non_retryable, "sync, code {number}");
        }
    }

    #[test]
    fn a_panic_is_reported_without_its_text() {
        let failure = panicked(kind(TaskType::Grant(GrantTask::default())));
        assert_eq!(
            (failure.code(), failure.status.message.as_str()),
            (Code::Internal, "Internal Server Error")
        );
        assert!(failure.non_retryable);
        assert!(!panicked(kind(TaskType::SyncFull(SyncFullTask::default()))).non_retryable);
    }

    #[test]
    fn a_sync_file_lives_as_long_as_its_last_clone() {
        let file = SyncFile::new(tempfile::NamedTempFile::new().unwrap().into_temp_path());
        let path = file.path().to_owned();
        let clone = file.clone();
        drop(file);
        assert!(path.exists());
        drop(clone);
        assert!(!path.exists());
    }
}
