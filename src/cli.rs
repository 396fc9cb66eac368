//! The command line: what is asked for, in which mode, and how it is told.

mod account;
mod action;
mod answer;
mod arguments;
mod capabilities;
mod credential;
mod display;
mod doctor;
mod events;
mod exit;
mod failure;
mod form;
mod health_check;
mod log_level;
mod one_shot;
mod output;
mod policy;
mod provision;
pub mod reference;
mod report;
mod stop;

pub use exit::{EXIT_CODES, Exit};

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use arguments::{Arguments, Command};
use display::Display;

use crate::config::{Flags, Note, Operation, Settings};
use crate::{daemon, telemetry};

/// How long threads that block may go on once everything else has ended.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Runs the program with these arguments, the first of which is its name, to its end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    match Arguments::parse(arguments) {
        Ok(Arguments { command: Command::Run, flags }) => operate(flags),
        Ok(Arguments { command: Command::Config, .. }) => form::print(),
        Ok(Arguments { command: Command::Capabilities, .. }) => capabilities::print(),
        Ok(Arguments { command: Command::HealthCheck(probe), flags }) => health_check::run(&probe, flags),
        Ok(Arguments { command: Command::LogLevel(order), flags }) => log_level::run(order, flags),
        Ok(Arguments { command: Command::Policy(wish), flags }) => policy::run(wish, flags),
        Ok(Arguments { command: Command::Doctor(visit), flags }) => doctor::run(visit, flags),
        Err(error) => {
            if error.use_stderr() {
                // Standard error may be closed; there is nobody left to tell.
                let _ = error.print();
                return Exit::FAILURE;
            }
            match error.print() {
                Ok(()) => Exit::SUCCESS,
                Err(error) => failure::tell(&error),
            }
        }
    }
}

/// Reads the settings, starts the log and the runtime, and hands over to the daemon or to the one operation.
fn operate(flags: Flags) -> Exit {
    let (settings, notes) = match load(flags) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let is_daemon = settings.control_plane.is_some()
        || (settings.sync.interval.is_some() && settings.operation == Operation::Sync);
    // What has no progress to show answers on a line of its own.
    let shows = !is_daemon && settings.operation == Operation::Sync;
    let display = if shows { Display::on_terminal() } else { Display::hidden() };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::tell(&error),
    };
    let entered = runtime.enter();
    let telemetry = match telemetry::start(&settings.log, display.writer()) {
        Ok(telemetry) => telemetry,
        Err(error) => return failure::tell(&error),
    };
    drop(entered);
    tell(notes);
    let ended = runtime.block_on(async {
        let work = async {
            if is_daemon { Box::pin(serve(settings)).await } else { one_shot::run(&settings, &display).await }
        };
        tokio::select! {
            ended = work => ended,
            never = telemetry::level::keep() => match never {},
        }
    });
    telemetry.end();
    // A thread that waits for name resolution, say, must not hold up the end.
    runtime.shutdown_timeout(LAST_BREATH);
    match ended {
        Ok(exit) => exit,
        Err(error) => failure::tell(&error),
    }
}

/// Reads the settings; what is wrong with them is printed.
fn load(flags: Flags) -> Result<(Settings, Vec<Note>), Exit> {
    Settings::load(flags).map_err(|error| {
        eprintln!("{error}");
        if error.is_unbuilt() { Exit::UNBUILT } else { Exit::FAILURE }
    })
}

async fn serve(settings: Settings) -> io::Result<Exit> {
    let signals = daemon::Signals::system()?;
    Ok(Exit::of_daemon(Box::pin(daemon::run(settings, signals)).await))
}

fn tell(notes: Vec<Note>) {
    for Note { is_warning, message } in notes {
        if is_warning {
            tracing::warn!("{message}");
        } else {
            tracing::info!("{message}");
        }
    }
}
