//! The whole daemon between the testbed's AWS and its control plane.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use batond::baton::Code;
use batond::baton::id::Directory;
use batond::config::{DaemonSettings, LogSettings, Operation, Secret, Settings, StaticKeys, SyncSettings};
use batond::connector::last_login;
use batond::control_plane::Network;
use batond::daemon::{self, Ended, Signals};
use batond::telemetry;
use serde_json::Value;
use tempfile::TempDir;
use testbed::aws::{Effect, Fault as AwsFault, Fixture, Server as Aws};
use testbed::control_plane::transcript::Event;
use testbed::control_plane::{Entry, Fault, Finish, Leasing, Options, Rpc, Server, task};
use testbed::proto::api::task::{ListEventFeedsTask, ListEventsTask, SyncFullTask, TaskType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::daemon_calls::{network, settings as control_plane};
use crate::support::aws_settings;

/// Longest time that anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A group of the example organization, and a user who is not in it.
pub(crate) const GROUP: &str = "Empty group";
pub(crate) const USER: &str = "bob";

pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) plane: Server,
    pub(crate) dir: TempDir,
    pub(crate) settings: Settings,
}

pub(crate) struct Daemon {
    pub(crate) signal: mpsc::Sender<()>,
    ended: JoinHandle<Ended>,
}

impl World {
    pub(crate) async fn new() -> Self {
        LazyLock::force(&LOG);
        let aws = Aws::start(Fixture::example().unwrap()).await.unwrap();
        let leasing = Leasing { redeliver_retryable: false, ..Leasing::default() };
        let plane =
            Server::start(Options { leasing, patience: PATIENCE, ..Options::default() }).await.unwrap();
        let dir = TempDir::new().unwrap();
        let settings = Settings {
            aws: aws_settings(&aws),
            sync: SyncSettings { work_dir: Some(dir.path().to_owned()), ..SyncSettings::default() },
            control_plane: Some(control_plane(&plane)),
            daemon: DaemonSettings::default(),
            log: LogSettings::default(),
            host_id: "host-1".into(),
            file: dir.path().join("sync.c1z"),
            provisioning: true,
            operation: Operation::Sync,
            dry_run: false,
        };
        Self { aws, plane, dir, settings }
    }

    pub(crate) fn start(&self) -> Daemon {
        start(self.settings.clone(), network(&self.plane))
    }

    /// The entitlement and the principal of a membership, as batond names them.
    pub(crate) fn membership(
        &self,
        group: &str,
        user: &str,
    ) -> (testbed::proto::v2::Entitlement, testbed::proto::v2::Resource) {
        let directory = Directory { region: "us-east-1".into(), store: self.aws.identity_store_id() };
        let group = directory.group(&self.aws.group_id(group).unwrap());
        let user = directory.user(&self.aws.user_id(user).unwrap());
        (task::entitlement(task::resource("sso_group", &group), "member"), task::resource("sso_user", &user))
    }

