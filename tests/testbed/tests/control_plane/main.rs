//! The control plane seen from outside, by a small connector that does everything right unless a test tells it not to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod command;
mod connector;
mod delivery;
mod network;
mod replay;
mod scenario;
mod token;
mod upload;
mod violation;
