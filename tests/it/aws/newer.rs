//! Answers in newer forms: ARNs in place of ids, kinds of policy that this program does not know.

use batond::aws::{Aws, Class};
use futures::TryStreamExt as _;
use serde_json::json;
use testbed::aws::{Effect, Fault};
use tokio_util::sync::CancellationToken;

use super::{as_user, connected, testbed};
use crate::support::{Work, full_sync};

fn replacing(member: &str, value: serde_json::Value) -> Effect {
    Effect::Replace { member: member.to_owned(), value }
}

#[tokio::test]
async fn a_store_that_is_named_by_its_arn_is_known_by_its_id() {
    let server = testbed().await;
    let store = server.identity_store_id();
    let arn = format!("arn:aws:identitystore::111111111111:identitystore/{store}");
    server.arm(Fault::new("sso:ListInstances", replacing("IdentityStoreId", json!(arn))));
    let aws = Aws::connect(&as_user(&server, "connector")).await.unwrap();
    assert_eq!(aws.instance().unwrap().identity_store_id, store);
    let api = aws.sync(CancellationToken::new());
    assert!(!api.identity_store().users().try_concat().await.unwrap().is_empty());
}

#[tokio::test]
async fn users_groups_and_memberships_that_are_named_by_arns_are_known_by_their_ids() {
    let server = testbed().await;
    let store = connected(&server).await.identity_store();
    let (bob, group) = (server.user_id("bob").unwrap(), server.group_id("Engineers").unwrap());
    let arn = |kind: &str, id: &str| json!(format!("arn:aws:identitystore:::{kind}/{id}"));
    server.arm(Fault::new("identitystore:ListUsers", replacing("UserId", arn("user", &bob))));
    server.arm(Fault::new("identitystore:ListGroups", replacing("GroupId", arn("group", &group))));
    server.arm(Fault::new(
        "identitystore:GetGroupMembershipId",
        replacing("MembershipId", arn("membership", "m-1")),
    ));
    server.arm(Fault::new("identitystore:ListGroupMemberships", replacing("UserId", arn("user", &bob))));
    let users: Vec<_> = store.users().try_concat().await.unwrap();
    assert!(!users.is_empty() && users.iter().all(|user| user.id == bob));
    let groups: Vec<_> = store.groups().try_concat().await.unwrap();
    assert!(!groups.is_empty() && groups.iter().all(|one| one.id == group));
    assert_eq!(store.membership_id(&group, &bob).await.unwrap().as_deref(), Some("m-1"));
    let members: Vec<_> = store.memberships(&group).try_concat().await.unwrap();
    assert!(!members.is_empty() && members.iter().all(|one| one.user_id.as_deref() == Some(&*bob)));
}

#[tokio::test]
async fn an_id_that_no_id_can_be_is_no_answer() {
    let server = testbed().await;
    let store = connected(&server).await.identity_store();
    for id in ["u".repeat(101), "u 1".to_owned(), "arn:aws:identitystore:::user/".to_owned()] {
        server.arm(Fault::new("identitystore:ListUsers", replacing("UserId", json!(id))));
        let error = store.users().try_concat().await.unwrap_err();
        assert!(matches!(error.class(), Class::Malformed), "{error}");
        assert!(error.to_string().contains("UserId is not an id"), "{error}");
        server.disarm();
    }
}

#[tokio::test]
async fn kinds_of_policy_that_are_newer_than_this_program_change_nothing() {
    let server = testbed().await;
    let kinds = json!([
        {"Type": "GUARDDUTY_POLICY", "Status": "ENABLED"},
        {"Type": "SECURITYHUB_CSPM_POLICY", "Status": "PENDING_ENABLE"},
        {"Type": "POLICY_OF_NEXT_YEAR", "Status": "SOME_STATUS"},
    ]);
    let work = Work::new();
    let before = full_sync(&server, &work).await.unwrap().total();
    server.arm(Fault::new("organizations:ListRoots", replacing("PolicyTypes", kinds.clone())));
    server.arm(Fault::new("organizations:DescribeOrganization", replacing("AvailablePolicyTypes", kinds)));
    let after = full_sync(&server, &work).await.unwrap().total();
    assert_eq!((after.resources, after.grants), (before.resources, before.grants));
    assert!(server.counters().calls("organizations:ListRoots") > 0);
}
