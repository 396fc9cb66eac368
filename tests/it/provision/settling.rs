//! Account assignments take their time at AWS: nothing is said before AWS has said it.

use std::time::Duration;

use batond::connector::ProvisionError;
use testbed::aws::{Effect, Fault, PrincipalType};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bench::{
    ADMIN, Bench, CREATE, CREATED, DELETE, DELETED, LIST, SHOP, Through, existed, provision, was_gone,
};
use super::log::Log;

const SETTLE: Duration = Duration::from_millis(700);

/// When the first call of `action` began, and when the last one did.
fn first_and_last(bench: &Bench, action: &str) -> (Duration, Duration) {
    let calls = bench.aws.transcript();
    let mut starts = calls.iter().filter(|call| call.action == action).map(|call| call.start);
    let first = starts.next().unwrap_or_else(|| panic!("no {action}"));
    (first, starts.next_back().unwrap_or(first))
}

#[tokio::test]
async fn success_is_said_after_the_status_has_turned() {
    let bench = Bench::settling_in(SETTLE).await;
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));

    bench.grant("t", &entitlement, &bob).await.unwrap();
    assert!(bench.bob_is_admin());
    assert!(bench.calls(CREATED) >= 2);
    assert!(first_and_last(&bench, CREATED).1 >= first_and_last(&bench, CREATE).0 + SETTLE);

    bench.revoke("t", &entitlement, &bob).await.unwrap();
    assert!(!bench.bob_is_admin());
    assert!(bench.calls(DELETED) >= 2);
    assert!(first_and_last(&bench, DELETED).1 >= first_and_last(&bench, DELETE).0 + SETTLE);
}

#[tokio::test]
async fn without_the_status_the_list_of_assignments_is_the_proof() {
    let unknown =
        Effect::Error { code: "ResourceNotFoundException".into(), message: String::new(), status: 400 };
    // One that is not found may be found yet, for 30 s, and is asked for every half second.
    for (refusal, looks) in [(Effect::Deny, 1..=1), (unknown, 2..=61)] {
        let bench = Bench::settling_in(SETTLE).await;
        tokio::time::pause();
        bench.aws.arm(Fault::new("sso:DescribeAccountAssignment*", refusal));
        let (entitlement, bob) = (bench.access(Through::Binding, SHOP, ADMIN), bench.user("bob"));
        bench.grant("grant", &entitlement, &bob).await.unwrap();
        assert!(bench.bob_is_admin());
        assert!(first_and_last(&bench, LIST).1 >= first_and_last(&bench, CREATE).0 + SETTLE);
        let looked = bench.calls(CREATED);
        assert!(looks.contains(&looked), "{looked} looks, not {looks:?}");
        bench.revoke("revoke", &entitlement, &bob).await.unwrap();
        assert!(!bench.bob_is_admin());
        tokio::time::resume();
    }
}

#[tokio::test]
async fn trouble_while_watching_is_not_a_failed_change() {
    let (log, bench) = (Log::capture(), Bench::settling_in(SETTLE).await);
    bench.aws.deny("connector", &[CREATED]);
    bench.aws.arm(Fault::new(LIST, Effect::Status(503)).after(1).times(5));
    bench.grant("t", &bench.access(Through::Account, SHOP, ADMIN), &bench.user("bob")).await.unwrap();
    assert!(bench.bob_is_admin());
    assert_eq!(log.the_audit("t")["outcome"], "changed");
}

#[tokio::test]
async fn an_accepted_change_that_nobody_may_watch_is_unconfirmed() {
    let (log, bench) = (Log::capture(), Bench::settling_in(SETTLE).await);
    bench.aws.arm(Fault::new(CREATED, Effect::Deny));
    bench.aws.arm(Fault::new(LIST, Effect::Deny).after(1));
    let error =
        bench.grant("t", &bench.access(Through::Account, SHOP, ADMIN), &bench.user("bob")).await.unwrap_err();
    assert!(error.to_string().contains(LIST), "{error}");
    let create = bench.aws.transcript().into_iter().find(|call| call.action == CREATE).unwrap();
    let line = log.the_audit("t");
    assert_eq!(line["outcome"], "unconfirmed");
    assert_eq!(line["aws_request_id"], create.request_id);
}

