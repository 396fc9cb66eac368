//! Passwords and access keys: made once, told to their recipients alone, and never left where nobody has the secret.

use age::x25519::Identity;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use batond::baton::Code;
use batond::baton::profile::Profile;
use batond::baton::resource::{self, ResourceExt as _};
use batond::baton::v2::create_account_response::Result as Created;
use batond::baton::v2::credential_issue_options::{ApiKey, ClientSecret, Options as IssueOptions};
use batond::baton::v2::credential_options::{NoPassword, Options, RandomPassword};
use batond::baton::v2::encryption_config::{AgeRecipientConfig, Config, JwkPublicKeyConfig};
use batond::baton::v2::{
    AccountInfo, CreateAccountRequest, CreateAccountResponse, CredentialIssueOptions, CredentialOptions,
    EncryptedData, EncryptionConfig, IssueCredentialRequest, IssueCredentialResponse, ResourceId,
    RotateCredentialRequest, RotateCredentialResponse,
};
use batond::connector::{ProvisionError, access_key, iam_user, sso_user};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem, OpModeR, Serializable as _};
use prost_types::Timestamp;
use testbed::aws::{Effect, Fault};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, provision, request_id};
use super::log::Log;

const OWN: &str = "111111111111";
const SHOP: &str = "444444444444";
/// Has a password and a key.
const RICH: &str = "o,brien+x=1";
/// An age recipient that is the point zero.
const LOW_ORDER: &str = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z";
/// Has nothing.
const IDLE: &str = "idle";

fn user(account: &str, name: &str) -> ResourceId {
    resource::id(iam_user::ID, &format!("arn:aws:iam::{account}:user/{name}"))
}

fn config(identity: &Identity) -> EncryptionConfig {
    of_recipient(&identity.to_public().to_string())
}

pub(super) fn of_recipient(recipient: &str) -> EncryptionConfig {
    let config = Config::AgeRecipientConfig(AgeRecipientConfig { recipient: recipient.to_owned() });
    EncryptionConfig { config: Some(config), ..EncryptionConfig::default() }
}

fn random(length: i64) -> CredentialOptions {
    let random = RandomPassword { length, ..RandomPassword::default() };
    CredentialOptions { options: Some(Options::RandomPassword(random)), force_change_at_next_login: true }
}

pub(super) fn opened(identity: &Identity, data: &EncryptedData) -> String {
    String::from_utf8(age::decrypt(identity, &data.encrypted_bytes).unwrap()).unwrap()
}

pub(super) fn refuse(call: &str, code: &str, status: u16) -> Fault {
    Fault::once(call, Effect::Error { code: code.into(), message: "refused".into(), status })
}

pub(super) async fn rotate(
    bench: &Bench,
    task: &str,
    request: &RotateCredentialRequest,
) -> Result<RotateCredentialResponse, ProvisionError> {
    bench.connector.rotate_credential(request, &provision(task, &CancellationToken::new())).await
}

pub(super) fn rotation(id: ResourceId, identity: &Identity) -> RotateCredentialRequest {
    RotateCredentialRequest {
        resource_id: Some(id),
        credential_options: Some(random(20)),
        encryption_configs: vec![config(identity)],
    }
}

pub(super) async fn issue(
    bench: &Bench,
    task: &str,
    request: &IssueCredentialRequest,
) -> Result<IssueCredentialResponse, ProvisionError> {
    bench.connector.issue_credential(request, &provision(task, &CancellationToken::new())).await
}

/// Options of a credential whose secret is an access key.
fn of_keys(options: Option<IssueOptions>) -> CredentialIssueOptions {
    CredentialIssueOptions { secret_resource_type_id: access_key::ID.into(), options }
}

pub(super) fn issuing(id: ResourceId, identity: &Identity) -> IssueCredentialRequest {
    let options = of_keys(Some(IssueOptions::ApiKey(ApiKey::default())));
    IssueCredentialRequest {
        identity_id: Some(id),
        credential_options: Some(options),
        encryption_configs: vec![config(identity)],
        request_id: "task-1".into(),
        ..IssueCredentialRequest::default()
    }
}

pub(super) fn creation(identity: &Identity) -> CreateAccountRequest {
    let profile = Profile::new().string("username", "jdoe").string("email", "j@example.com");
    CreateAccountRequest {
        account_info: Some(AccountInfo { profile: Some(profile.build()), ..AccountInfo::default() }),
        credential_options: Some(random(24)),
        encryption_configs: vec![config(identity)],
        ..CreateAccountRequest::default()
    }
}

