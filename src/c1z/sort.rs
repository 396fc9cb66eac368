//! Sorting on disk: sorted runs are spilled, then merged while they are read.

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::Error;

/// Runs merged at once: each costs a file descriptor and a read buffer.
const FAN_IN: usize = 64;
const BUFFER: usize = 64 * 1024;

/// Takes records of a key and a value in any order. Holds at most `budget` bytes of them in memory.
#[derive(Debug)]
pub struct Sorter {
    runs: Runs,
    budget: usize,
    /// Records as they lie in a run.
    arena: Vec<u8>,
    /// Where each record starts, and the first bytes of its key.
    index: Vec<(u64, u32)>,
}

impl Sorter {
    /// A sorter that spills to files in `directory` whose names start with `name`, which must be its own.
    pub fn new(directory: &Path, name: impl Into<String>, budget: usize) -> Self {
        let runs = Runs { directory: directory.to_owned(), name: name.into(), next: 0, files: Vec::new() };
        Self { runs, budget, arena: Vec::new(), index: Vec::new() }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`Error::Io`] when a run cannot be written.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let size = HEAD + key.len() + value.len();
        let used = self.arena.len() + self.index.len() * size_of::<(u64, u32)>();
        if !self.index.is_empty() && used + size > self.budget {
            self.spill()?;
        }
        let lengths = (u32::try_from(key.len()), u32::try_from(value.len()), u32::try_from(self.arena.len()));
        let (Ok(key_length), Ok(value_length), Ok(start)) = lengths else {
            let oversized = io::Error::from(io::ErrorKind::FileTooLarge);
            return Err(Error::io("sort a row in", &self.runs.directory)(oversized));
        };
        self.index.push((prefix(key), start));
        self.arena.extend_from_slice(&key_length.to_le_bytes());
        self.arena.extend_from_slice(&value_length.to_le_bytes());
        self.arena.extend_from_slice(key);
        self.arena.extend_from_slice(value);
        Ok(())
    }

    /// Takes over all records of another sorter: its runs as they are, the rest record by record.
    ///
    /// # Errors
    /// [`Error::Io`] when a run cannot be written.
    pub fn absorb(&mut self, mut other: Self) -> Result<(), Error> {
        self.runs.files.append(&mut other.runs.files);
        for (_, start) in &other.index {
            let record = other.arena.get(*start as usize..).and_then(split);
            let (key, value) = record.unwrap_or_default();
            self.push(key, value)?;
        }
        Ok(())
    }

    /// Ends the input.
    ///
    /// # Errors
    /// [`Error::Io`] when a run cannot be written or read.
    pub fn finish(mut self) -> Result<Sorted, Error> {
        if !self.index.is_empty() {
            self.spill()?;
        }
        let mut runs = self.runs;
        while runs.files.len() > FAN_IN {
            let first = FAN_IN.min(runs.files.len() - FAN_IN + 1);
            let merged: Vec<PathBuf> = runs.files.drain(..first).collect();
            let mut merge = Merge::open(&merged, None)?;
            let mut run = runs.create()?;
            while let Some((key, value)) = merge.next()? {
                run.write(key, value)?;
            }
            run.close()?;
            for path in merged {
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(Sorted { runs })
    }

    fn spill(&mut self) -> Result<(), Error> {
        let record = |start: u32| split(self.arena.get(start as usize..).unwrap_or_default());
        self.index.sort_unstable_by(|(one_prefix, one), (other_prefix, other)| {
            one_prefix.cmp(other_prefix).then_with(|| record(*one).cmp(&record(*other)))
        });
        let mut run = self.runs.create()?;
        for (_, start) in &self.index {
            let (key, value) =
                split(self.arena.get(*start as usize..).unwrap_or_default()).unwrap_or_default();
            run.write(key, value)?;
        }
        run.close()?;
        self.arena.clear();
        self.index.clear();
        Ok(())
    }
}

/// Records on disk, in order of key, then value. Dropping it removes them.
#[derive(Debug)]
pub struct Sorted {
    runs: Runs,
}

impl Sorted {
    /// Reads all records from the first one on.
    ///
    /// # Errors
    /// [`Error::Io`] when a run cannot be read.
    pub fn read(&self) -> Result<Merge, Error> {
        Merge::open(&self.runs.files, None)
    }

    /// Reads the records whose value `keep` tells.
    ///
    /// # Errors
    /// As [`Sorted::read`].
    pub fn read_kept(&self, keep: Keep) -> Result<Merge, Error> {
        Merge::open(&self.runs.files, Some(keep))
    }
}

/// Tells by its value whether a record is read.
pub type Keep = Box<dyn Fn(&[u8]) -> bool + Send>;

/// A key and its value.
pub type Record<'a> = (&'a [u8], &'a [u8]);

/// Reads sorted runs as one.
pub struct Merge {
    heap: BinaryHeap<Cursor>,
    key: Vec<u8>,
    value: Vec<u8>,
    keep: Option<Keep>,
}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge").field("runs", &self.heap.len()).finish_non_exhaustive()
    }
}

