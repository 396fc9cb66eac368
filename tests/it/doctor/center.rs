//! What `doctor` says of the instance of Identity Center.

use batond::doctor::{Finding, Report, Severity};
use testbed::aws::{Effect, Fault, NetworkRules, Server};

use super::{everything, switched_on, visit};
use crate::support::allowing;

async fn server() -> Server {
    Server::start(allowing(&everything(), &everything())).await.unwrap()
}

/// What stands under the check, but for what is fine.
fn told(report: &Report) -> Vec<&Finding> {
    let of_center = |one: &&Finding| one.check == "identity center" && one.severity != Severity::Ok;
    report.findings.iter().filter(of_center).collect()
}

#[tokio::test]
async fn a_region_other_than_the_primary_one_is_an_error() {
    let aws = server().await;
    aws.change_instance(|instance| instance.primary_region = Some("eu-central-1".to_owned()));
    let report = visit(&aws, switched_on()).await;
    let found = told(&report);
    let [region] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(region.severity, Severity::Error);
    let expected =
        "BATON_GLOBAL_AWS_SSO_REGION is us-east-1, and the primary region of the instance eu-central-1";
    assert_eq!(region.what, expected);
    assert!(
        region.next.as_ref().unwrap().starts_with("set eu-central-1 before the first sync"),
        "{region:?}"
    );
    // An endpoint that does not tell it gives no reason to complain.
    aws.change_instance(|instance| instance.without_regions = true);
    assert_eq!(told(&visit(&aws, switched_on()).await), Vec::<&Finding>::new());
}

#[tokio::test]
async fn an_instance_that_is_not_active_is_an_error_with_aws_s_reason() {
    let aws = server().await;
    aws.change_instance(|instance| {
        instance.status = "CREATE_FAILED".to_owned();
        instance.status_reason = Some("No quota.".to_owned());
    });
    let report = visit(&aws, switched_on()).await;
    let found = told(&report);
    let [status] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((status.severity, status.why.as_deref()), (Severity::Error, Some("No quota.")));
    assert!(status.what.ends_with("is CREATE_FAILED, not ACTIVE"), "{status:?}");
}

#[tokio::test]
async fn permission_sets_that_are_off_and_network_rules_are_told() {
    let aws = server().await;
    aws.change_instance(|instance| {
        instance.permission_sets_enabled = false;
        instance.store_network = Some(NetworkRules {
            vpce_required: true,
            vpcs: Vec::new(),
            addresses: vec!["192.0.2.0/24".to_owned()],
        });
    });
    let report = visit(&aws, switched_on()).await;
    let found = told(&report);
    let [sets, network] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((sets.severity, network.severity), (Severity::Warning, Severity::Note));
    assert!(sets.what.contains("no permission sets"), "{sets:?}");
    let expected = "it may be called through a VPC endpoint alone, and in any case from 192.0.2.0/24";
    assert!(network.what.ends_with(expected), "{network:?}");
}

#[tokio::test]
async fn what_may_not_be_looked_at_is_a_note_with_the_action() {
    let aws = server().await;
    assert!(aws.deny("BatonConnector", &["sso:DescribeInstance", "identitystore:DescribeIdentityStore"]));
    let report = visit(&aws, switched_on()).await;
    let found = told(&report);
    assert_eq!(found.len(), 2, "{found:#?}");
    for (finding, action) in found.iter().zip(["sso:DescribeInstance", "identitystore:DescribeIdentityStore"])
    {
        assert_eq!(finding.severity, Severity::Note);
        assert!(finding.what.starts_with("not looked at: "), "{finding:?}");
        assert!(finding.next.as_ref().unwrap().contains(action), "{finding:?}");
    }
}

#[tokio::test]
async fn a_denial_that_no_policy_explains_names_the_network_rules_beside_the_statement() {
    let aws = server().await;
    let denial = |words: &str| Effect::Error {
        code: "AccessDeniedException".into(),
        message: format!(
            "User: arn:aws:iam::111111111111:role/BatonConnector is not authorized to perform: sso:ListPermissionSets \
             on resource: arn:aws:sso:::instance/ssoins-1{words}"
        ),
        status: 400,
    };
    for (words, named) in
        [("", true), (" because no identity-based policy allows the sso:ListPermissionSets action", false)]
    {
        aws.arm(Fault::new("sso:ListPermissionSets", denial(words)));
        let report = visit(&aws, switched_on()).await;
        let found = report.findings.iter().find(|one| one.what.ends_with("may not sso:ListPermissionSets"));
        let found = found.unwrap_or_else(|| panic!("{:#?}", report.findings));
        assert_eq!(found.severity, Severity::Error);
        let next = found.next.as_deref().unwrap_or_default();
        assert_eq!(next.contains("network rules of Identity Center"), named, "{found:?}");
        assert!(found.statement.is_some(), "a statement may help all the same: {found:?}");
        aws.disarm();
    }
}
