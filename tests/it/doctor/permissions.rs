//! Each permission that is missing is named, with the statement to add and what comes of it.

use batond::connector::policy::{self, Role};
use batond::doctor::{
    ESSENTIAL, ESSENTIAL_BY_ENTITY, ESSENTIAL_FOR_KEYS, ESSENTIAL_FOR_TAGS, ESSENTIAL_FOR_TAGS_BY_ENTITY,
};
use futures::StreamExt as _;
use testbed::aws::{Effect, Fault};

use super::*;

const DETAILS: &str = "iam:GetAccountAuthorizationDetails";
/// Neither is tried nor asked for: entering the members is the trial, and tags come with Pod Identity alone.
const OF_HOPS: [&str; 2] = ["sts:AssumeRole", "sts:TagSession"];

fn actions(role: Role) -> Actions {
    let found = policy::of(role, &switched_on(), true, false).unwrap().unwrap();
    found.permissions.actions().map(str::to_owned).chain([SIMULATE.to_owned()]).collect()
}

fn without(actions: &Actions, missing: &[&str]) -> Actions {
    actions.iter().filter(|action| !missing.contains(&action.as_str())).cloned().collect()
}

async fn report(main: &Actions, member: &Actions) -> Report {
    let aws = Server::start(fixture(main, member)).await.unwrap();
    visit(&aws, switched_on()).await
}

/// Of the connector's own account alone.
async fn own_report(main: &Actions) -> Report {
    let aws = Server::start(fixture(main, &everything())).await.unwrap();
    visit(&aws, AwsSettings { cross_account_iam: false, ..switched_on() }).await
}

fn of_permissions(report: &Report) -> Vec<&Finding> {
    complaints(report).into_iter().filter(|one| one.check != "members").collect()
}

/// The one thing that is wrong.
fn only(report: &Report) -> &Finding {
    let [found] = of_permissions(report)[..] else { panic!("{report:#?}") };
    found
}

fn lacking(finding: &Finding) -> Vec<&str> {
    let statement = finding.statement.as_ref().unwrap_or_else(|| panic!("{finding:?}"));
    statement.add["Action"].as_array().unwrap().iter().map(|action| action.as_str().unwrap()).collect()
}

