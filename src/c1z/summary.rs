//! What the row of a sync says about the sync as a whole.

use std::collections::BTreeMap;

use serde::Serialize;

/// Rows of one resource type; grants count for the type of their entitlement's resource.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TypeCounts {
    /// Resources of the type.
    pub resources: u64,
    /// Entitlements of these resources.
    pub entitlements: u64,
    /// Grants of these entitlements, derived ones included.
    pub grants: u64,
}

/// Why a sync holds less than the connector listed.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each a flag of the token")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quality {
    /// Entitlements were dropped since the type of their resource is not part of the sync.
    pub dropped_entitlements: bool,
    /// Grants were dropped since a type that they refer to is not part of the sync.
    pub dropped_grants: bool,
    /// Types that are not part of the sync were removed from an expansion's filter.
    pub narrowed_expansions: bool,
    /// Expansions were removed since nothing of their filter was left.
    pub dropped_expansions: bool,
}

impl Quality {
    /// Always set in files of this version: references between rows are not checked.
    const UNCHECKED: u32 = 32;

    fn flags(self) -> u32 {
        [
            (self.dropped_entitlements, 1),
            (self.dropped_grants, 2),
            (self.narrowed_expansions, 8),
            (self.dropped_expansions, 16),
        ]
        .into_iter()
        .filter(|(set, _)| *set)
        .fold(Self::UNCHECKED, |flags, (_, bit)| flags | bit)
    }
}

/// The token of a finished sync: how it was made, for whoever continues or expands it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Token {
    /// Steps that the sync took.
    pub steps: u64,
    /// Whether grants were expanded because at least one asked for it.
    pub needs_expansion: bool,
    /// Whether entitlements and grants were left out on request.
    pub skips_entitlements_and_grants: bool,
    /// Whether grants were left out on request.
    pub skips_grants: bool,
    /// What was dropped; not told when only resources were wanted.
    pub quality: Quality,
}

impl Token {
    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        let told = !self.skips_entitlements_and_grants;
        serde_json::to_string(&TokenJson {
            current_action_id: self.steps,
            needs_expansion: self.needs_expansion,
            should_skip_entitlements_and_grants: self.skips_entitlements_and_grants,
            should_skip_grants: self.skips_grants,
            completed_actions_count: self.steps,
            ingest_quality: QualityJson {
                source_cache_replay_blocked: told,
                reason_flags: if told { self.quality.flags() } else { 0 },
            },
            version: 1,
        })
    }
}

#[derive(Serialize)]
struct TokenJson {
    current_action_id: u64,
    #[serde(skip_serializing_if = "is_default")]
    needs_expansion: bool,
    #[serde(skip_serializing_if = "is_default")]
    should_skip_entitlements_and_grants: bool,
    #[serde(skip_serializing_if = "is_default")]
    should_skip_grants: bool,
    completed_actions_count: u64,
    ingest_quality: QualityJson,
    version: u32,
}

#[derive(Serialize)]
struct QualityJson {
    #[serde(skip_serializing_if = "is_default")]
    source_cache_replay_blocked: bool,
    #[serde(skip_serializing_if = "is_default")]
    reason_flags: u32,
}

/// The counts of all rows, as the file keeps them.
pub(super) fn stats(types: &BTreeMap<String, TypeCounts>) -> Result<String, serde_json::Error> {
    let sum = |count: fn(&TypeCounts) -> u64| types.values().map(count).sum();
    let present = |count: fn(&TypeCounts) -> u64| {
        types
            .iter()
            .map(|(id, counts)| (id.as_str(), count(counts)))
            .filter(|(_, count)| *count > 0)
            .collect()
    };
    serde_json::to_string(&StatsJson {
        resource_types: types.len() as u64,
        resources: sum(|counts| counts.resources),
        entitlements: sum(|counts| counts.entitlements),
        grants: sum(|counts| counts.grants),
        resources_by_resource_type: types
            .iter()
            .map(|(id, counts)| (id.as_str(), counts.resources))
            .collect(),
        grants_by_resource_type: present(|counts| counts.grants),
        entitlements_by_resource_type: present(|counts| counts.entitlements),
    })
}

#[derive(Serialize)]
struct StatsJson<'a> {
    #[serde(skip_serializing_if = "is_default")]
    resource_types: u64,
    #[serde(skip_serializing_if = "is_default")]
    resources: u64,
    #[serde(skip_serializing_if = "is_default")]
    entitlements: u64,
    #[serde(skip_serializing_if = "is_default")]
    grants: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    resources_by_resource_type: BTreeMap<&'a str, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    grants_by_resource_type: BTreeMap<&'a str, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    entitlements_by_resource_type: BTreeMap<&'a str, u64>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Quality, Token, TypeCounts, stats};

    #[test]
    fn tokens_read_as_those_of_other_connectors() {
        let expanded = Token { steps: 15, needs_expansion: true, ..Token::default() };
        assert_eq!(
            expanded.json().unwrap(),
            r#"{"current_action_id":15,"needs_expansion":true,"completed_actions_count":15,"ingest_quality":{"source_cache_replay_blocked":true,"reason_flags":32},"version":1}"#
        );
        let resources_only = Token { steps: 5, skips_entitlements_and_grants: true, ..Token::default() };
        assert_eq!(
            resources_only.json().unwrap(),
            r#"{"current_action_id":5,"should_skip_entitlements_and_grants":true,"completed_actions_count":5,"ingest_quality":{},"version":1}"#
        );
        let quality = Quality { dropped_entitlements: true, dropped_expansions: true, ..Quality::default() };
        let dropped = Token { steps: 9, skips_grants: true, quality, ..Token::default() };
        assert_eq!(
            dropped.json().unwrap(),
            r#"{"current_action_id":9,"should_skip_grants":true,"completed_actions_count":9,"ingest_quality":{"source_cache_replay_blocked":true,"reason_flags":49},"version":1}"#
        );
    }

    #[test]
    fn stats_leave_out_what_is_zero_but_name_every_type() {
        let types = BTreeMap::from([
            ("group".to_owned(), TypeCounts { resources: 2, entitlements: 2, grants: 7 }),
            ("user".to_owned(), TypeCounts { resources: 3, ..TypeCounts::default() }),
            ("vault".to_owned(), TypeCounts::default()),
        ]);
        assert_eq!(
            stats(&types).unwrap(),
            r#"{"resource_types":3,"resources":5,"entitlements":2,"grants":7,"resources_by_resource_type":{"group":2,"user":3,"vault":0},"grants_by_resource_type":{"group":7},"entitlements_by_resource_type":{"group":2}}"#
        );
    }
}
