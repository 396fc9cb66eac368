//! Grants and revokes, carried out on a testbed's AWS: what changed there, what was answered, what the audit says.

mod account;
mod assignment;
mod bench;
mod credential;
mod departed;
mod faults;
mod guard;
mod iam;
mod log;
mod malformed;
mod matrix;
mod membership;
mod policy;
mod refused;
mod rehearsal;
mod rotation;
mod settling;
mod stale;
mod throughput;
