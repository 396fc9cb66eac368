//! What the metrics are told of a sync.

use crate::sync::completeness::Coverage;
use crate::sync::{Report, SyncError};
use crate::telemetry::metrics::{self, NoSync, SyncFigures};

/// A sync under way. Dropped without an end it counts as given up.
pub(super) struct Counted {
    has_ended: bool,
}

impl Counted {
    pub(super) fn begin() -> Self {
        Self { has_ended: false }
    }

    /// Counts it by how it ended, with its figures if it gave a file.
    pub(super) fn ends(mut self, ended: &Result<Report, SyncError>) {
        self.has_ended = true;
        match ended {
            Ok(report) => metrics::sync_ended(&figures(report)),
            Err(SyncError::Cancelled) => metrics::sync_not_made(NoSync::Cancelled),
            Err(_) => metrics::sync_not_made(NoSync::Failed),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.has_ended {
            metrics::sync_not_made(NoSync::Cancelled);
        }
    }
}

fn figures(report: &Report) -> SyncFigures {
    let total = report.total();
    let scopes = report.completeness.iter();
    SyncFigures {
        resources: total.resources,
        entitlements: total.entitlements,
        grants: total.grants,
        parts_incomplete: u64::try_from(report.incomplete.len()).unwrap_or(u64::MAX),
        scopes: scopes
            .map(|(area, Coverage { whole, incomplete })| (area.name(), *whole, *incomplete))
            .collect(),
        bytes: report.bytes,
        decoded_bytes: report.decoded,
        elapsed: report.elapsed,
    }
}
