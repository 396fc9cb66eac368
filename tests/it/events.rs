//! The feed of sign-ins, through the tasks that ask for it.

use std::sync::Arc;

use batond::baton::api::{Task, task};
use batond::baton::v2::{ListEventFeedsResponse, ListEventsResponse, event};
use batond::config::{AwsSettings, SyncSettings};
use batond::connector::{Connector, last_login};
use batond::tasks::{Context, Outcome, execute};
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use testbed::aws::{Effect, Fault, Fixture, Server};
use tokio_util::sync::CancellationToken;

use crate::support::aws_settings;

const SHOP: &str = "444444444444";

/// An AWS, and what serves tasks with the feed switched on.
async fn start() -> (Server, Context) {
    let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
    let context = context(&AwsSettings { last_login_events: true, ..aws_settings(&aws) }).await;
    (aws, context)
}

async fn context(settings: &AwsSettings) -> Context {
    Context {
        engine: Arc::new(Connector::open(settings).await.unwrap()),
        provisioning: false,
        sync: SyncSettings::default(),
        work_dir: std::env::temp_dir(),
        prepared: Arc::default(),
        crawls: Arc::default(),
        breaker: Arc::default(),
        invoked: Arc::default(),
    }
}

async fn run(context: &Context, kind: task::TaskType) -> Outcome {
    let task = Task { id: "t".into(), task_type: Some(kind), ..Task::default() };
    execute(task, context, &CancellationToken::new()).await
}

fn ask(cursor: &str, start_at: Option<Timestamp>) -> task::ListEventsTask {
    task::ListEventsTask {
        cursor: cursor.to_owned(),
        start_at: start_at.map(batond::baton::time::to_proto_timestamp),
        event_feed_id: last_login::FEED.to_owned(),
        page_size: 2,
        ..task::ListEventsTask::default()
    }
}

