//! The sync: reads AWS by a plan, stages rows on disk, and seals them into a `.c1z` file.
//!
//! Flow: `crawl` streams facts from AWS through `connector` into staged rows; `seal` filters, expands, loads in
//! order, packs and renames. Nothing holds the organization in memory, and the file does not depend on which call
//! answered first.

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::baton::ksuid;
use crate::c1z::{LARGEST, LARGEST_OF_OLD, Stage};
use crate::connector::Connector;

mod census;
mod changes;
pub mod completeness;
mod crawl;
mod error;
mod external;
mod focus;
mod options;
mod progress;
mod report;
pub mod seal;

pub use crate::c1z::TypeCounts;
pub use census::Census;
pub use changes::{Affected, Change, Changes};
pub use error::SyncError;
pub use external::ExternalError;
pub use focus::Target;
pub use options::SyncOptions;
pub use progress::{Phase, Progress, Snapshot};
pub use report::{Incomplete, Report};

use crawl::Found;
use options::Scope;

/// How often what was changed meanwhile is read again: each time takes little, so that little is changed during it.
const ROUNDS: usize = 8;

/// Syncs once: crawls AWS and publishes the result at `target`, or leaves whatever is there untouched.
///
/// What `changes` tells to have been changed by this process since the crawl began is read again before it is sealed.
/// Temporary files live in `work_dir`. Cancelling `cancel` ends every call to AWS and leaves no file behind; so does
/// dropping the future.
pub async fn run(
    connector: &Connector,
    options: &SyncOptions,
    target: &Path,
    work_dir: &Path,
    progress: &Progress,
    changes: &Changes,
    cancel: CancellationToken,
) -> Result<Report, SyncError> {
    let begun = Instant::now();
    let seal_options = options.seal(ksuid::new(), Timestamp::now());
    let before = connector.aws().stats();
    let used_before = connector.aws().saturation();
    let scope = options.scope(&connector.resource_types())?;

    progress.enter(Phase::Crawl);
    let (stage, found) = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(SyncError::Cancelled),
        read = Box::pin(
            read(connector, &scope, work_dir, progress, changes, &cancel).instrument(tracing::info_span!("crawl")),
        ) => read?,
    };

    progress.enter(Phase::Write);
    // A dropped future must stop the thread that writes, too.
    let stop = cancel.child_token();
    let stop_on_drop = stop.clone().drop_guard();
    let file = target.to_owned();
    let span = tracing::info_span!("write");
    // A sync of a part says nothing of principals elsewhere.
    let other = options.external.clone().filter(|_| options.targets.is_none());
    let room = work_dir.to_owned();
    let write = move || {
        if let Some(other) = &other {
            external::stage(other, &stage, &room, &stop)?;
        }
        seal::seal(stage, &seal_options, &file, &stop).map_err(SyncError::from)
    };
    let writer = tokio::task::spawn_blocking(move || span.in_scope(write));
    let sealed = writer.await.map_err(|_| SyncError::Writer)??;
    drop(stop_on_drop);
    if sealed.decoded > LARGEST_OF_OLD {
        tracing::warn!(
            decoded_bytes = sealed.decoded,
            most_of_old_readers = LARGEST_OF_OLD,
            most = LARGEST,
            "the sync is so large that old readers of its file may refuse it"
        );
    }

    progress.enter(Phase::Done);
    let calls = &connector.aws().stats() - &before;
    let used = connector.aws().saturation().into_iter().map(|used| used.since(&used_before));
    let used = used.filter(|used| used.calls > 0).collect();
    Ok(Report::new(sealed, target, calls, used, found, begun.elapsed()))
}

/// Crawls, and reads again what this process changed meanwhile, until nothing more was changed.
async fn read(
    connector: &Connector,
    scope: &Scope,
    work_dir: &Path,
    progress: &Progress,
    changes: &Changes,
    cancel: &CancellationToken,
) -> Result<(Stage, Found), SyncError> {
    let mut began = tokio::time::Instant::now();
    let mut stage = Stage::create(work_dir)?;
    let mut found = crawl::run(connector, scope, &stage, progress, cancel.clone()).await?;
    found.check_entry(&connector.aws().caller().account)?;
    for _ in 0..ROUNDS {
        let Some(affected) = changes.ended_since(began) else { return Ok((stage, found)) };
        began = tokio::time::Instant::now();
        match affected {
            Affected::These(targets) if scope.focus.is_none() => {
                let Some((again, focus)) = scope.renewing(&targets) else { continue };
                tracing::info!(
                    targets = targets.len(),
                    "access was changed during the sync; reading that again"
                );
                stage.supersede(move |row| focus.covers(row))?;
                found.renew(crawl::run(connector, &again, &stage, progress, cancel.clone()).await?);
            }
            Affected::These(_) | Affected::Anything => {
                tracing::info!("access was changed during the sync; reading all of it again");
                stage = Stage::create(work_dir)?;
                found = crawl::run(connector, scope, &stage, progress, cancel.clone()).await?;
            }
        }
    }
    match changes.ended_since(began) {
        None => Ok((stage, found)),
        Some(_) => Err(SyncError::Shifted {
            what: format!("this process changed access again each time that it was read, {ROUNDS} times"),
        }),
    }
}
