//! A Baton service inside the test: it answers by a script, over a pipe, so that a test can pause the clock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use hyper_util::rt::TokioIo;
use prost::Message;
use ring::digest::{SHA256, digest};
use testbed::proto::api;
use testbed::proto::api::baton_service_server::{BatonService, BatonServiceServer};
use tokio::time::Instant;
use tonic::service::Routes;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};

use super::client::Client;
use super::token::tests::filled;
use crate::baton::api::{BatonServiceFinishTaskRequest, Task};

/// The service. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripted(Arc<Mutex<Script>>);

/// What the service will answer, and what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Tasks to hand out, in this order.
    pub(crate) tasks: VecDeque<Task>,
    pub(crate) next_poll: Duration,
    /// How long a poll is held before it is answered.
    pub(crate) poll_takes: Duration,
    /// Answers to heartbeats: cancelled or not, or an error; "not cancelled" once these are used up.
    pub(crate) heartbeats: VecDeque<Result<bool, Code>>,
    pub(crate) next_heartbeat: Duration,
    /// The tasks that the next heartbeat for several tells to be given up.
    pub(crate) cancelled: Vec<String>,
    /// Errors of the next calls, before any succeeds.
    pub(crate) hello_errors: VecDeque<Code>,
    pub(crate) poll_errors: VecDeque<Code>,
    pub(crate) batch_errors: VecDeque<Code>,
    pub(crate) upload_errors: VecDeque<Code>,
    /// After so many whole uploads, every further one fails.
    pub(crate) upload_errors_after: Option<usize>,
    pub(crate) finish_errors: VecDeque<Code>,
    /// Everything that was asked, with its time.
    pub(crate) calls: Vec<(Instant, Call)>,
}

