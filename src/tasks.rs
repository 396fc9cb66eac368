//! What each kind of task asks for, how it is carried out, and what is answered.
//!
//! [`execute`] takes a task and gives its [`Outcome`]; it never fails otherwise. It calls no control plane: who
//! hands tasks out reports the outcomes, too.

mod actions;
mod affected;
mod breaker;
mod code;
mod crawl;
mod create_account;
mod credential;
mod delete_resource;
mod engine;
mod events;
mod figures;
mod grant;
mod kind;
mod outcome;
mod prepared;
mod request;
mod revoke;
mod storage_engine;
mod sync_full;
mod unserved;

pub use actions::Invoked;
pub use breaker::{Breaker, Held};
pub use code::access_code;
pub use crawl::{Crawls, Made, make};
pub use engine::{Engine, EngineError};
pub use kind::Kind;
pub use outcome::{Failure, Outcome, SyncFile, Synced, panicked};
pub use prepared::Prepared;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::baton::api::Task;
use crate::baton::api::task::TaskType;
use crate::config::{Settings, SyncSettings};
use crate::telemetry::metrics;

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
    /// The syncs that are being made.
    pub crawls: Arc<Crawls>,
    /// What holds back a sync that looks as if access had collapsed.
    pub breaker: Arc<Breaker>,
    /// The actions that were invoked, as far as they are remembered.
    pub invoked: Arc<Invoked>,
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
            crawls: Arc::default(),
            breaker: Arc::new(Breaker::new(settings.sync.breaker.clone())),
            invoked: Arc::default(),
        }
    }
}

impl Context {
    /// Whether a sync may take the place of the last one, for whoever asks for it (the id of a task). One that is held
    /// is not used again.
    ///
    /// # Errors
    /// Why it is held; `None` where it could not be judged.
    pub async fn judge(&self, asked_by: &str, made: &Made) -> Result<(), Option<Held>> {
        let (breaker, asked_by, made) = (Arc::clone(&self.breaker), asked_by.to_owned(), made.clone());
        let judging = move || breaker.judge(&asked_by, made.started_at, &made.options, &made.census);
        let held = spawn_blocking(judging).await.map_err(|_| None)?;
        held.map_err(|held| {
            self.prepared.forget();
            metrics::upload_held();
            Some(held)
        })
    }

    /// Remembers a sync that was uploaded: the next one is judged by it.
    pub async fn uploaded(&self, synced: Synced) {
        let Some((options, census)) = synced.counted else { return };
        let breaker = Arc::clone(&self.breaker);
        // A failure to remember is logged there; a panic must not take the outcome of the task along.
        let _ = spawn_blocking(move || breaker.uploaded(&options, &census)).await;
    }
}

/// Carries out one task.
///
/// When `cancel` is cancelled, work is given up down to the call to AWS, and the outcome says what became of it: a
/// write that AWS has confirmed is still a success. The future may be dropped; a write in flight is then neither
/// confirmed nor refuted.
pub async fn execute(task: Task, context: &Context, cancel: &CancellationToken) -> Outcome {
    let Task { id, task_type, debug, .. } = task;
    match task_type {
        Some(TaskType::Hello(_)) => Outcome::Announce(Box::new(context.engine.metadata())),
        Some(TaskType::SyncFull(order)) => sync_full::execute(&id, order, debug, context, cancel).await,
        Some(TaskType::Grant(order)) => grant::execute(id, order, context, cancel).await,
        Some(TaskType::Revoke(order)) => revoke::execute(id, order, context, cancel).await,
        Some(TaskType::CreateAccount(order)) => create_account::execute(id, order, context, cancel).await,
        Some(TaskType::DeleteResource(order)) => delete_resource::execute(id, order, context, cancel).await,
        Some(TaskType::RotateCredentials(order)) => credential::rotate(id, order, context, cancel).await,
        Some(TaskType::IssueCredential(order)) => credential::issue(id, order, context, cancel).await,
        Some(TaskType::ActionListSchemas(order)) => actions::list(&order, context),
        Some(TaskType::ActionGetSchema(order)) => actions::schema(&order, context),
        Some(TaskType::ActionInvoke(order)) => actions::invoke(id, order, context, cancel).await,
        Some(TaskType::ActionStatus(order)) => actions::status(&order, context),
        Some(TaskType::ListEventFeeds(_)) => events::list_feeds(context),
        Some(TaskType::ListEvents(order)) => events::list(order, context, cancel).await,
        other => unserved::answer(other, context.provisioning),
    }
}