async fn create(
    bench: &Bench,
    request: &CreateAccountRequest,
) -> Result<CreateAccountResponse, ProvisionError> {
    bench.connector.create_account(request, &provision("t", &CancellationToken::new())).await
}

#[tokio::test]
async fn a_new_user_signs_in_with_the_password_that_only_the_recipients_read() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let (one, other) = (Identity::generate(), Identity::generate());
    let mut order = creation(&one);
    order.encryption_configs.push(config(&other));
    let answer = create(&bench, &order).await.unwrap();
    assert!(matches!(answer.result, Some(Created::Success(_))), "{:?}", answer.result);
    let (password, reset) = bench.aws.password(OWN, "jdoe").unwrap();
    assert!(reset && password.len() == 24);
    let [first, second] = <[_; 2]>::try_from(answer.encrypted_data).unwrap();
    assert_eq!((opened(&one, &first), opened(&other, &second)), (password.clone(), password.clone()));
    assert!(age::decrypt(&other, &first.encrypted_bytes).is_err());
    let lines = log.audit("t");
    let operations: Vec<_> = lines.iter().map(|line| line["operation"].as_str()).collect();
    assert_eq!(operations, ["iam:CreateUser", "iam:CreateLoginProfile"]);
    assert!(!log.text().contains(&password), "the password is in the log");
}

#[tokio::test]
async fn a_user_that_exists_keeps_its_password() {
    let bench = Bench::start().await;
    let identity = Identity::generate();
    create(&bench, &creation(&identity)).await.unwrap();
    let before = bench.aws.password(OWN, "jdoe");
    let again = create(&bench, &creation(&identity)).await.unwrap();
    assert!(matches!(again.result, Some(Created::AlreadyExists(_))));
    assert!(again.encrypted_data.is_empty());
    assert_eq!(bench.aws.password(OWN, "jdoe"), before);
}

#[tokio::test]
async fn a_password_that_aws_refuses_is_said_and_not_kept_silent() {
    let bench = Bench::start().await;
    bench.aws.arm(refuse("iam:CreateLoginProfile", "PasswordPolicyViolation", 400));
    let identity = Identity::generate();
    let answer = create(&bench, &creation(&identity)).await.unwrap();
    let Some(Created::ActionRequired(result)) = answer.result else { panic!("{:?}", answer.result) };
    assert!(
        result.message.contains("not its password") && result.message.contains("PasswordPolicyViolation")
    );
    assert!(result.resource.unwrap().object_id().ends_with("user/jdoe"));
    assert!(answer.encrypted_data.is_empty());
    let rotated = rotate(&bench, "t2", &rotation(user(OWN, "jdoe"), &identity)).await.unwrap();
    let (password, _) = bench.aws.password(OWN, "jdoe").unwrap();
    assert_eq!(opened(&identity, &rotated.encrypted_data[0]), password);
}

#[tokio::test]
async fn a_user_that_aws_does_not_know_everywhere_yet_is_looked_for_again() {
    let bench = Bench::start().await;
    tokio::time::pause();
    bench.aws.arm(refuse("iam:CreateLoginProfile", "NoSuchEntity", 404));
    let answer = create(&bench, &creation(&Identity::generate())).await.unwrap();
    assert!(matches!(answer.result, Some(Created::Success(_))));
    assert!(bench.aws.password(OWN, "jdoe").is_some());
}

#[tokio::test]
async fn an_account_is_not_made_when_its_password_could_reach_nobody() {
    let bench = Bench::start().await;
    let identity = Identity::generate();
    let with = |configs: Vec<EncryptionConfig>, length| CreateAccountRequest {
        encryption_configs: configs,
        credential_options: Some(random(length)),
        ..creation(&identity)
    };
    for (order, word) in [
        (with(vec![of_recipient(LOW_ORDER)], 20), "low order"),
        (with(vec![], 20), "no encryption configuration"),
        (with(vec![config(&identity), of_recipient("age1pq1x")], 20), "configuration 1: post-quantum"),
        (with(vec![config(&identity)], 7), "8 to 64"),
    ] {
        let error = create(&bench, &order).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Invalid(_)) && error.to_string().contains(word), "{error}");
    }
    assert_eq!(bench.aws.counters().total(), 0);
}

