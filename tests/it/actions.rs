//! The action that gives sessions of roles, as tasks ask for it.

use std::sync::Arc;

use age::x25519::Identity;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use batond::baton::api::{Task, task};
use batond::baton::encryption::key_id;
use batond::baton::profile::Profile;
use batond::baton::{Code, any, v2};
use batond::config::{AwsSettings, SyncSettings};
use batond::connector::Connector;
use batond::tasks::{Context, Failure, Outcome, execute};
use prost::Name;
use prost_types::{Any, Struct};
use testbed::aws::{Effect, Fault, Fixture, IamRole, Server};
use tokio_util::sync::CancellationToken;

use crate::support::aws_settings;

const NAME: &str = "assume_role_with_web_identity";
const ROLE: &str = "arn:aws:iam::111111111111:role/Deployer";
const TOKEN: &str = "CANARY-web-identity-token";

struct Bench {
    aws: Server,
    context: Context,
    identity: Identity,
}

impl Bench {
    async fn start(change: impl FnOnce(&mut AwsSettings)) -> Self {
        let mut fixture = Fixture::example().unwrap();
        fixture.principals.roles.push(IamRole {
            name: "Deployer".into(),
            web_identity_tokens: vec![TOKEN.into()],
            ..IamRole::default()
        });
        let aws = Server::start(fixture).await.unwrap();
        let mut settings = aws_settings(&aws);
        change(&mut settings);
        let context = Context {
            engine: Arc::new(Connector::open(&settings).await.unwrap()),
            provisioning: true,
            sync: SyncSettings::default(),
            work_dir: std::env::temp_dir(),
            prepared: Arc::default(),
            crawls: Arc::default(),
            breaker: Arc::default(),
            invoked: Arc::default(),
        };
        aws.reset_counters();
        Self { aws, context, identity: Identity::generate() }
    }

    fn arguments(&self) -> Profile {
        Profile::new()
            .string("role_arn", ROLE)
            .string("web_identity_token", TOKEN)
            .string("age_recipient", self.identity.to_public().to_string())
            .string("session_name", "deploy@ci")
            .number("duration_seconds", 900.5)
    }

    async fn run(&self, kind: task::TaskType) -> Outcome {
        let task = Task { id: "t".into(), task_type: Some(kind), ..Task::default() };
        execute(task, &self.context, &CancellationToken::new()).await
    }

