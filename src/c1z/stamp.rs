//! Times as the file keeps them: UTC wall clock as text, which `SQLite` compares as text.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `YYYY-MM-DD HH:MM:SS`, and a fraction without trailing zeros where there is one.
pub(super) fn stamp(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S%.f").to_string()
}

#[cfg(test)]
mod tests {
    use super::stamp;

    #[test]
    fn a_time_has_a_blank_no_zone_and_a_trimmed_fraction() {
        let at = |text: &str| stamp(text.parse().unwrap());
        assert_eq!(at("2026-01-02T03:04:05Z"), "2026-01-02 03:04:05");
        assert_eq!(at("2026-01-02T03:04:05.1200Z"), "2026-01-02 03:04:05.12");
        assert_eq!(at("2026-01-02T03:04:05.000000001+02:00"), "2026-01-02 01:04:05.000000001");
    }
}
