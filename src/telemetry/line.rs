//! One line of the log.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tracing::{Level, Metadata};

use super::fields::Fields;
use super::{AUDIT, is_audit};
use crate::config::LogFormat;

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
        let message = fields.take_message();
        if is_audit(metadata.target()) {
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
        let mut line = format!("{time}\t{}\t{}\t{}", self.level, self.caller, self.message);
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
    serde_json::to_string(&Ordered(entries)).unwrap_or_default()
}

/// Where the event is in the source: the last two parts of the path, and the line.
fn caller(metadata: &Metadata<'_>) -> String {
    let file = metadata.file().unwrap_or("unknown");
    let start = file.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    format!("{}:{}", file.get(start..).unwrap_or(file), metadata.line().unwrap_or_default())
}
