//! Reporting how a task ended, until the service has taken it.

use std::time::Duration;

use prost::Message as _;
use prost_types::Any;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::client::Client;
use super::error::RpcError;
use crate::baton::api::{BatonServiceFinishTaskRequest, baton_service_finish_task_request as request};
use crate::baton::{Code, rpc};
use crate::telemetry::metrics;
use crate::text::{self, printable};

/// Most annotations that one report may carry.
const MOST_ANNOTATIONS: usize = 16;
/// Bytes of the message of a failure.
const LONGEST_MESSAGE: usize = 16 * 1024;
/// Bytes of the answer of a task, of the annotations, and of the details, each. A receiver of gRPC takes 4 MiB in all
/// unless it was told otherwise; it refuses what is larger, and never learns how the task ended.
const LARGEST: usize = 1 << 20;
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// An identity that is refused is repaired by people.
const IDENTITY_WAIT: Duration = Duration::from_mins(5);
/// How long a report is repeated. A task whose outcome is unknown for longer has been handed out again.
const PATIENCE: Duration = Duration::from_hours(1);
/// How long in a row the service may refuse the caller.
const PATIENCE_WITH_REFUSAL: Duration = Duration::from_mins(5);

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Finish {
    /// It was done.
    Success {
        /// The answer of the operation.
        response: Option<Any>,
        /// Remarks on the outcome; those beyond the sixteenth, or beyond a mebibyte, are not sent.
        annotations: Vec<Any>,
    },
    /// It was not done.
    Failure {
        /// What happened, details included. It is sent with a printable message of 16 KiB at most.
        status: rpc::Status,
        /// Whether the task must not be handed out again.
        non_retryable: bool,
        /// Remarks on the outcome; those beyond the sixteenth are not sent.
        annotations: Vec<Any>,
    },
}

impl Finish {
    /// The report. It is never larger than what a receiver takes: it would be refused each time, and the outcome lost.
    pub(super) fn into_request(self, host_id: String, task_id: String) -> BatonServiceFinishTaskRequest {
        let (status, final_state) = match self.bounded() {
            Self::Success { response, annotations } => {
                (None, request::FinalState::Success(request::Success { annotations, response }))
            }
            Self::Failure { status, non_retryable, annotations } => {
                let error = request::Error { non_retryable, annotations, response: None };
                (Some(status), request::FinalState::Error(error))
            }
        };
        BatonServiceFinishTaskRequest { host_id, task_id, status, final_state: Some(final_state) }
    }

    fn bounded(self) -> Self {
        match self {
            Self::Success { response: Some(response), .. } if response.encoded_len() > LARGEST => {
                let (bytes, kind) = (response.encoded_len(), printable(&response.type_url, text::NAME));
                let message = format!(
                    "the task was carried out, but its answer ({kind}, {bytes} bytes) is larger than a report may be \
                     ({LARGEST} bytes)"
                );
                let status = rpc::Status { code: Code::Internal.into(), message, details: Vec::new() };
                Self::Failure { status, non_retryable: true, annotations: Vec::new() }
            }
            Self::Success { response, annotations } => {
                Self::Success { response, annotations: fitting(annotations, MOST_ANNOTATIONS) }
            }
            Self::Failure { status, non_retryable, annotations } => Self::Failure {
                status: rpc::Status {
                    code: status.code,
                    message: printable(&status.message, LONGEST_MESSAGE).into_owned(),
                    details: fitting(status.details, usize::MAX),
                },
                non_retryable,
                annotations: fitting(annotations, MOST_ANNOTATIONS),
            },
        }
    }
}

/// The first of these, so many at most and no more bytes than a report has room for.
fn fitting(items: Vec<Any>, most: usize) -> Vec<Any> {
    let mut room = LARGEST;
    let fits = |item: &Any| {
        let left = room.checked_sub(item.encoded_len());
        room = left.unwrap_or_default();
        left.is_some()
    };
    items.into_iter().take(most).take_while(fits).collect()
}

