//! The one way out to AWS: quota, deadline, cancellation, classification, counting and retries of every call.

mod answer;
mod bound;
mod classify;

pub(super) use answer::Answer;
pub(super) use bound::BoundedClient;
pub(super) use classify::{classify, find};

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::account::AccountId;
use super::credentials::Refreshing;
use super::error::{CallError, Class, Failure};
use super::operation::{Operation, Repeat};
use super::quota::{Priority, Quotas, Saturation, Ticket};
use super::stats::{Counters, Stats};

/// Requests of one call that met trouble on the way or inside AWS.
const TRANSIENT_ATTEMPTS: u32 = 4;
const TRANSIENT_BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };
const THROTTLE_BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(20) };

/// What all calls of the process share.
#[derive(Debug)]
pub(super) struct Calls {
    quotas: Quotas,
    counters: Counters,
}

impl Calls {
    pub(super) fn new(quotas: Quotas) -> Self {
        Self { quotas, counters: Counters::default() }
    }

    pub(super) fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    pub(super) fn saturation(&self) -> Vec<Saturation> {
        self.quotas.saturation()
    }
}

/// A way of calling: as whom, how urgently, until when.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    calls: Arc<Calls>,
    credentials: Refreshing,
    account: Option<AccountId>,
    priority: Priority,
    cancel: CancellationToken,
    bounded: bool,
    rehearses: bool,
}

impl Lane {
    /// The lane of credentials whose account is `account`, where that is known.
    pub(super) fn new(
        calls: Arc<Calls>,
        credentials: Refreshing,
        account: Option<AccountId>,
        priority: Priority,
        cancel: CancellationToken,
    ) -> Self {
        Self { calls, credentials, account, priority, cancel, bounded: true, rehearses: false }
    }

    /// The lane on which credentials are fetched. It needs no slot: the call that needs them may hold the last one.
    pub(super) fn for_credentials(calls: Arc<Calls>, credentials: Refreshing) -> Self {
        let (priority, cancel) = (Priority::Provisioning, CancellationToken::new());
        Self { calls, credentials, account: None, priority, cancel, bounded: false, rehearses: false }
    }

    /// The same way of calling, which sends nothing that writes.
    pub(super) fn rehearsing(self) -> Self {
        Self { rehearses: true, ..self }
    }

    /// The same way of calling, which nobody cancels.
    pub(super) fn uncancelled(self) -> Self {
        Self { cancel: CancellationToken::new(), ..self }
    }

    /// Whether nothing that writes is sent. A write then answers what it would if AWS did as asked.
    pub(super) fn rehearses(&self) -> bool {
        self.rehearses
    }

    /// The account whose credentials make the calls.
    pub(super) fn account(&self) -> Option<&AccountId> {
        self.account.as_ref()
    }

    /// An answer that arrived but does not hold what AWS's model promises.
    pub(super) fn malformed(&self, operation: Operation, message: impl AsRef<str>) -> CallError {
        CallError::malformed(operation, self.account.clone(), message.as_ref())
    }

    /// A listing that does not hold what was looked for in it.
    pub(super) fn not_found(&self, operation: Operation, message: &str) -> CallError {
        CallError::not_found(operation, self.account.clone(), message)
    }

