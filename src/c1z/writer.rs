//! Fills the database of one sync, seals it, and packs it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::bounds::LARGEST;
use super::pack::{self, Packed};
use super::record::{Fields, put};
use super::schema::TABLES;
use super::stamp::stamp;
use super::summary::{self, Token, TypeCounts};
use super::{Error, Sorter, StagedEntitlement, StagedResource, index, message};

/// Bytes of grants held in memory before a sorted run is written.
const MANY: usize = 4 * 1024 * 1024;
/// Rows between two looks at the cancellation.
const PATIENCE: usize = 4096;

/// How complete a sync is by intent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SyncType {
    /// Everything, or everything but grants.
    Full,
    /// Resource types and resources.
    ResourcesOnly,
    /// Some resources, with their entitlements and grants.
    Partial,
}

/// The sync whose rows are written.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// A KSUID.
    pub sync_id: &'a str,
    /// Its intent.
    pub sync_type: SyncType,
    /// When the crawl began.
    pub started_at: Timestamp,
}

/// A grant to be written, from encoded parts.
#[derive(Clone, Copy, Debug)]
pub struct GrantRow<'a> {
    /// Its id.
    pub id: &'a str,
    /// Type of the entitlement's resource.
    pub resource_type: &'a str,
    /// Id of the entitlement's resource.
    pub resource: &'a str,
    /// The entitlement's id.
    pub entitlement: &'a str,
    /// Type of the principal.
    pub principal_type: &'a str,
    /// Id of the principal within its type.
    pub principal: &'a str,
    /// The encoded `GrantExpandable`; empty: none.
    pub expansion: &'a [u8],
    /// The encoded entitlement.
    pub entitlement_message: &'a [u8],
    /// The encoded principal.
    pub principal_message: &'a [u8],
    /// The encoded annotations.
    pub annotations: &'a [&'a [u8]],
    /// Through which entitlements the grant came, and whether these are held directly.
    pub sources: &'a BTreeMap<Cow<'a, str>, bool>,
}

/// A stored entitlement.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EntitlementRow {
    /// Type of its resource.
    pub resource_type: String,
    /// Id of its resource.
    pub resource: String,
    /// The encoded message.
    pub data: Vec<u8>,
}

/// Writes one file. The database lies in a private directory, which goes with the writer, whatever happens.
///
/// All rows bear the time at which the writer was created, and the order in which they are written is the order
/// in the file; only grants may come in any order, and are sorted by resource type and id.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    database: PathBuf,
    sync_id: String,
    sync_type: SyncType,
    discovered_at: String,
    types: BTreeMap<String, TypeCounts>,
    grants: Sorter,
    message: Vec<u8>,
    record: Vec<u8>,
    /// The largest database that may be packed, in bytes.
    largest: u64,
    /// Last, so that it goes after the files in it.
    _directory: TempDir,
}

impl Writer {
    /// Starts a file with its scratch space below `work_dir`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Database`] when the disk refuses.
    pub fn create(work_dir: &Path, run: &Run<'_>) -> Result<Self, Error> {
        let discovered_at = stamp(Timestamp::now());
        let directory = tempfile::Builder::new()
            .prefix("batond-file-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir_in(work_dir)
            .map_err(Error::io("create a directory in", work_dir))?;
        let database = directory.path().join("sync.db");
        let file = std::os::unix::fs::OpenOptionsExt::mode(
            std::fs::OpenOptions::new().write(true).create_new(true),
            0o600,
        )
        .open(&database)
        .map_err(Error::io("create", &database))?;
        drop(file);
        let connection = open(&database, work_dir).map_err(Error::database("create the sync's database"))?;
        let sync_type = match run.sync_type {
            SyncType::Full => "full",
            SyncType::ResourcesOnly => "resources_only",
            SyncType::Partial => "partial",
        };
        connection
            .execute(
                "insert into v1_sync_runs (sync_id, started_at, sync_token, sync_type, grants_backfilled)
                 values (?, ?, '', ?, 1)",
                params![run.sync_id, stamp(run.started_at), sync_type],
            )
            .map_err(Error::database("write the sync"))?;
        Ok(Self {
            connection,
            sync_id: run.sync_id.to_owned(),
            sync_type: run.sync_type,
            discovered_at,
            types: BTreeMap::new(),
            grants: Sorter::new(directory.path(), "grants", MANY),
            message: Vec::new(),
            record: Vec::new(),
            largest: LARGEST,
            database,
            _directory: directory,
        })
    }

    /// Writes a resource type.
    ///
    /// # Errors
    /// [`Error::Database`] when the disk refuses.
    pub fn resource_type(&mut self, id: &str, data: &[u8]) -> Result<(), Error> {
        self.types.entry(id.to_owned()).or_default();
        self.insert(
            "insert into v1_resource_types (external_id, data, sync_id, discovered_at) values (?, ?, ?, ?)",
            params![id, data, self.sync_id, self.discovered_at],
        )
        .map_err(Error::database("write a resource type"))
    }

    /// Writes a resource.
    ///
    /// # Errors
    /// [`Error::Database`] when the disk refuses.
    pub fn resource(&mut self, row: &StagedResource<'_>) -> Result<(), Error> {
        self.count(row.resource_type).resources += 1;
        let external_id = format!("{}:{}", row.resource_type, row.id);
        let (parent_type, parent) = row.parent.unzip();
        self.insert(
            "insert into v1_resources (resource_type_id, external_id, parent_resource_type_id,
                 parent_resource_id, data, sync_id, discovered_at) values (?, ?, ?, ?, ?, ?, ?)",
            params![
                row.resource_type,
                external_id,
                parent_type,
                parent,
                row.data,
                self.sync_id,
                self.discovered_at
            ],
        )
        .map_err(Error::database("write a resource"))
    }

