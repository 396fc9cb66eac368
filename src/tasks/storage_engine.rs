//! The engine that a task wants its file written with: whatever it names, the file is one of `SQLite`, which every
//! reader takes.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::text::{NAME, printable};

/// Names that are told apart; those beyond go unsaid, as somebody may send another with each task.
const MOST: usize = 16;

static SAID: Said = Said(Mutex::new(BTreeSet::new()));

/// Says once what becomes of a wish that is not met. One that nobody knows is no wish, as an empty one is none: that
/// it came may be a fault of whoever sent it.
pub(super) fn note(wanted: &str) {
    match SAID.note(wanted) {
        Some(Wish::Other(engine)) => {
            tracing::info!(storage_engine = engine, "syncs are written with the engine sqlite");
        }
        Some(Wish::Unknown(engine)) => tracing::warn!(
            storage_engine = engine,
            "a task asks for an engine of the sync that this version does not know; it is written with sqlite, as if \
             none had been named"
        ),
        None => {}
    }
}

/// A wish that is not met.
#[derive(Debug, Eq, PartialEq)]
enum Wish {
    /// For the other engine of the protocol.
    Other(String),
    /// For one that is not among those of the protocol.
    Unknown(String),
}

/// The wishes that were said.
struct Said(Mutex<BTreeSet<String>>);

impl Said {
    /// What is to be said of this wish: nothing of one that is met or that was said.
    fn note(&self, wanted: &str) -> Option<Wish> {
        if matches!(wanted, "" | "sqlite") {
            return None;
        }
        let name = printable(wanted, NAME).into_owned();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= MOST || !said.insert(name.clone()) {
            return None;
        }
        Some(if wanted == "pebble" { Wish::Other(name) } else { Wish::Unknown(name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Said {
        Said(Mutex::default())
    }

    #[test]
    fn each_unknown_engine_is_said_once_and_no_engine_never() {
        let said = said();
        for silent in ["", "sqlite"] {
            assert_eq!(said.note(silent), None);
        }
        for once in ["duckdb", "PEBBLE", " sqlite"] {
            assert_eq!(said.note(once), Some(Wish::Unknown(once.to_owned())));
            assert_eq!(said.note(once), None);
        }
        assert_eq!(said.note("pebble"), Some(Wish::Other("pebble".to_owned())));
        assert_eq!(said.note("pebble"), None);
    }

    #[test]
    fn a_stream_of_unknown_engines_is_cut_off_and_each_is_short_and_printable() {
        let said = said();
        let loud = format!("a\n\u{1b}[2J{}", "x".repeat(100_000));
        let Some(Wish::Unknown(name)) = said.note(&loud) else { panic!("not said") };
        assert!(name.len() < 2 * NAME && !name.contains(['\n', '\u{1b}']), "{name}");
        let told = (0..100_000).filter(|number| said.note(&format!("engine {number}")).is_some()).count();
        assert_eq!(told, MOST - 1);
    }
}
