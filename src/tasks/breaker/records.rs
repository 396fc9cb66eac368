//! What the breaker remembers: counts of the last uploaded and the last held sync, for each set of options.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::json;
use crate::sync::{Census, SyncOptions};

/// Sets of options that are remembered; a control plane asks with one or two.
const MOST: usize = 16;
/// Bytes of a record that are read; one of ten thousand accounts takes about five million.
const LARGEST: u64 = 64 << 20;
/// The form of the files.
const VERSION: u32 = 2;
/// The form before it, whose held syncs tell neither task nor time: of these files the last upload alone is read.
const WITHOUT_FINDINGS: u32 = 1;

/// What a record is kept under: the options of a sync, with its types spelled out. A type that a setting switches
/// off is gone because somebody wanted it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key(String);

/// What is known of the syncs under one key.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Record {
    /// The last that was uploaded.
    pub(super) uploaded: Option<Census>,
    /// What was found first of those that were held since, as long as nothing else was found.
    pub(super) held: Option<Finding>,
}

/// What a held sync was found to hold.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Finding {
    /// The task that asked for it; a repetition of that task is no second opinion.
    pub(super) task: String,
    /// When it was held.
    #[serde(with = "milliseconds")]
    pub(super) since: Timestamp,
    /// What it counted.
    pub(super) census: Census,
}

/// A time as the milliseconds since 1970.
mod milliseconds {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.as_millisecond())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_millisecond(i64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The records, in a directory or in memory.
#[derive(Debug)]
pub(super) enum Records {
    On(PathBuf),
    Here(Mutex<BTreeMap<Key, Record>>),
}

impl Default for Records {
    fn default() -> Self {
        Self::Here(Mutex::default())
    }
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    #[serde(flatten)]
    record: &'a Record,
}

#[derive(Deserialize)]
struct Form {
    version: u32,
}

#[derive(Deserialize)]
struct Uploaded {
    uploaded: Option<Census>,
}

impl Key {
    pub(super) fn new(options: &SyncOptions, census: &Census) -> Self {
        let mut digest = Context::new(&SHA256);
        for id in census.types.keys() {
            digest.update(id.as_bytes());
            digest.update(&[0]);
        }
        digest.update(&[options.expand, options.entitlements_and_grants, options.grants].map(u8::from));
        let first = digest.finish().as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self(format!("{first:016x}"))
    }
}

impl Records {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        directory.map_or_else(Self::default, Self::On)
    }

    /// The record under `key`; an empty one where there is none that can be read.
    pub(super) fn read(&self, key: &Key) -> Record {
        match self {
            Self::Here(records) => {
                let records = records.lock().unwrap_or_else(PoisonError::into_inner);
                records.get(key).cloned().unwrap_or_default()
            }
            Self::On(directory) => {
                let path = file(directory, key);
                load(&path).unwrap_or_else(|error| {
                    if error.kind() != io::ErrorKind::NotFound {
                        tracing::warn!(
                            path = %path.display(),
                            error = %error,
                            "the counts of earlier syncs cannot be read; the next sync is judged without them"
                        );
                    }
                    Record::default()
                })
            }
        }
    }

    /// Forgets every finding: what was uploaded stays.
    pub(super) fn forget_findings(&self) {
        for key in self.keys() {
            let mut record = self.read(&key);
            if record.held.take().is_some() {
                self.write(&key, &record);
            }
        }
    }

    fn keys(&self) -> Vec<Key> {
        match self {
            Self::Here(records) => {
                records.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
            }
            // A directory that cannot be read has been told of by whoever read a record there.
            Self::On(directory) => fs::read_dir(directory)
                .into_iter()
                .flatten()
                .filter_map(|entry| key_of(&entry.ok()?.file_name().to_string_lossy()))
                .collect(),
        }
    }

    /// Keeps `record` under `key`, in place of what was there.
    pub(super) fn write(&self, key: &Key, record: &Record) {
        match self {
            Self::Here(records) => {
                let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
                if records.len() >= MOST && !records.contains_key(key) {
                    records.pop_first();
                }
                records.insert(key.clone(), record.clone());
            }
            Self::On(directory) => {
                if let Err(error) = store(directory, key, record) {
                    tracing::error!(
                        path = %directory.display(),
                        error = %error,
                        "the counts of this sync cannot be kept in BATON_STATE_DIR; later syncs are judged without them"
                    );
                }
            }
        }
    }
}

fn file(directory: &Path, key: &Key) -> PathBuf {
    directory.join(format!("counts-{}.json", key.0))
}

/// The key of the file with this name, if it is one of a record.
fn key_of(name: &str) -> Option<Key> {
    Some(Key(name.strip_prefix("counts-")?.strip_suffix(".json")?.to_owned()))
}

/// Nothing but a plain file is read: to open a pipe would wait for whoever writes to it, for ever.
fn load(path: &Path) -> io::Result<Record> {
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, OFlags::RDONLY | flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut text = Vec::new();
    (&mut file).take(LARGEST).read_to_end(&mut text)?;
    let Form { version } = json::read(&text)?;
    match version {
        VERSION => Ok(json::read(&text)?),
        WITHOUT_FINDINGS => {
            let Uploaded { uploaded } = json::read(&text)?;
            Ok(Record { uploaded, held: None })
        }
        unknown => Err(io::Error::other(format!("version {unknown} is unknown"))),
    }
}

