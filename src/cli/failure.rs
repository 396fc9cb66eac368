//! How a failure is told, and with which exit code the process ends after it.

use std::error::Error;

use super::Exit;
use crate::aws::AccessError;
use crate::tasks::{EngineError, access_code};
use crate::text::printable;

/// Bytes of an error that are printed.
const LONGEST: usize = 8 * 1024;

/// Prints an error with its causes, for failures before there is a log.
pub(super) fn tell(error: &dyn Error) -> Exit {
    eprintln!("{}", printable(&chain(error), LONGEST));
    Exit::FAILURE
}

/// Logs that the answer of a run that succeeded is lost.
pub(super) fn lost(error: &dyn Error) -> Exit {
    tracing::error!(error = chain(error), "what was asked for is done, and its answer reached nobody");
    Exit::FAILURE
}

/// Logs what this host lacks.
pub(super) fn at_start(error: &dyn Error) -> Exit {
    tracing::error!(error = chain(error), "cannot start");
    Exit::FAILURE
}

/// Logs why AWS is not accessible.
pub(super) fn no_access(error: &AccessError) -> Exit {
    tracing::error!(error = chain(error), "AWS is not accessible");
    Exit::of_code(access_code(error).into())
}

/// Logs why the operation failed, under the code that a control plane would see.
pub(super) fn of_operation(operation: &str, error: impl Error + Into<EngineError>) -> Exit {
    let text = chain(&error);
    let code = error.into().status.code;
    tracing::error!(error = text, code, "{operation} failed");
    Exit::of_code(code)
}

/// An error with its causes, outermost first.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::SyncError;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_failure_is_told_with_its_causes() {
        assert_eq!(chain(&Outer(std::io::Error::other("inner"))), "outer: inner");
    }

    #[test]
    fn operations_end_with_the_code_of_their_error() {
        let unknown = SyncError::UnknownType { id: "x".to_owned(), known: Vec::new() };
        assert_eq!(of_operation("sync", SyncError::Cancelled), Exit::INTERRUPTED);
        assert_eq!(of_operation("sync", unknown).code(), 3);
        assert_eq!(no_access(&AccessError::NoRegion).code(), 9);
    }
}
