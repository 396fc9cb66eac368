//! The long-running process: composes everything, watches it, and ends it cleanly.
//!
//! With a control plane it announces the connector and carries out tasks until it is asked to stop. Without one it
//! replaces the file at an interval. The first request to stop begins a drain in two phases: nothing new is begun,
//! running tasks may finish within the grace period; then they are cancelled and still report how they ended, so
//! that the control plane can hand them out again. A second request ends the process at once.

mod connections;
mod control;
mod health;
mod heartbeats;
mod interval;
mod lease;
mod metrics;
mod poller;
mod runner;
mod signal;
mod start;
mod stop;
mod supervisor;
mod target;
#[cfg(test)]
mod tests;
mod work_dir;

pub use control::{LogOrder, ask};
pub use signal::Signals;
pub use target::{TargetError, prepare_target};
pub use work_dir::{WorkDir, WorkDirError};

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::config::{ControlPlaneSettings, Settings};
use crate::control_plane::{Client, Network, NetworkError, SetupError, chain};
use crate::tasks::{Context, Engine};
use crate::telemetry;
use health::Health;
use heartbeats::Pulse;
use poller::Poller;
use runner::Runner;
use start::StartError;
use supervisor::{Drained, Supervisor};

/// How the process ended; decides its exit code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// As asked, and every task has reported its outcome.
    Cleanly,
    /// As asked, but the control plane does not know how some task ended: it was asked a second time, or there was
    /// no time left.
    Abruptly,
    /// It could not start. The number is the gRPC code of the reason, or 2 where none fits.
    AtStart(u8),
}

impl Ended {
    /// 0 after a clean end, 1 if outcomes were left unreported, else the code of what kept it from starting.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Cleanly => 0,
            Self::Abruptly => 1,
            Self::AtStart(code) => code,
        }
    }
}

/// Runs until asked to stop, trusting the system's certificate authorities and using the environment's proxies.
pub async fn run(settings: Settings, signals: Signals) -> Ended {
    match Network::system() {
        Ok(network) => run_on(settings, &network, signals).await,
        Err(error) => refuse(&Refusal::Network(error)),
    }
}

/// Runs until asked to stop, with `network` between it and the control plane.
pub async fn run_on(settings: Settings, network: &Network, mut signals: Signals) -> Ended {
    telemetry::summarize(&settings);
    let supervisor = Supervisor::default();
    let _to_the_end = supervisor.until_dropped();
    let health = Health::default();
    let started = tokio::select! {
        started = Box::pin(start(&settings, network, &supervisor, &health)) => started,
        () = signals.next() => {
            tracing::info!("asked to stop before the start was complete");
            return Ended::Cleanly;
        }
    };
    // Kept until the end: with it goes the directory.
    let _work_dir = match started {
        Ok(work_dir) => work_dir,
        Err(refusal) => return refuse(&refusal),
    };

    signals.next().await;
    health.set_draining();
    let grace = settings.daemon.shutdown_grace;
    tracing::info!(grace = grace.as_secs_f64(), "asked to stop; running tasks may finish");
    let drained = tokio::select! {
        drained = supervisor.drain(grace) => drained,
        () = signals.next() => {
            tracing::warn!("asked to stop a second time; ending at once");
            Drained::Abandoned
        }
    };
    tracing::info!(drained = ?drained, "stopped");
    match drained {
        Drained::Finished | Drained::Cancelled => Ended::Cleanly,
        Drained::Abandoned => Ended::Abruptly,
    }
}

