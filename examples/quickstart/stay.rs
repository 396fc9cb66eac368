//! Keeps everything running for a person to look at, until they have seen enough.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use testbed::control_plane::{Server, task};
use tokio::net::TcpListener;

use crate::Outcome;
use crate::parts::Parts;

const INDEX: &str = "\
GET  /transcript   everything that batond said to the control plane, and what it was answered
GET  /violations   what of it broke the protocol
POST /sync         hand out a sync task; the answer is its id
POST /hello        hand out a hello task
";

/// Says where everything is, and returns when the person presses Ctrl-C.
pub(crate) async fn stay(parts: &Parts) -> Outcome<()> {
    let view = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = view.local_addr()?;
    let plane = Arc::clone(&parts.control_plane);
    tokio::spawn(async move { axum::serve(view, routes(plane)).await });
    let (health, metrics) = (parts.health, parts.metrics);
    println!("   health                     http://{health}/ready");
    println!("   metrics                    http://{metrics}/metrics");
    println!("   what the control plane saw http://{address}/transcript");
    println!("   to hand out another sync   curl -X POST http://{address}/sync");
    println!("   what AWS saw               {}/_testbed/", parts.aws.url());
    println!("   its own log                {}", parts.log.display());
    println!("   Ctrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    println!();
    Ok(())
}

/// An address on loopback that nobody uses just now.
pub(crate) fn free_address() -> Outcome<SocketAddr> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn routes(plane: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(async || INDEX))
        .route("/transcript", get(transcript))
        .route("/violations", get(violations))
        .route("/sync", post(async |State(plane): State<Arc<Server>>| plane.push(task::sync_full()) + "\n"))
        .route("/hello", post(async |State(plane): State<Arc<Server>>| plane.push(task::hello()) + "\n"))
        .with_state(plane)
}

async fn transcript(State(plane): State<Arc<Server>>) -> Json<Value> {
    Json(json!(plane.transcript()))
}

async fn violations(State(plane): State<Arc<Server>>) -> Json<Value> {
    Json(Value::from(plane.violations().iter().map(|one| format!("{one:?}")).collect::<Vec<_>>()))
}
