//! Scripted faults: which calls they hit and what happens to those.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::knobs::millis;
use super::quota::matches;

mod answer;

pub(crate) use answer::drop_members;

/// A fault that hits some calls. The first armed fault that matches a call takes it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The calls: an action such as `identitystore:ListUsers`, with `*` allowed.
    pub action: String,
    /// Only calls of this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Lets so many matching calls pass first.
    #[serde(default)]
    pub skip: u32,
    /// Hits so many calls, then is spent; without it, every matching call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Further members of the error that it answers with, for example `Reason` or `ResourceType`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub members: Map<String, Value>,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// A fault that hits every call of `action`.
    pub fn new(action: impl Into<String>, effect: Effect) -> Self {
        Self { action: action.into(), account: None, skip: 0, times: None, members: Map::new(), effect }
    }

    /// Hits the `nth` call alone, counted from one.
    pub fn nth(nth: u32, action: impl Into<String>, effect: Effect) -> Self {
        Self::once(action, effect).after(nth.saturating_sub(1))
    }

    /// Hits one call, then is spent.
    pub fn once(action: impl Into<String>, effect: Effect) -> Self {
        Self::new(action, effect).times(1)
    }

    /// Hits `times` calls, then is spent.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets `skip` matching calls pass first.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Adds a member to the error that it answers with: `Reason`, `ResourceType` and the like.
    #[must_use]
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.members.insert(name.into(), value.into());
        self
    }

    /// Hits only calls of `account`.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }
}

/// What a fault does to a call.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Answers with this HTTP status (500, 503, ...) and the service's error body; nothing is carried out.
    Status(u16),
    /// Resets the connection; nothing is carried out.
    Reset,
    /// Carries the call out, then resets the connection instead of answering.
    LostReply,
    /// Carries the call out and sends the body in two halves, so many milliseconds apart.
    SlowBody(#[serde(with = "millis")] Duration),
    /// Carries the call out and sends the body in pieces, with a pause before each.
    Trickle {
        /// Bytes of a piece.
        bytes: usize,
        /// Milliseconds of each pause.
        #[serde(rename = "every_ms", with = "millis")]
        every: Duration,
    },
    /// Carries the call out and sends only the first half of the body, as if it were all.
    TruncatedBody,
    /// Carries the call out and sends no body, as if there were none.
    EmptyBody,
    /// Carries the call out and closes the connection in the middle of the body.
    CutBody,
    /// Waits so many milliseconds, then goes on as usual.
    Delay(#[serde(with = "millis")] Duration),
    /// Waits until the faults are disarmed, then goes on as usual.
    Hold,
    /// Removes what the request names, as if somebody else had just deleted it, and answers that it is not found. A
    /// request that names nothing that is there goes on as usual.
    Vanish,
    /// Answers that the caller's credentials have expired.
    ExpiredCredentials,
    /// Answers that the caller sends too many requests.
    Throttle,
    /// The same, and that it may come back after so many milliseconds: the headers `x-amz-retry-after` and
    /// `Retry-After`, and `RetryAfterSeconds` where the service has it.
    ThrottleFor(#[serde(with = "millis")] Duration),
    /// Answers that the caller is not authorized.
    Deny,
    /// Answers with any error.
    Error {
        /// The error code, for example `ConflictException`.
        code: String,
        /// The message.
        #[serde(default)]
        message: String,
        /// The HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
    },
    /// Answers a listing with an empty page and a token that leads on.
    EmptyPage,
    /// Answers a listing with a token that leads on, and with the same one for ever to whoever follows it.
    RepeatedToken,
    /// Leaves a member out of the answer, wherever it stands in it: `drop: UserName`.
    Drop(String),
    /// Gives a member this value, wherever it stands: `replace: {member: IsTruncated, value: [1]}`.
    Replace {
        /// The name of the member.
        member: String,
        /// Its value: any JSON, also where the answer is XML.
        value: Value,
    },
    /// Gives a member a value of another type: an object for a text, a list for an object, a text for the rest.
    WrongType(String),
    /// Gives a member a text that no enumeration knows.
    UnknownValue(String),
    /// Accepts an assignment request and ends it as `FAILED` with this reason.
    SettlesFailed(String),
}

fn bad_request() -> u16 {
    400
}

/// What hits one call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Strike {
    pub(crate) effect: Effect,
    /// Further members of the error.
    pub(crate) members: Map<String, Value>,
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Fault>,
    /// Calls that wait for the faults to be disarmed.
    pub(crate) held: usize,
}

impl Faults {
    pub(crate) fn new(armed: Vec<Fault>) -> Self {
        Self { armed, held: 0 }
    }

    pub(crate) fn arm(&mut self, fault: Fault) {
        self.armed.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn armed(&self) -> &[Fault] {
        &self.armed
    }

    /// What hits the next call, if a fault takes it. Counts down.
    pub(crate) fn strike(&mut self, action: &str, account: &str) -> Option<Strike> {
        let mut struck = None;
        for fault in &mut self.armed {
            if !matches(&fault.action, action) || fault.account.as_deref().is_some_and(|only| only != account)
            {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
            }
            struck = Some(Strike { effect: fault.effect.clone(), members: fault.members.clone() });
            break;
        }
        self.armed.retain(|fault| fault.times != Some(0));
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_skips_hits_and_is_spent() {
        let fault = Fault::new("sso:*", Effect::Throttle).after(1).times(2).account("111111111111");
        let mut faults = Faults::new(vec![fault]);
        assert_eq!(faults.strike("sso:ListInstances", "222222222222"), None);
        assert_eq!(faults.strike("iam:ListUsers", "111111111111"), None);
        let hits: Vec<bool> =
            (0..4).map(|_| faults.strike("sso:ListInstances", "111111111111").is_some()).collect();
        assert_eq!(hits, [false, true, true, false]);
        assert!(faults.armed().is_empty());
    }

    #[test]
    fn effects_are_written_as_people_would() {
        let text = "- {action: 'sso:*', times: 3, effect: throttle}\n- {action: 'iam:*', effect: {status: 503}}\n\
                    - {action: 'sts:*', effect: {slow_body: 200}}\n- {action: a, effect: {error: {code: Odd}}}\n\
                    - {action: a, effect: {drop: UserName}}\n- {action: a, effect: {throttle_for: 1500}}\n\
                    - {action: a, effect: {replace: {member: Arn, value: [1]}}}\n";
        let faults: Vec<Fault> = serde_saphyr::from_str(text).unwrap();
        assert_eq!(faults[0].effect, Effect::Throttle);
        assert_eq!(faults[1].effect, Effect::Status(503));
        assert_eq!(faults[2].effect, Effect::SlowBody(Duration::from_millis(200)));
        assert_eq!(
            faults[3].effect,
            Effect::Error { code: "Odd".into(), message: String::new(), status: 400 }
        );
        assert_eq!(faults[4].effect, Effect::Drop("UserName".into()));
        assert_eq!(faults[5].effect, Effect::ThrottleFor(Duration::from_millis(1500)));
        let value = serde_json::json!([1]);
        assert_eq!(faults[6].effect, Effect::Replace { member: "Arn".into(), value });
    }
}
