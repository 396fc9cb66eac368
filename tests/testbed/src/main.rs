//! Starts one half of the testbed from the command line.

use std::process::ExitCode;

use clap::Parser as _;

mod cli;

#[tokio::main]
async fn main() -> ExitCode {
    cli::Cli::parse().run().await
}
