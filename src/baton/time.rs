//! `google.protobuf.Duration` and `Timestamp`, to and from the types that the program calculates with.
//!
//! What a peer sends may be negative, huge or not normalized. Conversions clamp it; none of them fails.

use std::time::Duration;

use jiff::Timestamp;

const NANOS: i128 = 1_000_000_000;

/// The most seconds that a protobuf duration may have: about 10 000 years.
const MAX_SECONDS: u64 = 315_576_000_000;

/// The duration of a message; zero for a negative one.
pub fn from_proto_duration(duration: &prost_types::Duration) -> Duration {
    let nanos = total(duration.seconds, duration.nanos).max(0);
    Duration::new(
        u64::try_from(nanos / NANOS).unwrap_or(u64::MAX),
        u32::try_from(nanos % NANOS).unwrap_or_default(),
    )
}

/// The message of a duration, at most what the message may carry.
pub fn to_proto_duration(duration: Duration) -> prost_types::Duration {
    let duration = duration.min(Duration::from_secs(MAX_SECONDS));
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// The time of a message; the first or last time that can be told apart for one that is out of range.
pub fn from_proto_timestamp(timestamp: &prost_types::Timestamp) -> Timestamp {
    let nanos = total(timestamp.seconds, timestamp.nanos);
    let nearest = if nanos < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_nanosecond(nanos).unwrap_or(nearest)
}

/// The message of a time: seconds since 1970, and nanoseconds that count forward.
pub fn to_proto_timestamp(time: Timestamp) -> prost_types::Timestamp {
    let nanos = time.as_nanosecond();
    prost_types::Timestamp {
        seconds: i64::try_from(nanos.div_euclid(NANOS)).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos.rem_euclid(NANOS)).unwrap_or_default(),
    }
}

/// A time as profiles tell it: RFC 3339, in whole seconds of UTC.
pub fn whole_seconds(time: Timestamp) -> String {
    let seconds = time.as_nanosecond().div_euclid(NANOS);
    let whole = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    whole.unwrap_or(time).to_string()
}

fn total(seconds: i64, nanos: i32) -> i128 {
    i128::from(seconds) * NANOS + i128::from(nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn duration(seconds: i64, nanos: i32) -> Duration {
        from_proto_duration(&prost_types::Duration { seconds, nanos })
    }

    fn time(seconds: i64, nanos: i32) -> Timestamp {
        from_proto_timestamp(&prost_types::Timestamp { seconds, nanos })
    }

    #[test]
    fn a_time_in_a_profile_has_whole_seconds() {
        for (time, text) in [
            ("2026-01-02T03:04:05.999Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(whole_seconds(time.parse().unwrap()), text);
        }
        assert_eq!(whole_seconds(Timestamp::MIN), Timestamp::MIN.to_string());
    }

    #[test]
    fn a_negative_duration_is_zero() {
        assert_eq!(duration(-1, 0), Duration::ZERO);
        assert_eq!(duration(0, -1), Duration::ZERO);
        assert_eq!(duration(i64::MIN, i32::MIN), Duration::ZERO);
    }

    #[test]
    fn nanoseconds_that_overflow_carry_into_seconds() {
        assert_eq!(duration(1, 1_500_000_000), Duration::from_millis(2500));
        assert_eq!(duration(1, -500_000_000), Duration::from_millis(500));
        assert_eq!(duration(i64::MAX, i32::MAX).as_secs(), i64::MAX.unsigned_abs() + 2);
    }

    #[test]
    fn a_duration_beyond_the_limit_of_the_message_is_clamped() {
        assert_eq!(
            to_proto_duration(Duration::MAX),
            prost_types::Duration { seconds: 315_576_000_000, nanos: 0 }
        );
    }

    #[test]
    fn a_time_out_of_range_is_the_nearest() {
        assert_eq!(time(i64::MAX, i32::MAX), Timestamp::MAX);
        assert_eq!(time(i64::MIN, i32::MIN), Timestamp::MIN);
    }

    #[test]
    fn a_time_before_1970_counts_nanoseconds_forward() {
        let message = to_proto_timestamp(Timestamp::from_millisecond(-1500).unwrap());

        assert_eq!(message, prost_types::Timestamp { seconds: -2, nanos: 500_000_000 });
    }

    proptest! {
        #[test]
        fn any_message_converts_without_panic(seconds: i64, nanos: i32) {
            duration(seconds, nanos);
            let there = time(seconds, nanos);
            prop_assert_eq!(from_proto_timestamp(&to_proto_timestamp(there)), there);
        }

        #[test]
        fn durations_within_the_limit_survive_the_round_trip(seconds in 0..MAX_SECONDS, nanos in 0..1_000_000_000_u32) {
            let there = Duration::new(seconds, nanos);
            prop_assert_eq!(from_proto_duration(&to_proto_duration(there)), there);
        }
    }
}
