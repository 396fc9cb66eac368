//! How far the feed was read: what the control plane keeps between two requests.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{KEPT, NAMES, OVERLAP};
use crate::json;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest cursor that a control plane takes.
const LONGEST: usize = 4096;

/// Where a feed goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cursor {
    /// The beginning of the time that is being looked at.
    pub(super) start: Timestamp,
    /// Its end.
    pub(super) end: Timestamp,
    /// Which of the names is being looked up.
    pub(super) name: usize,
    /// What leads on within the lookup of that name.
    pub(super) token: Option<String>,
    /// The newest sign-in so far.
    pub(super) newest: Option<Timestamp>,
}

/// A cursor that this feed did not write.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the cursor is none of this feed: {0}")]
pub struct CursorError(&'static str);

/// The members of a cursor, as baton-aws names them, in base64.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Members {
    #[serde(skip_serializing_if = "String::is_empty")]
    latest_event_seen: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    next_page_token: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    start_at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    end_at: String,
}

impl Cursor {
    /// The beginning of a feed at `start`, as far as AWS can be asked, up to `now`.
    pub(super) fn begin(start: Timestamp, now: Timestamp) -> Self {
        Self { start: within_reach(start, now), end: now, name: 0, token: None, newest: None }
    }

    /// Reads a cursor, ours or one that baton-aws left behind. A cursor between two lookups leads on to `now`.
    ///
    /// # Errors
    /// [`CursorError`] for anything else.
    pub fn read(text: &str, now: Timestamp) -> Result<Self, CursorError> {
        if text.len() > LONGEST {
            return Err(CursorError("it is longer than 4096 bytes"));
        }
        let decoded = BASE64.decode(text).map_err(|_| CursorError("it is not base64"))?;
        let members: Members = json::read(&decoded).map_err(|_| CursorError("it is no JSON object"))?;
        let time = |text: &str| match text {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| CursorError("a time in it is not RFC 3339")),
        };
        let newest: Option<Timestamp> = time(&members.latest_event_seen)?;
        let start = time(&members.start_at)?.or(newest).ok_or(CursorError("it has no start"))?;
        let start = within_reach(start, now);
        let end = time(&members.end_at)?;
        // The token of another program leads on in a lookup that is not ours: the time is looked at anew.
        let within = members.next_page_token.split_once(' ');
        let within =
            within.and_then(|(name, token)| Some((NAMES.iter().position(|one| *one == name)?, token)));
        let (name, token) = within.unwrap_or_default();
        let token = Some(token.to_owned()).filter(|token| !token.is_empty());
        // A clock that went back must not make the feed skip what happens until it is there again.
        let end = end.filter(|_| name > 0 || token.is_some()).unwrap_or(now).clamp(start, now);
        Ok(Self { start, end, name, token, newest })
    }

    /// The cursor as text.
    pub fn write(&self) -> String {
        let within = self.name > 0 || self.token.is_some();
        let token = self.token.as_deref().unwrap_or_default();
        let members = Members {
            latest_event_seen: self.newest.map(|time| time.to_string()).unwrap_or_default(),
            next_page_token: match NAMES.get(self.name) {
                Some(name) if within => format!("{name} {token}"),
                _ => String::new(),
            },
            start_at: self.start.to_string(),
            end_at: if within { self.end.to_string() } else { String::new() },
        };
        BASE64.encode(serde_json::to_vec(&members).unwrap_or_default())
    }

    /// The cursor after a page, and whether there is more to read now: the rest of this lookup, the lookup of the next
    /// name, and then the time from shortly before the end of this one, whether there was a sign-in or not.
    pub(super) fn after(
        self,
        newest: Option<Timestamp>,
        token: Option<String>,
        names: usize,
    ) -> (Self, bool) {
        let newest = self.newest.max(newest);
        if token.is_some() {
            return (Self { token, newest, ..self }, true);
        }
        if self.name + 1 < names {
            return (Self { name: self.name + 1, token: None, newest, ..self }, true);
        }
        let start = (self.end - OVERLAP).max(self.start);
        (Self { start, end: self.end, name: 0, token: None, newest }, false)
    }
}

