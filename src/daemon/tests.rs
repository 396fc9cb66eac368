//! The daemon against a scripted service and a scripted connector, on a paused clock.

mod batches;
mod debug;
mod outage;
mod syncs;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost_types::{Any, Struct};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::heartbeats::Pulse;
use super::poller::Poller;
use super::runner::Runner;
use super::start;
use super::supervisor::{Drained, Supervisor};
use crate::baton::api::baton_service_finish_task_request::FinalState;
use crate::baton::api::task::{GrantTask, HelloTask, RevokeTask, SyncFullTask, TaskType};
use crate::baton::api::{BatonServiceFinishTaskRequest, Task};
use crate::baton::{Code, any, rpc, v2};
use crate::config::{DaemonSettings, SyncSettings};
use crate::connector::{ActionResults, Provision};
use crate::control_plane::scripted::{Call, Scripted};
use crate::sync::{Census, Changes, SyncOptions};
use crate::tasks::{Context, Engine, EngineError};

const GRACE: Duration = Duration::from_secs(25);

/// How the scripted connector behaves in its next operation.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Succeeds after this time.
    Succeed(Duration),
    /// Fails at once with this code.
    Fail(Code),
    /// Fails a second later with this code.
    FailLater(Code),
    Panic,
    /// Does not end before it is cancelled.
    Hang,
    /// Does not even end then.
    Ignore,
}

#[derive(Debug, Default)]
struct FakeEngine {
    acts: Mutex<VecDeque<Act>>,
    began: Mutex<Vec<(Instant, String)>>,
    /// What the next syncs count.
    censuses: Mutex<VecDeque<Census>>,
}

impl FakeEngine {
    async fn act(&self, what: String, cancel: &CancellationToken) -> Result<(), EngineError> {
        self.began.lock().unwrap().push((Instant::now(), what));
        let act = self.acts.lock().unwrap().pop_front().unwrap_or(Act::Succeed(Duration::ZERO));
        let failed = |code: Code| {
            let detail = Any { type_url: "x/detail".into(), value: vec![1] };
            let status = rpc::Status { code: code.into(), message: "scripted".into(), details: vec![detail] };
            Err(EngineError { status, integrity: false })
        };
        match act {
            Act::Succeed(after) => {
                sleep(after).await;
                Ok(())
            }
            Act::Fail(code) => failed(code),
            Act::FailLater(code) => {
                sleep(Duration::from_secs(1)).await;
                failed(code)
            }
            Act::Panic => panic!("planned"),
            Act::Hang => {
                cancel.cancelled().await;
                failed(Code::Cancelled)
            }
            Act::Ignore => std::future::pending().await,
        }
    }
}

impl Engine for FakeEngine {
    fn metadata(&self) -> v2::ConnectorMetadata {
        v2::ConnectorMetadata { display_name: "AWS".into(), ..Default::default() }
    }

