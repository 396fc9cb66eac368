//! The rows of a targeted sync: the targets, and all that hangs from them.

use std::collections::BTreeSet;

use super::Pulse;
use crate::c1z::{Error, Staged};
use crate::sync::Target;

/// Which resources go into the file.
#[derive(Debug)]
pub(super) enum Chosen {
    All,
    /// By type and id.
    These(BTreeSet<(String, String)>),
}

impl Chosen {
    /// Follows the children of the targets down, one pass over the resources for each level. Gives the targets that
    /// have no row, too.
    pub(super) fn of(
        staged: &Staged,
        targets: Option<&BTreeSet<Target>>,
        pulse: &mut Pulse<'_>,
    ) -> Result<(Self, Vec<Target>), Error> {
        let Some(targets) = targets else { return Ok((Self::All, Vec::new())) };
        let mut missing = targets.clone();
        let wanted = targets.iter().map(|target| (target.resource_type.clone(), target.resource.clone()));
        let mut chosen: BTreeSet<(String, String)> = wanted.collect();
        loop {
            let before = chosen.len();
            let mut rows = staged.resources()?;
            while let Some(row) = rows.next_row()? {
                pulse.beat()?;
                let key = (row.resource_type.to_owned(), row.id.to_owned());
                let parent = row.parent.map(|(kind, id)| (kind.to_owned(), id.to_owned()));
                if chosen.contains(&key) {
                    missing.remove(&Target { resource_type: key.0, resource: key.1 });
                } else if parent.is_some_and(|parent| chosen.contains(&parent)) {
                    chosen.insert(key);
                }
            }
            if chosen.len() == before {
                return Ok((Self::These(chosen), missing.into_iter().collect()));
            }
        }
    }

    pub(super) fn has(&self, resource_type: &str, resource: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(chosen) => chosen.contains(&(resource_type.to_owned(), resource.to_owned())),
        }
    }
}
