use std::time::Duration;

use testbed::control_plane::transcript::Event;
use testbed::control_plane::{Ended, Fault, Finish, Rpc, task};
use testbed::proto::api::BatonServiceGetTasksRequest;
use tonic::Code;

use crate::connector::{Connector, HOST_ID, server, server_with, upload_of};

#[tokio::test]
async fn a_task_whose_lease_ran_out_is_given_out_again() {
    let server = server_with(|options| options.leasing.lease = Duration::from_millis(50)).await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::sync_full());
    assert_eq!(connector.poll().await.unwrap().unwrap().id, id);
    let again = async {
        loop {
            if let Some(task) = connector.poll().await.unwrap() {
                return task;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), again).await.unwrap().id, id);
    let offers = server.transcript().into_iter().filter_map(|entry| match entry.event {
        Event::Poll(poll) => poll.offered.first().map(|offer| offer.delivery),
        _ => None,
    });
    assert_eq!(offers.collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_retryable_failure_comes_back_and_a_final_one_does_not() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::sync_full());
    connector.poll().await.unwrap().unwrap();
    connector.fail(&id, false).await.unwrap();
    assert_eq!(connector.poll().await.unwrap().unwrap().id, id);
    connector.fail(&id, true).await.unwrap();
    assert!(connector.poll().await.unwrap().is_none());
    let finish = server.finished(&id).await.unwrap();
    assert_eq!((finish.success, finish.grpc_code(), finish.non_retryable), (false, Code::Unavailable, true));
    assert_eq!(server.violations(), []);
}

#[tokio::test]
async fn redelivery_can_be_switched_off() {
    let server = server_with(|options| options.leasing.redeliver_retryable = false).await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::sync_full());
    connector.poll().await.unwrap().unwrap();
    connector.fail(&id, false).await.unwrap();
    assert!(connector.poll().await.unwrap().is_none());
    assert_eq!(server.open_tasks(), 0);
}

#[tokio::test]
async fn a_task_can_be_given_out_twice_at_once() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::sync_full());
    connector.poll().await.unwrap().unwrap();
    server.redeliver(&id);
    assert_eq!(connector.poll().await.unwrap().unwrap().id, id);
}

#[tokio::test]
async fn a_poll_can_give_the_same_task_twice() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::sync_full());
    server.fault(Rpc::GetTask, &Fault::Twice, 1);
    assert_eq!(connector.poll().await.unwrap().unwrap().id, id);
    server.fault(Rpc::GetTasks, &Fault::Twice, 1);
    let request =
        BatonServiceGetTasksRequest { host_id: HOST_ID.to_owned(), page_size: 10, ..Default::default() };
    let tasks = connector.client.get_tasks(request).await.unwrap().into_inner().tasks;
    assert_eq!(tasks.iter().map(|task| &task.id).collect::<Vec<_>>(), [&id, &id]);
    assert!(connector.poll().await.unwrap().is_none());
}

#[tokio::test]
async fn a_cancelled_task_hears_of_it_at_its_heartbeat() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::sync_full());
    connector.poll().await.unwrap().unwrap();
    assert!(!connector.beat(&id).await.unwrap().cancelled);
    server.cancel(&id);
    let reply = connector.beat(&id).await.unwrap();
    assert!(reply.cancelled);
    assert_eq!(reply.next_heartbeat.unwrap().seconds, 1);
    connector.fail(&id, false).await.unwrap();
    assert_eq!(server.open_tasks(), 0);
}

#[tokio::test]
async fn an_outcome_whose_reply_was_lost_has_taken_effect() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::sync_full());
    connector.poll().await.unwrap().unwrap();
    connector.upload(upload_of(&id, &[b"C1ZF\0 and more"])).await.unwrap();
    server.fault(Rpc::FinishTask, &Fault::LoseReply, 1);
    connector.succeed(&id, None).await.unwrap_err();
    assert!(server.finished(&id).await.unwrap().success);
    assert_eq!(server.open_tasks(), 0);

    connector.succeed(&id, None).await.unwrap();
    let again = |finish: &Finish| finish.ended == Some(Ended::Repeated);
    let repeated =
        server.wait_for(|entry| matches!(&entry.event, Event::Finish(finish) if again(finish))).await;
    assert!(repeated.unwrap().accepted());
    assert_eq!(server.violations(), []);
}

#[tokio::test]
async fn a_scripted_error_has_no_effect_and_is_counted() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::sync_full());
    server.fault(Rpc::GetTask, &Fault::Status(Code::Unavailable, "later".to_owned()), 2);
    for _ in 0..2 {
        assert_eq!(connector.poll().await.unwrap_err().code(), Code::Unavailable);
    }
    assert_eq!(connector.poll().await.unwrap().unwrap().id, id);
    server.fault(Rpc::GetTask, &Fault::Hang, 1);
    let hung = tokio::time::timeout(Duration::from_millis(50), connector.poll()).await;
    assert!(hung.is_err(), "{hung:?}");
    assert_eq!(server.calls(Rpc::GetTask), 4);
}

#[tokio::test]
async fn waiting_ends_with_the_servers_patience() {
    let server = server_with(|options| options.patience = Duration::from_millis(20)).await;
    let error = server.finished("nothing").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "waited 20ms in vain; the transcript holds 0 entries and ends with nothing"
    );
}
