//! `CloudTrail`: the record of recent calls and sign-ins.

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::call::{Answer, Lane};
use super::error::CallError;
use super::operation::{Operation, Service};

const LOOKUP_EVENTS: Operation = Operation::safe(Service::CloudTrail, "LookupEvents");

/// AWS's largest page.
pub const PAGE: i32 = 50;

/// AWS's error code for a token that it does not know, or no longer.
pub const UNKNOWN_TOKEN: &str = "InvalidNextTokenException";

/// Calls of `CloudTrail` in the region of Identity Center.
#[derive(Clone, Debug)]
pub struct CloudTrail {
    client: Client,
    lane: Lane,
}

/// Which events to look up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lookup<'a> {
    /// The name of the events.
    pub name: &'a str,
    /// The earliest time, inclusive.
    pub start: Timestamp,
    /// The latest time, inclusive.
    pub end: Timestamp,
    /// Where an earlier page of the same lookup leads on.
    pub token: Option<String>,
    /// Events on the page at most, 1 to [`PAGE`].
    pub page: i32,
}

/// A page of events, newest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Events {
    /// The events.
    pub events: Vec<TrailEvent>,
    /// What leads on.
    pub token: Option<String>,
}

/// One event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrailEvent {
    /// Its id.
    pub id: String,
    /// The record, as JSON text.
    pub record: String,
}

impl CloudTrail {
    pub(super) fn new(client: Client, lane: Lane) -> Self {
        Self { client, lane }
    }

    /// One page of events by name and time (`cloudtrail:LookupEvents`, twice a second at most). AWS keeps them for 90
    /// days and shows them some minutes late. A page that leads to itself is a
    /// [`Class::Malformed`](super::Class::Malformed).
    pub async fn lookup(&self, lookup: Lookup<'_>) -> Result<Events, CallError> {
        let attribute = LookupAttribute::builder()
            .attribute_key(LookupAttributeKey::EventName)
            .attribute_value(lookup.name)
            .build()
            .map_err(|error| self.lane.malformed(LOOKUP_EVENTS, error.to_string()))?;
        let request = self
            .client
            .lookup_events()
            .lookup_attributes(attribute)
            .start_time(DateTime::from_secs(lookup.start.as_second()))
            .end_time(DateTime::from_secs(lookup.end.as_second()))
            .max_results(lookup.page)
            .set_next_token(lookup.token.clone());
        let answer = self
            .lane
            .send(LOOKUP_EVENTS, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        let token = answer.next_token.filter(|token| !token.is_empty());
        if token.is_some() && token == lookup.token {
            return Err(self
                .lane
                .malformed(LOOKUP_EVENTS, "it repeats a page token, the lookup would never end"));
        }
        let read = |event: aws_sdk_cloudtrail::types::Event| {
            Some(TrailEvent { id: event.event_id?, record: event.cloud_trail_event? })
        };
        Ok(Events { events: answer.events.unwrap_or_default().into_iter().filter_map(read).collect(), token })
    }
}
