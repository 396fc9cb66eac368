//! Membership of Identity Center groups.

use std::time::Duration;

use batond::baton::any;
use batond::baton::v2::RequestId;
use batond::connector::ProvisionError;
use testbed::aws::{Effect, Fault};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, FIND, JOIN, LEAVE, UNKNOWN, existed, held, provision, request_id, was_gone};
use super::log::Log;
use crate::support::{Work, full_sync};

const GROUP: &str = "Engineers";
const STRANGER: &str = "loner@example.com";

fn membership_id(bench: &Bench, group: &str, user: &str) -> String {
    let (group, user) = (bench.aws.group_id(group).unwrap(), bench.aws.user_id(user).unwrap());
    let held = bench.aws.memberships();
    held.into_iter().find(|one| one.group == group && one.user == user).expect("a membership").id
}

#[tokio::test]
async fn a_user_granted_twice_has_one_membership() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let (entitlement, user) = (bench.membership(GROUP), bench.user(STRANGER));
    let before = bench.aws.memberships().len();

    let first = bench.grant("t1", &entitlement, &user).await.unwrap();
    assert!(bench.aws.is_member(GROUP, STRANGER) && !existed(&first));
    let id = membership_id(&bench, GROUP, STRANGER);
    assert_eq!(first.grants[0].id, id);
    let line = log.the_audit("t1");
    assert_eq!(line["outcome"], "changed");
    assert_eq!(line["operation"], JOIN);
    assert_eq!((line["target_type"].as_str(), line["principal_type"].as_str()), ("sso_group", "sso_user"));
    assert_eq!(line["target_id"], entitlement.resource.as_ref().unwrap().id.as_ref().unwrap().resource);
    assert_eq!(line["principal_id"], user.id.as_ref().unwrap().resource);
    assert_eq!(line["aws_request_id"], request_id(&first.annotations));
    assert!(bench.aws.transcript().iter().any(|call| call.request_id == line["aws_request_id"]));

    let second = bench.grant("t2", &entitlement, &user).await.unwrap();
    assert!(existed(&second));
    assert_eq!(second.grants[0].id, id);
    assert_eq!(log.the_audit("t2")["outcome"], "unchanged");
    assert_eq!(bench.aws.memberships().len(), before + 1);
    log.holds_no_secret(&(first, second));
}

#[tokio::test]
async fn a_granted_membership_has_the_id_that_a_sync_writes() {
    let bench = Bench::start().await;
    let answer = bench.grant("t", &bench.membership(GROUP), &bench.user(STRANGER)).await.unwrap();
    let work = Work::new();
    full_sync(&bench.aws, &work).await.unwrap();
    let written = work.read().grant(&answer.grants[0].id).unwrap().expect("the sync has the grant");
    assert_eq!(written.annotations, answer.grants[0].annotations);
    assert_eq!(written.principal, answer.grants[0].principal);
    let ids = [&written, &answer.grants[0]].map(|grant| grant.entitlement.as_ref().unwrap().id.clone());
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_user_revoked_twice_is_gone_once() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let (entitlement, user) = (bench.membership(GROUP), bench.user("bob"));
    let before = bench.aws.memberships().len();

    let first = bench.revoke("t1", &entitlement, &user).await.unwrap();
    assert!(!bench.aws.is_member(GROUP, "bob") && !was_gone(&first));
    assert_eq!(log.the_audit("t1")["aws_request_id"], request_id(&first.annotations));
    assert_eq!(log.the_audit("t1")["outcome"], "changed");

    let second = bench.revoke("t2", &entitlement, &user).await.unwrap();
    assert!(was_gone(&second) && !any::has::<RequestId>(&second.annotations));
    assert_eq!(log.the_audit("t2")["outcome"], "unchanged");
    assert_eq!(bench.calls(LEAVE), 1);
    assert_eq!(bench.aws.memberships().len(), before - 1);
}

#[tokio::test]
async fn a_stale_id_never_removes_another_users_membership() {
    for denied in [false, true] {
        let bench = Bench::start().await;
        if denied {
            bench.aws.deny("connector", &[FIND]);
        }
        let (entitlement, before) = (bench.membership(GROUP), bench.aws.memberships());
        let of_bob = membership_id(&bench, GROUP, "bob");
        let cancel = CancellationToken::new();
        for (user, stays) in [(STRANGER, before.len()), ("carol", before.len() - 1)] {
            let grant = held(&of_bob, &entitlement, &bench.user(user));
            bench.connector.revoke(&grant, &provision("t", &cancel)).await.unwrap();
            assert!(bench.aws.is_member(GROUP, "bob"), "denied {denied}, {user}");
            assert!(!bench.aws.is_member(GROUP, user));
            assert_eq!(bench.aws.memberships().len(), stays);
        }
    }
}