    /// Waits for the next report of a task, whether or not it ends it.
    pub(crate) async fn report(&self, task_id: &str) -> Finish {
        let entry = self
            .plane
            .wait_for(|entry| matches!(&entry.event, Event::Finish(finish) if finish.task_id == task_id))
            .await
            .unwrap();
        match entry.event {
            Event::Finish(finish) => finish,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until AWS has answered `action`.
    pub(crate) async fn aws_answered(&self, action: &str) {
        let called = async {
            while self.aws.counters().calls(action) == 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, called).await.unwrap();
    }

    pub(crate) fn left(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    pub(crate) fn assert_no_violations(&self) {
        let violations = self.plane.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

pub(crate) fn start(settings: Settings, network: Network) -> Daemon {
    let (signal, signals) = Signals::channel();
    let ended = tokio::spawn(async move { daemon::run_on(settings, &network, signals).await });
    Daemon { signal, ended }
}

impl Daemon {
    pub(crate) async fn stop(self) -> Ended {
        self.signal.send(()).await.unwrap();
        self.end().await
    }

    pub(crate) async fn end(self) -> Ended {
        timeout(PATIENCE, self.ended).await.unwrap().unwrap()
    }
}

pub(crate) fn is_accepted_hello(entry: &Entry) -> bool {
    entry.rpc() == Some(Rpc::Hello) && entry.accepted()
}

/// What all daemons of this process log, at its most talkative. One log for all: a subscriber per thread loses lines
/// while other threads meet the same events.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let verbose = LogSettings { level: tracing::Level::TRACE, ..LogSettings::default() };
    tracing::subscriber::set_global_default(telemetry::subscriber(&verbose, log.clone())).unwrap();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn it_says_hello_syncs_grants_revokes_and_leaves_cleanly() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();

    let sync = world.plane.push(task::sync_full());
    let finish = world.plane.finished(&sync).await.unwrap();
    assert!(finish.success, "{finish:?}");
    let uploads = world.plane.uploads(&sync);
    assert_eq!(uploads.len(), 1);
    let head = std::fs::read(uploads[0].path.as_ref().unwrap()).unwrap();
    assert!(head.starts_with(b"C1ZF\0"), "{:?}", &head[..8]);

    let (entitlement, principal) = world.membership(GROUP, USER);
    let grant = world.plane.push(task::grant(entitlement.clone(), principal.clone()));
    let finish = world.plane.finished(&grant).await.unwrap();
    assert!(finish.success, "{finish:?}");
    assert!(world.aws.is_member(GROUP, USER));

    let revoke = world.plane.push(task::revoke(task::held(entitlement, principal)));
    let finish = world.plane.finished(&revoke).await.unwrap();
    assert!(finish.success, "{finish:?}");
    assert!(!world.aws.is_member(GROUP, USER));

    let hello = world.plane.push(task::hello());
    world.plane.greeted(&hello).await.unwrap();

    assert_eq!(daemon.stop().await, Ended::Cleanly);
    assert_eq!(world.left(), Vec::<String>::new());
    world.assert_no_violations();

    let lines = LOG.lines();
    for (id, kind) in [(&sync, "sync_full"), (&grant, "grant"), (&revoke, "revoke"), (&hello, "hello")] {
        let of_task: Vec<_> = lines.iter().filter(|line| line["task_id"] == **id).collect();
        assert!(of_task.len() >= 2, "{kind}: {of_task:#?}");
        assert!(of_task.iter().all(|line| line["task_type"] == kind), "{of_task:#?}");
        let alarming = |line: &Value| line["level"] == "warn" || line["level"] == "error";
        assert!(!of_task.iter().any(|line| alarming(line)), "{of_task:#?}");
    }
    let text = String::from_utf8(LOG.0.lock().unwrap().clone()).unwrap();
    let mut secrets = world.plane.secrets();
    secrets.push(world.aws.credentials().secret_access_key);
    for secret in secrets {
        assert!(!text.contains(&secret), "a secret is in the log");
    }
}

#[tokio::test]
async fn a_control_plane_that_is_away_at_start_is_waited_for() {
    let mut world = World::new().await;
    let address = free_address();
    world.settings.daemon.health = Some(address);
    world.plane.pause().await;
    let daemon = world.start();
    let probe = |path: &'static str| async move { probe(address, path).await };
    let alive = async {
        while probe("/live").await != Some(200) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, alive).await.unwrap();
    assert_eq!(probe("/ready").await, Some(503));
    sleep(Duration::from_millis(300)).await;
    world.plane.resume().await.unwrap();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let ready = async {
        while probe("/ready").await != Some(200) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, ready).await.unwrap();
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    assert_eq!(probe("/live").await, None, "probes end with the process");
}

#[tokio::test]
async fn tasks_of_the_event_feed_are_finished_with_events_or_with_what_is_missing() {
    let mut world = World::new().await;
    world.settings.aws.last_login_events = true;
    let bob = world.aws.user_id(USER).unwrap();
    world.aws.authenticate(&bob, jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1));
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();

    let feeds = world.plane.push(task::any(TaskType::ListEventFeeds(ListEventFeedsTask::default())));
    let finish = world.plane.finished(&feeds).await.unwrap();
    assert_eq!(finish.response.as_deref(), Some("c1.connector.v2.ListEventFeedsResponse"), "{finish:?}");
    let ask = || {
        task::any(TaskType::ListEvents(ListEventsTask {
            event_feed_id: last_login::FEED.into(),
            ..ListEventsTask::default()
        }))
    };
    let events = world.plane.push(ask());
    let finish = world.plane.finished(&events).await.unwrap();
    assert!(finish.success, "{finish:?}");
    assert_eq!(finish.response.as_deref(), Some("c1.connector.v2.ListEventsResponse"));

    world.aws.arm(AwsFault::new("cloudtrail:LookupEvents", Effect::Deny));
    let denied = world.plane.push(ask());
    let finish = world.report(&denied).await;
    assert_eq!(finish.grpc_code() as i32, Code::PermissionDenied as i32, "{finish:?}");
    assert!(finish.message.contains("cloudtrail:LookupEvents is missing"), "{finish:?}");
    assert!(!finish.non_retryable);
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    world.assert_no_violations();
}

pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The status of a probe; `None` if nobody answers.
pub(crate) async fn probe(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn a_start_that_cannot_succeed_ends_with_the_code_of_its_reason() {
    let mut world = World::new().await;
    world.plane.fault(Rpc::Token, &Fault::Http(401), 9);
    assert_eq!(world.start().end().await, Ended::AtStart(16));
    world.plane.clear_faults();

    world.settings.aws.static_keys = Some(StaticKeys {
        access_key_id: "AKIAUNKNOWN000000000".into(),
        secret_access_key: Secret::from("wrong".to_owned()),
    });
    assert_eq!(world.start().end().await, Ended::AtStart(16));

    world.settings.aws = aws_settings(&world.aws);
    world.settings.sync.work_dir = Some(PathBuf::from("/nowhere"));
    assert_eq!(world.start().end().await, Ended::AtStart(2));

    world.settings.sync.work_dir = None;
    world.settings.control_plane = None;
    assert_eq!(world.start().end().await, Ended::AtStart(2), "there is nothing to do");
}

#[tokio::test]
async fn a_stop_before_the_start_is_complete_is_obeyed() {
    let world = World::new().await;
    world.plane.pause().await;
    let daemon = world.start();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(daemon.stop().await, Ended::Cleanly);
}

#[tokio::test]
async fn a_cancelled_sync_stops_calling_aws() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.aws.arm(AwsFault::new("identitystore:ListUsers", Effect::Delay(PATIENCE * 10)));
    let sync = world.plane.push(task::sync_full());
    world.aws_answered("organizations:ListRoots").await;
    world.plane.cancel(&sync);
    let finish = world.report(&sync).await;
    assert_eq!((finish.success, finish.grpc_code() as i32), (false, Code::Cancelled as i32), "{finish:?}");
    assert!(!finish.non_retryable);
    assert!(world.plane.uploads(&sync).is_empty());
    // The daemon goes on.
    let hello = world.plane.push(task::hello());
    world.plane.greeted(&hello).await.unwrap();
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_sync_that_outlives_the_grace_period_is_handed_back() {
    let mut world = World::new().await;
    world.settings.daemon.shutdown_grace = Duration::from_millis(300);
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.aws.arm(AwsFault::new("identitystore:ListUsers", Effect::Delay(PATIENCE * 10)));
    let sync = world.plane.push(task::sync_full());
    world.aws_answered("organizations:ListRoots").await;
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    let finish = world.report(&sync).await;
    assert_eq!((finish.success, finish.grpc_code() as i32), (false, Code::Aborted as i32), "{finish:?}");
    assert!(!finish.non_retryable);
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.aws.arm(AwsFault::new("identitystore:ListUsers", Effect::Delay(PATIENCE * 10)));
    world.plane.push(task::sync_full());
    world.aws_answered("organizations:ListRoots").await;
    daemon.signal.send(()).await.unwrap();
    daemon.signal.send(()).await.unwrap();
    assert_eq!(timeout(PATIENCE, daemon.end()).await.unwrap(), Ended::Abruptly);
    assert_eq!(Ended::Abruptly.exit_code(), 1);
}

#[tokio::test]
async fn a_denied_read_fails_the_sync_with_what_is_missing() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    world.aws.arm(AwsFault::new("identitystore:ListUsers", Effect::Deny));
    let sync = world.plane.push(task::sync_full());
    let finish = world.report(&sync).await;
    assert_eq!(finish.grpc_code() as i32, Code::PermissionDenied as i32, "{finish:?}");
    assert!(finish.message.contains("identitystore:ListUsers"), "{finish:?}");
    assert!(world.plane.uploads(&sync).is_empty());
    daemon.stop().await;
    world.assert_no_violations();
}

#[tokio::test]
async fn a_control_plane_that_goes_away_while_polled_comes_back_to_a_waiting_daemon() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.answered(Rpc::GetTask, 2).await.unwrap();
    world.plane.pause().await;
    sleep(Duration::from_millis(500)).await;
    world.plane.resume().await.unwrap();
    let hello = world.plane.push(task::hello());
    world.plane.greeted(&hello).await.unwrap();
    assert_eq!(daemon.stop().await, Ended::Cleanly);
}

#[tokio::test]
async fn an_empty_sync_is_refused_or_made_on_demand() {
    let mut world = World::new().await;
    world.settings.sync.skip_full_sync = true;
    let daemon = world.start();
    let sync = world.plane.push(task::sync_full());
    let finish = world.report(&sync).await;
    assert_eq!(finish.grpc_code() as i32, Code::FailedPrecondition as i32, "{finish:?}");
    assert!(finish.message.contains("BATON_ALLOW_EMPTY_UPLOAD"), "{finish:?}");
    daemon.stop().await;

    world.settings.sync.allow_empty_upload = true;
    let daemon = world.start();
    let sync = world.plane.push(task::sync_full());
    let finish = world.plane.finished(&sync).await.unwrap();
    assert!(finish.success, "{finish:?}");
    assert_eq!(world.plane.uploads(&sync).len(), 1);
    daemon.stop().await;
    assert_eq!(world.aws.counters().calls("identitystore:ListUsers"), 0);
    world.assert_no_violations();
}

#[tokio::test]
async fn a_targeted_sync_reads_its_resources_alone_and_is_not_judged() {
    let world = World::new().await;
    let daemon = world.start();
    let directory = Directory { region: "us-east-1".into(), store: world.aws.identity_store_id() };
    let group = directory.group(&world.aws.group_id(GROUP).unwrap());
    let order = SyncFullTask {
        targeted_sync_resources: vec![task::resource("sso_group", &group)],
        ..SyncFullTask::default()
    };
    let sync = world.plane.push(task::sync(order));
    assert!(world.plane.finished(&sync).await.unwrap().success);
    assert_eq!(world.plane.uploads(&sync).len(), 1);
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    assert_eq!(world.aws.counters().calls("identitystore:ListGroupMemberships"), 1);
    assert_eq!(world.aws.counters().calls("identitystore:ListUsers"), 0);
    world.assert_no_violations();
}

/// The refusal of a role that does not want the caller, or is not there.
fn closed() -> Effect {
    Effect::Error { code: "AccessDenied".into(), message: "not authorized".into(), status: 403 }
}

#[tokio::test]
async fn accounts_that_stop_letting_us_in_hold_every_upload_until_they_let_us_in_or_that_is_allowed() {
    let mut world = World::new().await;
    let state = TempDir::new().unwrap();
    world.settings.aws.cross_account_iam = true;
    world.settings.sync.breaker.state_dir = Some(state.path().to_owned());
    let daemon = world.start();
    let good = world.plane.push(task::sync_full());
    assert!(world.plane.finished(&good).await.unwrap().success);
    assert_eq!(daemon.stop().await, Ended::Cleanly);

    // A restart remembers what was uploaded.
    world.settings.sync.breaker.confirm_after = Duration::ZERO;
    world.aws.arm(AwsFault::new("sts:AssumeRole", closed()));
    let daemon = world.start();
    let poor = world.plane.push(task::sync_full());
    let held = world.report(&poor).await;
    assert_eq!(held.grpc_code() as i32, Code::FailedPrecondition as i32, "{held:?}");
    assert!(!held.non_retryable, "{held:?}");
    assert!(held.message.contains("was readable and no longer is"), "{held:?}");
    assert!(world.plane.uploads(&poor).is_empty());

    // However often it is found: trouble confirms no trouble.
    let again = world.plane.push(task::sync_full());
    let held = world.report(&again).await;
    assert!(held.message.contains("No later crawl confirms that"), "{held:?}");
    assert_eq!(daemon.stop().await, Ended::Cleanly);

    world.settings.sync.breaker.allow = true;
    let daemon = world.start();
    let allowed = world.plane.push(task::sync_full());
    assert!(world.plane.finished(&allowed).await.unwrap().success);
    assert_eq!(world.plane.uploads(&allowed).len(), 1);
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    world.assert_no_violations();
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn the_first_upload_of_an_organization_that_mostly_refuses_is_held_unless_that_is_allowed() {
    let mut world = World::new().await;
    world.settings.aws.cross_account_iam = true;
    world.aws.arm(AwsFault::new("sts:AssumeRole", closed()));
    let daemon = world.start();
    let sync = world.plane.push(task::sync_full());
    let held = world.report(&sync).await;
    assert!(held.message.contains("accounts cannot be read"), "{held:?}");
    assert!(world.plane.uploads(&sync).is_empty());
    assert_eq!(daemon.stop().await, Ended::Cleanly);

    world.settings.sync.breaker.allow = true;
    let daemon = world.start();
    let sync = world.plane.push(task::sync_full());
    assert!(world.plane.finished(&sync).await.unwrap().success);
    assert_eq!(world.plane.uploads(&sync).len(), 1);
    assert_eq!(daemon.stop().await, Ended::Cleanly);
}

#[tokio::test]
async fn without_a_control_plane_the_file_is_replaced_at_each_interval() {
    let mut world = World::new().await;
    world.settings.control_plane = None;
    world.settings.sync.interval = Some(Duration::from_millis(500));
    let daemon = world.start();
    let file = world.settings.file.clone();
    let stamp = || std::fs::metadata(&file).and_then(|meta| meta.modified()).ok();
    let changed = async |since: Option<std::time::SystemTime>| {
        let changed = async {
            while stamp() == since {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, changed).await.unwrap();
        stamp()
    };
    let first = changed(None).await;
    let second = changed(first).await;
    world.aws.arm(AwsFault::new("identitystore:ListUsers", Effect::Deny));
    // From the first denial on no sync succeeds; two further ones have been tried in vain.
    let denied = async |times: u64| {
        while world.aws.counters().errors("identitystore:ListUsers") < times {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, denied(1)).await.unwrap();
    let kept = stamp();
    assert!(kept.is_some() && kept >= second, "the last good file is gone");
    timeout(PATIENCE, denied(3)).await.unwrap();
    assert_eq!(stamp(), kept, "a failed sync touched the file");
    world.aws.disarm();
    changed(kept).await;
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    assert_eq!(world.left(), ["sync.c1z"]);
}

#[tokio::test]
async fn a_sync_made_ahead_answers_until_access_changes() {
    let mut world = World::new().await;
    world.settings.sync.interval = Some(Duration::from_hours(1));
    world.settings.sync.max_age = Duration::from_hours(1);
    let daemon = world.start();
    world.aws_answered("identitystore:ListUsers").await;
    let read = || world.aws.counters().calls("identitystore:ListUsers");
    let sync = async || {
        let before = read();
        let sync = world.plane.push(task::sync_full());
        assert!(world.plane.finished(&sync).await.unwrap().success);
        assert_eq!(world.plane.uploads(&sync).len(), 1);
        read() - before
    };
    // The first tasks may come before the sync is ready.
    let ready = async { while sync().await != 0 {} };
    timeout(PATIENCE, ready).await.unwrap();

    let (entitlement, principal) = world.membership(GROUP, USER);
    let grant = world.plane.push(task::grant(entitlement, principal));
    assert!(world.plane.finished(&grant).await.unwrap().success);
    assert_eq!(sync().await, 1, "a sync from before the grant was an answer after it");
    assert_eq!(daemon.stop().await, Ended::Cleanly);
}
