//! `doctor` finds what is wrong, and nothing where nothing is.

use std::collections::BTreeSet;

use batond::config::{
    AccountKind, AwsSettings, ControlPlaneSettings, DaemonSettings, LogSettings, Operation, RoleArn,
    Settings, SyncSettings,
};
use batond::control_plane::Network;
use batond::doctor::{self, Finding, Report, Severity};
use testbed::aws::{IamRole, Server, Trust};
use testbed::control_plane::{Options, Server as Plane};
use tokio::sync::OnceCell;

use crate::daemon_calls::{network, settings as control_plane};
use crate::support::{allowing as fixture, aws_settings, everything_on};

mod center;
mod hops;
mod permissions;

const OWN: &str = "111111111111";
const SHOP: &str = "444444444444";
/// Its role lets nobody in.
const STAGING: &str = "Shop (staging)";
const SIMULATE: &str = "iam:SimulatePrincipalPolicy";

type Actions = BTreeSet<String>;

fn everything() -> Actions {
    ["*".to_owned()].into()
}

/// Everything switched on.
fn switched_on() -> AwsSettings {
    everything_on(AccountKind::IamUser)
}

/// A visit to `aws` as the fixture's connector, which starts with its keys.
async fn visit(aws: &Server, wanted: AwsSettings) -> Report {
    visit_with(aws, wanted, None).await
}

async fn visit_with(
    aws: &Server,
    wanted: AwsSettings,
    plane: Option<(ControlPlaneSettings, Network)>,
) -> Report {
    let reach = aws_settings(aws);
    let (control_plane, network) = match plane {
        Some((settings, network)) => (Some(settings), network),
        None => (None, no_network().await),
    };
    let settings = Settings {
        aws: AwsSettings {
            region: reach.region,
            endpoint_url: reach.endpoint_url,
            static_keys: wanted.static_keys.clone().or(reach.static_keys),
            quotas: reach.quotas,
            ..wanted
        },
        sync: SyncSettings::default(),
        control_plane,
        daemon: DaemonSettings::default(),
        log: LogSettings::default(),
        host_id: "host-1".into(),
        file: "sync.c1z".into(),
        provisioning: true,
        operation: Operation::Sync,
        dry_run: false,
    };
    let report = Box::pin(doctor::examine(&settings, &network)).await;
    let text = format!("{report:?}");
    assert!(!text.contains("CANARY"), "{text}");
    report
}

/// The way to a control plane that nobody asks.
async fn no_network() -> Network {
    static NETWORK: OnceCell<Network> = OnceCell::const_new();
    let made = NETWORK.get_or_init(async || network(&Plane::start(Options::default()).await.unwrap()));
    made.await.clone()
}

/// A world where the connector may work as a role of another account.
async fn with_role_in(account: &str) -> (Server, RoleArn) {
    let mut fixture = fixture(&everything(), &everything());
    fixture.principals.roles.push(IamRole {
        name: "Elsewhere".into(),
        account: Some(account.into()),
        trust: vec![Trust { principals: vec!["connector".into()], ..Trust::default() }],
        ..IamRole::default()
    });
    let aws = Server::start(fixture).await.unwrap();
    let role = aws.role_arn("Elsewhere").unwrap().parse().unwrap();
    (aws, role)
}

/// What is worse than a note.
fn complaints(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.severity > Severity::Note).collect()
}

#[tokio::test]
async fn nothing_is_wrong_where_everything_is_allowed() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    let plane = Plane::start(Options::default()).await.unwrap();
    let before = aws.counters();
    let report = visit_with(&aws, switched_on(), Some((control_plane(&plane), network(&plane)))).await;

    let complaints = complaints(&report);
    let [staging] = complaints.as_slice() else { panic!("{complaints:#?}") };
    assert_eq!((staging.severity, staging.check), (Severity::Warning, "members"));
    assert_eq!(staging.accounts, [aws.account_id(STAGING).unwrap()]);
    assert!(staging.what.contains("arn:aws:iam::ACCOUNT:role/OrganizationAccountAccessRole"), "{staging:?}");

    let fine: Vec<_> = report.findings.iter().filter(|one| one.severity == Severity::Ok).collect();
    let checks: BTreeSet<_> = fine.iter().map(|one| one.check).collect();
    assert_eq!(checks, ["clock", "control plane", "identity", "identity center", "permissions"].into());
    assert_eq!(plane.calls(testbed::control_plane::Rpc::Hello), 1);

    // It reads and asks; whatever else it may, it makes no change.
    for row in aws.counters().rows {
        let operation = row.action.split_once(':').unwrap().1;
        let harmless = ["Get", "List", "Describe", "Lookup", "Generate", "Simulate", "AssumeRole"];
        assert!(harmless.iter().any(|verb| operation.starts_with(verb)), "{}", row.action);
    }
    assert!(aws.counters().total() > before.total());
}

