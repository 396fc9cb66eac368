//! The command line: one subcommand per half of the testbed.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod aws;
mod control_plane;

/// An AWS organization and a Baton control plane to run a connector against.
#[derive(Debug, Parser)]
#[command(name = "testbed", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Aws(Box<aws::Args>),
    ControlPlane(control_plane::Args),
}

impl Cli {
    /// Runs until interrupted.
    pub(crate) async fn run(self) -> ExitCode {
        match self.command {
            Command::Aws(args) => aws::run(*args).await,
            Command::ControlPlane(args) => control_plane::run(args).await,
        }
    }
}
