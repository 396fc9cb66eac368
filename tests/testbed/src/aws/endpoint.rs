//! What happens to one AWS request, from bytes to bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::fault::{Effect, Faults};
use super::ids::random_uuid;
use super::knobs::Knobs;
use super::ledger::{Entry, Ledger};
use super::listener::Abort;
use super::quota::Buckets;
use super::service::{ApiError, Call, Service};
use super::signature::Authorization;
use super::wire::{self, Request};
use super::world::World;
use super::world::access::Caller;

/// Everything that the server holds, behind one lock that is never held across an await.
#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
}

/// See [`State`].
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) world: World,
    pub(crate) knobs: Knobs,
    pub(crate) faults: Faults,
    pub(crate) buckets: Buckets,
    pub(crate) ledger: Ledger,
}

impl State {
    pub(crate) fn new(world: World, knobs: Knobs, faults: Faults) -> Self {
        let inner = Inner { world, knobs, faults, buckets: Buckets::default(), ledger: Ledger::new() };
        Self { inner: Mutex::new(inner) }
    }

    /// The state, with the assignment requests that are due decided.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let world = &mut inner.world;
        world.center.settle(&world.organization, &world.directory);
        inner
    }
}

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
                if buckets.admit(&knobs.quotas, &action, &caller.account, Instant::now()) {
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
    let answer = {
        let mut inner = state.lock();
        carry_out(&mut inner, &request, &caller, &ticket, effect.as_ref())
    };
    match answer {
        Err(Refusal::Reset) => ticket.abort(),
        Err(Refusal::Error(error)) => ticket.refuse(service, &error),
        Ok(answer) => {
            let body = wire::encode(service, request.operation.name, &answer, &ticket.entry.request_id);
            ticket.reply(service, body, effect)
        }
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
    Ok((request.operation.run)(&mut call)?)
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

/// One call's line in the ledger, written when the call ends, whatever its end.
struct Ticket {
    state: Arc<State>,
    entry: Entry,
    throttled: bool,
}

impl Ticket {
    fn open(state: &Arc<State>, action: &str, authorization: Option<&Authorization>) -> Self {
        let mut inner = state.lock();
        inner.ledger.begin();
        let start = inner.ledger.elapsed();
        let entry = Entry {
            action: action.to_owned(),
            account: String::new(),
            principal: String::new(),
            region: authorization.map(|authorization| authorization.region.clone()).unwrap_or_default(),
            request_id: random_uuid(),
            status: 0,
            error: None,
            start,
            end: start,
        };
        Self { state: Arc::clone(state), entry, throttled: false }
    }

    fn refuse(mut self, service: &Service, error: &ApiError) -> Response {
        self.entry.error = Some(error.code.to_string());
        self.throttled = error.code == service.throttled;
        let body = wire::encode_error(service, error, &self.entry.request_id);
        self.respond(service, error.status, Body::from(body))
    }

    fn reply(self, service: &Service, body: String, effect: Option<Effect>) -> Response {
        let bytes = Bytes::from(body);
        let half = bytes.len() / 2;
        let length = bytes.len();
        let halves = (bytes.slice(..half), bytes.slice(half..));
        let body = match effect {
            Some(Effect::LostReply) => return self.abort(),
            Some(Effect::TruncatedBody) => Body::from(halves.0),
            Some(Effect::CutBody) => Body::from_stream(futures::stream::iter([
                Ok(halves.0),
                Err(std::io::Error::other("cut by a scripted fault")),
            ])),
            Some(Effect::SlowBody(pause)) => {
                let second = async move {
                    tokio::time::sleep(pause).await;
                    halves.1
                };
                let first = futures::future::ready(halves.0);
                let chunks = futures::stream::StreamExt::chain(
                    futures::stream::once(first),
                    futures::stream::once(second),
                );
                Body::from_stream(futures::stream::StreamExt::map(chunks, Ok::<_, std::io::Error>))
            }
            _ => Body::from(bytes),
        };
        let streamed = matches!(effect, Some(Effect::CutBody | Effect::SlowBody(_)));
        let mut response = self.respond(service, 200, body);
        if streamed {
            response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }

    /// Ends the connection instead of answering.
    fn abort(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Abort);
        response
    }

    fn respond(mut self, service: &Service, status: u16, body: Body) -> Response {
        self.entry.status = status;
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(wire::content_type(service)));
        if let Ok(id) = HeaderValue::from_str(&self.entry.request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        response
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.state.lock().ledger.end(self.entry.clone(), self.throttled);
    }
}
