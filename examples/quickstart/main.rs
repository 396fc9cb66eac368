//! Shows batond at work in a few seconds: `cargo run --example quickstart`.
//!
//! An AWS and a control plane are started inside this process, batond is configured as a pod would be, and the
//! control plane asks it for a sync, a grant and a revoke. Nothing leaves the machine. The exit code is 0 only if
//! everything happened.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the quickstart talks to a person")]

mod log;
mod parts;
mod story;

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::Duration;

use log::Log;
use parts::Parts;

/// Far more than the quickstart needs.
const LIMIT: Duration = Duration::from_mins(1);

/// Says that this process has the environment that it wants.
const INSIDE: &str = "--inside";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some(INSIDE) {
        return run();
    }
    match inside() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quickstart: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program once more without the caller's proxies and AWS profiles, which are not meant for it.
fn inside() -> Outcome<ExitCode> {
    let kept = env::vars_os().filter(|(name, _)| ["PATH", "TERM", "TMPDIR"].iter().any(|kept| name == kept));
    let status = Command::new(env::current_exe()?).arg(INSIDE).env_clear().envs(kept).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[tokio::main]
async fn run() -> ExitCode {
    let log = match Log::capture() {
        Ok(log) => log,
        Err(error) => {
            eprintln!("quickstart: {error}");
            return ExitCode::FAILURE;
        }
    };
    let told = async {
        let mut parts = Parts::start().await?;
        story::tell(&mut parts, &log).await
    };
    let fault = match tokio::time::timeout(LIMIT, told).await {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it was not done after {LIMIT:?}"),
    };
    eprintln!("\nThe quickstart failed: {fault}\nWhat batond logged:\n{}", log.text());
    ExitCode::FAILURE
}