impl Merge {
    fn open(paths: &[PathBuf], keep: Option<Keep>) -> Result<Self, Error> {
        let mut heap = BinaryHeap::with_capacity(paths.len());
        for path in paths {
            let mut cursor = Cursor::open(path)?;
            if cursor.advance(keep.as_ref())? {
                heap.push(cursor);
            }
        }
        Ok(Self { heap, key: Vec::new(), value: Vec::new(), keep })
    }

    /// The next key and value.
    ///
    /// # Errors
    /// [`Error::Io`] when a run cannot be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it returns borrows from it, unlike an iterator's items"
    )]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        let Some(mut cursor) = self.heap.peek_mut() else { return Ok(None) };
        std::mem::swap(&mut self.key, &mut cursor.key);
        std::mem::swap(&mut self.value, &mut cursor.value);
        if !cursor.advance(self.keep.as_ref())? {
            PeekMut::pop(cursor);
        }
        Ok(Some((&self.key, &self.value)))
    }

    /// Whether the record that comes next has the key of the one before.
    pub fn next_is_same(&self) -> bool {
        self.peek() == Some(&self.key)
    }

    /// The key that comes next.
    pub fn peek(&self) -> Option<&[u8]> {
        self.heap.peek().map(|cursor| cursor.key.as_slice())
    }
}

/// Key and value lengths.
const HEAD: usize = 8;

/// The first bytes of a key, which order keys as far as they reach.
fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(key) {
        *to = *from;
    }
    u64::from_be_bytes(first)
}

/// Key and value of the record at the start of `bytes`.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key_length, rest) = bytes.split_first_chunk::<4>()?;
    let (value_length, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
    Some((key, rest.get(..u32::from_le_bytes(*value_length) as usize)?))
}

#[derive(Debug)]
struct Runs {
    directory: PathBuf,
    name: String,
    next: usize,
    files: Vec<PathBuf>,
}

impl Runs {
    fn create(&mut self) -> Result<Run, Error> {
        let path = self.directory.join(format!("{}.{}", self.name, self.next));
        self.next += 1;
        let file = File::create_new(&path).map_err(Error::io("create", &path))?;
        self.files.push(path.clone());
        Ok(Run { path, file: BufWriter::with_capacity(BUFFER, file) })
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        for path in &self.files {
            // The directory goes with its owner, and with it what could not be removed here.
            std::fs::remove_file(path).ok();
        }
    }
}

struct Run {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Run {
    fn write(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        [&length(key)[..], &length(value)[..], key, value]
            .iter()
            .try_for_each(|part| self.file.write_all(part))
            .map_err(Error::io("write", &self.path))
    }

    fn close(mut self) -> Result<(), Error> {
        self.file.flush().map_err(Error::io("write", &self.path))
    }
}

/// The next record of one run. The greatest cursor is the one whose record comes first.
#[derive(Debug)]
struct Cursor {
    path: PathBuf,
    file: BufReader<File>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Cursor {
    fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let file = BufReader::with_capacity(BUFFER, file);
        Ok(Self { path: path.to_owned(), file, key: Vec::new(), value: Vec::new() })
    }

