//! One line of the log.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tracing::{Level, Metadata};

use super::fields::Fields;
use super::{AUDIT, is_audit};
use crate::config::LogFormat;
use crate::text::{self, printable};

/// Bytes of the message, and of each field, that are written.
const LONGEST: usize = 8 * 1024;
/// Bytes of a field of a line that tells of a write to AWS: the longest document that AWS takes is kept whole.
const LONGEST_OF_AUDIT: usize = 256 * 1024;

/// An event, ready to be written.
pub(super) struct Line {
    pub(super) time: Timestamp,
    pub(super) level: Level,
    pub(super) caller: String,
    pub(super) message: String,
    pub(super) fields: Fields,
}

impl Line {
    pub(super) fn new(metadata: &Metadata<'_>, mut fields: Fields) -> Self {
        let is_audit = is_audit(metadata.target());
        let longest = if is_audit { LONGEST_OF_AUDIT } else { LONGEST };
        let message = text::cut(&fields.take_message(), longest).into_owned();
        for (_, value) in &mut fields.0 {
            if let Value::String(value) = value
                && value.len() > longest
            {
                *value = text::cut(value, longest).into_owned();
            }
        }
        if is_audit {
            fields.0.insert(0, ("logger", Value::from(AUDIT)));
        }
        Self { time: Timestamp::now(), level: *metadata.level(), caller: caller(metadata), message, fields }
    }

    pub(super) fn write(&self, format: LogFormat) -> String {
        let mut line = match format {
            LogFormat::Json => self.json(),
            LogFormat::Console => self.console(),
        };
        line.push('\n');
        line
    }

    /// An object with the keys `level`, `ts` (seconds since 1970), `caller`, `msg`, then the fields.
    fn json(&self) -> String {
        let mut entries = vec![
            ("level", Value::from(self.level.as_str().to_ascii_lowercase())),
            ("ts", Value::from(self.time.as_duration().as_secs_f64())),
            ("caller", Value::from(self.caller.as_str())),
            ("msg", Value::from(self.message.as_str())),
        ];
        entries.extend(self.fields.0.iter().cloned());
        object(&entries)
    }

    /// Time, level, caller, message and the fields as an object, separated by tabs.
    fn console(&self) -> String {
        let time = self.time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let mut line =
            format!("{time}\t{}\t{}\t{}", self.level, self.caller, printable(&self.message, LONGEST));
        if !self.fields.0.is_empty() {
            line.push('\t');
            line.push_str(&object(&self.fields.0));
        }
        line
    }
}

/// An object whose keys stand in the order in which they are given.
fn object(entries: &[(&'static str, Value)]) -> String {
    struct Ordered<'a>(&'a [(&'static str, Value)]);

    impl Serialize for Ordered<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }

    // Texts, numbers and switches: nothing of this can fail.
    escape(serde_json::to_string(&Ordered(entries)).unwrap_or_default())
}

/// The same JSON without a character that a terminal obeys or that does not show. They stand within texts alone,
/// and there JSON has a way to write each of them, so nothing is lost.
fn escape(json: String) -> String {
    if json.chars().all(text::is_printable) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if text::is_printable(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// The line that stands in the place of lines that were dropped, since nobody read them in time.
pub(super) fn gap(missing: u64, format: LogFormat) -> String {
    let line = Line {
        time: Timestamp::now(),
        level: Level::WARN,
        caller: "telemetry/queue.rs".to_owned(),
        message: "lines of the log were dropped here: nobody read them in time".to_owned(),
        fields: Fields(vec![("dropped", Value::from(missing))]),
    };
    line.write(format)
}

/// Where the event is in the source: the last two parts of the path, and the line.
fn caller(metadata: &Metadata<'_>) -> String {
    let file = metadata.file().unwrap_or("unknown");
    let start = file.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    format!("{}:{}", file.get(start..).unwrap_or(file), metadata.line().unwrap_or_default())
}
