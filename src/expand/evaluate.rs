//! Carries grants along the collapsed graph, one destination at a time.

use std::collections::HashMap;

use super::graph::{self, Incoming};
use super::{Contribution, Derived, Member, Plan};

pub(super) fn run<E>(mut plan: Plan, mut emit: impl FnMut(Derived<'_>) -> Result<(), E>) -> Result<(), E> {
    let nodes = graph::nodes(&plan.edges, &plan.filters);
    let mut holders = Holders::new(std::mem::take(&mut plan.members));
    let mut unserved: Vec<usize> = nodes.iter().map(|node| node.outgoing).collect();
    let mut flow = Vec::new();
    let mut contributions = Vec::new();

    for node in &nodes {
        for &destination in &node.entitlements {
            flow.clear();
            for incoming in &node.incoming {
                let sources = nodes.get(incoming.node).map_or(&[][..], |node| node.entitlements.as_slice());
                for &source in sources {
                    let passing = holders
                        .of(source)
                        .iter()
                        .filter(|holder| passes(**holder, incoming, &plan.principal_types));
                    flow.extend(passing.map(|holder| Flow {
                        principal: holder.principal,
                        source,
                        direct: holder.direct,
                    }));
                }
            }
            flow.sort_unstable();
            for of_principal in flow.chunk_by(|one, other| one.principal == other.principal) {
                let Some(&Flow { principal, .. }) = of_principal.first() else { continue };
                contributions.clear();
                contributions.extend(
                    of_principal.iter().map(|flow| Contribution { source: flow.source, direct: flow.direct }),
                );
                emit(Derived { destination, principal, contributions: &contributions })?;
            }
            if node.outgoing > 0 && !flow.is_empty() {
                holders.receive(destination, &flow);
            }
        }
        for incoming in &node.incoming {
            if let (Some(left), Some(source)) = (unserved.get_mut(incoming.node), nodes.get(incoming.node)) {
                *left -= 1;
                if *left == 0 {
                    holders.forget(&source.entitlements);
                }
            }
        }
    }
    Ok(())
}

/// One holder of a source on the way to a destination. Ordered by principal, then source.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Flow {
    principal: u32,
    source: u32,
    direct: bool,
}

fn passes(holder: Member, incoming: &Incoming, principal_types: &[u32]) -> bool {
    let type_passes = || match (&incoming.types, principal_types.get(holder.principal as usize)) {
        (None, _) => true,
        (Some(types), Some(principal_type)) => types.binary_search(principal_type).is_ok(),
        (Some(_), None) => false,
    };
    (holder.direct || !incoming.shallow) && type_passes()
}

/// Who holds what: the grants given, and those derived for entitlements that still deliver.
struct Holders {
    given: Vec<Member>,
    /// Replaces what was given, by entitlement.
    complete: HashMap<u32, Vec<Member>>,
}

impl Holders {
    fn new(mut given: Vec<Member>) -> Self {
        given.sort_unstable();
        // Of several grants for one pair, a direct one makes the pair direct.
        given.dedup_by(|later, earlier| {
            let same = (later.entitlement, later.principal) == (earlier.entitlement, earlier.principal);
            earlier.direct |= same && later.direct;
            same
        });
        Self { given, complete: HashMap::new() }
    }

    /// The holders of `entitlement`, by principal.
    fn of(&self, entitlement: u32) -> &[Member] {
        if let Some(complete) = self.complete.get(&entitlement) {
            return complete;
        }
        let start = self.given.partition_point(|member| member.entitlement < entitlement);
        let end = self.given.partition_point(|member| member.entitlement <= entitlement);
        self.given.get(start..end).unwrap_or_default()
    }

    /// Adds the principals of `flow`. Whoever held `entitlement` before stays as direct as before.
    fn receive(&mut self, entitlement: u32, flow: &[Flow]) {
        let mut complete = self.of(entitlement).to_vec();
        complete.extend(flow.iter().map(|flow| Member {
            entitlement,
            principal: flow.principal,
            direct: false,
        }));
        // Stable, so that of one principal the member that was there comes first and stays.
        complete.sort_by_key(|member| member.principal);
        complete.dedup_by_key(|member| member.principal);
        self.complete.insert(entitlement, complete);
    }

    /// Frees what was derived for entitlements that have delivered to all.
    fn forget(&mut self, entitlements: &[u32]) {
        for entitlement in entitlements {
            self.complete.remove(entitlement);
        }
    }
}
