//! Tokens, certificates and clocks that are wrong.

use std::time::Duration;

use batond::daemon::Ended;
use jiff::SignedDuration;
use testbed::control_plane::{Certificate, Fault, Rpc, task};

use super::assert_recovered;
use crate::daemon_tasks::{World, is_accepted_hello};

#[tokio::test]
async fn tokens_that_are_revoked_while_it_runs_are_renewed_once_each() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let before = world.plane.calls(Rpc::Token);
    for round in 1..=3 {
        world.plane.expire_tokens();
        let hello = world.plane.push(task::hello());
        world.plane.greeted(&hello).await.unwrap();
        assert_eq!(world.plane.calls(Rpc::Token), before + round);
    }
    assert_recovered(&world, daemon, &[]).await;
}

#[tokio::test]
async fn a_token_endpoint_that_ails_while_it_runs_costs_polls_alone() {
    for fault in [Fault::Http(503), Fault::Disconnect, Fault::Slow(Duration::from_millis(500))] {
        let world = World::new().await;
        let daemon = world.start();
        world.plane.wait_for(is_accepted_hello).await.unwrap();
        world.plane.fault(Rpc::Token, &fault, 1);
        world.plane.expire_tokens();
        let sync = world.plane.push(task::sync_full());
        assert!(world.plane.finished(&sync).await.unwrap().success, "{fault:?}");
        assert_recovered(&world, daemon, &[&sync]).await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_expired_foreign_or_renewed_while_it_runs_costs_polls_alone() {
    for wrong in [Certificate::Expired, Certificate::Foreign] {
        let world = World::new().await;
        let daemon = world.start();
        world.plane.wait_for(is_accepted_hello).await.unwrap();
        world.plane.present(wrong).await.unwrap();
        let failed = |entry: &testbed::control_plane::Entry| {
            matches!(entry.event, testbed::control_plane::transcript::Event::HandshakeFailed { .. })
        };
        world.plane.wait_for(failed).await.unwrap();
        world.plane.present(Certificate::Renewed).await.unwrap();
        let sync = world.plane.push(task::sync_full());
        assert!(world.plane.finished(&sync).await.unwrap().success, "{wrong:?}");
        assert_recovered(&world, daemon, &[&sync]).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_is_named_and_one_that_is_a_minute_off_is_borne() {
    for ahead in [SignedDuration::from_hours(1), SignedDuration::from_hours(-1)] {
        let world = World::new().await;
        world.plane.set_pace(|pace| pace.clock_ahead = ahead);
        assert_eq!(world.start().end().await, Ended::AtStart(16), "{ahead:?}");
    }
    for ahead in [SignedDuration::from_mins(1), SignedDuration::from_mins(-1)] {
        let world = World::new().await;
        world.plane.set_pace(|pace| pace.clock_ahead = ahead);
        let daemon = world.start();
        world.plane.wait_for(is_accepted_hello).await.unwrap();
        assert_recovered(&world, daemon, &[]).await;
    }
}
