use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use prost::Message;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::schema::TABLES;
use super::{Counts, Error, MAGIC, Reader};
use crate::baton::v2;
use crate::c1z::pack;

struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("sync.c1z");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A file whose database is what the statements make it.
    fn packed(&self, fill: impl FnOnce(&Connection)) -> PathBuf {
        let database = self.0.path().join("sync.db");
        let connection = Connection::open(&database).unwrap();
        fill(&connection);
        connection.close().unwrap();
        let target = self.0.path().join("sync.c1z");
        pack::pack(&database, &target, &CancellationToken::new()).unwrap();
        std::fs::remove_file(database).unwrap();
        target
    }

    fn open(&self, path: &Path) -> Result<Reader, Error> {
        Reader::open(path, self.0.path())
    }

    /// What opening the bytes ends in; nothing may be left of the attempt.
    fn refusal(&self, bytes: &[u8]) -> Error {
        let path = self.file(bytes);
        let refusal = self.open(&path).unwrap_err();
        assert_eq!(std::fs::read_dir(self.0.path()).unwrap().count(), 1);
        refusal
    }
}

fn run(connection: &Connection, sync_id: &str, ended_at: Option<&str>) {
    connection
        .execute(
            "insert into v1_sync_runs (sync_id, started_at, ended_at, sync_token) values (?, '', ?, '')",
            params![sync_id, ended_at],
        )
        .unwrap();
}

fn grant(connection: &Connection, sync_id: &str, id: &str, data: &[u8]) {
    connection
        .execute(
            "insert into v1_grants (resource_type_id, resource_id, entitlement_id,
                 principal_resource_type_id, principal_resource_id, external_id, data, sync_id,
                 discovered_at) values ('group', 'g', 'group:g:m', 'user', 'u', ?, ?, ?, '')",
            params![id, data, sync_id],
        )
        .unwrap();
}

/// A good file.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let shelf = Shelf::new();
    let path = shelf.packed(|connection| {
        connection.execute_batch(TABLES).unwrap();
        run(connection, "one", Some("2026-01-01 00:00:00"));
    });
    std::fs::read(path).unwrap()
});

#[test]
fn what_is_no_c1z_file_is_refused() {
    let shelf = Shelf::new();
    assert!(matches!(shelf.refusal(b""), Error::NotC1z { .. }));
    assert!(matches!(shelf.refusal(b"C1ZF"), Error::NotC1z { .. }));
    assert!(matches!(shelf.refusal(b"SQLite format 3\0"), Error::NotC1z { .. }));
    assert!(matches!(shelf.refusal(b"C1Z3\0....."), Error::UnsupportedVersion { .. }));
    assert!(matches!(shelf.open(Path::new("/nowhere")), Err(Error::Io { action: "open", .. })));
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let shelf = Shelf::new();
    for length in (MAGIC.len()..WHOLE.len()).step_by(11) {
        assert!(
            matches!(shelf.refusal(&WHOLE[..length]), Error::Unpack { .. } | Error::Database { .. }),
            "cut to {length}"
        );
    }
}

#[test]
fn bytes_after_the_frame_are_refused() {
    let mut bytes = WHOLE.clone();
    bytes.extend_from_slice(b"more");
    assert!(matches!(Shelf::new().refusal(&bytes), Error::Unpack { .. }));
}

#[test]
fn a_frame_of_something_else_is_refused() {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(
        zstd::encode_all(&b"not a database, but long enough to be looked at".repeat(40)[..], 1).unwrap(),
    );
    assert!(matches!(Shelf::new().refusal(&bytes), Error::Database { .. }));
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    let shelf = Shelf::new();
    let mut bytes = MAGIC.to_vec();
    bytes.extend(zstd::encode_all(std::io::repeat(0).take(50_000_000), 1).unwrap());
    let path = shelf.file(&bytes);
    let result = Reader::open_within(&path, shelf.0.path(), 1_000_000);
    assert!(matches!(result, Err(Error::TooLarge { limit: 1_000_000, .. })));
    assert_eq!(std::fs::read_dir(shelf.0.path()).unwrap().count(), 1);
}

#[test]
fn a_window_that_takes_too_much_memory_is_refused() {
    let mut encoder = zstd::Encoder::new(MAGIC.to_vec(), 1).unwrap();
    encoder.window_log(28).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(1 << 20), &mut encoder).unwrap();
    assert!(matches!(Shelf::new().refusal(&encoder.finish().unwrap()), Error::Unpack { .. }));
}

#[test]
fn what_sqlite_puts_beside_the_database_goes_with_it() {
    let mut database = zstd::decode_all(&WHOLE[MAGIC.len()..]).unwrap();
    // Versions of the format for writing and reading: a log of writes stands beside the database.
    database[18..20].copy_from_slice(&[2, 2]);
    let broken = [&database[..100], &[0xff; 1000]].concat();
    for (database, is_whole) in [(database, true), (broken, false)] {
        let bytes = [&MAGIC[..], &zstd::encode_all(&database[..], 1).unwrap()].concat();
        let shelf = Shelf::new();
        let path = shelf.file(&bytes);
        assert_eq!(shelf.open(&path).is_ok(), is_whole);
        assert_eq!(std::fs::read_dir(shelf.0.path()).unwrap().count(), 1);
    }
}

