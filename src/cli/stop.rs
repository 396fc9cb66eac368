//! The operator's wish to stop a one-shot run.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Exit;

/// Cancels the token at the first SIGINT or SIGTERM, so that the run can leave cleanly; the second ends the
/// process at once. Must be called within the runtime.
pub(super) fn on_signals() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        next(&mut interrupt, &mut terminate).await;
        tracing::warn!("asked to stop; a second signal ends the process at once");
        stop.cancel();
        next(&mut interrupt, &mut terminate).await;
        std::process::exit(Exit::KILLED.code().into());
    });
    Ok(cancel)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
