//! Rows to stage, and a place to seal them and to look at the result.

use std::path::PathBuf;

use jiff::Timestamp;
use prost::{Message, Name};
use prost_types::Any;
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use batond::baton::v2;
use batond::baton::v2::resource_type::Trait;
use batond::c1z::{Reader, Stage};
use batond::sync::seal::{Contents, SealError, SealOptions, Sealed, seal};

pub(crate) const SYNC_ID: &str = "2QJnYBmHmOYzRkX3DTxmC7gkZ0a";

pub(crate) fn any<M: Name + Message>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

pub(crate) fn resource_type(id: &str, traits: &[Trait]) -> v2::ResourceType {
    v2::ResourceType {
        id: id.into(),
        display_name: id.to_uppercase(),
        traits: traits.iter().map(|one| *one as i32).collect(),
        ..Default::default()
    }
}

pub(crate) fn resource(kind: &str, id: &str) -> v2::Resource {
    let annotations = match kind {
        "user" => vec![any(&v2::UserTrait::default())],
        "group" => vec![any(&v2::GroupTrait::default())],
        _ => Vec::new(),
    };
    v2::Resource {
        id: Some(v2::ResourceId { resource_type: kind.into(), resource: id.into(), ..Default::default() }),
        display_name: format!("{kind} {id}"),
        annotations,
        ..Default::default()
    }
}

/// The `member` entitlement of a group, or of whatever `type:id` names.
pub(crate) fn entitlement(of: &str) -> v2::Entitlement {
    let (kind, id) = of.split_once(':').unwrap();
    v2::Entitlement {
        resource: Some(resource(kind, id)),
        id: format!("{of}:m"),
        display_name: format!("{id} member"),
        slug: "m".into(),
        ..Default::default()
    }
}

/// `principal` holds the `member` entitlement of `of`; both are `type:id`.
pub(crate) fn grant(principal: &str, of: &str) -> v2::Grant {
    let (kind, id) = principal.split_once(':').unwrap();
    let full = entitlement(of);
    v2::Grant {
        entitlement: Some(v2::Entitlement { resource: full.resource, id: full.id, ..Default::default() }),
        principal: Some(resource(kind, id)),
        id: format!("{of}:m:{principal}"),
        ..Default::default()
    }
}

pub(crate) fn expandable(principal: &str, of: &str, expandable: &v2::GrantExpandable) -> v2::Grant {
    let mut grant = grant(principal, of);
    grant.annotations = vec![any(expandable), any(&v2::V1Identifier { id: "kept".into() })];
    grant
}

/// A group whose members receive what it is granted.
pub(crate) fn nested(group: &str, of: &str) -> v2::Grant {
    expandable(
        group,
        of,
        &v2::GrantExpandable { entitlement_ids: vec![format!("{group}:m")], ..Default::default() },
    )
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "few rows, and each test writes many literals")]
pub(crate) enum Row {
    Type(v2::ResourceType),
    Resource(v2::Resource),
    Entitlement(v2::Entitlement),
    Grant(v2::Grant),
}

pub(crate) fn put(stage: &Stage, row: &Row) {
    match row {
        Row::Type(row) => stage.resource_type(row),
        Row::Resource(row) => stage.resource(row),
        Row::Entitlement(row) => stage.entitlement(row),
        Row::Grant(row) => stage.grant(row),
    }
    .unwrap();
}

/// Users u, v, w; groups A, B, C with one member each, A in B in C.
pub(crate) fn chain() -> Vec<Row> {
    let mut rows = vec![
        Row::Type(resource_type("user", &[Trait::User])),
        Row::Type(resource_type("group", &[Trait::Group])),
    ];
    rows.extend(["u", "v", "w"].map(|id| Row::Resource(resource("user", id))));
    for id in ["A", "B", "C"] {
        rows.push(Row::Resource(resource("group", id)));
        rows.push(Row::Entitlement(entitlement(&format!("group:{id}"))));
    }
    rows.extend(
        [
            grant("user:u", "group:A"),
            grant("user:v", "group:B"),
            grant("user:w", "group:C"),
            nested("group:A", "group:B"),
            nested("group:B", "group:C"),
        ]
        .map(Row::Grant),
    );
    rows
}

pub(crate) struct Desk {
    pub(crate) directory: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.directory.path().join("sync.c1z")
    }

    pub(crate) fn stage(&self, rows: &[Row]) -> Stage {
        let stage = Stage::create(self.directory.path()).unwrap();
        for row in rows {
            put(&stage, row);
        }
        stage
    }

    pub(crate) fn try_seal(
        &self,
        rows: &[Row],
        contents: Contents,
        expand: bool,
    ) -> Result<Sealed, SealError> {
        self.seal_stage(self.stage(rows), contents, expand, &CancellationToken::new())
    }

    pub(crate) fn seal_stage(
        &self,
        stage: Stage,
        contents: Contents,
        expand: bool,
        cancel: &CancellationToken,
    ) -> Result<Sealed, SealError> {
        let started_at = Timestamp::now();
        let options = SealOptions { sync_id: SYNC_ID.into(), started_at, contents, expand, targets: None };
        seal(stage, &options, &self.target(), cancel)
    }

    pub(crate) fn seal(&self, rows: &[Row]) -> Sealed {
        self.try_seal(rows, Contents::All, true).unwrap()
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.target(), self.directory.path()).unwrap()
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The database of the file, beside it.
    pub(crate) fn database(&self) -> Connection {
        let packed = std::fs::read(self.target()).unwrap();
        let path = self.directory.path().join("unpacked.db");
        std::fs::write(&path, zstd::decode_all(&packed[5..]).unwrap()).unwrap();
        Connection::open(path).unwrap()
    }

    /// All rows of all tables but the columns that differ from sync to sync.
    pub(crate) fn contents(&self) -> Vec<(String, Vec<Vec<Value>>)> {
        let database = self.database();
        let tables = ["v1_resource_types", "v1_resources", "v1_entitlements", "v1_grants", "v1_sync_runs"];
        tables
            .into_iter()
            .map(|table| {
                let mut statement = database.prepare(&format!("select * from {table} order by id")).unwrap();
                let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
                let differs = ["discovered_at", "sync_id", "started_at", "ended_at"];
                let rows = statement
                    .query_map([], |row| {
                        (0..columns.len())
                            .filter(|at| !differs.contains(&columns[*at].as_str()))
                            .map(|at| row.get(at))
                            .collect::<Result<Vec<Value>, _>>()
                    })
                    .unwrap()
                    .collect::<Result<_, _>>()
                    .unwrap();
                (table.to_owned(), rows)
            })
            .collect()
    }

    /// `entitlement <- principal {sources}` of every grant, by id of the grant.
    pub(crate) fn grants(&self) -> Vec<String> {
        let database = self.database();
        let mut statement = database.prepare("select data from v1_grants order by external_id").unwrap();
        let blobs = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        blobs
            .map(|blob| {
                let grant = v2::Grant::decode(blob.unwrap().as_slice()).unwrap();
                let sources: Vec<String> = grant
                    .sources
                    .unwrap_or_default()
                    .sources
                    .into_iter()
                    .map(|(id, source)| format!("{id} {}", source.is_direct))
                    .collect();
                format!("{} {{{}}}", grant.id, sources.join(", "))
            })
            .collect()
    }
}

pub(crate) fn one<T: rusqlite::types::FromSql>(database: &Connection, query: &str) -> T {
    database.query_row(query, [], |row| row.get(0)).unwrap()
}
