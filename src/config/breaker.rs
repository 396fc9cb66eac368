//! Settings of the collapse breaker.

use std::path::PathBuf;
use std::time::Duration;

/// When a sync looks too poor to be uploaded, and what is done about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BreakerSettings {
    /// Where the counts of earlier syncs are kept; `None` keeps them as long as the process lives.
    pub state_dir: Option<PathBuf>,
    /// Whether such a sync is uploaded all the same.
    pub allow: bool,
    /// Largest share of the rows of one type, in percent, that may be gone since the last uploaded sync.
    pub shrinkage_percent: u64,
    /// Fewer rows than this may always be gone.
    pub shrinkage_rows: u64,
    /// Largest share of the accounts, in percent, that may refuse to be entered where no sync was uploaded before.
    pub unreadable_percent: u64,
    /// How old the finding of a held sync must be before a later crawl that finds the same is believed.
    pub confirm_after: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            state_dir: None,
            allow: false,
            shrinkage_percent: 30,
            shrinkage_rows: 50,
            unreadable_percent: 50,
            confirm_after: Duration::from_mins(15),
        }
    }
}
