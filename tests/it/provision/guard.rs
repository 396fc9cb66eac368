//! What is never changed: refused before any call, whatever the task says.

use batond::baton::resource;
use batond::baton::v2::{Entitlement, Resource};
use batond::config::{Assume, AwsSettings};
use batond::connector::{Connector, ProvisionError, iam_policy, iam_user, role};
use batond::tasks::EngineError;
use testbed::aws::{Effect, Fault, Fixture, Server};

use super::bench::{Bench, existed};
use super::log::Log;
use crate::support::aws_settings;

const OWN: &str = "111111111111";
const WHO: &str = "sts:GetCallerIdentity";

fn policy(arn: &str) -> Entitlement {
    let resource = resource::named(iam_policy::ID, arn, "policy");
    Entitlement {
        id: format!("iam_policy:{arn}:attached"),
        resource: Some(resource),
        ..Entitlement::default()
    }
}

fn role_of(account: &str, path_and_name: &str) -> Resource {
    resource::reference(role::ID, &format!("arn:aws:iam::{account}:role/{path_and_name}"))
}

async fn is_protected(bench: &Bench, entitlement: &Entitlement, principal: &Resource) {
    let log = Log::capture();
    let (grant, revoke) =
        (bench.grant("t", entitlement, principal).await, bench.revoke("t", entitlement, principal).await);
    for error in [grant.unwrap_err(), revoke.unwrap_err()] {
        assert!(matches!(error, ProvisionError::Protected(_)), "{principal:?}: {error:?}");
        let status = EngineError::from(error).status;
        assert_eq!(status.code, 9, "FailedPrecondition: {}", status.message);
    }
    assert_eq!(bench.aws.counters().total(), 0);
    assert!(log.audit("t").is_empty());
}

#[tokio::test]
async fn the_connectors_own_roles_and_those_of_aws_are_not_changed() {
    let bench = Bench::with_members(|settings| {
        settings.role = Some(format!("arn:aws:iam::{OWN}:role/BatonConnector").parse().unwrap());
        settings.external_id = Some("CANARY-SECRET-0b5c7d-external-id-of-the-customer".into());
    })
    .await;
    let admin = policy("arn:aws:iam::aws:policy/AdministratorAccess");
    for role in [
        role_of(OWN, "BatonConnector"),
        role_of("444444444444", "OrganizationAccountAccessRole"),
        role_of(OWN, "aws-service-role/organizations.amazonaws.com/AWSServiceRoleForOrganizations"),
        role_of(OWN, "aws-reserved/sso.amazonaws.com/AWSReservedSSO_AdministratorAccess_0123456789abcdef"),
    ] {
        is_protected(&bench, &admin, &role).await;
    }
    // Whose keys it started with.
    let base = resource::reference(iam_user::ID, &format!("arn:aws:iam::{OWN}:user/connector"));
    is_protected(&bench, &admin, &base).await;
}

#[tokio::test]
async fn while_nobody_says_who_the_process_started_as_nothing_is_changed() {
    let log = Log::capture();
    let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
    let settings = AwsSettings {
        role: Some(format!("arn:aws:iam::{OWN}:role/BatonConnector").parse().unwrap()),
        assume: Assume::Always,
        external_id: Some("CANARY-SECRET-0b5c7d-external-id-of-the-customer".into()),
        ..aws_settings(&aws)
    };
    // All that one call tries.
    aws.arm(Fault::new(WHO, Effect::Status(500)).times(4));
    let connector = Connector::open(&settings).await.unwrap();
    assert!(aws.armed().is_empty(), "the question for the base credentials had no answer");
    let bench = Bench { aws, connector };
    assert!(log.text().contains("STS does not say whose the base credentials are"), "{}", log.text());

    tokio::time::pause();
    let admin = policy("arn:aws:iam::aws:policy/AdministratorAccess");
    let user = |name: &str| resource::reference(iam_user::ID, &format!("arn:aws:iam::{OWN}:user/{name}"));
    bench.aws.arm(Fault::new(WHO, Effect::Status(500)));
    bench.aws.reset_counters();
    for whom in ["connector", "idle"] {
        for error in [
            bench.grant("t", &admin, &user(whom)).await.unwrap_err(),
            bench.revoke("t", &admin, &user(whom)).await.unwrap_err(),
        ] {
            assert!(matches!(error, ProvisionError::GuardBlind { .. }), "{whom}: {error:?}");
            let status = EngineError::from(error).status;
            assert_eq!(status.code, 14, "Unavailable, which is retryable: {}", status.message);
        }
    }
    let id = resource::id(iam_user::ID, &format!("arn:aws:iam::{OWN}:user/idle"));
    let error = super::account::delete(&bench, "t", &id).await.unwrap_err();
    assert!(matches!(error, ProvisionError::GuardBlind { .. }), "{error:?}");
    assert_eq!(bench.aws.counters().total(), bench.calls(WHO), "nothing else was asked");

    bench.aws.disarm();
    let error = bench.grant("t", &admin, &user("connector")).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Protected(_)), "{error:?}");
    bench.aws.reset_counters();
    assert!(!existed(&bench.grant("t", &admin, &user("idle")).await.unwrap()));
    assert_eq!(bench.calls(WHO), 0, "the answer is kept");
}

