//! An AWS organization and a Baton control plane that tests, demos and other connectors can run against.
//!
//! [`aws`] is an AWS that can be broken: real wire protocols on one loopback endpoint, an organization described
//! by a [`aws::Fixture`], and knobs for latency, quotas, faults and denied actions. [`proto`] holds the messages
//! of the control plane's half.

pub mod aws;
pub mod proto;

/// A marker inside every secret that the testbed hands out (secret access keys, session tokens, web identity
/// tokens, external ids of the shipped fixtures), so that a test can assert that no output contains one.
pub const CANARY: &str = "CANARY-SECRET-0b5c7d";
