//! Standard output: an answer is written to its end, or its loss is an error.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use rustix::fs::{OFlags, fcntl_getfl};

/// Standard output did not take an answer.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written, and the answer is lost: {0}")]
pub(super) struct Lost(io::Error);

/// Writes an answer to its end.
pub(super) fn write(text: &str) -> Result<(), Lost> {
    if is_closed() {
        return Err(Lost(io::Error::other("it is closed")));
    }
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Lost)
}

/// Whether what is written reaches nobody: standard output is closed, or the null device.
pub(super) fn is_discarded() -> bool {
    let Ok(output) = io::stdout().as_fd().try_clone_to_owned() else { return true };
    let (Ok(output), Ok(null)) = (File::from(output).metadata(), fs::metadata("/dev/null")) else {
        return false;
    };
    output.file_type().is_char_device() && output.rdev() == null.rdev()
}

/// Whether the process was started without a standard output. Rust opens the null device in its place, for reading and
/// writing; a shell opens it for writing alone.
fn is_closed() -> bool {
    let both_ways = |flags: OFlags| flags & OFlags::RWMODE == OFlags::RDWR;
    is_discarded() && fcntl_getfl(io::stdout()).is_ok_and(both_ways)
}