#[tokio::test]
async fn a_change_under_way_on_the_account_is_waited_for() {
    let (log, bench) = (Log::capture(), Bench::settling_in(SETTLE).await);
    let entitlement = bench.access(Through::Account, SHOP, ADMIN);
    let (bob, engineers) = (bench.user("bob"), bench.group("Engineers"));
    // The other one is of another program, whose changes have no place here.
    let stranger = crate::support::connector(&bench.aws).await;
    let order = provision("other", &CancellationToken::new());
    let (one, other) = tokio::join!(
        bench.grant("one", &entitlement, &bob),
        stranger.grant(&entitlement, &engineers, &order)
    );
    assert!(!existed(&one.unwrap()) && !existed(&other.unwrap()));
    assert!(bench.aws.counters().errors(CREATE) >= 1);
    assert!(bench.bob_is_admin());
    assert!(bench.aws.is_assigned(SHOP, ADMIN, PrincipalType::Group, "Engineers"));
    assert!(["one", "other"].iter().all(|task| log.the_audit(task)["outcome"] == "changed"));
}

#[tokio::test]
async fn two_tasks_for_one_assignment_have_one_effect() {
    let (log, bench) = (Log::capture(), Bench::settling_in(SETTLE).await);
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let (one, other) =
        tokio::join!(bench.grant("one", &entitlement, &bob), bench.grant("other", &entitlement, &bob));
    assert_ne!(existed(&one.unwrap()), existed(&other.unwrap()));
    let mut outcomes = ["one", "other"].map(|task| log.the_audit(task)["outcome"].clone());
    outcomes.sort();
    assert_eq!(outcomes, ["changed", "unchanged"]);

    let (one, other) =
        tokio::join!(bench.revoke("one", &entitlement, &bob), bench.revoke("other", &entitlement, &bob));
    assert_ne!(was_gone(&one.unwrap()), was_gone(&other.unwrap()));
}