async fn page(context: &Context, order: task::ListEventsTask) -> ListEventsResponse {
    match run(context, task::TaskType::ListEvents(order)).await {
        Outcome::Done { response, .. } => ListEventsResponse::decode(response.value.as_slice()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Reads on until there is no more for now: ids of events, and the cursor to go on from.
async fn drain(context: &Context, cursor: &str, start_at: Option<Timestamp>) -> (Vec<String>, String) {
    let (mut ids, mut cursor) = (Vec::new(), cursor.to_owned());
    loop {
        let page = page(context, ask(&cursor, start_at)).await;
        ids.extend(page.events.iter().map(|event| event.id.clone()));
        cursor = page.cursor;
        if !page.has_more {
            ids.sort();
            return (ids, cursor);
        }
    }
}

fn ago(minutes: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_mins(minutes)
}

#[tokio::test]
async fn sign_ins_are_usage_of_the_account_that_was_signed_in_to() {
    let (aws, context) = start().await;
    let bob = aws.user_id("bob").unwrap();
    aws.noise(120, ago(50));
    let federated = aws.sign_in(&bob, SHOP, "Developer", ago(40));
    let authenticated = aws.authenticate(&bob, ago(30));
    let (mut ids, _) = drain(&context, "", None).await;
    let mut expected = vec![federated.clone(), authenticated];
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
    let page = page(&context, ask("", None)).await;
    let event = page.events.iter().find(|event| event.id == federated).unwrap();
    let Some(event::Event::UsageEvent(usage)) = &event.event else { panic!("{event:?}") };
    let target = usage.target_resource.as_ref().unwrap().id.as_ref().unwrap();
    assert_eq!((target.resource_type.as_str(), target.resource.as_str()), ("account", SHOP));
    let actor = usage.actor_resource.as_ref().unwrap().id.as_ref().unwrap();
    let store = aws.identity_store_id();
    assert_eq!(actor.resource, format!("arn:aws:identitystore:us-east-1::{store}/user/{bob}"));
    // The noise was never read: two lookups by name, and pages of two.
    assert!(aws.counters().calls("cloudtrail:LookupEvents") <= 4, "{:?}", aws.counters().by_action());
}

#[tokio::test]
async fn two_polls_lose_nothing_and_repeat_no_more_than_what_may_come_late() {
    let (aws, context) = start().await;
    let alice = aws.user_id("alice@example.com").unwrap();
    let old: Vec<String> = (0..5).map(|n| aws.sign_in(&alice, SHOP, "Developer", ago(60 + n))).collect();
    let recent = aws.sign_in(&alice, SHOP, "Developer", ago(5));
    let (ids, cursor) = drain(&context, "", Some(ago(180))).await;
    assert_eq!(ids.len(), old.len() + 1);
    // It happened before the first poll, and shows only now.
    let late = aws.sign_in(&alice, SHOP, "Developer", ago(10));
    let (ids, cursor) = drain(&context, &cursor, None).await;
    let mut expected = vec![recent, late];
    expected.sort();
    assert_eq!(ids, expected);
    let before = aws.counters().calls("cloudtrail:LookupEvents");
    drain(&context, &cursor, None).await;
    assert!(aws.counters().calls("cloudtrail:LookupEvents") - before <= 3, "a quiet time is not read again");
}

#[tokio::test]
async fn the_feed_is_listed_and_claimed_only_where_it_is_switched_on() {
    let (aws, on) = start().await;
    let off = context(&aws_settings(&aws)).await;
    for (context, feeds) in [(&on, vec![last_login::FEED]), (&off, vec![])] {
        let Outcome::Done { response, .. } =
            run(context, task::TaskType::ListEventFeeds(task::ListEventFeedsTask::default())).await
        else {
            panic!("not listed")
        };
        let listed = ListEventFeedsResponse::decode(response.value.as_slice()).unwrap().list;
        assert_eq!(listed.iter().map(|feed| feed.id.as_str()).collect::<Vec<_>>(), feeds);
        let capabilities = context.engine.metadata().capabilities.unwrap().connector_capabilities;
        let claimed = capabilities.contains(&batond::baton::v2::Capability::EventFeedV2.into());
        assert_eq!(claimed, !feeds.is_empty());
    }
    let Outcome::Failed(failure) = run(&off, task::TaskType::ListEvents(ask("", None))).await else {
        panic!("served")
    };
    assert!(failure.status.message.contains("BATON_SYNC_SSO_USER_LAST_LOGIN"), "{}", failure.status.message);
}

#[tokio::test]
async fn trouble_with_the_trail_is_said_and_a_broken_cursor_is_final() {
    let (aws, context) = start().await;
    let failed = async |order| match run(&context, task::TaskType::ListEvents(order)).await {
        Outcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    };
    let failure = failed(ask("not a cursor", None)).await;
    assert!(failure.non_retryable, "{failure:?}");
    let failure = failed(task::ListEventsTask { page_size: 1001, ..ask("", None) }).await;
    assert!(failure.non_retryable, "{failure:?}");
    aws.arm(Fault::new("cloudtrail:LookupEvents", Effect::Deny));
    let failure = failed(ask("", None)).await;
    let message = failure.status.message;
    assert!(
        message.contains("cloudtrail:LookupEvents is missing") && message.contains("\"Effect\""),
        "{message}"
    );
    assert!(!failure.non_retryable);
    aws.disarm();
    aws.arm(Fault::new("cloudtrail:LookupEvents", Effect::Throttle).times(2));
    assert!(page(&context, ask("", None)).await.events.is_empty(), "throttles are waited out");
}

#[tokio::test]
async fn a_token_that_aws_no_longer_knows_costs_a_second_look_and_not_the_feed() {
    let (aws, context) = start().await;
    let bob = aws.user_id("bob").unwrap();
    let mut ids: Vec<String> = (0..5).map(|n| aws.sign_in(&bob, SHOP, "Developer", ago(60 + n))).collect();
    ids.sort();
    let first = page(&context, ask("", None)).await;
    assert!(first.has_more && first.events.len() == 2);
    let refusal = Effect::Error {
        code: "InvalidNextTokenException".into(),
        message: "The token has expired.".into(),
        status: 400,
    };
    aws.arm(Fault::once("cloudtrail:LookupEvents", refusal));
    let (seen, _) = drain(&context, &first.cursor, None).await;
    assert_eq!(seen, ids, "the time is looked at anew from its newest event");
}

#[tokio::test]
async fn a_token_that_leads_to_itself_is_an_error_and_not_an_endless_feed() {
    let (aws, context) = start().await;
    aws.arm(Fault::new("cloudtrail:LookupEvents", Effect::RepeatedToken));
    let first = page(&context, ask("", None)).await;
    assert!(first.has_more);
    let order = task::TaskType::ListEvents(ask(&first.cursor, None));
    let Outcome::Failed(failure) = run(&context, order).await else { panic!("it goes round in circles") };
    assert!(failure.status.message.contains("repeats a page token"), "{}", failure.status.message);
    assert!(!failure.non_retryable);
}
