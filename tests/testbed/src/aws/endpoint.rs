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

use super::fault::{Effect, Strike};
use super::knobs::Lagging;
use super::past;
use super::service::{ApiError, Call, Service, pattern};
use super::signature::Authorization;
use super::state::{Inner, State};
use super::ticket::{Ticket, abort};
use super::wire::{self, Request};
use super::world::World;
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

    let (admitted, strike, latency) = {
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
    let effect = strike.as_ref().map(|strike| &strike.effect);
    let delay = if let Some(Effect::Delay(delay)) = effect { *delay } else { Duration::ZERO };
    if latency + delay > Duration::ZERO {
        tokio::time::sleep(latency + delay).await;
    }
    let caller = match admitted {
        Ok(caller) => caller,
        Err(error) => return ticket.refuse(service, &error),
    };
    if effect == Some(&Effect::Hold) {
        hold(&state).await;
    }
    let answer = {
        let mut inner = state.lock();
        carry_out(&mut inner, &request, &caller, &ticket, strike.as_ref())
    };
    match answer {
        Err(Refusal::Reset) => abort(),
        Err(Refusal::Error(error)) => ticket.refuse(service, &error),
        Ok(answer) => {
            let body = wire::encode(service, request.operation.name, &answer, &ticket.entry.request_id);
            ticket.reply(service, body, effect)
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
    strike: Option<&Strike>,
) -> Result<Value, Refusal> {
    let service = request.service;
    let action = ticket.entry.action.as_str();
    let effect = strike.map(|strike| &strike.effect);
    if effect == Some(&Effect::Reset) {
        return Err(Refusal::Reset);
    }
    let resource = || (service.resource)(&inner.world, caller, action, &request.input);
    if let Some(mut error) = effect.and_then(|effect| scripted(effect, service, caller, action, &resource)) {
        error.members.extend(strike.into_iter().flat_map(|strike| strike.members.clone()));
        return Err(error.into());
    }
    // Nobody can be kept from asking who they are.
    if !request.operation.anonymous && action != "sts:GetCallerIdentity" {
        if let Some(verdict) = inner.world.organization.control(&caller.account, action) {
            return Err(ApiError::controlled(service, caller, action, &resource(), &verdict).into());
        }
        if !caller.may(action) {
            return Err(ApiError::denied(service, caller, action, &resource()).into());
        }
    }
    pattern::check(service, request.operation.name, &request.input)?;
    if effect == Some(&Effect::Vanish) && inner.world.vanish(&caller.account, &request.input) {
        return Err(ApiError::vanished(service).into());
    }
    let Inner { world, past, knobs, .. } = &mut *inner;
    let run = |world: &mut World| {
        (request.operation.run)(&mut Call {
            world,
            knobs,
            caller,
            region: &ticket.entry.region,
            service,
            operation: request.operation,
            action,
            input: &request.input,
            quirk: effect,
        })
    };
    let mut answer = if request.operation.writes() {
        if knobs.lag_of == Lagging::Everything
            && let Some(before) = past.as_of(knobs.lag)
            && let Err(error) = run(&mut before.clone())
            && error.is_not_found()
        {
            return Err(error.into());
        }
        past.remember(world, knobs.lag);
        run(world)?
    } else {
        let before = past::lags(knobs.lag_of, service, request.operation).then(|| past.as_of(knobs.lag));
        run(before.flatten().unwrap_or(world))?
    };
    if let Some(effect) = effect {
        effect.change(&mut answer);
    }
    inner.knobs.leave_out(action, &mut answer);
    Ok(answer)
}

/// The error that a fault answers with in the place of the service.
fn scripted(
    effect: &Effect,
    service: &'static Service,
    caller: &Caller,
    action: &str,
    resource: &dyn Fn() -> String,
) -> Option<ApiError> {
    Some(match effect {
        Effect::Status(status) => ApiError::internal(service, *status),
        Effect::ExpiredCredentials => ApiError::expired(service),
        Effect::Throttle => ApiError::throttled(service),
        Effect::ThrottleFor(pause) => ApiError::throttled(service).retry_after(service, *pause),
        Effect::Deny => ApiError::denied(service, caller, action, &resource()),
        Effect::Error { code, message, status } => {
            ApiError::with_status(code.clone(), message.clone(), *status)
        }
        _ => return None,
    })
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
