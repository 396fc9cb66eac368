//! Events that can be looked up.

use aws_sdk_cloudtrail::config::{Credentials, Region};
use aws_sdk_cloudtrail::error::ProvideErrorMetadata as _;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testbed::aws::Server;

use crate::client::{Client, example, exchange};

fn sdk(server: &Server, region: &'static str) -> aws_sdk_cloudtrail::Client {
    let key = server.credentials();
    let config = aws_sdk_cloudtrail::Config::builder()
        .behavior_version_latest()
        .region(Region::new(region))
        .endpoint_url(server.url())
        .credentials_provider(Credentials::new(key.access_key_id, key.secret_access_key, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_cloudtrail::Client::from_conf(config)
}

fn attribute(key: LookupAttributeKey, value: &str) -> LookupAttribute {
    LookupAttribute::builder().attribute_key(key).attribute_value(value).build().unwrap()
}

/// The time now, in whole seconds: lookups know no others.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap()
}

fn before(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

#[tokio::test]
async fn lookups_that_ask_for_too_much_are_refused() {
    let server = example().await;
    let client = Client::new(&server);
    let source = json!({"AttributeKey": "EventSource", "AttributeValue": "sso.amazonaws.com"});
    for (input, code) in [
        (json!({"MaxResults": 51}), "InvalidMaxResultsException"),
        (json!({"MaxResults": 0}), "InvalidMaxResultsException"),
        (json!({"NextToken": "bm9uc2Vuc2U="}), "InvalidNextTokenException"),
        (json!({"StartTime": 1_700_000_100, "EndTime": 1_700_000_000}), "InvalidTimeRangeException"),
        (json!({"LookupAttributes": [source, source]}), "InvalidLookupAttributesException"),
        (json!({"LookupAttributes": [{"AttributeKey": "Colour"}]}), "InvalidLookupAttributesException"),
    ] {
        let reply = client.trail(input.clone()).await;
        assert_eq!(reply.error(), (400, code.to_owned()), "{input}");
    }
    server.deny("connector", &["cloudtrail:*"]);
    assert_eq!(client.trail(json!({})).await.error(), (400, "AccessDeniedException".to_owned()));
}

#[tokio::test]
async fn two_lookups_a_second_are_let_through() {
    let server = example().await;
    server.set(|knobs| knobs.account_quotas = true);
    let client = Client::new(&server);
    let mut last = client.trail(json!({})).await;
    while last.status == 200 {
        last = client.trail(json!({})).await;
    }
    assert_eq!(last.error(), (400, "ThrottlingException".to_owned()));
}

#[tokio::test]
async fn sign_ins_are_events_of_identity_center() {
    let server = example().await;
    let bob = server.user_id("bob").unwrap();
    let now = now();
    let portal = server.authenticate(&bob, before(now, 600));
    let entered = server.sign_in(&bob, "Shop (prod)", "Developer", before(now, 500));
    server.noise(9, before(now, 550));
    let lookup = sdk(&server, "us-east-1")
        .lookup_events()
        .lookup_attributes(attribute(LookupAttributeKey::EventSource, "sso.amazonaws.com"))
        .send()
        .await
        .unwrap();
    let ids: Vec<_> = lookup.events().iter().map(|event| event.event_id().unwrap()).collect();
    assert_eq!((ids.len(), ids[0], ids[4]), (5, entered.as_str(), portal.as_str()));
    let event = &lookup.events()[0];
    assert_eq!(
        (event.event_name(), event.event_time().unwrap().secs()),
        (Some("Federate"), before(now, 500).as_second())
    );
    let record: Value = serde_json::from_str(event.cloud_trail_event().unwrap()).unwrap();
    assert_eq!(record["eventID"], entered.as_str());
    assert_eq!(record["userIdentity"]["accountId"], "111111111111");
    let whose = &record["userIdentity"]["onBehalfOf"];
    assert_eq!(whose["userId"], bob.as_str());
    assert!(whose["identityStoreArn"].as_str().unwrap().ends_with(&server.identity_store_id()));
    let details = &record["serviceEventDetails"];
    assert_eq!(
        (&details["account_id"], &details["role_name"]),
        (&json!("444444444444"), &json!("Developer"))
    );

    let named = sdk(&server, "us-east-1")
        .lookup_events()
        .lookup_attributes(attribute(LookupAttributeKey::EventName, "Authenticate"))
        .send()
        .await
        .unwrap();
    assert_eq!(named.events().len(), 1);
    let elsewhere = sdk(&server, "eu-west-1").lookup_events().send().await.unwrap();
    assert!(elsewhere.events().is_empty());
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_within_both_bounds() {
    let server = example().await;
    let bob = server.user_id("bob").unwrap();
    let now = now();
    let ids: Vec<String> =
        (0..120).map(|index| server.authenticate(&bob, before(now, 1000 - index))).collect();
    let client = sdk(&server, "us-east-1");
    let time = |index: i64| DateTime::from_secs(before(now, 1000 - index).as_second());
    let mut pages = client.lookup_events().start_time(time(9)).end_time(time(109)).into_paginator().send();
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.events().len() <= 50);
        seen.extend(page.events().iter().map(|event| event.event_id().unwrap().to_owned()));
    }
    let expected: Vec<&String> = ids[9..=109].iter().rev().collect();
    assert_eq!(seen.iter().collect::<Vec<_>>(), expected);
    let error = client.lookup_events().next_token("x").send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidNextTokenException"));
}

#[tokio::test]
async fn an_event_may_be_anything_and_signs_in_over_http_too() {
    let server = example().await;
    server.record("sso.amazonaws.com", "Federate", before(now(), 5), "{not json");
    let send = async |body: &str| {
        exchange(&server, "POST", "/_testbed/sign-ins", "content-type: application/json\r\n", body)
            .await
            .unwrap()
    };
    assert_eq!(send(r#"{"user": "bob", "account": "Nowhere"}"#).await.status, 404);
    let id = send(r#"{"user": "bob", "account": "Shared", "role": "Developer"}"#).await.ok()["event"].clone();
    let events = Client::new(&server).trail(json!({})).await.ok()["Events"].clone();
    assert_eq!(events[0]["EventId"], id);
    assert!(events[0]["CloudTrailEvent"].as_str().unwrap().contains(&server.user_id("bob").unwrap()));
    assert_eq!(events[1]["CloudTrailEvent"], "{not json");
}
