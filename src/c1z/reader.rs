//! Looks rows up in a file, whoever wrote it.

mod listing;

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prost::Message;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tempfile::TempDir;

use super::Error;
use super::pack::MAGIC;
use crate::baton::v2;

const PEBBLE_MAGIC: [u8; 5] = *b"C1Z3\0";
/// The largest window of a frame: what other readers allow, 128 MiB.
const WINDOW_LOG: u32 = 27;
/// The largest database: what other readers allow, 10 GiB.
const LARGEST: u64 = 10 << 30;
/// Every table that is read.
const READ: [&str; 5] = ["v1_sync_runs", "v1_resource_types", "v1_resources", "v1_entitlements", "v1_grants"];
/// Steps of `SQLite`'s machine between two looks at how many a statement has taken.
const STRIDE: u16 = 50_000;
/// Steps that any statement may take. In larger databases it is one for each byte: reading a whole table takes some
/// tens for each row, and the rows of these tables are longer than that.
const LEAST_PATIENCE: u64 = 5_000_000;

/// A file of version 1, unpacked to a private directory that goes with the reader.
///
/// Reads the latest finished sync. Files are input from outside: whatever is in one, the outcome is rows or an
/// [`Error`].
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    /// Strides of the statement that runs.
    strides: Arc<AtomicU64>,
    sync_id: String,
    /// Bytes of the database.
    size: u64,
    /// Last, so that it goes after the files in it, whichever of them are `SQLite`'s own.
    _directory: TempDir,
}

/// How many rows a sync has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Resource types.
    pub resource_types: u64,
    /// Resources.
    pub resources: u64,
    /// Entitlements.
    pub entitlements: u64,
    /// Grants.
    pub grants: u64,
}

impl Reader {
    /// Unpacks the file below `work_dir` and finds its latest finished sync.
    ///
    /// # Errors
    /// [`Error::NotC1z`], [`Error::UnsupportedVersion`], [`Error::Unpack`], [`Error::TooLarge`],
    /// [`Error::Database`] for what is no such database, [`Error::Computed`], [`Error::NoFinishedSync`], or
    /// [`Error::Io`].
    pub fn open(path: &Path, work_dir: &Path) -> Result<Self, Error> {
        Self::open_within(path, work_dir, LARGEST)
    }

