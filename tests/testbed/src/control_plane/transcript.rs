//! Everything that a control plane received, in order, and a way to wait for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use prost::Message as _;
use prost_types::Any;
use serde::Serialize;
use tokio::sync::watch;
use tonic::Code;

use super::{Ended, Kind, Rpc};
use crate::proto::api::{self, Task};

/// One thing that happened at the server, in the order in which the server was done with it.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Position in the transcript, from 0.
    pub number: usize,
    /// When the server was done with it.
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// What came.
    #[serde(flatten)]
    pub event: Event,
    /// What the server did about it.
    #[serde(flatten)]
    pub answer: Answer,
}

/// The client's side of a request.
#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    /// Number of the TCP connection, from 1.
    pub connection: u64,
    /// Address of the client.
    pub peer: SocketAddr,
    /// The `user-agent` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The `:authority` or `host` of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

/// What came.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A TLS handshake ended well.
    Connected {
        /// The protocol that was agreed: `h2`, `http/1.1`, or none.
        alpn: Option<String>,
    },
    /// A TCP connection ended before or within its TLS handshake.
    HandshakeFailed {
        /// The fault in the words of the TLS library.
        reason: String,
    },
    /// A request to the token endpoint.
    Token {
        /// The form field `client_id`, if any.
        client_id: Option<String>,
    },
    /// `Hello`.
    Hello(Hello),
    /// `GetTask` or `GetTasks`.
    Poll(Poll),
    /// `Heartbeat`.
    Heartbeat {
        /// The caller's host id.
        host_id: String,
        /// The tasks that it names, in either form.
        task_ids: Vec<String>,
        /// Those among them that were answered as cancelled.
        cancelled: Vec<String>,
    },
    /// A whole `UploadAsset` stream, or what arrived of it.
    Upload(Asset),
    /// `FinishTask`.
    Finish(Finish),
    /// `StartDebugging`, which connectors do not call.
    StartDebugging,
    /// A request to anything else.
    Unknown {
        /// HTTP method.
        method: String,
        /// Path of the request.
        path: String,
    },
}

/// Who a connector says it is.
#[derive(Clone, Debug, Serialize)]
pub struct Hello {
    /// The caller's host id.
    pub host_id: String,
    /// Empty at start-up, else the hello task that this answers.
    pub task_id: String,
    /// Ids of the resource types that the connector advertises.
    pub resource_types: Vec<String>,
    /// The whole request.
    #[serde(skip)]
    pub request: Box<api::BatonServiceHelloRequest>,
}

/// A question for work.
#[derive(Clone, Debug, Serialize)]
pub struct Poll {
    /// The caller's host id.
    pub host_id: String,
    /// Set for `GetTasks` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u32>,
    /// Ids that the connector says it has already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
    /// What it was given.
    pub offered: Vec<Offer>,
}

/// A task given to a connector.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// Id of the task.
    pub task_id: String,
    /// Its kind.
    pub kind: Kind,
    /// 1 for the first delivery.
    pub delivery: u32,
    /// The task itself, written as its encoding in base64: what [`Replay`](super::Replay) hands out again.
    #[serde(rename = "protobuf", serialize_with = "encoded")]
    pub task: Box<Task>,
}

/// An uploaded file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Asset {
    /// The task it belongs to; empty if the stream never said.
    pub task_id: String,
    /// Bytes received.
    pub bytes: u64,
    /// Data messages received.
    pub chunks: u64,
    /// Bytes of the largest data message.
    pub largest_chunk: usize,
    /// SHA-256 of what was received, lower-case hexadecimal.
    pub sha256: String,
    /// Where an accepted file is kept: `.c1z` if it starts as one, else `.log`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// A reported outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Finish {
    /// The caller's host id.
    pub host_id: String,
    /// The task that ended.
    pub task_id: String,
    /// Its kind, if the task is known.
    pub kind: Option<Kind>,
    /// Whether the final state is `success`.
    pub success: bool,
    /// Code of the status; 0 on success.
    pub code: i32,
    /// Message of the status; empty on success.
    pub message: String,
    /// The mark of a failure that shall not be tried again.
    pub non_retryable: bool,
    /// Full name of the message that `response` carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Full names of the annotations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<String>,
    /// Full names of the status details.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What became of the task; none if the report had no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// The whole request.
    #[serde(skip)]
    pub request: Box<api::BatonServiceFinishTaskRequest>,
}

/// What the server did about it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Answered as asked, or nothing to answer.
    Accepted,
    /// Answered with an error because the request was wrong or could not be served.
    Refused {
        /// gRPC code, or the HTTP status of the token endpoint.
        code: String,
        /// Each fault.
        reasons: Vec<String>,
        /// Whether the connector broke the protocol; false for an expired token or an aborted upload.
        violation: bool,
    },
    /// A scripted fault took the place of the answer.
    Scripted {
        /// The fault.
        fault: String,
        /// Whether the request took effect all the same.
        processed: bool,
    },
}

impl Answer {
    pub(super) fn violation(code: impl Into<String>, reasons: Vec<String>) -> Self {
        Self::Refused { code: code.into(), reasons, violation: true }
    }

    pub(super) fn refused(code: impl Into<String>, reason: &str) -> Self {
        Self::Refused { code: code.into(), reasons: vec![reason.to_owned()], violation: false }
    }
}

/// A request that broke the protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Position in the transcript.
    pub number: usize,
    /// The call, or none for a path that does not exist.
    pub rpc: Option<Rpc>,
    /// Each fault.
    pub reasons: Vec<String>,
}

