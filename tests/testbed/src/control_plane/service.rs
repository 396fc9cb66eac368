//! The Baton service: every call is checked, answered, and written down.

use std::time::Duration;

use prost_types::Duration as ProtoDuration;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status, Streaming};

use super::listener::{Connection, RawAnswer};
use super::transcript::{Answer, Event, Finish, Hello, Offer, Origin, Poll};
use super::{Fault, Kind, Plane, Rpc, bounds, upload};
use crate::proto::api::baton_service_server::BatonService;
use crate::proto::api::{
    BatonServiceFinishTaskRequest, BatonServiceFinishTaskResponse, BatonServiceGetTaskRequest,
    BatonServiceGetTaskResponse, BatonServiceGetTasksRequest, BatonServiceGetTasksResponse,
    BatonServiceHeartbeatRequest, BatonServiceHeartbeatResponse, BatonServiceHelloRequest,
    BatonServiceHelloResponse, BatonServiceUploadAssetRequest, BatonServiceUploadAssetResponse,
    StartDebuggingRequest, StartDebuggingResponse, Task,
};

/// What a heartbeat interval means that is absent or zero.
const USUAL_HEARTBEAT: Duration = Duration::from_secs(30);

/// Serves the tasks of one control plane.
pub(super) struct Service {
    pub(super) plane: Plane,
}

/// A request that is within its bounds and yet cannot be served.
struct Refusal {
    code: Code,
    reason: String,
}

/// The task id of a request that names a task which was never given out.
fn never_given(id: &str) -> Refusal {
    Refusal { code: Code::NotFound, reason: format!("task {id} was never given out") }
}

#[tonic::async_trait]
impl BatonService for Service {
    async fn hello(
        &self,
        request: Request<BatonServiceHelloRequest>,
    ) -> Result<Response<BatonServiceHelloResponse>, Status> {
        let describe = |request: &BatonServiceHelloRequest| Event::Hello(Hello::of(request));
        self.answer(Rpc::Hello, request, bounds::hello, describe, |request, _, _| {
            let id = &request.task_id;
            if !id.is_empty() {
                let mut queue = self.plane.queue();
                match queue.kind(id) {
                    Some(Kind::Hello) => queue.finish(id, false, Instant::now()),
                    Some(_) => {
                        let reason = format!("task {id} is no hello task");
                        return Err(Refusal { code: Code::FailedPrecondition, reason });
                    }
                    None => return Err(never_given(id)),
                };
            }
            Ok(BatonServiceHelloResponse::default())
        })
        .await
    }

    async fn get_task(
        &self,
        request: Request<BatonServiceGetTaskRequest>,
    ) -> Result<Response<BatonServiceGetTaskResponse>, Status> {
        let describe = |request: &BatonServiceGetTaskRequest| {
            Event::Poll(Poll {
                host_id: request.host_id.clone(),
                page_size: None,
                known: Vec::new(),
                offered: Vec::new(),
            })
        };
        self.answer(Rpc::GetTask, request, bounds::get_task, describe, |_, event, fault| {
            let task = self.lease(1, &[], event).pop();
            if fault == Some(&Fault::Twice)
                && let Some(task) = &task
            {
                self.plane.queue().redeliver(&task.id);
            }
            let pace = self.plane.pace();
            Ok(BatonServiceGetTaskResponse {
                task,
                next_poll: wire(pace.next_poll),
                next_heartbeat: wire(pace.next_heartbeat),
                annotations: Vec::new(),
            })
        })
        .await
    }

    async fn get_tasks(
        &self,
        request: Request<BatonServiceGetTasksRequest>,
    ) -> Result<Response<BatonServiceGetTasksResponse>, Status> {
        let describe = |request: &BatonServiceGetTasksRequest| {
            Event::Poll(Poll {
                host_id: request.host_id.clone(),
                page_size: Some(request.page_size),
                known: request.known_task_ids.clone(),
                offered: Vec::new(),
            })
        };
        self.answer(Rpc::GetTasks, request, bounds::get_tasks, describe, |request, event, fault| {
            let most = usize::try_from(request.page_size).unwrap_or(usize::MAX);
            let mut tasks = self.lease(most, &request.known_task_ids, event);
            if fault == Some(&Fault::Twice) {
                tasks.extend_from_within(..);
            }
            let pace = self.plane.pace();
            Ok(BatonServiceGetTasksResponse {
                tasks,
                next_poll: wire(pace.next_poll),
                next_heartbeat: wire(pace.next_heartbeat),
                annotations: Vec::new(),
            })
        })
        .await
    }