    /// Writes an entitlement and returns its row, by which [`Writer::stored_entitlement`] finds it.
    ///
    /// # Errors
    /// [`Error::Database`] when the disk refuses.
    pub fn entitlement(&mut self, row: &StagedEntitlement<'_>) -> Result<i64, Error> {
        self.count(row.resource_type).entitlements += 1;
        self.insert(
            "insert into v1_entitlements (resource_type_id, resource_id, external_id, data, sync_id,
                 discovered_at) values (?, ?, ?, ?, ?, ?)",
            params![row.resource_type, row.resource, row.id, row.data, self.sync_id, self.discovered_at],
        )
        .map_err(Error::database("write an entitlement"))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// The entitlement in that row.
    ///
    /// # Errors
    /// [`Error::Database`] when the disk refuses or the row is not there.
    pub fn stored_entitlement(&self, row: i64) -> Result<EntitlementRow, Error> {
        self.connection
            .prepare_cached("select resource_type_id, resource_id, data from v1_entitlements where id = ?")
            .and_then(|mut statement| {
                statement.query_row([row], |columns| {
                    Ok(EntitlementRow {
                        resource_type: columns.get(0)?,
                        resource: columns.get(1)?,
                        data: columns.get(2)?,
                    })
                })
            })
            .map_err(Error::database("read an entitlement back"))
    }

    /// Writes a grant.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses.
    pub fn grant(&mut self, row: &GrantRow<'_>) -> Result<(), Error> {
        self.message.clear();
        message::grant(
            &mut self.message,
            row.entitlement_message,
            row.principal_message,
            row.id,
            row.annotations,
            row.sources,
        );
        self.record.clear();
        for text in
            [row.id, row.resource_type, row.resource, row.entitlement, row.principal_type, row.principal]
        {
            put(&mut self.record, text.as_bytes());
        }
        put(&mut self.record, row.expansion);
        put(&mut self.record, &self.message);
        self.grants.push(&[row.resource_type, row.id].join("\0").into_bytes(), &self.record)
    }

    /// Seals the sync, packs it and puts it in the place of `target`. Returns the counts of what is in it and how
    /// many grants were left out because another has their id.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::DuplicateId`], [`Error::Oversized`], or the disk's refusal; `target` is then as
    /// it was before.
    pub fn finish(
        mut self,
        token: &Token,
        target: &Path,
        cancel: &CancellationToken,
    ) -> Result<Finished, Error> {
        let duplicates = self.load_grants(cancel)?;
        self.connection.execute_batch("commit").map_err(Error::database("write the rows"))?;
        // Indexes take time, and only add to what is too much already.
        self.size()?;
        index::make(&mut self.connection, cancel)?;
        self.seal(token).map_err(Error::database("seal the sync"))?;
        let decoded = self.size()?;
        self.connection
            .close()
            .map_err(|(_, source)| Error::Database { action: "close the sync's database", source })?;
        let packed = pack::pack(&self.database, target, cancel)?;
        Ok(Finished { packed, decoded, types: self.types, duplicates })
    }

    /// The size of the database in bytes, outside a transaction.
    fn size(&self) -> Result<u64, Error> {
        let bytes = self.database.metadata().map_err(Error::io("read", &self.database))?.len();
        let limit = self.largest;
        if bytes > limit { Err(Error::Oversized { bytes, limit }) } else { Ok(bytes) }
    }