/// Replaces the file at once, mode 0600.
fn store(directory: &Path, key: &Key, record: &Record) -> io::Result<()> {
    let written = Written { version: VERSION, record };
    let mut unfinished = tempfile::Builder::new().prefix(".counts-").tempfile_in(directory)?;
    unfinished.write_all(&serde_json::to_vec(&written)?)?;
    unfinished.as_file().sync_all()?;
    let path = file(directory, key);
    unfinished.persist(&path).map_err(|error| error.error)?;
    forget_oldest(directory, &path)
}

/// Deletes the files that were written longest ago, beyond those that are kept.
fn forget_oldest(directory: &Path, newest: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_ours = key_of(&entry.file_name().to_string_lossy()).is_some();
        if is_ours && entry.path() != newest {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    for (_, path) in files.iter().take((files.len() + 1).saturating_sub(MOST)) {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::sync::seal::Counts;

    fn census(id: &str, types: &[&str]) -> Census {
        let types = types.iter().map(|id| ((*id).to_owned(), Counts { resources: 3, grants: 2 })).collect();
        Census { sync_id: id.into(), types, ..Census::default() }
    }

    fn record(id: &str) -> Record {
        let held = Finding {
            task: "task".into(),
            since: "2026-01-02T03:04:05Z".parse().unwrap(),
            census: census("held", &["account"]),
        };
        Record { uploaded: Some(census(id, &["account"])), held: Some(held) }
    }

    fn key(number: usize) -> Key {
        Key::new(&SyncOptions::default(), &census("x", &[&format!("type{number}")]))
    }

    #[test]
    fn a_key_is_the_options_and_the_types_that_they_stand_for() {
        let (all, one) = (census("a", &["account", "sso_user"]), census("b", &["account"]));
        let options = SyncOptions::default();
        assert_eq!(
            Key::new(&options, &all),
            Key::new(&options, &Census { sync_id: "c".into(), ..all.clone() })
        );
        assert_ne!(Key::new(&options, &all), Key::new(&options, &one));
        for other in [
            SyncOptions { expand: false, ..options.clone() },
            SyncOptions { grants: false, ..options.clone() },
            SyncOptions { entitlements_and_grants: false, ..options.clone() },
        ] {
            assert_ne!(Key::new(&options, &all), Key::new(&other, &all));
        }
    }

    #[test]
    fn records_outlive_the_process_in_files_of_its_user_alone() {
        let directory = tempfile::tempdir().unwrap();
        let records = || Records::new(Some(directory.path().to_owned()));
        assert_eq!(records().read(&key(0)), Record::default());
        records().write(&key(0), &record("a"));
        records().write(&key(0), &record("b"));
        assert_eq!(records().read(&key(0)), record("b"));
        let entries: Vec<_> = fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(entries[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn without_a_directory_records_last_as_long_as_they_are_held() {
        let records = Records::new(None);
        records.write(&key(0), &record("a"));
        assert_eq!(records.read(&key(0)), record("a"));
        assert_eq!(Records::new(None).read(&key(0)), Record::default());
    }

    #[test]
    fn a_file_that_is_no_record_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::new(Some(directory.path().to_owned()));
        for text in ["", "{", "[]", r#"{"version":3,"uploaded":null,"held":null}"#, "\u{0}"] {
            fs::write(file(directory.path(), &key(0)), text).unwrap();
            assert_eq!(records.read(&key(0)), Record::default(), "{text:?}");
        }
        records.write(&key(0), &record("a"));
        assert_eq!(records.read(&key(0)), record("a"));
    }

    #[test]
    fn of_a_file_of_the_form_before_the_last_upload_is_read_and_what_it_held_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::new(Some(directory.path().to_owned()));
        let counts = r#"{"sync_id":"a","types":{"account":{"resources":3,"grants":2}},"accounts":{},"entered":[],"refused":[]}"#;
        let text = format!(r#"{{"version":1,"uploaded":{counts},"held":{counts}}}"#);
        fs::write(file(directory.path(), &key(0)), text).unwrap();
        assert_eq!(records.read(&key(0)), Record { uploaded: Some(census("a", &["account"])), held: None });
    }

    #[test]
    fn what_is_no_plain_file_is_no_record_and_holds_nothing_up() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::new(Some(directory.path().to_owned()));
        let path = file(directory.path(), &key(0));
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert_eq!(records.read(&key(0)), Record::default());
        records.write(&key(0), &record("a"));
        assert_eq!(records.read(&key(0)), record("a"), "the pipe was replaced");
    }

    #[test]
    fn findings_can_be_forgotten_and_uploads_stay() {
        let directory = tempfile::tempdir().unwrap();
        for records in [Records::new(Some(directory.path().to_owned())), Records::new(None)] {
            for number in 0..2 {
                records.write(&key(number), &record("a"));
            }
            records.forget_findings();
            for number in 0..2 {
                assert_eq!(records.read(&key(number)), Record { held: None, ..record("a") });
            }
        }
    }

    #[test]
    fn a_directory_that_cannot_be_written_costs_the_record_alone() {
        let records = Records::new(Some("/nowhere/at/all".into()));
        records.write(&key(0), &record("a"));
        assert_eq!(records.read(&key(0)), Record::default());
    }

    #[test]
    fn no_more_are_kept_than_a_control_plane_may_ask_for() {
        let directory = tempfile::tempdir().unwrap();
        for records in [Records::new(Some(directory.path().to_owned())), Records::new(None)] {
            for number in 0..MOST + 3 {
                records.write(&key(number), &record("a"));
            }
            let kept = (0..MOST + 3).filter(|number| records.read(&key(*number)) != Record::default());
            assert_eq!(kept.count(), MOST);
            assert_eq!(records.read(&key(MOST + 2)), record("a"), "the newest is kept");
        }
    }
}
