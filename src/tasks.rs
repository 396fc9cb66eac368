//! What each kind of task asks for, how it is carried out, and what is answered.
//!
//! [`execute`] takes a task and gives its [`Outcome`]; it never fails otherwise. It calls no control plane: who
//! hands tasks out reports the outcomes, too.

mod code;
mod engine;
mod events;
mod grant;
mod kind;
mod outcome;
mod prepared;
mod request;
mod revoke;
mod sync_full;
mod unserved;

pub use code::access_code;
pub use engine::{Engine, EngineError};
pub use kind::Kind;
pub use outcome::{Failure, Outcome, SyncFile, panicked};
pub use prepared::{Prepared, PreparedSync};

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::baton::api::Task;
use crate::baton::api::task::TaskType;
use crate::config::{Settings, SyncSettings};

/// What every task works with.
#[derive(Clone)]
pub struct Context {
    /// What reaches AWS.
    pub engine: Arc<dyn Engine>,
    /// Whether tasks may change AWS.
    pub provisioning: bool,
    /// What a sync contains by default.
    pub sync: SyncSettings,
    /// Where unfinished files are kept: a directory of this process alone.
    pub work_dir: PathBuf,
    /// The sync that was made ahead of being asked for, and what came between.
    pub prepared: Arc<Prepared>,
}

impl Context {
    /// The context of a process with these settings.
    pub fn new(settings: &Settings, engine: Arc<dyn Engine>, work_dir: PathBuf) -> Self {
        Self {
            engine,
            provisioning: settings.provisioning,
            sync: settings.sync.clone(),
            work_dir,
            prepared: Arc::default(),
        }
    }
}

/// Carries out one task.
///
/// When `cancel` is cancelled, work is given up down to the call to AWS, and the outcome says what became of it: a
/// write that AWS has confirmed is still a success. The future may be dropped; a write in flight is then neither
/// confirmed nor refuted.
pub async fn execute(task: Task, context: &Context, cancel: &CancellationToken) -> Outcome {
    let Task { id, task_type, .. } = task;
    match task_type {
        Some(TaskType::Hello(_)) => Outcome::Announce(Box::new(context.engine.metadata())),
        Some(TaskType::SyncFull(order)) => sync_full::execute(order, context, cancel).await,
        Some(TaskType::Grant(order)) => grant::execute(id, order, context, cancel).await,
        Some(TaskType::Revoke(order)) => revoke::execute(id, order, context, cancel).await,
        Some(TaskType::ListEventFeeds(_)) => events::list_feeds(context),
        Some(TaskType::ListEvents(order)) => events::list(order, context, cancel).await,
        other => unserved::answer(other, context.provisioning),
    }
}
