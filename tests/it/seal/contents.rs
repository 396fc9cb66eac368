//! What is in the file: the same whatever the order of the crawl, each thing once, expanded.

use std::collections::BTreeMap;

use batond::baton::v2;
use batond::c1z::{Counts, Error, TypeCounts};
use batond::sync::seal::{Contents, SealError};
use prost::{Message, Name};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Row, any, chain, entitlement, expandable, grant, nested, one, put, resource};

#[test]
fn a_chain_is_expanded_in_the_file() {
    let desk = Desk::new();
    let sealed = desk.seal(&chain());
    assert_eq!(sealed.expanded, 4);
    assert_eq!(
        desk.grants(),
        [
            "group:A:m:user:u {}",
            "group:B:m:group:A {}",
            "group:B:m:user:u {group:A:m true}",
            "group:B:m:user:v {}",
            "group:C:m:group:A {group:B:m true}",
            "group:C:m:group:B {}",
            "group:C:m:user:u {group:B:m false}",
            "group:C:m:user:v {group:B:m true}",
            "group:C:m:user:w {}",
        ]
    );
    assert_eq!(
        sealed.types,
        BTreeMap::from([
            ("group".to_owned(), TypeCounts { resources: 3, entitlements: 3, grants: 9 }),
            ("user".to_owned(), TypeCounts { resources: 3, ..TypeCounts::default() }),
        ])
    );
    let counts = Counts { resource_types: 2, resources: 6, entitlements: 3, grants: 9 };
    assert_eq!(desk.reader().counts().unwrap(), counts);
}

fn stored(database: &Connection, id: &str) -> (v2::Grant, Option<Vec<u8>>, bool) {
    database
        .query_row(
            "select data, expansion, needs_expansion from v1_grants where external_id = ?",
            [id],
            |row| {
                let data: Vec<u8> = row.get(0)?;
                Ok((v2::Grant::decode(data.as_slice()).unwrap(), row.get(1)?, row.get(2)?))
            },
        )
        .unwrap()
}

#[test]
fn an_expandable_grant_keeps_its_expansion_in_a_column() {
    let desk = Desk::new();
    desk.seal(&chain());
    let (grant, expansion, needs_expansion) = stored(&desk.database(), "group:B:m:group:A");
    let names: Vec<&str> =
        grant.annotations.iter().map(|one| one.type_url.rsplit('.').next().unwrap()).collect();
    assert_eq!(names, ["V1Identifier"]);
    assert!(needs_expansion);
    let expansion = v2::GrantExpandable::decode(expansion.unwrap().as_slice()).unwrap();
    assert_eq!(expansion.entitlement_ids, ["group:A:m"]);
}

#[test]
fn a_derived_grant_embeds_the_stored_entitlement_and_is_immutable() {
    let desk = Desk::new();
    desk.seal(&chain());
    let (grant, expansion, needs_expansion) = stored(&desk.database(), "group:C:m:user:u");
    assert_eq!(grant.entitlement, Some(entitlement("group:C")));
    assert_eq!(grant.principal, Some(resource("user", "u")));
    assert_eq!(grant.annotations, [any(&v2::GrantImmutable::default())]);
    assert_eq!(grant.annotations[0].type_url, v2::GrantImmutable::type_url());
    assert_eq!((expansion, needs_expansion), (None, false));
}

#[test]
fn a_grant_that_was_there_is_updated_under_its_own_id() {
    let desk = Desk::new();
    let mut rows = chain();
    let mut own = grant("user:u", "group:B");
    own.id = "membership-7".into();
    rows.push(Row::Grant(own));
    desk.seal(&rows);
    let (grant, _, _) = stored(&desk.database(), "membership-7");
    let sources: Vec<(String, bool)> =
        grant.sources.unwrap().sources.into_iter().map(|(id, source)| (id, source.is_direct)).collect();
    assert_eq!(sources, [("group:A:m".to_owned(), true), ("group:B:m".to_owned(), true)]);
    assert_eq!(grant.annotations, []);
    let same_pair = "select count(*) from v1_grants where entitlement_id = 'group:B:m'
        and principal_resource_id = 'u'";
    assert_eq!(one::<i64>(&desk.database(), same_pair), 1);
}

