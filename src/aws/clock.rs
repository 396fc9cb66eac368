//! How far this host's clock is from AWS's.

use std::sync::{Arc, OnceLock};

use aws_sdk_sts::Client;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use super::call::Lane;
use super::error::CallError;
use super::sts::GET_CALLER_IDENTITY;

/// The difference to the time of an answer to `sts:GetCallerIdentity`, be it a refusal.
pub(super) async fn ahead(client: &Client, lane: &Lane) -> Result<Option<SignedDuration>, CallError> {
    let seen = Seen::default();
    let answer = lane
        .send(GET_CALLER_IDENTITY, || {
            client.get_caller_identity().customize().interceptor(seen.clone()).send()
        })
        .await;
    match (seen.0.get(), answer) {
        (Some(ahead), _) => Ok(*ahead),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Ok(None),
    }
}

/// Keeps what the first answer tells of the time.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<OnceLock<Option<SignedDuration>>>);

impl Intercept for Seen {
    fn name(&self) -> &'static str {
        "Seen"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let _ = self.0.set(date.and_then(|date| difference(date, Timestamp::now())));
        Ok(())
    }
}

/// From the time of an HTTP header to `now`.
fn difference(date: &str, now: Timestamp) -> Option<SignedDuration> {
    let there = DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(SignedDuration::from_secs(now.as_second() - there.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_positive_when_this_clock_is_ahead() {
        let now = "2026-01-02T03:04:05.9Z".parse().unwrap();
        let seconds = |date| difference(date, now).map(|ahead| ahead.as_secs());
        assert_eq!(seconds("Fri, 02 Jan 2026 03:04:05 GMT"), Some(0));
        assert_eq!(seconds("Fri, 02 Jan 2026 02:54:05 GMT"), Some(600));
        assert_eq!(seconds("Fri, 02 Jan 2026 03:14:05 GMT"), Some(-600));
        assert_eq!(seconds("today"), None);
    }
}
