//! Accounts: made once, found again only when they are provably the same, and deleted with all that they have.

use batond::baton::any;
use batond::baton::profile::Profile;
use batond::baton::resource::{self, ResourceExt as _};
use batond::baton::v2::create_account_response::Result as Created;
use batond::baton::v2::credential_options::{NoPassword, Options, Sso};
use batond::baton::v2::{
    AccountInfo, CreateAccountRequest, CreateAccountResponse, CredentialOptions, DeleteResourceResponse,
    Resource, ResourceDoesNotExist, ResourceId,
};
use batond::config::AccountKind;
use batond::connector::{Provision, ProvisionError, Rehearsal, iam_user, sso_user};
use batond::tasks::EngineError;
use testbed::aws::{Effect, Fault};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, provision, request_id};
use super::log::Log;
use crate::dump::Dump;
use crate::support::Work;

const OWN: &str = "111111111111";
const SHOP: &str = "444444444444";
const REFUSING: &str = "666666666666";
/// Has two groups, two managed policies, two inline ones, a key, a password, certificates, devices.
const RICH: &str = "o,brien+x=1";

pub(super) fn iam_id(account: &str, path_and_name: &str) -> ResourceId {
    resource::id(iam_user::ID, &format!("arn:aws:iam::{account}:user/{path_and_name}"))
}

pub(super) async fn delete(
    bench: &Bench,
    task: &str,
    id: &ResourceId,
) -> Result<DeleteResourceResponse, ProvisionError> {
    bench.connector.delete(id, None, &provision(task, &CancellationToken::new())).await
}

fn was_gone(answer: &DeleteResourceResponse) -> bool {
    any::has::<ResourceDoesNotExist>(&answer.annotations)
}

pub(super) fn request(profile: Profile) -> CreateAccountRequest {
    let account_info = Some(AccountInfo { profile: Some(profile.build()), ..AccountInfo::default() });
    CreateAccountRequest { account_info, ..CreateAccountRequest::default() }
}

pub(super) async fn create(
    bench: &Bench,
    task: &str,
    request: &CreateAccountRequest,
) -> Result<CreateAccountResponse, ProvisionError> {
    bench.connector.create_account(request, &provision(task, &CancellationToken::new())).await
}