#[tokio::test]
async fn a_control_plane_that_refuses_is_told_with_what_to_do() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    let plane = Plane::start(Options::default()).await.unwrap();
    let other = Plane::start(Options::default()).await.unwrap();
    let mixed =
        ControlPlaneSettings { client_secret: control_plane(&other).client_secret, ..control_plane(&plane) };
    let report = visit_with(&aws, switched_on(), Some((mixed.clone(), network(&plane)))).await;
    let found = report.findings.iter().find(|one| one.check == "control plane").unwrap();
    assert_eq!(found.severity, Severity::Error, "{found:?}");
    assert!(found.next.as_deref().unwrap().contains("BATON_CLIENT_SECRET"), "{found:?}");

    // Without AWS there is nothing to greet with, and the token is tried all the same.
    let lost = AwsSettings { external_id: None, ..switched_on() };
    for (settings, severity) in [(control_plane(&plane), Severity::Ok), (mixed, Severity::Error)] {
        let report = visit_with(&aws, lost.clone(), Some((settings, network(&plane)))).await;
        let found = report.findings.iter().find(|one| one.check == "control plane").unwrap();
        assert_eq!(found.severity, severity, "{found:?}");
    }
    assert_eq!(plane.calls(testbed::control_plane::Rpc::Hello), 0);
}

#[tokio::test]
async fn a_delegated_administrator_is_told_its_limits() {
    let (aws, role) = with_role_in("Audit").await;
    let wanted =
        AwsSettings { role: Some(role), external_id: None, cross_account_iam: false, ..switched_on() };
    let report = visit(&aws, wanted).await;
    assert!(complaints(&report).is_empty(), "{:#?}", complaints(&report));
    let notes: Vec<_> = report.findings.iter().filter(|one| one.severity == Severity::Note).collect();
    let [limits, simulation] = notes.as_slice() else { panic!("{notes:#?}") };
    assert!(limits.what.contains("delegated administrator"), "{limits:?}");
    assert!(simulation.what.contains("service control policies; not those of sessions"), "{simulation:?}");
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_a_finding_of_identity_center() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    let wanted =
        AwsSettings { instance_arn: Some("arn:aws:sso:::instance/ssoins-1".into()), ..switched_on() };
    let report = visit(&aws, wanted).await;
    let [found] = complaints(&report)[..] else { panic!("{report:#?}") };
    assert_eq!((found.severity, found.check), (Severity::Error, "identity center"));
    assert!(found.what.contains("BATON_SSO_INSTANCE_ARN"), "{found:?}");
}

#[tokio::test]
async fn federation_tokens_that_aws_gives_no_role_are_a_fault_and_none_is_asked_for() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    let wanted = AwsSettings { vend_federated_users: vec!["*:federated-user/ci".into()], ..switched_on() };
    let report = visit(&aws, wanted.clone()).await;
    let found: Vec<_> =
        report.findings.iter().filter(|one| one.what.contains("BATON_VEND_FEDERATED_USERS")).collect();
    let [found] = found.as_slice() else { panic!("{report:#?}") };
    assert_eq!((found.severity, found.check), (Severity::Error, "identity"));
    assert!(found.what.contains("assumed-role/BatonConnector"), "{found:?}");

    let as_user = visit(&aws, AwsSettings { role: None, external_id: None, ..wanted }).await;
    assert!(!format!("{as_user:?}").contains("BATON_VEND_FEDERATED_USERS"), "{as_user:#?}");
    assert_eq!(aws.counters().calls("sts:GetFederationToken"), 0);
}
