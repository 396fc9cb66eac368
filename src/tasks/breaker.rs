//! The collapse breaker: holds back an upload that would read as if many had lost their access.
//!
//! Before an upload the sync is compared with the last one uploaded under the same options. What looks like the
//! connector's own blindness fails the task with the numbers; a second crawl that finds the same is believed.

mod records;
mod verdict;

use std::fmt;

use crate::config::BreakerSettings;
use crate::sync::{Census, SyncOptions};
use records::{Key, Record, Records};
use verdict::Reason;

/// Reasons that a message names one by one.
const NAMED: usize = 8;

/// Judges syncs before they are uploaded, by those that were.
#[derive(Debug, Default)]
pub struct Breaker {
    settings: BreakerSettings,
    records: Records,
}

/// Why an upload is held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held(Vec<Reason>);

impl Breaker {
    /// A breaker that remembers in the state directory of the settings, or as long as it lives.
    pub fn new(settings: BreakerSettings) -> Self {
        let records = Records::new(settings.state_dir.clone());
        Self { settings, records }
    }

    /// Whether a sync may be uploaded. One that may not is remembered: the next crawl may confirm it.
    ///
    /// Blocks on the file system.
    ///
    /// # Errors
    /// The reasons why it is held.
    pub fn judge(&self, options: &SyncOptions, census: &Census) -> Result<(), Held> {
        let key = Key::new(options, census);
        let mut record = self.records.read(&key);
        let reasons = verdict::reasons(census, record.uploaded.as_ref(), options, &self.settings);
        if reasons.is_empty() {
            return Ok(());
        }
        let held = Held(reasons);
        if self.settings.allow {
            tracing::warn!(reason = %held, "sync is uploaded although it looks implausible: BATON_ALLOW_COLLAPSE is set");
            return Ok(());
        }
        if record.held.as_ref().is_some_and(|before| verdict::confirms(census, before, &held.0)) {
            tracing::warn!(reason = %held, "sync is uploaded although it looks implausible: a second crawl has found the same");
            return Ok(());
        }
        record.held = Some(census.clone());
        self.records.write(&key, &record);
        Err(held)
    }

    /// Remembers a sync that was uploaded.
    ///
    /// Blocks on the file system.
    pub fn uploaded(&self, options: &SyncOptions, census: &Census) {
        let record = Record { uploaded: Some(census.clone()), held: None };
        self.records.write(&Key::new(options, census), &record);
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reason) in self.0.iter().take(NAMED).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{reason}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