/// The resource of an answer, and whether it existed before.
fn made(answer: &CreateAccountResponse) -> (Resource, bool) {
    match answer.result.clone() {
        Some(Created::Success(result)) => {
            assert!(result.is_create_account_result);
            (result.resource.unwrap(), false)
        }
        Some(Created::AlreadyExists(result)) => {
            assert!(result.is_create_account_result);
            (result.resource.unwrap(), true)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_user_is_deleted_with_all_that_it_has_once() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let id = iam_id(OWN, RICH);
    assert_eq!(bench.aws.virtual_mfa_devices(OWN).len(), 1);
    let first = delete(&bench, "t1", &id).await.unwrap();
    assert!(!was_gone(&first) && !request_id(&first.annotations).is_empty());
    assert!(!bench.aws.has_iam_user(OWN, RICH));
    assert!(bench.aws.virtual_mfa_devices(OWN).is_empty(), "the virtual device is left behind");
    let lines = log.audit("t1");
    for (operation, count) in [
        ("iam:DeleteLoginProfile", 1),
        ("iam:DeleteAccessKey", 1),
        ("iam:DeleteSigningCertificate", 2),
        ("iam:DeleteSSHPublicKey", 1),
        ("iam:DeleteServiceSpecificCredential", 1),
        ("iam:DeactivateMFADevice", 2),
        ("iam:DeleteVirtualMFADevice", 1),
        ("iam:DeleteUserPolicy", 2),
        ("iam:DetachUserPolicy", 2),
        ("iam:RemoveUserFromGroup", 2),
        ("iam:DeleteUser", 1),
    ] {
        let of_it = lines.iter().filter(|line| line["operation"] == operation);
        assert_eq!(of_it.clone().count(), count, "{operation}");
        assert!(of_it.clone().all(|line| line["outcome"] == "changed"), "{operation}");
        let documents = operation == "iam:DeleteUserPolicy";
        assert!(of_it.clone().all(|line| line.contains_key("document") == documents), "{operation}");
    }
    let second = delete(&bench, "t2", &id).await.unwrap();
    assert!(was_gone(&second));
    assert!(log.audit("t2").is_empty(), "nothing was written");
}

#[tokio::test]
async fn a_deletion_that_broke_off_anywhere_is_finished_by_the_next() {
    let calls = [
        "iam:GetUser",
        "iam:DeleteLoginProfile",
        "iam:ListAccessKeys",
        "iam:DeleteAccessKey",
        "iam:DeleteSigningCertificate",
        "iam:DeleteSSHPublicKey",
        "iam:DeleteServiceSpecificCredential",
        "iam:DeactivateMFADevice",
        "iam:DeleteVirtualMFADevice",
        "iam:DeleteUserPolicy",
        "iam:DetachUserPolicy",
        "iam:RemoveUserFromGroup",
        "iam:DeleteUser",
    ];
    for call in calls {
        let bench = Bench::start().await;
        bench.aws.arm(Fault::once(
            call,
            Effect::Error { code: "ValidationError".into(), message: "broken off".into(), status: 400 },
        ));
        let error = delete(&bench, "t1", &iam_id(OWN, RICH)).await.unwrap_err();
        assert!(error.to_string().contains(call), "{error}");
        assert!(bench.aws.has_iam_user(OWN, RICH), "{call}");
        assert!(!was_gone(&delete(&bench, "t2", &iam_id(OWN, RICH)).await.unwrap()), "{call}");
        assert!(!bench.aws.has_iam_user(OWN, RICH), "{call}");
    }
}

#[tokio::test]
async fn replies_that_are_lost_cost_a_deletion_nothing() {
    let bench = Bench::start().await;
    for call in ["iam:DeleteAccessKey", "iam:DeactivateMFADevice", "iam:DetachUserPolicy", "iam:DeleteUser"] {
        bench.aws.arm(Fault::once(call, Effect::LostReply));
    }
    delete(&bench, "t", &iam_id(OWN, RICH)).await.unwrap();
    assert!(!bench.aws.has_iam_user(OWN, RICH));
}

#[tokio::test]
async fn a_conflict_at_the_end_sweeps_again() {
    let bench = Bench::start().await;
    tokio::time::pause();
    bench.aws.arm(Fault::once(
        "iam:DeleteUser",
        Effect::Error {
            code: "DeleteConflict".into(),
            message: "must remove users from group first".into(),
            status: 409,
        },
    ));
    delete(&bench, "t", &iam_id(OWN, RICH)).await.unwrap();
    assert!(!bench.aws.has_iam_user(OWN, RICH));
    assert_eq!(bench.calls("iam:ListGroupsForUser"), 2);
}

#[tokio::test]
async fn a_user_that_does_not_show_at_first_is_deleted_all_the_same() {
    let bench = Bench::start().await;
    tokio::time::pause();
    let effect =
        Effect::Error { code: "NoSuchEntity".into(), message: "cannot be found".into(), status: 404 };
    bench.aws.arm(Fault::once("iam:GetUser", effect));
    assert!(!was_gone(&delete(&bench, "t", &iam_id(OWN, "idle")).await.unwrap()));
    assert!(!bench.aws.has_iam_user(OWN, "idle"));
}

#[tokio::test]
async fn a_user_is_deleted_in_its_own_account_or_not_at_all() {
    let bench = Bench::with_members(|_| {}).await;
    delete(&bench, "t", &iam_id(SHOP, "shop-bot")).await.unwrap();
    assert!(!bench.aws.has_iam_user(SHOP, "shop-bot"));
    let error = delete(&bench, "t", &iam_id(REFUSING, "idle")).await.unwrap_err();
    assert!(matches!(error, ProvisionError::NoEntry { .. }), "{error:?}");
    assert!(bench.aws.has_iam_user(OWN, "idle"));

    bench.aws.reset_counters();
    let other_parent = resource::id("account_iam", SHOP);
    let provision = provision("t", &CancellationToken::new());
    let error =
        bench.connector.delete(&iam_id(OWN, "idle"), Some(&other_parent), &provision).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Invalid(_)), "{error:?}");
    let error = delete(&bench, "t", &resource::id(iam_user::ID, "idle")).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Invalid(_)), "{error:?}");
    let error = delete(&bench, "t", &resource::id("role", &format!("arn:aws:iam::{OWN}:role/Runner")))
        .await
        .unwrap_err();
    assert!(matches!(error, ProvisionError::Unsupported(_)), "{error:?}");
    assert_eq!(bench.aws.counters().total(), 0);

    // The user of this name has another path: the id may be that of an earlier one.
    let error = delete(&bench, "t", &iam_id(OWN, "elsewhere/idle")).await.unwrap_err();
    assert!(error.to_string().contains("user/idle"), "{error}");
    assert!(bench.aws.has_iam_user(OWN, "idle"));
}

