//! The Baton model: the messages of the protocol, and what is needed to build, pack and print them.
//!
//! Everything here is pure: no I/O and no AWS. The messages are generated from `proto/` at build time; maps are
//! ordered, so that equal messages encode to equal bytes. Their [`prost::Name`] carries the domain
//! `type.googleapis.com` that the protocol uses in every `Any`.

pub mod any;
pub mod capability;
pub mod encryption;
pub mod entitlement;
pub mod id;
pub mod ksuid;
pub mod profile;
pub mod protojson;
pub mod resource;
pub mod time;

#[allow(
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    rustdoc::all,
    reason = "generated code; the .proto files are its documentation"
)]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/pb.rs"));
}

/// Package `c1.connectorapi.baton.v1`: tasks and the service that hands them out.
pub use pb::c1::connectorapi::baton::v1 as api;

/// Package `c1.connector.v2`: resources, entitlements, grants, their annotations, accounts, events, actions.
pub use pb::c1::connector::v2;

/// Package `c1.config.v1`: the settings of a connector as a form.
pub use pb::c1::config::v1 as config_v1;

/// Package `c1.ratelimit.v1`: rate limits.
pub use pb::c1::ratelimit::v1 as ratelimit;

/// Package `google.rpc`: the status of a failed task and its details.
pub use pb::google::rpc;

/// The codes of a `google.rpc` status, which are those of gRPC.
pub use tonic::Code;