    fn grant<'a>(
        &'a self,
        _: &'a v2::Entitlement,
        _: &'a v2::Resource,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::GrantManagerServiceGrantResponse, EngineError>> {
        async move {
            self.act(provision.task_id.clone(), &provision.cancel).await?;
            let annotations = vec![any::pack(&v2::GrantAlreadyExists {})];
            Ok(v2::GrantManagerServiceGrantResponse { annotations, ..Default::default() })
        }
        .boxed()
    }

    fn revoke<'a>(
        &'a self,
        _: &'a v2::Grant,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::GrantManagerServiceRevokeResponse, EngineError>> {
        async move {
            self.act(provision.task_id.clone(), &provision.cancel).await?;
            Ok(v2::GrantManagerServiceRevokeResponse::default())
        }
        .boxed()
    }

    fn create_account<'a>(
        &'a self,
        _: &'a v2::CreateAccountRequest,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::CreateAccountResponse, EngineError>> {
        async move {
            self.act(provision.task_id.clone(), &provision.cancel).await?;
            Ok(v2::CreateAccountResponse::default())
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        _: &'a v2::ResourceId,
        _: Option<&'a v2::ResourceId>,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::DeleteResourceResponse, EngineError>> {
        async move {
            self.act(provision.task_id.clone(), &provision.cancel).await?;
            Ok(v2::DeleteResourceResponse::default())
        }
        .boxed()
    }

    fn rotate_credential<'a>(
        &'a self,
        _: &'a v2::RotateCredentialRequest,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::RotateCredentialResponse, EngineError>> {
        async move {
            self.act(provision.task_id.clone(), &provision.cancel).await?;
            Ok(v2::RotateCredentialResponse::default())
        }
        .boxed()
    }

    fn issue_credential<'a>(
        &'a self,
        _: &'a v2::IssueCredentialRequest,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::IssueCredentialResponse, EngineError>> {
        async move {
            self.act(provision.task_id.clone(), &provision.cancel).await?;
            Ok(v2::IssueCredentialResponse::default())
        }
        .boxed()
    }

    fn action_schemas(&self) -> Vec<v2::BatonActionSchema> {
        vec![v2::BatonActionSchema { name: "act".into(), ..Default::default() }]
    }

    fn invoke_action<'a>(
        &'a self,
        _: &'a str,
        _: Struct,
        _: &'a [v2::EncryptionConfig],
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<ActionResults, EngineError>> {
        async move {
            self.act(provision.task_id.clone(), &provision.cancel).await?;
            Ok(ActionResults::default())
        }
        .boxed()
    }

    fn event_feeds(&self) -> Vec<v2::EventFeedMetadata> {
        Vec::new()
    }

    fn events<'a>(
        &'a self,
        _: &'a v2::ListEventsRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<v2::ListEventsResponse, EngineError>> {
        async move {
            self.act("events".into(), &cancel).await?;
            Ok(v2::ListEventsResponse::default())
        }
        .boxed()
    }

    fn sync<'a>(
        &'a self,
        _: &'a SyncOptions,
        target: &'a Path,
        _: &'a Path,
        _: &'a Changes,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Census, EngineError>> {
        async move {
            std::fs::write(target, "half").unwrap();
            tracing::debug!("scripted sync");
            self.act("sync".into(), &cancel).await?;
            std::fs::write(target, "a whole sync").unwrap();
            Ok(self.censuses.lock().unwrap().pop_front().unwrap_or_default())
        }
        .boxed()
    }

    fn empty_sync<'a>(&'a self, target: &'a Path, _: &'a Path) -> BoxFuture<'a, Result<(), EngineError>> {
        std::fs::write(target, "an empty sync").unwrap();
        async { Ok(()) }.boxed()
    }
}

struct Bench {
    service: Scripted,
    engine: Arc<FakeEngine>,
    runner: Runner,
    work_dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let (service, client) = Scripted::start();
        let engine = Arc::new(FakeEngine::default());
        let work_dir = tempfile::tempdir().unwrap();
        let context = Context {
            engine: engine.clone(),
            provisioning: true,
            sync: SyncSettings::default(),
            crawls: Arc::default(),
            breaker: Arc::default(),
            invoked: Arc::default(),
            work_dir: work_dir.path().to_owned(),
            prepared: Arc::default(),
        };
        let pulse = Pulse::new(client.clone(), false);
        let runner = Runner { client, pulse, context, supervisor: Supervisor::default() };
        Self { service, engine, runner, work_dir }
    }

    fn acts(self, acts: impl IntoIterator<Item = Act>) -> Self {
        self.engine.acts.lock().unwrap().extend(acts);
        self
    }

    fn poll(&self, settings: &DaemonSettings) -> &Supervisor {
        let poller = Arc::new(Poller::new(self.runner.clone(), settings));
        self.runner.supervisor.serve("poller", move || {
            let poller = Arc::clone(&poller);
            async move { poller.run().await }
        });
        &self.runner.supervisor
    }

    /// Runs one task, and gives its only report.
    async fn run(&self, task: Task) -> BatonServiceFinishTaskRequest {
        timeout(Duration::from_hours(1), self.runner.run(task)).await.unwrap();
        let mut finishes = self.service.finishes();
        assert_eq!(finishes.len(), 1, "{finishes:?}");
        finishes.remove(0)
    }

    async fn reported(&self, count: usize) -> Vec<BatonServiceFinishTaskRequest> {
        let enough = async {
            while self.service.finishes().len() < count {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_hours(1), enough).await.unwrap();
        self.service.finishes()
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.work_dir.path()).unwrap().count()
    }
}

fn task(id: &str, task_type: TaskType) -> Task {
    Task { id: id.into(), task_type: Some(task_type), ..Default::default() }
}

fn sync(id: &str) -> Task {
    task(id, TaskType::SyncFull(SyncFullTask::default()))
}

