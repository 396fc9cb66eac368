//! Health probes over HTTP. None of them asks AWS or the control plane anything: a probe that fails with a remote
//! service restarts pods that cannot help it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde::Serialize;
use tokio::net::TcpListener;

use super::connections;

/// How far the process is in its life. Clones show the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<AtomicU8>);

const STARTING: u8 = 0;
const GREETING: u8 = 1;
const READY: u8 = 2;
const DRAINING: u8 = 3;

impl Health {
    /// AWS is accessible; the control plane does not know us yet.
    pub(super) fn set_greeting(&self) {
        self.0.store(GREETING, Ordering::Relaxed);
    }

    /// The control plane knows us; tasks are taken.
    pub(super) fn set_ready(&self) {
        self.0.store(READY, Ordering::Relaxed);
    }

    /// No more tasks are taken.
    pub(super) fn set_draining(&self) {
        self.0.store(DRAINING, Ordering::Relaxed);
    }

    fn phase(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers probes on `listener` until it is dropped.
pub(super) async fn serve(listener: TcpListener, health: Health) {
    connections::serve_http(listener, router(health)).await;
}

fn router(health: Health) -> Router {
    Router::new()
        .route("/live", any(live))
        .route("/ready", any(ready))
        .route("/health", any(healthy))
        .with_state(health)
}

/// The process turns: it could answer.
async fn live() -> Response {
    answer(StatusCode::OK, "alive", None)
}

/// The process may be given tasks.
async fn ready(State(health): State<Health>) -> Response {
    match health.phase() {
        READY => answer(StatusCode::OK, "ready", None),
        DRAINING => answer(StatusCode::SERVICE_UNAVAILABLE, "not_ready", Some("the connector is stopping")),
        phase => answer(StatusCode::SERVICE_UNAVAILABLE, "not_ready", Some(awaited(phase))),
    }
}

/// The process has started; one that is finishing its tasks is still healthy.
async fn healthy(State(health): State<Health>) -> Response {
    match health.phase() {
        phase @ (STARTING | GREETING) => {
            answer(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", Some(awaited(phase)))
        }
        _ => answer(StatusCode::OK, "healthy", None),
    }
}

/// What the start waits for.
fn awaited(phase: u8) -> &'static str {
    match phase {
        GREETING => "the connector is starting: the control plane has not accepted its hello yet",
        _ => "the connector is starting: it has no access to AWS yet",
    }
}

fn answer(code: StatusCode, status: &'static str, error: Option<&'static str>) -> Response {
    #[derive(Serialize)]
    struct Body {
        status: &'static str,
        timestamp: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        details: Option<Details>,
    }
    #[derive(Serialize)]
    struct Details {
        error: &'static str,
    }

    let timestamp = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let body = Body { status, timestamp, details: error.map(|error| Details { error }) };
    let mut json = serde_json::to_string(&body).unwrap_or_default();
    json.push('\n');
    (code, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Method, Request};
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;

    async fn probe(health: &Health, method: Method, path: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = router(health.clone()).oneshot(request).await.unwrap();
        let code = response.status().as_u16();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (code, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn readiness_holds_between_hello_and_drain_and_liveness_always() {
        let health = Health::default();
        for (phase, ready, healthy) in [("starting", 503, 503), ("ready", 200, 200), ("draining", 503, 200)] {
            match phase {
                "ready" => health.set_ready(),
                "draining" => health.set_draining(),
                _ => {}
            }
            assert_eq!(probe(&health, Method::GET, "/live").await.0, 200, "{phase}");
            assert_eq!(probe(&health, Method::GET, "/ready").await.0, ready, "{phase}");
            assert_eq!(probe(&health, Method::GET, "/health").await.0, healthy, "{phase}");
        }
    }

    #[tokio::test]
    async fn a_probe_answers_one_json_object() {
        let health = Health::default();
        let (_, body) = probe(&health, Method::POST, "/ready").await;
        assert_eq!(body["status"], "not_ready");
        assert!(body["details"]["error"].as_str().unwrap().contains("no access to AWS"));
        let timestamp = body["timestamp"].as_str().unwrap();
        assert_eq!((timestamp.len(), timestamp.ends_with('Z')), (20, true), "{timestamp}");

        health.set_greeting();
        let (code, body) = probe(&health, Method::GET, "/ready").await;
        assert_eq!(code, 503);
        assert!(body["details"]["error"].as_str().unwrap().contains("hello"));

        let (_, body) = probe(&health, Method::HEAD, "/live").await;
        assert_eq!(body, Value::Null);
        let (_, body) = probe(&health, Method::GET, "/live").await;
        assert_eq!(body["status"], "alive");
        assert!(body.get("details").is_none());
        assert_eq!(probe(&health, Method::GET, "/").await.0, 404);
    }
}
