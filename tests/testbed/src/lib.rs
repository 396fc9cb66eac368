//! An AWS organization and a Baton control plane that tests, demos and other connectors can run against.
//!
//! [`aws`] is an AWS that can be broken: real wire protocols on one loopback endpoint, an organization described
//! by a [`aws::Fixture`], and knobs for latency, quotas, faults and denied actions. [`control_plane`] hands out tasks
//! over the Baton protocol, checks and writes down what a connector sends, and fails on demand. [`proto`] holds the
//! messages of that half.

pub mod aws;
pub mod control_plane;
pub mod proto;
mod tls;

pub use tls::TlsError;

/// A marker inside every secret that the testbed hands out (secret access keys, session tokens, web identity
/// tokens, external ids of the shipped fixtures, access tokens of the control plane), so that a test can assert that
/// no output contains one.
pub const CANARY: &str = "CANARY-SECRET-0b5c7d";
