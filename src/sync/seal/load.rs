//! Joins the staged grants with what expansion derived, so that each grant is written once, with its final sources.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use prost::{Message, Name};
use prost_types::Any;

use super::chosen::Chosen;
use super::expansion::{Addition, Additions};
use super::ingest::{Narrowed, Types};
use super::tally::Tally;
use super::{Dropped, Pulse, SealError};
use crate::baton::v2;
use crate::c1z::{EntitlementRow, GrantRow, Staged, StagedGrant, Writer};

/// Where grants are written to.
pub(super) struct Grants<'a> {
    pub(super) types: &'a Types,
    pub(super) chosen: &'a Chosen,
    pub(super) writer: &'a mut Writer,
    pub(super) tally: &'a mut Tally,
}

impl Grants<'_> {
    /// Writes all grants. Returns how many of them are there only by expansion.
    pub(super) fn write(
        &mut self,
        staged: &Staged,
        additions: &mut Additions,
        pulse: &mut Pulse<'_>,
        dropped: &mut Dropped,
    ) -> Result<u64, SealError> {
        let mut newcomers = Newcomers::new();
        let mut rows = staged.grants()?;
        loop {
            pulse.beat()?;
            let order = match (rows.peek(), additions.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(row), Some(addition)) => row.cmp(addition),
            };
            let row = if order.is_le() { rows.next_row()? } else { None };
            let addition = if order.is_ge() { additions.next()? } else { None };
            let row = row.filter(|row| self.chosen.has(row.resource_type, row.resource));
            let accepted = row.filter(|row| {
                let accepted = self.types.accept_grant(row);
                dropped.grants += u64::from(!accepted);
                accepted
            });
            match (accepted, addition) {
                (Some(row), addition) => self.direct(row, addition.as_ref(), additions, dropped)?,
                (None, Some(addition)) => newcomers.write(&addition, additions, self)?,
                (None, None) => {}
            }
        }
        dropped.duplicates += rows.duplicates();
        Ok(newcomers.written)
    }

    /// Writes a grant of the connector, with the sources that expansion adds.
    fn direct(
        &mut self,
        row: StagedGrant<'_>,
        addition: Option<&Addition>,
        additions: &Additions,
        dropped: &mut Dropped,
    ) -> Result<(), SealError> {
        let narrowed;
        let mut expansion = row.expansion;
        if !expansion.is_empty() {
            match self.types.narrow(expansion) {
                Narrowed::Whole => {}
                Narrowed::Part(part) => {
                    dropped.narrowed_expansions += 1;
                    narrowed = part;
                    expansion = &narrowed;
                }
                Narrowed::Nothing => {
                    dropped.expansions += 1;
                    expansion = &[];
                }
            }
        }
        let mut sources = row.sources;
        if let Some(addition) = addition {
            if sources.is_empty() {
                // The grant was there before: the connector is one of its sources.
                sources.insert(Cow::Borrowed(row.entitlement), true);
            }
            contribute(addition, additions, &mut sources);
        }
        self.one(&GrantRow {
            id: row.id,
            resource_type: row.resource_type,
            resource: row.resource,
            entitlement: row.entitlement,
            principal_type: row.principal_type,
            principal: row.principal,
            expansion,
            entitlement_message: row.entitlement_message,
            principal_message: row.principal_message,
            annotations: &row.annotations,
            sources: &sources,
        })
    }

    fn one(&mut self, row: &GrantRow<'_>) -> Result<(), SealError> {
        self.writer.grant(row)?;
        self.tally.grant(row.resource_type, row.resource);
        Ok(())
    }
}

fn contribute<'a>(addition: &Addition, additions: &'a Additions, sources: &mut BTreeMap<Cow<'a, str>, bool>) {
    for (source, direct) in &addition.contributions {
        *sources.entry(Cow::Borrowed(additions.entitlement(*source))).or_default() |= direct;
    }
}

/// Writes the grants that exist by expansion alone.
struct Newcomers {
    /// The encoded annotation that all of them bear.
    immutable: Vec<u8>,
    /// The entitlement of the last one: the next is likely to have the same.
    entitlement: Option<(i64, EntitlementRow)>,
    principal: Vec<u8>,
    written: u64,
}

impl Newcomers {
    fn new() -> Self {
        let immutable = Any { type_url: v2::GrantImmutable::type_url(), value: Vec::new() };
        Self { immutable: immutable.encode_to_vec(), entitlement: None, principal: Vec::new(), written: 0 }
    }

    fn write(
        &mut self,
        addition: &Addition,
        additions: &Additions,
        grants: &mut Grants<'_>,
    ) -> Result<(), SealError> {
        // Only edges between stored entitlements lead here.
        let Some(row) = additions.row(addition.destination) else { return Ok(()) };
        let entitlement = match &mut self.entitlement {
            Some((last, entitlement)) if *last == row => entitlement,
            other => &mut other.insert((row, grants.writer.stored_entitlement(row)?)).1,
        };
        additions.principal_message(addition.principal, &mut self.principal)?;
        let id = additions.entitlement(addition.destination);
        let (principal_type, principal) = additions.principal(addition.principal);
        let mut sources = BTreeMap::new();
        contribute(addition, additions, &mut sources);
        grants.one(&GrantRow {
            id: &[id, principal_type, principal].join(":"),
            resource_type: &entitlement.resource_type,
            resource: &entitlement.resource,
            entitlement: id,
            principal_type,
            principal,
            expansion: &[],
            entitlement_message: &entitlement.data,
            principal_message: &self.principal,
            annotations: &[&self.immutable],
            sources: &sources,
        })?;
        self.written += 1;
        Ok(())
    }
}
