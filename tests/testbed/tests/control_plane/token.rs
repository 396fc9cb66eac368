use std::time::Duration;

use serde_json::{Value, json};
use testbed::CANARY;
use testbed::control_plane::{Fault, Rpc};
use tonic::Code;

use crate::connector::{Connector, TokenRequest, post, server, server_with};

#[tokio::test]
async fn a_right_assertion_is_given_a_token_that_opens_the_service() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    connector.hello("").await.unwrap();
    assert_eq!(server.violations(), []);
    assert_eq!(server.calls(Rpc::Hello), 1);
}

#[tokio::test]
async fn a_key_id_is_part_of_the_secret_and_of_the_assertion() {
    let server = server_with(|options| options.kid = Some("key-1".to_owned())).await;
    let request = TokenRequest::right(&server);
    assert_eq!(request.header["kid"], "key-1");
    assert_eq!(request.send(&server).await.0, 200);
}

#[tokio::test]
async fn a_wrong_claim_is_refused_with_its_reason_in_the_transcript() {
    let server = server().await;
    let mut request = TokenRequest::right(&server);
    request.claims["aud"] = json!(["localhost"]);
    assert_eq!(request.send(&server).await.0, 401);
    let violations = server.violations();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].rpc, Some(Rpc::Token));
    assert_eq!(violations[0].reasons, [r#"claim aud is ["localhost"], not "localhost""#]);
}

#[tokio::test]
async fn a_nonce_serves_once() {
    let server = server().await;
    let body = TokenRequest::right(&server).body();
    assert_eq!(post(&server, &body).await.unwrap().0, 200);
    assert_eq!(post(&server, &body).await.unwrap().0, 401);
    assert_eq!(server.violations()[0].reasons, ["header nonce was used before"]);
}

#[tokio::test]
async fn a_form_without_its_fields_is_a_bad_request() {
    let server = server().await;
    let mut request = TokenRequest::right(&server);
    request.form.retain(|(name, _)| *name != "grant_type");
    request.form.push(("client_id", "twice".to_owned()));
    assert_eq!(request.send(&server).await.0, 400);
    let reasons = &server.violations()[0].reasons;
    assert_eq!(reasons[..], ["grant_type is missing in the form", "client_id stands twice in the form"]);
    assert_eq!(post(&server, "%").await.unwrap().0, 400);
}

#[tokio::test]
async fn a_call_needs_a_token_of_this_server() {
    let server = server().await;
    for token in [None, Some("made-up")] {
        let refused = Connector::with_token(&server, token).poll().await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    assert_eq!(server.violations().len(), 2);
}

#[tokio::test]
async fn an_expired_token_is_refused_and_is_nobodys_fault() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    connector.poll().await.unwrap();
    server.expire_tokens();
    assert_eq!(connector.poll().await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(server.violations(), []);

    server.set_pace(|pace| pace.token_lifetime = Duration::ZERO);
    let mut connector = Connector::start(&server).await;
    assert_eq!(connector.poll().await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_token_says_how_long_it_lives_and_holds_the_canary() {
    let server = server_with(|options| options.pace.token_lifetime = Duration::from_secs(90)).await;
    let (_, body) = TokenRequest::right(&server).send(&server).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(90)));
    assert!(body["access_token"].as_str().unwrap().contains(CANARY));
}

#[tokio::test]
async fn the_token_endpoint_fails_as_it_is_told_and_then_recovers() {
    let server = server().await;
    server.fault(Rpc::Token, &Fault::Http(503), 2);
    server.fault(Rpc::Token, &Fault::Body("{nonsense".to_owned()), 1);
    server.fault(Rpc::Token, &Fault::Disconnect, 1);
    server.fault(Rpc::Token, &Fault::WorthlessToken, 1);
    let ask = || async { post(&server, &TokenRequest::right(&server).body()).await };
    assert_eq!(ask().await.unwrap().0, 503);
    assert_eq!(ask().await.unwrap().0, 503);
    assert_eq!(ask().await.unwrap(), (200, "{nonsense".to_owned()));
    ask().await.unwrap_err();
    let mut connector = Connector::start(&server).await;
    assert_eq!(connector.poll().await.unwrap_err().code(), Code::Unauthenticated);
    Connector::start(&server).await.poll().await.unwrap();
    assert_eq!(server.violations(), []);
}
