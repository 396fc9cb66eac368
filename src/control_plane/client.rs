//! Typed calls of the Baton service.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::channel::{self, ChannelSetupError};
use super::error::{Rpc, RpcError, code_name};
use super::finish::Finish;
use super::network::Network;
use super::token::{TokenSetupError, Tokens};
use super::{hint, os_info};
use crate::baton::api::baton_service_client::BatonServiceClient;
use crate::baton::{api, v2};
use crate::config::ControlPlaneSettings;
use crate::telemetry::metrics;

/// Largest answer that is read, in bytes; a page of a hundred tasks stays far below.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Most tasks that one call may ask for.
const LARGEST_PAGE: u32 = 100;

/// A client of the Baton service. Clones share its channel and its access token.
///
/// Every call fills in the host id, waits at most for its deadline (connection and token included) and renews
/// the token once if the service rejects it. All calls are cancel-safe.
#[derive(Clone, Debug)]
pub struct Client {
    service: BatonServiceClient<Channel>,
    tokens: Tokens,
    host_id: String,
}

/// What the service answers when asked for one task.
#[derive(Clone, Debug, Default)]
pub struct PolledTask {
    /// The task; `None` when there is nothing to do.
    pub task: Option<api::Task>,
    /// How long to wait before asking again, 0 to 5 minutes.
    pub next_poll: Duration,
}

/// What the service answers when asked for several tasks.
#[derive(Clone, Debug, Default)]
pub struct PolledTasks {
    /// The tasks, in the order in which they are to be done.
    pub tasks: Vec<api::Task>,
    /// How long to wait before asking again, 0 to 5 minutes.
    pub next_poll: Duration,
}

/// What the service answers to a heartbeat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heartbeat {
    /// How long to wait before the next one, 1 second to 5 minutes.
    pub next: Duration,
    /// Whether the task is to be given up.
    pub cancelled: bool,
}

/// What the service answers to a heartbeat for several tasks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heartbeats {
    /// How long to wait before the next one, 1 second to 5 minutes.
    pub next: Duration,
    /// The tasks that are to be given up.
    pub cancelled: Vec<String>,
}

impl Client {
    /// Prepares a client; nothing is connected and no token fetched before the first call. `token_timeout` bounds
    /// a request to the token endpoint.
    pub fn new(
        settings: &ControlPlaneSettings,
        host_id: &str,
        network: &Network,
        token_timeout: Duration,
    ) -> Result<Self, SetupError> {
        let tokens = Tokens::new(settings, network, token_timeout)?;
        Ok(Self::over(channel::open(settings, network)?, tokens, host_id))
    }

