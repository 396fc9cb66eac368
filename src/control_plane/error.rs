//! What can go wrong in a call, and what the caller may do about it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use prost::Message as _;
use prost_types::Any;
use tonic::{Code, Status};
use tracing::Span;

use super::token::TokenError;
use crate::baton::rpc;
use crate::network::{UNTRUSTED, told};
use crate::text::{self, printable};

/// How the gRPC library begins the message of a status that it made from the HTTP status alone.
const BARE_HTTP: &str = "grpc-status header missing, mapped from HTTP status code ";

/// The calls of the Baton service that a connector makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rpc {
    /// `Hello`
    Hello,
    /// `GetTask`
    GetTask,
    /// `GetTasks`
    GetTasks,
    /// `Heartbeat`
    Heartbeat,
    /// `FinishTask`
    FinishTask,
    /// `UploadAsset`
    UploadAsset,
}

impl Rpc {
    /// Longest time from the call to its answer, waiting for connection and token included. An upload has no
    /// fixed length: there it is the longest time without progress.
    pub(super) fn deadline(self) -> Duration {
        match self {
            Self::Heartbeat | Self::FinishTask => Duration::from_secs(30),
            Self::Hello => Duration::from_mins(1),
            // A service may hold the question until it has a task.
            Self::GetTask | Self::GetTasks | Self::UploadAsset => Duration::from_mins(2),
        }
    }
}

impl Rpc {
    /// The name of the call in the protocol.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hello => "Hello",
            Self::GetTask => "GetTask",
            Self::GetTasks => "GetTasks",
            Self::Heartbeat => "Heartbeat",
            Self::FinishTask => "FinishTask",
            Self::UploadAsset => "UploadAsset",
        }
    }

    /// The span of the call in the trace of a task. Calls outside of one, polls above all, would make a trace each.
    pub(super) fn span(self) -> Span {
        if Span::current().is_none() {
            return Span::none();
        }
        tracing::info_span!("call", otel.name = self.name(), otel.kind = "client")
    }
}

impl fmt::Display for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a code in gRPC's own words.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// A call that did not succeed. Its `Display` is the operator's message, causes included.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{rpc}: {message}")]
pub struct RpcError {
    rpc: Rpc,
    code: Code,
    message: String,
    details: Vec<Any>,
    origin: Origin,
}

/// Who said no.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    /// The service answered with a status.
    Service,
    /// No answer of the service arrived: connection, deadline, an answer that no client can read, or one by
    /// somebody in between.
    Way,
    /// The token endpoint does not accept our identity.
    TokenRefused,
    /// The token endpoint gave no token for now.
    TokenUnavailable,
}

impl RpcError {
    /// The call that failed.
    pub fn rpc(&self) -> Rpc {
        self.rpc
    }

    /// The gRPC code: the service's own, or the one that fits what happened on the way.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Whether the same call would fail again until somebody changes a setting or the control plane: the codes
    /// Unauthenticated, `PermissionDenied`, `InvalidArgument`, `Unimplemented`, `FailedPrecondition` and
    /// `NotFound` in the service's own answer, or a token endpoint that refuses us. Trouble on the way and a token
    /// endpoint out of order never are.
    pub fn is_permanent(&self) -> bool {
        match self.origin {
            Origin::TokenRefused => true,
            Origin::Way | Origin::TokenUnavailable => false,
            Origin::Service => matches!(
                self.code,
                Code::Unauthenticated
                    | Code::PermissionDenied
                    | Code::InvalidArgument
                    | Code::Unimplemented
                    | Code::FailedPrecondition
                    | Code::NotFound
            ),
        }
    }

    /// Whether the token endpoint refuses our identity; polling faster than every few minutes is then pointless.
    pub fn is_identity_refused(&self) -> bool {
        self.origin == Origin::TokenRefused
    }

    /// Whether the service will never take this outcome: it does not know the task, or not any more, or cannot read
    /// the request.
    pub(super) fn refuses_the_outcome(&self) -> bool {
        self.origin == Origin::Service
            && matches!(
                self.code,
                Code::NotFound | Code::InvalidArgument | Code::AlreadyExists | Code::OutOfRange
            )
    }

    /// Whether the service refuses us rather than the outcome. A deployment or a rotation of keys on its side looks
    /// like this for some minutes.
    pub(super) fn refuses_the_caller(&self) -> bool {
        self.origin == Origin::Service
            && matches!(self.code, Code::PermissionDenied | Code::FailedPrecondition | Code::Unauthenticated)
    }

    /// Whether the token is rejected that was shown: by the service, or by a gateway before it.
    pub(super) fn rejects_the_token(&self) -> bool {
        matches!(self.origin, Origin::Service | Origin::Way) && self.code == Code::Unauthenticated
    }

    /// This error as the status of a task that failed because of it.
    pub fn to_status(&self) -> rpc::Status {
        rpc::Status { code: self.code.into(), message: self.to_string(), details: self.details.clone() }
    }

