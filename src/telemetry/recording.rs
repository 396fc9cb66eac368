//! The debug log of one task, in a file, whatever the level of the log is.
//!
//! It holds what the log holds at debug of that task, line by line in the same form: nothing of libraries, no other
//! task, no secret.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tempfile::{NamedTempFile, TempPath};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, callsite};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::gate::is_ours;
use super::is_audit;
use super::line::Line;
use crate::config::LogFormat;

/// Bytes of one recording; what comes after is left out, which its last line says.
const LARGEST: usize = 64 << 20;
/// The last line of a recording that became too large.
const CUT: &[u8] = b"{\"level\":\"warn\",\"msg\":\"the debug log is full: what follows is left out\"}\n";

/// The recordings of this process, by task id. The log is one for the process, and so are they.
static UNDER_WAY: Mutex<BTreeMap<String, Arc<Mutex<Tape>>>> = Mutex::new(BTreeMap::new());

#[derive(Debug)]
struct Tape {
    file: BufWriter<File>,
    room: usize,
}

/// The recording of a task. Dropped, it ends, and its file is deleted.
#[derive(Debug)]
pub struct Recording {
    task_id: String,
    tape: Arc<Mutex<Tape>>,
    path: TempPath,
}

impl Recording {
    /// Begins to record what is told within spans that carry `task_id`, in a new file of mode 0600 in `directory`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn begin(task_id: &str, directory: &Path) -> io::Result<Self> {
        let file = tempfile::Builder::new().prefix("debug-").suffix(".log").tempfile_in(directory)?;
        let (file, path) = NamedTempFile::into_parts(file);
        let tape = Arc::new(Mutex::new(Tape { file: BufWriter::new(file), room: LARGEST }));
        under_way().insert(task_id.to_owned(), Arc::clone(&tape));
        callsite::rebuild_interest_cache();
        Ok(Self { task_id: task_id.to_owned(), tape, path })
    }

    /// Writes out what was recorded so far.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn flush(&self) -> io::Result<()> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner).file.flush()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        under_way().remove(&self.task_id);
        callsite::rebuild_interest_cache();
    }
}

impl Tape {
    /// A recording that cannot be written must not end the work that it tells of.
    fn write(&mut self, line: &[u8]) {
        if self.room == 0 {
            return;
        }
        let fits = self.room >= line.len();
        self.room = if fits { self.room - line.len() } else { 0 };
        let _ = self.file.write_all(if fits { line } else { CUT });
    }
}

fn under_way() -> MutexGuard<'static, BTreeMap<String, Arc<Mutex<Tape>>>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes each event to the recording of its task, if there is one. It reads the fields of spans that the layer of
/// the log has noted.
pub(super) struct Recorder;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let fields = Fields::around(event, &context);
        let Some(Value::String(task_id)) =
            fields.0.iter().find(|(name, _)| *name == "task_id").map(|(_, id)| id)
        else {
            return;
        };
        let Some(tape) = under_way().get(task_id).cloned() else { return };
        let line = Line::new(event.metadata(), fields).write(LogFormat::Json);
        tape.lock().unwrap_or_else(PoisonError::into_inner).write(line.as_bytes());
    }
}

/// Lets no event through unless something is recorded. Spans of tasks pass at any time: a recording begins within one.
pub(super) struct WhileRecording;

impl WhileRecording {
    fn passes(metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() && *metadata.level() <= Level::INFO {
            return is_ours(metadata);
        }
        let told = is_ours(metadata) || is_audit(metadata.target()) || *metadata.level() <= Level::WARN;
        told && *metadata.level() <= Level::DEBUG && !under_way().is_empty()
    }
}

impl<S> Filter<S> for WhileRecording {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        Self::passes(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::passes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if under_way().is_empty() { LevelFilter::INFO } else { LevelFilter::DEBUG })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tracing::{debug, info, info_span};

    use super::*;
    use crate::config::LogSettings;

    fn lines(recording: &Recording) -> Vec<String> {
        recording.flush().unwrap();
        let text = std::fs::read_to_string(recording.path()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn it_holds_the_debug_lines_of_its_task_alone_and_the_log_does_not() {
        let log = NamedTempFile::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let subscriber = super::super::subscriber(&LogSettings::default(), log.reopen().unwrap());
        tracing::subscriber::with_default(subscriber, || {
            let recording = Recording::begin("recorded-1", directory.path()).unwrap();
            let mode = std::fs::metadata(recording.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            info_span!("task", task_id = "recorded-1", task_type = "sync_full").in_scope(|| {
                debug!(number = 7, "of the task");
                info!("of the task, too");
            });
            info_span!("task", task_id = "other").in_scope(|| debug!("of another"));
            debug!("of none");
            let lines = lines(&recording);
            assert_eq!(lines.len(), 2, "{lines:?}");
            let line: Value = serde_json::from_str(&lines[0]).unwrap();
            assert_eq!((&line["msg"], &line["number"]), (&Value::from("of the task"), &Value::from(7)));
            assert_eq!((&line["task_type"], &line["level"]), (&"sync_full".into(), &"debug".into()));
            let path = recording.path().to_owned();
            drop(recording);
            assert!(!path.exists());
        });
        let log = std::fs::read_to_string(log.path()).unwrap();
        assert!(log.contains("of the task, too") && !log.contains("of none"), "{log}");
        assert!(!log.contains("\"number\""), "{log}");
    }

    #[test]
    fn one_that_is_full_says_so_and_stays_so() {
        let directory = tempfile::tempdir().unwrap();
        let recording = Recording::begin("recorded-2", directory.path()).unwrap();
        {
            let mut tape = recording.tape.lock().unwrap();
            tape.room = 10;
            tape.write(b"12345678\n");
            tape.write(b"12345678\n");
            tape.write(b"\n");
        }
        let lines = lines(&recording);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains("full"), "{lines:?}");
    }
}
