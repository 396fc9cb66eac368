//! AWS's listings lag behind its writes, and its writes go on by themselves: neither is ever taken for the end of a
//! change.

use std::time::Duration;

use batond::connector::ProvisionError;
use testbed::aws::{Effect, Fault, PrincipalType};
use tokio_util::sync::CancellationToken;

use super::bench::{
    ADMIN, Bench, CREATE, CREATED, DELETE, FIND, JOIN, LEAVE, SHOP, Through, existed, held, provision,
    was_gone,
};
use super::log::Log;

/// Longer than any test.
const LAG: Duration = Duration::from_mins(5);
const SETTLE: Duration = Duration::from_millis(700);
const GROUP: &str = "Engineers";
const STRANGER: &str = "loner@example.com";

async fn lagging() -> Bench {
    let bench = Bench::start().await;
    bench.aws.set(|knobs| knobs.lag = LAG);
    bench
}

#[tokio::test]
async fn a_grant_that_the_list_does_not_show_yet_can_be_revoked() {
    let (log, bench) = (Log::capture(), lagging().await);
    for through in [Through::Account, Through::Binding] {
        let (entitlement, bob) = (bench.access(through, SHOP, ADMIN), bench.user("bob"));
        let task = format!("{through:?}");
        bench.grant("grant", &entitlement, &bob).await.unwrap();
        assert!(bench.bob_is_admin());
        let answer = bench.revoke(&task, &entitlement, &bob).await.unwrap();
        assert!(!bench.bob_is_admin() && !was_gone(&answer));
        assert_eq!(log.the_audit(&task)["outcome"], "changed");
    }
}

#[tokio::test]
async fn a_revoked_grant_that_the_list_still_shows_can_be_granted_again() {
    let bench = lagging().await;
    bench.make_bob_admin();
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    bench.revoke("revoke", &entitlement, &bob).await.unwrap();
    assert!(!bench.bob_is_admin());
    bench.grant("grant", &entitlement, &bob).await.unwrap();
    assert!(bench.bob_is_admin());
}

#[tokio::test]
async fn a_change_that_goes_on_after_its_task_was_cancelled_is_still_undone() {
    let bench = Bench::settling_in(SETTLE).await;
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let cancel = CancellationToken::new();
    let provision = provision("grant", &cancel);
    let stop = async {
        while bench.calls(CREATED) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (granted, ()) = tokio::join!(bench.connector.grant(&entitlement, &bob, &provision), stop);
    assert!(matches!(granted, Err(ProvisionError::Cancelled)), "{granted:?}");

    let answer = bench.revoke("revoke", &entitlement, &bob).await.unwrap();
    assert!(!was_gone(&answer));
    assert!(bench.aws.counters().errors(DELETE) >= 1, "the grant was under way");
    tokio::time::sleep(SETTLE).await;
    assert!(!bench.bob_is_admin());
}

#[tokio::test]
async fn a_revoke_that_failed_waits_for_the_list_before_it_says_so() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    bench.aws.set(|knobs| knobs.lag = Duration::from_millis(2500));
    bench.make_bob_admin();
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    bench.revoke("one", &entitlement, &bob).await.unwrap();
    let answer = bench.revoke("other", &entitlement, &bob).await.unwrap();
    assert!(was_gone(&answer));
    assert_eq!(log.the_audit("other")["outcome"], "unchanged");
}

#[tokio::test]
async fn a_revoke_of_what_aws_no_longer_knows_is_done() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let unknown =
        Effect::Error { code: "ResourceNotFoundException".into(), message: "gone".into(), status: 400 };
    bench.aws.arm(Fault::new(DELETE, unknown));
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    assert!(was_gone(&bench.revoke("t", &entitlement, &bob).await.unwrap()));
    assert_eq!(log.the_audit("t")["outcome"], "unchanged");
}