    async fn invoke(&self, arguments: Profile) -> Result<v2::InvokeActionResponse, Failure> {
        let order =
            task::ActionInvokeTask { name: NAME.into(), args: Some(arguments.build()), ..Default::default() };
        match self.run(task::TaskType::ActionInvoke(order)).await {
            Outcome::Done { response, .. } => Ok(unpack(&response)),
            Outcome::Failed(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    async fn status(&self, id: &str) -> Result<v2::GetActionStatusResponse, Failure> {
        let order = task::ActionStatusTask { id: id.into(), ..Default::default() };
        match self.run(task::TaskType::ActionStatus(order)).await {
            Outcome::Done { response, .. } => Ok(unpack(&response)),
            Outcome::Failed(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }
}

fn unpack<M: Name + Default>(response: &Any) -> M {
    any::find(std::slice::from_ref(response)).unwrap()
}

fn field(results: &Struct, name: &str) -> String {
    match &results.fields[name].kind {
        Some(prost_types::value::Kind::StringValue(text)) => text.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn a_session_is_given_to_the_holder_of_a_token_for_the_recipient_alone() {
    let bench = Bench::start(|_| {}).await;
    let answer = bench.invoke(bench.arguments()).await.unwrap();
    assert_eq!((answer.status(), answer.name.as_str()), (v2::BatonActionStatus::Complete, NAME));
    let results = answer.response.clone().unwrap();
    let file = BASE64_STANDARD.decode(field(&results, "encrypted_credentials")).unwrap();
    let opened = age::decrypt(&bench.identity, &file).unwrap();
    let opened: serde_json::Value = serde_json::from_slice(&opened).unwrap();
    for member in ["access_key_id", "secret_access_key", "session_token"] {
        let secret = opened[member].as_str().unwrap();
        assert!(secret.len() > 10, "{member}");
        assert!(!format!("{answer:?}").contains(secret), "{member} is in the answer");
    }
    assert_eq!(opened["expiration"].as_str().unwrap(), field(&results, "expiration"));
    assert!(field(&results, "expiration").ends_with('Z'));
    assert_eq!(field(&results, "encryption_key_id"), key_id(&bench.identity.to_public().to_string()));
    assert!(field(&results, "assumed_role_arn").ends_with("assumed-role/Deployer/deploy@ci"));
    assert_eq!(bench.aws.counters().total(), 1);

    let status = bench.status(&answer.id).await.unwrap();
    assert_eq!((status.status(), status.response), (v2::BatonActionStatus::Complete, Some(results)));
    assert_eq!(bench.status("none").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn arguments_that_are_wrong_are_refused_before_any_call() {
    let bench = Bench::start(|_| {}).await;
    for (key, value, word) in [
        ("role_arn", " ", "role_arn is missing"),
        ("role_arn", "a\nb", "control"),
        ("web_identity_token", "", "web_identity_token is missing"),
        ("age_recipient", "age1pq1abc", "post-quantum"),
        ("age_recipient", "ssh-ed25519 AAAA", "X25519"),
        ("session_name", "x", "session_name"),
        ("session_name", "a b", "session_name"),
        ("duration_seconds", "900", "duration_seconds"),
        ("policy_json", "{", "policy_json"),
        ("policy_json", "[]", "policy_json"),
    ] {
        let failure = bench.invoke(bench.arguments().string(key, value)).await.unwrap_err();
        assert_eq!((failure.code(), failure.non_retryable), (Code::InvalidArgument, true), "{key}");
        assert!(failure.status.message.contains(word), "{}", failure.status.message);
    }
    for seconds in [899.9, 43_201.0, f64::NAN, f64::INFINITY, -900.0] {
        let failure = bench.invoke(bench.arguments().number("duration_seconds", seconds)).await.unwrap_err();
        assert_eq!(failure.code(), Code::InvalidArgument, "{seconds}");
    }
    let padded = format!(" {}", bench.identity.to_public());
    assert!(bench.invoke(bench.arguments().string("age_recipient", padded)).await.is_err());
    let long = format!("\"{}\"", "x".repeat(2048));
    assert!(bench.invoke(bench.arguments().string("policy_json", long)).await.is_err());
    assert_eq!(bench.aws.counters().total(), 0);
}

#[tokio::test]
async fn only_listed_roles_have_sessions_where_a_list_is_set() {
    let bench = Bench::start(|settings| settings.vend_roles = vec!["*:role/deploy/*".into()]).await;
    let failure = bench.invoke(bench.arguments()).await.unwrap_err();
    assert_eq!((failure.code(), failure.non_retryable), (Code::FailedPrecondition, true));
    assert!(failure.status.message.contains("BATON_VEND_ROLES"), "{}", failure.status.message);
    assert_eq!(bench.aws.counters().total(), 0);
    let bench = Bench::start(|settings| settings.vend_roles = vec![ROLE.into()]).await;
    bench.invoke(bench.arguments()).await.unwrap();
}

#[tokio::test]
async fn a_refused_token_is_told_from_a_refused_role_and_from_trouble() {
    let bench = Bench::start(|_| {}).await;
    let other = bench.arguments().string("web_identity_token", "CANARY-another");
    let failure = bench.invoke(other).await.unwrap_err();
    assert_eq!((failure.code(), failure.non_retryable), (Code::Unauthenticated, true));
    assert!(!failure.status.message.contains("CANARY"), "{}", failure.status.message);
    let refused = bench.arguments().string("role_arn", "arn:aws:iam::111111111111:role/Nobody");
    assert_eq!(bench.invoke(refused).await.unwrap_err().code(), Code::PermissionDenied);
    for (code, status, expected, is_final) in [
        ("ExpiredTokenException", 400, Code::Unauthenticated, true),
        ("PackedPolicyTooLarge", 400, Code::InvalidArgument, true),
        ("ServiceUnavailable", 503, Code::Unavailable, false),
    ] {
        tokio::time::pause();
        let effect = Effect::Error { code: code.into(), message: "no".into(), status };
        bench.aws.arm(Fault::new("sts:AssumeRoleWithWebIdentity", effect));
        let failure = bench.invoke(bench.arguments()).await.unwrap_err();
        assert_eq!((failure.code(), failure.non_retryable), (expected, is_final), "{code}");
        bench.aws.disarm();
        tokio::time::resume();
    }
}

#[tokio::test]
async fn without_provisioning_the_action_is_shown_and_refused() {
    let mut bench = Bench::start(|_| {}).await;
    bench.context.provisioning = false;
    let failure = bench.invoke(bench.arguments()).await.unwrap_err();
    assert_eq!((failure.code(), failure.non_retryable), (Code::FailedPrecondition, true));
    assert_eq!(bench.aws.counters().total(), 0);

    let Outcome::Done { response, .. } =
        bench.run(task::TaskType::ActionListSchemas(task::ActionListSchemasTask::default())).await
    else {
        panic!("no list")
    };
    let list: v2::ListActionSchemasResponse = unpack(&response);
    let [schema] = <[_; 1]>::try_from(list.schemas).unwrap();
    assert_eq!(schema.name, NAME);
    let secret: Vec<_> = schema.arguments.iter().filter(|one| one.is_secret).map(|one| &one.name).collect();
    assert_eq!(secret, ["web_identity_token"]);
    let of_type = task::ActionListSchemasTask { resource_type_id: "role".into(), ..Default::default() };
    let Outcome::Done { response, .. } = bench.run(task::TaskType::ActionListSchemas(of_type)).await else {
        panic!("no list")
    };
    assert!(unpack::<v2::ListActionSchemasResponse>(&response).schemas.is_empty());
    for (name, code) in [(NAME, None), ("other", Some(Code::NotFound)), ("", Some(Code::Unknown))] {
        let order = task::ActionGetSchemaTask { name: name.into(), ..Default::default() };
        match bench.run(task::TaskType::ActionGetSchema(order)).await {
            Outcome::Done { response, .. } => {
                let answer: v2::GetActionSchemaResponse = unpack(&response);
                assert_eq!((answer.schema.unwrap().name.as_str(), code), (name, None));
            }
            Outcome::Failed(failure) => assert_eq!(Some(failure.code()), code),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_action_that_there_is_not_is_not_found() {
    let bench = Bench::start(|_| {}).await;
    for (name, of, code) in
        [("other", "", Code::NotFound), (NAME, "role", Code::NotFound), ("", "", Code::Unknown)]
    {
        let order = task::ActionInvokeTask {
            name: name.into(),
            resource_type_id: of.into(),
            args: Some(bench.arguments().build()),
            ..Default::default()
        };
        match bench.run(task::TaskType::ActionInvoke(order)).await {
            Outcome::Failed(failure) => assert_eq!(failure.code(), code, "{name} {of}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.aws.counters().total(), 0);
}
