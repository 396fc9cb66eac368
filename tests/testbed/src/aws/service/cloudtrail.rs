//! `CloudTrail`: the lookup of recent events.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{ApiError, Call, Operation, Protocol, Service, put};
use crate::aws::world::trail::Event;

/// Default and largest page.
const LARGEST: usize = 50;
/// How far back events can be looked up.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

pub(crate) static SERVICE: Service = Service {
    name: "cloudtrail",
    protocol: Protocol::Json { target: "CloudTrail_20131101" },
    operations: &[Operation::listing("LookupEvents", LARGEST, LARGEST, lookup_events)],
    invalid: "InvalidNextTokenException",
    throttled: "ThrottlingException",
    internal: "InternalFailure",
    resource: |_, _, _, _| "*".to_owned(),
};

fn lookup_events(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let size = call.number("MaxResults").ok().flatten();
    if call.input.get("MaxResults").is_some() && !size.is_some_and(|size| (1..=LARGEST).contains(&size)) {
        return Err(ApiError::new("InvalidMaxResultsException", "MaxResults must be between 1 and 50."));
    }
    let now = Timestamp::now();
    let oldest = now.checked_sub(KEPT).unwrap_or_default();
    let from = time(call, "StartTime")?.unwrap_or(oldest).max(oldest);
    let to = time(call, "EndTime")?.unwrap_or(now);
    if from > to && call.input.get("StartTime").is_some() && call.input.get("EndTime").is_some() {
        let message = "The start time must be before the end time.";
        return Err(ApiError::new("InvalidTimeRangeException", message));
    }
    let wanted = attribute(call)?;
    let world = &call.world;
    let here = call.caller.account == world.organization.management && call.region == world.directory.region;
    let events = here
        .then(|| world.trail.between(from, to))
        .into_iter()
        .flatten()
        .filter(|event| wanted.is_none_or(|(key, value)| has(event, key, value)));
    call.page("Events", events, render)
}

/// A time in seconds since 1970, as JSON carries it.
fn time(call: &Call<'_>, member: &str) -> Result<Option<Timestamp>, ApiError> {
    let Some(value) = call.input.get(member).filter(|value| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_f64().and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok());
    let time = seconds.and_then(|seconds| Timestamp::from_duration(seconds).ok());
    time.map(Some).ok_or_else(|| {
        ApiError::new("SerializationException", format!("{member} is not a number of seconds"))
    })
}

/// The one attribute that a lookup may name.
fn attribute<'a>(call: &Call<'a>) -> Result<Option<(&'a str, &'a str)>, ApiError> {
    let input: &'a Value = call.input;
    let refuse = |message: &str| ApiError::new("InvalidLookupAttributesException", message);
    let Some(attributes) = input.get("LookupAttributes").and_then(Value::as_array) else { return Ok(None) };
    let [attribute] = attributes.as_slice() else {
        return if attributes.is_empty() {
            Ok(None)
        } else {
            Err(refuse("Only one attribute can be given."))
        };
    };
    let text = |name: &str| attribute.get(name).and_then(Value::as_str);
    match (text("AttributeKey"), text("AttributeValue")) {
        (Some(key), Some(value)) if ["EventSource", "EventName", "EventId", "Username"].contains(&key) => {
            Ok(Some((key, value)))
        }
        _ => Err(refuse("The attribute is not one that the testbed looks events up by.")),
    }
}

fn has(event: &Event, key: &str, value: &str) -> bool {
    match key {
        "EventSource" => event.source == value,
        "EventName" => event.name == value,
        "EventId" => event.id == value,
        _ => event.user.as_deref() == Some(value),
    }
}

fn render(event: &Event) -> Value {
    let mut row = json!({
        "EventId": event.id,
        "EventName": event.name,
        "EventSource": event.source,
        "EventTime": event.at.as_second(),
        "ReadOnly": "false",
        "Resources": [],
        "CloudTrailEvent": event.record,
    });
    if let Some(user) = &event.user {
        put(&mut row, "Username", user.as_str());
    }
    row
}
