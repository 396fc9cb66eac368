//! The token endpoint and the access tokens that it gave out.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Form, Json, RequestExt as _};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;
use tokio::time::Instant;
use tonic::Code;

use super::listener::Connection;
use super::transcript::{Answer, Event, Origin};
use super::{Fault, Plane, Rpc, assertion};
use crate::CANARY;

/// Path of the token endpoint.
pub(super) const PATH: &str = "/auth/v1/token";

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Access tokens by their text, and the nonces that have been seen.
#[derive(Default)]
pub(super) struct Tokens {
    expiries: HashMap<String, Instant>,
    nonces: HashSet<String>,
}

/// Why a call without a right token is refused, and whether the connector is to blame.
pub(super) struct Unauthenticated {
    pub(super) reason: &'static str,
    pub(super) violation: bool,
}

impl Tokens {
    /// Remembers a nonce; false if it was used before.
    fn first_use(&mut self, nonce: String) -> bool {
        self.nonces.insert(nonce)
    }

    /// Makes a token that lives for `lifetime`. Its text holds the canary, so that a leak is found by searching for it.
    fn issue(&mut self, lifetime: Duration) -> String {
        let token = unguessable();
        self.expiries.insert(token.clone(), Instant::now() + lifetime);
        token
    }

    /// Makes every token that was given out worthless.
    pub(super) fn expire_all(&mut self) {
        let now = Instant::now();
        self.expiries.values_mut().for_each(|expiry| *expiry = (*expiry).min(now));
    }

    /// Checks the `authorization` header of a call.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Unauthenticated> {
        let wrong = |reason| Err(Unauthenticated { reason, violation: true });
        let Some(header) = headers.get(AUTHORIZATION) else { return wrong("authorization is missing") };
        let Some(token) = header.to_str().ok().and_then(|header| header.strip_prefix("Bearer ")) else {
            return wrong("authorization is not `Bearer <token>`");
        };
        match self.expiries.get(token) {
            Some(expiry) if *expiry > Instant::now() => Ok(()),
            Some(_) => Err(Unauthenticated { reason: "the token has expired", violation: false }),
            None if token.starts_with(CANARY) => {
                Err(Unauthenticated { reason: "the token is worthless", violation: false })
            }
            None => wrong("the token was not given out here"),
        }
    }
}

/// Answers `POST /auth/v1/token`.
pub(super) async fn endpoint(
    State(plane): State<Plane>,
    Extension(origin): Extension<Origin>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let form = request.extract::<Form<Vec<(String, String)>>, _>().await;
    let fields = match form {
        Ok(Form(fields)) => fields,
        Err(rejection) => {
            let answer = Answer::violation("400", vec![format!("the body is no form: {rejection}")]);
            plane.transcript.record(origin, Event::Token { client_id: None }, answer);
            return refusal(StatusCode::BAD_REQUEST, "invalid_request");
        }
    };
    let client_id = fields.iter().find(|(name, _)| name == "client_id").map(|(_, value)| value.clone());
    let event = Event::Token { client_id };

    if let Err((status, error, reasons)) = check(&plane, &fields) {
        plane.transcript.record(origin, event, Answer::violation(status.as_str(), reasons));
        return refusal(status, error);
    }
    let fault = plane.fault(Rpc::Token);
    let answer = fault.as_ref().map_or(Answer::Accepted, |fault| Answer::Scripted {
        fault: format!("{fault:?}"),
        processed: matches!(fault, Fault::Slow(_) | Fault::LoseReply | Fault::Twice),
    });
    let lifetime = plane.pace().token_lifetime;
    let grant = |token: String| {
        Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": lifetime.as_secs()}))
            .into_response()
    };
    let issue = || plane.tokens().issue(lifetime);
    let reply = match &fault {
        None | Some(Fault::Slow(_) | Fault::Twice) => grant(issue()),
        Some(Fault::WorthlessToken) => grant(unguessable()),
        Some(Fault::Http(status)) => {
            StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST).into_response()
        }
        Some(Fault::Status(code, _)) => http_status(*code).into_response(),
        Some(Fault::Body(body)) => body.clone().into_response(),
        Some(Fault::Raw(bytes)) => bytes.clone().into_response(),
        Some(Fault::LoseReply | Fault::Disconnect | Fault::DropAfter(_) | Fault::Hang) => {
            StatusCode::OK.into_response()
        }
    };
    plane.transcript.record(origin, event, answer);
    match fault {
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::LoseReply | Fault::Disconnect | Fault::DropAfter(_)) => connection.drop_now().await,
        Some(Fault::Hang) => std::future::pending().await,
        _ => {}
    }
    reply
}

/// Checks form and assertion; on a fault gives the status, the OAuth error and the reasons.
fn check(plane: &Plane, fields: &[(String, String)]) -> Result<(), (StatusCode, &'static str, Vec<String>)> {
    let mut reasons = Vec::new();
    let mut field = |name: &str, wanted: Option<&str>| {
        let mut values = fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            reasons.push(format!("{name} stands twice in the form"));
        }
        match (value, wanted) {
            (None, _) => reasons.push(format!("{name} is missing in the form")),
            (Some(value), Some(wanted)) if value != wanted => {
                reasons.push(format!("{name} is {value:?}, not {wanted:?}"));
            }
            _ => {}
        }
        value
    };
    field("grant_type", Some("client_credentials"));
    field("client_assertion_type", Some(ASSERTION_TYPE));
    let client_id = field("client_id", None);
    let assertion = field("client_assertion", None);
    if !reasons.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "invalid_request", reasons));
    }
    let unauthorized = |reasons| Err((StatusCode::UNAUTHORIZED, "invalid_client", reasons));
    if client_id != Some(&plane.credential.client_id) {
        return unauthorized(vec![format!("client_id {client_id:?} is not registered")]);
    }
    let now = (Timestamp::now() + plane.pace().clock_ahead).as_second();
    match assertion::verify(assertion.unwrap_or_default(), &plane.credential, now) {
        Err(reasons) => unauthorized(reasons),
        Ok(nonce) => {
            if plane.tokens().first_use(nonce) {
                Ok(())
            } else {
                unauthorized(vec!["header nonce was used before".to_owned()])
            }
        }
    }
}

fn refusal(status: StatusCode, error: &'static str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn unguessable() -> String {
    use std::fmt::Write as _;

    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        tracing::warn!("no randomness: the access token can be guessed");
    }
    bytes.iter().fold(format!("{CANARY}-"), |mut token, byte| {
        let _infallible = write!(token, "{byte:02x}");
        token
    })
}