#[tokio::test]
async fn changes_of_one_assignment_take_turns_in_the_order_of_their_arrival() {
    for lag in [Duration::ZERO, LAG] {
        let (log, bench) = (Log::capture(), Bench::settling_in(SETTLE).await);
        bench.aws.set(|knobs| knobs.lag = lag);
        let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
        let (grant, revoke) = tokio::join!(
            bench.grant("grant", &entitlement, &bob),
            bench.revoke("revoke", &entitlement, &bob)
        );
        assert!(!existed(&grant.unwrap()) && !was_gone(&revoke.unwrap()));
        assert!(!bench.bob_is_admin());
        assert!(["grant", "revoke"].iter().all(|task| log.the_audit(task)["outcome"] == "changed"));
        // Neither met the other at AWS.
        assert_eq!(bench.aws.counters().errors(CREATE) + bench.aws.counters().errors(DELETE), 0);

        let (revoke, grant) = tokio::join!(
            bench.revoke("revoke 2", &entitlement, &bob),
            bench.grant("grant 2", &entitlement, &bob)
        );
        grant.unwrap();
        // The first to come found nothing to remove; a list that lags may not tell.
        assert!(lag > Duration::ZERO || was_gone(&revoke.unwrap()));
        assert!(bench.bob_is_admin());
    }
}

#[tokio::test]
async fn changes_of_one_membership_take_turns_in_the_order_of_their_arrival() {
    let bench = Bench::start().await;
    bench.aws.set(|knobs| knobs.latency = Duration::from_millis(100));
    let (entitlement, user) = (bench.membership(GROUP), bench.user(STRANGER));
    let (grant, revoke) =
        tokio::join!(bench.grant("grant", &entitlement, &user), bench.revoke("revoke", &entitlement, &user));
    assert!(!existed(&grant.unwrap()) && !was_gone(&revoke.unwrap()));
    assert!(!bench.aws.is_member(GROUP, STRANGER));
    let calls: Vec<_> = bench.aws.transcript().into_iter().map(|call| call.action).collect();
    assert_eq!(calls, [JOIN, FIND, LEAVE]);
}

#[tokio::test]
async fn other_targets_do_not_wait_and_a_waiting_task_can_be_cancelled() {
    let (log, bench) = (Log::capture(), Bench::settling_in(Duration::from_mins(1)).await);
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let granting = bench.grant("grant", &entitlement, &bob);
    tokio::pin!(granting);
    let cancel = CancellationToken::new();
    let provision = provision("revoke", &cancel);
    let others = async {
        while bench.calls(CREATED) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.grant("other", &bench.membership(GROUP), &bench.user(STRANGER)).await.unwrap();
        let waiting = held("", &entitlement, &bob);
        let stop = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cancel.cancel();
        };
        tokio::join!(bench.connector.revoke(&waiting, &provision), stop).0
    };
    let revoked = tokio::select! {
        answer = &mut granting => panic!("{answer:?}"),
        revoked = others => revoked,
    };
    assert!(matches!(revoked, Err(ProvisionError::Cancelled)), "{revoked:?}");
    assert_eq!(bench.calls(DELETE), 0);
    assert_eq!(log.the_audit("revoke")["outcome"], "failed");
}

#[tokio::test]
async fn a_grant_that_waited_out_a_conflict_does_not_believe_the_list() {
    let bench = Bench::start().await;
    // Somebody grants, which the conflict is about, and takes it back before the second attempt.
    let conflict = Effect::Error { code: "ConflictException".into(), message: "busy".into(), status: 400 };
    bench.aws.arm(Fault::once(CREATE, conflict));
    bench.make_bob_admin();
    let assignment = bench.aws.assignment(SHOP, ADMIN, PrincipalType::User, "bob").unwrap();
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let somebody = async {
        while bench.calls(CREATE) < 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.aws.unassign(&assignment);
    };
    let (answer, ()) = tokio::join!(bench.grant("t", &entitlement, &bob), somebody);
    answer.unwrap();
    assert!(bench.bob_is_admin());
    assert_eq!(bench.calls(CREATE), 2);
}
