//! Reads single settings as typed values and collects what is wrong with them.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Secret;
use super::fault::{Fault, Note};
use super::field::{Field, Kind, Secrecy};
use super::source::{RawSettings, Source};

/// Longest duration: the sum of a moment and a longer one may be no moment.
const LONGEST: Duration = Duration::from_hours(87_660);

/// Reads settings one by one. A wrong value is recorded and its default stands in for it, so that one run names
/// all that is wrong.
pub(super) struct Reader {
    raw: RawSettings,
    pub(super) faults: Vec<Fault>,
    pub(super) notes: Vec<Note>,
}

impl Reader {
    pub(super) fn new(mut raw: RawSettings) -> Self {
        let (faults, notes) = (raw.take_faults(), raw.take_notes());
        Self { raw, faults, notes }
    }

    /// Whether a flag, a variable or the file gives it a value.
    pub(super) fn is_set(&self, field: &Field) -> bool {
        self.given(field).is_some()
    }

    /// The text as given, else the default, else nothing.
    pub(super) fn text(&self, field: &Field) -> Option<String> {
        self.given(field)
            .map(str::to_owned)
            .or_else(|| if field.default.is_empty() { None } else { Some(field.default.to_owned()) })
    }

    pub(super) fn path(&self, field: &Field) -> Option<PathBuf> {
        self.text(field).map(PathBuf::from)
    }

    pub(super) fn secret(&self, field: &Field) -> Option<Secret> {
        self.given(field).map(Secret::from)
    }

    pub(super) fn list(&self, field: &Field) -> Vec<String> {
        let texts = self.raw.get(field).map_or(&[][..], |given| &given.texts);
        texts.iter().map(|text| text.expose_secret().to_owned()).collect()
    }

    /// The switch as given; `None` when it is not.
    pub(super) fn switch_if_set(&mut self, field: &Field) -> Option<bool> {
        let value = self.given(field).map(parse_switch)?;
        if value.is_none() {
            self.refuse(field, "must be true or false");
        }
        value
    }

    pub(super) fn switch(&mut self, field: &Field) -> bool {
        self.switch_if_set(field).unwrap_or(field.default == "true")
    }

    pub(super) fn number(&mut self, field: &Field, range: RangeInclusive<i64>, accepted: &str) -> i64 {
        let default = field.default.parse().unwrap_or_default();
        match self.given(field).map(str::parse::<i64>) {
            None => default,
            Some(Ok(number)) if range.contains(&number) => number,
            Some(_) => {
                self.refuse(field, accepted);
                default
            }
        }
    }

    /// The duration as given, else the default, else nothing. A bare `0` needs no unit.
    pub(super) fn duration(&mut self, field: &Field) -> Option<Duration> {
        let text = self.text(field)?;
        if text == "0" {
            return Some(Duration::ZERO);
        }
        let duration =
            text.parse::<jiff::SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
        if duration.is_none() {
            self.refuse(field, "must be a duration with units, such as 30s, 15m or 1h30m");
        }
        if duration.is_some_and(|duration| duration > LONGEST) {
            self.refuse(field, "must be ten years or less");
            return None;
        }
        duration
    }

    /// The word of a choice as given, else the default, else nothing.
    pub(super) fn choice(&mut self, field: &Field) -> Option<&'static str> {
        let Kind::Choice(words) = field.kind else { return None };
        let text = self.text(field)?;
        let word = words.iter().find(|word| **word == text).copied();
        if word.is_none() {
            let message =
                format!("field {}: value must be one of [{}] but got '{text}'", field.name, words.join(" "));
            self.fault(field, message);
        }
        word
    }

    /// Records that the value given is not accepted; the value is quoted unless it is a secret, or may hold one as the
    /// address of a host with user and password does.
    pub(super) fn refuse(&mut self, field: &Field, accepted: &str) {
        let message = match (field.secrecy, self.text(field)) {
            (Secrecy::Plain, Some(text)) if !text.contains('@') => {
                let shown: String = text.chars().take(100).collect();
                format!("{accepted}, but got '{shown}'")
            }
            _ => accepted.to_owned(),
        };
        self.fault(field, message);
    }

    /// Records a fault that needs no quote.
    pub(super) fn fault(&mut self, field: &Field, message: impl Into<String>) {
        self.faults.push(Fault::invalid(self.label(field), message));
    }

    /// Records that the value asks for something that is not there.
    pub(super) fn unbuilt(&mut self, field: &Field, message: impl Into<String>) {
        self.faults.push(Fault::unbuilt(self.label(field), message));
    }

    pub(super) fn inform(&mut self, field: &Field, message: &str) {
        self.notes.push(Note::info(format!("{} {message}", self.label(field))));
    }

    pub(super) fn warn(&mut self, field: &Field, message: &str) {
        self.notes.push(Note::warning(format!("{} {message}", self.label(field))));
    }

    /// The name of a setting as a message gives it: its variable, and where else the value came from.
    fn label(&self, field: &Field) -> String {
        let variable = field.variable();
        match self.raw.get(field).map(|given| &given.source) {
            Some(Source::Flag) => format!("{variable} (--{})", field.name),
            Some(Source::File(path)) => format!("{variable} (key {} of {})", field.name, path.display()),
            Some(Source::Variable) | None => variable,
        }
    }

    fn given(&self, field: &Field) -> Option<&str> {
        let text = self.raw.get(field)?.texts.last().map(SecretString::expose_secret)?;
        if text.is_empty() { None } else { Some(text) }
    }
}

/// The words for true and false of Go's `strconv.ParseBool`, in any case.
pub(super) fn parse_switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}