fn is_essential(action: &str) -> bool {
    ESSENTIAL.contains(&action) || [ESSENTIAL_FOR_KEYS, ESSENTIAL_FOR_TAGS].contains(&action)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_permission_that_is_missing_is_named_with_its_statement_and_no_other() {
    let (main, member) = (actions(Role::Main), actions(Role::Member));
    let whole = report(&main, &member).await;
    assert!(of_permissions(&whole).is_empty(), "{:#?}", of_permissions(&whole));

    // Without the fast way to read IAM there is the slow one, which has a test of its own.
    let others = [SIMULATE, DETAILS];
    let tried = main.iter().map(String::as_str).filter(|one| !others.contains(one) && !OF_HOPS.contains(one));
    let wrong: Vec<String> = futures::stream::iter(tried)
        .map(|action| {
            let main = &main;
            async move {
                // Without it there is no start: it is found before all others.
                let check = if action == "sso:ListInstances" { "identity center" } else { "permissions" };
                let report = own_report(&without(main, &[action])).await;
                let found = of_permissions(&report);
                let severity = if is_essential(action) { Severity::Error } else { Severity::Warning };
                let right = match found.as_slice() {
                    [one] => {
                        lacking(one) == [action]
                            && one.severity == severity
                            && one.why.is_some()
                            && one.check == check
                    }
                    _ => false,
                };
                (!right).then(|| format!("{action}: {found:#?}"))
            }
        })
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let tried = member.iter().map(String::as_str).filter(|one| !others.contains(one));
    let wrong: Vec<String> = futures::stream::iter(tried)
        .map(|action| {
            let (main, member) = (&main, &member);
            async move {
                let report = report(main, &without(member, &[action])).await;
                let found = of_permissions(&report);
                let right =
                    matches!(found.as_slice(), [one] if lacking(one) == [action] && one.accounts == [SHOP]);
                (!right).then(|| format!("{action}: {found:#?}"))
            }
        })
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn writes_are_never_fine_where_they_cannot_be_asked_for() {
    let (main, member) = (actions(Role::Main), actions(Role::Member));
    let report = report(&without(&main, &[SIMULATE]), &without(&member, &[SIMULATE])).await;
    let found = of_permissions(&report);
    assert!(found.iter().all(|one| one.severity == Severity::Unchecked), "{found:#?}");
    let own = found.iter().find(|one| one.accounts == [OWN]).unwrap();
    assert_eq!(lacking(own), [SIMULATE]);
    let statement = own.statement.as_ref().unwrap();
    assert_eq!(statement.add["Resource"], format!("arn:aws:iam::{OWN}:role/BatonConnector"));
    for write in ["iam:CreateUser", "sso:CreateAccountAssignment", "identitystore:DeleteUser"] {
        assert!(own.what.contains(write), "{write}: {own:?}");
    }
    let shop = found.iter().find(|one| one.accounts == [SHOP]).unwrap();
    let statement = shop.statement.as_ref().unwrap();
    assert_eq!(statement.add["Resource"], "arn:aws:iam::*:role/OrganizationAccountAccessRole");
    let fine = report.findings.iter().filter(|one| one.severity == Severity::Ok);
    let told = fine.filter(|one| one.accounts.iter().any(|account| [OWN, SHOP].contains(&account.as_str())));
    assert!(told.into_iter().all(|one| !one.what.contains(SIMULATE)), "{report:#?}");
}

#[tokio::test]
async fn the_slow_way_to_read_iam_is_looked_at_where_the_fast_one_is_denied() {
    let (mut main, member) = (actions(Role::Main), actions(Role::Member));
    main.extend(policy::entity_by_entity(&switched_on()).unwrap().actions);
    let slow = report(&without(&main, &[DETAILS]), &member).await;
    let [found] = of_permissions(&slow)[..] else { panic!("{slow:#?}") };
    assert_eq!((found.severity, lacking(found)), (Severity::Warning, vec![DETAILS]));

    let denied = report(&without(&main, &[DETAILS, "iam:ListGroups"]), &member).await;
    let found = of_permissions(&denied);
    let fatal = found.iter().find(|one| one.severity == Severity::Error).unwrap();
    assert_eq!(lacking(fatal), ["iam:ListGroups"]);
    assert!(fatal.why.as_deref().unwrap().contains("no sync"), "{fatal:?}");

    let denied = report(&without(&main, &[DETAILS, "iam:ListRoleTags"]), &member).await;
    let found = of_permissions(&denied);
    let fatal = found.iter().find(|one| one.severity == Severity::Error).unwrap();
    assert_eq!(lacking(fatal), ["iam:ListRoleTags"]);
}

#[tokio::test]
async fn another_statement_is_not_recommended_against_a_policy_of_the_organization() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    let message = "User: x is not authorized to perform: identitystore:ListGroups on resource: * with an explicit \
                   deny in a service control policy";
    let effect = Effect::Error { code: "AccessDeniedException".into(), message: message.into(), status: 400 };
    aws.arm(Fault::once("identitystore:ListGroups", effect));
    let report = visit(&aws, switched_on()).await;
    let found = only(&report);
    assert!(found.statement.is_none(), "{found:?}");
    assert!(found.next.as_deref().unwrap().contains("service control policy"), "{found:?}");
}

#[tokio::test]
async fn a_key_that_refuses_is_a_finding_of_its_own() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    let message = "User is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:1:key/1";
    let effect = Effect::Error { code: "AccessDeniedException".into(), message: message.into(), status: 400 };
    aws.arm(Fault::once("identitystore:ListUsers", effect));
    let report = visit(&aws, switched_on()).await;
    let found = of_permissions(&report);
    let [found] = found.as_slice() else { panic!("{report:#?}") };
    assert_eq!((found.severity, found.check, lacking(found)), (Severity::Error, "key", vec!["kms:Decrypt"]));
}

#[tokio::test]
async fn an_answer_that_says_nothing_of_a_permission_is_not_taken_for_one() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    aws.arm(Fault::once(
        "organizations:ListRoots",
        Effect::Error { code: "InvalidInputException".into(), message: "no".into(), status: 400 },
    ));
    let report = visit(&aws, switched_on()).await;
    let found = only(&report);
    assert_eq!(found.severity, Severity::Unchecked);
    assert!(found.what.starts_with("organizations:ListRoots"), "{found:?}");
}