#[tokio::test]
async fn a_rotation_replaces_the_password_or_gives_the_first() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let identity = Identity::generate();
    for (name, operations) in [
        (RICH, &["iam:UpdateLoginProfile"][..]),
        (IDLE, &["iam:UpdateLoginProfile", "iam:CreateLoginProfile"]),
    ] {
        let answer = rotate(&bench, name, &rotation(user(OWN, name), &identity)).await.unwrap();
        let (password, reset) = bench.aws.password(OWN, name).unwrap();
        assert!(reset && opened(&identity, &answer.encrypted_data[0]) == password);
        assert_eq!(answer.resource_id.unwrap(), user(OWN, name));
        assert!(!request_id(&answer.annotations).is_empty());
        let lines = log.audit(name);
        let made: Vec<_> = lines.iter().map(|line| line["operation"].as_str()).collect();
        assert_eq!(made, operations);
        assert!(!log.text().contains(&password));
    }
}

#[tokio::test]
async fn a_lost_reply_leaves_the_password_that_is_handed_out() {
    let identity = Identity::generate();
    for (call, name) in [("iam:UpdateLoginProfile", RICH), ("iam:CreateLoginProfile", IDLE)] {
        let bench = Bench::start().await;
        bench.aws.arm(Fault::once(call, Effect::LostReply));
        let answer = rotate(&bench, "t", &rotation(user(OWN, name), &identity)).await.unwrap();
        let (password, _) = bench.aws.password(OWN, name).unwrap();
        assert_eq!(opened(&identity, &answer.encrypted_data[0]), password, "{call}");
    }
}

#[tokio::test]
async fn a_credential_is_made_in_the_account_of_its_user_or_not_at_all() {
    let identity = Identity::generate();
    let bench = Bench::with_members(|_| {}).await;
    rotate(&bench, "t", &rotation(user(SHOP, "shop-bot"), &identity)).await.unwrap();
    issue(&bench, "t", &issuing(user(SHOP, "shop-bot"), &identity)).await.unwrap();
    assert!(bench.aws.password(SHOP, "shop-bot").is_some());

    let bench = Bench::start().await;
    let error = rotate(&bench, "t", &rotation(user(SHOP, "shop-bot"), &identity)).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Outside { .. }), "{error:?}");
    let error = issue(&bench, "t", &issuing(user(SHOP, "shop-bot"), &identity)).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Outside { .. }), "{error:?}");
}

#[tokio::test]
async fn what_has_no_credential_is_refused_before_any_call() {
    let bench = Bench::with_members(|settings| {
        settings.protected_principals = vec!["*:user/o,brien*".into()];
    })
    .await;
    let identity = Identity::generate();
    let mut without = rotation(user(OWN, IDLE), &identity);
    without.credential_options =
        Some(CredentialOptions { options: Some(Options::NoPassword(NoPassword {})), ..Default::default() });
    let nobody =
        RotateCredentialRequest { encryption_configs: vec![], ..rotation(user(OWN, IDLE), &identity) };
    for (order, code) in [
        (rotation(resource::id(sso_user::ID, "x"), &identity), 12),
        (rotation(resource::id(access_key::ID, "AKIA"), &identity), 12),
        (without, 12),
        (nobody, 3),
        (rotation(resource::id(iam_user::ID, "idle"), &identity), 3),
        (rotation(user(OWN, RICH), &identity), 9),
    ] {
        let error = rotate(&bench, "t", &order).await.unwrap_err();
        assert_eq!(batond::tasks::EngineError::from(error).status.code, code, "{order:?}");
    }
    let with = |change: &dyn Fn(&mut IssueCredentialRequest)| {
        let mut order = issuing(user(OWN, IDLE), &identity);
        change(&mut order);
        order
    };
    let other = of_keys(Some(IssueOptions::ClientSecret(ClientSecret {})));
    let typed = |kind: &str| CredentialIssueOptions {
        secret_resource_type_id: kind.into(),
        ..of_keys(Some(IssueOptions::ApiKey(ApiKey::default())))
    };
    let scoped = IssueOptions::ApiKey(ApiKey { scopes: vec!["s3".into()] });
    for (order, code) in [
        (with(&|order| order.credential_options = Some(other.clone())), 12),
        (
            with(&|order| {
                order.credential_options = Some(of_keys(Some(scoped.clone())));
            }),
            3,
        ),
        (with(&|order| order.credential_options = Some(of_keys(None))), 3),
        (with(&|order| order.credential_options = Some(typed(""))), 3),
        (with(&|order| order.credential_options = Some(typed("iam_user"))), 3),
        (with(&|order| order.expires_at = Some(Timestamp { seconds: 1, nanos: 0 })), 3),
        (with(&|order| order.encryption_configs.clear()), 3),
        (with(&|order| order.identity_id = Some(resource::id(sso_user::ID, "x"))), 12),
        (with(&|order| order.identity_id = Some(user(OWN, RICH))), 9),
    ] {
        let error = issue(&bench, "t", &order).await.unwrap_err();
        assert_eq!(batond::tasks::EngineError::from(error).status.code, code, "{order:?}");
    }
    assert_eq!(bench.aws.counters().total(), 0);
}