fn resource(resource_type: &str, resource: &str) -> v2::Resource {
    let id = v2::ResourceId {
        resource_type: resource_type.into(),
        resource: resource.into(),
        ..Default::default()
    };
    v2::Resource { id: Some(id), ..Default::default() }
}

fn entitlement() -> v2::Entitlement {
    let resource = Some(resource("sso_group", "g"));
    v2::Entitlement { id: "sso_group:g:member".into(), resource, ..Default::default() }
}

fn grant(id: &str) -> Task {
    let order = GrantTask {
        entitlement: Some(entitlement()),
        principal: Some(resource("sso_user", "u")),
        ..Default::default()
    };
    task(id, TaskType::Grant(order))
}

fn revoke(id: &str) -> Task {
    let grant = v2::Grant {
        id: "\u{1f9f8}_UNKNOWN_GRANT_ID".into(),
        entitlement: Some(entitlement()),
        principal: Some(resource("sso_user", "u")),
        ..Default::default()
    };
    task(id, TaskType::Revoke(RevokeTask { grant: Some(grant), ..Default::default() }))
}

/// Code and `non_retryable` of a failure.
fn failure(finish: &BatonServiceFinishTaskRequest) -> (Code, bool) {
    match &finish.final_state {
        Some(FinalState::Error(error)) => {
            (Code::from_i32(finish.status.as_ref().unwrap().code), error.non_retryable)
        }
        other => panic!("not a failure: {other:?}"),
    }
}

fn is_poll(call: &Call) -> bool {
    matches!(call, Call::Poll { .. })
}

