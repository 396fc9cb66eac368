//! The container: magic bytes, then the database as one zstd frame, put in place in one step.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IntoInnerError, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use ring::digest;
use tokio_util::sync::CancellationToken;

use super::Error;

/// First bytes of a file of version 1.
pub(super) const MAGIC: [u8; 5] = *b"C1ZF\0";

/// Fast, and its window (512 KiB) is far below the 128 MiB that readers allow.
const LEVEL: i32 = 1;
const MOST_THREADS: u32 = 4;
/// Each thread takes some megabytes, which only databases above this size repay.
const WORTH_THREADS: u64 = 64 * 1024 * 1024;
const CHUNK: usize = 256 * 1024;

/// A file in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packed {
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of all its bytes.
    pub sha256: [u8; 32],
}

/// Packs the database to a temporary file beside `target`, and renames it to `target` once all is on disk.
pub(super) fn pack(database: &Path, target: &Path, cancel: &CancellationToken) -> Result<Packed, Error> {
    let mut database_file = File::open(database).map_err(Error::io("open", database))?;
    let size = database_file.metadata().map_err(Error::io("read", database))?.len();
    replace(target, cancel, |temporary| {
        let output = Hashing::new(BufWriter::with_capacity(CHUNK, temporary));
        Ok(match frame(&mut database_file, size, output, cancel)? {
            Err(error) => Err(error),
            Ok(output) => {
                let (file, packed) = output.finish();
                file.into_inner().map(|_| packed).map_err(IntoInnerError::into_error)
            }
        })
    })
}

/// Puts a copy of the file `whole` in the place of `target`, in one step. Blocks.
///
/// # Errors
/// [`Error::Cancelled`] or [`Error::Io`]; `target` is then as it was before.
pub fn place(whole: &Path, target: &Path, cancel: &CancellationToken) -> Result<(), Error> {
    let mut whole_file = File::open(whole).map_err(Error::io("open", whole))?;
    replace(target, cancel, |mut temporary| Ok(io::copy(&mut whole_file, &mut temporary).map(drop)))
}

/// Lets `write` fill a temporary file beside `target`, and renames it to `target` once all is on disk. The inner error
/// is one of writing.
fn replace<T>(
    target: &Path,
    cancel: &CancellationToken,
    write: impl FnOnce(&File) -> Result<io::Result<T>, Error>,
) -> Result<T, Error> {
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    let temporary = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .permissions(PermissionsExt::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(Error::io("create a file in", directory))?;
    // Tells whoever sweeps leftovers that somebody is at work. Where files cannot be locked, it goes without.
    _ = temporary.as_file().try_lock();

    let failed = |source| Error::Io { action: "write", path: temporary.path().to_owned(), source };
    let written = write(temporary.as_file())?.map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    if cancel.is_cancelled() {
        return Err(Error::Cancelled);
    }
    temporary.persist(target).map_err(|error| Error::io("replace", target)(error.error))?;
    // The rename is only durable with its directory.
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(Error::io("sync", directory))?;
    Ok(written)
}

/// Writes magic bytes and frame. The inner error is one of writing.
fn frame<W: Write>(
    database: &mut impl Read,
    size: u64,
    mut output: W,
    cancel: &CancellationToken,
) -> Result<io::Result<W>, Error> {
    if let Err(error) = output.write_all(&MAGIC) {
        return Ok(Err(error));
    }
    let encoder = || {
        let mut encoder = zstd::Encoder::new(output, LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.include_contentsize(true)?;
        encoder.set_pledged_src_size(Some(size))?;
        if size > WORTH_THREADS {
            let cores = thread::available_parallelism()
                .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
            encoder.multithread(cores.min(MOST_THREADS))?;
        }
        Ok(encoder)
    };
    let mut encoder = match encoder() {
        Ok(encoder) => encoder,
        Err(error) => return Ok(Err(error)),
    };
    let mut database = BufReader::with_capacity(CHUNK, database);
    let mut chunk = vec![0; CHUNK];
    loop {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let copied = database.read(&mut chunk).and_then(|length| {
            encoder.write_all(chunk.get(..length).unwrap_or_default())?;
            Ok(length)
        });
        match copied {
            Ok(0) => return Ok(encoder.finish()),
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Counts and hashes what passes through.
struct Hashing<W> {
    inner: W,
    bytes: u64,
    digest: digest::Context,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, bytes: 0, digest: digest::Context::new(&digest::SHA256) }
    }

    fn finish(self) -> (W, Packed) {
        let mut sha256 = [0; 32];
        for (to, from) in sha256.iter_mut().zip(self.digest.finish().as_ref()) {
            *to = *from;
        }
        (self.inner, Packed { bytes: self.bytes, sha256 })
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.digest.update(bytes.get(..length).unwrap_or_default());
        self.bytes += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{MAGIC, pack};
    use crate::c1z::Error;
    use tokio_util::sync::CancellationToken;

    fn database(size: usize) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn the_file_is_magic_bytes_and_one_whole_frame() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("sync.c1z");
        let database = database(20_000_000);
        let packed = pack(database.path(), &target, &CancellationToken::new()).unwrap();

        let bytes = std::fs::read(&target).unwrap();
        assert_eq!(packed.bytes, bytes.len() as u64);
        assert_eq!(packed.sha256, ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref());
        let frame = bytes.strip_prefix(&MAGIC).unwrap();
        let length = zstd::zstd_safe::find_frame_compressed_size(frame).unwrap();
        assert_eq!(length, frame.len(), "nothing follows the frame");
        // Frame header: content size present in 4 or 8 bytes, not a single segment, with checksum, no dictionary.
        let descriptor = frame[4];
        assert!(descriptor >> 6 >= 2 && descriptor & 0b0010_0000 == 0 && descriptor & 0b0000_0111 == 0b100);
        let window_log = 10 + u32::from(frame[5] >> 3);
        assert!(window_log <= 23, "window of 2^{window_log}");
        assert_eq!(zstd::decode_all(frame).unwrap(), std::fs::read(database.path()).unwrap());
    }

    #[test]
    fn a_cancelled_packing_leaves_the_old_file_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("sync.c1z");
        std::fs::write(&target, "old").unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let result = pack(database(1000).path(), &target, &cancel);
        assert!(matches!(result, Err(Error::Cancelled)));
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_is_missing_is_named() {
        let result =
            pack(database(10).path(), "/nowhere/at/all/sync.c1z".as_ref(), &CancellationToken::new());
        assert_eq!(result.unwrap_err().to_string(), "create a file in /nowhere/at/all");
    }
}