#[tokio::test]
async fn a_lost_reply_is_not_repeated_and_the_repeated_task_has_no_second_effect() {
    // The repetition comes after the end of the first change, or while it is under way.
    for settle in [Duration::from_millis(1), SETTLE] {
        let (log, bench) = (Log::capture(), Bench::settling_in(settle).await);
        tokio::time::pause();
        let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
        let before = bench.aws.assignments().len();
        bench.aws.arm(Fault::once(CREATE, Effect::LostReply));
        let error = bench.grant("first", &entitlement, &bob).await.unwrap_err();
        assert!(matches!(&error, ProvisionError::Call(call) if call.is_retryable()), "{error}");
        assert_eq!(bench.calls(CREATE), 1);
        assert_eq!(log.the_audit("first")["outcome"], "unconfirmed");

        tokio::time::sleep(Duration::from_millis(2)).await;
        let answer = bench.grant("second", &entitlement, &bob).await.unwrap();
        assert!(bench.bob_is_admin());
        assert_eq!(bench.aws.assignments().len(), before + 1);
        // While the first change is under way, nobody can tell that it will have been the one.
        assert_eq!(existed(&answer), settle < SETTLE);
        let outcome = if existed(&answer) { "unchanged" } else { "changed" };
        assert_eq!(log.the_audit("second")["outcome"], outcome);
        log.holds_no_secret(&error);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_change_that_a_killed_predecessor_left_under_way_is_followed_and_not_repeated() {
    let settle = Duration::from_secs(2);
    let (log, bench) = (Log::capture(), Bench::settling_in(settle).await);
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let predecessor = crate::support::connector(&bench.aws).await;
    tokio::time::pause();
    for (write, status) in [(CREATE, CREATED), (DELETE, DELETED)] {
        let order = provision("killed", &CancellationToken::new());
        let grant = super::bench::held("", &entitlement, &bob);
        {
            let change = async {
                if write == CREATE {
                    predecessor.grant(&entitlement, &bob, &order).await.map(drop)
                } else {
                    predecessor.revoke(&grant, &order).await.map(drop)
                }
            };
            tokio::pin!(change);
            while bench.calls(write) == 0 {
                tokio::select! {
                    ended = &mut change => panic!("{ended:?}"),
                    () = tokio::time::sleep(Duration::from_millis(5)) => {}
                }
            }
        }
        let begin = Instant::now();
        if write == CREATE {
            bench.grant(write, &entitlement, &bob).await.unwrap();
        } else {
            bench.revoke(write, &entitlement, &bob).await.unwrap();
        }
        assert!(begin.elapsed() + Duration::from_millis(500) > settle, "{:?}", begin.elapsed());
        assert_eq!(bench.bob_is_admin(), write == CREATE);
        // The predecessor's, and the one that AWS refused.
        assert_eq!((bench.calls(write), bench.aws.counters().errors(write)), (2, 1));
        assert!(bench.calls(status) >= 2);
        assert_eq!(log.the_audit(write)["outcome"], "changed");
    }
}

#[tokio::test]
async fn a_change_under_way_to_the_contrary_is_not_taken_for_the_one_that_is_asked_for() {
    let bench = Bench::start().await;
    bench.aws.set(|knobs| knobs.settles = [(DELETE.to_owned(), SETTLE)].into());
    bench.make_bob_admin();
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let stranger = crate::support::connector(&bench.aws).await;
    let order = provision("stranger", &CancellationToken::new());
    let grant = super::bench::held("", &entitlement, &bob);
    let (taken, given) = tokio::join!(stranger.revoke(&grant, &order), async {
        while bench.calls(DELETE) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.grant("t", &entitlement, &bob).await
    });
    assert!(taken.is_ok() && given.is_ok(), "{taken:?} {given:?}");
    assert!(bench.bob_is_admin());
}

#[tokio::test]
async fn cancelled_while_settling_a_task_ends_at_once_and_is_unconfirmed() {
    let (log, bench) = (Log::capture(), Bench::settling_in(Duration::from_mins(1)).await);
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let cancel = CancellationToken::new();
    let provision = provision("t", &cancel);
    tokio::time::pause();
    let stop = async {
        while bench.calls(CREATED) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
        Instant::now()
    };
    let (answer, cancelled) = tokio::join!(bench.connector.grant(&entitlement, &bob, &provision), stop);
    assert!(cancelled.elapsed() < Duration::from_secs(1));
    assert!(matches!(answer, Err(ProvisionError::Cancelled)), "{answer:?}");
    let create = bench.aws.transcript().into_iter().find(|call| call.action == CREATE).unwrap();
    let line = log.the_audit("t");
    assert_eq!(line["outcome"], "unconfirmed");
    assert_eq!(line["aws_request_id"], create.request_id);
}

#[tokio::test]
async fn cancelled_before_it_wrote_a_task_is_known_to_have_changed_nothing() {
    for lookup in [LIST, "identitystore:GetGroupMembershipId"] {
        let (log, bench) = (Log::capture(), Bench::start().await);
        bench.aws.set(|knobs| knobs.latency = Duration::from_mins(1));
        let cancel = CancellationToken::new();
        let provision = provision(lookup, &cancel);
        let entitlement = if lookup == LIST {
            bench.access(Through::Account, SHOP, ADMIN)
        } else {
            bench.membership("Engineers")
        };
        let grant = super::bench::held("", &entitlement, &bench.user("bob"));
        let stop = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cancel.cancel();
        };
        let answer = async {
            if lookup == LIST {
                bench.connector.grant(&entitlement, &bench.user("bob"), &provision).await.map(drop)
            } else {
                bench.connector.revoke(&grant, &provision).await.map(drop)
            }
        };
        let (answer, ()) = tokio::join!(answer, stop);
        assert!(matches!(answer, Err(ProvisionError::Cancelled)), "{answer:?}");
        assert_eq!(log.the_audit(lookup)["outcome"], "failed");
    }
}

#[tokio::test]
async fn a_task_dropped_while_settling_leaves_one_unconfirmed_line() {
    let (log, bench) = (Log::capture(), Bench::settling_in(Duration::from_mins(1)).await);
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    {
        let granting = bench.grant("t", &entitlement, &bob);
        tokio::pin!(granting);
        while bench.calls(CREATED) == 0 {
            tokio::select! {
                answer = &mut granting => panic!("{answer:?}"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
    }
    assert_eq!(log.the_audit("t")["outcome"], "unconfirmed");
}

#[tokio::test]
async fn a_change_without_an_end_is_unconfirmed_after_five_minutes() {
    let (log, bench) = (Log::capture(), Bench::settling_in(Duration::from_hours(1)).await);
    tokio::time::pause();
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let error = bench.grant("t", &entitlement, &bob).await.unwrap_err();
    let ProvisionError::Unconfirmed { waited, request_id: Some(request) } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*waited, Duration::from_mins(5));
    assert!(error.to_string().contains("may still carry the change out"), "{error}");
    assert_eq!(log.the_audit("t")["outcome"], "unconfirmed");
    assert_eq!(log.the_audit("t")["aws_request_id"], *request);
    assert_eq!(bench.calls(CREATE), 1);
}

#[tokio::test]
async fn a_conflict_without_an_end_is_retried_for_three_minutes() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    tokio::time::pause();
    let conflict = Effect::Error { code: "ConflictException".into(), message: "busy".into(), status: 400 };
    bench.aws.arm(Fault::new(CREATE, conflict));
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let begin = Instant::now();
    let error = bench.grant("t", &entitlement, &bob).await.unwrap_err();
    assert!(matches!(&error, ProvisionError::Call(call) if call.is_retryable()), "{error}");
    let took = begin.elapsed();
    assert!(took > Duration::from_mins(2) && took < Duration::from_mins(4), "{took:?}");
    assert!((10..40).contains(&bench.calls(CREATE)), "{}", bench.calls(CREATE));
    assert_eq!(log.the_audit("t")["outcome"], "failed");
}

#[tokio::test]
async fn many_changes_keep_to_the_places_that_aws_has_and_none_meets_a_conflict() {
    let bench = Bench::settling_in(SETTLE).await;
    let accounts = ["Root & Billing", "Audit", "Shop (prod)", SHOP, "Büro Berlin", "Shared"];
    let users = ["alice@example.com", "bob", "carol", "loner@example.com"];
    let orders: Vec<_> = accounts
        .iter()
        .flat_map(|account| users.iter().map(move |user| (account, user)))
        .map(|(account, user)| (bench.access(Through::Account, account, "Unused"), bench.user(user)))
        .collect();
    let granted = orders.iter().map(|(entitlement, user)| bench.grant("t", entitlement, user));
    for outcome in futures::future::join_all(granted).await {
        assert!(!existed(&outcome.unwrap()));
    }
    assert_eq!(bench.calls(CREATE), 24, "each was submitted once, and none met a conflict");
    let calls = bench.aws.transcript();
    for account in accounts {
        let id = bench.aws.account_id(account).unwrap();
        assert!(
            users.iter().all(|user| bench.aws.is_assigned(account, "Unused", PrincipalType::User, user)),
            "{id}"
        );
    }
    assert!(calls.iter().filter(|call| call.action == CREATE).all(|call| call.status == 200));
    let lists = bench.calls("sso:ListAccountAssignmentCreationStatus");
    assert!(
        lists > 0 && bench.calls(CREATED) <= 24 * 2,
        "{lists} lists, {} single looks",
        bench.calls(CREATED)
    );
}

#[tokio::test]
async fn changes_are_looked_at_one_by_one_where_they_may_not_be_listed() {
    let bench = Bench::settling_in(SETTLE).await;
    bench.aws.deny("connector", &["sso:ListAccountAssignmentCreationStatus"]);
    let accounts = ["Root & Billing", "Audit", "Shop (prod)", SHOP, "Büro Berlin", "Shared"];
    let orders: Vec<_> =
        accounts.iter().map(|account| bench.access(Through::Account, account, "Unused")).collect();
    let bob = bench.user("bob");
    let granted = orders.iter().map(|entitlement| bench.grant("t", entitlement, &bob));
    assert!(futures::future::join_all(granted).await.iter().all(Result::is_ok));
    assert_eq!(bench.calls("sso:ListAccountAssignmentCreationStatus"), 1, "it is not asked again");
}
