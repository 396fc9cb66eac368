//! One crawl for all who ask for the same at the same time.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;

use super::Context;
use super::engine::EngineError;
use super::outcome::SyncFile;
use crate::baton::Code;
use crate::sync::{Census, SyncOptions};

/// A sync that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// What it contains.
    pub options: SyncOptions,
    /// When its making began; nothing in it is older.
    pub started_at: Instant,
    /// The file.
    pub file: SyncFile,
    /// What it counts.
    pub census: Arc<Census>,
}

/// The crawls that are under way.
#[derive(Debug, Default)]
pub struct Crawls(Mutex<Vec<UnderWay>>);

type Making = BoxFuture<'static, Result<Made, EngineError>>;

/// A crawl that others may join. It lives in those who wait for it, and ends with the last of them.
#[derive(Debug)]
struct UnderWay {
    options: SyncOptions,
    started_at: Instant,
    stop: CancellationToken,
    riders: std::sync::Weak<DropGuard>,
    made: WeakShared<Making>,
}

/// A share in a crawl.
struct Ride {
    stop: CancellationToken,
    rider: Arc<DropGuard>,
    made: Shared<Making>,
}

/// Makes a sync into a file of the work directory, or waits for one that is under way with the same options and
/// cannot miss a change that this process made.
///
/// A crawl is only given up when all who wait for it are cancelled or dropped; the last of them awaits its end.
///
/// # Errors
/// Those of [`Engine::sync`](super::Engine::sync), one for all.
pub async fn make(
    context: &Context,
    options: &SyncOptions,
    cancel: &CancellationToken,
) -> Result<Made, EngineError> {
    finish(context.crawls.board(context, options), cancel).await
}

/// As [`make`], but joins nobody, so that all that is told of the sync is told of this task.
///
/// # Errors
/// As [`make`].
pub(super) async fn make_anew(
    context: &Context,
    options: &SyncOptions,
    cancel: &CancellationToken,
) -> Result<Made, EngineError> {
    let (_, ride) = begin(context, options);
    finish(ride, cancel).await
}

async fn finish(ride: Ride, cancel: &CancellationToken) -> Result<Made, EngineError> {
    let Ride { stop, rider, made } = ride;
    let early = tokio::select! {
        biased;
        made = made.clone() => Some(made),
        () = cancel.cancelled() => None,
    };
    if let Some(made) = early {
        return made;
    }
    drop(rider);
    if stop.is_cancelled() { made.await } else { Err(EngineError::cancelled()) }
}

impl Crawls {
    fn board(&self, context: &Context, options: &SyncOptions) -> Ride {
        let mut crawls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        crawls.retain(|crawl| crawl.made.upgrade().is_some_and(|made| made.peek().is_none()));
        let usable = |crawl: &&UnderWay| {
            crawl.options == *options && context.prepared.unchanged_since(crawl.started_at)
        };
        if let Some(ride) = crawls.iter().filter(usable).find_map(UnderWay::join) {
            tracing::info!("joins a sync that is under way with the same options");
            return ride;
        }
        let (crawl, ride) = begin(context, options);
        crawls.extend(crawl);
        ride
    }
}

impl UnderWay {
    fn join(&self) -> Option<Ride> {
        let (rider, made) = (self.riders.upgrade()?, self.made.upgrade()?);
        Some(Ride { stop: self.stop.clone(), rider, made })
    }
}

/// Nothing but the ride itself where it cannot be joined.
fn begin(context: &Context, options: &SyncOptions) -> (Option<UnderWay>, Ride) {
    let (stop, started_at) = (CancellationToken::new(), Instant::now());
    let making = crawl(context.clone(), options.clone(), started_at, stop.clone()).in_current_span();
    let made = making.boxed().shared();
    let rider = Arc::new(stop.clone().drop_guard());
    let crawl = made.downgrade().map(|made| UnderWay {
        options: options.clone(),
        started_at,
        stop: stop.clone(),
        riders: Arc::downgrade(&rider),
        made,
    });
    (crawl, Ride { stop, rider, made })
}

/// A file of its own for each sync; its name says nothing of what comes from outside.
async fn crawl(
    context: Context,
    options: SyncOptions,
    started_at: Instant,
    stop: CancellationToken,
) -> Result<Made, EngineError> {
    let target = SyncFile::empty_in(&context.work_dir)?;
    let (work_dir, changes) = (&context.work_dir, context.prepared.changes());
    let census = match context.engine.sync(&options, target.path(), work_dir, changes, stop).await {
        Ok(census) => census,
        Err(error) => {
            if error.status.code != i32::from(Code::Cancelled) {
                let breaker = Arc::clone(&context.breaker);
                // A panic there must not hide the error.
                _ = spawn_blocking(move || breaker.crawl_failed()).await;
            }
            return Err(error);
        }
    };
    Ok(Made { options, started_at, file: target, census: Arc::new(census) })
}
