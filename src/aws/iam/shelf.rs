//! Texts of AWS-managed policies, kept for the life of the process.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

/// Texts by ARN and version. They are public and never change, and there are megabytes of them: they live in a
/// nameless temporary file, of which only the places are remembered.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    file: Option<File>,
    end: u64,
    by_version: HashMap<(String, String), (u64, usize)>,
}

impl Shelf {
    /// The text that was put there.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn get(&self, arn: &str, version: &str) -> io::Result<Option<String>> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (arn.to_owned(), version.to_owned());
        let (Some(file), Some(&(start, length))) = (&places.file, places.by_version.get(&key)) else {
            return Ok(None);
        };
        let mut text = vec![0; length];
        file.read_exact_at(&mut text, start)?;
        String::from_utf8(text).map(Some).map_err(io::Error::other)
    }

    /// Puts a text there.
    ///
    /// # Errors
    /// Those of making the file, in the system's directory for temporary ones, and of writing to it.
    pub fn put(&self, arn: &str, version: &str, text: &str) -> io::Result<()> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = places.end;
        let file = match &mut places.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all_at(text.as_bytes(), start)?;
        places.end = start + text.len() as u64;
        places.by_version.insert((arn.to_owned(), version.to_owned()), (start, text.len()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_by_its_version_and_no_other() {
        let shelf = Shelf::default();
        assert_eq!(shelf.get("a", "v1").unwrap(), None);
        for (arn, version, text) in [("a", "v1", "{}"), ("b", "v1", ""), ("a", "v2", "{\"ü\":1}")] {
            shelf.put(arn, version, text).unwrap();
        }
        assert_eq!(shelf.get("a", "v1").unwrap().as_deref(), Some("{}"));
        assert_eq!(shelf.get("a", "v2").unwrap().as_deref(), Some("{\"ü\":1}"));
        assert_eq!(shelf.get("b", "v1").unwrap().as_deref(), Some(""));
        assert_eq!(shelf.get("b", "v2").unwrap(), None);
    }
}
