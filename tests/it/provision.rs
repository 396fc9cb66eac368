//! Grants and revokes, carried out on a testbed's AWS: what changed there, what was answered, what the audit says.

mod account;
mod assignment;
mod bench;
mod china;
mod credential;
mod departed;
mod faults;
mod federation;
mod guard;
mod iam;
mod key_deletion;
mod log;
mod malformed;
mod matrix;
mod membership;
mod outcome;
mod policy;
mod refused;
mod rehearsal;
mod rotation;
mod same_name;
mod settling;
mod stale;
mod throughput;
