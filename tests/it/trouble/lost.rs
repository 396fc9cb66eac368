//! Answers that never arrive, and connections that end at the worst moment.

use std::time::Duration;

use testbed::control_plane::{Entry, Fault, Leasing, Options, Rpc, Server, task};

use super::assert_recovered;
use crate::daemon_calls::settings;
use crate::daemon_tasks::{GROUP, PATIENCE, USER, World, is_accepted_hello};

/// A world whose control plane gives a task out again soon after it heard nothing of it.
async fn impatient() -> World {
    let mut world = World::new().await;
    let leasing = Leasing { lease: Duration::from_secs(1), ..Leasing::default() };
    world.plane = Server::start(Options { leasing, patience: PATIENCE, ..Options::default() }).await.unwrap();
    world.settings.control_plane = Some(settings(&world.plane));
    world
}

#[tokio::test]
async fn a_hello_whose_answer_is_lost_is_said_again() {
    let world = World::new().await;
    world.plane.fault(Rpc::Hello, &Fault::LoseReply, 1);
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    assert_recovered(&world, daemon, &[]).await;
}

#[tokio::test]
async fn a_task_whose_hand_out_is_lost_comes_again_and_is_done_once() {
    let world = impatient().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let (entitlement, principal) = world.membership(GROUP, USER);
    world.plane.fault(Rpc::GetTask, &Fault::LoseReply, 2);
    let grant = world.plane.push(task::grant(entitlement, principal));
    assert!(world.plane.finished(&grant).await.unwrap().success);
    assert!(world.aws.is_member(GROUP, USER));
    assert_recovered(&world, daemon, &[&grant]).await;
}

#[tokio::test]
async fn an_outcome_whose_receipt_is_lost_is_reported_again_and_counts_once() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.plane.fault(Rpc::FinishTask, &Fault::LoseReply, 2);
    let (entitlement, principal) = world.membership(GROUP, USER);
    let grant = world.plane.push(task::grant(entitlement, principal));
    assert!(world.plane.finished(&grant).await.unwrap().success);
    let reports =
        |entries: &[Entry]| entries.iter().filter(|entry| entry.rpc() == Some(Rpc::FinishTask)).count();
    world.plane.wait_until(|entries| (reports(entries) == 3).then_some(())).await.unwrap();
    assert_recovered(&world, daemon, &[&grant]).await;
}

#[tokio::test]
async fn an_upload_that_is_cut_or_whose_receipt_is_lost_is_made_again() {
    for fault in [Fault::DropAfter(4096), Fault::LoseReply, Fault::Disconnect] {
        let world = World::new().await;
        let daemon = world.start();
        world.plane.wait_for(is_accepted_hello).await.unwrap();
        world.plane.fault(Rpc::UploadAsset, &fault, 1);
        let sync = world.plane.push(task::sync_full());
        let finish = world.plane.finished(&sync).await.unwrap();
        assert!(finish.success, "{fault:?}: {finish:?}");
        assert_recovered(&world, daemon, &[&sync]).await;
    }
}

#[tokio::test]
async fn heartbeats_that_are_lost_leave_the_sync_alive() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let slow = testbed::aws::Effect::Delay(Duration::from_secs(4));
    world.aws.arm(testbed::aws::Fault::once("identitystore:ListUsers", slow));
    let sync = world.plane.push(task::sync_full());
    // The service has named an interval; later heartbeats keep to it when they fail.
    world.plane.answered(Rpc::Heartbeat, 1).await.unwrap();
    world.plane.fault(Rpc::Heartbeat, &Fault::LoseReply, 1);
    world.plane.fault(Rpc::Heartbeat, &Fault::Disconnect, 1);
    assert!(world.plane.finished(&sync).await.unwrap().success);
    let beats = world.plane.transcript().iter().filter(|entry| entry.rpc() == Some(Rpc::Heartbeat)).count();
    assert!(beats >= 4, "{beats}");
    assert_recovered(&world, daemon, &[&sync]).await;
}

#[tokio::test]
async fn an_outage_in_mid_upload_costs_the_sync_and_not_its_outcome() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.plane.fault(Rpc::UploadAsset, &Fault::Hang, 1);
    let sync = world.plane.push(task::sync_full());
    world.plane.wait_for(|entry| entry.rpc() == Some(Rpc::UploadAsset)).await.unwrap();
    world.plane.pause().await;
    // Longer than the three attempts take.
    tokio::time::sleep(Duration::from_secs(13)).await;
    world.plane.resume().await.unwrap();
    let finish = world.report(&sync).await;
    assert!(!finish.success && !finish.non_retryable, "{finish:?}");
    assert_recovered(&world, daemon, &[]).await;
}