#[test]
fn tables_whose_rows_are_computed_are_refused() {
    let endless =
        "create view v1_sync_runs as with recursive n(x) as (select 1 union all select x + 1 from n)
                       select x as sync_id, x as ended_at from n";
    let huge = "create table v1_sync_runs (ended_at text, sync_id text as (hex(zeroblob(400000000))));
                insert into v1_sync_runs values ('2026-01-01 00:00:00')";
    let foreign = "create virtual table v1_sync_runs using fts5(sync_id, ended_at)";
    for statements in [endless, huge, foreign] {
        let shelf = Shelf::new();
        let path = shelf.packed(|connection| connection.execute_batch(statements).unwrap());
        assert!(
            matches!(shelf.open(&path), Err(Error::Computed { table: "v1_sync_runs", .. })),
            "{statements}"
        );
    }
    let shelf = Shelf::new();
    let path = shelf.packed(|connection| {
        connection.execute_batch(TABLES).unwrap();
        run(connection, "one", Some("2026-01-01 00:00:00"));
        let swap = "drop table v1_grants; create view v1_grants as select * from v1_resources";
        connection.execute_batch(swap).unwrap();
    });
    assert!(matches!(shelf.open(&path), Err(Error::Computed { table: "v1_grants", .. })));
}

/// Six levels of pages, each with sixty references to one and the same page below, read as 60^6 leaves.
#[test]
fn a_table_that_reads_as_far_more_rows_than_the_file_can_hold_is_given_up() {
    const PAGE: u16 = 512;
    const LEVELS: u32 = 6;
    const REFERENCES: u8 = 60;
    let shelf = Shelf::new();
    let database = shelf.0.path().join("sync.db");
    let connection = Connection::open(&database).unwrap();
    connection.execute_batch(&format!("pragma page_size = {PAGE}; {TABLES}")).unwrap();
    run(&connection, "one", Some("2026-01-01 00:00:00"));
    grant(&connection, "one", "a", b"");
    connection.execute_batch("create table room (x); insert into room values (zeroblob(9999))").unwrap();
    let number = |query| connection.query_row(query, [], |row| row.get::<_, u32>(0)).unwrap();
    let root = number("select rootpage from sqlite_schema where name = 'v1_grants'");
    let last = number("pragma page_count");
    connection.close().unwrap();

    let mut bytes = std::fs::read(&database).unwrap();
    let place = |page: u32| {
        let start = (page as usize - 1) * usize::from(PAGE);
        start..start + usize::from(PAGE)
    };
    // The last pages of the file, which belong to the other table, become the levels below the root.
    bytes.copy_within(place(root), place(last).start);
    let chain: Vec<u32> = (last - LEVELS + 1..=last).collect();
    for (page, below) in std::iter::once(root).chain(chain.clone()).zip(chain) {
        let below = below.to_be_bytes();
        // An inner page of a table: no free block, number of cells, where they begin, the last reference.
        let cells = PAGE - 5 * u16::from(REFERENCES);
        let mut content = vec![5, 0, 0, 0, REFERENCES];
        content.extend(cells.to_be_bytes());
        content.push(0);
        content.extend(below);
        for key in 0..u16::from(REFERENCES) {
            content.extend((cells + 5 * key).to_be_bytes());
        }
        content.resize(usize::from(cells), 0);
        for key in 0..REFERENCES {
            content.extend(below);
            content.push(key);
        }
        bytes[place(page)].copy_from_slice(&content);
    }
    std::fs::write(&database, bytes).unwrap();
    let path = shelf.0.path().join("sync.c1z");
    pack::pack(&database, &path, &CancellationToken::new()).unwrap();

    let reader = shelf.open(&path).unwrap();
    assert!(matches!(reader.counts(), Err(Error::Database { .. })));
    assert!(matches!(reader.grant("b"), Err(Error::Database { .. })));
    assert_eq!(reader.resource("user", "u").unwrap(), None, "each statement has its own patience");
}

#[test]
fn a_file_without_a_finished_sync_is_refused() {
    let shelf = Shelf::new();
    let path = shelf.packed(|connection| {
        connection.execute_batch(TABLES).unwrap();
        run(connection, "running", None);
    });
    assert!(matches!(shelf.open(&path), Err(Error::NoFinishedSync { .. })));
    let path = shelf.packed(|connection| connection.execute_batch("create table other (id)").unwrap());
    assert!(matches!(shelf.open(&path), Err(Error::Database { .. })));
}