#[tokio::test]
async fn a_request_that_aws_refuses_is_an_error_where_a_sync_fails_on_it() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    let code = "AWSOrganizationsNotInUseException".into();
    let effect = Effect::Error { code, message: "not a member".into(), status: 400 };
    aws.arm(Fault::new("organizations:ListAccounts", effect));
    let report = visit(&aws, switched_on()).await;
    let fatal = report.findings.iter().find(|one| one.severity == Severity::Error).unwrap();
    assert!(fatal.what.contains("organizations:ListAccounts") && fatal.statement.is_none(), "{fatal:?}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_taken_for_a_permission() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    aws.arm(Fault::once("identitystore:ListGroups", Effect::Drop("Groups".into())));
    let report = visit(&aws, switched_on()).await;
    let found = only(&report);
    assert_eq!(found.severity, Severity::Unchecked);
    assert!(found.what.starts_with("identitystore:ListGroups: malformed"), "{found:?}");
}

#[tokio::test]
async fn what_a_simulation_may_be_wrong_about_is_not_stated_as_a_fact() {
    let aws = Server::start(fixture(&everything(), &everything())).await.unwrap();
    assert!(aws.deny("BatonConnector", &["iam:CreateUser"]));
    let report = visit(&aws, switched_on()).await;
    let found = only(&report);
    assert_eq!((found.severity, found.statement.as_ref()), (Severity::Unchecked, None));
    assert!(
        found.what.contains("may not iam:CreateUser, as iam:SimulatePrincipalPolicy has it"),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_account_that_the_organization_tells_nothing_is_said_to_be_the_wrong_one() {
    let (aws, role) = with_role_in("Shared").await;
    let wanted = AwsSettings {
        role: Some(role),
        external_id: None,
        identity_center: false,
        cross_account_iam: false,
        last_login_events: false,
        resource_tags: false,
        ..switched_on()
    };
    let report = visit(&aws, wanted).await;
    let found = report.findings.iter().find(|one| one.severity == Severity::Error).unwrap();
    assert!(found.what.contains("organizations:ListAccounts"), "{found:?}");
    // No statement helps against it.
    assert!(found.statement.is_none(), "{found:?}");
    assert!(found.next.as_deref().unwrap().contains("use a role of such an account"), "{found:?}");
}

#[tokio::test]
async fn a_connector_that_may_enter_no_member_is_an_error_with_the_statement_to_add() {
    let (main, member) = (actions(Role::Main), actions(Role::Member));
    let report = report(&without(&main, &["sts:AssumeRole"]), &member).await;
    let found: Vec<&Finding> = report.findings.iter().filter(|one| one.check == "members").collect();
    let [found] = found.as_slice() else { panic!("{report:#?}") };
    assert_eq!((found.severity, lacking(found)), (Severity::Error, vec!["sts:AssumeRole"]));
    assert!(found.accounts.iter().any(|account| account == SHOP), "{found:?}");
    let statement = found.statement.as_ref().unwrap();
    assert_eq!(statement.add["Resource"], "arn:aws:iam::*:role/OrganizationAccountAccessRole");
}

/// The table of `docs/semantics.md`, which another test holds to what a sync does.
#[test]
fn an_error_is_what_ends_a_sync_and_nothing_else() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/semantics.md")).unwrap();
    let (_, rest) = text.split_once("<!-- faults:begin -->").unwrap();
    let (table, _) = rest.split_once("<!-- faults:end -->").unwrap();
    let cells =
        |line: &str| line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let fatal = |ways: &[&str]| -> Actions {
        let rows = table.lines().map(cells).filter(|row| row.len() > 4 && row[3] == "fails");
        rows.filter(|row| ways.contains(&row[1].as_str())).map(|row| row[2].clone()).collect()
    };
    let set = |actions: &[&str]| actions.iter().map(|one| (*one).to_owned()).collect::<Actions>();
    let mut of_start = fatal(&["start", "center", "principals", "details"]);
    // It needs no permission.
    assert!(of_start.remove("sts:GetCallerIdentity"));
    assert_eq!(of_start, set(&ESSENTIAL));
    let mut by_entity = fatal(&["entities"]);
    by_entity.retain(|one| !ESSENTIAL.contains(&one.as_str()));
    assert_eq!(by_entity, set(&ESSENTIAL_BY_ENTITY));
    assert_eq!(fatal(&["keys"]), set(&[ESSENTIAL_FOR_KEYS]));
    let mut for_tags = fatal(&["tags"]);
    assert!(for_tags.remove(ESSENTIAL_FOR_TAGS));
    assert_eq!(for_tags, set(&ESSENTIAL_FOR_TAGS_BY_ENTITY));
}
