//! The audit trail: one log line for every write to AWS, whatever its end.

use tracing::info;

use super::Provision;
use crate::aws::CallError;

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
}

/// A write under way. It is logged once: by the call that names its end, or as `unconfirmed` when it is dropped
/// before one was known (a cancelled task, a panic), since AWS may have carried it out.
pub(super) struct Audit<'a> {
    task: &'a str,
    write: Write<'a>,
    open: bool,
}

impl<'a> Audit<'a> {
    /// Opens the record; to be called right before the first request that may write.
    pub(super) fn begin(provision: &'a Provision, write: Write<'a>) -> Self {
        Self { task: &provision.task_id, write, open: true }
    }

    /// AWS changed its state as asked.
    pub(super) fn changed(mut self, request_id: Option<&str>) {
        self.line("changed", request_id);
    }

    /// AWS was in the wanted state already.
    pub(super) fn unchanged(mut self, request_id: Option<&str>) {
        self.line("unchanged", request_id);
    }

    /// AWS did not carry it out; hands the error on.
    pub(super) fn failed<E: WriteError>(mut self, error: E) -> E {
        self.line(error.outcome(), error.aws_request_id());
        error
    }

    fn line(&mut self, outcome: &'static str, request_id: Option<&str>) {
        self.open = false;
        let Write { operation, target_type, target, principal_type, principal } = self.write;
        info!(
            target: "audit",
            task_id = self.task,
            operation,
            target_type,
            target_id = target,
            principal_type,
            principal_id = principal,
            outcome,
            aws_request_id = request_id.unwrap_or_default(),
            "write to AWS: {outcome}"
        );
    }
}

impl Drop for Audit<'_> {
    fn drop(&mut self) {
        if self.open {
            self.line("unconfirmed", None);
        }
    }
}

/// An error that ends a write.
pub(super) trait WriteError {
    /// The AWS request id, when AWS answered.
    fn aws_request_id(&self) -> Option<&str>;
    /// `failed` when AWS refused, `unconfirmed` when nobody knows whether it wrote.
    fn outcome(&self) -> &'static str;
}

impl WriteError for CallError {
    fn aws_request_id(&self) -> Option<&str> {
        self.request_id()
    }

    fn outcome(&self) -> &'static str {
        if self.may_have_happened() { "unconfirmed" } else { "failed" }
    }
}