#[tokio::test]
async fn protected_users_are_not_deleted() {
    let bench = Bench::with_members(|settings| {
        settings.protected_principals =
            vec!["*:user/ci-robot".into(), "*:user/machines/*".into(), "*/user/*".into()];
    })
    .await;
    let bob = bench.user("bob").id.unwrap();
    for id in [iam_id(OWN, "machines/ci/ci-robot"), iam_id(OWN, "connector"), bob] {
        let error = delete(&bench, "t", &id).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Protected(_)), "{id:?}: {error:?}");
    }
    assert_eq!(bench.aws.counters().total(), 0);
}

#[tokio::test]
async fn an_identity_center_user_is_deleted_once() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let carol = bench.user("carol").id.unwrap();
    assert!(!was_gone(&delete(&bench, "t1", &carol).await.unwrap()));
    assert!(bench.aws.user_id("carol").is_none());
    assert_eq!(log.the_audit("t1")["operation"], "identitystore:DeleteUser");
    assert!(was_gone(&delete(&bench, "t2", &carol).await.unwrap()));
    assert_eq!(log.the_audit("t2")["outcome"], "unchanged");
}

#[tokio::test]
async fn a_conflict_that_passes_is_waited_out_when_an_identity_center_user_is_deleted() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    tokio::time::pause();
    let conflict =
        Effect::Error { code: "ConflictException".into(), message: "being changed".into(), status: 400 };
    bench.aws.arm(Fault::once("identitystore:DeleteUser", conflict));
    let carol = bench.user("carol").id.unwrap();
    assert!(!was_gone(&delete(&bench, "t", &carol).await.unwrap()));
    assert!(bench.aws.user_id("carol").is_none());
    assert_eq!(log.the_audit("t")["outcome"], "changed");
}

#[tokio::test]
async fn an_iam_user_is_made_once_and_is_what_a_sync_then_finds() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let order = request(Profile::new().string("username", "jdoe").string("email", "Jane@example.com"));
    let (resource, existed) = made(&create(&bench, "t1", &order).await.unwrap());
    assert!(!existed && bench.aws.has_iam_user(OWN, "jdoe"));
    assert_eq!(resource.object_id(), format!("arn:aws:iam::{OWN}:user/jdoe"));
    assert_eq!(
        (log.the_audit("t1")["outcome"].as_str(), log.the_audit("t1")["after"].as_str()),
        ("changed", "held")
    );

    let (again, existed) = made(&create(&bench, "t2", &order).await.unwrap());
    assert!(existed);
    assert_eq!(again.object_id(), resource.object_id());
    assert_eq!(log.the_audit("t2")["outcome"], "unchanged");

    let work = Work::new();
    work.sync(&bench.connector, &batond::sync::SyncOptions::default(), CancellationToken::new())
        .await
        .unwrap();
    let rows = Dump::read(&work.file());
    assert!(rows.of_type(iam_user::ID).iter().any(|row| row.object_id() == resource.object_id()));
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_not_taken_for_the_account() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    // A user of another case does not show, and is looked for again.
    tokio::time::pause();
    for (profile, what) in [
        (Profile::new().string("username", "idle").string("email", "x@example.com"), "no address"),
        (
            Profile::new().string("username", "alice@example.com").string("email", "x@example.com"),
            "another address",
        ),
        (Profile::new().string("username", "IDLE").string("email", "x@example.com"), "another case"),
    ] {
        let error = create(&bench, what, &request(profile)).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Taken(_)), "{what}: {error:?}");
        assert_eq!(log.the_audit(what)["outcome"], "failed");
        assert_eq!(EngineError::from(error).status.code, 6, "AlreadyExists");
    }
    let email = Profile::new().string("email", "alice@example.com");
    assert!(made(&create(&bench, "t", &request(email)).await.unwrap()).1, "the name is the address");
}

