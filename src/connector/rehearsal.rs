//! A change that is only rehearsed: everything is read, nothing is written, and what would be written is kept.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What a rehearsed change would write, in order. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal(Arc<Mutex<Vec<Planned>>>);

/// One write that was not made, in ids only.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Planned {
    /// The AWS operation, `service:Operation`.
    pub operation: &'static str,
    /// The resource type of the target.
    pub target_type: String,
    /// The object id of the target.
    pub target_id: String,
    /// The resource type of the principal.
    pub principal_type: String,
    /// The object id of the principal.
    pub principal_id: String,
    /// `held` or `not held`: whether the principal has it now, where that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<&'static str>,
    /// The same, after the write.
    pub after: &'static str,
}

impl Rehearsal {
    /// What was kept so far.
    pub fn planned(&self) -> Vec<Planned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn keep(&self, planned: Planned) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(planned);
    }
}