#[tokio::test]
async fn an_access_key_is_issued_with_its_id_and_its_secret_for_the_recipient_alone() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let identity = Identity::generate();
    let answer = issue(&bench, "t1", &issuing(user(OWN, IDLE), &identity)).await.unwrap();
    let [(id, secret)] = <[_; 1]>::try_from(bench.aws.access_keys(OWN, IDLE)).unwrap();
    let secret = secret.unwrap();
    let names: Vec<_> = answer.encrypted_data.iter().map(|data| data.name.as_str()).collect();
    assert_eq!(names, ["access_key_id", "secret_access_key"]);
    assert_eq!(opened(&identity, &answer.encrypted_data[0]), id);
    assert_eq!(opened(&identity, &answer.encrypted_data[1]), secret);
    let made = answer.secret.unwrap();
    assert_eq!((made.type_id(), made.object_id()), (access_key::ID, id.as_str()));
    assert_eq!(answer.request_id, "task-1");
    assert_eq!(log.the_audit("t1")["outcome"], "changed");
    assert!(!log.text().contains(&secret), "the secret is in the log");

    issue(&bench, "t2", &issuing(user(OWN, IDLE), &identity)).await.unwrap();
    let error = issue(&bench, "t3", &issuing(user(OWN, IDLE), &identity)).await.unwrap_err();
    assert!(error.to_string().contains("AccessKeysPerUser"), "{error}");
    assert_eq!(bench.aws.access_keys(OWN, IDLE).len(), 2);
    assert_eq!(log.the_audit("t3")["outcome"], "failed");
}

/// A recipient of `baton/jwe/v1`, with its private key.
fn post_quantum() -> (<XWing as Kem>::PrivateKey, EncryptionConfig) {
    let (private, public) = XWing::gen_keypair();
    let public = BASE64_URL_SAFE_NO_PAD.encode(public.to_bytes());
    let algorithm = "https://c1.ai/alg/hpke-xwing-hkdf-sha256-chacha20poly1305/v1";
    let jwk = serde_json::json!({"kty": "AKP", "alg": algorithm, "pub": public});
    let config = EncryptionConfig {
        provider: "baton/jwe/v1".into(),
        key_id: "k".into(),
        config: Some(Config::JwkPublicKeyConfig(JwkPublicKeyConfig {
            pub_key: jwk.to_string().into_bytes(),
            ..JwkPublicKeyConfig::default()
        })),
        ..EncryptionConfig::default()
    };
    (private, config)
}

#[tokio::test]
async fn a_post_quantum_recipient_is_issued_a_key_as_one_value_and_alone() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let (private, config) = post_quantum();
    let order = |configs: &[EncryptionConfig]| IssueCredentialRequest {
        encryption_configs: configs.to_vec(),
        ..issuing(user(OWN, IDLE), &Identity::generate())
    };
    bench.aws.reset_counters();
    for others in [self::config(&Identity::generate()), post_quantum().1] {
        let error = issue(&bench, "t", &order(&[config.clone(), others])).await.unwrap_err();
        assert_eq!(batond::tasks::EngineError::from(error).status.code, i32::from(Code::InvalidArgument));
    }
    assert_eq!(bench.aws.counters().total(), 0);

    let answer = issue(&bench, "t", &order(&[config])).await.unwrap();
    let [data] = <[_; 1]>::try_from(answer.encrypted_data).unwrap();
    assert_eq!((data.name.as_str(), data.provider.as_str()), ("access_key", "baton/jwe/v1"));
    let message: serde_json::Value = serde_json::from_slice(&data.encrypted_bytes).unwrap();
    let part = |member: &str| BASE64_URL_SAFE_NO_PAD.decode(message[member].as_str().unwrap()).unwrap();
    let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &private,
        &<XWing as Kem>::EncappedKey::from_bytes(&part("encrypted_key")).unwrap(),
        b"",
        &part("ciphertext"),
        format!("{}.", message["protected"].as_str().unwrap()).as_bytes(),
    );
    let opened: serde_json::Value = serde_json::from_slice(&opened.unwrap()).unwrap();
    let [(id, secret)] = <[_; 1]>::try_from(bench.aws.access_keys(OWN, IDLE)).unwrap();
    let secret = secret.unwrap();
    assert_eq!(opened, serde_json::json!({"access_key_id": id, "secret_access_key": secret}));
    assert!(!log.text().contains(&secret), "the secret is in the log");
}

