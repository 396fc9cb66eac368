//! A control plane that says what no client expects.

use std::time::Duration;

use batond::daemon::Ended;
use prost::Message as _;
use testbed::control_plane::transcript::Event;
use testbed::control_plane::{Fault, Rpc, task};
use testbed::proto::api::task::{HelloTask, ListEventFeedsTask, TaskType};
use testbed::proto::api::{BatonServiceGetTaskResponse, BatonServiceHeartbeatResponse, Task};
use tokio::time::timeout;

use super::assert_recovered;
use crate::daemon_tasks::{PATIENCE, World, is_accepted_hello};

fn duration(seconds: i64, nanos: i32) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos }
}

/// A field that no message of the service has: number 999, three bytes long.
const UNKNOWN_FIELD: [u8; 6] = [0xba, 0x3e, 0x03, 1, 2, 3];

#[tokio::test]
async fn polls_that_are_malformed_oversized_or_empty_are_repeated() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let before = world.plane.calls(Rpc::GetTask);
    // A truncated message; more than a client reads; a message without members, which says that there is nothing.
    for bytes in [vec![0x0a, 0xff], vec![0; 17 << 20], Vec::new()] {
        world.plane.fault(Rpc::GetTask, &Fault::Raw(bytes), 1);
    }
    world.plane.answered(Rpc::GetTask, before + 4).await.unwrap();
    assert_recovered(&world, daemon, &[]).await;
}

#[tokio::test]
async fn waits_that_are_negative_or_contradict_themselves_do_not_stop_the_polling() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let odd = [duration(-1, 0), duration(i64::MIN, i32::MIN), duration(1, -2_000_000_000)];
    for next_poll in odd.into_iter().map(Some).chain([None]) {
        let answer = BatonServiceGetTaskResponse { next_poll, ..Default::default() };
        let before = world.plane.calls(Rpc::GetTask);
        world.plane.fault(Rpc::GetTask, &Fault::Raw(answer.encode_to_vec()), 1);
        world.plane.answered(Rpc::GetTask, before + 2).await.unwrap();
    }
    assert_recovered(&world, daemon, &[]).await;
}

#[tokio::test]
async fn a_wait_of_ages_does_not_hold_up_the_stop() {
    let world = World::new().await;
    let answer =
        BatonServiceGetTaskResponse { next_poll: Some(duration(i64::MAX, i32::MAX)), ..Default::default() };
    world.plane.fault(Rpc::GetTask, &Fault::Raw(answer.encode_to_vec()), 1);
    let daemon = world.start();
    world.plane.wait_for(|entry| entry.rpc() == Some(Rpc::GetTask)).await.unwrap();
    let stopped = timeout(PATIENCE, daemon.stop()).await;
    assert_eq!(stopped.unwrap(), Ended::Cleanly);
}

#[tokio::test]
async fn a_task_of_a_kind_that_nobody_knows_is_answered_and_one_without_an_id_is_not_begun() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    // The testbed has given the task out when it answers; batond sees another kind of it.
    let unknown = world.plane.push(task::hello());
    let encoded = Task { id: unknown.clone(), ..Task::default() }.encode_to_vec();
    let body = [&encoded[..], &UNKNOWN_FIELD].concat();
    let answer = [&[0x0a, u8::try_from(body.len()).unwrap()][..], &body].concat();
    world.plane.fault(Rpc::GetTask, &Fault::Raw(answer), 1);
    let finish = world.report(&unknown).await;
    assert_eq!((finish.success, finish.code, finish.message.as_str()), (false, 2, "unsupported task type"));
    assert!(!finish.non_retryable);

    let nameless = Task { task_type: Some(TaskType::Hello(HelloTask::default())), ..Task::default() };
    let answer = BatonServiceGetTaskResponse { task: Some(nameless), ..Default::default() };
    let before = world.plane.calls(Rpc::GetTask);
    world.plane.fault(Rpc::GetTask, &Fault::Raw(answer.encode_to_vec()), 1);
    world.plane.answered(Rpc::GetTask, before + 2).await.unwrap();
    assert_recovered(&world, daemon, &[&unknown]).await;
}

#[tokio::test]
async fn heartbeats_that_say_odd_things_leave_the_sync_alive() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let answer = BatonServiceHeartbeatResponse {
        next_heartbeat: Some(duration(-5, 7)),
        cancelled_task_ids: vec!["somebody else's".into()],
        ..Default::default()
    };
    world.plane.fault(Rpc::Heartbeat, &Fault::Raw(answer.encode_to_vec()), 1);
    let sync = world.plane.push(task::sync_full());
    assert!(world.plane.finished(&sync).await.unwrap().success);
    // A malformed one counts as one of those that may fail.
    world.plane.fault(Rpc::Heartbeat, &Fault::Raw(vec![0x0a, 0xff]), 1);
    let second = world.plane.push(task::sync_full());
    assert!(world.plane.finished(&second).await.unwrap().success);
    assert_recovered(&world, daemon, &[&sync, &second]).await;
}

#[tokio::test]
async fn thousands_of_tasks_are_all_answered_once() {
    for get_tasks in [false, true] {
        let mut world = World::new().await;
        world.settings.daemon.get_tasks = get_tasks;
        world.settings.daemon.task_concurrency = 10;
        world.plane.set_pace(|pace| pace.next_poll = None);
        let feeds = || task::any(TaskType::ListEventFeeds(ListEventFeedsTask::default()));
        let tasks: Vec<String> = (0..1500).map(|_| world.plane.push(feeds())).collect();
        let daemon = world.start();
        for id in &tasks {
            world.plane.finished(id).await.unwrap();
        }
        let finishes = |event: &Event| matches!(event, Event::Finish(_));
        let reported = world.plane.transcript().iter().filter(|entry| finishes(&entry.event)).count();
        assert_eq!(reported, tasks.len(), "each has one outcome");
        assert_recovered(&world, daemon, &[]).await;
    }
}

#[tokio::test]
async fn a_task_that_is_given_out_twice_at_once_is_done_once() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let slow = testbed::aws::Effect::Delay(Duration::from_secs(1));
    world.aws.arm(testbed::aws::Fault::new("identitystore:ListUsers", slow));
    let sync = world.plane.push(task::sync_full());
    world.aws_answered("organizations:ListRoots").await;
    let before = world.plane.calls(Rpc::GetTask);
    world.plane.redeliver(&sync);
    world.plane.answered(Rpc::GetTask, before + 1).await.unwrap();
    assert!(world.plane.finished(&sync).await.unwrap().success);
    assert_eq!(world.aws.counters().calls("identitystore:ListUsers"), 1);
    assert_eq!(world.plane.uploads(&sync).len(), 1);
    assert!(timeout(PATIENCE, assert_recovered(&world, daemon, &[&sync])).await.is_ok());
}

#[tokio::test]
async fn a_task_that_comes_twice_in_one_answer_is_done_once() {
    let mut world = World::new().await;
    world.settings.daemon.get_tasks = true;
    world.settings.daemon.task_concurrency = 4;
    let sync = world.plane.push(task::sync_full());
    world.plane.fault(Rpc::GetTasks, &Fault::Twice, 1);
    let daemon = world.start();
    assert!(world.plane.finished(&sync).await.unwrap().success);
    assert_eq!(world.plane.uploads(&sync).len(), 1);
    assert_recovered(&world, daemon, &[&sync]).await;
}