/// A call that arrived.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Hello {
        task_id: String,
    },
    Poll {
        known: Vec<String>,
        page_size: u32,
    },
    Heartbeat {
        task_id: String,
        /// The others that it names.
        task_ids: Vec<String>,
    },
    /// An upload that ended as the protocol wants it; `None` if it did not.
    Upload(Option<Upload>),
    Finish(BatonServiceFinishTaskRequest),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Upload {
    pub(crate) task_id: String,
    pub(crate) chunks: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Scripted {
    /// The service, and a client that is connected to it and has a token.
    pub(crate) fn start() -> (Self, Client) {
        let scripted = Self::default();
        let client = connected(Routes::new(BatonServiceServer::new(scripted.clone())));
        (scripted, client)
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    /// The reports so far.
    pub(crate) fn finishes(&self) -> Vec<BatonServiceFinishTaskRequest> {
        let finish = |(_, call): &(Instant, Call)| match call {
            Call::Finish(finish) => Some(finish.clone()),
            _ => None,
        };
        self.script().calls.iter().filter_map(finish).collect()
    }

    /// The times of the calls that `wanted` accepts.
    pub(crate) fn times(&self, wanted: impl Fn(&Call) -> bool) -> Vec<Instant> {
        self.script().calls.iter().filter(|(_, call)| wanted(call)).map(|(at, _)| *at).collect()
    }

    fn note(&self, call: Call) {
        self.script().calls.push((Instant::now(), call));
    }
}

/// A client that speaks to a gateway which answers every call with a bare HTTP status.
pub(crate) fn gateway(status: u16) -> Client {
    let status = http::StatusCode::from_u16(status).unwrap();
    connected(Routes::from(axum::Router::new().fallback(async move || status)))
}

/// A client over a pipe that has a token.
fn connected(routes: Routes) -> Client {
    let (ours, theirs) = tokio::io::duplex(1024 * 1024);
    let incoming = stream::iter([Ok::<_, std::io::Error>(theirs)]).chain(stream::pending());
    tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
    let mut ours = Some(ours);
    let channel = Endpoint::from_static("http://scripted.test").connect_with_connector_lazy(
        tower::service_fn(move |_| {
            let pipe = ours.take().map(TokioIo::new);
            async move { pipe.ok_or_else(|| std::io::Error::other("the pipe is used up")) }
        }),
    );
    Client::over(channel, filled(), "test-host")
}

fn fails(errors: &mut VecDeque<Code>) -> Result<(), Status> {
    errors.pop_front().map_or(Ok(()), |code| Err(Status::new(code, "scripted")))
}

#[allow(clippy::cast_possible_wrap, reason = "times in tests are short")]
fn hint(duration: Duration) -> prost_types::Duration {
    prost_types::Duration { seconds: duration.as_secs() as i64, nanos: duration.subsec_nanos() as i32 }
}

/// The same message in the other crate's types.
fn convert<B: Message + Default>(message: &impl Message) -> B {
    B::decode(message.encode_to_vec().as_slice()).unwrap()
}

#[tonic::async_trait]
impl BatonService for Scripted {
    async fn hello(
        &self,
        request: Request<api::BatonServiceHelloRequest>,
    ) -> Result<Response<api::BatonServiceHelloResponse>, Status> {
        self.note(Call::Hello { task_id: request.into_inner().task_id });
        fails(&mut self.script().hello_errors)?;
        Ok(Response::new(api::BatonServiceHelloResponse::default()))
    }

    async fn get_task(
        &self,
        request: Request<api::BatonServiceGetTaskRequest>,
    ) -> Result<Response<api::BatonServiceGetTaskResponse>, Status> {
        assert_eq!(request.get_ref().host_id, "test-host");
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer canary-token");
        self.note(Call::Poll { known: Vec::new(), page_size: 1 });
        let takes = self.script().poll_takes;
        tokio::time::sleep(takes).await;
        let mut script = self.script();
        fails(&mut script.poll_errors)?;
        Ok(Response::new(api::BatonServiceGetTaskResponse {
            task: script.tasks.pop_front().map(|task| convert(&task)),
            next_poll: Some(hint(script.next_poll)),
            ..Default::default()
        }))
    }

    async fn get_tasks(
        &self,
        request: Request<api::BatonServiceGetTasksRequest>,
    ) -> Result<Response<api::BatonServiceGetTasksResponse>, Status> {
        let request = request.into_inner();
        self.note(Call::Poll { known: request.known_task_ids, page_size: request.page_size });
        let mut script = self.script();
        fails(&mut script.batch_errors)?;
        fails(&mut script.poll_errors)?;
        let most = script.tasks.len().min(request.page_size as usize);
        Ok(Response::new(api::BatonServiceGetTasksResponse {
            tasks: script.tasks.drain(..most).map(|task| convert(&task)).collect(),
            next_poll: Some(hint(script.next_poll)),
            ..Default::default()
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<api::BatonServiceHeartbeatRequest>,
    ) -> Result<Response<api::BatonServiceHeartbeatResponse>, Status> {
        let request = request.into_inner();
        let several = !request.task_ids.is_empty();
        self.note(Call::Heartbeat { task_id: request.task_id, task_ids: request.task_ids });
        let mut script = self.script();
        if several {
            fails(&mut script.batch_errors)?;
        }
        let answer = script.heartbeats.pop_front().unwrap_or(Ok(false));
        let cancelled = answer.map_err(|code| Status::new(code, "scripted"))?;
        Ok(Response::new(api::BatonServiceHeartbeatResponse {
            next_heartbeat: Some(hint(script.next_heartbeat)),
            cancelled,
            cancelled_task_ids: if several { std::mem::take(&mut script.cancelled) } else { Vec::new() },
            ..Default::default()
        }))
    }

    async fn finish_task(
        &self,
        request: Request<api::BatonServiceFinishTaskRequest>,
    ) -> Result<Response<api::BatonServiceFinishTaskResponse>, Status> {
        self.note(Call::Finish(convert(request.get_ref())));
        fails(&mut self.script().finish_errors)?;
        Ok(Response::new(api::BatonServiceFinishTaskResponse::default()))
    }

    async fn upload_asset(
        &self,
        request: Request<Streaming<api::BatonServiceUploadAssetRequest>>,
    ) -> Result<Response<api::BatonServiceUploadAssetResponse>, Status> {
        use api::baton_service_upload_asset_request::Msg;

        let mut stream = request.into_inner();
        let mut upload = None;
        let mut whole = false;
        while let Some(message) = stream.message().await? {
            match (message.msg, &mut upload) {
                (Some(Msg::Metadata(metadata)), none @ None) => {
                    *none = Some(Upload { task_id: metadata.task_id, chunks: vec![], bytes: vec![] });
                }
                (Some(Msg::Data(data)), Some(upload)) => {
                    upload.chunks.push(data.data.len());
                    upload.bytes.extend(data.data);
                }
                (Some(Msg::Eof(eof)), Some(upload)) => {
                    whole = digest(&SHA256, &upload.bytes).as_ref() == eof.sha256_checksum;
                }
                (message, _) => panic!("out of order: {message:?}"),
            }
            // A service that fails does so while the connector still sends.
            let mut script = self.script();
            let whole = script.calls.iter().filter(|(_, call)| matches!(call, Call::Upload(Some(_)))).count();
            if script.upload_errors_after.is_some_and(|most| whole >= most) {
                return Err(Status::unavailable("scripted"));
            }
            fails(&mut script.upload_errors)?;
        }
        self.note(Call::Upload(upload.filter(|_| whole)));
        Ok(Response::new(api::BatonServiceUploadAssetResponse::default()))
    }

    async fn start_debugging(
        &self,
        _: Request<api::StartDebuggingRequest>,
    ) -> Result<Response<api::StartDebuggingResponse>, Status> {
        Err(Status::unimplemented("never called"))
    }
}