#[tokio::test]
async fn an_iam_user_needs_an_address_and_a_legal_name() {
    let bench = Bench::start().await;
    for profile in [
        Profile::new(),
        Profile::new().string("username", "jdoe"),
        Profile::new().string("email", "nobody"),
        Profile::new().string("email", " "),
        Profile::new().bool("email", true),
        Profile::new().string("email", "ä@example.com"),
        Profile::new().string("username", "a b").string("email", "j@example.com"),
        Profile::new().string("username", "x".repeat(65)).string("email", "j@example.com"),
    ] {
        let error = create(&bench, "t", &request(profile.clone())).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Invalid(_)), "{profile:?}: {error:?}");
    }
    let mut order = request(Profile::new().string("email", "j@example.com"));
    order.resource_type_id = sso_user::ID.into();
    let error = create(&bench, "t", &order).await.unwrap_err();
    assert!(error.to_string().contains("BATON_CREATE_ACCOUNT_RESOURCE_TYPE=sso_user"), "{error}");
    order.resource_type_id = "role".into();
    assert!(matches!(create(&bench, "t", &order).await, Err(ProvisionError::Unsupported(_))));
    order.resource_type_id = iam_user::ID.into();
    let option = |options| Some(CredentialOptions { options, ..CredentialOptions::default() });
    order.credential_options = option(None);
    assert!(matches!(create(&bench, "t", &order).await, Err(ProvisionError::Invalid(_))));
    order.credential_options = option(Some(Options::Sso(Sso::default())));
    assert!(matches!(create(&bench, "t", &order).await, Err(ProvisionError::Unsupported(_))));
    assert_eq!(bench.aws.counters().total(), 0);
    order.credential_options = option(Some(Options::NoPassword(NoPassword {})));
    assert!(!made(&create(&bench, "t", &order).await.unwrap()).1);
}

pub(super) fn jane() -> Profile {
    Profile::new()
        .string("username", "jane")
        .string("given_name", "Jane")
        .string("family_name", "Doe")
        .string("email", "jane@example.com")
}

async fn directory() -> Bench {
    Bench::with_members(|settings| settings.account_kind = AccountKind::SsoUser).await
}

#[tokio::test]
async fn an_identity_center_user_is_made_once_and_is_what_a_sync_then_finds() {
    let (log, bench) = (Log::capture(), directory().await);
    let (resource, existed) = made(&create(&bench, "t1", &request(jane())).await.unwrap());
    assert!(!existed);
    let id = bench.aws.user_id("jane").unwrap();
    assert_eq!(resource.object_id(), bench.connector.directory().user(&id));
    assert_eq!(log.the_audit("t1")["operation"], "identitystore:CreateUser");
    let (again, existed) = made(&create(&bench, "t2", &request(jane())).await.unwrap());
    assert!(existed);
    assert_eq!(again.id, resource.id);
    let work = Work::new();
    work.sync(&bench.connector, &batond::sync::SyncOptions::default(), CancellationToken::new())
        .await
        .unwrap();
    let rows = Dump::read(&work.file());
    let users = rows.of_type(sso_user::ID);
    let row = users.iter().find(|row| row.object_id() == resource.object_id()).expect("a row");
    assert_eq!(row.display_name, resource.display_name);
}

#[tokio::test]
async fn an_identity_center_user_of_another_address_is_not_taken_for_the_account() {
    let bench = directory().await;
    create(&bench, "t", &request(jane())).await.unwrap();
    let other = request(jane().string("email", "other@example.com"));
    let error = create(&bench, "t", &other).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Taken(_)), "{error:?}");
    for missing in ["username", "given_name", "family_name", "email"] {
        let error = create(&bench, "t", &request(jane().string(missing, ""))).await.unwrap_err();
        assert!(error.to_string().contains(missing), "{error}");
    }
}

