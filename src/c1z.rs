//! The file of a sync: a `SQLite` database, packed into one zstd frame behind five magic bytes (`.c1z`, version 1).
//!
//! Writing has three steps, so that memory stays bounded and the order in which a crawl finds its rows leaves no
//! trace in the file: a [`Stage`] takes rows from any thread and keeps them on disk; [`Staged`] reads them back in
//! order, any number of times; a [`Writer`] fills the database, seals it and packs it. [`Reader`] looks rows up in
//! a file, whoever wrote it.

mod annotation;
mod bounds;
mod error;
mod index;
mod message;
mod pack;
mod reader;
mod record;
mod schema;
mod sort;
mod stage;
mod staged;
mod stamp;
mod summary;
mod supersede;
mod writer;

pub use bounds::{LARGEST, LARGEST_OF_OLD};
pub use error::Error;
pub use pack::{Packed, place};
pub use reader::{Counts, Reader};
pub use sort::{Keep, Merge, Record, Sorted, Sorter};
pub use stage::{Foreign, Stage, Traits};
pub use staged::{
    EntitlementRows, GrantRows, ResourceRows, Rows, Staged, StagedEntitlement, StagedGrant, StagedResource,
    StagedType, TypeRows,
};
pub use summary::{Quality, Token, TypeCounts};
pub use supersede::Owner;
pub use writer::{EntitlementRow, Finished, GrantRow, Run, SyncType, Writer};
