//! An AWS organization and a Baton control plane that tests, demos and other connectors can run against.

pub mod proto;