#[tokio::test]
async fn a_key_whose_secret_was_lost_is_deleted() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let before = bench.aws.access_keys(OWN, RICH);
    bench.aws.arm(Fault::once("iam:CreateAccessKey", Effect::LostReply));
    let error = issue(&bench, "t", &issuing(user(OWN, RICH), &Identity::generate())).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Undelivered { .. }), "{error:?}");
    assert!(error.to_string().contains("and the key was deleted"), "{error}");
    assert_eq!(batond::tasks::EngineError::from(error).status.code, 14);
    assert_eq!(bench.aws.access_keys(OWN, RICH), before);
    let lines = log.audit("t");
    let ends: Vec<_> =
        lines.iter().map(|line| (line["operation"].as_str(), line["outcome"].as_str())).collect();
    assert_eq!(ends, [("iam:CreateAccessKey", "unconfirmed"), ("iam:DeleteAccessKey", "changed")]);
}

#[tokio::test]
async fn a_key_that_can_neither_be_delivered_nor_deleted_is_named_to_programs_and_not_asked_for_again() {
    let identity = Identity::generate();
    let lost = |bench: &Bench| bench.aws.arm(Fault::once("iam:CreateAccessKey", Effect::LostReply));
    let bench = Bench::start().await;
    lost(&bench);
    bench.aws.arm(Fault::new("iam:DeleteAccessKey", Effect::Deny));
    let error = issue(&bench, "t", &issuing(user(OWN, IDLE), &identity)).await.unwrap_err();
    let [(id, secret)] = <[_; 1]>::try_from(bench.aws.access_keys(OWN, IDLE)).unwrap();
    let status = batond::tasks::EngineError::from(error).status;
    let failure = batond::tasks::Failure::of_change(status);
    assert_eq!((failure.code(), failure.non_retryable), (Code::Internal, true));
    let (message, details) = (&failure.status.message, &failure.status.details);
    assert!(message.contains("must not be retried") && message.contains(&id), "{message}");
    assert!(!format!("{failure:?}").contains(&secret.unwrap()), "the secret is told");
    let left: ResourceId = batond::baton::any::find(details).unwrap();
    assert_eq!((left.resource_type.as_str(), left.resource), (access_key::ID, id));
    let info: batond::baton::rpc::ErrorInfo = batond::baton::any::find(details).unwrap();
    assert_eq!(info.reason, "CREDENTIAL_ISSUED_BUT_UNDELIVERABLE");
    assert_eq!(info.metadata["retry"], "forbidden");
    assert_eq!(info.metadata["cleanup"], "required");

    // Which key it is is not known here, and no program is to delete one of them.
    let bench = Bench::start().await;
    lost(&bench);
    bench.aws.arm(Fault::new("iam:ListAccessKeys", Effect::Deny).after(1));
    let error = issue(&bench, "t", &issuing(user(OWN, IDLE), &identity)).await.unwrap_err();
    assert_eq!(batond::tasks::EngineError::from(error).status.details, []);
}

/// The first list of a user's keys shows none of those that there are.
fn hide_keys(bench: &Bench) {
    let effect = Effect::Replace { member: "AccessKeyId".into(), value: "AKIAELSEWHERE0000000".into() };
    bench.aws.arm(Fault::once("iam:ListAccessKeys", effect));
}

