//! The file of a sync, from staged rows to what a reader finds in it.

mod contents;
pub(crate) mod desk;
mod rules;
mod structure;
