//! A failed `sts:AssumeRole` is told apart: no such role, trust that refuses, wrong external id, our own side.

use batond::config::{Secret, StaticKeys};
use testbed::aws::{Effect, Fault};

use super::*;

async fn world() -> Server {
    changed(|_| {}).await
}

async fn changed(change: impl FnOnce(&mut testbed::aws::Principals)) -> Server {
    let mut fixture = fixture(&everything(), &everything());
    let role = |name: &str, trust: Vec<Trust>| IamRole { name: name.into(), trust, ..IamRole::default() };
    let trusting = |name: &str, external_id: Option<&str>| Trust {
        principals: vec![name.into()],
        external_id: external_id.map(str::to_owned),
        ..Trust::default()
    };
    fixture.principals.roles.extend([
        role("Strange", vec![trusting("PodRole", None)]),
        role("Guarded", vec![trusting("connector", Some("CANARY-guarded"))]),
    ]);
    change(&mut fixture.principals);
    Server::start(fixture).await.unwrap()
}

fn as_role(name: &str, external_id: Option<&str>) -> AwsSettings {
    AwsSettings {
        role: Some(format!("arn:aws:iam::{OWN}:role/{name}").parse().unwrap()),
        external_id: external_id.map(Secret::from),
        ..switched_on()
    }
}

/// A refusal without a reason.
fn silence() -> Effect {
    let message =
        format!("User: arn:aws:iam::{OWN}:user/connector is not authorized to perform: sts:AssumeRole");
    Effect::Error { code: "AccessDenied".into(), message, status: 403 }
}

async fn only(aws: &Server, wanted: AwsSettings) -> Finding {
    let report = visit(aws, wanted).await;
    let [found] = complaints(&report)[..] else { panic!("{report:#?}") };
    assert_eq!((found.severity, found.check), (Severity::Error, "identity"));
    found.clone()
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_told_so() {
    let aws = world().await;
    let found = only(&aws, as_role("Missing", None)).await;
    assert!(
        found.what.contains("role/Missing") && found.what.ends_with("the role does not exist"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_trust_policy_that_names_others_comes_with_the_statement_to_add() {
    let aws = world().await;
    let found = only(&aws, as_role("Strange", None)).await;
    assert!(found.what.contains("does not name the caller"), "{found:?}");
    let statement = found.statement.unwrap();
    assert_eq!(statement.to, format!("the trust policy of arn:aws:iam::{OWN}:role/Strange"));
    assert_eq!(statement.add["Principal"]["AWS"], format!("arn:aws:iam::{OWN}:user/connector"));
}

#[tokio::test]
async fn a_wrong_external_id_is_told_from_a_missing_one() {
    let aws = world().await;
    let wrong = only(&aws, as_role("Guarded", Some("CANARY-other"))).await;
    assert!(wrong.what.contains("the external id in BATON_EXTERNAL_ID is not the one"), "{wrong:?}");
    let missing = only(&aws, as_role("Guarded", None)).await;
    assert!(missing.what.contains("BATON_EXTERNAL_ID is not set"), "{missing:?}");
    assert!(wrong.statement.is_none() && missing.statement.is_none());
    let right = visit(&aws, as_role("Guarded", Some("CANARY-guarded"))).await;
    assert!(right.findings.iter().all(|one| one.check != "identity" || one.severity == Severity::Ok));
}

#[tokio::test]
async fn our_own_side_comes_with_the_statement_to_add_whether_aws_says_so_or_not() {
    let aws = changed(|principals| {
        principals.users[0].allow = vec!["iam:*".into(), "sts:GetCallerIdentity".into()];
    })
    .await;
    let role = format!("arn:aws:iam::{OWN}:role/Guarded");
    for effect in [None, Some(silence())] {
        if let Some(effect) = effect {
            aws.arm(Fault::once("sts:AssumeRole", effect));
        }
        let found = only(&aws, as_role("Guarded", Some("CANARY-guarded"))).await;
        assert!(found.what.contains("own side does not allow it"), "{found:?}");
        let statement = found.statement.unwrap();
        assert_eq!(statement.to, format!("the policies of arn:aws:iam::{OWN}:user/connector"));
        assert_eq!(statement.add["Resource"], role);
        assert_eq!(statement.add["Action"][0], "sts:AssumeRole");
    }
}

#[tokio::test]
async fn another_statement_is_not_recommended_against_a_denial_of_our_own_side() {
    let aws = world().await;
    assert!(aws.deny("connector", &["sts:AssumeRole"]));
    aws.arm(Fault::once("sts:AssumeRole", silence()));
    let found = only(&aws, as_role("Guarded", Some("CANARY-guarded"))).await;
    assert!(found.what.contains("an explicit denial in its policies"), "{found:?}");
    assert!(found.statement.is_none(), "{found:?}");
}

#[tokio::test]
async fn what_nobody_can_tell_from_here_is_listed_without_what_is_ruled_out() {
    let aws = world().await;
    let vendor = aws.credentials_of("vendor").unwrap();
    let keys = StaticKeys {
        access_key_id: vendor.access_key_id,
        secret_access_key: Secret::from(vendor.secret_access_key),
    };
    let other = AwsSettings { static_keys: Some(keys), ..as_role("Guarded", Some("CANARY-other")) };
    let found = only(&aws, other.clone()).await;
    for words in
        ["Either the role does not exist", "does not name the caller", "another external id", "do allow it"]
    {
        assert!(found.what.contains(words), "{words}: {found:?}");
    }
    assert!(aws.deny("vendor", &[SIMULATE]));
    let found = only(&aws, other).await;
    assert!(found.what.contains("or the caller's own policies do not allow sts:AssumeRole"), "{found:?}");
    assert!(found.next.unwrap().contains(SIMULATE));
}

#[tokio::test]
async fn of_another_accounts_role_a_simulation_that_does_not_allow_is_no_verdict() {
    let aws = changed(|principals| {
        let vendor = principals.users.iter_mut().find(|user| user.name == "vendor").unwrap();
        vendor.allow = vec!["iam:*".into()];
    })
    .await;
    let vendor = aws.credentials_of("vendor").unwrap();
    let keys = StaticKeys {
        access_key_id: vendor.access_key_id,
        secret_access_key: Secret::from(vendor.secret_access_key),
    };
    aws.arm(Fault::once("sts:AssumeRole", silence()));
    let found = only(&aws, AwsSettings { static_keys: Some(keys), ..as_role("Guarded", None) }).await;
    assert!(
        found.what.contains("Either the role does not exist") && found.what.contains("as iam:Sim"),
        "{found:?}"
    );
    assert_eq!(found.statement.unwrap().add["Resource"], format!("arn:aws:iam::{OWN}:role/Guarded"));
}