    /// Steps to the next record that is kept; false at the end.
    fn advance(&mut self, keep: Option<&Keep>) -> Result<bool, Error> {
        while self.step()? {
            if keep.is_none_or(|keep| keep(&self.value)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn step(&mut self) -> Result<bool, Error> {
        let mut head = [0; HEAD];
        match self.file.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(Error::io("read", &self.path)(error)),
        }
        let [k0, k1, k2, k3, v0, v1, v2, v3] = head;
        self.key.resize(u32::from_le_bytes([k0, k1, k2, k3]) as usize, 0);
        self.value.resize(u32::from_le_bytes([v0, v1, v2, v3]) as usize, 0);
        self.file
            .read_exact(&mut self.key)
            .and_then(|()| self.file.read_exact(&mut self.value))
            .map_err(Error::io("read", &self.path))?;
        Ok(true)
    }
}

impl Ord for Cursor {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&other.key, &other.value).cmp(&(&self.key, &self.value))
    }
}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cursor {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Sorter;

    type Records = Vec<(Vec<u8>, Vec<u8>)>;

    fn sorted(records: &Records, budget: usize) -> (Records, Records) {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(directory.path(), "rows", budget);
        for (key, value) in records {
            sorter.push(key, value).unwrap();
        }
        let records = sorter.finish().unwrap();
        let read = || {
            let mut merge = records.read().unwrap();
            let mut records = Vec::new();
            while let Some((key, value)) = merge.next().unwrap() {
                records.push((key.to_vec(), value.to_vec()));
            }
            records
        };
        (read(), read())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn records_come_back_in_order_however_many_runs_they_take(
            mut records in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..12), prop::collection::vec(any::<u8>(), 0..4)),
                0..200,
            ),
            budget in 1..4096_usize,
        ) {
            let (first, second) = sorted(&records, budget);
            records.sort();
            prop_assert_eq!(&first, &records);
            prop_assert_eq!(second, records);
        }

        #[test]
        fn records_of_a_sorter_that_was_taken_over_are_among_the_others(
            ours in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..12), Just(vec![1])), 0..50),
            theirs in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..12), Just(vec![2])), 0..50),
            budget in 1..1024_usize,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut whole = Sorter::new(directory.path(), "whole", budget);
            let mut part = Sorter::new(directory.path(), "part", budget / 2 + 1);
            ours.iter().try_for_each(|(key, value)| whole.push(key, value)).unwrap();
            theirs.iter().try_for_each(|(key, value)| part.push(key, value)).unwrap();
            whole.absorb(part).unwrap();
            let mut expected = [ours, theirs].concat();
            expected.sort();
            let records = whole.finish().unwrap();
            let mut merge = records.read().unwrap();
            for (key, value) in &expected {
                prop_assert_eq!(merge.next().unwrap(), Some((&key[..], &value[..])));
            }
            prop_assert_eq!(merge.next().unwrap(), None);
            drop(records);
            prop_assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn more_runs_than_can_be_open_are_merged_first() {
        let records: Records = (0..500_u16).rev().map(|n| (n.to_be_bytes().to_vec(), vec![1])).collect();
        let (read, _) = sorted(&records, 1);
        assert_eq!(read.len(), 500);
        assert!(read.is_sorted());
    }

    #[test]
    fn dropping_the_records_removes_their_files() {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(directory.path(), "rows", 1);
        sorter.push(b"a", b"1").unwrap();
        sorter.push(b"b", b"2").unwrap();
        let records = sorter.finish().unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
        drop(records);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_what_is_kept_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(directory.path(), "rows", 32);
        for (key, value) in [(1, 0), (1, 1), (2, 0), (3, 1), (4, 0)] {
            sorter.push(&[key], &[value]).unwrap();
        }
        let runs = sorter.finish().unwrap();
        let mut merge = runs.read_kept(Box::new(|value| value == [1])).unwrap();
        assert_eq!(merge.peek(), Some(&[1][..]));
        assert_eq!(merge.next().unwrap(), Some((&[1][..], &[1][..])));
        assert!(!merge.next_is_same());
        assert_eq!(merge.next().unwrap(), Some((&[3][..], &[1][..])));
        assert_eq!(merge.next().unwrap(), None);
    }
}
