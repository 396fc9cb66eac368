//! What AWS says of a change and means by it: what passes is waited out or may be repeated, what is so already is success.

use std::time::Duration;

use batond::baton::profile::Profile;
use batond::baton::v2::create_account_response::Result as Created;
use batond::connector::ProvisionError;
use batond::tasks::EngineError;
use testbed::aws::{Effect, Fault};

use super::account::{create, iam_id, jane, request};
use super::bench::{
    ADMIN, Bench, CREATE, CREATED, DELETE, JOIN, LIST, SHOP, Through, UNKNOWN, existed, held, was_gone,
};
use super::credential::{issue, issuing, refuse};
use super::log::Log;
use batond::baton::resource;
use batond::config::AccountKind;
use batond::connector::iam_user;

const DESCRIBE: &str = "sso:DescribePermissionSet";
const OWN: &str = "111111111111";

fn unknown() -> Effect {
    Effect::Error { code: "ResourceNotFoundException".into(), message: "not found".into(), status: 400 }
}

fn code(error: ProvisionError) -> i32 {
    EngineError::from(error).status.code
}

#[tokio::test]
async fn a_revoke_on_a_permission_set_that_is_gone_is_revoked_already() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    bench.make_bob_admin();
    for action in [DELETE, LIST, DESCRIBE] {
        bench.aws.arm(Fault::new(action, unknown()));
    }
    for through in [Through::Account, Through::Binding] {
        let (entitlement, bob) = (bench.access(through, SHOP, ADMIN), bench.user("bob"));
        let task = format!("{through:?}");
        assert!(was_gone(&bench.revoke(&task, &entitlement, &bob).await.unwrap()));
        assert_eq!(log.the_audit(&task)["outcome"], "unchanged");
    }
}

#[tokio::test]
async fn a_permission_set_is_gone_only_when_it_is_not_found_itself() {
    for seen in [Effect::Deny, Effect::Status(500), Effect::Delay(Duration::ZERO)] {
        let bench = Bench::start().await;
        bench.make_bob_admin();
        for action in [DELETE, LIST] {
            bench.aws.arm(Fault::new(action, unknown()));
        }
        bench.aws.arm(Fault::new(DESCRIBE, seen.clone()));
        let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
        let error = bench.revoke("t", &entitlement, &bob).await.unwrap_err();
        assert!(error.to_string().contains(DELETE), "{seen:?}: {error}");
    }
    // A permission set of another instance is nobody's to call gone.
    let bench = Bench::start().await;
    for action in [DELETE, LIST, DESCRIBE] {
        bench.aws.arm(Fault::new(action, unknown()));
    }
    let mut entitlement = bench.access(Through::Account, SHOP, ADMIN);
    let own = bench.connector.aws().instance().unwrap().arn.rsplit('/').next().unwrap().to_owned();
    entitlement.id = entitlement.id.replace(&own, "ssoins-0123456789abcdef");
    let grant = held(UNKNOWN, &entitlement, &bench.user("bob"));
    let task = super::bench::provision("t", &tokio_util::sync::CancellationToken::new());
    assert!(bench.connector.revoke(&grant, &task).await.is_err());
}

#[tokio::test]
async fn a_status_that_is_not_found_yet_is_asked_for_again_and_tells_the_reason() {
    let bench = Bench::start().await;
    tokio::time::pause();
    bench.aws.arm(Fault::new(CREATED, unknown()).times(2));
    bench.aws.arm(Fault::once(CREATE, Effect::SettlesFailed("The policy is not attachable.".into())));
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let error = bench.grant("t", &entitlement, &bob).await.unwrap_err();
    assert!(error.to_string().contains("The policy is not attachable."), "{error}");
    assert_eq!(code(error), 9);

    // Where it is never found, the list is the proof.
    bench.aws.arm(Fault::new(CREATED, unknown()));
    bench.grant("t", &entitlement, &bob).await.unwrap();
    assert!(bench.bob_is_admin());
}

