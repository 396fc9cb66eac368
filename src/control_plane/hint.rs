//! The durations that the service hands out, made safe: absent, negative and huge values all have a meaning.

use std::time::Duration;

/// Longest wait that the service can ask for.
const LONGEST: Duration = Duration::from_mins(5);
/// Shortest time between two heartbeats of a task.
const SHORTEST_HEARTBEAT: Duration = Duration::from_secs(1);
/// Time between two heartbeats when the service names none.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(30);

/// The wait before the next poll: 0 to 5 minutes, absent means none.
pub(super) fn next_poll(hint: Option<prost_types::Duration>) -> Duration {
    hint.map_or(Duration::ZERO, clamp)
}

/// The wait before the next heartbeat: 1 second to 5 minutes, absent or zero means 30 seconds.
pub(super) fn next_heartbeat(hint: Option<prost_types::Duration>) -> Duration {
    match hint {
        None | Some(prost_types::Duration { seconds: 0, nanos: 0 }) => DEFAULT_HEARTBEAT,
        Some(hint) => clamp(hint).max(SHORTEST_HEARTBEAT),
    }
}

/// `seconds` and `nanos` come unchecked from outside and may contradict each other in sign.
fn clamp(hint: prost_types::Duration) -> Duration {
    let nanos = i128::from(hint.seconds) * 1_000_000_000 + i128::from(hint.nanos);
    u64::try_from(nanos.max(0)).map_or(LONGEST, |nanos| Duration::from_nanos(nanos).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(seconds: i64, nanos: i32) -> prost_types::Duration {
        prost_types::Duration { seconds, nanos }
    }

    #[test]
    fn negative_and_huge_polls_are_clamped() {
        for (given, expected) in [
            (None, Duration::ZERO),
            (Some(hint(0, 0)), Duration::ZERO),
            (Some(hint(-7, 0)), Duration::ZERO),
            (Some(hint(i64::MIN, i32::MIN)), Duration::ZERO),
            (Some(hint(1, -2_000_000_000)), Duration::ZERO),
            (Some(hint(2, 500_000_000)), Duration::from_millis(2500)),
            (Some(hint(301, 0)), LONGEST),
            (Some(hint(i64::MAX, i32::MAX)), LONGEST),
        ] {
            assert_eq!(next_poll(given), expected, "{given:?}");
        }
    }

    #[test]
    fn an_absent_heartbeat_hint_means_thirty_seconds_and_a_short_one_a_second() {
        for (given, expected) in [
            (None, 30),
            (Some(hint(0, 0)), 30),
            (Some(hint(0, 1)), 1),
            (Some(hint(-1, 0)), 1),
            (Some(hint(i64::MIN, 0)), 1),
            (Some(hint(45, 0)), 45),
            (Some(hint(i64::MAX, 0)), 300),
        ] {
            assert_eq!(next_heartbeat(given), Duration::from_secs(expected), "{given:?}");
        }
    }
}