#[tokio::test]
async fn without_the_lookup_the_list_of_members_tells_the_membership() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    bench.aws.deny("connector", &[FIND]);
    let (entitlement, bob) = (bench.membership(GROUP), bench.user("bob"));

    let again = bench.grant("grant", &entitlement, &bob).await.unwrap();
    assert!(existed(&again));
    assert_eq!(again.grants[0].id, membership_id(&bench, GROUP, "bob"));
    assert!(!was_gone(&bench.revoke("revoke", &entitlement, &bob).await.unwrap()));
    assert!(!bench.aws.is_member(GROUP, "bob"));
    assert!(was_gone(&bench.revoke("again", &entitlement, &bob).await.unwrap()));

    let carol = bench.user("carol");
    bench.aws.deny("connector", &[FIND, "identitystore:ListGroupMemberships"]);
    let error = bench.revoke("denied", &entitlement, &carol).await.unwrap_err();
    assert!(error.to_string().contains(FIND), "{error}");
    assert_eq!(log.the_audit("denied")["outcome"], "failed");
    assert!(bench.aws.is_member(GROUP, "carol"));
    let blind = bench.grant("blind", &entitlement, &carol).await.unwrap();
    assert!(existed(&blind) && blind.grants.is_empty());
}

#[tokio::test]
async fn a_placeholder_id_removes_the_named_membership_alone() {
    let bench = Bench::start().await;
    let before = bench.aws.memberships().len();
    let grant = held(UNKNOWN, &bench.membership(GROUP), &bench.user("bob"));
    bench.connector.revoke(&grant, &provision("t", &CancellationToken::new())).await.unwrap();
    assert!(!bench.aws.is_member(GROUP, "bob") && bench.aws.is_member("Ops: on-call / 24x7", "bob"));
    assert_eq!(bench.aws.memberships().len(), before - 1);
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_audited_as_unconfirmed_and_happens_once() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let (entitlement, user) = (bench.membership(GROUP), bench.user(STRANGER));
    let before = bench.aws.memberships().len();

    bench.aws.arm(Fault::once(JOIN, Effect::LostReply));
    let granted = bench.grant("grant", &entitlement, &user).await.unwrap();
    assert_eq!(granted.grants[0].id, membership_id(&bench, GROUP, STRANGER));
    assert_eq!(bench.aws.memberships().len(), before + 1);
    assert_eq!(log.the_audit("grant")["outcome"], "unconfirmed");

    bench.aws.arm(Fault::once(LEAVE, Effect::LostReply));
    bench.revoke("revoke", &entitlement, &user).await.unwrap();
    assert_eq!(bench.aws.memberships().len(), before);
    assert_eq!(log.the_audit("revoke")["outcome"], "unconfirmed");
}

/// A conflict that does not say that it is for good.
fn busy() -> Effect {
    Effect::Error { code: "ConflictException".into(), message: "busy".into(), status: 400 }
}

#[tokio::test]
async fn a_conflict_that_passes_is_waited_for() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    bench.aws.arm(Fault::once(JOIN, busy()));
    bench.aws.arm(Fault::once(LEAVE, busy()));
    let (entitlement, user) = (bench.membership(GROUP), bench.user(STRANGER));
    assert!(!existed(&bench.grant("grant", &entitlement, &user).await.unwrap()));
    assert!(bench.aws.is_member(GROUP, STRANGER));
    assert!(!was_gone(&bench.revoke("revoke", &entitlement, &user).await.unwrap()));
    assert!(!bench.aws.is_member(GROUP, STRANGER));
    assert!(["grant", "revoke"].iter().all(|task| log.the_audit(task)["outcome"] == "changed"));
}

#[tokio::test]
async fn a_conflict_without_a_membership_is_an_error_and_not_a_grant() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    tokio::time::pause();
    bench.aws.arm(Fault::new(JOIN, busy()));
    let begin = tokio::time::Instant::now();
    let error = bench.grant("t", &bench.membership(GROUP), &bench.user(STRANGER)).await.unwrap_err();
    let took = begin.elapsed();
    assert!(took > Duration::from_secs(15) && took < Duration::from_secs(40), "{took:?}");
    assert!(matches!(&error, ProvisionError::NotOurs(_)), "{error:?}");
    let said = error.to_string();
    assert!(said.contains(JOIN) && said.contains("external identity provider"), "{said}");
    assert_eq!(log.the_audit("t")["outcome"], "failed");
}

#[tokio::test]
async fn a_denied_write_names_action_and_account() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    bench.aws.deny("connector", &[JOIN, LEAVE]);
    let entitlement = bench.membership(GROUP);
    let grant = bench.grant("grant", &entitlement, &bench.user(STRANGER)).await.unwrap_err();
    let revoke = bench.revoke("revoke", &entitlement, &bench.user("bob")).await.unwrap_err();
    for (task, error, action) in [("grant", &grant, JOIN), ("revoke", &revoke, LEAVE)] {
        let said = error.to_string();
        assert!(said.contains(action) && said.contains(&bench.aws.management_account()), "{said}");
        assert_eq!(log.the_audit(task)["outcome"], "failed");
        assert!(!log.the_audit(task)["aws_request_id"].is_empty());
    }
    log.holds_no_secret(&(grant, revoke));
}
