//! A scenario: a small file that says what a server hands out, in which order, and what goes wrong meanwhile.

use std::time::Duration;
use std::{fs, io, path::Path};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use serde::{Deserialize, Deserializer};
use tonic::Code;

use super::{Certificate, Fault, Impatient, Kind, Leasing, Options, Pace, Rpc, Server, Violation, task};
use crate::proto::api::Task;
use crate::proto::api::task::SyncFullTask;
use crate::proto::v2::{Entitlement, Grant, Resource};

/// What a server does, step by step. Each step ends before the next begins; one that hands out a task ends with it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// How long each step may take. Default 5 min.
    #[serde(default = "five_minutes", deserialize_with = "duration")]
    patience: Duration,
    #[serde(default)]
    pace: PaceText,
    #[serde(default)]
    leasing: LeasingText,
    steps: Vec<Step>,
}

/// Why a file is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// The text is not of the right form.
    #[error("{0}")]
    Form(String),
    /// The bytes of a `task` step are no task.
    #[error("step {step}: {fault}")]
    Task {
        /// Number of the step, from 1.
        step: usize,
        /// What is wrong with it.
        fault: String,
    },
}

/// How a scenario that did not go well ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A step took too long.
    #[error("step {step} did not end")]
    Impatient {
        /// Number of the step, from 1.
        step: usize,
        /// What was waited for.
        #[source]
        source: Impatient,
    },
    /// A task ended otherwise than expected.
    #[error("step {step}: expected {expected:?}, but the connector reported {reported}")]
    Outcome {
        /// Number of the step, from 1.
        step: usize,
        /// What the scenario expects.
        expected: Expected,
        /// What the connector said.
        reported: String,
    },
    /// The port could not be opened again.
    #[error("step {step}: the port cannot be opened again")]
    Port {
        /// Number of the step, from 1.
        step: usize,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// All tasks ended as expected, but the connector broke the protocol.
    #[error("the connector broke the protocol {} times; first: {:?}", .0.len(), .0.first())]
    Violations(Vec<Violation>),
}

