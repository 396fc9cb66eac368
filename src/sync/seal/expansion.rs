//! Feeds staged grants to the expansion, and keeps what it derives on disk, ordered as the grants are.

use std::io;
use std::path::PathBuf;

use prost::Message;
use string_interner::backend::StringBackend;
use string_interner::symbol::SymbolU32;
use string_interner::{StringInterner, Symbol};

use super::ingest::{Narrowed, Types};
use super::pool::{Pool, PoolWriter};
use super::{Dropped, Pulse, SealError};
use crate::baton::v2;
use crate::c1z::{self, Merge, Sorted, Sorter, Staged, StagedEntitlement, StagedGrant};
use crate::expand::{Derived, Edge, Plan};

/// Bytes of derived grants held in memory before a sorted run is written.
const MANY: usize = 4 * 1024 * 1024;

/// The entitlements that take part in expansion, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    entitlements: Names,
    /// By entitlement.
    nodes: Vec<Node>,
    principal_types: Names,
    plan: Plan,
    edges: Vec<Edge>,
}

/// An entitlement that takes part in expansion.
#[derive(Debug, Default)]
struct Node {
    /// Its row, once it is stored.
    row: Option<i64>,
    /// The grants that expand by it. All of them must be grants to the resource of the entitlement.
    asked: Option<Box<Asked>>,
}

#[derive(Debug)]
struct Asked {
    principal: (String, String),
    destination: u32,
    /// The first that names another principal: one of the two is wrong.
    other: Option<((String, String), u32)>,
}

impl Expansion {
    /// Finds the edges of the graph.
    pub(super) fn collect(
        &mut self,
        staged: &Staged,
        types: &Types,
        pulse: &mut Pulse<'_>,
    ) -> Result<(), SealError> {
        let mut rows = staged.grants()?;
        while let Some(row) = rows.next_row()? {
            pulse.beat()?;
            if row.expansion.is_empty() || !types.accept_grant(&row) {
                continue;
            }
            let expandable = match types.narrow(row.expansion) {
                Narrowed::Nothing => continue,
                Narrowed::Whole => v2::GrantExpandable::decode(row.expansion),
                Narrowed::Part(narrowed) => v2::GrantExpandable::decode(narrowed.as_slice()),
            };
            if let Ok(expandable) = expandable {
                self.add(&row, &expandable);
            }
        }
        Ok(())
    }

    fn add(&mut self, row: &StagedGrant<'_>, expandable: &v2::GrantExpandable) {
        let filter = expandable.resource_type_ids.iter().map(|id| self.principal_types.number(id)).collect();
        let filter = self.plan.filter(filter);
        let destination = self.node(row.entitlement);
        for id in expandable.entitlement_ids.iter().filter(|id| !id.trim().is_empty()) {
            let source = self.node(id);
            self.edges.push(Edge { source, destination, shallow: expandable.shallow, filter });
            let Some(node) = self.nodes.get_mut(source as usize) else { continue };
            let principal = (row.principal_type, row.principal);
            let owned = || (principal.0.to_owned(), principal.1.to_owned());
            match &mut node.asked {
                None => {
                    node.asked = Some(Box::new(Asked { principal: owned(), destination, other: None }));
                }
                Some(asked) => {
                    let same = principal == (asked.principal.0.as_str(), asked.principal.1.as_str());
                    if !same && asked.other.is_none() {
                        asked.other = Some((owned(), destination));
                    }
                }
            }
        }
    }

    fn node(&mut self, entitlement: &str) -> u32 {
        let number = self.entitlements.number(entitlement);
        if self.nodes.len() <= number as usize {
            self.nodes.resize_with(number as usize + 1, Node::default);
        }
        number
    }

    /// Whether any grant asks to be expanded.
    pub(super) fn is_asked_for(&self) -> bool {
        !self.edges.is_empty()
    }

    /// Takes note of a stored entitlement.
    ///
    /// # Errors
    /// [`SealError::ExpansionSource`] when a grant expands by it to a principal that is not its resource.
    pub(super) fn stored(&mut self, row: &StagedEntitlement<'_>, stored: i64) -> Result<(), SealError> {
        let Some(number) = self.entitlements.find(row.id) else { return Ok(()) };
        let Some(node) = self.nodes.get_mut(number as usize) else { return Ok(()) };
        node.row = Some(stored);
        let Some(asked) = &node.asked else { return Ok(()) };
        let first = (&asked.principal, asked.destination);
        let all =
            [Some(first), asked.other.as_ref().map(|(principal, destination)| (principal, *destination))];
        let mismatch = all
            .into_iter()
            .flatten()
            .find(|((kind, id), _)| (kind.as_str(), id.as_str()) != (row.resource_type, row.resource));
        let Some(((kind, id), destination)) = mismatch else { return Ok(()) };
        Err(SealError::ExpansionSource {
            destination: self.entitlements.name(destination).to_owned(),
            principal: format!("{kind}:{id}"),
            source_entitlement: row.id.to_owned(),
            resource: format!("{}:{}", row.resource_type, row.resource),
        })
    }

