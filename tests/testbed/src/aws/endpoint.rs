//! What happens to one AWS request, from bytes to bytes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::fault::Effect;
use super::service::{ApiError, Call, Service, pattern};
use super::signature::Authorization;
use super::state::{Inner, State};
use super::ticket::{Ticket, abort};
use super::wire::{self, Request};
use super::world::access::Caller;

/// Answers one AWS request.
pub(crate) async fn answer(
    Shared(state): Shared<Arc<State>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let authorization = Authorization::parse(&headers);
    let signed_for = authorization.as_ref().map(|authorization| authorization.service.as_str());
    let parsed = Request::parse(&headers, &body, signed_for);
    let (service, action) = match &parsed {
        Ok(request) => (request.service, format!("{}:{}", request.service.name, request.operation.name)),
        Err(unserved) => (unserved.service, unserved.action.clone()),
    };
    let mut ticket = Ticket::open(&state, &action, authorization.as_ref());
    let request = match parsed {
        Ok(request) => request,
        Err(unserved) => return ticket.refuse(service, &unserved.error),
    };
    let signed = Signed {
        authorization: authorization.as_ref(),
        method: &method,
        uri: &uri,
        headers: &headers,
        body: &body,
    };

    let (admitted, effect, latency) = {
        let mut inner = state.lock();
        let caller = if request.operation.anonymous {
            Ok(Caller::anonymous())
        } else {
            signed.caller(service, &inner)
        };
        match caller {
            Err(error) => (Err(error), None, inner.knobs.latency),
            Ok(caller) => {
                ticket.entry.account.clone_from(&caller.account);
                ticket.entry.principal.clone_from(&caller.arn);
                let Inner { knobs, faults, buckets, .. } = &mut *inner;
                if buckets.admit(knobs, &action, &caller.account, Instant::now()) {
                    (Ok(caller.clone()), faults.strike(&action, &caller.account), knobs.latency)
                } else {
                    (Err(ApiError::throttled(service)), None, knobs.latency)
                }
            }
        }
    };
    let delay = if let Some(Effect::Delay(delay)) = effect { delay } else { Duration::ZERO };
    if latency + delay > Duration::ZERO {
        tokio::time::sleep(latency + delay).await;
    }
    let caller = match admitted {
        Ok(caller) => caller,
        Err(error) => return ticket.refuse(service, &error),
    };
    if matches!(effect, Some(Effect::Hold)) {
        hold(&state).await;
    }
    let answer = {
        let mut inner = state.lock();
        carry_out(&mut inner, &request, &caller, &ticket, effect.as_ref())
    };
    match answer {
        Err(Refusal::Reset) => abort(),
        Err(Refusal::Error(error)) => ticket.refuse(service, &error),
        Ok(answer) => {
            let body = wire::encode(service, request.operation.name, &answer, &ticket.entry.request_id);
            ticket.reply(service, body, effect.as_ref())
        }
    }
}

/// How often a held call looks whether it may go on.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until no fault is armed that holds calls.
async fn hold(state: &State) {
    let _held = Held::begin(state);
    while state.lock().faults.armed().iter().any(|fault| fault.effect == Effect::Hold) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Counts a call among those that wait, also when its caller gives up.
struct Held<'a>(&'a State);

impl<'a> Held<'a> {
    fn begin(state: &'a State) -> Self {
        state.lock().faults.held += 1;
        Self(state)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.lock().faults.held -= 1;
    }
}

/// Why a request is not carried out.
enum Refusal {
    Error(ApiError),
    Reset,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

fn carry_out(
    inner: &mut Inner,
    request: &Request,
    caller: &Caller,
    ticket: &Ticket,
    effect: Option<&Effect>,
) -> Result<Value, Refusal> {
    let service = request.service;
    let action = ticket.entry.action.as_str();
    let resource = || (service.resource)(&inner.world, caller, action, &request.input);
    match effect {
        Some(Effect::Reset) => return Err(Refusal::Reset),
        Some(Effect::Status(status)) => return Err(ApiError::internal(service, *status).into()),
        Some(Effect::ExpiredCredentials) => return Err(ApiError::expired(service).into()),
        Some(Effect::Throttle) => return Err(ApiError::throttled(service).into()),
        Some(Effect::ThrottleFor(pause)) => {
            return Err(ApiError::throttled(service).retry_after(service, *pause).into());
        }
        Some(Effect::Deny) => return Err(ApiError::denied(service, caller, action, &resource()).into()),
        Some(Effect::Error { code, message, status }) => {
            return Err(ApiError::with_status(code.clone(), message.clone(), *status).into());
        }
        _ => {}
    }
    // Nobody can be kept from asking who they are.
    if !request.operation.anonymous && action != "sts:GetCallerIdentity" && !caller.may(action) {
        return Err(ApiError::denied(service, caller, action, &resource()).into());
    }
    pattern::check(service, request.operation.name, &request.input)?;
    if matches!(effect, Some(Effect::Vanish)) && inner.world.vanish(&caller.account, &request.input) {
        return Err(ApiError::vanished(service).into());
    }
    let mut call = Call {
        world: &mut inner.world,
        knobs: &inner.knobs,
        caller,
        region: &ticket.entry.region,
        service,
        operation: request.operation,
        action,
        input: &request.input,
        quirk: effect,
    };
    let mut answer = (request.operation.run)(&mut call)?;
    if let Some(effect) = effect {
        effect.change(&mut answer);
    }
    Ok(answer)
}

/// The signed parts of a request.
struct Signed<'a> {
    authorization: Option<&'a Authorization>,
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

impl Signed<'_> {
    /// The caller that the signature proves.
    fn caller(&self, service: &Service, inner: &Inner) -> Result<Caller, ApiError> {
        let authorization = self.authorization.ok_or_else(|| ApiError::unsigned(service))?;
        let access = &inner.world.access;
        let key = access.key(&authorization.access_key_id).ok_or_else(|| ApiError::unknown_key(service))?;
        let token = self.headers.get("x-amz-security-token").and_then(|value| value.to_str().ok());
        if token != key.session.as_ref().map(|session| session.token.as_str()) {
            return Err(ApiError::unknown_key(service));
        }
        if inner.knobs.verify_signatures
            && !authorization.verify(&key.secret, self.method, self.uri, self.headers, self.body)
        {
            return Err(ApiError::bad_signature(service));
        }
        if key.session.as_ref().is_some_and(|session| session.expires <= Timestamp::now()) {
            return Err(ApiError::expired(service));
        }
        access.caller(key).ok_or_else(|| ApiError::unknown_key(service))
    }
}