    /// `service` is host and port of the service.
    pub(super) fn from_status(rpc: Rpc, status: &Status, service: &str) -> Self {
        // A status with a cause was made on our side: the connection broke, or could not be made.
        if let Some(cause) = status.source() {
            let message = format!("cannot reach the control plane at {service}: {}", way(cause));
            return Self::on_the_way(rpc, Code::Unavailable, message);
        }
        // Nobody who speaks gRPC has answered: a proxy, a load balancer, a gateway whose backend is away.
        if let Some(http) = status.message().strip_prefix(BARE_HTTP) {
            let code = match status.code() {
                Code::Unauthenticated => Code::Unauthenticated,
                _ => Code::Unavailable,
            };
            let http = printable(http, text::NAME);
            let message = format!("HTTP status {http} without a gRPC status: no answer of the control plane");
            return Self::on_the_way(rpc, code, message);
        }
        let details = rpc::Status::decode(status.details()).map(|status| status.details).unwrap_or_default();
        let message = match status.message() {
            "" => format!("the control plane answers {:?}", status.code()),
            said => {
                format!("the control plane answers {:?}: {}", status.code(), printable(said, text::MESSAGE))
            }
        };
        Self { rpc, code: status.code(), message, details, origin: Origin::Service }
    }

    pub(super) fn from_token(rpc: Rpc, error: &TokenError) -> Self {
        let (code, origin) = if error.is_permanent() {
            (Code::Unauthenticated, Origin::TokenRefused)
        } else {
            (Code::Unavailable, Origin::TokenUnavailable)
        };
        Self { rpc, code, message: chain(error), details: Vec::new(), origin }
    }

    pub(super) fn deadline_passed(rpc: Rpc, service: &str) -> Self {
        let seconds = rpc.deadline().as_secs();
        let message = format!("no answer from the control plane at {service} within {seconds} s");
        Self::on_the_way(rpc, Code::DeadlineExceeded, message)
    }

    pub(super) fn unreadable(rpc: Rpc) -> Self {
        Self::on_the_way(rpc, Code::Internal, "the control plane's answer cannot be read".to_owned())
    }

    pub(super) fn cut_short(rpc: Rpc) -> Self {
        let message = "the control plane answered before it had received everything".to_owned();
        Self::on_the_way(rpc, Code::Aborted, message)
    }

    fn on_the_way(rpc: Rpc, code: Code, message: String) -> Self {
        Self { rpc, code, message, details: Vec::new(), origin: Origin::Way }
    }
}

/// What an error of a connection means, with the remedy where there is one.
pub(super) fn way(error: &(dyn Error + 'static)) -> String {
    let mut text = told("the connection failed", error);
    if text.contains(UNTRUSTED) {
        text.push_str(" (name the CA with SSL_CERT_FILE)");
    }
    text
}

/// An error of ours and its causes on one line, without the repetitions that wrappers are fond of.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in std::iter::successors(Some(error), |&error| error.source()) {
        let part = cause.to_string();
        if text.ends_with(&part) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_codes_that_nobody_can_wait_out_are_permanent() {
        let permanent = [
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::InvalidArgument,
            Code::Unimplemented,
            Code::FailedPrecondition,
            Code::NotFound,
        ];
        for number in 0..=16 {
            let code = Code::from_i32(number);
            let error = RpcError::from_status(Rpc::Hello, &Status::new(code, "no"), "");
            assert_eq!(error.is_permanent(), permanent.contains(&code), "{code:?}");
            assert_eq!(error.code(), code);
        }
    }

    #[test]
    fn a_broken_connection_is_transient_and_tells_its_cause() {
        let broken = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "canary");
        let error = RpcError::from_status(Rpc::GetTask, &Status::from_error(Box::new(broken)), "x.test:443");
        assert!(!error.is_permanent());
        assert_eq!(error.code(), Code::Unavailable);
        assert_eq!(
            error.to_string(),
            "GetTask: cannot reach the control plane at x.test:443: connection reset"
        );
    }

    #[test]
    fn an_unknown_authority_is_told_with_the_remedy() {
        let fault = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert_eq!(way(&fault), format!("{UNTRUSTED} (name the CA with SSL_CERT_FILE)"));
        assert!(!way(&std::io::Error::other("canary")).contains("canary"));
    }

    #[test]
    fn words_of_a_service_are_cut_and_printable() {
        let said = format!("no\n\u{1b}[2J{}", "x".repeat(100_000));
        let message = RpcError::from_status(Rpc::Hello, &Status::new(Code::Unknown, said), "").to_string();
        assert!(
            message.starts_with(r"Hello: the control plane answers Unknown: no \u{1b}[2Jxxx"),
            "{message}"
        );
        assert!(message.len() < 3000, "{}", message.len());
    }

    #[test]
    fn details_of_a_status_survive() {
        let detail = Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(), value: vec![1, 2] };
        let inner =
            rpc::Status { code: 9, message: String::new(), details: vec![detail.clone()] }.encode_to_vec();
        let status = Status::with_details(Code::FailedPrecondition, "declined", inner.into());
        let error = RpcError::from_status(Rpc::FinishTask, &status, "").to_status();
        assert_eq!(error.details, vec![detail]);
        assert_eq!(error.code, 9);
    }

    #[test]
    fn an_outcome_is_given_up_at_once_only_when_the_service_refuses_it() {
        for (code, outcome, caller) in [
            (Code::NotFound, true, false),
            (Code::InvalidArgument, true, false),
            (Code::AlreadyExists, true, false),
            (Code::PermissionDenied, false, true),
            (Code::FailedPrecondition, false, true),
            (Code::Unauthenticated, false, true),
            (Code::Unimplemented, false, false),
            (Code::Unavailable, false, false),
            (Code::Unknown, false, false),
            (Code::Internal, false, false),
        ] {
            let error = RpcError::from_status(Rpc::FinishTask, &Status::new(code, ""), "");
            assert_eq!(error.refuses_the_outcome(), outcome, "{code:?}");
            assert_eq!(error.refuses_the_caller(), caller, "{code:?}");
        }
    }
}
