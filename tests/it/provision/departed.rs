//! Accounts that are suspended or have left the organization: the truth about them, with AWS's answer.

use batond::baton::resource;
use batond::baton::v2::Entitlement;
use batond::connector::ProvisionError;
use batond::tasks::EngineError;
use testbed::aws::PrincipalType;

use super::bench::{ADMIN, Bench, Through, was_gone};
use super::log::Log;

const GONE: &str = "888888888888";

/// The access to a set on an account that is not there any more.
pub(super) fn departed(bench: &Bench) -> Entitlement {
    let id = format!("{GONE}|{}", bench.aws.permission_set_arn(ADMIN).unwrap());
    Entitlement { id, resource: Some(resource::reference("account", GONE)), ..Entitlement::default() }
}

#[tokio::test]
async fn access_to_an_account_that_left_the_organization_is_already_revoked() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let (entitlement, bob) = (departed(&bench), bench.user("bob"));
    assert!(was_gone(&bench.revoke("revoke", &entitlement, &bob).await.unwrap()));
    assert_eq!(log.the_audit("revoke")["outcome"], "unchanged");
    assert_eq!(bench.calls("organizations:DescribeAccount"), 1);

    let error = bench.grant("grant", &entitlement, &bob).await.unwrap_err();
    assert!(
        error.to_string().starts_with("account 888888888888 is not in the organization: sso:"),
        "{error}"
    );
    assert_eq!(log.the_audit("grant")["outcome"], "failed");
    assert_eq!(EngineError::from(error).status.code, 9, "FailedPrecondition");
}

#[tokio::test]
async fn where_nobody_may_ask_for_the_account_a_refused_revoke_stays_an_error() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    bench.aws.deny("connector", &["organizations:DescribeAccount"]);
    let error = bench.revoke("t", &departed(&bench), &bench.user("bob")).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Call(_)), "{error:?}");
    assert_eq!(log.the_audit("t")["outcome"], "failed");
}

#[tokio::test]
async fn a_grant_on_a_suspended_account_fails_and_says_so() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let entitlement = bench.access(Through::Account, "Old shop", ADMIN);
    let error = bench.grant("grant", &entitlement, &bench.user("bob")).await.unwrap_err();
    assert!(error.to_string().starts_with("account 777777777777 is suspended: AWS reports"), "{error}");
    assert_eq!(log.the_audit("grant")["outcome"], "failed");
    assert!(!bench.aws.is_assigned("Old shop", ADMIN, PrincipalType::User, "bob"));
}
