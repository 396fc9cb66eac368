//! The feed of sign-ins through Identity Center, from `CloudTrail`.
//!
//! One request looks at one page: `CloudTrail` answers twice a second. Sign-ins are looked up by the names of their
//! events; a lookup by source would find every call that a sync makes, too.

mod cursor;
mod sign_in;

pub use self::cursor::{Cursor, CursorError};
pub use self::sign_in::SignIn;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Connector;
use crate::aws::CallError;
use crate::aws::cloudtrail::{self, Lookup};
use crate::baton::time::from_proto_timestamp;
use crate::baton::v2::{EventFeedMetadata, EventType, ListEventsRequest, ListEventsResponse};

/// The id of the feed.
pub const FEED: &str = "aws_last_login_event_feed";

/// The names of the events that are sign-ins, in the order in which they are looked up.
const NAMES: [&str; 2] = ["Federate", "Authenticate"];

/// Where a feed begins that is asked for without a cursor and without a time.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(2);

/// How far a lookup goes back behind the end of the one before: `CloudTrail` shows events up to a quarter of an hour
/// late. What is found twice has the same id both times.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);

/// Why there are no events.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// There is no feed of this id.
    #[error("there is no event feed {0:?}; BATON_SYNC_SSO_USER_LAST_LOGIN=true switches {FEED} on")]
    Unknown(String),
    /// The cursor is none of ours.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// How far back `CloudTrail` can be asked.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The feed as the connector announces it.
pub(super) fn metadata() -> EventFeedMetadata {
    EventFeedMetadata { id: FEED.to_owned(), supported_event_types: vec![EventType::Usage.into()] }
}

/// The next page of events. Source: `cloudtrail:LookupEvents`.
///
/// Cancel-safe: the cursor alone says what was read.
pub(super) async fn events(
    connector: &Connector,
    request: &ListEventsRequest,
    cancel: CancellationToken,
) -> Result<ListEventsResponse, FeedError> {
    let now = Timestamp::now();
    let start = request.start_at.as_ref().map(from_proto_timestamp);
    let cursor = match request.cursor.as_str() {
        "" => Cursor::begin(start.unwrap_or(now - FIRST_LOOK), now),
        text => Cursor::read(text, now)?,
    };
    let page = i32::try_from(request.page_size).unwrap_or(i32::MAX);
    let lookup = Lookup {
        name: NAMES.get(cursor.name).copied().unwrap_or(NAMES[0]),
        start: cursor.start,
        end: cursor.end,
        token: cursor.token.clone(),
        page: if page == 0 { cloudtrail::PAGE } else { page.min(cloudtrail::PAGE) },
    };
    let trail = connector.aws.sync(cancel).cloud_trail();
    let found = match trail.lookup(lookup.clone()).await {
        // The control plane may come back after the token's time. What the lookup told already comes again.
        Err(error) if lookup.token.is_some() && error.code() == Some(cloudtrail::UNKNOWN_TOKEN) => {
            trail.lookup(Lookup { token: None, ..lookup }).await?
        }
        found => found?,
    };
    let mut sign_ins = Vec::new();
    for event in &found.events {
        if let Some(sign_in) = SignIn::read(&event.record) {
            sign_ins.push((event.id.as_str(), sign_in));
        } else {
            tracing::debug!(event.id = event.id, "an event tells no sign-in of a known shape");
        }
    }
    let newest = sign_ins.iter().map(|(_, sign_in)| sign_in.at).max();
    let (cursor, has_more) = cursor.after(newest, found.token, NAMES.len());
    let region = &connector.settings.identity_center_region;
    Ok(ListEventsResponse {
        events: sign_ins.into_iter().map(|(id, sign_in)| sign_in.event(id, region)).collect(),
        cursor: cursor.write(),
        has_more,
        annotations: Vec::new(),
    })
}
