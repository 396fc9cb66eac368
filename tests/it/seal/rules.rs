//! What may not go into a file, and what goes in although it looks wrong.

use batond::baton::v2;
use batond::baton::v2::resource_type::Trait;
use batond::c1z::Error;
use batond::sync::seal::{Contents, Dropped, SealError};
use prost::Message;

use super::desk::{
    Desk, Row, any, chain, entitlement, expandable, grant, nested, one, resource, resource_type,
};

fn refusal(rows: &[Row]) -> SealError {
    let desk = Desk::new();
    let refusal = desk.try_seal(rows, Contents::All, true).unwrap_err();
    assert_eq!(desk.files(), [] as [&str; 0], "a refusal leaves nothing");
    assert!(!refusal.is_retryable());
    refusal
}

fn dropped(extra: impl IntoIterator<Item = Row>) -> (Desk, Dropped) {
    let desk = Desk::new();
    let mut rows = chain();
    rows.extend(extra);
    let sealed = desk.seal(&rows);
    (desk, sealed.dropped)
}

#[test]
fn a_user_without_the_trait_of_users_is_refused() {
    let mut bare = resource("user", "bare");
    bare.annotations.clear();
    let mut rows = chain();
    rows.push(Row::Resource(bare));
    assert_eq!(
        refusal(&rows).to_string(),
        "user bare lacks the annotation UserTrait, which its type requires"
    );
}

#[test]
fn a_type_without_a_checked_trait_requires_no_annotation() {
    let (_, dropped) = dropped([
        Row::Type(resource_type("binding", &[Trait::ScopeBinding])),
        Row::Resource(resource("binding", "b")),
    ]);
    assert_eq!(dropped, Dropped::default());
}

fn excluding(of: &str, group: &str, is_default: bool) -> Row {
    let mut row = entitlement(of);
    row.annotations = vec![any(&v2::EntitlementExclusionGroup {
        exclusion_group_id: group.into(),
        is_default,
        ..Default::default()
    })];
    Row::Entitlement(row)
}

#[test]
fn exclusion_groups_keep_to_their_rules() {
    let fault = |extra: Vec<Row>| {
        let mut rows = chain();
        rows.extend(extra);
        refusal(&rows).to_string()
    };
    assert_eq!(
        fault(vec![excluding("group:x", "one", false), excluding("user:u", "one", false)]),
        "exclusion group one has entitlements of more than one resource type"
    );
    assert_eq!(
        fault(vec![excluding("group:x", "one", true), excluding("group:y", "one", true)]),
        "exclusion group one has more than one default"
    );
    assert_eq!(
        fault((0..51).map(|n| excluding(&format!("group:{n}"), "one", false)).collect()),
        "exclusion group one has more than 50 entitlements"
    );
    let (_, dropped) = dropped((0..50).map(|n| excluding(&format!("group:{n}"), "one", n == 0)));
    assert_eq!(dropped, Dropped::default());
}

#[test]
fn an_expansion_by_an_entitlement_of_another_resource_is_refused() {
    let mut rows = chain();
    let other = v2::GrantExpandable { entitlement_ids: vec!["group:C:m".into()], ..Default::default() };
    rows.push(Row::Grant(expandable("user:w", "group:A", &other)));
    assert_eq!(
        refusal(&rows).to_string(),
        "the grant of group:A:m to user:w expands by group:C:m, an entitlement of group:C"
    );
}

#[test]
fn an_expansion_that_is_not_run_is_not_checked_either() {
    let desk = Desk::new();
    let mut rows = chain();
    let other = v2::GrantExpandable { entitlement_ids: vec!["group:C:m".into()], ..Default::default() };
    rows.push(Row::Grant(expandable("user:w", "group:A", &other)));
    assert_eq!(desk.try_seal(&rows, Contents::All, false).unwrap().expanded, 0);
}

#[test]
fn edges_from_entitlements_that_are_not_there_are_dropped_and_counted() {
    let gone = v2::GrantExpandable {
        entitlement_ids: vec!["group:gone:m".into(), " ".into()],
        ..Default::default()
    };
    let (desk, dropped) = dropped([Row::Grant(expandable("group:gone", "group:C", &gone))]);
    assert_eq!(dropped, Dropped { edges: 1, ..Dropped::default() });
    let kept = "select count(*) from v1_grants where principal_resource_id = 'gone' and needs_expansion = 1";
    assert_eq!(one::<i64>(&desk.database(), kept), 1);
}

#[test]
fn rows_of_types_outside_the_sync_are_dropped_and_counted() {
    let (desk, dropped) = dropped([
        Row::Resource(resource("vault", "v")),
        Row::Entitlement(entitlement("vault:v")),
        Row::Grant(grant("user:u", "vault:v")),
        Row::Grant(grant("robot:r", "group:A")),
    ]);
    assert_eq!(dropped, Dropped { resources: 1, entitlements: 1, grants: 2, ..Dropped::default() });
    let token: String = one(&desk.database(), "select sync_token from v1_sync_runs");
    assert!(token.contains("\"reason_flags\":35"), "{token}");
    assert_eq!(desk.grants().len(), 9);
}

