//! A process that is killed without a word, and the one that takes its place.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use testbed::aws::{Effect, Fault as AwsFault, Fixture, Server as Aws};
use testbed::control_plane::transcript::Event;
use testbed::control_plane::{Ended, Fault, Leasing, Options, Rpc, Server, task};

use crate::daemon_process::{assert_lines_without_secrets, batond, end, terminate};
use crate::daemon_tasks::PATIENCE;

struct Pods {
    aws: Aws,
    plane: Server,
    directory: tempfile::TempDir,
}

impl Pods {
    async fn new() -> Self {
        let leasing = Leasing { lease: Duration::from_secs(1), missed_heartbeats: 1, ..Leasing::default() };
        let options = Options { leasing, patience: PATIENCE, ..Options::default() };
        Self {
            aws: Aws::start(Fixture::example().unwrap()).await.unwrap(),
            plane: Server::start(options).await.unwrap(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn start(&self) -> Child {
        batond(&self.aws, &self.plane, self.directory.path())
            .env("BATON_PROVISIONING", "true")
            .spawn()
            .unwrap()
    }

    async fn saw(&self, rpc: Rpc) {
        self.plane.wait_for(|entry| entry.rpc() == Some(rpc)).await.unwrap();
    }

    /// The next process does the task, once, and leaves nothing; neither does the first.
    async fn take_over(&self, killed: Child, task_id: &str) {
        kill(&killed);
        let first = end(killed).await;
        assert_lines_without_secrets(&first, &self.plane, &self.aws);
        assert_eq!(leftovers(self.directory.path()).len(), 1, "what the killed process could not delete");
        self.plane.clear_faults();
        self.aws.disarm();
        let second = self.start();
        let finish = self.plane.finished(task_id).await.unwrap();
        assert!(finish.success, "{finish:?}");
        terminate(&second);
        let output = end(second).await;
        let lines = assert_lines_without_secrets(&output, &self.plane, &self.aws);
        assert_eq!(output.status.code(), Some(0), "{lines:#?}");
        assert!(
            lines.iter().any(|line| line["msg"] == "deleted what an earlier process left behind"),
            "{lines:#?}"
        );
        assert_eq!(leftovers(self.directory.path()), Vec::<String>::new());
        let closed = |event: &Event| matches!(event, Event::Finish(it) if it.task_id == task_id && it.ended == Some(Ended::Closed));
        assert_eq!(self.plane.transcript().iter().filter(|entry| closed(&entry.event)).count(), 1);
        assert!(self.plane.violations().is_empty(), "{:#?}", self.plane.violations());
    }
}

fn kill(child: &Child) {
    let sent = Command::new("kill").args(["-KILL", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn leftovers(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn a_process_killed_in_mid_crawl_is_replaced() {
    let pods = Pods::new().await;
    pods.aws.arm(AwsFault::new("identitystore:ListUsers", Effect::Delay(Duration::from_mins(10))));
    let sync = pods.plane.push(task::sync_full());
    let first = pods.start();
    pods.saw(Rpc::Heartbeat).await;
    pods.take_over(first, &sync).await;
}

#[tokio::test]
async fn a_process_killed_in_mid_upload_is_replaced() {
    let pods = Pods::new().await;
    pods.plane.fault(Rpc::UploadAsset, &Fault::Hang, 1);
    let sync = pods.plane.push(task::sync_full());
    let first = pods.start();
    pods.saw(Rpc::UploadAsset).await;
    pods.take_over(first, &sync).await;
}

#[tokio::test]
async fn a_process_killed_before_its_outcome_arrived_is_replaced() {
    let pods = Pods::new().await;
    pods.plane.fault(Rpc::FinishTask, &Fault::Hang, 1);
    let sync = pods.plane.push(task::sync_full());
    let first = pods.start();
    pods.saw(Rpc::FinishTask).await;
    pods.take_over(first, &sync).await;
}

#[tokio::test]
async fn a_process_killed_in_mid_change_is_replaced_and_the_change_is_there_once() {
    use batond::baton::id::Directory;

    let pods = Pods::new().await;
    let directory = Directory { region: "us-east-1".into(), store: pods.aws.identity_store_id() };
    let group = directory.group(&pods.aws.group_id("Empty group").unwrap());
    let user = directory.user(&pods.aws.user_id("bob").unwrap());
    let entitlement = task::entitlement(task::resource("sso_group", &group), "member");
    // AWS has carried it out; the answer never arrives.
    pods.aws
        .arm(AwsFault::new("identitystore:CreateGroupMembership", Effect::SlowBody(Duration::from_mins(10))));
    let grant = pods.plane.push(task::grant(entitlement, task::resource("sso_user", &user)));
    let first = pods.start();
    while !pods.aws.is_member("Empty group", "bob") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pods.take_over(first, &grant).await;
    let memberships = pods.aws.memberships();
    let of_bob = memberships.iter().filter(|one| one.group == pods.aws.group_id("Empty group").unwrap());
    assert_eq!(of_bob.count(), 1);
}
