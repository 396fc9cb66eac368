//! The audit trail: one log line for every write to AWS, whatever its end.

use tracing::info;

use super::{Planned, Provision, ProvisionError, Rehearsal};
use crate::aws::CallError;

/// AWS changed its state as asked.
const CHANGED: &str = "changed";
/// AWS was in the wanted state already.
const UNCHANGED: &str = "unchanged";
/// AWS did not change its state.
const FAILED: &str = "failed";
/// Nobody knows.
const UNCONFIRMED: &str = "unconfirmed";

/// What a write changes, in ids only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'a> {
    /// The AWS operation that writes, `service:Operation`.
    pub operation: &'static str,
    /// The resource type of the target.
    pub target_type: &'static str,
    /// The object id of the target.
    pub target: &'a str,
    /// The resource type of the principal.
    pub principal_type: &'a str,
    /// The object id of the principal.
    pub principal: &'a str,
    /// What the write leads to.
    pub wanted: State,
}

/// Whether the principal has what the write is about, and whether it works.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// It has.
    Held,
    /// It has not.
    NotHeld,
    /// It has, and it works.
    Active,
    /// It has, and it works no longer.
    Inactive,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::NotHeld => "not held",
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}

/// A write under way. It is logged once: by the call that names its end, or when it is dropped before one was known
/// (a cancelled task, a panic). What is dropped after a request went out is `unconfirmed`, since AWS may have carried
/// it out.
pub(super) struct Audit<'a> {
    task: &'a str,
    rehearsal: Option<&'a Rehearsal>,
    write: Write<'a>,
    stage: Stage,
    /// An attempt had no answer.
    unanswered: bool,
    request_id: Option<String>,
    before: Option<State>,
    document: Option<String>,
    made: Option<String>,
}

/// How far a write is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// No request that writes has gone out, or AWS refused each one.
    Nothing,
    /// A request went out; its answer is not known.
    Sent,
    /// AWS accepted the request and carries it out by itself.
    Accepted,
    /// The end is logged.
    Logged,
}

impl<'a> Audit<'a> {
    /// Opens the record, before the reads that lead to the write.
    pub(super) fn begin(provision: &'a Provision, write: Write<'a>) -> Self {
        Self {
            task: &provision.task_id,
            rehearsal: provision.rehearsal.as_ref(),
            write,
            stage: Stage::Nothing,
            unanswered: false,
            request_id: None,
            before: None,
            document: None,
            made: None,
        }
    }

    /// A read showed this before the write.
    pub(super) fn found(&mut self, before: State) {
        self.before = Some(before);
    }

    /// The text of what the write deletes for good. It is logged before the write, and with its end again: a process
    /// that is killed in between leaves it in the log.
    pub(super) fn keep(&mut self, document: String) {
        if self.rehearsal.is_some() {
            return;
        }
        info!(
            target: "audit::document",
            task_id = self.task,
            operation = self.write.operation,
            target_type = self.write.target_type,
            target_id = self.write.target,
            document,
            "text of what is about to be deleted"
        );
        self.document = Some(document);
    }

    /// The id of what the write made.
    pub(super) fn made(&mut self, id: &str) {
        self.made = Some(id.to_owned());
    }

    /// The next request may write.
    pub(super) fn sending(&mut self) {
        self.stage = Stage::Sent;
    }

    /// AWS refused the request. Unless an earlier attempt had no answer, nothing was written.
    pub(super) fn refused(&mut self, answer: &CallError) {
        self.unanswered |= answer.may_have_happened();
        if !self.unanswered {
            self.stage = Stage::Nothing;
        }
    }

    /// AWS accepted the request, whose id stands for the write from now on.
    pub(super) fn accepted(&mut self, request_id: Option<&str>) {
        self.stage = Stage::Accepted;
        self.request_id = request_id.map(str::to_owned);
    }

    /// AWS changed its state as asked.
    pub(super) fn changed(mut self, request_id: Option<&str>) {
        self.line(CHANGED, request_id);
    }

    /// AWS was in the wanted state already.
    pub(super) fn unchanged(mut self, request_id: Option<&str>) {
        self.line(UNCHANGED, request_id);
    }

    /// AWS answered that its state is as asked already. Where an earlier attempt had no answer, nobody knows which
    /// of them found it so.
    pub(super) fn already(mut self, answer: &CallError) {
        let outcome = if self.unanswered || answer.may_have_happened() { UNCONFIRMED } else { UNCHANGED };
        self.line(outcome, answer.request_id());
    }

    /// AWS did not carry it out, or nobody knows whether it did; hands the error on.
    pub(super) fn failed<E: WriteError>(mut self, error: E) -> E {
        let outcome = if self.is_open(&error) { UNCONFIRMED } else { FAILED };
        self.line(outcome, error.aws_request_id());
        error
    }