#[test]
fn a_carrier_of_external_principals_may_name_any_type() {
    let mut carrier = grant("robot:r", "group:A");
    carrier.annotations = vec![any(&v2::ExternalResourceMatchId { id: "x".into() })];
    let (desk, dropped) = dropped([Row::Grant(carrier)]);
    assert_eq!(dropped, Dropped::default());
    assert!(desk.grants().contains(&"group:A:m:robot:r {}".to_owned()));
}

#[test]
fn references_to_rows_that_are_missing_are_kept() {
    let (desk, dropped) = dropped([
        Row::Entitlement(entitlement("group:nobody")),
        Row::Grant(grant("user:ghost", "group:nowhere")),
    ]);
    assert_eq!(dropped, Dropped::default());
    assert!(desk.grants().contains(&"group:nowhere:m:user:ghost {}".to_owned()));
    assert!(desk.reader().entitlement("group:nobody:m").unwrap().is_some());
}

#[test]
fn a_filter_reduced_to_nothing_removes_the_expansion() {
    let filtered = |types: &[&str]| v2::GrantExpandable {
        entitlement_ids: vec!["group:D:m".into()],
        resource_type_ids: types.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    };
    let (desk, dropped) = dropped([
        Row::Resource(resource("group", "D")),
        Row::Entitlement(entitlement("group:D")),
        Row::Grant(grant("user:w", "group:D")),
        Row::Grant(expandable("group:D", "group:A", &filtered(&["vault", "user"]))),
        Row::Grant(expandable("group:D", "group:B", &filtered(&["vault"]))),
    ]);
    assert_eq!(dropped, Dropped { narrowed_expansions: 1, expansions: 1, ..Dropped::default() });
    let token: String = one(&desk.database(), "select sync_token from v1_sync_runs");
    assert!(token.contains("\"reason_flags\":56"), "{token}");
    let expansion = |id: &str| -> Option<Vec<u8>> {
        one(&desk.database(), &format!("select expansion from v1_grants where external_id = '{id}'"))
    };
    let narrowed = expansion("group:A:m:group:D").unwrap();
    let narrowed = v2::GrantExpandable::decode(narrowed.as_slice()).unwrap();
    assert_eq!(narrowed.resource_type_ids, ["user"]);
    assert_eq!(expansion("group:B:m:group:D"), None);
    assert!(desk.grants().contains(&"group:A:m:user:w {group:D:m true}".to_owned()));
}

#[test]
fn an_expansion_of_blank_ids_is_none() {
    let blank = v2::GrantExpandable { entitlement_ids: vec!["  ".into()], ..Default::default() };
    let (desk, _) = dropped([Row::Grant(expandable("group:C", "group:A", &blank))]);
    let query = "select count(*) from v1_grants where external_id = 'group:A:m:group:C'
        and expansion is null and needs_expansion = 0";
    assert_eq!(one::<i64>(&desk.database(), query), 1);
}

#[test]
fn a_cycle_does_not_fail_the_sync() {
    let (desk, _) =
        dropped([Row::Grant(nested("group:B", "group:A")), Row::Grant(nested("group:A", "group:A"))]);
    // What A and B hold reaches C, and neither of the two receives from the other.
    assert!(desk.grants().contains(&"group:C:m:user:u {group:A:m true}".to_owned()));
    assert!(!desk.grants().iter().any(|grant| grant.starts_with("group:A:m:user:v")));
}

#[test]
fn rows_without_an_id_are_dropped_and_counted() {
    let mut anonymous = grant("user:u", "group:A");
    anonymous.id.clear();
    let mut nobody = grant("user:u", "group:A");
    nobody.principal = None;
    let mut nowhere = entitlement("group:A");
    nowhere.resource = None;
    let (_, dropped) = dropped([
        Row::Type(v2::ResourceType::default()),
        Row::Resource(v2::Resource::default()),
        Row::Resource(resource("user", "")),
        Row::Entitlement(nowhere),
        Row::Grant(anonymous),
        Row::Grant(nobody),
    ]);
    assert_eq!(dropped, Dropped { nameless: 6, ..Dropped::default() });
}

#[test]
fn an_id_with_a_null_character_is_refused_at_once() {
    let desk = Desk::new();
    let stage = desk.stage(&[]);
    let result = stage.resource(&resource("user", "a\0b"));
    assert!(matches!(result, Err(Error::InvalidId { kind: "resource", .. })));
    let mut grant = grant("user:u", "group:A");
    grant.id = "\0".into();
    assert!(matches!(stage.grant(&grant), Err(Error::InvalidId { kind: "grant", .. })));
}