/// Many groups in one another, so that there is something to expand, and duplicates of some rows.
fn large() -> Vec<Row> {
    let mut rows = chain();
    for group in 0..40 {
        let name = format!("group:g{group}");
        rows.push(Row::Resource(resource("group", &format!("g{group}"))));
        rows.push(Row::Entitlement(entitlement(&name)));
        for user in 0..25 {
            rows.push(Row::Grant(grant(&format!("user:{}", group * 7 + user), &name)));
        }
        rows.push(Row::Grant(nested(&name, &format!("group:g{}", group / 2 + 1))));
    }
    let mut renamed = resource("user", "u");
    renamed.display_name = "Another name".into();
    rows.push(Row::Resource(renamed));
    let mut second = grant("user:3", "group:g0");
    second.id = "another id".into();
    rows.push(Row::Grant(second));
    rows
}

#[test]
fn the_file_does_not_depend_on_the_order_of_the_crawl() {
    let rows = large();
    let desk = Desk::new();
    let expected = desk.seal(&rows);
    let expected_contents = desk.contents();
    assert_eq!(expected.dropped.duplicates, 2);

    for threads in 1..6 {
        let desk = Desk::new();
        let stage = desk.stage(&[]);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (rows, stage) = (&rows, &stage);
                // Each thread stages its share, backwards in every other round.
                let mut share: Vec<&Row> = rows.iter().skip(thread).step_by(threads).collect();
                if threads % 2 == 0 {
                    share.reverse();
                }
                scope.spawn(move || share.into_iter().for_each(|row| put(stage, row)));
            }
        });
        let sealed = desk.seal_stage(stage, Contents::All, true, &CancellationToken::new()).unwrap();
        assert_eq!(sealed.types, expected.types);
        assert_eq!(sealed.dropped, expected.dropped);
        assert_eq!(desk.contents(), expected_contents, "{threads} threads");
    }
}

#[test]
fn grants_of_one_pair_become_one_that_unites_them() {
    let desk = Desk::new();
    let mut rows = chain();
    let mut second = expandable(
        "group:A",
        "group:B",
        &v2::GrantExpandable {
            entitlement_ids: vec!["group:A:m".into(), "group:gone:m".into()],
            shallow: true,
            resource_type_ids: vec!["user".into()],
        },
    );
    second.id = "a smaller id".into();
    rows.push(Row::Grant(second));
    let sealed = desk.seal(&rows);
    assert_eq!(sealed.dropped.duplicates, 1);
    let (_, expansion, _) = stored(&desk.database(), "a smaller id");
    let expansion = v2::GrantExpandable::decode(expansion.unwrap().as_slice()).unwrap();
    assert_eq!(expansion.entitlement_ids, ["group:A:m", "group:gone:m"]);
    assert!(!expansion.shallow && expansion.resource_type_ids.is_empty());
    let count = "select count(*) from v1_grants where external_id = 'group:B:m:group:A'";
    assert_eq!(one::<i64>(&desk.database(), count), 0);
}

#[test]
fn two_pairs_under_one_grant_id_keep_one_of_them() {
    let desk = Desk::new();
    let mut rows = chain();
    let mut other = grant("user:v", "group:A");
    other.id = "group:A:m:user:u".into();
    rows.push(Row::Grant(other));
    assert_eq!(desk.seal(&rows).dropped.duplicates, 1);
}

#[test]
fn one_entitlement_id_on_two_types_is_refused() {
    let desk = Desk::new();
    let mut rows = chain();
    let mut other = entitlement("group:A");
    other.resource = Some(resource("user", "u"));
    rows.push(Row::Entitlement(other));
    let result = desk.try_seal(&rows, Contents::All, false);
    assert!(matches!(result, Err(SealError::File(Error::DuplicateId { table: "v1_entitlements" }))));
    assert_eq!(desk.files(), [] as [&str; 0]);
}

#[test]
fn a_cancelled_seal_leaves_the_old_file_and_no_other() {
    let desk = Desk::new();
    std::fs::write(desk.target(), "old").unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let result = desk.seal_stage(desk.stage(&chain()), Contents::All, true, &cancel);
    assert!(result.unwrap_err().is_cancelled());
    assert_eq!(desk.files(), ["sync.c1z"]);
    assert_eq!(std::fs::read(desk.target()).unwrap(), b"old");
}

#[test]
fn a_stage_that_is_dropped_leaves_nothing() {
    let desk = Desk::new();
    let stage = desk.stage(&chain());
    assert_eq!(desk.files().len(), 1);
    drop(stage);
    assert_eq!(desk.files(), [] as [&str; 0]);
}

#[test]
fn an_empty_stage_is_an_empty_sync() {
    let desk = Desk::new();
    let sealed = desk.seal(&[]);
    assert_eq!(sealed.types, BTreeMap::new());
    assert_eq!(desk.reader().counts().unwrap(), Counts::default());
}