impl Entry {
    /// The call that this entry is about.
    pub fn rpc(&self) -> Option<Rpc> {
        Some(match &self.event {
            Event::Connected { .. } | Event::HandshakeFailed { .. } | Event::Unknown { .. } => return None,
            Event::Token { .. } => Rpc::Token,
            Event::Hello(_) => Rpc::Hello,
            Event::Poll(poll) if poll.page_size.is_some() => Rpc::GetTasks,
            Event::Poll(_) => Rpc::GetTask,
            Event::Heartbeat { .. } => Rpc::Heartbeat,
            Event::Upload(_) => Rpc::UploadAsset,
            Event::Finish(_) => Rpc::FinishTask,
            Event::StartDebugging => Rpc::StartDebugging,
        })
    }

    /// Whether the request was answered as asked.
    pub fn accepted(&self) -> bool {
        matches!(self.answer, Answer::Accepted)
    }

    /// Whether the request took effect, even if a fault kept the answer from its caller.
    pub fn processed(&self) -> bool {
        matches!(self.answer, Answer::Accepted | Answer::Scripted { processed: true, .. })
    }

    /// The violation that this entry is, if it is one.
    pub fn violation(&self) -> Option<Violation> {
        match &self.answer {
            Answer::Refused { reasons, violation: true, .. } => {
                Some(Violation { number: self.number, rpc: self.rpc(), reasons: reasons.clone() })
            }
            _ => None,
        }
    }
}

impl Hello {
    pub(super) fn of(request: &api::BatonServiceHelloRequest) -> Self {
        let metadata = request.connector_metadata.as_ref();
        let capabilities = metadata.and_then(|metadata| metadata.capabilities.as_ref());
        let types = capabilities.map_or(&[][..], |capabilities| &capabilities.resource_type_capabilities);
        let ids = types.iter().filter_map(|capability| capability.resource_type.as_ref());
        Self {
            host_id: request.host_id.clone(),
            task_id: request.task_id.clone(),
            resource_types: ids.map(|resource_type| resource_type.id.clone()).collect(),
            request: Box::new(request.clone()),
        }
    }
}

impl Finish {
    pub(super) fn of(request: &api::BatonServiceFinishTaskRequest) -> Self {
        use api::baton_service_finish_task_request::FinalState;
        let (success, non_retryable, response, annotations) = match &request.final_state {
            Some(FinalState::Success(success)) => (true, false, &success.response, &success.annotations[..]),
            Some(FinalState::Error(error)) => {
                (false, error.non_retryable, &error.response, &error.annotations[..])
            }
            None => (false, false, &None, &[][..]),
        };
        let status = request.status.clone().unwrap_or_default();
        Self {
            host_id: request.host_id.clone(),
            task_id: request.task_id.clone(),
            kind: None,
            success,
            code: status.code,
            message: status.message,
            non_retryable,
            response: response.as_ref().map(full_name),
            annotations: annotations.iter().map(full_name).collect(),
            details: status.details.iter().map(full_name).collect(),
            ended: None,
            request: Box::new(request.clone()),
        }
    }

    /// The payload of a success.
    pub fn payload(&self) -> Option<&Any> {
        use api::baton_service_finish_task_request::FinalState;
        match &self.request.final_state {
            Some(FinalState::Success(success)) => success.response.as_ref(),
            _ => None,
        }
    }

    /// The gRPC code of the status; `Ok` on success.
    pub fn grpc_code(&self) -> Code {
        Code::from_i32(self.code)
    }
}

/// The wait for a state of the transcript was longer than the server's patience.
#[derive(Debug, thiserror::Error)]
#[error("waited {patience:?} in vain; the transcript holds {} entries and ends with {last}", entries)]
pub struct Impatient {
    patience: Duration,
    entries: usize,
    last: String,
}

/// The entries so far, and how many there are for those who wait.
pub(super) struct Transcript {
    entries: Mutex<Vec<Entry>>,
    length: watch::Sender<usize>,
}

impl Transcript {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::default(), length: watch::Sender::new(0) }
    }

    pub(super) fn record(&self, origin: Origin, event: Event, answer: Answer) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let number = entries.len();
        entries.push(Entry { number, at: Timestamp::now(), origin, event, answer });
        self.length.send_replace(number + 1);
    }

    pub(super) fn with<T>(&self, read: impl FnOnce(&[Entry]) -> T) -> T {
        read(&self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn grown(&self, entries: usize) {
        let mut length = self.length.subscribe();
        // The sender lives as long as `self`: this cannot fail.
        let _grown = length.wait_for(|length| *length > entries).await;
    }

    /// Waits until `read` finds what it looks for, called again whenever the transcript has grown.
    pub(super) async fn until<T>(
        &self,
        patience: Duration,
        mut read: impl FnMut(&[Entry]) -> Option<T>,
    ) -> Result<T, Impatient> {
        let mut length = self.length.subscribe();
        let found = async {
            loop {
                length.borrow_and_update();
                if let Some(found) = self.with(&mut read) {
                    return Some(found);
                }
                length.changed().await.ok()?;
            }
        };
        match tokio::time::timeout(patience, found).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) | Err(_) => Err(self.with(|entries| Impatient {
                patience,
                entries: entries.len(),
                last: entries.last().map_or_else(|| "nothing".to_owned(), |entry| format!("{entry:?}")),
            })),
        }
    }
}

fn full_name(any: &Any) -> String {
    any.type_url.rsplit('/').next().unwrap_or_default().to_owned()
}

fn text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn encoded<S: serde::Serializer>(task: &Task, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(task.encode_to_vec()))
}
