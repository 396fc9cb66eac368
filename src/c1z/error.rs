//! What can go wrong with a file.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller cancelled; nothing is left behind.
    #[error("cancelled")]
    Cancelled,
    /// The disk or the file system refused. For a writer, space and permissions of the working directory decide.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// `SQLite` refused: full disk while writing, a damaged database while reading.
    #[error("{action}")]
    Database {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: rusqlite::Error,
    },
    /// A row cannot be stored under its id.
    #[error("the {kind} {id:?} has a null character in its id")]
    InvalidId {
        /// Kind of row.
        kind: &'static str,
        /// The id.
        id: String,
    },
    /// Two rows that differ share one id, which the file's unique index forbids.
    #[error("two different rows of {table} share one id")]
    DuplicateId {
        /// Table of the rows.
        table: &'static str,
    },
    /// Rows were given up more often than can be told apart.
    #[error("rows were staged anew too often")]
    Rounds,
    /// Rows staged on disk came back damaged.
    #[error("staged rows in {} are damaged", path.display())]
    Staged {
        /// File or directory of the rows.
        path: PathBuf,
    },
    /// The file does not start with the magic bytes of any known version.
    #[error("{} is not a c1z file", path.display())]
    NotC1z {
        /// The file.
        path: PathBuf,
    },
    /// The file is of version 3 (Pebble), which this program does not read.
    #[error("{} is a c1z file of version 3 (Pebble); only version 1 (SQLite) can be read", path.display())]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
    },
    /// The packed part is damaged, cut off, or needs more memory than allowed.
    #[error("unpack {}", path.display())]
    Unpack {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The tables of the database lead in a circle.
    #[error("the database in the file is damaged: its rows do not end")]
    Endless,
    /// The database inside is larger than allowed.
    #[error("{} unpacks to more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size accepted, in bytes.
        limit: u64,
    },
    /// The database became larger than readers unpack. A repetition makes the same one.
    #[error(
        "the sync takes {bytes} bytes unpacked, and readers of its file refuse more than {limit}: sync fewer types \
         (BATON_SYNC_RESOURCE_TYPES), or have the control plane expand the grants"
    )]
    Oversized {
        /// Size of the database so far, in bytes.
        bytes: u64,
        /// The largest that readers unpack, in bytes.
        limit: u64,
    },
    /// A table of the file is a view, a virtual table or has generated columns: reading it would run what the file
    /// says, for as long and with as much memory as that takes.
    #[error("the rows of {table} in {} are computed, not stored", path.display())]
    Computed {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
    },
    /// The file holds no sync that came to its end.
    #[error("{} holds no finished sync", path.display())]
    NoFinishedSync {
        /// The file.
        path: PathBuf,
    },
    /// A stored row is about something else than its id and its columns say.
    #[error("the row of {kind} {id:?} says something else than its id")]
    Contradiction {
        /// Kind of row.
        kind: &'static str,
        /// The id.
        id: String,
    },
    /// A stored row is not the message that it should be.
    #[error("the {kind} {id:?} cannot be decoded")]
    Decode {
        /// Kind of row.
        kind: &'static str,
        /// The id.
        id: String,
        /// Why it failed.
        #[source]
        source: prost::DecodeError,
    },
}

impl Error {
    /// Whether the same attempt may succeed later without anybody changing what is read or written.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Io { .. } | Self::Database { .. } | Self::Staged { .. })
    }

    /// Adds to an I/O error what was attempted on which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// Adds to a database error what was attempted.
    pub(super) fn database(action: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { action, source }
    }
}
