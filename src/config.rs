//! Settings: what the operator asked for, checked once and typed.
//!
//! Nothing outside this module reads the environment, except the AWS SDK's own credential chain and the TLS
//! roots. The rest of the program sees [`Settings`], whose values are valid by construction; tests build it in
//! code.

mod authority;
mod aws;
mod bid;
mod breaker;
mod client_id;
mod client_secret;
mod constraint;
mod control_plane;
mod daemon;
mod external;
mod fault;
mod field;
mod log;
mod operation;
mod pattern;
mod proxy;
mod read;
mod resolve;
mod role_arn;
mod source;
mod support;
mod sync;
mod token_file;

pub use authority::{Authority, AuthorityError};
pub use aws::{Assume, AwsSettings, QuotaSetting, StaticKeys, session_name};
pub use bid::{BidError, ResourceBid};
pub use breaker::BreakerSettings;
pub use client_id::{ClientId, ClientIdError};
pub use client_secret::{ClientSecret, ClientSecretError, SigningKey};
pub use constraint::{DEPENDENCIES, Dependency};
pub use control_plane::ControlPlaneSettings;
pub use daemon::DaemonSettings;
pub use external::{EXTERNAL_TRAITS, ExternalSettings};
pub use fault::{Fault, Note, SettingsError};
pub use field::{Export, FORM, Field, Kind, Mode, Reach, SECTIONS, Secrecy, Section, Support, fields};
pub use log::{CollectorSettings, LogFormat, LogSettings};
pub use operation::{AccountKind, Arguments, EventsQuery, Operation};
pub use proxy::{Bypass, ProxySettings};
pub use resolve::{Host, probe_address, work_parent};
pub use role_arn::{RoleArn, RoleArnError};
pub use source::{Environment, Flags, RawSettings};
pub use sync::SyncSettings;
pub use token_file::TokenFile;

pub use crate::grammar::Partition;

use std::path::PathBuf;

/// A text that must never be printed: its `Debug` is redacted, its memory is cleared when it is dropped.
pub type Secret = secrecy::SecretString;

/// Everything that one run of the program was asked to do, valid by construction.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where AWS is and as whom to speak to it.
    pub aws: AwsSettings,
    /// What a sync contains and where its work happens.
    pub sync: SyncSettings,
    /// The control plane to serve; `None` means that the process works alone (one-shot or on an interval).
    pub control_plane: Option<ControlPlaneSettings>,
    /// How the long-running process behaves; of no effect in a one-shot run.
    pub daemon: DaemonSettings,
    /// Level, shape and destination of the log.
    pub log: LogSettings,
    /// Name of this process towards the control plane, 1 to 256 characters.
    pub host_id: String,
    /// The `.c1z` file that a one-shot run writes (a sync) or reads (a grant or a revoke).
    pub file: PathBuf,
    /// Whether tasks may change AWS; a one-shot grant or revoke is always allowed to.
    pub provisioning: bool,
    /// What a run without a control plane does.
    pub operation: Operation,
    /// Whether that is only rehearsed: nothing is written to AWS.
    pub dry_run: bool,
}
