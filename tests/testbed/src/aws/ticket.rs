//! The end of a call: what goes out, and what is noted about it.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::{StreamExt as _, future, stream};
use http::{HeaderValue, StatusCode};

use super::fault::Effect;
use super::ids::random_uuid;
use super::ledger::Entry;
use super::listener::Abort;
use super::service::{ApiError, Service, whole_seconds};
use super::signature::Authorization;
use super::state::State;
use super::wire;

/// One call's line in the ledger, written when the call ends, whatever its end.
pub(crate) struct Ticket {
    state: Arc<State>,
    pub(crate) entry: Entry,
    throttled: bool,
}

impl Ticket {
    /// Starts the line.
    pub(crate) fn open(state: &Arc<State>, action: &str, authorization: Option<&Authorization>) -> Self {
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

    /// Answers with an error.
    pub(crate) fn refuse(mut self, service: &Service, error: &ApiError) -> Response {
        self.entry.error = Some(error.code.to_string());
        self.throttled = error.code == service.throttled;
        let body = wire::encode_error(service, error, &self.entry.request_id);
        let mut response = self.respond(service, error.status, Body::from(body));
        if let Some(pause) = error.retry_after {
            let headers = response.headers_mut();
            headers.insert("x-amz-retry-after", u64::try_from(pause.as_millis()).unwrap_or(u64::MAX).into());
            headers.insert(http::header::RETRY_AFTER, whole_seconds(pause).into());
        }
        response
    }

    /// Answers with a success, or with what a fault makes of it.
    pub(crate) fn reply(self, service: &Service, body: String, effect: Option<&Effect>) -> Response {
        let bytes = Bytes::from(body);
        let length = bytes.len();
        let (first, second) = (bytes.slice(..length / 2), bytes.slice(length / 2..));
        let body = match effect {
            Some(Effect::LostReply) => return abort(),
            Some(Effect::EmptyBody) => return self.respond(service, 200, Body::empty()),
            Some(Effect::TruncatedBody) => return self.respond(service, 200, Body::from(first)),
            Some(Effect::CutBody) => {
                Body::from_stream(stream::iter([Ok(first), Err(io::Error::other("cut by a scripted fault"))]))
            }
            Some(Effect::Trickle { bytes: piece, every }) => {
                let (piece, every) = ((*piece).max(1), *every);
                let rest = move |mut rest: Bytes| async move {
                    if rest.is_empty() {
                        return None;
                    }
                    tokio::time::sleep(every).await;
                    let next = rest.split_to(piece.min(rest.len()));
                    Some((Ok::<_, io::Error>(next), rest))
                };
                Body::from_stream(stream::unfold(bytes.clone(), rest))
            }
            Some(Effect::SlowBody(pause)) => {
                let pause = *pause;
                let later = async move {
                    tokio::time::sleep(pause).await;
                    Ok::<_, io::Error>(second)
                };
                Body::from_stream(stream::once(future::ready(Ok(first))).chain(stream::once(later)))
            }
            _ => return self.respond(service, 200, Body::from(bytes)),
        };
        let mut response = self.respond(service, 200, body);
        response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
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

/// Ends the connection instead of answering.
pub(crate) fn abort() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Abort);
    response
}