    async fn heartbeat(
        &self,
        request: Request<BatonServiceHeartbeatRequest>,
    ) -> Result<Response<BatonServiceHeartbeatResponse>, Status> {
        let describe = |request: &BatonServiceHeartbeatRequest| Event::Heartbeat {
            host_id: request.host_id.clone(),
            task_ids: named(request),
            cancelled: Vec::new(),
        };
        self.answer(Rpc::Heartbeat, request, bounds::heartbeat, describe, |request, event, _| {
            let interval = self.plane.pace().next_heartbeat;
            let usual = interval.filter(|interval| !interval.is_zero()).unwrap_or(USUAL_HEARTBEAT);
            let mut stopped = Vec::new();
            for id in named(request) {
                let beat = self.plane.queue().heartbeat(&id, Instant::now(), usual);
                if beat.ok_or_else(|| never_given(&id))? {
                    stopped.push(id);
                }
            }
            if let Event::Heartbeat { cancelled, .. } = event {
                cancelled.clone_from(&stopped);
            }
            Ok(BatonServiceHeartbeatResponse {
                next_heartbeat: wire(interval),
                cancelled: stopped.contains(&request.task_id),
                annotations: Vec::new(),
                cancelled_task_ids: stopped,
            })
        })
        .await
    }

    async fn finish_task(
        &self,
        request: Request<BatonServiceFinishTaskRequest>,
    ) -> Result<Response<BatonServiceFinishTaskResponse>, Status> {
        let describe = |request: &BatonServiceFinishTaskRequest| Event::Finish(Finish::of(request));
        self.answer(Rpc::FinishTask, request, bounds::finish, describe, |request, event, _| {
            if let Event::Finish(finish) = event {
                self.finish(&request.task_id, finish)?;
            }
            Ok(BatonServiceFinishTaskResponse::default())
        })
        .await
    }

    async fn upload_asset(
        &self,
        request: Request<Streaming<BatonServiceUploadAssetRequest>>,
    ) -> Result<Response<BatonServiceUploadAssetResponse>, Status> {
        let origin = origin(&request)?;
        let connection = connection(&request)?;
        if let Err(status) = self.authenticate(&request) {
            let event = Event::Upload(super::transcript::Asset::default());
            self.plane.transcript.record(origin, event, refused(&status));
            return Err(status.into());
        }
        upload::receive(&self.plane, origin, &connection, request.into_inner()).await?;
        Ok(Response::new(BatonServiceUploadAssetResponse::default()))
    }

    async fn start_debugging(
        &self,
        request: Request<StartDebuggingRequest>,
    ) -> Result<Response<StartDebuggingResponse>, Status> {
        let describe = |_: &StartDebuggingRequest| Event::StartDebugging;
        let handle = |_: &StartDebuggingRequest, _: &mut Event, _: Option<&Fault>| {
            Ok(StartDebuggingResponse { status: true })
        };
        self.answer(Rpc::StartDebugging, request, |_| Vec::new(), describe, handle).await
    }
}

