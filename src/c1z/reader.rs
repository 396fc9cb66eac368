//! Looks rows up in a file, whoever wrote it.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use prost::Message;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tempfile::NamedTempFile;

use super::Error;
use super::pack::MAGIC;
use crate::baton::v2;

const PEBBLE_MAGIC: [u8; 5] = *b"C1Z3\0";
/// The largest window of a frame: what other readers allow, 128 MiB.
const WINDOW_LOG: u32 = 27;
/// The largest database: what other readers allow, 10 GiB.
const LARGEST: u64 = 10 << 30;

/// A file of version 1, unpacked to a private temporary file that goes with the reader.
///
/// Reads the latest finished sync. Files are input from outside: whatever is in one, the outcome is rows or an
/// [`Error`].
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    sync_id: String,
    _database: NamedTempFile,
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
    /// [`Error::Database`] for what is no such database, [`Error::NoFinishedSync`], or [`Error::Io`].
    pub fn open(path: &Path, work_dir: &Path) -> Result<Self, Error> {
        Self::open_within(path, work_dir, LARGEST)
    }

    fn open_within(path: &Path, work_dir: &Path, limit: u64) -> Result<Self, Error> {
        let database = unpack(path, work_dir, limit)?;
        let open = || {
            let connection = Connection::open_with_flags(
                database.path(),
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            // The schema is input as well: no functions in views or triggers, no trust in the page layout.
            connection.pragma_update(None, "trusted_schema", false)?;
            connection.pragma_update(None, "cell_size_check", true)?;
            let sync_id: Option<String> = connection
                .query_row(
                    "select sync_id from v1_sync_runs where ended_at is not null
                     order by ended_at desc, sync_id desc limit 1",
                    [],
                    |columns| columns.get(0),
                )
                .optional()?;
            Ok((connection, sync_id))
        };
        let (connection, sync_id) = open().map_err(Error::database("open the database in the file"))?;
        let sync_id = sync_id.ok_or_else(|| Error::NoFinishedSync { path: path.to_owned() })?;
        Ok(Self { connection, sync_id, _database: database })
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
        if grant.entitlement.is_none() || grant.principal.is_none() {
            let (entitlement, principal) = self.references(id)?;
            grant.entitlement.get_or_insert(entitlement);
            grant.principal.get_or_insert(principal);
        }
        Ok(Some(grant))
    }

    /// Counts the rows of the sync.
    ///
    /// # Errors
    /// [`Error::Database`] when the file is damaged.
    pub fn counts(&self) -> Result<Counts, Error> {
        let count = |table: &str| {
            let statement = format!("select count(*) from {table} where sync_id = ?");
            self.connection
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

    fn message<M: Message + Default>(
        &self,
        kind: &'static str,
        table: &str,
        id: &str,
    ) -> Result<Option<M>, Error> {
        let data: Option<Vec<u8>> = self
            .connection
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
        self.connection
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

/// The database of the file, in a temporary file.
fn unpack(path: &Path, work_dir: &Path, limit: u64) -> Result<NamedTempFile, Error> {
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

    let mut database = tempfile::Builder::new()
        .prefix("batond-read-")
        .permissions(PermissionsExt::from_mode(0o600))
        .tempfile_in(work_dir)
        .map_err(Error::io("create a file in", work_dir))?;
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
        database.write_all(bytes).map_err(Error::io("write", database.path()))?;
    }
    Ok(database)
}
