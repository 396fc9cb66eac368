//! Every row of a `.c1z` file, read without our own reader.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use batond::baton::v2::{Entitlement, Grant, Resource};
use prost::Message;

/// The rows of a file, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dump {
    /// By `<type>:<id>`.
    pub(crate) resources: BTreeMap<String, Resource>,
    pub(crate) entitlements: BTreeMap<String, Entitlement>,
    pub(crate) grants: BTreeMap<String, Grant>,
}

impl Dump {
    pub(crate) fn read(path: &Path) -> Self {
        let mut file = std::fs::File::open(path).unwrap();
        let mut magic = [0; 5];
        file.read_exact(&mut magic).unwrap();
        assert_eq!(&magic, b"C1ZF\0");
        let database = tempfile::NamedTempFile::new().unwrap();
        zstd::stream::copy_decode(file, &database).unwrap();
        let db = rusqlite::Connection::open(database.path()).unwrap();
        Self {
            resources: rows(&db, "v1_resources"),
            entitlements: rows(&db, "v1_entitlements"),
            grants: rows(&db, "v1_grants"),
        }
    }

    /// Ids of the resources of a type.
    pub(crate) fn of_type(&self, resource_type: &str) -> Vec<&Resource> {
        self.resources
            .values()
            .filter(|resource| resource.id.as_ref().unwrap().resource_type == resource_type)
            .collect()
    }

    /// The resource of a type with this display name.
    pub(crate) fn named(&self, resource_type: &str, name: &str) -> &Resource {
        let mut found = self.of_type(resource_type).into_iter().filter(|r| r.display_name == name);
        let first = found.next().unwrap_or_else(|| panic!("no {resource_type} {name}"));
        assert!(found.next().is_none(), "several {resource_type} {name}");
        first
    }
}

/// Changes the database of a file.
pub(crate) fn alter(path: &Path, change: impl FnOnce(&rusqlite::Connection)) {
    let packed = std::fs::read(path).unwrap();
    let database = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(database.path(), zstd::decode_all(&packed[5..]).unwrap()).unwrap();
    let db = rusqlite::Connection::open(database.path()).unwrap();
    change(&db);
    db.close().unwrap();
    let changed = zstd::encode_all(std::fs::File::open(database.path()).unwrap(), 1).unwrap();
    std::fs::write(path, [&packed[..5], &changed].concat()).unwrap();
}

fn rows<M: Message + Default>(db: &rusqlite::Connection, table: &str) -> BTreeMap<String, M> {
    let mut statement = db.prepare(&format!("select external_id, data from {table} order by id")).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .unwrap()
        .map(|row| row.map(|(id, data)| (id, M::decode(data.as_slice()).unwrap())).unwrap());
    rows.collect()
}