fn is_heartbeat(call: &Call) -> bool {
    matches!(call, Call::Heartbeat { .. })
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_reported_with_its_answer_and_without_heartbeats() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_mins(2))]);
    let finish = bench.run(grant("a")).await;
    let Some(FinalState::Success(success)) = finish.final_state else { panic!("{finish:?}") };
    assert_eq!(
        success.response.unwrap().type_url,
        "type.googleapis.com/c1.connector.v2.GrantManagerServiceGrantResponse"
    );
    assert_eq!(success.annotations, [any::pack(&v2::GrantAlreadyExists {})]);
    assert!(finish.status.is_none());
    assert!(bench.service.times(is_heartbeat).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_revoke_with_a_placeholder_id_is_carried_out() {
    let bench = Bench::new();
    let finish = bench.run(revoke("a")).await;
    assert!(matches!(finish.final_state, Some(FinalState::Success(_))), "{finish:?}");
    assert_eq!(bench.engine.began.lock().unwrap()[0].1, "a");
}

#[tokio::test(start_paused = true)]
async fn a_failed_change_is_final_unless_it_passes_with_time_and_keeps_its_details() {
    for (code, non_retryable) in
        [(Code::PermissionDenied, true), (Code::InvalidArgument, true), (Code::Unavailable, false)]
    {
        let bench = Bench::new().acts([Act::Fail(code)]);
        let finish = bench.run(grant("a")).await;
        assert_eq!(failure(&finish), (code, non_retryable));
        let status = finish.status.unwrap();
        assert_eq!(status.message, "grant failed: scripted");
        assert_eq!(status.details.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_and_forbidden_changes_do_not_reach_the_connector() {
    let mut bench = Bench::new();
    let no_entitlement = GrantTask { principal: Some(resource("sso_user", "u")), ..Default::default() };
    let finish = bench.run(task("a", TaskType::Grant(no_entitlement))).await;
    assert_eq!(failure(&finish), (Code::Unknown, true));

    bench = Bench::new();
    let finish = bench.run(task("a", TaskType::Revoke(RevokeTask::default()))).await;
    assert_eq!(failure(&finish), (Code::Unknown, true));

    bench = Bench::new();
    bench.runner.context.provisioning = false;
    let finish = bench.run(grant("a")).await;
    assert_eq!(failure(&finish), (Code::FailedPrecondition, true));
    assert!(finish.status.unwrap().message.contains("provisioning is not enabled"));
    assert!(bench.engine.began.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_reported_and_ends_only_its_task() {
    let bench = Bench::new().acts([Act::Panic, Act::Panic]);
    bench.service.script().tasks = [grant("a"), sync("b"), grant("c")].into();
    let supervisor = bench.poll(&DaemonSettings { task_concurrency: 1, ..Default::default() });
    let finishes = bench.reported(3).await;
    assert_eq!(failure(&finishes[0]), (Code::Internal, true));
    assert_eq!(finishes[0].status.as_ref().unwrap().message, "Internal Server Error");
    assert_eq!(failure(&finishes[1]), (Code::Internal, false));
    assert!(matches!(finishes[2].final_state, Some(FinalState::Success(_))));
    assert_eq!(supervisor.drain(GRACE).await, Drained::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_sync_is_leased_first_uploaded_then_reported_and_leaves_no_file() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_secs(100))]);
    bench.service.script().next_heartbeat = Duration::from_secs(45);
    let finish = bench.run(sync("a")).await;
    assert!(
        matches!(finish.final_state, Some(FinalState::Success(ref s)) if s.response.is_none()),
        "{finish:?}"
    );
    let calls: Vec<_> = bench.service.script().calls.iter().map(|(_, call)| call.clone()).collect();
    let heartbeat = Call::Heartbeat { task_id: "a".into(), task_ids: Vec::new() };
    assert_eq!(calls[..3], [heartbeat.clone(), heartbeat.clone(), heartbeat]);
    let Call::Upload(Some(upload)) = &calls[3] else { panic!("{calls:?}") };
    assert_eq!((upload.task_id.as_str(), upload.bytes.as_slice()), ("a", b"a whole sync".as_slice()));
    assert!(matches!(calls[4], Call::Finish(_)));
    assert_eq!(bench.files(), 0);

    sleep(Duration::from_mins(10)).await;
    assert_eq!(bench.service.times(is_heartbeat).len(), 3, "heartbeats went on after the end");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_on_until_the_outcome_is_taken() {
    let bench = Bench::new();
    bench.service.script().next_heartbeat = Duration::from_secs(1);
    bench.service.script().finish_errors = vec![Code::Unavailable; 4].into();
    timeout(Duration::from_mins(10), bench.runner.run(sync("a"))).await.unwrap();
    assert_eq!(bench.service.finishes().len(), 5);
    assert!(bench.service.times(is_heartbeat).len() > 8);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_sync_ends_its_work_and_is_reported_as_cancelled() {
    let bench = Bench::new().acts([Act::Hang]);
    bench.service.script().heartbeats = [Ok(false), Ok(true)].into();
    let finish = bench.run(sync("a")).await;
    assert_eq!(failure(&finish), (Code::Cancelled, false));
    assert!(finish.status.unwrap().message.contains("control plane cancelled"));
    assert_eq!(bench.files(), 0);
    assert!(!bench.runner.supervisor.work().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_is_cancelled_before_it_began_is_not_begun() {
    let bench = Bench::new();
    bench.service.script().heartbeats = [Ok(true)].into();
    let finish = bench.run(sync("a")).await;
    assert_eq!(failure(&finish), (Code::Cancelled, false));
    assert!(bench.engine.began.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_not_ours_is_not_begun() {
    let bench = Bench::new();
    bench.service.script().heartbeats = [Err(Code::NotFound)].into();
    let finish = bench.run(sync("a")).await;
    assert_eq!(failure(&finish), (Code::NotFound, false));
    assert!(bench.engine.began.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nine_heartbeats_in_a_row_may_fail_and_the_tenth_may_not() {
    let survivor = Bench::new().acts([Act::Succeed(Duration::from_mins(20))]);
    survivor.service.script().heartbeats = vec![Err(Code::Unavailable); 9].into();
    let finish = survivor.run(sync("a")).await;
    assert!(matches!(finish.final_state, Some(FinalState::Success(_))), "{finish:?}");

    let lost = Bench::new().acts([Act::Hang]);
    lost.service.script().heartbeats = vec![Err(Code::Unavailable); 10].into();
    let finish = lost.run(sync("a")).await;
    assert_eq!(failure(&finish), (Code::Cancelled, false));
    assert!(finish.status.unwrap().message.contains("ten heartbeats"));
    assert_eq!(lost.service.times(is_heartbeat).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_failed_upload_fails_the_sync_and_deletes_the_file() {
    let bench = Bench::new();
    bench.service.script().upload_errors = vec![Code::ResourceExhausted; 3].into();
    let finish = bench.run(sync("a")).await;
    assert_eq!(failure(&finish), (Code::ResourceExhausted, false));
    assert_eq!(bench.files(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_sync_is_uploaded_only_on_demand() {
    let mut bench = Bench::new();
    bench.runner.context.sync.skip_full_sync = true;
    let finish = bench.run(sync("a")).await;
    assert_eq!(failure(&finish), (Code::FailedPrecondition, true));
    assert!(finish.status.unwrap().message.contains("BATON_ALLOW_EMPTY_UPLOAD"));

    bench = Bench::new();
    bench.runner.context.sync.skip_full_sync = true;
    bench.runner.context.sync.allow_empty_upload = true;
    let finish = bench.run(sync("a")).await;
    assert!(matches!(finish.final_state, Some(FinalState::Success(_))), "{finish:?}");
    let uploaded = |call: &Call| matches!(call, Call::Upload(Some(u)) if u.bytes == b"an empty sync");
    assert_eq!(bench.service.times(uploaded).len(), 1);
    assert!(bench.engine.began.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hello_task_is_answered_by_hello_alone() {
    let bench = Bench::new();
    bench.runner.run(task("a", TaskType::Hello(HelloTask::default()))).await;
    let calls: Vec<_> = bench.service.script().calls.iter().map(|(_, call)| call.clone()).collect();
    assert_eq!(calls, [Call::Hello { task_id: "a".into() }]);
}

#[tokio::test(start_paused = true)]
async fn no_task_is_asked_for_without_a_slot() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_secs(100)); 2]);
    bench.service.script().tasks = [grant("a"), grant("b"), grant("c")].into();
    bench.poll(&DaemonSettings { task_concurrency: 2, ..Default::default() });
    sleep(Duration::from_secs(99)).await;
    assert_eq!(bench.service.times(is_poll).len(), 2);
    bench.reported(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_names_no_wait_is_not_hammered() {
    let bench = Bench::new();
    bench.poll(&DaemonSettings::default());
    sleep(Duration::from_secs(10)).await;
    let polls = bench.service.times(is_poll).len();
    assert!((35..=41).contains(&polls), "{polls} polls in 10 s");
}

#[tokio::test(start_paused = true)]
async fn failed_polls_are_repeated_at_growing_waits_until_one_succeeds() {
    let bench = Bench::new();
    bench.service.script().poll_errors = vec![Code::Internal; 10].into();
    bench.service.script().next_poll = Duration::from_mins(5);
    bench.poll(&DaemonSettings::default());
    sleep(Duration::from_mins(9)).await;
    let times = bench.service.times(is_poll);
    let waits: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(waits, [1, 4, 9, 16, 25, 36, 49, 60, 60, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_comes_again_while_it_runs_is_not_run_twice() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_secs(5))]);
    bench.service.script().tasks = [grant("a"), grant("a"), grant("b")].into();
    bench.poll(&DaemonSettings::default());
    sleep(Duration::from_secs(20)).await;
    let began: Vec<_> = bench.engine.began.lock().unwrap().iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(began, ["a", "b"]);
    assert_eq!(bench.service.finishes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn batches_name_what_is_known_and_are_worked_off_in_order() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_secs(10)); 5]);
    bench.service.script().tasks = ["a", "b", "c", "d", "e"].map(grant).into();
    bench.service.script().next_poll = Duration::from_secs(1);
    bench.poll(&DaemonSettings { task_concurrency: 2, get_tasks: true, ..Default::default() });
    bench.reported(5).await;
    let began: Vec<_> = bench.engine.began.lock().unwrap().iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(began, ["a", "b", "c", "d", "e"]);
    let polls: Vec<_> = bench
        .service
        .script()
        .calls
        .iter()
        .filter_map(|(_, call)| match call {
            Call::Poll { known, page_size } => Some((known.clone(), *page_size)),
            _ => None,
        })
        .take(2)
        .collect();
    assert_eq!(polls[0], (vec![], 4));
    assert_eq!(polls[1].0.len() + polls[1].1 as usize, 4, "{polls:?}");
    assert!(polls[1].0.len() < 2, "{polls:?}");
}

#[tokio::test(start_paused = true)]
async fn tasks_that_outlive_the_grace_period_are_reported_for_another_try() {
    let bench = Bench::new().acts([Act::Hang, Act::Ignore, Act::Succeed(GRACE / 2)]);
    bench.service.script().tasks = [sync("a"), grant("b"), grant("c")].into();
    let supervisor = bench.poll(&DaemonSettings::default());
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    assert_eq!(supervisor.drain(GRACE).await, Drained::Cancelled);
    assert!(began.elapsed() < GRACE + Duration::from_secs(4), "{:?}", began.elapsed());
    let mut finishes = bench.service.finishes();
    finishes.sort_by(|a, b| a.task_id.cmp(&b.task_id));
    assert_eq!(failure(&finishes[0]), (Code::Aborted, false));
    assert_eq!(failure(&finishes[1]), (Code::Aborted, false));
    assert!(matches!(finishes[2].final_state, Some(FinalState::Success(_))));
    assert_eq!(finishes.len(), 3);
    assert_eq!(bench.files(), 0);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_were_accepted_but_not_begun_are_handed_back() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_secs(10)); 2]);
    bench.service.script().tasks = ["a", "b", "c"].map(grant).into();
    let supervisor =
        bench.poll(&DaemonSettings { task_concurrency: 1, get_tasks: true, ..Default::default() });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(supervisor.drain(GRACE).await, Drained::Finished);
    let mut finishes = bench.service.finishes();
    finishes.sort_by(|a, b| a.task_id.cmp(&b.task_id));
    assert_eq!(finishes[0].task_id, "a");
    assert!(matches!(finishes[0].final_state, Some(FinalState::Success(_))));
    assert_eq!((finishes[1].task_id.as_str(), failure(&finishes[1])), ("b", (Code::Aborted, false)));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_arrives_just_after_the_stop_is_handed_back() {
    let bench = Bench::new();
    bench.service.script().tasks = [grant("a")].into();
    bench.service.script().poll_takes = Duration::from_secs(10);
    let supervisor = bench.poll(&DaemonSettings::default());
    sleep(Duration::from_millis(8500)).await;
    assert_eq!(supervisor.drain(GRACE).await, Drained::Finished);
    let finishes = bench.service.finishes();
    assert_eq!(finishes.len(), 1, "{finishes:?}");
    assert_eq!(failure(&finishes[0]), (Code::Aborted, false));
    assert!(bench.engine.began.lock().unwrap().is_empty());
    assert_eq!(bench.service.times(is_poll).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_stays_unanswered_does_not_hold_up_the_stop() {
    let bench = Bench::new();
    bench.service.script().poll_takes = Duration::from_mins(1);
    let supervisor = bench.poll(&DaemonSettings::default());
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    assert_eq!(supervisor.drain(GRACE).await, Drained::Finished);
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_cannot_be_reported_is_no_clean_end() {
    let bench = Bench::new();
    bench.service.script().tasks = [grant("a")].into();
    bench.service.script().finish_errors = vec![Code::Unavailable; 1000].into();
    let supervisor = bench.poll(&DaemonSettings::default());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(supervisor.drain(GRACE).await, Drained::Abandoned);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_never_gets_through_frees_its_slot_and_is_no_clean_end() {
    let bench = Bench::new();
    bench.service.script().tasks = [grant("a"), grant("b")].into();
    bench.service.script().finish_errors = vec![Code::Unavailable; 1000].into();
    let supervisor = bench.poll(&DaemonSettings { task_concurrency: 1, ..Default::default() });
    let next = async {
        while bench.engine.began.lock().unwrap().len() < 2 {
            sleep(Duration::from_secs(1)).await;
        }
    };
    timeout(Duration::from_mins(62), next).await.unwrap();
    bench.service.script().finish_errors.clear();
    sleep(Duration::from_mins(2)).await;
    assert_eq!(bench.service.finishes().last().unwrap().task_id, "b");
    assert_eq!(supervisor.drain(GRACE).await, Drained::Abandoned);
}

#[tokio::test(start_paused = true)]
async fn a_hello_is_repeated_until_it_is_accepted_or_refused_for_good() {
    let bench = Bench::new();
    bench.service.script().hello_errors = [Code::Unavailable, Code::Internal, Code::DeadlineExceeded].into();
    start::hello(&bench.runner.client, &*bench.engine).await.unwrap();
    let times = bench.service.times(|call| matches!(call, Call::Hello { .. }));
    assert_eq!(times.len(), 4);
    let waited = times[3] - times[0];
    assert!(waited > Duration::from_secs(5) && waited <= Duration::from_secs(8), "{waited:?}");

    bench.service.script().hello_errors = [Code::Unavailable, Code::PermissionDenied].into();
    let refused = start::hello(&bench.runner.client, &*bench.engine).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}