    fn load_grants(&mut self, cancel: &CancellationToken) -> Result<u64, Error> {
        let empty = Sorter::new(Path::new(""), "", 0);
        let sorted = std::mem::replace(&mut self.grants, empty).finish()?;
        let damaged = || Error::Staged { path: self.database.clone() };
        let mut merge = sorted.read()?;
        let mut statement = self
            .connection
            .prepare(
                "insert into v1_grants (external_id, resource_type_id, resource_id, entitlement_id,
                     principal_resource_type_id, principal_resource_id, expansion, needs_expansion, data,
                     sync_id, discovered_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .map_err(Error::database("write the grants"))?;
        let (mut rows, mut duplicates) = (0_usize, 0);
        loop {
            // Of grants that share an id the first stays.
            let duplicate = rows > 0 && merge.next_is_same();
            let Some((_, record)) = merge.next()? else { break };
            rows += 1;
            if rows.is_multiple_of(PATIENCE) && cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            if duplicate {
                duplicates += 1;
                continue;
            }
            let mut fields = Fields(record);
            let mut text = || fields.text().ok_or_else(damaged);
            let (id, resource_type, resource) = (text()?, text()?, text()?);
            let (entitlement, principal_type, principal) = (text()?, text()?, text()?);
            let expansion = fields.bytes().ok_or_else(damaged)?;
            let expansion = Some(expansion).filter(|bytes| !bytes.is_empty());
            statement
                .execute(params![
                    id,
                    resource_type,
                    resource,
                    entitlement,
                    principal_type,
                    principal,
                    expansion,
                    expansion.is_some(),
                    fields.bytes().ok_or_else(damaged)?,
                    self.sync_id,
                    self.discovered_at
                ])
                .map_err(Error::database("write a grant"))?;
            match self.types.get_mut(resource_type) {
                Some(counts) => counts.grants += 1,
                None => self.types.entry(resource_type.to_owned()).or_default().grants += 1,
            }
        }
        Ok(duplicates)
    }

    fn seal(&self, token: &Token) -> Result<(), rusqlite::Error> {
        let unprintable = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
        self.connection.execute(
            "update v1_sync_runs set sync_token = ?, supports_diff = ?, stats = ?,
                 ingest_invariant_generation = '1', ingest_invariant_coverage = '[\"I5\",\"I10\"]',
                 ingest_invariant_mode = 'connector'",
            params![
                token.json().map_err(unprintable)?,
                self.sync_type == SyncType::Full,
                summary::stats(&self.types).map_err(unprintable)?
            ],
        )?;
        // What marks a sync as finished comes last.
        self.connection.execute("update v1_sync_runs set ended_at = ?", [stamp(Timestamp::now())])?;
        Ok(())
    }

    fn insert(&self, statement: &str, row: &[&dyn rusqlite::ToSql]) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(statement)?.execute(row).map(drop)
    }

    fn count(&mut self, resource_type: &str) -> &mut TypeCounts {
        if !self.types.contains_key(resource_type) {
            self.types.insert(resource_type.to_owned(), TypeCounts::default());
        }
        self.types.entry(resource_type.to_owned()).or_default()
    }
}

/// A file that is in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// Its size and checksum.
    pub packed: Packed,
    /// Size of the database that is packed in it, in bytes.
    pub decoded: u64,
    /// What is in it, by resource type.
    pub types: BTreeMap<String, TypeCounts>,
    /// How many grants were left out because another has their id.
    pub duplicates: u64,
}

/// A database with its tables and an open transaction. Nobody sees it before it is packed, so a crash may ruin
/// it: neither journal nor syncs. Sorting for indexes spills below `work_dir`, since a container may have no
/// other place to write to.
fn open(database: &Path, work_dir: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(database)?;
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "locking_mode", "exclusive")?;
    connection.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update(None, "temp_store", "file")?;
    if let Some(work_dir) = work_dir.to_str() {
        connection.pragma_update(None, "temp_store_directory", work_dir)?;
    }
    connection.execute_batch(TABLES)?;
    connection.execute_batch("begin")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::super::summary::Quality;
    use super::*;

    #[test]
    fn a_database_that_readers_refuse_is_not_packed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("sync.c1z");
        std::fs::write(&target, "old").unwrap();
        let run = Run { sync_id: "s", sync_type: SyncType::Full, started_at: Timestamp::now() };
        let token = Token {
            steps: 1,
            needs_expansion: false,
            skips_entitlements_and_grants: false,
            skips_grants: false,
            quality: Quality::default(),
        };
        let finish = |largest: u64| {
            let mut writer = Writer::create(directory.path(), &run).unwrap();
            writer.largest = largest;
            writer.finish(&token, &target, &CancellationToken::new())
        };
        let error = finish(4096).unwrap_err();
        assert!(matches!(error, Error::Oversized { limit: 4096, bytes } if bytes > 4096), "{error}");
        assert!(!error.is_retryable() && error.to_string().contains("BATON_SYNC_RESOURCE_TYPES"), "{error}");
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);

        let finished = finish(LARGEST).unwrap();
        let bytes = std::fs::read(&target).unwrap();
        let database = zstd::decode_all(bytes.get(5..).unwrap()).unwrap();
        assert_eq!(finished.decoded, database.len() as u64);
    }
}