#[tokio::test]
async fn a_creation_whose_reply_is_lost_makes_one_user() {
    let (log, bench) = (Log::capture(), directory().await);
    bench.aws.arm(Fault::once("identitystore:CreateUser", Effect::LostReply));
    let (resource, _) = made(&create(&bench, "t", &request(jane())).await.unwrap());
    let id = bench.aws.user_id("jane").unwrap();
    assert_eq!(resource.object_id(), bench.connector.directory().user(&id));
    assert_eq!(log.the_audit("t")["outcome"], "unconfirmed");

    let bench = Bench::start().await;
    bench.aws.arm(Fault::once("iam:CreateUser", Effect::LostReply));
    let order = request(Profile::new().string("username", "jdoe").string("email", "j@example.com"));
    assert_eq!(
        made(&create(&bench, "t", &order).await.unwrap()).0.object_id(),
        format!("arn:aws:iam::{OWN}:user/jdoe")
    );
    assert!(bench.aws.has_iam_user(OWN, "jdoe"));
}

#[tokio::test]
async fn a_user_that_aws_does_not_show_yet_is_not_taken_for_somebody_else() {
    let order = request(Profile::new().string("username", "jdoe").string("email", "j@example.com"));
    for call in ["iam:GetUser", "iam:ListUserTags"] {
        let bench = Bench::start().await;
        tokio::time::pause();
        bench.aws.arm(Fault::once("iam:CreateUser", Effect::LostReply));
        let effect =
            Effect::Error { code: "NoSuchEntity".into(), message: "cannot be found".into(), status: 404 };
        bench.aws.arm(Fault::once(call, effect).times(2));
        let (made, existed) = made(&create(&bench, "t", &order).await.unwrap());
        assert!(existed && made.object_id().ends_with("user/jdoe"), "{call}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn the_form_of_an_account_follows_the_settings() {
    for (bench, fields) in [
        (Bench::start().await, &["email", "username"][..]),
        (directory().await, &["display_name", "email", "family_name", "given_name", "username"]),
    ] {
        let form = bench.connector.metadata().account_creation_schema.unwrap();
        let mut keys: Vec<_> = form.field_map.keys().cloned().collect();
        keys.sort();
        assert_eq!(keys, fields);
        assert!(form.field_map["email"].required);
    }
}

#[tokio::test]
async fn an_address_that_iam_takes_for_no_tag_makes_a_user_without_one() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let order =
        |address: &str| request(Profile::new().string("username", "cobrien").string("email", address));
    let (resource, existed) = made(&create(&bench, "t1", &order("c.o'brien@example.com")).await.unwrap());
    assert!(!existed && bench.aws.has_iam_user(OWN, "cobrien"));
    assert_eq!(resource.object_id(), iam_id(OWN, "cobrien").resource);
    assert!(log.text().contains("made without its address"), "{}", log.text());
    // Whose it is cannot be read from AWS any more: it is not taken for the same.
    let again = create(&bench, "t2", &order("c.o'brien@example.com")).await.unwrap_err();
    assert!(matches!(again, ProvisionError::Taken(_)), "{again}");
}

#[tokio::test]
async fn what_aws_would_refuse_is_refused_before_the_first_call_and_by_a_rehearsal() {
    let (iam, store) = (Bench::start().await, directory().await);
    let iam_orders = [
        Profile::new().string("email", "c.o'brien@example.com"),
        Profile::new().string("username", "o'brien").string("email", "o@example.com"),
        Profile::new().string("username", "jürgen").string("email", "o@example.com"),
    ];
    let store_orders = [
        jane().string("username", "jane doe"),
        jane().string("username", "j".repeat(129)),
        jane().string("given_name", "Jane\u{200b}"),
        jane().string("family_name", "\u{feff}"),
        jane().string("display_name", "Jane\u{200b}"),
        jane().string("email", "jane\u{200b}@example.com"),
    ];
    let orders = iam_orders.map(|order| (&iam, order)).into_iter();
    for (bench, order) in orders.chain(store_orders.map(|order| (&store, order))) {
        let provision = |rehearsal| Provision { rehearsal, ..provision("t", &CancellationToken::new()) };
        for rehearsal in [None, Some(Rehearsal::default())] {
            let order = request(order.clone());
            let error = bench.connector.create_account(&order, &provision(rehearsal)).await.unwrap_err();
            assert_eq!(EngineError::from(error).status.code, 3, "{order:?}");
        }
        assert_eq!(bench.aws.counters().total(), 0);
    }
    // What the models allow, AWS takes.
    let order = request(jane().string("username", "c.o'brien@例え.jp").string("family_name", "O'Brien 田中"));
    made(&create(&store, "t", &order).await.unwrap());
}
