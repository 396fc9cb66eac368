//! The testbed's AWS as a client on the wire sees it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as loudly as the tests themselves"
)]

mod access;
mod admin;
mod client;
mod cloudtrail;
mod control;
mod faults;
mod iam;
mod instance;
mod listing;
mod provisioning;
