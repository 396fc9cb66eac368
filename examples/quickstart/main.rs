//! Shows batond at work in a few seconds: `cargo run --example quickstart`.
//!
//! An AWS and a control plane are started inside this process, batond is configured as a pod would be, and the
//! control plane asks it for a sync, a grant and a revoke; then `doctor` finds a permission that is gone. Nothing leaves the machine. The exit code is 0 only if
//! everything happened. With `-- --stay`, all of it goes on until Ctrl-C, to be looked at.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the quickstart talks to a person")]

mod log;
mod parts;
mod stay;
mod story;

use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::Duration;

use log::Log;
use parts::Parts;

/// Far more than the quickstart needs.
const LIMIT: Duration = Duration::from_mins(1);

/// Says that this process has the environment that it wants.
const INSIDE: &str = "--inside";
/// Says that a person wants to look around.
const STAY: &str = "--stay";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let stays = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [INSIDE] => return run(false),
        [INSIDE, STAY] => return run(true),
        [] => false,
        [STAY] => true,
        _ => {
            eprintln!("usage: cargo run --example quickstart [-- --stay]");
            return ExitCode::FAILURE;
        }
    };
    eprintln!("quickstart: cannot start: {}", inside(stays));
    ExitCode::FAILURE
}

/// Becomes this program once more without the caller's proxies and AWS profiles, which are not meant for it. Gives
/// why that failed.
fn inside(stays: bool) -> io::Error {
    let kept = env::vars_os().filter(|(name, _)| ["PATH", "TERM", "TMPDIR"].iter().any(|kept| name == kept));
    match env::current_exe() {
        Ok(program) => {
            let mut again = Command::new(program);
            again.arg(INSIDE).args(stays.then_some(STAY)).env_clear().envs(kept).exec()
        }
        Err(error) => error,
    }
}

/// Fails what takes too long.
async fn within<T>(step: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::time::timeout(LIMIT, step).await.map_err(|_| format!("it was not done after {LIMIT:?}"))?
}

#[tokio::main]
async fn run(stays: bool) -> ExitCode {
    let log = match Log::capture() {
        Ok(log) => log,
        Err(error) => {
            eprintln!("quickstart: {error}");
            return ExitCode::FAILURE;
        }
    };
    let told = async {
        let mut parts = Parts::start().await?;
        let file = within(story::tell(&parts)).await?;
        if stays {
            println!("\n   Everything stays as it is:");
            log.keep_in(&parts.log)?;
            stay::stay(&parts).await?;
        }
        within(story::end(&mut parts, &file, &log)).await
    };
    let Err(fault) = told.await else { return ExitCode::SUCCESS };
    eprintln!("\nThe quickstart failed: {fault}\nWhat batond logged:\n{}", log.text());
    ExitCode::FAILURE
}
