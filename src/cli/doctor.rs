//! `doctor`: looks over the set-up and prints what it finds.

use std::io;

use super::{Exit, failure, load, output, stop};
use crate::config::Flags;
use crate::control_plane::Network;
use crate::doctor::{self, Severity};

/// How to tell, and what makes it a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Visit {
    pub(super) json: bool,
    /// The exit code is that of a failure from this severity on.
    pub(super) fail_on: Severity,
}

/// Examines and prints to standard output.
pub(super) fn run(visit: Visit, flags: Flags) -> Exit {
    let (settings, notes) = match load(flags) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::tell(&error),
    };
    let network = match Network::system() {
        Ok(network) => network,
        Err(error) => return failure::tell(&error),
    };
    let examined = runtime.block_on(async {
        let cancel = stop::on_signals()?;
        io::Result::Ok(tokio::select! {
            () = cancel.cancelled() => None,
            report = doctor::examine(&settings, &network) => Some(report),
        })
    });
    runtime.shutdown_background();
    let report = match examined {
        Ok(Some(report)) => report.with_notes(&notes),
        Ok(None) => return Exit::INTERRUPTED,
        Err(error) => return failure::tell(&error),
    };
    let text = if visit.json {
        let value = serde_json::json!({"worst": report.worst(), "findings": report.findings});
        format!("{value:#}")
    } else {
        report.to_string()
    };
    if let Err(lost) = output::write(&format!("{text}\n")) {
        return failure::tell(&lost);
    }
    if report.worst() >= visit.fail_on { Exit::PRECONDITION } else { Exit::SUCCESS }
}