    /// Derives all grants. Edges from or to entitlements that are not stored are dropped and counted.
    pub(super) fn run(
        mut self,
        staged: &Staged,
        types: &Types,
        pulse: &mut Pulse<'_>,
        dropped: &mut Dropped,
    ) -> Result<Additions, SealError> {
        let rows: Vec<Option<i64>> = self.nodes.drain(..).map(|node| node.row).collect();
        let is_stored = |entitlement: u32| rows.get(entitlement as usize).is_some_and(Option::is_some);
        let mut is_source = vec![false; rows.len()];
        for edge in std::mem::take(&mut self.edges) {
            if is_stored(edge.source) && is_stored(edge.destination) {
                self.plan.edge(edge);
                if let Some(slot) = is_source.get_mut(edge.source as usize) {
                    *slot = true;
                }
            } else {
                dropped.edges += 1;
            }
        }

        let path = staged.directory().join("principals");
        let failed = |source| c1z::Error::Io { action: "write", path: path.clone(), source };
        let mut pool = PoolWriter::create(&path).map_err(failed)?;
        let mut principals = Names::default();
        if is_source.contains(&true) {
            let mut grants = staged.grants()?;
            while let Some(row) = grants.next_row()? {
                pulse.beat()?;
                let entitlement = self.entitlements.find(row.entitlement);
                let Some(entitlement) =
                    entitlement.filter(|number| is_source.get(*number as usize) == Some(&true))
                else {
                    continue;
                };
                if !types.accept_grant(&row) {
                    continue;
                }
                let known = principals.len();
                let principal = principals.number(&[row.principal_type, row.principal].join(SEPARATOR));
                if principal as usize == known {
                    self.plan.principal(self.principal_types.number(row.principal_type));
                    pool.push(row.principal_message).map_err(failed)?;
                }
                self.plan.grant(entitlement, principal, row.is_direct());
            }
        }
        let pool = pool.finish().map_err(failed)?;

        let mut sorter = Sorter::new(staged.directory(), "derived", MANY);
        let entitlements = self.entitlements;
        let mut record = Vec::new();
        self.plan.run(|derived| {
            pulse.beat()?;
            let key =
                [entitlements.name(derived.destination), principals.name(derived.principal)].join(SEPARATOR);
            encode(&derived, &mut record);
            sorter.push(key.as_bytes(), &record)
        })?;
        let derived = sorter.finish()?;
        Ok(Additions {
            merge: derived.read()?,
            _derived: derived,
            entitlements,
            rows,
            principals,
            pool,
            path,
        })
    }
}

/// What expansion derived, in the order of the staged grants.
#[derive(Debug)]
pub(super) struct Additions {
    merge: Merge,
    entitlements: Names,
    /// The rows of the entitlements.
    rows: Vec<Option<i64>>,
    principals: Names,
    /// The encoded principals.
    pool: Pool,
    path: PathBuf,
    _derived: Sorted,
}

/// What expansion derived for one pair of entitlement and principal.
#[derive(Clone, Debug, Default)]
pub(super) struct Addition {
    /// The entitlement received.
    pub(super) destination: u32,
    /// The principal that receives it.
    pub(super) principal: u32,
    /// The entitlements through which it came, and whether they are held directly.
    pub(super) contributions: Vec<(u32, bool)>,
}

impl Additions {
    /// The key of the addition that comes next, comparable to [`StagedGrant::key`].
    pub(super) fn peek(&self) -> Option<&[u8]> {
        self.merge.peek()
    }

    /// The next addition.
    pub(super) fn next(&mut self) -> Result<Option<Addition>, c1z::Error> {
        Ok(self.merge.next()?.map(|(_, record)| decode(record)))
    }

    /// The id of an entitlement.
    pub(super) fn entitlement(&self, entitlement: u32) -> &str {
        self.entitlements.name(entitlement)
    }

    /// The row of an entitlement.
    pub(super) fn row(&self, entitlement: u32) -> Option<i64> {
        self.rows.get(entitlement as usize).copied().flatten()
    }

    /// Type and id of a principal.
    pub(super) fn principal(&self, principal: u32) -> (&str, &str) {
        self.principals.name(principal).split_once(SEPARATOR).unwrap_or_default()
    }

    /// Replaces the content of `into` by the encoded principal.
    pub(super) fn principal_message(&self, principal: u32, into: &mut Vec<u8>) -> Result<(), c1z::Error> {
        let failed = |source: io::Error| c1z::Error::Io { action: "read", path: self.path.clone(), source };
        self.pool.read(principal as usize, into).map_err(failed)
    }
}

/// Keeps the parts of a key apart; no id has it.
const SEPARATOR: &str = "\0";

fn encode(derived: &Derived<'_>, record: &mut Vec<u8>) {
    record.clear();
    record.extend_from_slice(&derived.destination.to_le_bytes());
    record.extend_from_slice(&derived.principal.to_le_bytes());
    for contribution in derived.contributions {
        record.extend_from_slice(&contribution.source.to_le_bytes());
        record.push(u8::from(contribution.direct));
    }
}

fn decode(record: &[u8]) -> Addition {
    let mut rest = record;
    let mut number = || {
        let (bytes, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        Some(u32::from_le_bytes(*bytes))
    };
    let (destination, principal) = (number().unwrap_or_default(), number().unwrap_or_default());
    let contributions = rest
        .chunks_exact(5)
        .filter_map(|one| {
            let (source, direct) = one.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*source), direct.first() == Some(&1)))
        })
        .collect();
    Addition { destination, principal, contributions }
}

/// Names, numbered from zero as they come.
#[derive(Debug, Default)]
struct Names(StringInterner<StringBackend<SymbolU32>>);

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        dense(self.0.get_or_intern(name))
    }

    fn find(&self, name: &str) -> Option<u32> {
        self.0.get(name).map(dense)
    }

    /// The name with that number; empty if there is none.
    fn name(&self, number: u32) -> &str {
        SymbolU32::try_from_usize(number as usize)
            .and_then(|symbol| self.0.resolve(symbol))
            .unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// The number of a symbol, which its type bounds.
fn dense(symbol: SymbolU32) -> u32 {
    u32::try_from(symbol.to_usize()).unwrap_or(u32::MAX)
}