#[tokio::test]
async fn a_deletion_does_not_take_a_user_whose_belongings_do_not_show_for_one_without_any() {
    for listing in ["iam:ListGroupsForUser", "iam:ListAttachedUserPolicies", "iam:ListUserPolicies"] {
        let bench =
            Bench::with_members(|settings| settings.protected_policies = vec!["*:policy/Never".into()]).await;
        let effect = Effect::Error {
            code: "NoSuchEntity".into(),
            message: "The user with name idle cannot be found.".into(),
            status: 404,
        };
        bench.aws.arm(Fault::once(listing, effect));
        let id = resource::id(iam_user::ID, &format!("arn:aws:iam::{OWN}:user/idle"));
        let error = super::account::delete(&bench, "t", &id).await.unwrap_err();
        assert!(matches!(error, ProvisionError::GuardBlind { .. }), "{listing}: {error:?}");
        assert_eq!(bench.calls("iam:DeleteLoginProfile"), 0);
        super::account::delete(&bench, "t", &id).await.unwrap();
        assert!(!bench.aws.has_iam_user(OWN, "idle"));
    }
}

#[tokio::test]
async fn what_the_settings_protect_is_not_changed_and_the_rest_is() {
    let bench = Bench::with_members(|settings| {
        settings.protected_principals = vec![format!("arn:aws:iam::{OWN}:user/ci*"), "*:role/Runner".into()];
        settings.protected_policies = vec!["*:policy/AdministratorAccess".into()];
    })
    .await;
    let reading = policy("arn:aws:iam::aws:policy/ReadOnlyAccess");
    let admin = policy("arn:aws:iam::aws:policy/AdministratorAccess");
    let user = |name: &str| resource::reference(iam_user::ID, &format!("arn:aws:iam::{OWN}:user/{name}"));
    is_protected(&bench, &reading, &role_of(OWN, "Runner")).await;
    is_protected(&bench, &reading, &user("ci/robot")).await;
    is_protected(&bench, &admin, &user("idle")).await;
    assert!(!existed(&bench.grant("t", &reading, &user("idle")).await.unwrap()));
}

#[tokio::test]
async fn a_protected_group_takes_no_members() {
    let plain = Bench::start().await;
    let group = plain.group("Engineers").id.unwrap().resource;
    let bench = Bench::with_members(|settings| settings.protected_principals = vec![group]).await;
    is_protected(&bench, &bench.membership("Engineers"), &bench.user("carol")).await;
}

#[tokio::test]
async fn a_protected_user_is_not_reached_under_another_path() {
    let bench = Bench::with_members(|settings| {
        settings.protected_principals = vec![format!("arn:aws:iam::{OWN}:user/people/*")];
    })
    .await;
    let reading = policy("arn:aws:iam::aws:policy/ReadOnlyAccess");
    for id in ["alice@example.com", "PEOPLE/alice@example.com", "elsewhere/alice@example.com"] {
        let principal = resource::reference(iam_user::ID, &format!("arn:aws:iam::{OWN}:user/{id}"));
        let error = bench.grant("t", &reading, &principal).await.unwrap_err();
        assert!(
            matches!(error, ProvisionError::OtherEntity { .. } | ProvisionError::Protected(_)),
            "{id}: {error:?}"
        );
    }
    assert_eq!(bench.calls("iam:AttachUserPolicy"), 0);
}

#[tokio::test]
async fn a_protected_iam_group_or_inline_policy_is_not_reached_under_another_path() {
    let bench = Bench::with_members(|settings| {
        settings.protected_principals = vec![format!("arn:aws:iam::{OWN}:group/external/Auditors")];
        settings.protected_policies =
            vec![format!("arn:aws:iam::{OWN}:role/team/shop/Deployer::inline::deploy")];
    })
    .await;
    let idle = resource::reference(iam_user::ID, &format!("arn:aws:iam::{OWN}:user/idle"));
    for path in ["external/", "", "EXTERNAL/"] {
        let group = resource::named("group", &format!("arn:aws:iam::{OWN}:group/{path}Auditors"), "Auditors");
        let entitlement = Entitlement { id: "e".into(), resource: Some(group), ..Entitlement::default() };
        bench.grant("t", &entitlement, &idle).await.unwrap_err();
    }
    for (path, is_refused) in [("team/shop/", true), ("", false)] {
        let holder = role_of(OWN, &format!("{path}Deployer"));
        let id = format!("{}::inline::deploy", holder.id.as_ref().unwrap().resource);
        let inline = resource::named("inline_policy", &id, "deploy");
        let entitlement = Entitlement { id: "e".into(), resource: Some(inline), ..Entitlement::default() };
        assert_eq!(bench.revoke("t", &entitlement, &holder).await.is_err(), is_refused);
    }
    assert_eq!(bench.calls("iam:AddUserToGroup") + bench.calls("iam:DeleteRolePolicy"), 0);
}

#[tokio::test]
async fn a_user_who_has_what_is_protected_is_not_deleted() {
    for (principals, policies) in
        [(vec!["*:group/external/Auditors"], vec![]), (vec![], vec!["*:policy/ReadOnlyAccess"])]
    {
        let bench = Bench::with_members(|settings| {
            settings.protected_principals = principals.into_iter().map(str::to_owned).collect();
            settings.protected_policies = policies.into_iter().map(str::to_owned).collect();
        })
        .await;
        let id = resource::id(iam_user::ID, &format!("arn:aws:iam::{OWN}:user/o,brien+x=1"));
        let order = super::bench::provision("t", &tokio_util::sync::CancellationToken::new());
        let error = bench.connector.delete(&id, None, &order).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Protected(_)), "{error:?}");
        assert_eq!(bench.calls("iam:DeleteLoginProfile"), 0);
    }
}
