//! The `batond` binary: parse, run, exit code; nothing else.
//!
//! It uses the system's memory allocator.

use std::process::ExitCode;

fn main() -> ExitCode {
    batond::telemetry::tell_panics();
    // One crypto provider for every TLS connection; there is none before this line, so it is always installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    batond::cli::run(std::env::args_os()).into()
}
