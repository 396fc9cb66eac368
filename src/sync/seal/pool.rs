//! Byte strings on disk, by number: too many to hold, too scattered to sort.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Takes byte strings and numbers them from zero.
#[derive(Debug)]
pub(super) struct PoolWriter {
    file: BufWriter<File>,
    /// Where each string ends.
    ends: Vec<u64>,
}

/// Gives the strings back.
#[derive(Debug)]
pub(super) struct Pool {
    file: File,
    ends: Vec<u64>,
}

impl PoolWriter {
    /// A pool in a new file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        Ok(Self { file: BufWriter::new(file), ends: Vec::new() })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.ends.push(self.ends.last().unwrap_or(&0) + bytes.len() as u64);
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Pool> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Pool { file, ends: self.ends })
    }
}

impl Pool {
    /// Replaces the content of `into` by the string with this number; one that does not exist is empty.
    pub(super) fn read(&self, number: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let end = self.ends.get(number).copied().unwrap_or_default();
        let start =
            number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        into.resize(usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?, 0);
        self.file.read_exact_at(into, start)
    }
}

#[cfg(test)]
mod tests {
    use super::PoolWriter;

    #[test]
    fn strings_come_back_by_number() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = PoolWriter::create(&directory.path().join("pool")).unwrap();
        for bytes in [&b"one"[..], b"", b"three"] {
            writer.push(bytes).unwrap();
        }
        let pool = writer.finish().unwrap();
        let mut bytes = Vec::new();
        let mut read = |number| {
            pool.read(number, &mut bytes).unwrap();
            bytes.clone()
        };
        assert_eq!(read(2), b"three");
        assert_eq!(read(0), b"one");
        assert_eq!(read(1), b"");
        assert_eq!(read(3), b"");
    }
}