/// Why the service does not know how a task ended.
#[derive(Debug, thiserror::Error)]
pub enum Unacknowledged {
    /// The service does not take the report: it does not know the task, or not as ours, or not any more.
    #[error("the control plane does not take the outcome")]
    Refused(#[source] RpcError),
    /// It did not get through in an hour, the service refused us for minutes, or there was no time left to go on.
    #[error("the outcome could not be reported in time")]
    GivenUp(#[source] Option<RpcError>),
}

impl Client {
    /// Reports how a task ended (`FinishTask`), again and again with growing waits until the service has taken it or
    /// refuses it, until `give_up` is cancelled, or for an hour; for five minutes while the service answers that it
    /// does not accept the caller.
    ///
    /// Reporting twice is harmless: the task is over for the service after the first report that arrives.
    pub async fn finish(
        &self,
        task_id: &str,
        finish: &Finish,
        give_up: &CancellationToken,
    ) -> Result<(), Unacknowledged> {
        let began = Instant::now();
        let mut refused_since = None;
        let mut last = None;
        let mut backoff = Backoff::up_to(LONGEST_WAIT);
        for attempts in 1_u32.. {
            if attempts > 1 {
                metrics::outcome_retried();
            }
            let answer = tokio::select! {
                biased;
                answer = self.finish_once(task_id, finish.clone()) => answer,
                () = give_up.cancelled() => break,
            };
            let error = match answer {
                Ok(()) => return Ok(()),
                Err(error) if error.refuses_the_outcome() => return Err(Unacknowledged::Refused(error)),
                Err(error) => error,
            };
            let now = Instant::now();
            refused_since = error.refuses_the_caller().then(|| refused_since.unwrap_or(now));
            let refused_too_long = refused_since.is_some_and(|since| now - since >= PATIENCE_WITH_REFUSAL);
            if refused_too_long || now - began >= PATIENCE {
                last = Some(error);
                break;
            }
            let wait = if error.is_identity_refused() { IDENTITY_WAIT } else { backoff.wait() };
            tracing::warn!(
                error = %error,
                attempts,
                next_check_after = wait.as_secs_f64(),
                "task outcome is not reported yet"
            );
            last = Some(error);
            tokio::select! {
                () = sleep(wait) => {}
                () = give_up.cancelled() => break,
            }
        }
        Err(Unacknowledged::GivenUp(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_carries_a_status_exactly_when_the_task_failed() {
        let done = Finish::Success { response: None, annotations: vec![Any::default(); 20] };
        let request = done.into_request("host".into(), "task".into());
        assert_eq!((request.host_id.as_str(), request.task_id.as_str()), ("host", "task"));
        assert!(request.status.is_none());
        let Some(request::FinalState::Success(success)) = request.final_state else { panic!("no success") };
        assert_eq!(success.annotations.len(), MOST_ANNOTATIONS);

        let status = rpc::Status { code: 9, message: "no".into(), details: vec![Any::default()] };
        let failed = Finish::Failure {
            status: status.clone(),
            non_retryable: true,
            annotations: vec![Any::default(); 20],
        };
        let request = failed.into_request("host".into(), "task".into());
        assert_eq!(request.status, Some(status));
        let Some(request::FinalState::Error(error)) = request.final_state else { panic!("no error") };
        assert!(error.non_retryable && error.response.is_none());
        assert_eq!(error.annotations.len(), MOST_ANNOTATIONS);
    }

    #[test]
    fn a_report_is_never_larger_than_a_receiver_of_grpc_takes() {
        let large = |bytes: usize| Any { type_url: "type/large".into(), value: vec![1; bytes] };
        let status = rpc::Status {
            code: 7,
            message: format!("denied: \u{1b}[2J{}", "x".repeat(5_000_000)),
            details: vec![large(600_000), large(600_000)],
        };
        let failed = Finish::Failure { status, non_retryable: true, annotations: vec![large(5_000_000)] };
        let done = Finish::Success { response: Some(large(5_000_000)), annotations: vec![large(10)] };
        let (failed, done) = (
            failed.into_request("host".into(), "task".into()),
            done.into_request("host".into(), "task".into()),
        );
        for request in [&failed, &done] {
            assert!(request.encoded_len() < 4 << 20, "{}", request.encoded_len());
        }
        let status = failed.status.unwrap();
        assert_eq!((status.code, status.details.len()), (7, 1));
        assert!(status.message.starts_with(r"denied: \u{1b}[2Jxxx"), "{}", &status.message[..30]);
        let status = done.status.unwrap();
        assert!(
            status.message.contains("was carried out") && status.message.contains("type/large"),
            "{status:?}"
        );
    }
}