impl Service {
    /// The course of every unary call: token, bounds, fault before, effect, record, fault after.
    async fn answer<Q: Sync, A>(
        &self,
        rpc: Rpc,
        request: Request<Q>,
        check: impl FnOnce(&Q) -> Vec<String> + Send,
        describe: impl FnOnce(&Q) -> Event + Send,
        handle: impl FnOnce(&Q, &mut Event, Option<&Fault>) -> Result<A, Refusal> + Send,
    ) -> Result<Response<A>, Status> {
        let origin = origin(&request)?;
        let connection = connection(&request)?;
        let authenticated = self.authenticate(&request);
        let request = request.into_inner();
        let mut event = describe(&request);
        let record = |event, answer| self.plane.transcript.record(origin, event, answer);

        if let Err(unauthenticated) = authenticated {
            record(event, refused(&unauthenticated));
            return Err(unauthenticated.into());
        }
        let faults = check(&request);
        if !faults.is_empty() {
            let status = Status::invalid_argument(faults.join("; "));
            record(event, Answer::violation(code_name(Code::InvalidArgument), faults));
            return Err(status);
        }
        let fault = self.plane.fault(rpc);
        let scripted = |fault: &Fault, processed| Answer::Scripted { fault: format!("{fault:?}"), processed };
        match &fault {
            Some(fault @ Fault::Status(code, message)) => {
                record(event, scripted(fault, false));
                return Err(Status::new(*code, message));
            }
            Some(fault @ (Fault::Disconnect | Fault::DropAfter(_))) => {
                record(event, scripted(fault, false));
                connection.drop_now().await;
                return Err(dropped());
            }
            Some(fault @ Fault::Hang) => {
                record(event, scripted(fault, false));
                return std::future::pending().await;
            }
            _ => {}
        }
        let reply = match handle(&request, &mut event, fault.as_ref()) {
            Ok(reply) => reply,
            Err(Refusal { code, reason }) => {
                record(event, Answer::violation(code_name(code), vec![reason.clone()]));
                return Err(Status::new(code, reason));
            }
        };
        record(event, fault.as_ref().map_or(Answer::Accepted, |fault| scripted(fault, true)));
        let mut reply = Response::new(reply);
        match fault {
            Some(Fault::Raw(bytes)) => {
                reply.extensions_mut().insert(RawAnswer(bytes));
            }
            Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::LoseReply) => {
                connection.drop_now().await;
                return Err(dropped());
            }
            _ => {}
        }
        Ok(reply)
    }

    fn authenticate<Q>(&self, request: &Request<Q>) -> Result<(), super::token::Unauthenticated> {
        let headers = request.metadata().clone().into_headers();
        self.plane.tokens().check(&headers)
    }

    fn lease(&self, most: usize, known: &[String], event: &mut Event) -> Vec<Task> {
        let leased = self.plane.queue().lease(Instant::now(), most, known);
        if let Event::Poll(poll) = event {
            let offers = leased.iter().map(|(task, delivery)| Offer {
                task_id: task.id.clone(),
                kind: Kind::of(task),
                delivery: *delivery,
                task: Box::new(task.clone()),
            });
            poll.offered = offers.collect();
        }
        leased.into_iter().map(|(task, _)| task).collect()
    }

    fn finish(&self, id: &str, finish: &mut Finish) -> Result<(), Refusal> {
        let mut queue = self.plane.queue();
        let kind = queue.kind(id).ok_or_else(|| never_given(id))?;
        finish.kind = Some(kind);
        let wrong = |reason: String| Err(Refusal { code: Code::FailedPrecondition, reason });
        if finish.success {
            if kind == Kind::Hello {
                return wrong("a hello task is answered by Hello, not by a success".to_owned());
            }
            if kind == Kind::SyncFull && queue.uploads(id) == 0 && queue.is_open(id) {
                return wrong("the sync was reported as a success without an upload".to_owned());
            }
            if finish.response.as_deref() != kind.payload() {
                let (found, wanted) = (&finish.response, kind.payload());
                return wrong(format!("the response of {kind:?} is {found:?}, not {wanted:?}"));
            }
        }
        let retryable = !finish.success && !finish.non_retryable;
        finish.ended = queue.finish(id, retryable, Instant::now());
        Ok(())
    }
}

impl From<super::token::Unauthenticated> for Status {
    fn from(unauthenticated: super::token::Unauthenticated) -> Self {
        Self::unauthenticated(unauthenticated.reason)
    }
}

fn refused(unauthenticated: &super::token::Unauthenticated) -> Answer {
    let code = code_name(Code::Unauthenticated);
    if unauthenticated.violation {
        Answer::violation(code, vec![unauthenticated.reason.to_owned()])
    } else {
        Answer::refused(code, unauthenticated.reason)
    }
}

/// The name of a code as transcripts write it.
pub(super) fn code_name(code: Code) -> String {
    format!("{code:?}")
}

/// What a handler gives whose connection was dropped under it; nobody hears it.
pub(super) fn dropped() -> Status {
    Status::unavailable("the connection was dropped")
}

fn named(request: &BatonServiceHeartbeatRequest) -> Vec<String> {
    let single = Some(&request.task_id).filter(|id| !id.is_empty());
    single.into_iter().chain(&request.task_ids).cloned().collect()
}

fn origin<Q>(request: &Request<Q>) -> Result<Origin, Status> {
    request.extensions().get::<Origin>().cloned().ok_or_else(|| Status::internal("the request has no origin"))
}

fn connection<Q>(request: &Request<Q>) -> Result<Connection, Status> {
    request
        .extensions()
        .get::<Connection>()
        .cloned()
        .ok_or_else(|| Status::internal("the request has no connection"))
}

fn wire(duration: Option<Duration>) -> Option<ProtoDuration> {
    duration.and_then(|duration| ProtoDuration::try_from(duration).ok())
}
