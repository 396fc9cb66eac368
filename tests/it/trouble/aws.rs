//! AWS that is away while the control plane lives, and the other way round.

use std::time::Duration;

use batond::baton::Code;
use batond::daemon::Ended;
use testbed::aws::{Effect, Fault};
use testbed::control_plane::{Rpc, task};

use super::assert_recovered;
use crate::daemon_tasks::{World, is_accepted_hello};

#[tokio::test]
async fn an_aws_that_is_away_leaves_the_other_tasks_answered_and_the_sync_handed_back() {
    let mut world = World::new().await;
    world.settings.daemon.shutdown_grace = Duration::from_millis(300);
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.aws.arm(Fault::new("*", Effect::Reset));
    let sync = world.plane.push(task::sync_full());
    world.plane.answered(Rpc::Heartbeat, 1).await.unwrap();
    for _ in 0..3 {
        let hello = world.plane.push(task::hello());
        world.plane.greeted(&hello).await.unwrap();
    }
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    let finish = world.report(&sync).await;
    assert_eq!((finish.success, finish.code), (false, i32::from(Code::Aborted)), "{finish:?}");
    assert!(!finish.non_retryable && world.plane.uploads(&sync).is_empty());
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test]
async fn an_aws_that_is_away_at_the_start_is_waited_for() {
    let world = World::new().await;
    world.aws.arm(Fault::new("*", Effect::Reset));
    let daemon = world.start();
    world.aws_answered("sts:GetCallerIdentity").await;
    assert_eq!(world.plane.calls(Rpc::Hello), 0);
    world.aws.disarm();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let sync = world.plane.push(task::sync_full());
    assert!(world.plane.finished(&sync).await.unwrap().success);
    assert_recovered(&world, daemon, &[&sync]).await;
}

#[tokio::test]
async fn an_aws_that_comes_back_in_time_is_not_noticed() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.aws.arm(Fault::new("*", Effect::Reset).times(4));
    let sync = world.plane.push(task::sync_full());
    assert!(world.plane.finished(&sync).await.unwrap().success);
    assert_recovered(&world, daemon, &[&sync]).await;
}

#[tokio::test]
async fn a_crawl_goes_on_while_the_control_plane_is_away_and_is_uploaded_when_it_is_back() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.aws.arm(Fault::once("identitystore:ListUsers", Effect::Delay(Duration::from_secs(2))));
    let sync = world.plane.push(task::sync_full());
    world.aws_answered("organizations:ListRoots").await;
    world.plane.pause().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    world.plane.resume().await.unwrap();
    assert!(world.plane.finished(&sync).await.unwrap().success);
    assert_recovered(&world, daemon, &[&sync]).await;
}
