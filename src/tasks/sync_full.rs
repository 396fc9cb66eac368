//! A `sync_full` task: make a sync as the task wants it and leave it on disk for the upload.

use std::collections::BTreeSet;

use crate::baton::Code;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::crawl::{Made, make, make_anew};
use super::engine::EngineError;
use super::outcome::{Failure, Outcome, SyncFile, Synced};
use super::storage_engine;
use crate::baton::api::task::SyncFullTask;
use crate::baton::v2;
use crate::config::SyncSettings;
use crate::sync::{SyncOptions, Target};

/// With `debug`, the sync is made for this task alone, so that its debug log tells all of it.
pub(super) async fn execute(
    task_id: &str,
    order: SyncFullTask,
    debug: bool,
    context: &Context,
    cancel: &CancellationToken,
) -> Outcome {
    match sync(task_id, order, debug, context, cancel).await {
        Ok(synced) => Outcome::Synced(synced),
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn sync(
    task_id: &str,
    order: SyncFullTask,
    debug: bool,
    context: &Context,
    cancel: &CancellationToken,
) -> Result<Synced, Failure> {
    storage_engine::note(&order.storage_engine);
    if context.sync.skip_full_sync {
        return empty(context).await;
    }
    let options = options(order, &context.sync);
    if options.targets.is_some() {
        let made = make_anew(context, &options, cancel).await.map_err(failed)?;
        return Ok(Synced { file: made.file, counted: None });
    }
    context.prepared.note_asked(&options);
    let made = if debug {
        make_anew(context, &options, cancel).await.map_err(failed)?
    } else if let Some(made) = context.prepared.newest(&options, context.sync.max_age) {
        tracing::info!("answering with the sync that was made ahead");
        made
    } else {
        make(context, &options, cancel).await.map_err(failed)?
    };
    judge(task_id, &made, context).await?;
    Ok(Synced { file: made.file, counted: Some((options, made.census)) })
}

/// Lets a plausible sync pass. One that is held is of no further use: only another crawl can confirm it.
async fn judge(task_id: &str, made: &Made, context: &Context) -> Result<(), Failure> {
    context.judge(task_id, made).await.map_err(|held| match held {
        Some(held) => Failure::retryable(
            Code::FailedPrecondition,
            format!(
                "the upload is held, because the sync looks as if access had collapsed: {held}. Nothing was uploaded"
            ),
        ),
        None => Failure::retryable(Code::Internal, "the sync could not be judged"),
    })
}

/// Full syncs are switched off. Downstream, an empty sync reads as "everyone lost access", so that one is made only
/// if the operator says that this is wanted.
async fn empty(context: &Context) -> Result<Synced, Failure> {
    if !context.sync.allow_empty_upload {
        return Err(Failure::permanent(
            Code::FailedPrecondition,
            "full syncs are switched off by --skip-full-sync (BATON_SKIP_FULL_SYNC); nothing is uploaded, because \
             an empty sync reads as if everyone had lost access (BATON_ALLOW_EMPTY_UPLOAD=true uploads one)",
        ));
    }
    tracing::warn!("full syncs are switched off; an empty sync is uploaded");
    let file = SyncFile::empty_in(&context.work_dir).map_err(failed)?;
    context.engine.empty_sync(file.path(), &context.work_dir).await.map_err(failed)?;
    Ok(Synced { file, counted: None })
}

/// What the task wants synced. Its list of types goes before ours; what else ours say is for one-shot runs.
fn options(order: SyncFullTask, local: &SyncSettings) -> SyncOptions {
    let targets = targets(&order.targeted_sync_resources);
    let mut types = if order.sync_resource_type_ids.is_empty() {
        local.types.clone()
    } else {
        order.sync_resource_type_ids
    };
    types.sort_unstable();
    types.dedup();
    SyncOptions {
        types,
        expand: !order.skip_expand_grants,
        entitlements_and_grants: !order.skip_entitlements_and_grants,
        grants: !order.skip_grants,
        targets,
        external: local.external.clone(),
    }
}

/// The resources that the task is about, each once; one without an id is about nothing.
fn targets(resources: &[v2::Resource]) -> Option<BTreeSet<Target>> {
    let target = |id: &v2::ResourceId| Target {
        resource_type: id.resource_type.clone(),
        resource: id.resource.clone(),
    };
    let ids = resources.iter().filter_map(|resource| resource.id.as_ref());
    (!resources.is_empty()).then(|| ids.map(target).collect())
}

fn failed(error: EngineError) -> Failure {
    Failure { status: error.status, non_retryable: error.integrity, annotations: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_the_task_go_before_the_local_ones() {
        let local = SyncSettings { types: vec!["account".into()], ..Default::default() };
        assert_eq!(options(SyncFullTask::default(), &local).types, ["account"]);
        let order = SyncFullTask {
            sync_resource_type_ids: vec!["sso_user".into(), "account".into(), "sso_user".into()],
            ..Default::default()
        };
        assert_eq!(options(order, &local).types, ["account", "sso_user"]);
    }

    #[test]
    fn each_switch_of_the_task_reaches_the_sync_and_local_ones_do_not() {
        let local =
            SyncSettings { skip_entitlements_and_grants: true, skip_grants: true, ..Default::default() };
        let all = options(SyncFullTask::default(), &local);
        assert!(all.expand && all.entitlements_and_grants && all.grants);
        let order = SyncFullTask { skip_expand_grants: true, ..Default::default() };
        assert!(!options(order, &local).expand);
        let order = SyncFullTask { skip_entitlements_and_grants: true, ..Default::default() };
        assert!(!options(order, &local).entitlements_and_grants);
        let order = SyncFullTask { skip_grants: true, ..Default::default() };
        assert!(!options(order, &local).grants);
    }
}