#[tokio::test]
async fn a_key_that_aws_did_not_list_yet_outlives_a_lost_reply() {
    for (lost, ends) in [
        (Effect::LostReply, vec![("iam:CreateAccessKey", "unconfirmed"), ("iam:DeleteAccessKey", "changed")]),
        (Effect::Reset, vec![("iam:CreateAccessKey", "unconfirmed")]),
    ] {
        let (log, bench) = (Log::capture(), Bench::start().await);
        let before = bench.aws.access_keys(OWN, RICH);
        hide_keys(&bench);
        bench.aws.arm(Fault::once("iam:CreateAccessKey", lost));
        issue(&bench, "t", &issuing(user(OWN, RICH), &Identity::generate())).await.unwrap_err();
        assert_eq!(bench.aws.access_keys(OWN, RICH), before);
        let lines = log.audit("t");
        let seen: Vec<_> =
            lines.iter().map(|line| (line["operation"].as_str(), line["outcome"].as_str())).collect();
        assert_eq!(seen, ends);
    }
}

#[tokio::test]
async fn of_two_keys_that_may_be_the_orphan_none_is_deleted_and_both_are_named() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let identity = Identity::generate();
    issue(&bench, "t1", &issuing(user(OWN, IDLE), &identity)).await.unwrap();
    hide_keys(&bench);
    bench.aws.arm(Fault::once("iam:CreateAccessKey", Effect::LostReply));
    issue(&bench, "t2", &issuing(user(OWN, IDLE), &identity)).await.unwrap_err();
    let kept = bench.aws.access_keys(OWN, IDLE);
    assert_eq!(kept.len(), 2);
    for (id, _) in kept {
        assert!(log.text().contains(&id), "{id} is not named");
    }
}

#[tokio::test]
async fn a_user_that_is_gone_or_has_another_path_gets_nothing() {
    let bench = Bench::start().await;
    let identity = Identity::generate();
    let gone = rotate(&bench, "t", &rotation(user(OWN, "nobody"), &identity)).await.unwrap_err();
    assert!(gone.to_string().contains("NoSuchEntity"), "{gone}");
    let moved = issue(&bench, "t", &issuing(user(OWN, "elsewhere/idle"), &identity)).await.unwrap_err();
    assert!(moved.to_string().contains("user/idle"), "{moved}");
    assert!(bench.aws.password(OWN, IDLE).is_none() && bench.aws.access_keys(OWN, IDLE).is_empty());
}

#[tokio::test]
async fn a_key_that_is_being_made_when_its_task_is_cancelled_is_handed_out() {
    let bench = Bench::start().await;
    let identity = Identity::generate();
    bench.aws.arm(Fault::once("iam:CreateAccessKey", Effect::Delay(std::time::Duration::from_millis(300))));
    let (order, cancel) = (issuing(user(OWN, IDLE), &identity), CancellationToken::new());
    let task = provision("t", &cancel);
    let stop = async {
        while !bench.aws.armed().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        cancel.cancel();
    };
    let (answer, ()) = tokio::join!(bench.connector.issue_credential(&order, &task), stop);
    let [(id, _)] = <[_; 1]>::try_from(bench.aws.access_keys(OWN, IDLE)).unwrap();
    assert_eq!(opened(&identity, &answer.unwrap().encrypted_data[0]), id);
}

#[tokio::test]
async fn what_nobody_could_be_given_is_withdrawn_and_named() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let identity = Identity::generate();
    let task = provision("t1", &CancellationToken::new());
    bench.connector.issue_credential(&issuing(user(OWN, IDLE), &identity), &task).await.unwrap();
    let [(id, _)] = <[_; 1]>::try_from(bench.aws.access_keys(OWN, IDLE)).unwrap();
    task.cancel.cancel();
    let left = bench.connector.withdraw(&task).await.unwrap();
    assert!(left.told.contains(&id) && left.told.contains("was deleted"), "{}", left.told);
    assert!(left.key_left.is_none());
    assert!(bench.aws.access_keys(OWN, IDLE).is_empty());
    assert!(bench.connector.withdraw(&task).await.is_none(), "it is withdrawn once");
    let lines = log.audit("t1");
    assert_eq!((lines[0]["made"].as_str(), lines[1]["target_id"].as_str()), (id.as_str(), id.as_str()));

    // A first password is deleted; one that replaced another is named, as the other is lost.
    for (name, is_first) in [(IDLE, true), (RICH, false)] {
        let task = provision("t2", &CancellationToken::new());
        bench.connector.rotate_credential(&rotation(user(OWN, name), &identity), &task).await.unwrap();
        let left = bench.connector.withdraw(&task).await.unwrap();
        assert!(
            left.told.contains(name) && left.told.contains(if is_first { "deleted" } else { "rotate it" }),
            "{left:?}"
        );
        assert_eq!(bench.aws.password(OWN, name).is_none(), is_first);
    }
}
