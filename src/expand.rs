//! Grant expansion: who else holds an entitlement because a group, or another entitlement, was granted it.
//!
//! Pure: entitlements, principals and principal types are dense numbers that the caller hands out, and what is
//! derived goes to a callback. The result equals that of the topological evaluator of the Baton SDK, cycles
//! included: the entitlements of a cycle are collapsed into one node and do *not* receive each other's grants.

mod evaluate;
mod graph;
#[cfg(test)]
mod model;

use std::collections::BTreeMap;

/// A set of principal types that an edge lets through; see [`Plan::filter`].
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Filter(u32);

impl Filter {
    /// Every principal passes.
    pub const NONE: Self = Self(0);
}

/// Holders of `source` also hold `destination`.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Entitlement whose holders flow.
    pub source: u32,
    /// Entitlement that they receive.
    pub destination: u32,
    /// Whether only those flow who hold `source` directly.
    pub shallow: bool,
    /// Principal types that flow.
    pub filter: Filter,
}

/// One source of a derived grant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Contribution {
    /// Entitlement through which the grant came; always a direct predecessor of the destination.
    pub source: u32,
    /// Whether the principal holds that entitlement directly.
    pub direct: bool,
}

/// What expansion adds for one principal on one entitlement: to the grant that is there, else as a new one.
#[derive(Clone, Copy, Debug)]
pub struct Derived<'a> {
    /// Entitlement received.
    pub destination: u32,
    /// Principal that receives it.
    pub principal: u32,
    /// Through what, ordered by source; never empty, never the destination itself.
    pub contributions: &'a [Contribution],
}

/// The input of one expansion.
///
/// Holds 12 bytes per grant and 16 bytes per edge. Principals and grants matter only where the entitlement is the
/// source of an edge; grants of other entitlements need not be given.
#[derive(Debug, Default)]
pub struct Plan {
    edges: Vec<Edge>,
    members: Vec<Member>,
    /// By principal.
    principal_types: Vec<u32>,
    filters: BTreeMap<Vec<u32>, Filter>,
}

/// A principal holds an entitlement. Ordered by entitlement, then principal.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Member {
    entitlement: u32,
    principal: u32,
    direct: bool,
}

impl Plan {
    /// An expansion without edges.
    pub fn new() -> Self {
        Self::default()
    }

    /// The filter that lets the given principal types through; an empty list means [`Filter::NONE`].
    pub fn filter(&mut self, mut principal_types: Vec<u32>) -> Filter {
        principal_types.sort_unstable();
        principal_types.dedup();
        if principal_types.is_empty() {
            return Filter::NONE;
        }
        let next = Filter(u32::try_from(self.filters.len()).unwrap_or(u32::MAX).saturating_add(1));
        *self.filters.entry(principal_types).or_insert(next)
    }

    /// Adds an edge. Parallel edges merge: shallow only if all are, filtered only if all are, by the union.
    pub fn edge(&mut self, edge: Edge) {
        self.edges.push(edge);
    }

    /// Adds the next principal, which gets the number of principals so far as its own.
    pub fn principal(&mut self, principal_type: u32) {
        self.principal_types.push(principal_type);
    }

    /// Adds a grant. It is `direct` if it has no sources, or its own entitlement among them.
    pub fn grant(&mut self, entitlement: u32, principal: u32, direct: bool) {
        self.members.push(Member { entitlement, principal, direct });
    }

    /// Derives all grants, in topological order of their entitlements and by principal within one.
    ///
    /// Takes memory for the grants of entitlements that still have successors to serve, never for the whole
    /// result.
    ///
    /// # Errors
    /// Whatever `emit` returns; it ends the expansion.
    pub fn run<E>(self, emit: impl FnMut(Derived<'_>) -> Result<(), E>) -> Result<(), E> {
        evaluate::run(self, emit)
    }
}
