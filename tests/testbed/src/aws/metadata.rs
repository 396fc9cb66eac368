//! Where a workload finds its first credentials: the container endpoint of EKS Pod Identity and ECS, and version 2
//! of the instance metadata service. Neither is signed, and neither is counted.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use super::ids::random_hex;
use super::state::{Inner, State};
use super::world::access::Issued;
use crate::CANARY;

/// How long the sessions live that are handed out here.
const SESSION: Duration = Duration::from_hours(6);

/// `/v1/credentials` and `/latest/...`.
pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/v1/credentials", get(container_credentials))
        .route("/latest/api/token", put(metadata_token))
        .route("/latest/meta-data/iam/security-credentials/", get(instance_profile))
        .route("/latest/meta-data/iam/security-credentials/{role}", get(instance_credentials))
        .route("/latest/meta-data/placement/region", get(region))
}

async fn container_credentials(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let token = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let mut inner = state.lock();
    let roles = &inner.world.access.roles;
    let role =
        token.and_then(|token| roles.iter().find(|role| role.container_token.as_deref() == Some(token)));
    let Some(arn) = role.map(|role| role.arn.clone()) else {
        let message =
            json!({"code": "AccessDeniedException", "message": "the authorization token is not valid"});
        return (StatusCode::FORBIDDEN, Json(message)).into_response();
    };
    match issue(&mut inner, &arn, "eks-testbed-pod", true) {
        Some(issued) => Json(json!({
            "AccessKeyId": issued.access_key_id,
            "SecretAccessKey": issued.secret,
            "Token": issued.token,
            "Expiration": issued.expires_text(),
            "AccountId": arn.split(':').nth(4),
        }))
        .into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Requests without a session token are refused, but any token will do.
async fn metadata_token() -> Response {
    ([("x-aws-ec2-metadata-token-ttl-seconds", "21600")], format!("{CANARY}-{}", random_hex(40)))
        .into_response()
}

fn has_token(headers: &HeaderMap) -> bool {
    headers.get("x-aws-ec2-metadata-token").is_some()
}

async fn instance_profile(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    if !has_token(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let inner = state.lock();
    match inner.world.access.roles.iter().find(|role| role.instance_profile) {
        Some(role) => role.name.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn instance_credentials(
    Shared(state): Shared<Arc<State>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !has_token(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut inner = state.lock();
    let roles = &inner.world.access.roles;
    let arn =
        roles.iter().find(|role| role.instance_profile && role.name == name).map(|role| role.arn.clone());
    match arn.and_then(|arn| issue(&mut inner, &arn, "i-0testbed", false)) {
        Some(issued) => Json(json!({
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "AccessKeyId": issued.access_key_id,
            "SecretAccessKey": issued.secret,
            "Token": issued.token,
            "Expiration": issued.expires_text(),
        }))
        .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn region(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    if !has_token(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    state.lock().world.directory.region.clone().into_response()
}

fn issue(inner: &mut Inner, arn: &str, session: &str, transitive_tags: bool) -> Option<Issued> {
    let role = arn.rsplit('/').next().unwrap_or(arn);
    let lifetime = inner.knobs.lifetime_of(role).unwrap_or(SESSION);
    inner.world.access.issue(arn, session, lifetime, transitive_tags)
}
