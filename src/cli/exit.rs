//! Exit codes: those of gRPC, as the protocol's connectors use them.

use std::process::ExitCode;

use crate::daemon::Ended;

/// How the process ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exit(u8);

impl Exit {
    /// What was asked for is done.
    pub const SUCCESS: Self = Self(0);
    /// The operator ended it before it was done.
    pub const INTERRUPTED: Self = Self(1);
    /// It failed, and no other code says more.
    pub const FAILURE: Self = Self(2);
    /// What an operation names is not in the file.
    pub const NOT_FOUND: Self = Self(5);
    /// Something has to be put right first.
    pub const PRECONDITION: Self = Self(9);
    /// A second signal ended it before it could clean up.
    pub const KILLED: Self = Self(130);
    /// Something took too long.
    pub const TIMED_OUT: Self = Self(4);
    /// A setting asks for something that this build does not have.
    pub const UNBUILT: Self = Self(12);
    /// Somebody else cannot be reached.
    pub const UNAVAILABLE: Self = Self(14);

    /// The code for the gRPC code of an error. Cancellation is 1, which gRPC and the convention of shells agree on;
    /// an error that claims to be fine is an internal one.
    pub fn of_code(code: i32) -> Self {
        match u8::try_from(code) {
            Ok(0) => Self(13),
            Ok(code @ 1..=16) => Self(code),
            _ => Self::FAILURE,
        }
    }

    /// The code for the end of a daemon.
    pub(super) fn of_daemon(ended: Ended) -> Self {
        Self(ended.exit_code())
    }

    /// The number itself.
    pub fn code(self) -> u8 {
        self.0
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.0.into()
    }
}

/// Every exit code and what it means, as the README lists them.
pub static EXIT_CODES: &[(u8, &str)] = &[
    (
        0,
        "Done: the sync, grant or revoke succeeded, or the daemon stopped as asked and every task is reported",
    ),
    (
        1,
        "Interrupted: a signal to stop (SIGTERM, SIGINT, SIGHUP, SIGQUIT) ended a one-shot run, or a daemon before all outcomes were reported",
    ),
    (
        2,
        "Failed: wrong arguments or settings, a file that cannot be written, or an error without a code of its own",
    ),
    (3, "Invalid argument: AWS or the connector refuses the request as it is"),
    (4, "Deadline exceeded: AWS had not confirmed a change in time, or a probe timed out"),
    (5, "Not found: the entitlement, grant or principal is not in the file, or not in AWS"),
    (7, "Permission denied: a role cannot be assumed, or a permission is missing; the message names it"),
    (8, "Resource exhausted: a limit of AWS or of the control plane"),
    (9, "Failed precondition: something has to be put right first; the message names it"),
    (10, "Aborted: a conflict with another change; repeating the run may succeed"),
    (12, "Not built: a setting asks for something that this version does not have; the message names it"),
    (13, "Internal: AWS or the control plane answered in a way that has no meaning"),
    (
        14,
        "Unavailable: AWS or the control plane cannot be reached or throttles; repeating the run may succeed",
    ),
    (16, "Unauthenticated: AWS or the control plane does not accept the credentials"),
    (130, "Killed by a second signal to stop before it could clean up"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_is_used_is_documented_once_and_in_order() {
        let documented: Vec<u8> = EXIT_CODES.iter().map(|(code, _)| *code).collect();
        assert!(documented.is_sorted_by(|a, b| a < b), "{documented:?}");
        let constants = [
            Exit::SUCCESS,
            Exit::INTERRUPTED,
            Exit::FAILURE,
            Exit::TIMED_OUT,
            Exit::UNBUILT,
            Exit::UNAVAILABLE,
        ];
        for exit in constants {
            assert!(documented.contains(&exit.code()), "{exit:?}");
        }
    }

    #[test]
    fn codes_of_grpc_are_kept() {
        for (code, exit) in
            [(1, 1), (2, 2), (4, 4), (7, 7), (12, 12), (16, 16), (0, 13), (17, 2), (-1, 2), (300, 2)]
        {
            assert_eq!(Exit::of_code(code).code(), exit, "{code}");
        }
    }
}
