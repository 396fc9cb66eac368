//! How large the database in a file may be.

/// The largest that readers unpack unless they are told otherwise: 10 GiB.
pub const LARGEST: u64 = 10 << 30;
/// What readers of old unpack: 3 GiB.
pub const LARGEST_OF_OLD: u64 = 3 << 30;
