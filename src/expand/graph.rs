//! The graph of entitlements with its cycles collapsed, in topological order.

use std::collections::BTreeMap;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

use super::{Edge, Filter};

/// A node of the collapsed graph: one entitlement, or all entitlements of a cycle.
#[derive(Debug)]
pub(super) struct Node {
    /// In ascending order.
    pub(super) entitlements: Vec<u32>,
    /// In ascending order of their source.
    pub(super) incoming: Vec<Incoming>,
    /// How many nodes take from this one.
    pub(super) outgoing: usize,
}

/// All edges from one node to another, merged.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Position of the node that delivers.
    pub(super) node: usize,
    pub(super) shallow: bool,
    /// Principal types that pass, sorted; none: all.
    pub(super) types: Option<Vec<u32>>,
}

/// The nodes such that each comes after all that deliver to it.
pub(super) fn nodes(edges: &[Edge], filters: &BTreeMap<Vec<u32>, Filter>) -> Vec<Node> {
    let graph = DiGraph::<(), (), u32>::from_edges(edges.iter().map(|edge| (edge.source, edge.destination)));
    let mut node_of = vec![0_usize; graph.node_count()];
    // The algorithm yields each component after those that it leads to.
    let mut nodes: Vec<Node> = kosaraju_scc(&graph)
        .into_iter()
        .rev()
        .map(|component| {
            let mut entitlements: Vec<u32> =
                component.iter().filter_map(|index| u32::try_from(index.index()).ok()).collect();
            entitlements.sort_unstable();
            Node { entitlements, incoming: Vec::new(), outgoing: 0 }
        })
        .collect();
    drop(graph);
    for (position, node) in nodes.iter().enumerate() {
        for entitlement in &node.entitlements {
            if let Some(slot) = node_of.get_mut(*entitlement as usize) {
                *slot = position;
            }
        }
    }

    let at = |entitlement: u32| node_of.get(entitlement as usize).copied().unwrap_or_default();
    let mut between: Vec<(usize, usize, bool, Filter)> = edges
        .iter()
        .map(|edge| (at(edge.destination), at(edge.source), edge.shallow, edge.filter))
        // What runs within a cycle vanishes with it.
        .filter(|(destination, source, ..)| destination != source)
        .collect();
    between.sort_unstable();

    let types: BTreeMap<Filter, &Vec<u32>> = filters.iter().map(|(types, filter)| (*filter, types)).collect();
    for parallel in between.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
        let Some(&(destination, source, ..)) = parallel.first() else { continue };
        let incoming = Incoming {
            node: source,
            shallow: parallel.iter().all(|(_, _, shallow, _)| *shallow),
            types: union(parallel.iter().map(|(_, _, _, filter)| types.get(filter).copied())),
        };
        if let Some(node) = nodes.get_mut(destination) {
            node.incoming.push(incoming);
        }
        if let Some(node) = nodes.get_mut(source) {
            node.outgoing += 1;
        }
    }
    nodes
}

/// The union of the filters; no filter if one of them is none.
fn union<'a>(filters: impl Iterator<Item = Option<&'a Vec<u32>>>) -> Option<Vec<u32>> {
    let mut union = Vec::new();
    for types in filters {
        union.extend_from_slice(types?);
    }
    union.sort_unstable();
    union.dedup();
    Some(union)
}
