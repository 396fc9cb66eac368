//! The vectors that the evaluators of the Baton SDK agree on, and a comparison with an expander that is too
//! simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Edge, Plan};

/// By source entitlement: whether the principal holds that one directly.
type Sources = BTreeMap<String, bool>;
/// By entitlement and principal (`type name`). Several grants of a pair are out of scope here.
type Grants = BTreeMap<(String, String), Sources>;

#[derive(Clone, Debug)]
struct Expandable {
    source: String,
    destination: String,
    shallow: bool,
    types: BTreeSet<String>,
}

#[derive(Clone, Debug, Default)]
struct Case {
    /// Entitlements that are stored.
    stored: BTreeSet<String>,
    grants: Grants,
    edges: Vec<Expandable>,
}

fn is_direct(sources: &Sources, entitlement: &str) -> bool {
    sources.is_empty() || sources.contains_key(entitlement)
}

/// Writes what was derived as the file would show it.
fn receive(grants: &mut Grants, destination: &str, principal: &str, contributions: Sources) {
    let key = (destination.to_owned(), principal.to_owned());
    match grants.get_mut(&key) {
        None => {
            grants.insert(key, contributions);
        }
        Some(sources) => {
            if sources.is_empty() {
                sources.insert(destination.to_owned(), true);
            }
            for (source, direct) in contributions {
                *sources.entry(source).or_default() |= direct;
            }
        }
    }
}

impl Case {
    fn live_edges(&self) -> Vec<&Expandable> {
        let stored = |edge: &&Expandable| {
            self.stored.contains(&edge.source) && self.stored.contains(&edge.destination)
        };
        self.edges.iter().filter(stored).collect()
    }

