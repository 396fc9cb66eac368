//! Credentials of federated users: for whom the settings list, under policies that they list, and read by the
//! recipients of the task alone.

use std::sync::Arc;

use age::x25519::Identity;
use batond::baton::api::{Task, task};
use batond::baton::profile::Profile;
use batond::baton::v2::EncryptionConfig;
use batond::baton::v2::encryption_config::{AgeRecipientConfig, Config};
use batond::baton::{Code, any, v2};
use batond::config::{AwsSettings, SyncSettings};
use batond::connector::Connector;
use batond::connector::policy::{self, Role};
use batond::tasks::{Context, Failure, Outcome, execute};
use prost::Name;
use prost_types::Any;
use serde_json::Value;
use testbed::CANARY;
use testbed::aws::{Effect, Fault, Fixture, Server};
use tokio_util::sync::CancellationToken;

use super::log::Log;
use crate::support::aws_settings;

const NAME: &str = "issue_federation_token";
const CALL: &str = "sts:GetFederationToken";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

struct Bench {
    aws: Server,
    context: Context,
}

impl Bench {
    async fn start(change: impl FnOnce(&mut AwsSettings)) -> Self {
        let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
        let mut settings = aws_settings(&aws);
        settings.vend_federated_users = vec!["arn:aws:sts::111111111111:federated-user/ci-*".into()];
        settings.vend_federated_policies = vec![READ_ONLY.into()];
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
        Self { aws, context }
    }

