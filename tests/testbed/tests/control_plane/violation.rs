use testbed::control_plane::{Rpc, Server, task};
use testbed::proto::api::{BatonServiceGetTasksRequest, BatonServiceHeartbeatRequest};
use testbed::proto::v2::GrantManagerServiceGrantResponse;
use tonic::{Code, Status};

use crate::connector::{Connector, HOST_ID, hello, server};

fn only_violation(server: &Server) -> (Option<Rpc>, Vec<String>) {
    let mut violations = server.violations();
    assert_eq!(violations.len(), 1, "{violations:?}");
    let violation = violations.remove(0);
    (violation.rpc, violation.reasons)
}

fn code<T>(result: Result<T, Status>) -> Code {
    result.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn a_hello_with_an_empty_os_field_names_it() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let mut request = hello("");
    request.os_info.as_mut().unwrap().kernel_arch.clear();
    assert_eq!(code(connector.client.hello(request).await), Code::InvalidArgument);
    assert_eq!(only_violation(&server), (Some(Rpc::Hello), vec!["os_info.kernel_arch is empty".to_owned()]));
}

#[tokio::test]
async fn a_page_of_101_tasks_is_refused() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let ask =
        BatonServiceGetTasksRequest { host_id: HOST_ID.to_owned(), page_size: 101, ..Default::default() };
    assert_eq!(code(connector.client.get_tasks(ask).await), Code::InvalidArgument);
    assert_eq!(only_violation(&server).0, Some(Rpc::GetTasks));
}

#[tokio::test]
async fn a_heartbeat_of_a_task_that_nobody_gave_out_is_refused() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    assert_eq!(code(connector.beat("no-task").await), Code::InvalidArgument);
    assert_eq!(code(connector.beat(&task::new_id()).await), Code::NotFound);
    let waiting = server.push(task::sync_full());
    assert_eq!(code(connector.beat(&waiting).await), Code::NotFound);
    assert_eq!(server.violations().len(), 3);
}

#[tokio::test]
async fn a_batch_heartbeat_names_the_cancelled_among_its_tasks() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let (first, second) = (server.push(task::sync_full()), server.push(task::sync_full()));
    let page =
        BatonServiceGetTasksRequest { host_id: HOST_ID.to_owned(), page_size: 5, ..Default::default() };
    let tasks = connector.client.get_tasks(page).await.unwrap().into_inner().tasks;
    assert_eq!(tasks.len(), 2);
    server.cancel(&second);
    let beat = BatonServiceHeartbeatRequest {
        host_id: HOST_ID.to_owned(),
        task_ids: vec![first, second.clone()],
        ..Default::default()
    };
    let reply = connector.client.heartbeat(beat).await.unwrap().into_inner();
    assert_eq!((reply.cancelled, reply.cancelled_task_ids), (false, vec![second]));
}

#[tokio::test]
async fn a_success_carries_the_response_of_its_kind() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let group = task::entitlement(task::resource("sso_group", "g"), "member");
    let id = server.push(task::grant(group, task::resource("sso_user", "u")));
    connector.poll().await.unwrap().unwrap();
    assert_eq!(code(connector.succeed(&id, None).await), Code::FailedPrecondition);
    let (rpc, reasons) = only_violation(&server);
    assert_eq!(rpc, Some(Rpc::FinishTask));
    assert!(reasons[0].contains("GrantManagerServiceGrantResponse"), "{reasons:?}");

    let response = prost_types::Any::from_msg(&GrantManagerServiceGrantResponse::default()).unwrap();
    connector.succeed(&id, Some(response)).await.unwrap();
    assert!(server.finished(&id).await.unwrap().success);
}

#[tokio::test]
async fn a_sync_without_an_upload_is_no_success() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::sync_full());
    connector.poll().await.unwrap().unwrap();
    assert_eq!(code(connector.succeed(&id, None).await), Code::FailedPrecondition);
    assert_eq!(only_violation(&server).0, Some(Rpc::FinishTask));
}

#[tokio::test]
async fn a_hello_task_is_answered_by_hello() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    let id = server.push(task::hello());
    connector.poll().await.unwrap().unwrap();
    assert_eq!(code(connector.succeed(&id, None).await), Code::FailedPrecondition);
    connector.hello(&id).await.unwrap();
    assert_eq!(server.greeted(&id).await.unwrap().host_id, HOST_ID);
    assert_eq!(server.open_tasks(), 0);
}
