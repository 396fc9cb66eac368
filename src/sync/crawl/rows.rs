//! Where the rows of a strand go.

use crate::baton::v2::{Entitlement, Grant, Resource};
use crate::c1z::{Error, Stage};
use crate::sync::Progress;

/// A stage, or a part of one whose rows are not in the sync yet, with the progress that counts them.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) stage: &'a Stage,
    pub(super) progress: &'a Progress,
}

impl Rows<'_> {
    /// Stages a resource.
    pub(super) fn resource(self, resource: &Resource) -> Result<(), Error> {
        self.progress.staged(1);
        self.stage.resource(resource)
    }

    /// Stages an entitlement.
    pub(super) fn entitlement(self, entitlement: &Entitlement) -> Result<(), Error> {
        self.progress.staged(1);
        self.stage.entitlement(entitlement)
    }

    /// Stages a grant.
    pub(super) fn grant(self, grant: &Grant) -> Result<(), Error> {
        self.progress.staged(1);
        self.stage.grant(grant)
    }
}