    /// Sends a call, again where that may help and does no harm, and gives AWS's answer.
    ///
    /// `attempt` builds and sends one request. Each request waits for its quota. Throttled requests are repeated
    /// for minutes, transient trouble a few times, credentials that AWS calls expired are fetched anew once.
    /// Cancel-safe in the sense that nothing is sent after the future is dropped or the lane is cancelled; a
    /// request under way at that moment may still be carried out by AWS.
    pub(super) async fn send<O, E, F>(
        &self,
        operation: Operation,
        attempt: impl Fn() -> F + Send,
    ) -> Result<O, CallError>
    where
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        if self.rehearses && operation.writes() {
            return Err(CallError::new(operation, self.account.clone(), classify::rehearsed(), 0));
        }
        let ticket = self.calls.quotas.ticket(self.priority);
        let mut course = Course::new(operation, self.throttle_budget());
        // A request that was sent and has no answer yet. It belongs to this call alone; the atomic lets the future
        // move between threads.
        let under_way = AtomicBool::new(false);
        loop {
            let sending = self.send_once(operation, ticket, course.attempts + 1, &under_way, &attempt);
            let sent = tokio::select! {
                biased;
                () = self.cancel.cancelled() => {
                    let under_way = under_way.load(Ordering::Relaxed);
                    return Err(self.cancelled(&course, under_way));
                }
                sent = sending => sent,
            };
            let failure = match sent {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match course.after(&failure, Instant::now()) {
                Next::Wait(pause) => tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => {
                        return Err(self.cancelled(&course, false));
                    }
                    () = tokio::time::sleep(pause) => {}
                },
                Next::GiveUp => {
                    // A later refusal does not undo what an earlier, unanswered attempt did.
                    let failure = Failure { may_have_happened: course.may_have_happened, ..failure };
                    return Err(CallError::new(operation, self.account.clone(), failure, course.attempts));
                }
            }
        }
    }

    async fn send_once<O, E, F>(
        &self,
        operation: Operation,
        ticket: Ticket,
        number: u32,
        under_way: &AtomicBool,
        attempt: &(impl Fn() -> F + Send),
    ) -> Result<O, Failure>
    where
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        // Before the slot is taken: a refresh must not keep others from calling.
        let used = self.credentials.current().await.map_err(classify::no_credentials)?;
        let admission = self.calls.quotas.admit(operation, self.account.as_ref(), ticket, self.bounded).await;
        let in_flight = self.calls.counters.depart(operation);
        let start = Instant::now();
        under_way.store(true, Ordering::Relaxed);
        let span = tracing::debug_span!("aws", otel.name = %Named(operation), otel.kind = "client");
        let outcome = attempt().instrument(span).await.map_err(|error| {
            let failure = classify(&error, operation.is_signed);
            // A session whose role is gone, or was made anew, is as good as one that is over.
            let is_over = used.session_token().is_some() && classify::is_unknown_key(&failure);
            Failure { expired: failure.expired || is_over, ..failure }
        });
        under_way.store(false, Ordering::Relaxed);
        drop(in_flight);
        let failure = outcome.as_ref().err();
        tracing::debug!(
            operation = %Named(operation),
            account = self.account().map(tracing::field::display),
            attempt = number,
            elapsed_ms = start.elapsed().as_millis(),
            code = failure.and_then(|failure| failure.code.as_deref()),
            request_id = failure.and_then(|failure| failure.request_id.as_deref()),
            "{}", failure.map_or("answered", |failure| failure.class.name()),
        );
        match failure {
            Some(Failure { class: Class::Throttled { retry_after }, .. }) => {
                self.calls.counters.count(operation, |counts| counts.throttled += 1);
                admission.throttled(*retry_after);
            }
            Some(failure) => {
                self.calls.counters.count(operation, |counts| counts.errors += 1);
                if failure.expired {
                    self.credentials.forget(&used);
                }
            }
            None => {}
        }
        outcome
    }

    /// Waits between two looks at something that AWS works on.
    pub(super) async fn pause(&self, operation: Operation, pause: Duration) -> Result<(), CallError> {
        self.until_cancelled(operation, tokio::time::sleep(pause)).await
    }

    /// Waits for something that is no call of this lane, but ends with it.
    pub(super) async fn until_cancelled<T>(
        &self,
        operation: Operation,
        future: impl Future<Output = T>,
    ) -> Result<T, CallError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => {
                Err(CallError::new(operation, self.account.clone(), classify::cancelled(false), 0))
            }
            done = future => Ok(done),
        }
    }

    /// The same way of calling with the credentials of another account.
    pub(super) fn of(&self, account: AccountId, credentials: Refreshing) -> Self {
        Self { account: Some(account), credentials, ..self.clone() }
    }

    fn throttle_budget(&self) -> Duration {
        match self.priority {
            // A task is handed out again; a crawl starts from its beginning.
            Priority::Provisioning => Duration::from_mins(1),
            Priority::Sync => Duration::from_mins(5),
        }
    }

    fn cancelled(&self, course: &Course, under_way: bool) -> CallError {
        let failure = classify::cancelled(under_way || course.may_have_happened);
        let attempts = course.attempts + u32::from(under_way);
        CallError::new(course.operation, self.account.clone(), failure, attempts)
    }
}

/// `service:Operation`, formatted only when somebody reads the line.
struct Named(Operation);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.service, self.0.name)
    }
}

/// What happened to one call so far, and whether it may go on.
#[derive(Debug)]
struct Course {
    operation: Operation,
    attempts: u32,
    transient: u32,
    throttled: u32,
    renewed: bool,
    may_have_happened: bool,
    throttle_budget: Duration,
    first_throttled: Option<Instant>,
}

enum Next {
    Wait(Duration),
    GiveUp,
}

impl Course {
    fn new(operation: Operation, throttle_budget: Duration) -> Self {
        Self {
            operation,
            attempts: 0,
            transient: 0,
            throttled: 0,
            renewed: false,
            may_have_happened: false,
            throttle_budget,
            first_throttled: None,
        }
    }

    fn after(&mut self, failure: &Failure, now: Instant) -> Next {
        self.attempts += 1;
        self.may_have_happened |= failure.may_have_happened;
        if failure.may_have_happened && self.operation.repeat == Repeat::IfNotCarriedOut {
            return Next::GiveUp;
        }
        match &failure.class {
            Class::Throttled { retry_after } => {
                let since = *self.first_throttled.get_or_insert(now);
                let pause = THROTTLE_BACKOFF.pause(self.throttled).max(retry_after.unwrap_or_default());
                self.throttled += 1;
                if now + pause >= since + self.throttle_budget {
                    return Next::GiveUp;
                }
                Next::Wait(pause)
            }
            Class::Transient => {
                self.transient += 1;
                if self.transient >= TRANSIENT_ATTEMPTS {
                    return Next::GiveUp;
                }
                Next::Wait(TRANSIENT_BACKOFF.pause(self.transient - 1))
            }
            Class::Credentials(_) if failure.expired && !self.renewed => {
                self.renewed = true;
                Next::Wait(Duration::ZERO)
            }
            _ => Next::GiveUp,
        }
    }
}

/// Pauses that double, each a random share (half to all) of its full length, so that callers who failed together
/// do not return together.
struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    fn pause(&self, earlier: u32) -> Duration {
        let full = self.first.saturating_mul(2_u32.saturating_pow(earlier)).min(self.longest);
        full.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
#[allow(clippy::result_large_err, reason = "errors of the SDK are large")]
mod tests;