    pub(super) fn over(channel: Channel, tokens: Tokens, host_id: &str) -> Self {
        let service = BatonServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER);
        Self { service, tokens, host_id: host_id.to_owned() }
    }

    /// Fetches a token as before a call, and calls nothing.
    ///
    /// # Errors
    /// As for a hello whose token is refused or cannot be fetched. Cancel-safe.
    pub async fn authenticate(&self) -> Result<(), RpcError> {
        let token = timeout(Rpc::Hello.deadline(), self.tokens.authorization()).await;
        match token {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(RpcError::from_token(Rpc::Hello, &error)),
            Err(_) => Err(self.deadline_passed(Rpc::Hello)),
        }
    }

    /// Announces the connector (`Hello`): at start with an empty `task_id`, later as the answer to a hello task.
    pub async fn hello(&self, task_id: &str, metadata: v2::ConnectorMetadata) -> Result<(), RpcError> {
        let request = api::BatonServiceHelloRequest {
            host_id: self.host_id.clone(),
            task_id: task_id.to_owned(),
            build_info: Some(os_info::build_info()),
            os_info: Some(os_info::read()),
            connector_metadata: Some(metadata),
            ..Default::default()
        };
        self.unary(Rpc::Hello, request, |mut service, request| {
            async move { service.hello(request).await }.boxed()
        })
        .await
        .map(drop)
    }

    /// Leases at most one task (`GetTask`).
    pub async fn get_task(&self) -> Result<PolledTask, RpcError> {
        let request = api::BatonServiceGetTaskRequest { host_id: self.host_id.clone() };
        let answer = self
            .unary(Rpc::GetTask, request, |mut service, request| {
                async move { service.get_task(request).await }.boxed()
            })
            .await?;
        Ok(PolledTask { task: answer.task.filter(is_work), next_poll: hint::next_poll(answer.next_poll) })
    }

    /// Leases up to `page_size` tasks, but not those in `known` (`GetTasks`); the service's bound of 100 is kept.
    pub async fn get_tasks(&self, page_size: u32, known: Vec<String>) -> Result<PolledTasks, RpcError> {
        let request = api::BatonServiceGetTasksRequest {
            host_id: self.host_id.clone(),
            page_size: page_size.clamp(1, LARGEST_PAGE),
            known_task_ids: known,
            ..Default::default()
        };
        let answer = self
            .unary(Rpc::GetTasks, request, |mut service, request| {
                async move { service.get_tasks(request).await }.boxed()
            })
            .await?;
        Ok(PolledTasks {
            tasks: answer.tasks.into_iter().filter(is_work).collect(),
            next_poll: hint::next_poll(answer.next_poll),
        })
    }

    /// Keeps a task leased (`Heartbeat`).
    pub async fn heartbeat(&self, task_id: &str) -> Result<Heartbeat, RpcError> {
        let request = api::BatonServiceHeartbeatRequest {
            host_id: self.host_id.clone(),
            task_id: task_id.to_owned(),
            ..Default::default()
        };
        let answer = self
            .unary(Rpc::Heartbeat, request, |mut service, request| {
                async move { service.heartbeat(request).await }.boxed()
            })
            .await?;
        Ok(Heartbeat { next: hint::next_heartbeat(answer.next_heartbeat), cancelled: answer.cancelled })
    }

    /// Keeps several tasks leased with one call (the batch form of `Heartbeat`), 1 to 100 of them. One of them is named
    /// as the single form wants it, too.
    pub async fn heartbeats(&self, task_ids: &[String]) -> Result<Heartbeats, RpcError> {
        let first = task_ids.first().cloned().unwrap_or_default();
        let request = api::BatonServiceHeartbeatRequest {
            host_id: self.host_id.clone(),
            task_id: first.clone(),
            task_ids: task_ids.to_vec(),
            ..Default::default()
        };
        let answer = self
            .unary(Rpc::Heartbeat, request, |mut service, request| {
                async move { service.heartbeat(request).await }.boxed()
            })
            .await?;
        let mut cancelled = answer.cancelled_task_ids;
        if answer.cancelled && cancelled.is_empty() {
            cancelled.push(first);
        }
        Ok(Heartbeats { next: hint::next_heartbeat(answer.next_heartbeat), cancelled })
    }

    /// Reports once how a task ended (`FinishTask`).
    pub(super) async fn finish_once(&self, task_id: &str, finish: Finish) -> Result<(), RpcError> {
        let request = finish.into_request(self.host_id.clone(), task_id.to_owned());
        self.unary(Rpc::FinishTask, request, |mut service, request| {
            async move { service.finish_task(request).await }.boxed()
        })
        .await
        .map(drop)
    }

    pub(super) fn host_id(&self) -> &str {
        &self.host_id
    }

    pub(super) fn service(&self) -> BatonServiceClient<Channel> {
        self.service.clone()
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    async fn unary<Req: Clone, Answer>(
        &self,
        rpc: Rpc,
        message: Req,
        send: impl Fn(
            BatonServiceClient<Channel>,
            Request<Req>,
        ) -> BoxFuture<'static, Result<Response<Answer>, Status>>,
    ) -> Result<Answer, RpcError> {
        let call = async {
            let mut renewed = false;
            loop {
                let authorization =
                    self.tokens.authorization().await.map_err(|error| RpcError::from_token(rpc, &error))?;
                let mut request = Request::new(message.clone());
                request.metadata_mut().insert("authorization", authorization.value());
                request.set_timeout(rpc.deadline());
                match self.answered(rpc, send(self.service(), request)).await {
                    Err(error) if error.rejects_the_token() && !renewed => {
                        renewed = true;
                        self.tokens.discard(&authorization).await;
                    }
                    answer => return answer.map(Response::into_inner),
                }
            }
        };
        let counted = metrics::request(rpc.name());
        let answer = timeout(rpc.deadline(), call.instrument(rpc.span()))
            .await
            .unwrap_or_else(|_| Err(self.deadline_passed(rpc)));
        counted.ends(answer.as_ref().map_or_else(|error| code_name(error.code()), |_| "OK"));
        answer
    }

    /// Awaits a call. The library panics on some malformed answers (details of a status that are no base64), and an
    /// answer must not end more than its call.
    pub(super) async fn answered<Answer>(
        &self,
        rpc: Rpc,
        call: impl Future<Output = Result<Answer, Status>>,
    ) -> Result<Answer, RpcError> {
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(answer) => {
                answer.map_err(|status| RpcError::from_status(rpc, &status, self.tokens.authority()))
            }
            Err(_panic) => Err(RpcError::unreadable(rpc)),
        }
    }

    pub(super) fn deadline_passed(&self, rpc: Rpc) -> RpcError {
        RpcError::deadline_passed(rpc, self.tokens.authority())
    }
}

