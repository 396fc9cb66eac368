//! The operator's wish to stop a one-shot run.

use std::io;

use tokio_util::sync::CancellationToken;

use super::Exit;
use crate::daemon::Signals;

/// Cancels the token at the first signal that asks to stop, so that the run can leave cleanly; the second ends the
/// process at once. Must be called within the runtime.
pub(super) fn on_signals() -> io::Result<CancellationToken> {
    let mut signals = Signals::system()?;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!("asked to stop; a second signal ends the process at once");
        stop.cancel();
        signals.next().await;
        std::process::exit(Exit::KILLED.code().into());
    });
    Ok(cancel)
}