/// Everything up to the point from which the process waits for a signal. What it spawned goes on.
async fn start(
    settings: &Settings,
    network: &Network,
    supervisor: &Supervisor,
    health: &Health,
) -> Result<WorkDir, Refusal> {
    serve_probes(settings, supervisor, health).await?;
    show_metrics(settings, supervisor).await?;
    let work_dir = WorkDir::create(settings.sync.work_dir.as_deref()).map_err(Refusal::WorkDir)?;
    match control::listen(work_dir.path()) {
        Ok(listener) => supervisor.spawn_to_the_end(control::serve(listener)),
        Err(error) => {
            tracing::warn!(error = %error, "no control socket: the log level cannot be changed at run time");
        }
    }
    // Mistakes in what is configured show before AWS is asked anything.
    let client =
        settings.control_plane.as_ref().map(|control_plane| client(settings, control_plane, network));
    let client = client.transpose().map_err(Refusal::Setup)?;
    if client.is_none() {
        prepare_target(&settings.file).map_err(Refusal::Target)?;
    }

    let connector = start::connect(settings).await?;
    metrics::observe(connector.aws());
    let engine: Arc<dyn Engine> = Arc::new(connector);
    tracing::info!("AWS is accessible");
    let context = Context::new(settings, Arc::clone(&engine), work_dir.path().to_owned());
    match client {
        Some(client) => {
            health.set_greeting();
            start::hello(&client, &*engine).await?;
            tracing::info!("the control plane has accepted the hello");
            prepare_syncs(settings, supervisor, &context);
            let pulse = Pulse::new(client.clone(), settings.daemon.get_tasks);
            let runner = Runner { client, pulse, context, supervisor: supervisor.clone() };
            let poller = Arc::new(Poller::new(runner, &settings.daemon));
            supervisor.serve("poller", move || {
                let poller = Arc::clone(&poller);
                async move { poller.run().await }
            });
        }
        None => refresh_file(settings, supervisor, &context)?,
    }
    health.set_ready();
    Ok(work_dir)
}

fn client(
    settings: &Settings,
    control_plane: &ControlPlaneSettings,
    network: &Network,
) -> Result<Client, SetupError> {
    Client::new(control_plane, &settings.host_id, network, settings.aws.http_timeout)
}

async fn serve_probes(settings: &Settings, supervisor: &Supervisor, health: &Health) -> Result<(), Refusal> {
    let Some(address) = settings.daemon.health else { return Ok(()) };
    let listener = TcpListener::bind(address).await.map_err(|source| Refusal::Health { address, source })?;
    tracing::info!(address = %address, "answering health probes");
    supervisor.spawn_to_the_end(health::serve(listener, health.clone()));
    Ok(())
}

async fn show_metrics(settings: &Settings, supervisor: &Supervisor) -> Result<(), Refusal> {
    let Some(address) = settings.daemon.metrics else { return Ok(()) };
    let refused = |source| Refusal::Metrics { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    telemetry::metrics::start();
    tracing::info!(address = %address, "showing metrics");
    supervisor.spawn_to_the_end(metrics::serve(listener));
    Ok(())
}

/// Keeps a sync ready, if one may ever be used.
fn prepare_syncs(settings: &Settings, supervisor: &Supervisor, context: &Context) {
    let Some(interval) = settings.sync.interval else { return };
    if settings.sync.max_age.is_zero() {
        tracing::warn!(
            "BATON_SYNC_INTERVAL has no effect while BATON_SYNC_MAX_AGE is 0: tasks are never answered with a sync \
             that was made ahead"
        );
        return;
    }
    let context = context.clone();
    let intake = supervisor.intake().clone();
    supervisor.serve("interval", move || interval::prepare(context.clone(), interval, intake.clone()));
}

fn refresh_file(settings: &Settings, supervisor: &Supervisor, context: &Context) -> Result<(), Refusal> {
    let interval = settings.sync.interval.ok_or(Refusal::NothingToDo)?;
    let (context, file) = (context.clone(), settings.file.clone());
    let (intake, work) = (supervisor.intake().clone(), supervisor.work().clone());
    supervisor.serve("interval", move || {
        interval::refresh(context.clone(), file.clone(), interval, intake.clone(), work.clone())
    });
    Ok(())
}

/// Why the process does not start.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("no secure connection can be made")]
    Network(#[source] NetworkError),
    #[error(transparent)]
    Setup(SetupError),
    #[error(transparent)]
    WorkDir(WorkDirError),
    #[error(transparent)]
    Target(TargetError),
    #[error("health probes cannot be answered on {address}")]
    Health { address: std::net::SocketAddr, source: std::io::Error },
    #[error("metrics cannot be shown on {address}")]
    Metrics { address: std::net::SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(
        "there is neither a control plane (BATON_CLIENT_ID) to serve nor an interval (BATON_SYNC_INTERVAL)"
    )]
    NothingToDo,
}

fn refuse(refusal: &Refusal) -> Ended {
    tracing::error!(error = chain(refusal), "cannot start");
    Ended::AtStart(match refusal {
        Refusal::Start(error) => u8::try_from(i32::from(error.code())).unwrap_or(2),
        _ => 2,
    })
}