    /// Whether nobody knows whether AWS carried out what ended with this error.
    pub(super) fn is_open<E: WriteError>(&self, error: &E) -> bool {
        match self.stage {
            Stage::Nothing | Stage::Logged => false,
            Stage::Sent => self.unanswered || error.may_have_happened(),
            Stage::Accepted => !error.is_verdict(),
        }
    }

    fn line(&mut self, outcome: &'static str, request_id: Option<&str>) {
        self.stage = Stage::Logged;
        let request_id = self.request_id.as_deref().or(request_id);
        let Write { operation, target_type, target, principal_type, principal, wanted } = self.write;
        let (before, after) = match outcome {
            CHANGED => (self.before, Some(wanted)),
            UNCHANGED => (Some(wanted), Some(wanted)),
            _ => (self.before, None),
        };
        if let Some(rehearsal) = self.rehearsal {
            if let Some(after) = after {
                rehearsal.keep(Planned {
                    operation,
                    target_type: target_type.to_owned(),
                    target_id: target.to_owned(),
                    principal_type: principal_type.to_owned(),
                    principal_id: principal.to_owned(),
                    before: before.map(State::as_str),
                    after: after.as_str(),
                });
            }
            return;
        }
        info!(
            target: "audit",
            task_id = self.task,
            operation,
            target_type,
            target_id = target,
            principal_type,
            principal_id = principal,
            before = before.map(State::as_str),
            after = after.map(State::as_str),
            document = self.document.as_deref(),
            made = self.made.as_deref(),
            outcome,
            aws_request_id = request_id.unwrap_or_default(),
            "write to AWS: {outcome}"
        );
    }
}

impl Drop for Audit<'_> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Nothing => self.line(FAILED, None),
            Stage::Sent | Stage::Accepted => self.line(UNCONFIRMED, None),
            Stage::Logged => {}
        }
    }
}

/// An error that ends a write.
pub(super) trait WriteError {
    /// The AWS request id, when AWS answered.
    fn aws_request_id(&self) -> Option<&str>;
    /// Whether AWS may have written although there is an error.
    fn may_have_happened(&self) -> bool;
    /// Whether AWS itself says that it ended an accepted change without carrying it out.
    fn is_verdict(&self) -> bool;
}

impl WriteError for CallError {
    fn aws_request_id(&self) -> Option<&str> {
        self.request_id()
    }

    fn may_have_happened(&self) -> bool {
        self.may_have_happened()
    }

    fn is_verdict(&self) -> bool {
        false
    }
}

impl WriteError for ProvisionError {
    fn aws_request_id(&self) -> Option<&str> {
        match self {
            Self::Failed { request_id, .. } | Self::Unconfirmed { request_id, .. } => request_id.as_deref(),
            Self::Call(error)
            | Self::NotOurs(error)
            | Self::Token(error)
            | Self::NoFederation(error)
            | Self::GuardBlind { error, .. }
            | Self::KeysFull { error, .. } => error.request_id(),
            Self::Account { error, .. } | Self::Undelivered { error, .. } | Self::KeyLeft { error, .. } => {
                error.aws_request_id()
            }
            Self::Unverified { get, .. } => get.request_id(),
            Self::Invalid(_)
            | Self::OtherEntity { .. }
            | Self::Unsupported(_)
            | Self::Protected(_)
            | Self::Taken(_)
            | Self::NoAction(_)
            | Self::Outside { .. }
            | Self::NoEntry { .. }
            | Self::Broken
            | Self::Cancelled => None,
        }
    }

    fn may_have_happened(&self) -> bool {
        match self {
            Self::Unconfirmed { .. } | Self::Cancelled | Self::Broken => true,
            Self::Call(error)
            | Self::NotOurs(error)
            | Self::Token(error)
            | Self::NoFederation(error)
            | Self::KeysFull { error, .. } => error.may_have_happened(),
            Self::Account { error, .. } | Self::Undelivered { error, .. } | Self::KeyLeft { error, .. } => {
                error.may_have_happened()
            }
            Self::Failed { .. }
            | Self::Invalid(_)
            | Self::OtherEntity { .. }
            | Self::Unverified { .. }
            | Self::GuardBlind { .. }
            | Self::Unsupported(_)
            | Self::Protected(_)
            | Self::Taken(_)
            | Self::NoAction(_)
            | Self::Outside { .. }
            | Self::NoEntry { .. } => false,
        }
    }

    fn is_verdict(&self) -> bool {
        match self {
            Self::Account { error, .. } => error.is_verdict(),
            error => matches!(error, Self::Failed { .. }),
        }
    }
}
