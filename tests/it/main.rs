//! Integration tests, one binary: each module is named for what it proves.
#![allow(missing_docs, reason = "a test binary has no readers but its own")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod actions;
mod appeared;
mod aws;
mod collector;
mod command_line;
mod corpus;
mod daemon_calls;
mod daemon_process;
mod daemon_tasks;
mod day;
mod doctor;
mod dump;
mod events;
mod external;
mod faults;
mod iam;
mod iam_users;
mod layering;
mod metrics;
mod monitoring;
mod permissions;
mod provision;
mod quotas;
mod readme;
mod runbook;
mod seal;
mod straddle;
mod support;
mod sync;
mod targeted;
mod trouble;
mod vendor_manifests;
