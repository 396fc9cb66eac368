//! Reporting how a task ended, until the service has taken it.

use std::time::Duration;

use prost_types::Any;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::client::Client;
use super::error::RpcError;
use crate::baton::api::{BatonServiceFinishTaskRequest, baton_service_finish_task_request as request};
use crate::baton::rpc;
use crate::telemetry::metrics;

/// Most annotations that one report may carry.
const MOST_ANNOTATIONS: usize = 16;
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
        /// Remarks on the outcome; those beyond the sixteenth are not sent.
        annotations: Vec<Any>,
    },
    /// It was not done.
    Failure {
        /// What happened, details included.
        status: rpc::Status,
        /// Whether the task must not be handed out again.
        non_retryable: bool,
        /// Remarks on the outcome; those beyond the sixteenth are not sent.
        annotations: Vec<Any>,
    },
}

impl Finish {
    pub(super) fn into_request(self, host_id: String, task_id: String) -> BatonServiceFinishTaskRequest {
        let (status, final_state) = match self {
            Self::Success { response, mut annotations } => {
                annotations.truncate(MOST_ANNOTATIONS);
                (None, request::FinalState::Success(request::Success { annotations, response }))
            }
            Self::Failure { status, non_retryable, mut annotations } => {
                annotations.truncate(MOST_ANNOTATIONS);
                let error = request::Error { non_retryable, annotations, response: None };
                (Some(status), request::FinalState::Error(error))
            }
        };
        BatonServiceFinishTaskRequest { host_id, task_id, status, final_state: Some(final_state) }
    }
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
}
