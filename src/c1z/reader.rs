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
use super::bounds::LARGEST;
use super::pack::MAGIC;
use crate::baton::v2;

const PEBBLE_MAGIC: [u8; 5] = *b"C1Z3\0";
/// The largest window of a frame: what other readers allow, 128 MiB.
const WINDOW_LOG: u32 = 27;
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
    /// [`Error::Database`] or [`Error::Decode`] when the file is damaged, [`Error::Contradiction`] when the row is that
    /// of another id.
    pub fn resource_type(&self, id: &str) -> Result<Option<v2::ResourceType>, Error> {
        let row: Option<v2::ResourceType> = self.message("resource type", "v1_resource_types", id)?;
        row.map(|row| agreeing(row.id == id, "resource type", id, row)).transpose()
    }

    /// The resource of this type and id.
    ///
    /// # Errors
    /// As [`Reader::resource_type`].
    pub fn resource(&self, resource_type: &str, id: &str) -> Result<Option<v2::Resource>, Error> {
        let row: Option<v2::Resource> =
            self.message("resource", "v1_resources", &format!("{resource_type}:{id}"))?;
        let is_it = |row: &v2::Resource| is(row.id.as_ref(), resource_type, id);
        row.map(|row| agreeing(is_it(&row), "resource", id, row)).transpose()
    }

    /// The entitlement with this id.
    ///
    /// # Errors
    /// As [`Reader::resource_type`].
    pub fn entitlement(&self, id: &str) -> Result<Option<v2::Entitlement>, Error> {
        let row: Option<v2::Entitlement> = self.message("entitlement", "v1_entitlements", id)?;
        row.map(|row| agreeing(row.id == id, "entitlement", id, row)).transpose()
    }

    /// The grant with this id. A writer may have left entitlement and principal out of the message; they are then
    /// as the columns name them.
    ///
    /// # Errors
    /// As [`Reader::resource_type`]; also where the columns name another entitlement or principal.
    pub fn grant(&self, id: &str) -> Result<Option<v2::Grant>, Error> {
        let Some(mut grant) = self.message::<v2::Grant>("grant", "v1_grants", id)? else { return Ok(None) };
        let (of, to) = self.references(id)?;
        let is_it = |said: &v2::Resource, column: &v2::Resource| match (&said.id, &column.id) {
            (Some(_), Some(column)) => is(said.id.as_ref(), &column.resource_type, &column.resource),
            _ => true,
        };
        let agrees = grant.id == id
            && grant.principal.as_ref().is_none_or(|principal| is_it(principal, &to))
            && grant.entitlement.as_ref().is_none_or(|entitlement| {
                let resources = entitlement.resource.as_ref().zip(of.resource.as_ref());
                entitlement.id == of.id && resources.is_none_or(|(said, column)| is_it(said, column))
            });
        grant.entitlement.get_or_insert(of);
        grant.principal.get_or_insert(to);
        agreeing(agrees, "grant", id, grant).map(Some)
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

/// The row, unless it is about something else than what it is kept under.
fn agreeing<M>(agrees: bool, kind: &'static str, id: &str, row: M) -> Result<M, Error> {
    if agrees { Ok(row) } else { Err(Error::Contradiction { kind, id: id.to_owned() }) }
}

fn is(said: Option<&v2::ResourceId>, resource_type: &str, id: &str) -> bool {
    said.is_some_and(|said| said.resource_type == resource_type && said.resource == id)
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
mod tests;
