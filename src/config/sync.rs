//! Settings of a sync.

use std::path::PathBuf;
use std::time::Duration;

use super::bid::ResourceBid;
use super::breaker::BreakerSettings;
use super::external::ExternalSettings;

/// What a sync contains and where its work happens.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is one switch that an operator sets by its own name")]
pub struct SyncSettings {
    /// Resource types to sync; empty means all that are registered.
    pub types: Vec<String>,
    /// The resources that a run without a control plane syncs, with all that hangs from them; empty means all there are.
    pub resources: Vec<ResourceBid>,
    /// Principals that each sync takes over from another connector's file.
    pub external: Option<ExternalSettings>,
    /// Resources alone, in a one-shot run.
    pub skip_entitlements_and_grants: bool,
    /// Resources and entitlements alone.
    pub skip_grants: bool,
    /// Where unfinished files are kept; `None` means the system's temporary directory.
    pub work_dir: Option<PathBuf>,
    /// Time between two syncs that nobody asked for; `None` makes none.
    pub interval: Option<Duration>,
    /// Oldest prepared sync with which a task may be answered; zero answers every task with a new sync.
    pub max_age: Duration,
    /// Whether to refuse the contents of a sync while serving a control plane.
    pub skip_full_sync: bool,
    /// Whether a refused sync may be answered with an empty one, which reads as "everyone lost access".
    pub allow_empty_upload: bool,
    /// When an upload is held back.
    pub breaker: BreakerSettings,
}