    /// Expands with the code under test.
    fn expanded(&self) -> Grants {
        let mut plan = Plan::new();
        let entitlements: Vec<String> = self
            .live_edges()
            .iter()
            .flat_map(|edge| [edge.source.clone(), edge.destination.clone()])
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let number = |name: &str| entitlements.binary_search_by(|other| other.as_str().cmp(name)).ok();
        let types: Vec<String> = self
            .edges
            .iter()
            .flat_map(|edge| edge.types.iter().cloned())
            .chain(self.grants.keys().map(|(_, principal)| type_of(principal).to_owned()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let type_number = |name: &str| {
            u32::try_from(types.binary_search_by(|other| other.as_str().cmp(name)).unwrap()).unwrap()
        };
        for edge in self.live_edges() {
            let filter = plan.filter(edge.types.iter().map(|name| type_number(name)).collect());
            plan.edge(Edge {
                source: u32::try_from(number(&edge.source).unwrap()).unwrap(),
                destination: u32::try_from(number(&edge.destination).unwrap()).unwrap(),
                shallow: edge.shallow,
                filter,
            });
        }
        let principals: Vec<String> = self
            .grants
            .keys()
            .map(|(_, principal)| principal.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        for principal in &principals {
            plan.principal(type_number(type_of(principal)));
        }
        for ((entitlement, principal), sources) in &self.grants {
            if let Some(entitlement_number) = number(entitlement) {
                let principal = u32::try_from(principals.binary_search(principal).unwrap()).unwrap();
                plan.grant(
                    u32::try_from(entitlement_number).unwrap(),
                    principal,
                    is_direct(sources, entitlement),
                );
            }
        }
        let mut grants = self.grants.clone();
        plan.run(|derived| {
            let contributions = derived
                .contributions
                .iter()
                .map(|one| (entitlements[one.source as usize].clone(), one.direct))
                .collect();
            let destination = &entitlements[derived.destination as usize];
            receive(&mut grants, destination, &principals[derived.principal as usize], contributions);
            Ok::<(), ()>(())
        })
        .unwrap();
        grants
    }

    /// Expands as the rules read: reachability decides what a cycle is, and a node waits for all before it.
    fn expanded_naively(&self) -> Grants {
        let edges = self.live_edges();
        let names: BTreeSet<&str> =
            edges.iter().flat_map(|edge| [edge.source.as_str(), edge.destination.as_str()]).collect();
        let mut reach: BTreeSet<(&str, &str)> =
            edges.iter().map(|edge| (edge.source.as_str(), edge.destination.as_str())).collect();
        for middle in &names {
            for from in &names {
                for to in &names {
                    if reach.contains(&(*from, *middle)) && reach.contains(&(*middle, *to)) {
                        reach.insert((*from, *to));
                    }
                }
            }
        }
        let together = |a: &str, b: &str| a == b || (reach.contains(&(a, b)) && reach.contains(&(b, a)));

        let mut grants = self.grants.clone();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        while done.len() < names.len() {
            let next = names
                .iter()
                .find(|name| {
                    !done.contains(*name)
                        && names.iter().all(|before| {
                            !reach.contains(&(*before, **name))
                                || together(before, name)
                                || done.contains(before)
                        })
                })
                .copied()
                .unwrap();
            let members: Vec<&str> = names.iter().filter(|name| together(name, next)).copied().collect();
            let before = grants.clone();
            for destination in &members {
                let mut contributions: BTreeMap<String, Sources> = BTreeMap::new();
                for source in names.iter().filter(|name| !together(name, next)) {
                    let between: Vec<&&Expandable> = edges
                        .iter()
                        .filter(|edge| together(&edge.source, source) && together(&edge.destination, next))
                        .collect();
                    if between.is_empty() {
                        continue;
                    }
                    let shallow = between.iter().all(|edge| edge.shallow);
                    let open = between.iter().any(|edge| edge.types.is_empty());
                    let types: BTreeSet<&String> =
                        between.iter().flat_map(|edge| edge.types.iter()).collect();
                    for ((entitlement, principal), sources) in &before {
                        let direct = is_direct(sources, entitlement);
                        let passes = open || types.contains(&type_of(principal).to_owned());
                        if entitlement == source && passes && (direct || !shallow) {
                            contributions
                                .entry(principal.clone())
                                .or_default()
                                .insert((*source).to_owned(), direct);
                        }
                    }
                }
                for (principal, contributions) in contributions {
                    receive(&mut grants, destination, &principal, contributions);
                }
            }
            done.extend(members);
        }
        grants
    }

    fn stored(mut self, names: &[&str]) -> Self {
        self.stored.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    fn holds(self, principal: &str, entitlement: &str) -> Self {
        self.holds_through(principal, entitlement, &[])
    }

    fn holds_through(mut self, principal: &str, entitlement: &str, sources: &[(&str, bool)]) -> Self {
        let sources = sources.iter().map(|(name, direct)| ((*name).to_owned(), *direct)).collect();
        self.grants.insert((entitlement.to_owned(), principal.to_owned()), sources);
        self
    }

    /// Group `source` is granted `destination`, so that its members receive it.
    fn nested(self, source: &str, destination: &str) -> Self {
        self.edge(source, destination, false, &[]).holds(&format!("group {source}"), destination)
    }

    fn edge(mut self, source: &str, destination: &str, shallow: bool, types: &[&str]) -> Self {
        self.edges.push(Expandable {
            source: source.to_owned(),
            destination: destination.to_owned(),
            shallow,
            types: types.iter().map(|name| (*name).to_owned()).collect(),
        });
        self
    }

    /// The grants that expansion added or changed.
    fn changes(&self) -> Vec<String> {
        self.expanded()
            .into_iter()
            .filter(|(key, sources)| self.grants.get(key) != Some(sources))
            .map(|((entitlement, principal), sources)| {
                let sign = if self.grants.contains_key(&(entitlement.clone(), principal.clone())) {
                    '~'
                } else {
                    '+'
                };
                let sources: Vec<String> =
                    sources.iter().map(|(source, direct)| format!("{source} {direct}")).collect();
                format!("{sign} {entitlement}: {principal} {{{}}}", sources.join(", "))
            })
            .collect()
    }
}

fn type_of(principal: &str) -> &str {
    principal.split(' ').next().unwrap_or_default()
}

fn chain() -> Case {
    Case::default().stored(&["A", "B", "C"]).holds("user u", "A").holds("user v", "B").holds("user w", "C")
}

#[test]
fn a_deep_chain_names_only_direct_predecessors() {
    let changes = chain().nested("A", "B").nested("B", "C").changes();
    assert_eq!(
        changes,
        ["+ B: user u {A true}", "+ C: group A {B true}", "+ C: user u {B false}", "+ C: user v {B true}",]
    );
}

#[test]
fn a_shallow_second_hop_stops_who_came_over_the_first() {
    let changes = chain().nested("A", "B").edge("B", "C", true, &[]).holds("group B", "C").changes();
    assert_eq!(changes, ["+ B: user u {A true}", "+ C: group A {B true}", "+ C: user v {B true}"]);
}

#[test]
fn a_filter_stops_other_principal_types() {
    let changes = Case::default()
        .stored(&["A", "B"])
        .holds("user u", "A")
        .holds("service s", "A")
        .edge("A", "B", false, &["user"])
        .holds("group A", "B")
        .changes();
    assert_eq!(changes, ["+ B: user u {A true}"]);
}

#[test]
fn a_direct_grant_keeps_itself_as_a_source() {
    let changes = Case::default()
        .stored(&["A", "B"])
        .holds("user u", "A")
        .holds("user u", "B")
        .nested("A", "B")
        .changes();
    assert_eq!(changes, ["~ B: user u {A true, B true}"]);
}

#[test]
fn two_paths_give_one_grant_with_two_sources() {
    let changes = Case::default()
        .stored(&["A", "B", "R"])
        .holds("user u", "A")
        .holds("user u", "B")
        .nested("A", "R")
        .nested("B", "R")
        .changes();
    assert_eq!(changes, ["+ R: user u {A true, B true}"]);
}

#[test]
fn sources_set_by_the_connector_make_a_grant_indirect() {
    let changes = Case::default()
        .stored(&["A", "B"])
        .holds_through("user u", "A", &[("ext:t:x", true)])
        .holds("user v", "A")
        .edge("A", "B", true, &[])
        .holds("group A", "B")
        .changes();
    assert_eq!(changes, ["+ B: user v {A true}"]);
}

#[test]
fn a_cycle_is_one_node_whose_members_do_not_share() {
    let changes = Case::default()
        .stored(&["A", "B", "X", "Y"])
        .holds("user u", "A")
        .holds("user v", "B")
        .holds("user w", "X")
        .nested("A", "B")
        .nested("B", "A")
        .nested("X", "A")
        .nested("B", "Y")
        .changes();
    assert_eq!(
        changes,
        [
            "+ A: user w {X true}",
            "+ B: user w {X true}",
            "+ Y: group A {B true}",
            "~ Y: group B {A true, Y true}",
            "+ Y: group X {A true}",
            "+ Y: user u {A true}",
            "+ Y: user v {B true}",
            "+ Y: user w {A false, B false}",
        ]
    );
}

#[test]
fn parallel_edges_merge_to_the_wider_one() {
    let changes = Case::default()
        .stored(&["A", "B"])
        .holds("user u", "A")
        .holds("service s", "A")
        .holds("role r", "A")
        .holds_through("user i", "A", &[("Z", true)])
        .edge("A", "B", true, &["user"])
        .edge("A", "B", false, &["service"])
        .changes();
    assert_eq!(changes, ["+ B: service s {A true}", "+ B: user i {A false}", "+ B: user u {A true}"]);
}

#[test]
fn a_chain_of_a_hundred_thousand_does_not_exhaust_the_stack() {
    let mut plan = Plan::new();
    plan.principal(0);
    plan.grant(0, 0, true);
    for source in 0..100_000 {
        plan.edge(Edge { source, destination: source + 1, shallow: false, filter: super::Filter::NONE });
    }
    let mut last = None;
    plan.run(|derived| {
        last = Some(derived.destination);
        Ok::<(), ()>(())
    })
    .unwrap();
    assert_eq!(last, Some(100_000));
}

#[test]
fn an_error_of_the_receiver_ends_the_expansion() {
    let mut plan = Plan::new();
    plan.principal(0);
    plan.grant(0, 0, true);
    plan.edge(Edge { source: 0, destination: 1, shallow: false, filter: super::Filter::NONE });
    assert_eq!(plan.run(|_| Err("full")), Err("full"));
}

fn case() -> impl Strategy<Value = Case> {
    let entitlement = || (0..8_u8).prop_map(|number| format!("e{number}"));
    let principal = (0..3_u8, 0..4_u8)
        .prop_map(|(kind, number)| format!("{} p{number}", ["user", "group", "service"][kind as usize]));
    let sources = prop_oneof![
        3 => Just(Sources::new()),
        1 => prop::collection::btree_map(entitlement(), any::<bool>(), 1..3),
    ];
    let grant = ((entitlement(), principal), sources);
    let types = prop_oneof![
        3 => Just(BTreeSet::new()),
        1 => prop::collection::btree_set(prop::sample::select(vec!["user", "group", "service"]), 1..3)
            .prop_map(|types| types.into_iter().map(str::to_owned).collect()),
    ];
    let edge = (entitlement(), entitlement(), any::<bool>(), types)
        .prop_map(|(source, destination, shallow, types)| Expandable { source, destination, shallow, types });
    let stored = prop::collection::btree_set(entitlement(), 5..=8);
    (stored, prop::collection::btree_map(grant.0, grant.1, 0..24), prop::collection::vec(edge, 0..14))
        .prop_map(|(stored, grants, edges)| Case { stored, grants, edges })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_graph_expands_as_the_rules_read(case in case()) {
        prop_assert_eq!(case.expanded(), case.expanded_naively());
    }
}
