//! The testbed's own interface over HTTP, beside the AWS protocols: everything that a test can do through
//! [`super::Server`], for programs in other languages and for `curl`.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault::Fault;
use super::fixture::{FixtureError, Instance, ServiceControlPolicy, Trust};
use super::knobs::Knobs;
use super::ledger::{Counters, Entry};
use super::service::served;
use super::state::State;
use super::world::World;

const INDEX: &str = "\
GET    /_testbed/counters              calls, throttled calls and errors per action, account and principal; of
                                       some with ?action=iam:*, ?account=111111111111, ?principal=*/BatonConnector/*
DELETE /_testbed/counters              empty counters and transcript, refill all quotas
GET    /_testbed/transcript            every call that has ended: who, what, when, outcome
GET    /_testbed/knobs                 latency, quotas, page sizes and the like
PATCH  /_testbed/knobs                 change some: {\"latency_ms\": 50, \"quotas\": \"documented\"}
GET    /_testbed/faults                the faults that are armed
POST   /_testbed/faults                arm one: {\"action\": \"sso:*\", \"times\": 3, \"effect\": \"throttle\"}
DELETE /_testbed/faults                disarm all
PUT    /_testbed/denied/{principal}    replace the denied actions of a user or role: [\"sso:List*\"]; with
                                       ?account=111111111111 only of the one in that account
PUT    /_testbed/trust?role=ARN        replace the trust policy of a role: [{\"principals\": [\"connector\"]}]
PUT    /_testbed/service-control-policies  replace them: [{\"name\": \"No IAM\", \"targets\": [\"Shop\"], \"deny\": [\"iam:*\"]}]
PATCH  /_testbed/instance              change what is told of Identity Center: {\"status\": \"CREATE_IN_PROGRESS\"}
GET    /_testbed/operations            all operations that are served
POST   /_testbed/expire-sessions       make all role sessions expire now; with ?account= those of its roles
POST   /_testbed/sign-ins              record a sign-in: {\"user\": \"alice\", \"account\": \"Shop\", \"role\": \"Developer\"};
                                       without an account the portal alone
GET    /_testbed/state                 memberships, assignments and assignment requests
";

/// `/_testbed/...`.
pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/_testbed/", get(|| async { INDEX }))
        .route("/_testbed/counters", get(counters).delete(reset))
        .route("/_testbed/transcript", get(transcript))
        .route("/_testbed/knobs", get(knobs).patch(change_knobs))
        .route("/_testbed/faults", get(faults).post(arm).delete(disarm))
        .route("/_testbed/denied/{principal}", put(deny))
        .route("/_testbed/trust", put(trust))
        .route("/_testbed/service-control-policies", put(control))
        .route("/_testbed/instance", patch(change_instance))
        .route("/_testbed/operations", get(|| async { Json(served()) }))
        .route("/_testbed/expire-sessions", post(expire_sessions))
        .route("/_testbed/sign-ins", post(sign_in))
        .route("/_testbed/state", get(held))
}

/// The rows that are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    action: Option<String>,
    account: Option<String>,
    principal: Option<String>,
}

async fn counters(Shared(state): Shared<Arc<State>>, Query(rows): Query<Rows>) -> Json<Counters> {
    let mut counters = state.lock().ledger.counters();
    if let Some(action) = &rows.action {
        counters = counters.of_action(action);
    }
    if let Some(account) = &rows.account {
        counters = counters.of_account(account);
    }
    if let Some(principal) = &rows.principal {
        counters = counters.of_principal(principal);
    }
    Json(counters)
}

async fn reset(Shared(state): Shared<Arc<State>>) -> StatusCode {
    let mut inner = state.lock();
    inner.ledger.reset();
    inner.buckets.refill();
    StatusCode::NO_CONTENT
}

async fn transcript(Shared(state): Shared<Arc<State>>) -> Json<Vec<Entry>> {
    Json(state.lock().ledger.transcript())
}

async fn knobs(Shared(state): Shared<Arc<State>>) -> Json<Knobs> {
    Json(state.lock().knobs.clone())
}

/// Replaces the members that the body names; a name that does not exist changes nothing.
async fn change_knobs(Shared(state): Shared<Arc<State>>, Json(change): Json<Value>) -> Response {
    let mut inner = state.lock();
    change_some(&mut inner.knobs, change)
}

/// Replaces the members that `change` names and answers with the whole.
fn change_some<T: Serialize + DeserializeOwned>(held: &mut T, change: Value) -> Response {
    let mut whole = json!(held);
    if let (Some(whole), Value::Object(change)) = (whole.as_object_mut(), change) {
        whole.extend(change);
    }
    match serde_json::from_value::<T>(whole) {
        Ok(changed) => {
            *held = changed;
            Json(held).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

/// See `Server::change_instance`.
async fn change_instance(Shared(state): Shared<Arc<State>>, Json(change): Json<Value>) -> Response {
    let mut inner = state.lock();
    change_some::<Instance>(&mut inner.world.center.instance, change)
}

async fn faults(Shared(state): Shared<Arc<State>>) -> Json<Vec<Fault>> {
    Json(state.lock().faults.armed().to_vec())
}

async fn arm(Shared(state): Shared<Arc<State>>, Json(fault): Json<Fault>) -> StatusCode {
    state.lock().faults.arm(fault);
    StatusCode::NO_CONTENT
}

async fn disarm(Shared(state): Shared<Arc<State>>) -> StatusCode {
    state.lock().faults.clear();
    StatusCode::NO_CONTENT
}

/// What a change is limited to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    account: Option<String>,
}

async fn deny(
    Shared(state): Shared<Arc<State>>,
    Path(principal): Path<String>,
    Query(only): Query<Only>,
    Json(actions): Json<Vec<String>>,
) -> Response {
    if state.lock().world.access.set_denied(&principal, only.account.as_deref(), &actions) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        (StatusCode::NOT_FOUND, format!("no user or role is named {principal:?}\n")).into_response()
    }
}

/// The role that a change is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    role: String,
}

async fn trust(
    Shared(state): Shared<Arc<State>>,
    Query(of): Query<Of>,
    Json(statements): Json<Vec<Trust>>,
) -> Response {
    let mut inner = state.lock();
    let World { access, organization, .. } = &mut inner.world;
    match access.set_trust(&of.role, statements, organization) {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => (StatusCode::NOT_FOUND, format!("no role is {:?}\n", of.role)).into_response(),
        Err(error) => unknown(&error),
    }
}

async fn control(
    Shared(state): Shared<Arc<State>>,
    Json(policies): Json<Vec<ServiceControlPolicy>>,
) -> Response {
    let mut inner = state.lock();
    let World { organization, ids, .. } = &mut inner.world;
    match organization.set_controls(&policies, ids) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => unknown(&error),
    }
}

fn unknown(error: &FixtureError) -> Response {
    (StatusCode::NOT_FOUND, format!("{error}\n")).into_response()
}

async fn expire_sessions(Shared(state): Shared<Arc<State>>, Query(only): Query<Only>) -> StatusCode {
    state.lock().world.access.expire_sessions(only.account.as_deref());
    StatusCode::NO_CONTENT
}

/// A sign-in that happens now. Names or ids.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    user: String,
    account: Option<String>,
    role: Option<String>,
}

async fn sign_in(Shared(state): Shared<Arc<State>>, Json(sign_in): Json<SignIn>) -> Response {
    let mut inner = state.lock();
    let (world, now) = (&mut inner.world, Timestamp::now());
    let user = world.directory.user_named(&sign_in.user).map_or(&sign_in.user, |user| &user.id);
    let event = match &sign_in.account {
        None => world.recorder().authenticate(user, now),
        Some(account) => {
            let account = match world.organization.resolve(account, "a sign-in") {
                Ok(account) => account,
                Err(error) => return (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
            };
            let role = sign_in.role.as_deref().unwrap_or("AdministratorAccess");
            world.recorder().federate(user, &account, role, now)
        }
    };
    Json(json!({"event": world.trail.add(event)})).into_response()
}

async fn held(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let inner = state.lock();
    let memberships: Vec<Value> = inner
        .world
        .directory
        .memberships
        .values()
        .map(|one| json!({"id": one.id, "group": one.group, "user": one.user}))
        .collect();
    let requests: Vec<Value> = inner
        .world
        .center
        .requests
        .iter()
        .map(|one| {
            json!({"id": one.id, "change": one.change, "status": one.status.as_str(), "assignment": one.assignment})
        })
        .collect();
    Json(
        json!({"memberships": memberships, "assignments": inner.world.center.assignments, "requests": requests}),
    )
}