#[test]
fn the_latest_finished_sync_is_read() {
    let shelf = Shelf::new();
    let stored = |name: &str| {
        let named = v2::Resource { display_name: name.into(), ..Default::default() };
        v2::Grant { id: "a".into(), principal: Some(named), ..Default::default() }.encode_to_vec()
    };
    let path = shelf.packed(|connection| {
        connection.execute_batch(TABLES).unwrap();
        run(connection, "old", Some("2026-01-01 00:00:00"));
        run(connection, "new", Some("2026-01-01 00:00:00.5"));
        run(connection, "running", None);
        for sync in ["old", "new", "running"] {
            grant(connection, sync, "a", &stored(sync));
        }
    });
    let reader = shelf.open(&path).unwrap();
    assert_eq!(reader.sync_id(), "new");
    assert_eq!(reader.grant("a").unwrap().unwrap().principal.unwrap().display_name, "new");
    assert_eq!(reader.counts().unwrap(), Counts { grants: 1, ..Counts::default() });
    assert_eq!(reader.grant("b").unwrap(), None);
    assert_eq!(reader.resource("user", "u").unwrap(), None);
    assert_eq!(reader.resource_type("user").unwrap(), None);
    assert_eq!(reader.entitlement("new").unwrap(), None);
}

#[test]
fn a_slim_grant_gets_its_references_from_the_columns() {
    let shelf = Shelf::new();
    let path = shelf.packed(|connection| {
        connection.execute_batch(TABLES).unwrap();
        run(connection, "one", Some("2026-01-01 00:00:00"));
        let slim = v2::Grant { id: "slim".into(), ..Default::default() };
        grant(connection, "one", "slim", &slim.encode_to_vec());
        grant(connection, "one", "damaged", &[0xff; 7]);
    });
    let reader = shelf.open(&path).unwrap();
    let slim = reader.grant("slim").unwrap().unwrap();
    let id = |resource: Option<v2::Resource>| {
        let id = resource.unwrap().id.unwrap();
        format!("{}:{}", id.resource_type, id.resource)
    };
    assert_eq!(id(slim.principal), "user:u");
    let entitlement = slim.entitlement.unwrap();
    assert_eq!(entitlement.id, "group:g:m");
    assert_eq!(id(entitlement.resource), "group:g");
    assert!(matches!(reader.grant("damaged"), Err(Error::Decode { kind: "grant", .. })));
}

#[test]
fn a_row_that_is_about_something_else_is_refused() {
    let shelf = Shelf::new();
    let entitlement = |id: &str, group: &str| v2::Entitlement {
        id: id.into(),
        resource: Some(crate::baton::resource::reference("group", group)),
        ..Default::default()
    };
    let of = |id: &str, group: &str, user: &str| {
        v2::Grant {
            id: "a".into(),
            entitlement: Some(entitlement(id, group)),
            principal: Some(crate::baton::resource::reference("user", user)),
            ..Default::default()
        }
        .encode_to_vec()
    };
    let path = shelf.packed(|connection| {
        connection.execute_batch(TABLES).unwrap();
        for (sync, row) in [
            ("right", of("group:g:m", "g", "u")),
            ("group", of("group:g:m", "h", "u")),
            ("entitlement", of("group:h:m", "g", "u")),
            ("user", of("group:g:m", "g", "v")),
            ("id", v2::Grant { id: "b".into(), ..Default::default() }.encode_to_vec()),
        ] {
            grant(connection, sync, "a", &row);
        }
        let other = entitlement("group:h:m", "h").encode_to_vec();
        let statement =
            "insert into v1_entitlements (resource_type_id, resource_id, external_id, data, sync_id,
                             discovered_at) values ('group', 'g', 'group:g:m', ?, 'right', '')";
        connection.execute(statement, params![other]).unwrap();
        let other = crate::baton::resource::reference("user", "v").encode_to_vec();
        let statement =
            "insert into v1_resources (resource_type_id, external_id, data, sync_id, discovered_at)
                             values ('user', 'user:u', ?, 'right', '')";
        connection.execute(statement, params![other]).unwrap();
        run(connection, "right", Some("2026-01-01 00:00:00"));
    });
    let mut reader = shelf.open(&path).unwrap();
    assert!(reader.grant("a").unwrap().is_some());
    assert!(matches!(reader.entitlement("group:g:m"), Err(Error::Contradiction { .. })));
    assert!(matches!(reader.resource("user", "u"), Err(Error::Contradiction { .. })));
    for sync in ["group", "entitlement", "user", "id"] {
        reader.sync_id = sync.into();
        assert!(matches!(reader.grant("a"), Err(Error::Contradiction { .. })), "{sync}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_database_gives_rows_or_an_error(
        damage in prop::collection::vec((0..1_000_000_usize, any::<u8>()), 1..40),
    ) {
        let mut database = zstd::decode_all(&WHOLE[MAGIC.len()..]).unwrap();
        let length = database.len();
        for (at, byte) in damage {
            database[at % length] = byte;
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(zstd::encode_all(&database[..], 1).unwrap());
        let shelf = Shelf::new();
        let path = shelf.file(&bytes);
        if let Ok(reader) = shelf.open(&path) {
            let _ = (reader.counts(), reader.grant("a"), reader.entitlement("a"), reader.resource("a", "b"));
        }
    }
}
