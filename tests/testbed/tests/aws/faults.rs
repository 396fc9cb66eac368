//! Trouble on request.

use std::time::Duration;

use serde_json::json;
use testbed::aws::{Effect, Fault, Quotas, served};

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
async fn a_held_call_waits_until_the_faults_are_disarmed() {
    let server = example().await;
    let client = Client::new(&server);
    server.arm(Fault::new(LIST_USERS, Effect::Hold));
    let change = async {
        while server.held() == 0 {
            tokio::task::yield_now().await;
        }
        server.add_user("made-meanwhile");
        server.disarm();
    };
    let (users, ()) = tokio::join!(client.store("ListUsers", json!({})), change);
    let users = users.ok()["Users"].as_array().unwrap().len();
    assert_eq!((users, server.held()), (6 + 1, 0));
}

#[tokio::test]
async fn what_vanishes_is_gone_for_the_next_call_as_well() {
    let server = example().await;
    let client = Client::new(&server);
    let group = json!({"GroupId": server.group_id("Empty group").unwrap()});
    server.arm(Fault::once("identitystore:ListGroupMemberships", Effect::Vanish));
    let not_found = (400, "ResourceNotFoundException".to_owned());
    assert_eq!(client.store("ListGroupMemberships", group.clone()).await.error(), not_found);
    assert_eq!(client.store("DescribeGroup", group.clone()).await.error(), not_found);
    assert_eq!(server.group_id("Empty group"), None);
    // What is not there cannot vanish.
    server.arm(Fault::once("identitystore:ListGroups", Effect::Vanish));
    assert_eq!(client.store("ListGroups", json!({})).await.status, 200);
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
    server.arm(Fault::once(LIST_USERS, Effect::Trickle { bytes: 400, every: Duration::from_millis(10) }));
    let before = std::time::Instant::now();
    let trickled = client.store("ListUsers", json!({})).await;
    assert_eq!(trickled.ok()["Users"].as_array().unwrap().len(), 6);
    // A pause before each piece, and never a shorter one.
    let pieces = u32::try_from(trickled.body.len().div_ceil(400)).unwrap();
    assert!(pieces > 1 && before.elapsed() >= pieces * Duration::from_millis(10));
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
async fn an_error_carries_the_members_that_are_asked_for() {
    let server = example().await;
    let client = Client::new(&server);
    let gone =
        Effect::Error { code: "ResourceNotFoundException".into(), message: "it is gone".into(), status: 400 };
    server
        .arm(Fault::once(LIST_USERS, gone).member("ResourceType", "IDENTITY_STORE").member("ResourceId", 7));
    let reply = client.store("ListUsers", json!({})).await.value();
    assert_eq!((&reply["ResourceType"], &reply["ResourceId"]), (&json!("IDENTITY_STORE"), &json!(7)));
    let reason = json!({"Reason": "KMS_ACCESS_DENIED"});
    let fault = json!({"action": "sso:*", "times": 1, "effect": "deny", "members": reason});
    server.arm(serde_json::from_value(fault).unwrap());
    let reply = client.sso("ListPermissionSets", json!({})).await;
    assert_eq!(reply.error().1, "AccessDeniedException");
    assert_eq!(reply.value()["Reason"], "KMS_ACCESS_DENIED");
    server.arm(Fault::once("sts:*", Effect::Throttle).member("Reason", "<busy>"));
    assert_eq!(client.identity().await.element("Reason"), "&lt;busy&gt;");
}

#[tokio::test]
async fn answers_lack_the_members_that_are_left_out() {
    let server = example().await;
    let client = Client::new(&server);
    server.set(|knobs| {
        knobs.left_out.insert("identitystore:*".into(), vec!["DisplayName".into(), "UserStatus".into()]);
        knobs
            .left_out
            .insert("iam:ListRoles".into(), vec!["Description".into(), "MaxSessionDuration".into()]);
    });
    let users = client.store("ListUsers", json!({})).await.ok();
    for user in users["Users"].as_array().unwrap() {
        assert!(user.get("DisplayName").is_none() && user.get("UserStatus").is_none(), "{user}");
        assert!(user["UserName"].is_string());
    }
    let roles = client.form("iam", &[("Action", "ListRoles"), ("Version", "2010-05-08")]).await.text();
    assert!(roles.contains("<RoleName>") && !roles.contains("MaxSessionDuration"), "{roles}");
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
    // A listing of one page as well.
    let whole = page(json!({})).await;
    assert_eq!(whole["Users"].as_array().unwrap().len(), 6);
    for _ in 0..2 {
        let again = page(json!({"NextToken": whole["NextToken"]})).await;
        assert_eq!((&again["NextToken"], &again["Users"]), (&whole["NextToken"], &json!([])));
    }
}

#[tokio::test]
async fn answers_can_be_made_to_say_what_aws_never_says() {
    let server = example().await;
    let client = Client::new(&server);
    let users = async |effect| {
        server.arm(Fault::once(LIST_USERS, effect));
        client.store("ListUsers", json!({})).await
    };
    let dropped = users(Effect::Drop("UserName".into())).await.ok();
    assert!(dropped["Users"].as_array().unwrap().iter().all(|user| user.get("UserName").is_none()));
    assert_eq!(users(Effect::WrongType("Users".into())).await.ok()["Users"], "unexpected");
    let replace = Effect::Replace { member: "UserId".into(), value: json!(null) };
    assert_eq!(users(replace).await.ok()["Users"][0]["UserId"], json!(null));
    let unknown = users(Effect::UnknownValue("UserStatus".into())).await.ok();
    assert_eq!(unknown["Users"][0]["UserStatus"], "NOT_KNOWN_TO_ANYBODY");
    let empty = users(Effect::EmptyBody).await;
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    assert!(server.armed().is_empty());
}

#[tokio::test]
async fn answers_in_xml_are_changed_like_those_in_json() {
    let server = example().await;
    let client = Client::new(&server);
    let roles = async |effect| {
        server.arm(Fault::nth(2, "iam:ListRoles", effect).account("111111111111"));
        let form = [("Action", "ListRoles"), ("Version", "2010-05-08")];
        let first = client.form("iam", &form).await;
        assert!(first.text().contains("<RoleName>Runner</RoleName>"), "the first call is not hit");
        let second = client.form("iam", &form).await;
        assert!(server.armed().is_empty());
        second.text()
    };
    let whole = roles(Effect::Delay(Duration::ZERO)).await;
    assert_eq!(whole.matches("<Arn>").count(), 7);
    assert!(!roles(Effect::Drop("Arn".into())).await.contains("<Arn>"));
    assert!(!roles(Effect::Drop("IsTruncated".into())).await.contains("IsTruncated"));
    let number = Effect::Replace { member: "MaxSessionDuration".into(), value: json!("an hour") };
    assert_eq!(roles(number).await.matches("<MaxSessionDuration>an hour<").count(), 7);
    assert!(roles(Effect::WrongType("Roles".into())).await.contains("<Roles>unexpected</Roles>"));
    assert!(roles(Effect::WrongType("Arn".into())).await.contains("<Arn><Unexpected><member>1<"));
    assert_eq!(roles(Effect::EmptyBody).await, "");
    let page = roles(Effect::EmptyPage).await;
    assert!(page.contains("<IsTruncated>true<") && page.contains("<Marker>") && !page.contains("<member>"));
    let circle = roles(Effect::RepeatedToken).await;
    assert!(circle.contains("<IsTruncated>true<") && circle.matches("<RoleName>").count() == 7);
}

#[tokio::test]
async fn throttling_can_say_when_to_come_back() {
    let server = example().await;
    let client = Client::new(&server);
    server.arm(Fault::new("*", Effect::ThrottleFor(Duration::from_millis(1500))));
    for reply in [client.identity().await, client.store("ListUsers", json!({})).await] {
        assert_eq!(reply.status, 400);
        assert!(reply.head.contains("x-amz-retry-after: 1500\r\n"), "{}", reply.head);
        assert!(format!("{}\r\n", reply.head).contains("\r\nretry-after: 2\r\n"), "{}", reply.head);
    }
    assert_eq!(client.store("ListUsers", json!({})).await.value()["RetryAfterSeconds"], 2);
    server.disarm();
    server.arm(Fault::new("*", Effect::Throttle));
    assert!(!client.identity().await.head.contains("retry-after"));
    assert_eq!(server.counters().throttled("*"), 4);
}

#[tokio::test]
async fn every_operation_can_be_hit_in_its_own_protocol() {
    let server = example().await;
    let client = Client::new(&server);
    let targets = [
        ("organizations", "AWSOrganizationsV20161128"),
        ("identitystore", "AWSIdentityStore"),
        ("sso", "SWBExternalService"),
        ("cloudtrail", "CloudTrail_20131101"),
    ];
    let all = served();
    assert!(all.len() >= 60 && all.iter().any(|one| one.action == "iam:GetGroup" && one.paged), "{all:?}");
    server.arm(Fault::new("*", Effect::Status(500)));
    for one in &all {
        let (service, operation) = one.action.split_once(':').unwrap();
        let reply = if let Some((_, target)) = targets.iter().find(|(name, _)| *name == service) {
            client.json(target, service, operation, &json!({})).await.unwrap()
        } else {
            let version = if service == "iam" { "2010-05-08" } else { "2011-06-15" };
            client.form(service, &[("Action", operation), ("Version", version)]).await
        };
        assert_eq!(reply.status, 500, "{}: {}", one.action, reply.text());
        assert_eq!(server.counters().errors(&one.action), 1, "{}", one.action);
    }
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
