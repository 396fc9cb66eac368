//! `log-level`: changes the level of a running daemon's log for a time.

use crate::config::{Flags, work_parent};
use crate::daemon::{LogOrder, ask};

use super::Exit;

/// Tells the daemons of this host; prints what they answer.
pub(super) fn run(order: LogOrder, flags: Flags) -> Exit {
    let parent = match work_parent(flags) {
        Ok(parent) => parent,
        Err(error) => {
            eprintln!("{error}");
            return Exit::FAILURE;
        }
    };
    match ask(parent.as_deref(), order) {
        Ok(answers) if answers.is_empty() => {
            let parent = parent.unwrap_or_else(std::env::temp_dir);
            eprintln!("no running daemon has its work directory in {}", parent.display());
            Exit::UNAVAILABLE
        }
        Ok(answers) => {
            for answer in answers {
                eprintln!("{answer}");
            }
            Exit::SUCCESS
        }
        Err(error) => {
            eprintln!("the work directory cannot be searched: {error}");
            Exit::FAILURE
        }
    }
}