#[tokio::test]
async fn a_change_that_failed_for_a_passing_reason_may_be_repeated() {
    for (reason, wanted) in [
        ("An unexpected internal service exception was encountered", 14),
        ("AWS SSO is unable to complete your request at this time. Please try again later.", 14),
        ("The SAML provider is gone.", 9),
    ] {
        let bench = Bench::start().await;
        tokio::time::pause();
        bench.aws.arm(Fault::once(CREATE, Effect::SettlesFailed(reason.into())));
        let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
        let error = bench.grant("t", &entitlement, &bob).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(code(error), wanted, "{reason}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_quota_is_a_precondition_and_nobodys_name_or_membership() {
    let quota = |action: &str| refuse(action, "ServiceQuotaExceededException", 402);
    let bench = Bench::with_members(|settings| settings.account_kind = AccountKind::SsoUser).await;
    bench.aws.arm(quota("identitystore:CreateUser"));
    assert_eq!(code(create(&bench, "t", &request(jane())).await.unwrap_err()), 9);
    bench.aws.arm(quota(JOIN));
    let joined = bench.grant("t", &bench.membership("Engineers"), &bench.user("loner@example.com")).await;
    assert_eq!(code(joined.unwrap_err()), 9);
    bench.aws.arm(quota(CREATE));
    let granted = bench.grant("t", &bench.access(Through::Account, SHOP, ADMIN), &bench.user("bob")).await;
    assert_eq!(code(granted.unwrap_err()), 9);
}

#[tokio::test]
async fn a_directory_user_whose_creation_lost_its_reply_is_looked_for_until_it_shows() {
    for read in ["identitystore:GetUserId", "identitystore:DescribeUser"] {
        let bench = Bench::with_members(|settings| settings.account_kind = AccountKind::SsoUser).await;
        tokio::time::pause();
        bench.aws.arm(Fault::once("identitystore:CreateUser", Effect::LostReply));
        bench.aws.arm(Fault::new(read, unknown()).times(3));
        let answer = create(&bench, "t", &request(jane())).await.unwrap();
        assert!(matches!(answer.result, Some(Created::AlreadyExists(_))), "{read}: {:?}", answer.result);
        tokio::time::resume();
    }
    // A name that nobody of ours asked for is not waited for.
    let bench = Bench::with_members(|settings| settings.account_kind = AccountKind::SsoUser).await;
    create(&bench, "t", &request(jane())).await.unwrap();
    bench.aws.arm(Fault::new("identitystore:GetUserId", unknown()));
    tokio::time::pause();
    create(&bench, "t", &request(jane())).await.unwrap_err();
    assert_eq!(bench.calls("identitystore:GetUserId"), 1);
}

#[tokio::test]
async fn what_was_made_a_moment_ago_is_waited_for_and_nothing_else_is() {
    let bench = Bench::start().await;
    let identity = age::x25519::Identity::generate();
    let order = request(Profile::new().string("username", "jdoe").string("email", "j@example.com"));
    create(&bench, "t", &order).await.unwrap();
    tokio::time::pause();
    let jdoe = iam_id(OWN, "jdoe");
    let user = resource::reference(iam_user::ID, &jdoe.resource);

    bench.aws.arm(refuse("iam:AddUserToGroup", "NoSuchEntity", 404));
    let granted = bench.grant("t", &super::iam::of_group(OWN, "external/Auditors"), &user).await.unwrap();
    assert!(!existed(&granted));
    bench.aws.arm(refuse("iam:GetUser", "NoSuchEntity", 404));
    issue(&bench, "t", &issuing(jdoe, &identity)).await.unwrap();

    // Somebody who was there all along is gone.
    bench.aws.arm(refuse("iam:GetUser", "NoSuchEntity", 404));
    let before = bench.calls("iam:GetUser");
    let gone = issue(&bench, "t", &issuing(iam_id(OWN, "idle"), &identity)).await.unwrap_err();
    assert_eq!((code(gone), bench.calls("iam:GetUser") - before), (5, 1));
}
