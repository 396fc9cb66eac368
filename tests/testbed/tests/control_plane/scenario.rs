use testbed::control_plane::scenario::Failure;
use testbed::control_plane::{Kind, Rpc, Scenario, Server};
use testbed::proto::v2::GrantManagerServiceGrantResponse;

use crate::connector::{Connector, upload_of};

/// Does every task right until the server has none left; grants are reported as `granted` says.
async fn work(server: &Server, granted: bool) {
    let mut connector = Connector::start(server).await;
    connector.hello("").await.unwrap();
    loop {
        let Some(task) = connector.poll().await.unwrap() else {
            tokio::task::yield_now().await;
            continue;
        };
        match Kind::of(&task) {
            Kind::Hello => connector.hello(&task.id).await.unwrap(),
            Kind::SyncFull => {
                connector.upload(upload_of(&task.id, &[b"C1ZF\0"])).await.unwrap();
                connector.succeed(&task.id, None).await.unwrap();
            }
            Kind::Grant if granted => {
                let response =
                    prost_types::Any::from_msg(&GrantManagerServiceGrantResponse::default()).unwrap();
                connector.succeed(&task.id, Some(response)).await.unwrap();
            }
            _ => connector.fail(&task.id, true).await.unwrap(),
        }
    }
}

async fn play(text: &str, granted: bool) -> (Result<(), Failure>, Vec<String>, Server) {
    let scenario: Scenario = text.parse().unwrap();
    let server = Server::start(scenario.options()).await.unwrap();
    let mut told = Vec::new();
    let played = tokio::select! {
        played = scenario.play(&server, |line| told.push(line)) => played,
        () = work(&server, granted) => unreachable!("a connector works for ever"),
    };
    (played, told, server)
}

const STEPS: &str = "
patience: 10s
steps:
  - fault: { rpc: heartbeat, how: hang }
  - hello
  - sync_full: { skip_grants: true }
  - grant:
      entitlement: { resource_type: sso_group, resource: g, slug: member }
      principal: { resource_type: sso_user, resource: u }
";

#[tokio::test]
async fn a_scenario_tells_of_each_step_and_ends_with_the_last() {
    let (played, told, server) = play(STEPS, true).await;
    played.unwrap();
    assert_eq!(told.len(), 4);
    assert_eq!(told[1], "step 2 of 4: hello from test-host with 0 resource types");
    assert_eq!(told[2], "step 3 of 4: sync_full ended with success, 5 bytes uploaded");
    assert_eq!(server.calls(Rpc::FinishTask), 2);
}

#[tokio::test]
async fn a_task_that_ends_otherwise_than_expected_ends_the_scenario() {
    let (played, told, _) = play(STEPS, false).await;
    assert_eq!(told.len(), 3);
    let message = played.unwrap_err().to_string();
    assert_eq!(
        message,
        "step 4: expected Success, but the connector reported error Unavailable: AWS is away"
    );
    let (played, ..) = play(&format!("{STEPS}      expect: failure\n"), false).await;
    played.unwrap();
}

#[tokio::test]
async fn a_violation_fails_a_scenario_that_went_well() {
    let scenario: Scenario = "steps: [wait: 1ms]".parse().unwrap();
    let server = Server::start(scenario.options()).await.unwrap();
    Connector::with_token(&server, None).poll().await.unwrap_err();
    let failure = scenario.play(&server, |_| {}).await.unwrap_err();
    assert!(matches!(failure, Failure::Violations(violations) if violations.len() == 1));
}