    fn open_within(path: &Path, work_dir: &Path, limit: u64) -> Result<Self, Error> {
        let directory = tempfile::Builder::new()
            .prefix("batond-read-")
            .permissions(PermissionsExt::from_mode(0o700))
            .tempdir_in(work_dir)
            .map_err(Error::io("create a directory in", work_dir))?;
        let database = directory.path().join("sync.db");
        let size = unpack(path, &database, limit)?;
        let failed = || Error::database("open the database in the file");
        let mut connection = Connection::open_with_flags(
            &database,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(failed())?;
        let strides = guard(&mut connection, size).map_err(failed())?;
        for table in READ {
            if is_computed(&connection, table).map_err(failed())? {
                return Err(Error::Computed { path: path.to_owned(), table });
            }
        }
        let sync_id: Option<String> = connection
            .query_row(
                "select sync_id from v1_sync_runs where ended_at is not null
                 order by ended_at desc, sync_id desc limit 1",
                [],
                |columns| columns.get(0),
            )
            .optional()
            .map_err(failed())?;
        let sync_id = sync_id.ok_or_else(|| Error::NoFinishedSync { path: path.to_owned() })?;
        Ok(Self { connection, strides, sync_id, size, _directory: directory })
    }

    /// The id of the sync that is read.
    pub fn sync_id(&self) -> &str {
        &self.sync_id
    }

    /// The resource type with this id.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Decode`] when the file is damaged.
    pub fn resource_type(&self, id: &str) -> Result<Option<v2::ResourceType>, Error> {
        self.message("resource type", "v1_resource_types", id)
    }

    /// The resource of this type and id.
    ///
    /// # Errors
    /// As [`Reader::resource_type`].
    pub fn resource(&self, resource_type: &str, id: &str) -> Result<Option<v2::Resource>, Error> {
        self.message("resource", "v1_resources", &format!("{resource_type}:{id}"))
    }

    /// The entitlement with this id.
    ///
    /// # Errors
    /// As [`Reader::resource_type`].
    pub fn entitlement(&self, id: &str) -> Result<Option<v2::Entitlement>, Error> {
        self.message("entitlement", "v1_entitlements", id)
    }

    /// The grant with this id. A writer may have left entitlement and principal out of the message; they are then
    /// as the columns name them.
    ///
    /// # Errors
    /// As [`Reader::resource_type`].
    pub fn grant(&self, id: &str) -> Result<Option<v2::Grant>, Error> {
        let Some(mut grant) = self.message::<v2::Grant>("grant", "v1_grants", id)? else { return Ok(None) };
        self.complete(id, &mut grant)?;
        Ok(Some(grant))
    }

    /// Puts entitlement and principal into a grant that lacks them.
    fn complete(&self, id: &str, grant: &mut v2::Grant) -> Result<(), Error> {
        if grant.entitlement.is_none() || grant.principal.is_none() {
            let (entitlement, principal) = self.references(id)?;
            grant.entitlement.get_or_insert(entitlement);
            grant.principal.get_or_insert(principal);
        }
        Ok(())
    }

    /// Counts the rows of the sync.
    ///
    /// # Errors
    /// [`Error::Database`] when the file is damaged.
    pub fn counts(&self) -> Result<Counts, Error> {
        let count = |table: &str| {
            let statement = format!("select count(*) from {table} where sync_id = ?");
            self.fresh()
                .query_row(&statement, [&self.sync_id], |columns| columns.get::<_, i64>(0))
                .map(|count| u64::try_from(count).unwrap_or_default())
                .map_err(Error::database("count the rows in the file"))
        };
        Ok(Counts {
            resource_types: count("v1_resource_types")?,
            resources: count("v1_resources")?,
            entitlements: count("v1_entitlements")?,
            grants: count("v1_grants")?,
        })
    }

    /// The database, for one statement with all its patience.
    fn fresh(&self) -> &Connection {
        self.strides.store(0, Ordering::Relaxed);
        &self.connection
    }

    fn message<M: Message + Default>(
        &self,
        kind: &'static str,
        table: &str,
        id: &str,
    ) -> Result<Option<M>, Error> {
        let data: Option<Vec<u8>> = self
            .fresh()
            .prepare_cached(&format!("select data from {table} where external_id = ? and sync_id = ?"))
            .and_then(|mut statement| {
                statement.query_row([id, &self.sync_id], |columns| columns.get(0)).optional()
            })
            .map_err(Error::database("read a row of the file"))?;
        data.map(|data| M::decode(data.as_slice())).transpose().map_err(|source| Error::Decode {
            kind,
            id: id.to_owned(),
            source,
        })
    }

    fn references(&self, grant: &str) -> Result<(v2::Entitlement, v2::Resource), Error> {
        let resource = |resource_type, resource| v2::Resource {
            id: Some(v2::ResourceId { resource_type, resource, ..Default::default() }),
            ..Default::default()
        };
        self.fresh()
            .query_row(
                "select resource_type_id, resource_id, entitlement_id, principal_resource_type_id,
                     principal_resource_id from v1_grants where external_id = ? and sync_id = ?",
                [grant, &self.sync_id],
                |columns| {
                    let entitlement = v2::Entitlement {
                        resource: Some(resource(columns.get(0)?, columns.get(1)?)),
                        id: columns.get(2)?,
                        ..Default::default()
                    };
                    Ok((entitlement, resource(columns.get(3)?, columns.get(4)?)))
                },
            )
            .map_err(Error::database("read a row of the file"))
    }
}

/// Keeps what is in the database from deciding what is run and for how long. The count of strides starts anew when
/// it is set to zero.
fn guard(connection: &mut Connection, size: u64) -> rusqlite::Result<Arc<AtomicU64>> {
    // The schema is input as well: no functions in views or triggers, no trust in the page layout.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // Pages that refer to the same page many times make a small file read as endless rows.
    let strides = Arc::new(AtomicU64::new(0));
    let taken = Arc::clone(&strides);
    let most = size.max(LEAST_PATIENCE) / u64::from(STRIDE);
    connection.progress_handler(STRIDE.into(), Some(move || taken.fetch_add(1, Ordering::Relaxed) > most))?;
    Ok(strides)
}

/// Whether the table is a view or a virtual table, or has generated columns. One that is missing is not.
fn is_computed(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let mut is_computed = false;
    connection.pragma(None, "table_list", table, |columns| {
        is_computed |= columns.get_ref("type")?.as_str()? != "table";
        Ok(())
    })?;
    connection.pragma(None, "table_xinfo", table, |columns| {
        is_computed |= columns.get::<_, i64>("hidden")? != 0;
        Ok(())
    })?;
    Ok(is_computed)
}

/// Writes the database of the file to `database`, and returns its size.
fn unpack(path: &Path, database: &Path, limit: u64) -> Result<u64, Error> {
    let mut file = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
    let mut magic = [0; MAGIC.len()];
    match file.read_exact(&mut magic) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => magic = [0; MAGIC.len()],
        Err(error) => return Err(Error::io("read", path)(error)),
    }
    match magic {
        MAGIC => {}
        PEBBLE_MAGIC => return Err(Error::UnsupportedVersion { path: path.to_owned() }),
        _ => return Err(Error::NotC1z { path: path.to_owned() }),
    }

    let mut output = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(database)
        .map_err(Error::io("create", database))?;
    let damaged = |source| Error::Unpack { path: path.to_owned(), source };
    let mut decoder = zstd::Decoder::with_buffer(file).map_err(damaged)?;
    decoder.window_log_max(WINDOW_LOG).map_err(damaged)?;
    let mut chunk = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let length = decoder.read(&mut chunk).map_err(damaged)?;
        if length == 0 {
            break;
        }
        size += length as u64;
        if size > limit {
            return Err(Error::TooLarge { path: path.to_owned(), limit });
        }
        let bytes = chunk.get(..length).unwrap_or_default();
        output.write_all(bytes).map_err(Error::io("write", database))?;
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
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
            let named = v2::Entitlement { id: name.into(), ..Default::default() };
            v2::Grant {
                id: "a".into(),
                entitlement: Some(named),
                principal: Some(v2::Resource::default()),
                ..Default::default()
            }
            .encode_to_vec()
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
        assert_eq!(reader.grant("a").unwrap().unwrap().entitlement.unwrap().id, "new");
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
}