/// How a task shall end.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// With success.
    #[default]
    Success,
    /// With an error that is not tried again.
    Failure,
    /// Either way.
    Any,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Hello,
    SyncFull(SyncText),
    Grant(GrantText),
    Revoke(GrantText),
    /// A task of any kind, as base64 of its encoding; its id is replaced if it is empty.
    Task(RawText),
    Wait(#[serde(deserialize_with = "duration")] Duration),
    Fault(FaultText),
    /// Refuses connections for this long.
    Outage(#[serde(deserialize_with = "duration")] Duration),
    Disconnect,
    GoAway,
    ExpireTokens,
    /// Shows another certificate from now on.
    Certificate(CertificateText),
}

/// The certificates that a server can show.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CertificateText {
    Renewed,
    Expired,
    Foreign,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SyncText {
    skip_expand_grants: bool,
    skip_entitlements_and_grants: bool,
    skip_grants: bool,
    sync_resource_type_ids: Vec<String>,
    #[serde(deserialize_with = "some_duration")]
    cancel_after: Option<Duration>,
    expect: Expected,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantText {
    /// Id of the grant; usually made from the other two.
    id: Option<String>,
    entitlement: EntitlementText,
    principal: ResourceText,
    #[serde(default)]
    expect: Expected,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntitlementText {
    /// Usually made from the other three.
    id: Option<String>,
    resource_type: String,
    resource: String,
    slug: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceText {
    resource_type: String,
    resource: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawText {
    protobuf: String,
    #[serde(default)]
    expect: Expected,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultText {
    rpc: Rpc,
    #[serde(default = "once")]
    times: usize,
    how: How,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum How {
    Slow(#[serde(deserialize_with = "duration")] Duration),
    Status(CodeText),
    LoseReply,
    Disconnect,
    Hang,
    Twice,
    DropAfter(u64),
    Http(u16),
    Body(String),
    WorthlessToken,
    /// Bytes in base64.
    Raw(String),
}

/// The codes that a scripted status can have.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CodeText {
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PaceText {
    #[serde(deserialize_with = "some_duration")]
    next_poll: Option<Duration>,
    #[serde(deserialize_with = "some_duration")]
    next_heartbeat: Option<Duration>,
    #[serde(deserialize_with = "some_duration")]
    token_lifetime: Option<Duration>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LeasingText {
    #[serde(deserialize_with = "some_duration")]
    lease: Option<Duration>,
    missed_heartbeats: Option<u32>,
    redeliver_lost: Option<bool>,
    redeliver_retryable: Option<bool>,
    #[serde(deserialize_with = "some_duration")]
    redelivery_delay: Option<Duration>,
    deliveries: Option<u32>,
}

impl Scenario {
    /// Reads a scenario from a file.
    ///
    /// # Errors
    /// The file cannot be read, or is not of the right form.
    pub fn from_path(path: &Path) -> Result<Self, ScenarioError> {
        fs::read_to_string(path).map_err(ScenarioError::Read)?.parse()
    }

    /// The scenario that needs no file: a hello and a full sync.
    pub fn hello_and_sync() -> Self {
        Self {
            patience: five_minutes(),
            pace: PaceText::default(),
            leasing: LeasingText::default(),
            steps: vec![Step::Hello, Step::SyncFull(SyncText::default())],
        }
    }

    /// The same scenario in less time: what the server tells about time, leases, waits and outages are divided by
    /// `times`. Patience and scripted delays stay as they are, since they are about a connector whose clock runs on.
    #[must_use]
    pub fn faster(mut self, times: u32) -> Self {
        let times = times.max(1);
        let (pace, leasing) = (Pace::default(), Leasing::default());
        self.pace = PaceText {
            next_poll: self.pace.next_poll.or(pace.next_poll).map(|told| told / times),
            next_heartbeat: self.pace.next_heartbeat.or(pace.next_heartbeat).map(|told| told / times),
            token_lifetime: Some(self.pace.token_lifetime.unwrap_or(pace.token_lifetime) / times),
        };
        self.leasing.lease = Some(self.leasing.lease.unwrap_or(leasing.lease) / times);
        self.leasing.redelivery_delay = self.leasing.redelivery_delay.map(|told| told / times);
        for step in &mut self.steps {
            if let Step::Wait(length) | Step::Outage(length) = step {
                *length /= times;
            }
        }
        self
    }

    /// The scenario without steps: the server serves, and hands out nothing of its own.
    pub fn silent() -> Self {
        Self { steps: Vec::new(), ..Self::hello_and_sync() }
    }

    /// The set-up of a server that shall play this scenario: usual but for what the file says.
    pub fn options(&self) -> Options {
        let (pace, leasing) = (Pace::default(), Leasing::default());
        Options {
            patience: self.patience,
            pace: Pace {
                next_poll: self.pace.next_poll.or(pace.next_poll),
                next_heartbeat: self.pace.next_heartbeat.or(pace.next_heartbeat),
                token_lifetime: self.pace.token_lifetime.unwrap_or(pace.token_lifetime),
                ..pace
            },
            leasing: Leasing {
                lease: self.leasing.lease.unwrap_or(leasing.lease),
                missed_heartbeats: self.leasing.missed_heartbeats.unwrap_or(leasing.missed_heartbeats),
                redeliver_lost: self.leasing.redeliver_lost.unwrap_or(leasing.redeliver_lost),
                redeliver_retryable: self.leasing.redeliver_retryable.unwrap_or(leasing.redeliver_retryable),
                redelivery_delay: self.leasing.redelivery_delay.unwrap_or(leasing.redelivery_delay),
                deliveries: self.leasing.deliveries.unwrap_or(leasing.deliveries),
            },
            ..Options::default()
        }
    }

    /// Plays all steps on `server`, and tells of each as it ends.
    ///
    /// # Errors
    /// A step took too long or ended otherwise than expected, or the connector broke the protocol at any time.
    pub async fn play(&self, server: &Server, mut tell: impl FnMut(String)) -> Result<(), Failure> {
        for (step, number) in self.steps.iter().zip(1..) {
            let ended = play_step(step, number, server).await?;
            tell(format!("step {number} of {}: {ended}", self.steps.len()));
        }
        let violations = server.violations();
        if violations.is_empty() { Ok(()) } else { Err(Failure::Violations(violations)) }
    }
}

impl std::str::FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self =
            serde_saphyr::from_str(text).map_err(|error| ScenarioError::Form(error.to_string()))?;
        for (step, number) in scenario.steps.iter().zip(1..) {
            if let Step::Task(raw) = step {
                raw.task().map_err(|fault| ScenarioError::Task { step: number, fault })?;
            }
        }
        Ok(scenario)
    }
}

async fn play_step(step: &Step, number: usize, server: &Server) -> Result<String, Failure> {
    let port = |source| Failure::Port { step: number, source };
    Ok(match step {
        Step::Hello => {
            let id = server.push(task::hello());
            let hello =
                server.greeted(&id).await.map_err(|source| Failure::Impatient { step: number, source })?;
            format!("hello from {} with {} resource types", hello.host_id, hello.resource_types.len())
        }
        Step::SyncFull(sync) => {
            let id = server.push(task::sync(sync.options()));
            if let Some(delay) = sync.cancel_after {
                tokio::time::sleep(delay).await;
                server.cancel(&id);
            }
            let outcome = ended(server, &id, number, sync.expect).await?;
            let bytes: u64 = server.uploads(&id).iter().map(|asset| asset.bytes).sum();
            format!("sync_full {outcome}, {bytes} bytes uploaded")
        }
        Step::Grant(grant) => {
            let task = task::grant(grant.entitlement.build(), grant.principal.build());
            format!("grant {}", hand_out(server, task, number, grant.expect).await?)
        }
        Step::Revoke(grant) => {
            let task = task::revoke(grant.build());
            format!("revoke {}", hand_out(server, task, number, grant.expect).await?)
        }
        Step::Task(raw) => {
            let task = raw.task().unwrap_or_default();
            let kind = Kind::of(&task);
            format!("{kind:?} {}", hand_out(server, task, number, raw.expect).await?)
        }
        Step::Wait(delay) => {
            tokio::time::sleep(*delay).await;
            format!("waited {delay:?}")
        }
        Step::Fault(fault) => {
            server.fault(fault.rpc, &fault.how.fault(), fault.times);
            format!("the next {} calls of {:?} will fail: {:?}", fault.times, fault.rpc, fault.how)
        }
        Step::Outage(length) => {
            server.pause().await;
            tokio::time::sleep(*length).await;
            server.resume().await.map_err(port)?;
            format!("refused connections for {length:?}")
        }
        Step::Disconnect => {
            server.disconnect().await.map_err(port)?;
            "dropped all connections".to_owned()
        }
        Step::GoAway => {
            server.go_away();
            "told all connections to end".to_owned()
        }
        Step::ExpireTokens => {
            server.expire_tokens();
            "made all access tokens worthless".to_owned()
        }
        Step::Certificate(text) => {
            let certificate = match text {
                CertificateText::Renewed => Certificate::Renewed,
                CertificateText::Expired => Certificate::Expired,
                CertificateText::Foreign => Certificate::Foreign,
            };
            server.present(certificate).await.map_err(port)?;
            format!("shows another certificate: {certificate:?}")
        }
    })
}

async fn hand_out(server: &Server, task: Task, step: usize, expected: Expected) -> Result<String, Failure> {
    let id = server.push(task);
    ended(server, &id, step, expected).await
}

async fn ended(server: &Server, id: &str, step: usize, expected: Expected) -> Result<String, Failure> {
    let finish = server.finished(id).await.map_err(|source| Failure::Impatient { step, source })?;
    let reported = if finish.success {
        "success".to_owned()
    } else {
        format!("error {:?}: {}", finish.grpc_code(), finish.message)
    };
    match (expected, finish.success) {
        (Expected::Success, false) | (Expected::Failure, true) => {
            Err(Failure::Outcome { step, expected, reported })
        }
        _ => Ok(format!("ended with {reported}")),
    }
}

impl SyncText {
    fn options(&self) -> SyncFullTask {
        SyncFullTask {
            skip_expand_grants: self.skip_expand_grants,
            skip_entitlements_and_grants: self.skip_entitlements_and_grants,
            skip_grants: self.skip_grants,
            sync_resource_type_ids: self.sync_resource_type_ids.clone(),
            ..SyncFullTask::default()
        }
    }
}

impl GrantText {
    fn build(&self) -> Grant {
        let mut grant = task::held(self.entitlement.build(), self.principal.build());
        if let Some(id) = &self.id {
            grant.id.clone_from(id);
        }
        grant
    }
}

impl EntitlementText {
    fn build(&self) -> Entitlement {
        let mut entitlement =
            task::entitlement(task::resource(&self.resource_type, &self.resource), &self.slug);
        if let Some(id) = &self.id {
            entitlement.id.clone_from(id);
        }
        entitlement
    }
}

impl ResourceText {
    fn build(&self) -> Resource {
        task::resource(&self.resource_type, &self.resource)
    }
}

impl RawText {
    fn task(&self) -> Result<Task, String> {
        let bytes =
            STANDARD.decode(&self.protobuf).map_err(|error| format!("protobuf is not base64: {error}"))?;
        let mut task = Task::decode(&*bytes).map_err(|error| format!("protobuf is not a Task: {error}"))?;
        if task.id.is_empty() {
            task.id = task::new_id();
        }
        Ok(task)
    }
}

impl How {
    fn fault(&self) -> Fault {
        match self {
            Self::Slow(delay) => Fault::Slow(*delay),
            Self::Status(code) => Fault::Status(code.code(), "scripted".to_owned()),
            Self::LoseReply => Fault::LoseReply,
            Self::Disconnect => Fault::Disconnect,
            Self::Hang => Fault::Hang,
            Self::Twice => Fault::Twice,
            Self::DropAfter(bytes) => Fault::DropAfter(*bytes),
            Self::Http(status) => Fault::Http(*status),
            Self::Body(body) => Fault::Body(body.clone()),
            Self::WorthlessToken => Fault::WorthlessToken,
            // What is no base64 is malformed enough as it is.
            Self::Raw(text) => {
                Fault::Raw(STANDARD.decode(text).unwrap_or_else(|_| text.clone().into_bytes()))
            }
        }
    }
}

impl CodeText {
    fn code(self) -> Code {
        match self {
            Self::Cancelled => Code::Cancelled,
            Self::Unknown => Code::Unknown,
            Self::InvalidArgument => Code::InvalidArgument,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::NotFound => Code::NotFound,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::ResourceExhausted => Code::ResourceExhausted,
            Self::FailedPrecondition => Code::FailedPrecondition,
            Self::Aborted => Code::Aborted,
            Self::OutOfRange => Code::OutOfRange,
            Self::Unimplemented => Code::Unimplemented,
            Self::Internal => Code::Internal,
            Self::Unavailable => Code::Unavailable,
            Self::DataLoss => Code::DataLoss,
            Self::Unauthenticated => Code::Unauthenticated,
        }
    }
}

fn once() -> usize {
    1
}

fn five_minutes() -> Duration {
    Duration::from_mins(5)
}

/// A duration as people write it: `500ms`, `2s`, `1m 30s`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let signed: jiff::SignedDuration = text.parse().map_err(serde::de::Error::custom)?;
    Duration::try_from(signed).map_err(serde::de::Error::custom)
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_step_can_be_written() {
        let encoded = STANDARD.encode(task::hello().encode_to_vec());
        let text = format!(
            "
patience: 1m 30s
pace: {{ next_poll: 200ms, token_lifetime: 20s }}
leasing: {{ lease: 10s, redeliver_retryable: false }}
steps:
  - hello
  - sync_full: {{}}
  - sync_full: {{ skip_grants: true, sync_resource_type_ids: [account], cancel_after: 1s, expect: failure }}
  - grant:
      entitlement: {{ resource_type: sso_group, resource: 'arn:g', slug: member }}
      principal: {{ resource_type: sso_user, resource: 'arn:u' }}
  - revoke:
      id: membership-1
      entitlement: {{ id: own, resource_type: sso_group, resource: 'arn:g', slug: member }}
      principal: {{ resource_type: sso_user, resource: 'arn:u' }}
      expect: any
  - task: {{ protobuf: '{encoded}' }}
  - wait: 2s
  - fault: {{ rpc: finish_task, times: 2, how: lose_reply }}
  - fault: {{ rpc: hello, how: {{ status: unavailable }} }}
  - fault: {{ rpc: token, how: {{ http: 503 }} }}
  - fault: {{ rpc: get_tasks, how: twice }}
  - outage: 5s
  - disconnect
  - go_away
  - expire_tokens
"
        );
        let scenario: Scenario = text.parse().unwrap();
        assert_eq!(scenario.steps.len(), 15);
        let options = scenario.options();
        assert_eq!(options.patience, Duration::from_secs(90));
        assert_eq!(options.pace.next_poll, Some(Duration::from_millis(200)));
        assert_eq!(options.pace.next_heartbeat, Pace::default().next_heartbeat);
        assert!(!options.leasing.redeliver_retryable && options.leasing.redeliver_lost);
        let Step::Revoke(revoke) = &scenario.steps[4] else { panic!("{:?}", scenario.steps[4]) };
        let grant = revoke.build();
        assert_eq!((grant.id.as_str(), grant.entitlement.unwrap().id.as_str()), ("membership-1", "own"));
    }

    #[test]
    fn a_faster_scenario_divides_what_it_says_about_time() {
        let text = "
patience: 1m
pace: { next_poll: 1s }
leasing: { lease: 1m, redelivery_delay: 30s }
steps: [wait: 1m, outage: 10m, { sync_full: { cancel_after: 1s } }]
";
        let scenario = text.parse::<Scenario>().unwrap().faster(60);
        let options = scenario.options();
        assert_eq!(options.patience, Duration::from_mins(1));
        assert_eq!(options.pace.next_poll, Some(Duration::from_secs(1) / 60));
        assert_eq!(options.pace.token_lifetime, Duration::from_mins(1));
        assert_eq!(options.leasing.lease, Duration::from_secs(1));
        assert_eq!(options.leasing.redelivery_delay, Duration::from_millis(500));
        let lengths = [Duration::from_secs(1), Duration::from_secs(10)];
        assert!(
            matches!(&scenario.steps[..2], [Step::Wait(wait), Step::Outage(outage)] if [*wait, *outage] == lengths)
        );
    }

    #[test]
    fn a_misspelt_key_is_named() {
        let error = "steps:\n  - sync_full: { skip_grant: true }".parse::<Scenario>().unwrap_err();
        assert!(error.to_string().contains("skip_grant"), "{error}");
    }

    #[test]
    fn a_duration_without_a_unit_is_refused() {
        assert!("steps:\n  - wait: 2".parse::<Scenario>().is_err());
    }

    #[test]
    fn bytes_that_are_no_task_are_refused_with_their_step() {
        let error = "steps:\n  - hello\n  - task: { protobuf: '!' }".parse::<Scenario>().unwrap_err();
        assert!(error.to_string().starts_with("step 2: protobuf is not base64"), "{error}");
    }
}
