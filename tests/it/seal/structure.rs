//! Tables, indexes and the row of the sync are as every reader knows them.

use std::os::unix::fs::PermissionsExt;

use batond::sync::seal::Contents;
use rusqlite::Connection;

use super::desk::{Desk, SYNC_ID, chain, one};

/// Name, type, not null, default, primary key.
type Column = (&'static str, &'static str, bool, Option<&'static str>, bool);

const ID: Column = ("id", "integer", false, None, true);

const fn text(name: &'static str) -> Column {
    (name, "text", true, None, false)
}

const fn defaulted(name: &'static str, kind: &'static str, default: &'static str) -> Column {
    (name, kind, true, Some(default), false)
}

const DATA: Column = ("data", "blob", true, None, false);
const DISCOVERED: Column = ("discovered_at", "datetime", true, None, false);

fn tables() -> Vec<(&'static str, Vec<Column>)> {
    vec![
        ("v1_resource_types", vec![ID, text("external_id"), DATA, text("sync_id"), DISCOVERED]),
        (
            "v1_resources",
            vec![
                ID,
                text("resource_type_id"),
                text("external_id"),
                ("parent_resource_type_id", "text", false, None, false),
                ("parent_resource_id", "text", false, None, false),
                DATA,
                text("sync_id"),
                DISCOVERED,
            ],
        ),
        (
            "v1_entitlements",
            vec![
                ID,
                text("resource_type_id"),
                text("resource_id"),
                text("external_id"),
                DATA,
                text("sync_id"),
                DISCOVERED,
            ],
        ),
        (
            "v1_sync_runs",
            vec![
                ID,
                text("sync_id"),
                ("started_at", "datetime", true, None, false),
                ("ended_at", "datetime", false, None, false),
                text("sync_token"),
                defaulted("sync_type", "text", "'full'"),
                defaulted("parent_sync_id", "text", "''"),
                defaulted("linked_sync_id", "text", "''"),
                defaulted("supports_diff", "integer", "0"),
                defaulted("grants_backfilled", "integer", "0"),
                ("stats", "text", false, None, false),
                defaulted("ingest_invariant_generation", "text", "''"),
                defaulted("ingest_invariant_coverage", "text", "''"),
                defaulted("ingest_invariant_mode", "text", "''"),
            ],
        ),
        (
            "v1_grants",
            vec![
                ID,
                text("resource_type_id"),
                text("resource_id"),
                text("entitlement_id"),
                text("principal_resource_type_id"),
                text("principal_resource_id"),
                text("external_id"),
                ("expansion", "blob", false, None, false),
                defaulted("needs_expansion", "integer", "0"),
                DATA,
                text("sync_id"),
                DISCOVERED,
            ],
        ),
        ("v1_assets", vec![ID, text("external_id"), text("content_type"), DATA, text("sync_id"), DISCOVERED]),
        (
            "v1_connector_sessions",
            vec![ID, text("sync_id"), text("key"), ("value", "blob", true, None, false)],
        ),
    ]
}

/// Name, table, columns, unique, partial.
const INDEXES: [(&str, &str, &str, bool, bool); 16] = [
    ("idx_assets_external_sync_v1", "v1_assets", "external_id sync_id", true, false),
    ("idx_entitlements_external_sync_v1", "v1_entitlements", "external_id sync_id", true, false),
    ("idx_entitlements_resource_id_v1", "v1_entitlements", "resource_type_id resource_id", false, false),
    (
        "idx_grants_entitlement_id_principal_id_v1",
        "v1_grants",
        "entitlement_id principal_resource_type_id principal_resource_id",
        false,
        false,
    ),
    ("idx_grants_entitlement_sync_grant_v1", "v1_grants", "entitlement_id sync_id id", false, false),
    ("idx_grants_external_sync_v1", "v1_grants", "external_id sync_id", true, false),
    (
        "idx_grants_principal_id_v1",
        "v1_grants",
        "principal_resource_type_id principal_resource_id",
        false,
        false,
    ),
    ("idx_grants_resource_type_id_resource_id_v1", "v1_grants", "resource_type_id resource_id", false, false),
    ("idx_grants_sync_expansion_v1", "v1_grants", "sync_id", false, true),
    ("idx_grants_sync_needs_expansion_v1", "v1_grants", "sync_id", false, true),
    ("idx_resource_types_external_sync_v1", "v1_resource_types", "external_id sync_id", true, false),
    (
        "idx_resources_external_sync_v1",
        "v1_resources",
        "parent_resource_type_id parent_resource_id",
        false,
        false,
    ),
    ("idx_resources_parent_resource_id_v1", "v1_resources", "external_id sync_id", true, false),
    ("idx_resources_resource_type_id_v1", "v1_resources", "resource_type_id", false, false),
    ("idx_session_store_sync_key_v1", "v1_connector_sessions", "sync_id key", true, false),
    ("idx_sync_runs_sync_id_v1", "v1_sync_runs", "sync_id", true, false),
];

fn sealed() -> (Desk, Connection) {
    let desk = Desk::new();
    desk.seal(&chain());
    let database = desk.database();
    (desk, database)
}

#[test]
fn tables_and_columns_are_those_that_readers_know() {
    let (_desk, database) = sealed();
    let mut names = database.prepare("select name from sqlite_master where type = 'table'").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(names, tables().iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (table, expected) in tables() {
        let mut columns = database.prepare(&format!("pragma table_info({table})")).unwrap();
        let columns: Vec<(String, String, bool, Option<String>, bool)> = columns
            .query_map([], |row| {
                let kind: String = row.get(2)?;
                Ok((row.get(1)?, kind.to_lowercase(), row.get(3)?, row.get(4)?, row.get(5)?))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, kind, required, default, key)| {
                (name.to_owned(), kind.to_owned(), required, default.map(str::to_owned), key)
            })
            .collect();
        assert_eq!(columns, expected, "{table}");
    }
}

#[test]
fn indexes_are_those_that_readers_know_swapped_names_included() {
    let (_desk, database) = sealed();
    let mut found = Vec::new();
    for (table, _) in tables() {
        let mut indexes =
            database.prepare("select name, \"unique\", partial from pragma_index_list(?)").unwrap();
        let indexes: Vec<(String, bool, bool)> = indexes
            .query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for (name, unique, partial) in indexes {
            let columns = format!("select group_concat(name, ' ') from pragma_index_info('{name}')");
            found.push((name, table.to_owned(), one::<String>(&database, &columns), unique, partial));
        }
    }
    found.sort();
    let expected = INDEXES.map(|(name, table, columns, unique, partial)| {
        (name.to_owned(), table.to_owned(), columns.to_owned(), unique, partial)
    });
    assert_eq!(found, expected);
    let condition = |name: &str| {
        let sql: String = one(&database, &format!("select sql from sqlite_master where name = '{name}'"));
        sql.split(" where ").nth(1).unwrap().to_owned()
    };
    assert_eq!(condition("idx_grants_sync_expansion_v1"), "expansion is not null");
    assert_eq!(condition("idx_grants_sync_needs_expansion_v1"), "needs_expansion = 1");
}

#[test]
fn the_database_is_compact_and_needs_no_second_file() {
    let (desk, database) = sealed();
    let pragma = |name: &str| one::<i64>(&database, &format!("pragma {name}"));
    assert_eq!(pragma("page_size"), 4096);
    assert_eq!(pragma("user_version"), 0);
    assert_eq!(pragma("application_id"), 0);
    assert_eq!(pragma("freelist_count"), 0);
    assert_eq!(one::<String>(&database, "pragma encoding"), "UTF-8");
    assert_eq!(one::<String>(&database, "pragma integrity_check"), "ok");
    let bytes = std::fs::read(desk.directory.path().join("unpacked.db")).unwrap();
    assert_eq!(bytes[18..20], [1, 1], "no write-ahead log is expected beside it");
}

#[test]
fn nothing_but_the_file_is_left_and_only_its_owner_reads_it() {
    let desk = Desk::new();
    let sealed = desk.seal(&chain());
    assert_eq!(desk.files(), ["sync.c1z"]);
    let metadata = std::fs::metadata(desk.target()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(metadata.len(), sealed.bytes);
}

#[test]
fn the_sync_is_one_finished_run() {
    let (_desk, database) = sealed();
    assert_eq!(one::<i64>(&database, "select count(*) from v1_sync_runs"), 1);
    let text = |column: &str| one::<String>(&database, &format!("select {column} from v1_sync_runs"));
    assert_eq!(text("sync_id"), SYNC_ID);
    assert_eq!(text("sync_type"), "full");
    assert_eq!(text("parent_sync_id || linked_sync_id"), "");
    assert_eq!(text("supports_diff || ' ' || grants_backfilled"), "1 1");
    assert_eq!(
        text("ingest_invariant_generation || ingest_invariant_coverage || ingest_invariant_mode"),
        "1[\"I5\",\"I10\"]connector"
    );
    assert_eq!(
        text("stats"),
        r#"{"resource_types":2,"resources":6,"entitlements":3,"grants":9,"resources_by_resource_type":{"group":3,"user":3},"grants_by_resource_type":{"group":9},"entitlements_by_resource_type":{"group":3}}"#
    );
    for column in ["started_at", "ended_at"] {
        let time = text(column);
        assert!(time.len() >= 19 && time.as_bytes()[10] == b' ' && !time.ends_with('Z'), "{time}");
    }
    assert!(text("started_at") < text("ended_at"));
    let times = "select count(distinct discovered_at) from (select discovered_at from v1_resource_types
        union all select discovered_at from v1_resources union all select discovered_at from v1_entitlements
        union all select discovered_at from v1_grants)";
    assert_eq!(one::<i64>(&database, times), 1);
}

#[test]
fn rows_lie_in_order_of_type_and_id() {
    let (_desk, database) = sealed();
    for (table, order) in [
        ("v1_resource_types", "external_id"),
        ("v1_resources", "resource_type_id, external_id"),
        ("v1_entitlements", "resource_type_id, external_id"),
        ("v1_grants", "resource_type_id, external_id"),
    ] {
        let ids = |order: &str| {
            let query = format!(
                "select group_concat(external_id, '|') from (select external_id from {table} order by {order})"
            );
            one::<String>(&database, &query)
        };
        assert_eq!(ids("id"), ids(order), "{table}");
    }
}

#[test]
fn each_choice_of_contents_says_what_it_is() {
    // Contents, expansion, type of the sync, diffable, grants in the file, what the token has and has not.
    let cases = [
        (Contents::All, true, "full", 1, 9, "\"needs_expansion\":true", "skip"),
        (Contents::All, false, "full", 1, 5, "\"reason_flags\":32", "needs_expansion"),
        (Contents::NoGrants, true, "full", 1, 0, "\"should_skip_grants\":true", "needs_expansion"),
        (
            Contents::ResourcesOnly,
            true,
            "resources_only",
            0,
            0,
            "\"should_skip_entitlements_and_grants\":true",
            "reason_flags",
        ),
    ];
    for (contents, expand, sync_type, diffable, grants, has, has_not) in cases {
        let desk = Desk::new();
        desk.try_seal(&chain(), contents, expand).unwrap();
        let database = desk.database();
        let text = |column: &str| one::<String>(&database, &format!("select {column} from v1_sync_runs"));
        assert_eq!(text("sync_type"), sync_type);
        assert_eq!(one::<i64>(&database, "select supports_diff from v1_sync_runs"), diffable);
        assert_eq!(one::<i64>(&database, "select count(*) from v1_grants"), grants, "{contents:?}");
        let entitlements = one::<i64>(&database, "select count(*) from v1_entitlements");
        assert_eq!(entitlements, if contents == Contents::ResourcesOnly { 0 } else { 3 });
        let token = text("sync_token");
        assert!(token.contains(has) && !token.contains(has_not), "{contents:?}: {token}");
        let expandable = one::<i64>(&database, "select count(*) from v1_grants where needs_expansion = 1");
        assert_eq!(expandable, if contents == Contents::All { 2 } else { 0 }, "{contents:?}");
    }
}
