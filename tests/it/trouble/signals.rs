//! The request to stop, at each stage of a task.

use std::time::Duration;

use batond::baton::Code;
use batond::daemon::Ended;
use testbed::aws::{Effect, Fault as AwsFault};
use testbed::control_plane::transcript::Finish;
use testbed::control_plane::{Fault, Rpc, task};

use super::outcomes;
use crate::daemon_tasks::{GROUP, USER, World, is_accepted_hello};

/// A world whose daemon gives running tasks this long.
async fn world(grace: Duration) -> World {
    let mut world = World::new().await;
    world.settings.daemon.shutdown_grace = grace;
    world
}

fn is_handed_back(finish: &Finish) -> bool {
    !finish.success && finish.code == i32::from(Code::Aborted) && !finish.non_retryable
}

#[tokio::test]
async fn a_stop_before_the_first_heartbeat_is_answered_hands_the_sync_back() {
    let world = world(Duration::from_millis(300)).await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.plane.fault(Rpc::Heartbeat, &Fault::Hang, 1);
    let sync = world.plane.push(task::sync_full());
    world.plane.wait_for(|entry| entry.rpc() == Some(Rpc::Heartbeat)).await.unwrap();
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    let finish = world.report(&sync).await;
    assert!(is_handed_back(&finish), "{finish:?}");
    assert_eq!(world.aws.counters().calls("identitystore:ListUsers"), 0);
}

#[tokio::test]
async fn a_stop_at_each_strand_of_a_crawl_hands_the_sync_back() {
    for action in [
        "organizations:ListRoots",
        "organizations:ListAccounts",
        "identitystore:ListGroups",
        "sso:ListPermissionSets",
        "sso:ListAccountAssignments",
    ] {
        let world = world(Duration::from_millis(200)).await;
        let daemon = world.start();
        world.plane.wait_for(is_accepted_hello).await.unwrap();
        world.aws.arm(AwsFault::new(action, Effect::Delay(Duration::from_mins(10))));
        let sync = world.plane.push(task::sync_full());
        world.aws_answered("identitystore:ListUsers").await;
        assert_eq!(daemon.stop().await, Ended::Cleanly, "{action}");
        let finish = world.report(&sync).await;
        assert!(is_handed_back(&finish), "{action}: {finish:?}");
        assert_eq!(world.left(), Vec::<String>::new(), "{action}");
    }
}

#[tokio::test]
async fn a_stop_during_an_upload_lets_it_end_within_the_grace_period() {
    let world = world(Duration::from_secs(20)).await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.plane.fault(Rpc::UploadAsset, &Fault::Slow(Duration::from_secs(1)), 1);
    let sync = world.plane.push(task::sync_full());
    world.plane.wait_for(|entry| entry.rpc() == Some(Rpc::UploadAsset)).await.unwrap();
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    let finish = world.report(&sync).await;
    assert!(finish.success, "{finish:?}");
    assert_eq!((world.plane.uploads(&sync).len(), outcomes(&world, &sync)), (1, 1));
    world.assert_no_violations();
}

#[tokio::test]
async fn a_stop_during_an_upload_that_does_not_end_hands_the_sync_back() {
    let world = world(Duration::from_millis(300)).await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.plane.fault(Rpc::UploadAsset, &Fault::Slow(Duration::from_mins(10)), 1);
    let sync = world.plane.push(task::sync_full());
    world.plane.wait_for(|entry| entry.rpc() == Some(Rpc::UploadAsset)).await.unwrap();
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    let finish = world.report(&sync).await;
    assert!(is_handed_back(&finish), "{finish:?}");
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_stop_while_an_outcome_is_being_reported_waits_for_its_receipt() {
    let world = world(Duration::from_secs(20)).await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.plane.fault(Rpc::FinishTask, &Fault::Slow(Duration::from_secs(1)), 1);
    let (entitlement, principal) = world.membership(GROUP, USER);
    let grant = world.plane.push(task::grant(entitlement, principal));
    world.plane.wait_for(|entry| entry.rpc() == Some(Rpc::FinishTask)).await.unwrap();
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    assert_eq!(outcomes(&world, &grant), 1);
}

#[tokio::test]
async fn a_stop_during_a_change_tells_what_became_of_it() {
    // It ends within the grace period: done.
    let (slow, stuck) = (Duration::from_secs(1), Duration::from_mins(10));
    for (takes, grace, done) in
        [(slow, Duration::from_secs(20), true), (stuck, Duration::from_millis(300), false)]
    {
        let world = world(grace).await;
        let daemon = world.start();
        world.plane.wait_for(is_accepted_hello).await.unwrap();
        world.aws.arm(AwsFault::new("identitystore:CreateGroupMembership", Effect::Delay(takes)));
        let (entitlement, principal) = world.membership(GROUP, USER);
        let grant = world.plane.push(task::grant(entitlement, principal));
        world.plane.wait_for(|entry| entry.rpc() == Some(Rpc::GetTask)).await.unwrap();
        while world.plane.open_tasks() == 1
            && world.aws.counters().calls("identitystore:GetGroupMembershipId") == 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if world.plane.calls(Rpc::GetTask) > 40 {
                break;
            }
        }
        assert_eq!(daemon.stop().await, Ended::Cleanly);
        let finish = world.report(&grant).await;
        assert_eq!(finish.success, done, "{finish:?}");
        assert!(done || (is_handed_back(&finish) && !world.aws.is_member(GROUP, USER)), "{finish:?}");
    }
}
