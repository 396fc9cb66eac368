//! batond: an AWS connector for access-governance control planes that speak the Baton protocol.

pub mod aws;
pub mod baton;
pub mod c1z;
pub mod cli;
pub mod config;
pub mod connector;
pub mod control_plane;
pub mod daemon;
pub mod doctor;
pub mod expand;
pub mod grammar;
pub mod json;
pub mod network;
pub mod sync;
pub mod tasks;
pub mod telemetry;
pub mod text;