    async fn run(&self, kind: task::TaskType) -> Result<Any, Failure> {
        let task = Task { id: "t".into(), task_type: Some(kind), ..Task::default() };
        match execute(task, &self.context, &CancellationToken::new()).await {
            Outcome::Done { response, .. } => Ok(response),
            Outcome::Failed(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    async fn invoke(
        &self,
        arguments: Profile,
        encryption_configs: Vec<EncryptionConfig>,
    ) -> Result<v2::InvokeActionResponse, Failure> {
        let args = Some(arguments.build());
        let order =
            task::ActionInvokeTask { name: NAME.into(), args, encryption_configs, ..Default::default() };
        self.run(task::TaskType::ActionInvoke(order)).await.map(|response| unpack(&response))
    }

    /// How it is refused, without a call.
    async fn refusal(&self, arguments: Profile) -> (Code, String) {
        let before = self.aws.counters().total();
        let failure = self.invoke(arguments, vec![config(&Identity::generate())]).await.unwrap_err();
        assert!(failure.non_retryable, "{}", failure.status.message);
        assert_eq!(self.aws.counters().total(), before);
        (failure.code(), failure.status.message)
    }
}

fn unpack<M: Name + Default>(response: &Any) -> M {
    any::find(std::slice::from_ref(response)).unwrap()
}

fn of(recipient: &str) -> EncryptionConfig {
    let config = AgeRecipientConfig { recipient: recipient.to_owned() };
    EncryptionConfig { config: Some(Config::AgeRecipientConfig(config)), ..EncryptionConfig::default() }
}

fn config(identity: &Identity) -> EncryptionConfig {
    of(&identity.to_public().to_string())
}

fn arguments() -> Profile {
    Profile::new().string("name", "ci-deploy")
}

#[tokio::test]
async fn credentials_reach_the_recipients_alone_and_the_status_repeats_their_ciphertext() {
    let (log, bench) = (Log::capture(), Bench::start(|_| {}).await);
    let (one, other) = (Identity::generate(), Identity::generate());
    let asked = arguments()
        .number("duration_seconds", 900)
        .list("policy_arns", [READ_ONLY])
        .object("tags", Profile::new().string("team", "shop"))
        .number("minimum_session_token_size", 4096);
    let answer = bench.invoke(asked, vec![config(&one), config(&other)]).await.unwrap();
    assert_eq!((answer.status(), answer.name.as_str()), (v2::BatonActionStatus::Complete, NAME));
    assert_eq!(bench.aws.counters().calls(CALL), 1);
    assert_eq!(bench.aws.counters().total(), 1);

    let [first, second] = <[_; 2]>::try_from(answer.encrypted_data.clone()).unwrap();
    assert_ne!(first.encrypted_bytes, second.encrypted_bytes);
    let mut read = Vec::new();
    for (identity, data) in [(&one, &first), (&other, &second)] {
        assert_eq!(
            (data.name.as_str(), data.description.as_str()),
            ("credentials", "AWS STS temporary credentials")
        );
        assert!(serde_json::from_str::<Value>(&data.schema).is_ok(), "{}", data.schema);
        let opened = age::decrypt(identity, &data.encrypted_bytes).unwrap();
        read.push(serde_json::from_slice::<Value>(&opened).unwrap());
    }
    assert_eq!(read[0], read[1]);
    assert!(read[0]["session_token"].as_str().is_some_and(|token| token.len() >= 4096));
    for member in ["access_key_id", "secret_access_key", "session_token"] {
        let secret = read[0][member].as_str().unwrap();
        assert!(!format!("{answer:?}").contains(secret), "{member} is in the answer");
        assert!(!log.text().contains(secret), "{member} is in the log");
    }

    let results = answer.response.clone().unwrap();
    let names: Vec<&String> = results.fields.keys().collect();
    assert_eq!(names, ["federated_user", "session_token_size", "session_token_utilization"]);
    assert!(format!("{results:?}").contains("arn:aws:sts::111111111111:federated-user/ci-deploy"));
    let line = log.the_audit("t");
    assert_eq!((line["operation"].as_str(), line["outcome"].as_str()), (CALL, "changed"));
    assert!(line["target_id"].ends_with("federated-user/ci-deploy"), "{line:?}");

    let ask = task::ActionStatusTask { id: answer.id.clone(), ..Default::default() };
    let status: v2::GetActionStatusResponse =
        unpack(&bench.run(task::TaskType::ActionStatus(ask)).await.unwrap());
    assert_eq!((status.response, status.encrypted_data), (answer.response, answer.encrypted_data));
}

#[tokio::test]
async fn it_is_not_started_without_recipients_that_can_be_encrypted_for() {
    let bench = Bench::start(|_| {}).await;
    let valid = config(&Identity::generate());
    let low_order = of("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z");
    for configs in
        [vec![], vec![low_order.clone()], vec![valid, low_order], vec![EncryptionConfig::default()]]
    {
        let failure = bench.invoke(arguments(), configs).await.unwrap_err();
        assert_eq!((failure.code(), failure.non_retryable), (Code::InvalidArgument, true));
    }
    assert_eq!(bench.aws.counters().total(), 0);
}

#[tokio::test]
async fn arguments_out_of_bounds_are_refused_before_any_call() {
    let bench = Bench::start(|settings| settings.vend_federated_policies = vec!["*".into()]).await;
    let many = |count: usize| (0..count).map(|at| format!("{READ_ONLY}{at}"));
    let tags = |count: usize| (0..count).fold(Profile::new(), |tags, at| tags.string(at.to_string(), "x"));
    for (asked, word) in [
        (Profile::new(), "name is missing"),
        (arguments().string("name", "x"), "name is not 2 to 32"),
        (arguments().string("name", "ci deploy"), "name is not"),
        (arguments().string("name", "c".repeat(33)), "name is not"),
        (arguments().number("duration_seconds", 899), "900 to 129600"),
        (arguments().number("duration_seconds", 129_601), "900 to 129600"),
        (arguments().number("duration_seconds", f64::NAN), "900 to 129600"),
        (arguments().string("duration_seconds", "900"), "900 to 129600"),
        (arguments().string("policy", "{"), "policy is no JSON object"),
        (arguments().string("policy", "[]"), "policy is no JSON object"),
        (arguments().string("policy", format!("{{\"a\":\"{}\"}}", "x".repeat(2048))), "policy is not"),
        (arguments().string("policy", format!("{{\"a\":\"{}\"}}", "ü".repeat(1500))), "2048 bytes"),
        (arguments().list("policy_arns", many(11)), "more than 10"),
        (arguments().list("policy_arns", [" "]), "blank"),
        (arguments().list("policy_arns", [1.0]), "no text"),
        (arguments().list("policy_arns", ["ReadOnlyAccess"]), "an item of policy_arns is not"),
        (arguments().string("policy_arns", READ_ONLY), "policy_arns is no list"),
        (arguments().object("tags", tags(51)), "more than 50"),
        (arguments().object("tags", Profile::new().number("team", 1)), "no text"),
        (arguments().object("tags", Profile::new().string("a&b", "x")), "a key of tags"),
        (arguments().object("tags", Profile::new().string("a", "x".repeat(257))), "a value of tags"),
        (arguments().number("minimum_session_token_size", 4097), "0 to 4096"),
        (arguments().number("minimum_session_token_size", -1), "0 to 4096"),
    ] {
        let (code, message) = bench.refusal(asked).await;
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.contains(word), "{message} lacks {word}");
    }
    let most = arguments()
        .list("policy_arns", many(10))
        .object("tags", tags(50))
        .string("policy", POLICY)
        .number("duration_seconds", 129_600);
    bench.invoke(most, vec![config(&Identity::generate())]).await.unwrap();
}

#[tokio::test]
async fn who_is_not_listed_and_what_is_not_listed_is_refused_before_any_call() {
    let bench = Bench::start(|_| {}).await;
    for (asked, word) in [
        (arguments().string("name", "ops-deploy"), "BATON_VEND_FEDERATED_USERS"),
        (arguments().string("name", "CI-deploy"), "BATON_VEND_FEDERATED_USERS"),
        (arguments().list("policy_arns", [READ_ONLY, ADMIN]), ADMIN),
        (arguments().string("policy", POLICY), "BATON_VEND_FEDERATED_POLICIES"),
    ] {
        let (code, message) = bench.refusal(asked).await;
        assert_eq!(code, Code::FailedPrecondition, "{message}");
        assert!(message.contains(word), "{message} lacks {word}");
    }
    let without = Bench::start(|settings| settings.vend_federated_policies.clear()).await;
    let (code, message) = without.refusal(arguments().list("policy_arns", [READ_ONLY])).await;
    assert_eq!(code, Code::FailedPrecondition, "{message}");
    let bare = arguments().string("policy", " ");
    without.invoke(bare, vec![config(&Identity::generate())]).await.unwrap();
}

#[tokio::test]
async fn a_connector_that_works_as_a_role_is_told_that_only_a_user_is_given_tokens() {
    let as_role = |settings: &mut AwsSettings| {
        settings.role = Some("arn:aws:iam::111111111111:role/BatonConnector".parse().unwrap());
        let external_id = "CANARY-SECRET-0b5c7d-external-id-of-the-customer";
        settings.external_id = Some(batond::config::Secret::from(external_id));
    };
    let bench = Bench::start(as_role).await;
    let (code, message) = bench.refusal(arguments()).await;
    assert_eq!(code, Code::FailedPrecondition);
    assert!(
        message.contains("assumed-role/BatonConnector") && message.contains("BATON_ROLE_ARN"),
        "{message}"
    );
}

#[tokio::test]
async fn without_the_list_there_is_no_such_action_and_without_provisioning_it_is_refused() {
    let off = Bench::start(|settings| settings.vend_federated_users.clear()).await;
    let list = task::TaskType::ActionListSchemas(task::ActionListSchemasTask::default());
    let listed: v2::ListActionSchemasResponse = unpack(&off.run(list.clone()).await.unwrap());
    assert!(listed.schemas.iter().all(|schema| schema.name != NAME));
    let failure = off.invoke(arguments(), vec![config(&Identity::generate())]).await.unwrap_err();
    assert_eq!(failure.code(), Code::NotFound);
    assert_eq!(off.aws.counters().total(), 0);

    let mut bench = Bench::start(|_| {}).await;
    let listed: v2::ListActionSchemasResponse = unpack(&bench.run(list).await.unwrap());
    let schema = listed.schemas.iter().find(|schema| schema.name == NAME).unwrap();
    let secret: Vec<&str> =
        schema.return_types.iter().filter(|one| one.is_secret).map(|one| one.name.as_str()).collect();
    assert_eq!(secret, ["credentials"]);
    let required: Vec<&str> =
        schema.arguments.iter().filter(|one| one.is_required).map(|one| one.name.as_str()).collect();
    assert_eq!(required, ["name"]);
    bench.context.provisioning = false;
    assert_eq!(bench.refusal(arguments()).await.0, Code::FailedPrecondition);
}

#[tokio::test]
async fn what_sts_refuses_is_told_apart() {
    let error = |code: &str, status| Effect::Error { code: code.into(), message: "no".into(), status };
    for (effect, code, is_final) in [
        (error("MalformedPolicyDocument", 400), Code::InvalidArgument, true),
        (error("PackedPolicyTooLarge", 400), Code::InvalidArgument, true),
        (error("ValidationError", 400), Code::InvalidArgument, true),
        (error("InvalidParameterValue", 400), Code::InvalidArgument, true),
        (error("RegionDisabledException", 403), Code::FailedPrecondition, true),
        (error("AuthorizationError", 403), Code::PermissionDenied, true),
        (Effect::Deny, Code::PermissionDenied, true),
        (error("InvalidClientTokenId", 403), Code::Unauthenticated, true),
        (Effect::Throttle, Code::ResourceExhausted, false),
        (error("ServiceUnavailable", 503), Code::Unavailable, false),
        (Effect::Drop("Credentials".into()), Code::Internal, true),
        (Effect::Drop("SessionToken".into()), Code::Internal, true),
        (Effect::Drop("FederatedUser".into()), Code::Internal, true),
    ] {
        let (log, bench) = (Log::capture(), Bench::start(|_| {}).await);
        let told = format!("{effect:?}");
        tokio::time::pause();
        bench.aws.arm(Fault::new(CALL, effect));
        let failure = bench.invoke(arguments(), vec![config(&Identity::generate())]).await.unwrap_err();
        tokio::time::resume();
        assert_eq!((failure.code(), failure.non_retryable), (code, is_final), "{told}: {failure:?}");
        assert!(!failure.status.message.contains(CANARY) && !log.text().contains(CANARY), "{told}");
    }
}

#[test]
fn the_policy_holds_the_call_where_the_list_is_set() {
    let wanted = |settings: &AwsSettings, provisioning| {
        let found = policy::of(Role::Main, settings, provisioning, false).unwrap().unwrap();
        found.permissions.actions().any(|action| action == CALL)
    };
    let list = vec!["*:federated-user/ci".into()];
    let on = AwsSettings { vend_federated_users: list, ..AwsSettings::default() };
    assert!(wanted(&on, true));
    assert!(!wanted(&on, false) && !wanted(&AwsSettings::default(), true));
}
