//! Panics, as lines of the log.

use std::panic::{self, Location, PanicHookInfo};

use jiff::Timestamp;
use serde_json::Value;
use tracing::Level;

use super::fields::Fields;
use super::line::Line;
use crate::config::LogFormat;

/// From now on a panic is told as one line, with the place in the source and without its text: a library's may hold any
/// value.
pub fn tell_panics() {
    panic::set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let place = place(panic.location());
    if tracing::dispatcher::has_been_set() {
        tracing::error!(place, "the program has a fault and panicked");
    } else {
        eprint!("{}", line(&place));
    }
}

/// The line for when there is no log yet.
fn line(place: &str) -> String {
    let mut fields = Fields::default();
    fields.set("place", Value::from(place));
    let caller = "telemetry/panics.rs".to_owned();
    let message = "the program has a fault and panicked before it had a log".to_owned();
    let line = Line { time: Timestamp::now(), level: Level::ERROR, caller, message, fields };
    line.write(LogFormat::Json)
}

/// `<package or folder>/<file>:<line>`: what stands before it is where the program was built.
fn place(location: Option<&Location<'_>>) -> String {
    let Some(location) = location else { return "unknown".to_owned() };
    let file = location.file();
    let start = file
        .rfind("/src/")
        .map_or(0, |at| file.get(..at).and_then(|head| head.rfind('/')).map_or(0, |at| at + 1));
    format!("{}:{}", file.get(start..).unwrap_or(file), location.line())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_panic_is_told_by_its_place_and_never_by_its_text() {
        let seen = Arc::new(Mutex::new(String::new()));
        let keep = Arc::clone(&seen);
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // Other tests panic as well.
            let place = place(panic.location());
            if place.contains("panics.rs:") {
                *keep.lock().unwrap() = line(&place);
            }
        }));
        let caught = panic::catch_unwind(|| panic!("canary {}", "canary"));
        panic::set_hook(before);
        assert!(caught.is_err());
        let line = seen.lock().unwrap().clone();
        assert_eq!(line.lines().count(), 1, "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "error");
        assert!(value["place"].as_str().unwrap().contains("telemetry/panics.rs:"), "{line}");
        assert!(!line.contains("canary"), "{line}");
    }
}
