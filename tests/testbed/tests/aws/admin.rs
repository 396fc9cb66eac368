//! The testbed's own interface, TLS, and fixtures that are refused.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use testbed::aws::{Fixture, Server};
use tokio::net::TcpStream;

use crate::client::{Client, example, exchange, exchange_over};

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn knobs_and_faults_can_be_set_over_http() {
    let server = example().await;
    let client = Client::new(&server);
    let change = json!({"page_size": 1, "quotas": "documented", "latency_ms": 1, "settles_ms": {"sso:X": 7}})
        .to_string();
    let knobs = exchange(&server, "PATCH", "/_testbed/knobs", JSON, &change).await.unwrap().ok();
    assert_eq!((&knobs["page_size"], &knobs["settle_ms"]), (&json!(1), &json!(20)));
    assert_eq!(knobs["settles_ms"], json!({"sso:X": 7}));
    let (rows, pages) = client.sso_rows("ListPermissionSets", "PermissionSets", json!({})).await;
    assert_eq!((rows.len(), pages), (4, 4));

    let typo = json!({"latency": 1}).to_string();
    let refused = exchange(&server, "PATCH", "/_testbed/knobs", JSON, &typo).await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("latency"), "{}", refused.text());

    let fault = json!({"action": "sts:*", "times": 1, "effect": "throttle"}).to_string();
    exchange(&server, "POST", "/_testbed/faults", JSON, &fault).await.unwrap();
    assert_eq!(client.identity().await.error(), (400, "Throttling".to_owned()));
    let armed = exchange(&server, "GET", "/_testbed/faults", "", "").await.unwrap().ok();
    assert_eq!(armed, json!([]));
}

#[tokio::test]
async fn counters_transcript_and_state_can_be_read_over_http() {
    let server = example().await;
    let client = Client::new(&server);
    client.store("ListUsers", json!({})).await.ok();
    let counters = exchange(&server, "GET", "/_testbed/counters", "", "").await.unwrap().ok();
    assert_eq!(counters["rows"][0]["action"], "identitystore:ListUsers");
    assert_eq!(counters["rows"][0]["calls"], 1);
    client.identity().await;
    for (query, rows) in [
        ("action=sts:*", 1),
        ("account=111111111111", 2),
        ("account=222222222222", 0),
        ("principal=*user/connector&action=identitystore:ListUsers", 1),
        ("principal=nobody", 0),
    ] {
        let path = format!("/_testbed/counters?{query}");
        let counters = exchange(&server, "GET", &path, "", "").await.unwrap().ok();
        assert_eq!(counters["rows"].as_array().unwrap().len(), rows, "{query}");
    }
    let transcript = exchange(&server, "GET", "/_testbed/transcript", "", "").await.unwrap().ok();
    assert_eq!(transcript[0]["status"], 200);
    assert_eq!(exchange(&server, "DELETE", "/_testbed/counters", "", "").await.unwrap().status, 204);
    assert_eq!(server.counters().total(), 0);
    let state = exchange(&server, "GET", "/_testbed/state", "", "").await.unwrap().ok();
    assert_eq!(state["assignments"].as_array().unwrap().len(), server.assignments().len());
    let index = exchange(&server, "GET", "/_testbed/", "", "").await.unwrap().text();
    assert!(index.contains("/_testbed/expire-sessions"));
}

#[tokio::test]
async fn actions_can_be_denied_over_http() {
    let server = example().await;
    let put = async |who: &str| {
        let path = format!("/_testbed/denied/{who}");
        exchange(&server, "PUT", &path, JSON, r#"["identitystore:*"]"#).await.unwrap().status
    };
    assert_eq!(put("connector?account=222222222222").await, 404);
    assert_eq!(put("nobody").await, 404);
    assert_eq!(put("connector").await, 204);
    let reply = Client::new(&server).store("ListUsers", json!({})).await;
    assert_eq!(reply.error(), (400, "AccessDeniedException".to_owned()));
}

#[tokio::test]
async fn tls_is_trusted_by_those_who_have_the_authority() {
    let server = Server::start_tls(Fixture::example().unwrap()).await.unwrap();
    assert!(server.url().starts_with("https://"));
    let ca = CertificateDer::from_pem_slice(server.ca_pem().unwrap().as_bytes()).unwrap();
    let connect = async |trusted: Option<CertificateDer<'static>>| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(trusted);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    assert!(connect(None).await.is_err());
    let stream = connect(Some(ca)).await.unwrap();
    let reply = exchange_over(stream, "GET", "/_testbed/knobs", "", "").await.unwrap();
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_server_that_is_dropped_is_gone() {
    let server = example().await;
    let address = server.address();
    let mut open = TcpStream::connect(address).await.unwrap();
    drop(server);
    tokio::io::AsyncReadExt::read_to_end(&mut open, &mut Vec::new()).await.ok();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_fixture_that_contradicts_itself_is_refused_with_the_name() {
    let base = "organization: {accounts: [{id: '111111111111', name: one}]}\n";
    for (text, expected) in [
        ("organisation: {}".to_owned(), "organisation"),
        ("name: nobody".to_owned(), "at least one account"),
        ("organization: {accounts: [{id: '12', name: one}]}".to_owned(), "twelve digits"),
        (format!("{base}identity_center: {{groups: [{{name: g, members: [ghost]}}]}}"), "ghost"),
        (format!("{base}identity_center: {{assignments: [{{permission_set: Nope, account: one}}]}}"), "Nope"),
        (format!("{base}identity_center: {{users: [{{name: twin}}, {{name: twin}}]}}"), "twin"),
        (format!("{base}principals: {{connector: missing}}"), "missing"),
    ] {
        let error = match Fixture::from_yaml(&text) {
            Err(error) => error.to_string(),
            Ok(fixture) => Server::start(fixture).await.unwrap_err().to_string(),
        };
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_fixture_survives_being_written_and_read() {
    let text = Fixture::example().unwrap().to_yaml().unwrap();
    let again = Fixture::from_yaml(&text).unwrap();
    assert_eq!(again.to_yaml().unwrap(), text);
    let server = Server::start(again).await.unwrap();
    assert_eq!(server.user_id("bob"), example().await.user_id("bob"));
}

#[tokio::test]
async fn the_fixture_in_the_readme_can_be_served() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("### A fixture").unwrap();
    let block: Vec<&str> = rest
        .lines()
        .skip_while(|line| !line.starts_with("    "))
        .take_while(|line| line.starts_with("    "))
        .collect();
    let server = Server::start(Fixture::from_yaml(&block.join("\n")).unwrap()).await.unwrap();
    assert_eq!((server.memberships().len(), server.assignments().len(), server.armed().len()), (2, 2, 1));
}
