//! What batond promises of any input: one module for each fuzz target. The tests of batond try each on its corpus.

pub mod c1z_reader;
pub mod event_feed;
pub mod ids;
pub mod quotas;
pub mod settings;
pub mod task;
pub mod token;
pub mod trust;
