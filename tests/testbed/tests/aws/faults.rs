//! Trouble on request.

use std::time::Duration;

use serde_json::json;
use testbed::aws::{Effect, Fault, Quotas};

use crate::client::{Client, example};

const LIST_USERS: &str = "identitystore:ListUsers";

#[tokio::test]
async fn a_service_error_has_the_shape_of_its_protocol() {
    let server = example().await;
    let client = Client::new(&server);
    server.arm(Fault::once(LIST_USERS, Effect::Status(500)));
    server.arm(Fault::once("organizations:ListRoots", Effect::Status(503)));
    server.arm(Fault::once("sts:GetCallerIdentity", Effect::Status(503)));
    let store = client.store("ListUsers", json!({})).await;
    assert_eq!(store.error(), (500, "InternalServerException".to_owned()));
    assert!(store.head.contains("x-amzn-requestid: "));
    let organizations = client.organizations("ListRoots", json!({})).await;
    assert_eq!(organizations.error(), (503, "ServiceException".to_owned()));
    assert_eq!(client.identity().await.error(), (503, "ServiceUnavailable".to_owned()));
    assert!(server.armed().is_empty());
    assert_eq!(client.identity().await.status, 200);
}

#[tokio::test]
async fn a_reset_happens_before_the_write_and_a_lost_reply_after_it() {
    let server = example().await;
    let client = Client::new(&server);
    let pair = json!({
        "GroupId": server.group_id("Empty group").unwrap(),
        "MemberId": {"UserId": server.user_id("bob").unwrap()},
    });
    server.arm(Fault::once("identitystore:CreateGroupMembership", Effect::Reset));
    let lost = client.try_store("CreateGroupMembership", pair.clone()).await;
    assert_eq!(lost.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(!server.is_member("Empty group", "bob"));
    server.arm(Fault::once("identitystore:CreateGroupMembership", Effect::LostReply));
    let lost = client.try_store("CreateGroupMembership", pair).await;
    assert_eq!(lost.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(server.is_member("Empty group", "bob"));
    assert_eq!(server.counters().errors("identitystore:*"), 2);
}

#[tokio::test]
async fn bodies_come_short_cut_or_slow() {
    let server = example().await;
    let client = Client::new(&server);
    server.arm(Fault::once(LIST_USERS, Effect::TruncatedBody));
    let short = client.store("ListUsers", json!({})).await;
    assert_eq!(short.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&short.body).is_err());
    server.arm(Fault::once(LIST_USERS, Effect::CutBody));
    assert!(client.try_store("ListUsers", json!({})).await.is_err());
    let pause = Duration::from_millis(80);
    server.arm(Fault::once(LIST_USERS, Effect::SlowBody(pause)));
    let before = std::time::Instant::now();
    assert_eq!(client.store("ListUsers", json!({})).await.ok()["Users"].as_array().unwrap().len(), 6);
    assert!(before.elapsed() >= pause);
}

#[tokio::test]
async fn refusals_can_be_scripted_per_account_and_call() {
    let server = example().await;
    let client = Client::new(&server);
    server.arm(Fault::new(LIST_USERS, Effect::Throttle).after(1).times(2));
    server.arm(Fault::once(LIST_USERS, Effect::ExpiredCredentials));
    server.arm(Fault::once(LIST_USERS, Effect::Deny).account("222222222222"));
    let odd = Effect::Error { code: "Odd".into(), message: "<&>".into(), status: 418 };
    server.arm(Fault::once("sts:*", odd));
    let mut codes = Vec::new();
    for _ in 0..5 {
        let reply = client.store("ListUsers", json!({})).await;
        codes.push(if reply.status == 200 { String::new() } else { reply.error().1 });
    }
    assert_eq!(codes, ["ExpiredTokenException", "ThrottlingException", "ThrottlingException", "", ""]);
    let odd = client.identity().await;
    assert_eq!(odd.error(), (418, "Odd".to_owned()));
    assert_eq!(odd.element("Message"), "&lt;&amp;&gt;");
    assert_eq!(server.armed().len(), 1);
    server.disarm();
    assert_eq!(server.counters().throttled(LIST_USERS), 2);
}

#[tokio::test]
async fn a_page_can_be_empty_or_turn_in_a_circle() {
    let server = example().await;
    let client = Client::new(&server);
    let page = async |input| client.store("ListUsers", input).await.ok();
    server.arm(Fault::once(LIST_USERS, Effect::EmptyPage));
    let empty = page(json!({})).await;
    assert_eq!(empty["Users"], json!([]));
    let rest = page(json!({"NextToken": empty["NextToken"]})).await;
    assert_eq!(rest["Users"].as_array().unwrap().len(), 6);

    server.arm(Fault::new(LIST_USERS, Effect::RepeatedToken));
    let first = page(json!({"MaxResults": 4})).await;
    let second = page(json!({"MaxResults": 4, "NextToken": first["NextToken"]})).await;
    assert_eq!(second["NextToken"], first["NextToken"]);
}

#[tokio::test]
async fn quotas_throttle_in_the_words_of_each_service() {
    let server = example().await;
    server.set(|knobs| knobs.quotas = Quotas::Documented);
    let client = Client::new(&server);
    let mut refused = Vec::new();
    for _ in 0..3 {
        refused.push(client.organizations("ListRoots", json!({})).await);
    }
    assert_eq!(refused.pop().unwrap().error(), (400, "TooManyRequestsException".to_owned()));
    let mut last = client.store("ListGroups", json!({})).await;
    while last.status == 200 {
        last = client.store("ListGroups", json!({})).await;
    }
    assert_eq!(last.error(), (400, "ThrottlingException".to_owned()));
    assert_eq!(last.value()["RetryAfterSeconds"], 1);
    // The buckets of the services are apart.
    assert_eq!(client.sso("ListPermissionSets", json!({})).await.status, 200);
    let counters = server.counters();
    assert_eq!(counters.throttled("organizations:*"), 1);
    assert_eq!(counters.throttled("identitystore:*"), 1);
    assert!(counters.calls("identitystore:ListGroups") >= 21);
}

#[tokio::test]
async fn latency_and_overlap_are_in_the_transcript() {
    let server = example().await;
    let latency = Duration::from_millis(40);
    server.set(|knobs| knobs.latency = latency);
    let client = Client::new(&server);
    tokio::join!(client.identity(), client.identity(), client.identity());
    let transcript = server.transcript();
    assert_eq!(transcript.len(), 3);
    assert!(transcript.iter().all(|entry| entry.end >= entry.start + latency && entry.status == 200));
    assert_eq!(transcript[0].principal, "arn:aws:iam::111111111111:user/connector");
    let counters = server.counters();
    assert_eq!((counters.calls("sts:GetCallerIdentity"), counters.max_in_flight), (3, 3));
    assert_eq!(counters.of_account("222222222222").total(), 0);
    server.reset_counters();
    assert_eq!(server.counters().total(), 0);
    assert!(server.transcript().is_empty());
}