/// "Nothing to do" comes as no task or as a task of kind none.
fn is_work(task: &api::Task) -> bool {
    !matches!(task.task_type, Some(api::task::TaskType::None(_)))
}

/// Why no client can be prepared.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the control plane cannot be prepared")]
pub struct SetupError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl From<TokenSetupError> for SetupError {
    fn from(error: TokenSetupError) -> Self {
        Self(error.into())
    }
}

impl From<ChannelSetupError> for SetupError {
    fn from(error: ChannelSetupError) -> Self {
        Self(error.into())
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;
    use tonic::Code;

    use super::super::scripted::{Call, Scripted, Upload, gateway};
    use super::super::{Unacknowledged, UploadError};
    use super::*;
    use crate::baton::api::Task;
    use crate::baton::api::task::{HelloTask, NoneTask, TaskType};

    fn task(id: &str, task_type: TaskType) -> Task {
        Task { id: id.into(), task_type: Some(task_type), ..Default::default() }
    }

    fn done() -> Finish {
        Finish::Success { response: None, annotations: Vec::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn no_task_and_a_task_of_kind_none_are_the_same() {
        let (service, client) = Scripted::start();
        service.script().next_poll = Duration::from_hours(9);
        service.script().tasks.push_back(task("a", TaskType::None(NoneTask::default())));
        service.script().tasks.push_back(task("b", TaskType::Hello(HelloTask::default())));
        assert!(client.get_task().await.unwrap().task.is_none());
        assert_eq!(client.get_task().await.unwrap().task.unwrap().id, "b");
        let polled = client.get_task().await.unwrap();
        assert!(polled.task.is_none());
        assert_eq!(polled.next_poll, Duration::from_mins(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_never_exceeds_what_the_service_takes() {
        let (service, client) = Scripted::start();
        client.get_tasks(1000, vec!["a".into()]).await.unwrap();
        client.get_tasks(0, Vec::new()).await.unwrap();
        let calls: Vec<_> = service.script().calls.iter().map(|(_, call)| call.clone()).collect();
        let poll = |known: &[&str], page_size| Call::Poll {
            known: known.iter().map(ToString::to_string).collect(),
            page_size,
        };
        assert_eq!(calls, [poll(&["a"], 100), poll(&[], 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejected_token_is_renewed_once() {
        let (service, client) = Scripted::start();
        service.script().poll_errors.push_back(Code::Unauthenticated);
        // The renewal has no endpoint to go to here.
        let error = client.get_task().await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error}");
        assert!(error.to_string().contains("token endpoint"), "{error}");
        assert!(!error.is_permanent());
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_is_reported_until_it_is_taken() {
        let (service, client) = Scripted::start();
        service.script().finish_errors = [Code::Unavailable, Code::Internal, Code::Unknown].into();
        client.finish("task", &done(), &CancellationToken::new()).await.unwrap();
        let times = service.times(|call| matches!(call, Call::Finish(_)));
        let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(waits.len(), 3);
        for (wait, nominal) in waits.iter().zip([1, 2, 4]) {
            let nominal = Duration::from_secs(nominal);
            assert!(*wait >= nominal.mul_f64(0.74) && *wait <= nominal.mul_f64(1.01), "{waits:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_that_is_refused_or_out_of_time_is_given_up() {
        let (service, client) = Scripted::start();
        service.script().finish_errors = [Code::NotFound].into();
        let refused = client.finish("task", &done(), &CancellationToken::new()).await;
        assert!(matches!(refused, Err(Unacknowledged::Refused(_))), "{refused:?}");

        service.script().finish_errors = vec![Code::Unavailable; 100].into();
        let give_up = CancellationToken::new();
        let done = done();
        let finish = client.finish("task", &done, &give_up);
        let (answer, ()) = tokio::join!(finish, async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            give_up.cancel();
        });
        assert!(matches!(answer, Err(Unacknowledged::GivenUp(Some(_)))), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_by_somebody_in_between_is_trouble_on_the_way() {
        for status in [400, 403, 404, 502] {
            let client = gateway(status);
            let errors = [
                client.hello("", v2::ConnectorMetadata::default()).await.unwrap_err(),
                client.get_task().await.unwrap_err(),
                client.heartbeat("task").await.unwrap_err(),
                client.finish_once("task", done()).await.unwrap_err(),
            ];
            for error in errors {
                assert!(!error.is_permanent(), "{error}");
                assert!(!error.refuses_the_outcome() && !error.refuses_the_caller(), "{error}");
                assert_eq!(error.code(), Code::Unavailable, "{error}");
                assert!(error.to_string().contains(&format!("HTTP status {status}")), "{error}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_survives_a_service_that_is_replaced() {
        let (service, client) = Scripted::start();
        service.script().finish_errors =
            [Code::Unimplemented, Code::PermissionDenied, Code::FailedPrecondition, Code::Unimplemented]
                .into();
        client.finish("task", &done(), &CancellationToken::new()).await.unwrap();
        assert_eq!(service.finishes().len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_is_given_up_after_minutes_of_refusal_and_an_hour_of_trouble() {
        for (code, least, most) in [
            (Code::PermissionDenied, 5, 7),
            (Code::FailedPrecondition, 5, 7),
            (Code::Unimplemented, 60, 62),
            (Code::Internal, 60, 62),
        ] {
            let (service, client) = Scripted::start();
            service.script().finish_errors = vec![code; 1000].into();
            let began = tokio::time::Instant::now();
            let answer = client.finish("task", &done(), &CancellationToken::new()).await;
            assert!(matches!(answer, Err(Unacknowledged::GivenUp(Some(_)))), "{code:?}: {answer:?}");
            let took = began.elapsed();
            let expected = Duration::from_mins(least)..Duration::from_mins(most);
            assert!(expected.contains(&took), "{code:?}: {took:?}");
        }
    }

    fn file(bytes: usize) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    fn uploads(service: &Scripted) -> Vec<Option<Upload>> {
        let upload = |(_, call): &(_, Call)| match call {
            Call::Upload(upload) => Some(upload.clone()),
            _ => None,
        };
        service.script().calls.iter().filter_map(upload).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_uploaded_in_chunks_with_its_checksum() {
        const CHUNK: usize = 524_288;
        for (size, chunks) in [(0, vec![]), (1, vec![1]), (CHUNK, vec![CHUNK]), (CHUNK + 1, vec![CHUNK, 1])] {
            let (service, client) = Scripted::start();
            let file = file(size);
            client.upload("task", file.path()).await.unwrap();
            let uploads = uploads(&service);
            let [Some(upload)] = uploads.as_slice() else { panic!("{size}: not one whole upload") };
            assert_eq!((upload.task_id.as_str(), &upload.chunks), ("task", &chunks), "{size}");
            assert_eq!(upload.bytes, std::fs::read(file.path()).unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_starts_again_from_the_first_byte_and_ends_after_three_failures() {
        let file = file(2_000_000);
        let (service, client) = Scripted::start();
        service.script().upload_errors = [Code::Unavailable, Code::Internal].into();
        client.upload("task", file.path()).await.unwrap();
        assert_eq!(uploads(&service)[0].as_ref().unwrap().bytes.len(), 2_000_000);

        service.script().upload_errors = [Code::Unavailable, Code::Internal, Code::DataLoss].into();
        match client.upload("task", file.path()).await {
            Err(UploadError::Rpc(error)) => assert_eq!(error.code(), Code::DataLoss),
            other => panic!("{other:?}"),
        }
        assert!(service.script().upload_errors.is_empty());
        let missing = client.upload("task", std::path::Path::new("/nowhere/x")).await;
        assert!(matches!(missing, Err(UploadError::Read(_))), "{missing:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_secret_stands_in_the_debug_output() {
        let (_, client) = Scripted::start();
        assert!(!format!("{client:?}").contains("canary"));
    }
}