/// The nearest time that AWS can be asked for.
fn within_reach(time: Timestamp, now: Timestamp) -> Timestamp {
    time.clamp(now.checked_sub(KEPT).unwrap_or(Timestamp::MIN), now)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_cursor_of_baton_aws_leads_on_from_its_start() {
        let now = at("2026-01-01T12:00:00Z");
        let theirs = |json: &str| Cursor::read(&BASE64.encode(json), now).unwrap();
        let idle =
            theirs(r#"{"latest_event_seen":"2026-01-01T10:00:00Z","start_at":"2026-01-01T10:00:00Z"}"#);
        assert_eq!((idle.start, idle.end), (at("2026-01-01T10:00:00Z"), now));
        let within = theirs(
            r#"{"next_page_token":"AbC==","start_at":"2026-01-01T09:00:00Z","end_at":"2026-01-01T11:00:00Z"}"#,
        );
        assert_eq!((within.start, within.end), (at("2026-01-01T09:00:00Z"), now));
        assert_eq!((within.name, within.token), (0, None), "their token is of another lookup");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let now = Timestamp::UNIX_EPOCH;
        let of = |json: &str| BASE64.encode(json);
        let long = "A".repeat(5000);
        for text in [
            "?",
            &of("{"),
            &of("[]"),
            &of(r#"["","","2026-01-01T00:00:00Z",""]"#),
            &of("{}"),
            &of(r#"{"start_at":"yesterday"}"#),
            &of(r#"{"start_at":1}"#),
            &of(r#"{"start_at":"2026-01-01T00:00:00Z","end_at":"x"}"#),
            &long,
        ] {
            assert!(Cursor::read(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn no_time_in_a_cursor_is_too_early_or_too_late_to_go_on_from() {
        let now = at("2026-01-01T12:00:00Z");
        for text in ["-009999-01-02T01:59:59Z", "9999-12-30T22:00:00Z"] {
            let json = format!(r#"{{"latest_event_seen":"{text}","start_at":"{text}","end_at":"{text}"}}"#);
            let cursor = Cursor::read(&BASE64.encode(json), now).unwrap();
            assert!(
                now - KEPT <= cursor.start && cursor.start <= cursor.end && cursor.end <= now,
                "{cursor:?}"
            );
            let (next, _) = cursor.after(None, None, 1);
            assert!(next.start <= now, "what happens from now on would be skipped: {next:?}");
        }
    }

    #[test]
    fn a_quiet_time_is_not_looked_at_again_but_for_what_comes_late() {
        let (start, end) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T12:00:00Z"));
        let cursor = Cursor::begin(start, end);
        let (cursor, more) = cursor.after(None, Some("t".into()), 2);
        assert!(more && cursor.token.as_deref() == Some("t"));
        let (cursor, more) = cursor.after(None, None, 2);
        assert!(more && cursor.name == 1 && cursor.token.is_none());
        let (cursor, more) = cursor.after(None, None, 2);
        assert!(!more);
        let later = end + SignedDuration::from_hours(1);
        let next = Cursor::read(&cursor.write(), later).unwrap();
        assert_eq!((next.start, next.end, next.name), (end - OVERLAP, later, 0));
        // A second look right after does not go back behind the first.
        let short = Cursor::begin(end, end + SignedDuration::from_secs(1));
        let (short, _) = short.after(None, None, 1);
        assert_eq!(short.start, end);
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_as_it_was_written(age in 1_000_000_i64..7_000_000, life in 0_i64..1_000_000, name in 0_usize..2, token in "[A-Za-z0-9+/=]{1,40}", newest in proptest::option::of(0_i64..2_000_000_000)) {
            let second = |second| Timestamp::from_second(second).unwrap();
            let (now, start) = (3_000_000_000, 3_000_000_000 - age);
            let cursor = Cursor { start: second(start), end: second(start + life), name, token: Some(token), newest: newest.map(second) };
            prop_assert_eq!(Cursor::read(&cursor.write(), second(now)).unwrap(), cursor);
        }

        #[test]
        fn no_text_from_outside_panics(text in ".*") {
            let _ = Cursor::read(&text, Timestamp::UNIX_EPOCH).is_ok();
            let _ = Cursor::read(&BASE64.encode(&text), Timestamp::UNIX_EPOCH).is_ok();
        }
    }
}
