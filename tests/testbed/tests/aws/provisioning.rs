//! Writes: memberships at once, assignments later.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::aws::{Effect, Fault, Fixture, Lagging, PrincipalType, Server, Shape};

use crate::client::{Client, example, start};

/// Of every call of IAM.
const IAM: (&str, &str) = ("Version", "2010-05-08");

fn target(server: &Server, account: &str, set: &str, user: &str) -> Value {
    json!({
        "TargetId": server.account_id(account).unwrap(),
        "TargetType": "AWS_ACCOUNT",
        "PermissionSetArn": server.permission_set_arn(set).unwrap(),
        "PrincipalType": "USER",
        "PrincipalId": server.user_id(user).unwrap_or_else(|| user.to_owned()),
    })
}

/// Starts a change and waits for its end: status and reason.
async fn change(client: &Client<'_>, kind: &str, target: Value) -> (String, String) {
    let verb = if kind == "Creation" { "Create" } else { "Delete" };
    let member = format!("AccountAssignment{kind}Status");
    let started = client.sso(&format!("{verb}AccountAssignment"), target).await.ok();
    assert_eq!(started[&member]["Status"], "IN_PROGRESS");
    let id = started[&member]["RequestId"].clone();
    loop {
        let input = json!({format!("AccountAssignment{kind}RequestId"): id});
        let reply = client.sso(&format!("DescribeAccountAssignment{kind}Status"), input).await.ok();
        let status = &reply[&member];
        if status["Status"] != "IN_PROGRESS" {
            let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
            return (text("Status"), text("FailureReason"));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn an_assignment_takes_effect_when_it_settles() {
    let server = example().await;
    server.set(|knobs| knobs.settle = Duration::from_millis(50));
    let client = Client::new(&server);
    let wanted = target(&server, "Shared", "Unused", "bob");
    let holds = || server.is_assigned("Shared", "Unused", PrincipalType::User, "bob");
    client.sso("CreateAccountAssignment", wanted.clone()).await.ok();
    assert!(!holds());
    let again = client.sso("CreateAccountAssignment", wanted.clone()).await;
    assert_eq!(again.error(), (400, "ConflictException".to_owned()));
    while !holds() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let filter = json!({"Filter": {"Status": "SUCCEEDED"}});
    let list = client.sso("ListAccountAssignmentCreationStatus", filter).await.ok();
    assert_eq!(list["AccountAssignmentsCreationStatus"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn each_operation_may_settle_in_a_time_of_its_own() {
    let server = example().await;
    server.set(|knobs| {
        knobs.settle = Duration::ZERO;
        knobs.settles = [("sso:DeleteAccountAssignment".to_owned(), Duration::from_hours(1))].into();
    });
    let client = Client::new(&server);
    let wanted = target(&server, "Shared", "Unused", "bob");
    assert_eq!(change(&client, "Creation", wanted.clone()).await.0, "SUCCEEDED");
    client.sso("DeleteAccountAssignment", wanted).await.ok();
    let list = client.sso("ListAccountAssignmentDeletionStatus", json!({})).await.ok();
    assert_eq!(list["AccountAssignmentsDeletionStatus"][0]["Status"], "IN_PROGRESS");
}

#[tokio::test]
async fn repeating_a_change_is_harmless_or_says_404() {
    let server = example().await;
    let client = Client::new(&server);
    let wanted = target(&server, "Shared", "Unused", "bob");
    for _ in 0..2 {
        assert_eq!(change(&client, "Creation", wanted.clone()).await.0, "SUCCEEDED");
    }
    assert_eq!(change(&client, "Deletion", wanted.clone()).await.0, "SUCCEEDED");
    let (status, reason) = change(&client, "Deletion", wanted).await;
    assert_eq!(status, "FAILED");
    assert!(reason.contains("Received a 404 status error"), "{reason}");
}

#[tokio::test]
async fn an_impossible_assignment_fails_with_a_reason() {
    let server = example().await;
    let client = Client::new(&server);
    let (status, reason) = change(&client, "Creation", target(&server, "Old shop", "Unused", "bob")).await;
    assert_eq!(status, "FAILED");
    assert!(reason.contains("suspended"), "{reason}");
    let stranger = "9067000000-00000000-0000-4000-a000-000000000000";
    let (status, reason) = change(&client, "Creation", target(&server, "Shared", "Unused", stranger)).await;
    assert_eq!(status, "FAILED");
    assert!(reason.contains("404"), "{reason}");

    server
        .arm(Fault::once("sso:CreateAccountAssignment", Effect::SettlesFailed("quota of roles".to_owned())));
    let ended = change(&client, "Creation", target(&server, "Shared", "Unused", "bob")).await;
    assert_eq!(ended, ("FAILED".to_owned(), "quota of roles".to_owned()));
    assert!(!server.is_assigned("Shared", "Unused", PrincipalType::User, "bob"));
}

#[tokio::test]
async fn fifteen_requests_may_be_outstanding() {
    let server = start(Fixture::generate(Shape { accounts: 17, ..Shape::SMALL }).unwrap()).await;
    server.set(|knobs| knobs.settle = Duration::from_hours(1));
    let client = Client::new(&server);
    for index in 1..=15 {
        let account = format!("account-{index:05}");
        let wanted = target(&server, &account, "Set-0001", "user000001@example.com");
        client.sso("CreateAccountAssignment", wanted).await.ok();
    }
    let wanted = target(&server, "account-00016", "Set-0001", "user000001@example.com");
    let refused = client.sso("CreateAccountAssignment", wanted).await;
    assert_eq!(refused.error(), (400, "ThrottlingException".to_owned()));
}

#[tokio::test]
async fn the_last_assignment_takes_the_provisioned_set_along() {
    let server = example().await;
    let client = Client::new(&server);
    let input = json!({"AccountId": server.account_id("Büro Berlin").unwrap()});
    let list = async || {
        let listed = client.sso("ListPermissionSetsProvisionedToAccount", input.clone()).await.ok();
        listed["PermissionSets"].as_array().unwrap().len()
    };
    assert_eq!(list().await, 1);
    change(&client, "Deletion", target(&server, "Büro Berlin", "Developer", "carol")).await;
    assert_eq!(list().await, 0);
}

#[tokio::test]
async fn a_membership_exists_once() {
    let server = example().await;
    let client = Client::new(&server);
    let pair = json!({
        "GroupId": server.group_id("Empty group").unwrap(),
        "MemberId": {"UserId": server.user_id("bob").unwrap()},
    });
    let id = client.store("CreateGroupMembership", pair.clone()).await.ok()["MembershipId"].clone();
    assert!(server.is_member("Empty group", "bob"));
    let again = client.store("CreateGroupMembership", pair.clone()).await;
    assert_eq!(again.error(), (400, "ConflictException".to_owned()));
    assert_eq!(again.value()["Reason"], "UNIQUENESS_CONSTRAINT_VIOLATION");
    assert_eq!(client.store("GetGroupMembershipId", pair.clone()).await.ok()["MembershipId"], id);
    client.store("DeleteGroupMembership", json!({"MembershipId": id})).await.ok();
    let gone = client.store("DeleteGroupMembership", json!({"MembershipId": id})).await;
    assert_eq!(gone.error(), (400, "ResourceNotFoundException".to_owned()));
    assert_eq!(client.store("GetGroupMembershipId", pair).await.status, 400);
}

#[tokio::test]
async fn a_user_that_leaves_leaves_its_groups_but_not_its_assignments() {
    let server = example().await;
    let client = Client::new(&server);
    let id = server.user_id("bob").unwrap();
    let (members, held) = (server.memberships().len(), server.assignments().len());
    client.store("DeleteUser", json!({"UserId": id})).await.ok();
    assert_eq!((server.memberships().len(), server.assignments().len()), (members - 2, held));
    let input = json!({"UserName": "bob", "DisplayName": "Bob again"});
    let created = client.store("CreateUser", input.clone()).await.ok();
    assert_ne!(created["UserId"], id.as_str());
    assert_eq!(client.store("CreateUser", input).await.error(), (400, "ConflictException".to_owned()));
}

#[tokio::test]
async fn listings_can_lag_behind_writes() {
    let server = example().await;
    server.set(|knobs| {
        knobs.lag = Duration::from_mins(5);
        knobs.settle = Duration::ZERO;
    });
    let client = Client::new(&server);
    let group = json!({"GroupId": server.group_id("Empty group").unwrap()});
    let mut pair = group.clone();
    pair["MemberId"] = json!({"UserId": server.user_id("bob").unwrap()});
    let id = client.store("CreateGroupMembership", pair.clone()).await.ok()["MembershipId"].clone();
    let members =
        async || client.store("ListGroupMemberships", group.clone()).await.ok()["GroupMemberships"].clone();
    assert_eq!(members().await, json!([]));
    assert_eq!(client.store("GetGroupMembershipId", pair).await.ok()["MembershipId"], id);

    let berlin = target(&server, "Büro Berlin", "Developer", "carol");
    let held = async || {
        let input = json!({"AccountId": berlin["TargetId"], "PermissionSetArn": berlin["PermissionSetArn"]});
        client.sso_rows("ListAccountAssignments", "AccountAssignments", input).await.0.len()
    };
    assert_eq!(change(&client, "Deletion", berlin.clone()).await.0, "SUCCEEDED");
    assert_eq!(held().await, 1);
    server.set(|knobs| knobs.lag = Duration::ZERO);
    assert_eq!(held().await, 0);
    assert_eq!(members().await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_read_can_lag_behind_writes() {
    let server = example().await;
    let lag = |lag: Duration| {
        server.set(|knobs| {
            knobs.lag = lag;
            knobs.lag_of = Lagging::Reads;
            knobs.settle = Duration::ZERO;
        });
    };
    lag(Duration::from_mins(5));
    let client = Client::new(&server);
    let made = client.store("CreateUser", json!({"UserName": "new", "DisplayName": "New"})).await.ok();
    let user = json!({"UserId": made["UserId"]});
    let found = async || client.store("DescribeUser", user.clone()).await.status;
    let listed = async || {
        let users = client.store("ListUsers", json!({})).await.ok();
        users["Users"].as_array().unwrap().iter().any(|one| one["UserId"] == user["UserId"])
    };
    let target = target(&server, "Büro Berlin", "Developer", "carol");
    let started = client.sso("DeleteAccountAssignment", target).await.ok();
    let request = started["AccountAssignmentDeletionStatus"]["RequestId"].clone();
    let status = async || {
        let input = json!({"AccountAssignmentDeletionRequestId": request});
        client.sso("DescribeAccountAssignmentDeletionStatus", input).await.status
    };
    client.form("iam", &[IAM, ("Action", "CreateUser"), ("UserName", "robot")]).await;
    let robot =
        async || client.form("iam", &[IAM, ("Action", "GetUser"), ("UserName", "robot")]).await.status;
    assert_eq!((found().await, listed().await, status().await, robot().await), (400, false, 400, 404));
    // Writes know what others have written.
    let key = [IAM, ("Action", "CreateAccessKey"), ("UserName", "robot")];
    assert_eq!(client.form("iam", &key).await.status, 200);
    assert_eq!(client.store("DeleteUser", user.clone()).await.status, 200);
    lag(Duration::ZERO);
    assert_eq!((found().await, listed().await, status().await, robot().await), (400, false, 200, 200));
}

#[tokio::test]
async fn writes_can_miss_what_an_earlier_one_has_made() {
    let server = example().await;
    let client = Client::new(&server);
    server.set(|knobs| {
        knobs.lag = Duration::from_mins(5);
        knobs.lag_of = Lagging::Everything;
    });
    let create = [IAM, ("Action", "CreateUser"), ("UserName", "robot")];
    let key = [IAM, ("Action", "CreateAccessKey"), ("UserName", "robot")];
    assert_eq!(client.form("iam", &create).await.status, 200);
    assert_eq!(client.form("iam", &key).await.error(), (404, "NoSuchEntity".to_owned()));
    assert!(server.access_keys("111111111111", "robot").is_empty());
    assert_eq!(client.form("iam", &create).await.error(), (409, "EntityAlreadyExists".to_owned()));
    server.set(|knobs| knobs.lag = Duration::ZERO);
    assert_eq!(client.form("iam", &key).await.status, 200);
}
