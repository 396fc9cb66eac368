//! Every read of a sync under every kind of trouble, with the outcome that docs/semantics.md promises.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use batond::config::AwsSettings;
use batond::connector::Connector;
use batond::sync::{Report, SyncError, SyncOptions};
use futures::stream::{self, StreamExt};
use serde_json::json;
use testbed::aws::{Effect, Fault, Fixture, Server, Shape, served};
use tokio_util::sync::CancellationToken;

use crate::dump::Dump;
use crate::support::{Work, aws_settings};

/// Cases under way at once; most of them wait for a retry.
const AT_ONCE: usize = 8;

const DETAILS: &str = "iam:GetAccountAuthorizationDetails";
const REPORT: &str = "iam:GenerateCredentialReport";

/// One row of the table.
#[derive(Clone, Debug)]
struct Read {
    way: String,
    action: String,
    denied: String,
    gone: String,
    malformed: String,
    never_answers: String,
}

fn table() -> Vec<Read> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/semantics.md"));
    let (_, rest) = text.split_once("<!-- faults:begin -->").unwrap();
    let (table, _) = rest.split_once("<!-- faults:end -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [way, action, denied, gone, malformed, never_answers] = cells.as_slice() else {
            panic!("{line}")
        };
        let [way, denied, gone, malformed, never_answers] =
            [way, denied, gone, malformed, never_answers].map(|cell| (*cell).to_owned());
        let action = action.trim_matches('`').to_owned();
        Read { way, action, denied, gone, malformed, never_answers }
    })
    .collect()
}

/// The member that is left out of an answer, or given another type, to make it malformed.
fn member(action: &str) -> Effect {
    let drop = |member: &str| Effect::Drop(member.to_owned());
    let wrong = |member: &str| Effect::WrongType(member.to_owned());
    match action {
        "sts:GetCallerIdentity"
        | "iam:ListUsers"
        | "iam:ListGroups"
        | "iam:ListRoles"
        | "iam:ListPolicies"
        | "iam:GetGroup" => drop("Arn"),
        DETAILS => drop("UserName"),
        "sso:ListInstances" => drop("InstanceArn"),
        "identitystore:ListUsers" => drop("UserId"),
        "identitystore:ListGroups" => drop("GroupId"),
        "identitystore:ListGroupMemberships" => wrong("GroupMemberships"),
        "sso:ListPermissionSets" | "sso:ListPermissionSetsProvisionedToAccount" => wrong("PermissionSets"),
        "sso:DescribePermissionSet" | "sso:ListCustomerManagedPolicyReferencesInPermissionSet" => {
            drop("Name")
        }
        "sso:ListManagedPoliciesInPermissionSet" => drop("Arn"),
        "sso:GetInlinePolicyForPermissionSet" => wrong("InlinePolicy"),
        "sso:ListAccountAssignments" => drop("PrincipalId"),
        "sso:ListAccountAssignmentsForPrincipal" => drop("PermissionSetArn"),
        "sts:AssumeRole" => drop("Credentials"),
        "iam:GetPolicyVersion" => drop("Document"),
        "iam:GetCredentialReport" => wrong("GeneratedTime"),
        "iam:GetUserPolicy" | "iam:GetGroupPolicy" | "iam:GetRolePolicy" => drop("PolicyDocument"),
        "iam:ListUserTags" | "iam:ListRoleTags" | "organizations:ListTagsForResource" => drop("Tags"),
        "iam:GetLoginProfile" => wrong("CreateDate"),
        "iam:ListAccessKeys" => drop("AccessKeyId"),
        "iam:GetAccessKeyLastUsed" => wrong("LastUsedDate"),
        "iam:ListAccountAliases" => drop("AccountAliases"),
        _ if action.starts_with("organizations:") => drop("Id"),
        _ if action.starts_with("iam:ListAttached") => drop("PolicyArn"),
        _ if action.ends_with("Policies") => drop("PolicyNames"),
        _ => panic!("no member of {action}"),
    }
}

/// AWS and the settings of a way to read.
async fn start(way: &str) -> (Server, AwsSettings) {
    let fixture = match way {
        // More pairs than principals.
        "principals" => Fixture::generate(Shape {
            accounts: 12,
            users: 20,
            groups: 5,
            memberships: 30,
            assignments: 90,
            pairs: 80,
            ..Shape::SMALL
        }),
        _ => Fixture::example(),
    };
    let aws = Server::start(fixture.unwrap()).await.unwrap();
    let mut settings = AwsSettings { cross_account_iam: true, ..aws_settings(&aws) };
    match way {
        "no paths" | "parents" => aws.set(|knobs| knobs.account_paths = false),
        "entities" | "keys" => {
            settings.iam_tags = true;
            settings.secrets = way == "keys";
        }
        "tags" => settings.resource_tags = true,
        "console" => settings.console_access = true,
        _ => {}
    }
    (aws, settings)
}

/// Arms what makes a sync read by this way; later than the fault in question, which goes first.
fn arm_way(aws: &Server, way: &str) {
    if ["entities", "keys", "tags"].contains(&way) {
        aws.arm(Fault::new(DETAILS, Effect::Deny));
        aws.arm(Fault::new(REPORT, Effect::Deny));
    }
    if way == "parents" {
        aws.arm(Fault::new("organizations:ListAccountsForParent", Effect::Deny));
    }
}

struct Outcome {
    result: Result<(Report, Dump), SyncError>,
    /// How often the read was made.
    calls: u64,
}

/// A sync by this way, with a fault.
async fn sync(way: &str, action: &str, fault: Option<Fault>) -> Outcome {
    sync_with(way, action, fault.into_iter().collect()).await.0
}

/// A sync by this way, with faults; gives those that hit less often than they might have, too.
async fn sync_with(way: &str, action: &str, faults: Vec<Fault>) -> (Outcome, Vec<Fault>) {
    let (aws, settings) = start(way).await;
    let connector = Connector::open(&settings).await.unwrap();
    aws.reset_counters();
    for fault in &faults {
        aws.arm(fault.clone());
    }
    arm_way(&aws, way);
    let work = Work::new();
    let result = work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await;
    let left = work.left();
    if result.is_err() {
        assert!(left.is_empty(), "{action}: {left:?} are left");
    }
    let calls = aws.counters().calls(action);
    let unspent = aws.armed().into_iter().filter(|fault| fault.times.is_some()).collect();
    let outcome = Outcome { result: result.map(|report| (report, Dump::read(&work.file()))), calls };
    (outcome, unspent)
}

fn gone(action: &str) -> Effect {
    let code = if action.starts_with("iam:") || action.starts_with("sts:") {
        "NoSuchEntity"
    } else {
        "ResourceNotFoundException"
    };
    Effect::Error { code: code.to_owned(), message: "it is gone".to_owned(), status: 404 }
}

/// What is there is there when all is calm, too.
fn is_part_of(part: &Dump, whole: &Dump) -> bool {
    part.resources.keys().all(|id| whole.resources.contains_key(id))
        && part.entitlements.keys().all(|id| whole.entitlements.contains_key(id))
        && part.grants.keys().all(|id| whole.grants.contains_key(id))
}

/// What differs from the promise; `None` if nothing does.
fn broken(promise: &str, outcome: &Outcome, calm: &Dump, action: &str, denied: bool) -> Option<String> {
    let name = action.split(':').nth(1).unwrap();
    if outcome.calls == 0 {
        return Some("it was never read".to_owned());
    }
    let told = |report: &Report, word: &str| report.incomplete.iter().any(|one| one.reason.contains(word));
    let kept = match (promise, &outcome.result) {
        ("fails", Err(error)) => {
            let message = error.to_string();
            let names_it = message.contains(name) && (!denied || message.contains("\"Effect\""));
            return (error.is_retryable() || !names_it).then_some(message);
        }
        ("retry later", Err(error)) => return (!error.is_retryable()).then(|| error.to_string()),
        ("other way", Ok((report, rows))) => {
            rows == calm && (!denied || report.cheaper.contains(&action.to_owned()))
        }
        ("nothing", Ok((_, rows))) => rows == calm,
        ("lacks", Ok((report, rows))) if denied => {
            told(report, &format!("{action} is denied (")) && is_part_of(rows, calm) && rows != calm
        }
        ("lacks", Ok((report, rows))) => {
            told(report, "changed during") && is_part_of(rows, calm) && rows != calm
        }
        ("an answer", Ok((report, rows))) => {
            !told(report, name) && rows.resources.keys().eq(calm.resources.keys()) && rows != calm
        }
        ("incomplete", Ok((report, rows))) => {
            (told(report, action) || told(report, "cannot assume")) && is_part_of(rows, calm) && rows != calm
        }
        ("vanishes", Ok((report, rows))) => {
            told(report, "vanished") && is_part_of(rows, calm) && rows != calm
        }
        (_, Err(error)) => return Some(error.to_string()),
        _ => false,
    };
    let (report, _) = outcome.result.as_ref().ok()?;
    (!kept).then(|| format!("it ended with {:?}, cheaper {:?}", report.incomplete, report.cheaper))
}

async fn calm() -> BTreeMap<String, Dump> {
    let mut calm = BTreeMap::new();
    for way in
        ["center", "no paths", "parents", "principals", "details", "entities", "keys", "tags", "console"]
    {
        let (_, rows) = sync(way, "sts:GetCallerIdentity", None).await.result.unwrap();
        calm.insert(way.to_owned(), rows);
    }
    calm
}

/// Runs all cases and gives what was broken, sorted.
async fn try_all<F: Future<Output = Option<String>>>(cases: Vec<F>) -> Vec<String> {
    let mut broken: Vec<String> =
        stream::iter(cases).buffer_unordered(AT_ONCE).filter_map(async |case| case).collect().await;
    broken.sort();
    broken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_fails_as_its_row_in_the_table_says() {
    let (table, calm) = (table(), calm().await);
    assert!(table.len() >= 45, "{}", table.len());
    let mut cases = Vec::new();
    for read in table.iter().filter(|read| read.way != "start") {
        let long = Duration::from_mins(5);
        let first = |effect| Fault::once(read.action.as_str(), effect);
        let always = |effect| Fault::new(read.action.as_str(), effect);
        let gone = gone(&read.action);
        // A unit may vanish; the root, which is read first, may not.
        let roots = u32::from(read.action.ends_with("ListOrganizationalUnitsForParent"));
        // Which answer comes first is a matter of luck, and not every policy has a description to lack. One member lets
        // nobody in anyhow.
        let by_luck = read.gone == "lacks" || read.action == "sts:AssumeRole";
        let gone = match read.gone.as_str() {
            "vanishes" => first(Effect::Vanish).after(roots),
            "an answer" => always(gone),
            _ if by_luck => always(gone),
            _ => first(gone),
        };
        let mut faults = vec![
            (read.denied.clone(), always(Effect::Deny)),
            (read.gone.clone(), gone),
            (read.never_answers.clone(), always(Effect::ThrottleFor(long))),
            (read.never_answers.clone(), always(Effect::Status(500))),
            (read.never_answers.clone(), always(Effect::EmptyBody)),
        ];
        if read.malformed != "–" {
            faults.push((read.malformed.clone(), always(member(&read.action))));
        }
        for (promise, fault) in faults {
            let (read, calm) = (read.clone(), &calm[&read.way]);
            cases.push(async move {
                let denied = fault.effect == Effect::Deny;
                let effect = fault.effect.clone();
                let outcome = sync(&read.way, &read.action, Some(fault)).await;
                let fault = broken(&promise, &outcome, calm, &read.action, denied)?;
                Some(format!("{} {} {effect:?}: promised is {promise}, but {fault}", read.way, read.action))
            });
        }
    }
    let broken = try_all(cases).await;
    assert!(broken.is_empty(), "{} cells:\n{}", broken.len(), broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_to_be_gone_and_is_there_takes_no_row_away_whatever_the_read() {
    let mut cases = Vec::new();
    for read in table().into_iter().filter(|read| read.gone == "vanishes") {
        let roots = u32::from(read.action.ends_with("ListOrganizationalUnitsForParent"));
        let fault = Fault::once(read.action.as_str(), gone(&read.action)).after(roots);
        cases.push(async move {
            let outcome = sync(&read.way, &read.action, Some(fault)).await;
            let fault = broken("retry later", &outcome, &Dump::default(), &read.action, false)?;
            Some(format!("{} {}: {fault}", read.way, read.action))
        });
    }
    assert!(cases.len() >= 20, "{}", cases.len());
    let broken = try_all(cases).await;
    assert!(broken.is_empty(), "{} cases:\n{}", broken.len(), broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_that_passes_changes_no_row_whatever_the_read() {
    let calm = calm().await;
    let paged: BTreeSet<String> =
        served().into_iter().filter(|served| served.paged).map(|served| served.action).collect();
    let mut reads = BTreeMap::<String, BTreeSet<String>>::new();
    for read in table().into_iter().filter(|read| read.way != "start") {
        reads.entry(read.way).or_default().insert(read.action);
    }
    let mut cases = Vec::new();
    for (way, reads) in &reads {
        for (effect, times) in [
            (Effect::Throttle, 2),
            (Effect::Throttle, 4),
            (Effect::Status(500), 1),
            (Effect::Reset, 1),
            (Effect::TruncatedBody, 1),
            (Effect::CutBody, 1),
            (Effect::EmptyPage, 1),
        ] {
            let (calm, paged) = (&calm[way], &paged);
            cases.push(async move {
                // Each read of this way meets it in one sync.
                let hit = reads.iter().filter(|read| effect != Effect::EmptyPage || paged.contains(*read));
                let faults: Vec<Fault> =
                    hit.map(|read| Fault::new(read.as_str(), effect.clone()).times(times)).collect();
                let (outcome, unspent) = sync_with(way, "sts:GetCallerIdentity", faults).await;
                let fault = match outcome.result {
                    Err(error) => error.to_string(),
                    Ok((_, rows)) if rows != *calm => "the rows differ".to_owned(),
                    Ok(_) if !unspent.is_empty() => format!("these were never read: {unspent:?}"),
                    Ok(_) => return None,
                };
                Some(format!("{way} {effect:?} {times} times: {fault}"))
            });
        }
    }
    assert!(cases.len() >= 56, "{}", cases.len());
    let broken = try_all(cases).await;
    assert!(broken.is_empty(), "{} cases:\n{}", broken.len(), broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_that_repeats_its_token_fails_whatever_the_read() {
    let paged: Vec<String> =
        served().into_iter().filter(|served| served.paged).map(|served| served.action).collect();
    let mut cases = Vec::new();
    let mut count = 0;
    for read in table().into_iter().filter(|read| read.way != "start" && paged.contains(&read.action)) {
        count += 1;
        cases.push(async move {
            let fault = Fault::new(read.action.as_str(), Effect::RepeatedToken);
            let outcome = sync(&read.way, &read.action, Some(fault)).await;
            let fault = broken("fails", &outcome, &Dump::default(), &read.action, false)?;
            Some(format!("{} {}: {fault}", read.way, read.action))
        });
    }
    assert!(count >= 25, "{count}");
    let broken = try_all(cases).await;
    assert!(broken.is_empty(), "{} cases:\n{}", broken.len(), broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_fails_as_its_rows_in_the_table_say() {
    let mut tried = 0;
    for read in table().into_iter().filter(|read| read.way == "start") {
        for (promise, effect) in [
            (&read.denied, Effect::Deny),
            (&read.malformed, member(&read.action)),
            (&read.never_answers, Effect::ThrottleFor(Duration::from_mins(5))),
            (&read.never_answers, Effect::Status(500)),
        ] {
            tried += 1;
            let (aws, settings) = start("center").await;
            aws.arm(Fault::new(read.action.as_str(), effect.clone()));
            let opened = Connector::open(&settings).await;
            assert!(aws.counters().calls(&read.action) > 0, "{} is never called", read.action);
            match (promise.as_str(), opened) {
                ("nothing", Ok(connector)) => assert_eq!(connector.metadata().display_name, "AWS"),
                ("fails", Err(error)) => {
                    assert!(!error.is_retryable(), "{} {effect:?}: {error}", read.action);
                }
                ("retry later", Err(error)) => {
                    assert!(error.is_retryable(), "{} {effect:?}: {error}", read.action);
                }
                (promise, opened) => {
                    panic!("{} {effect:?}: promised is {promise}, {:?}", read.action, opened.err())
                }
            }
        }
    }
    assert!(tried >= 12, "{tried}");
}

#[tokio::test]
async fn a_value_that_no_enumeration_knows_takes_nobody_s_access_away() {
    for (action, member) in [
        ("identitystore:ListUsers", "UserStatus"),
        ("organizations:ListAccounts", "State"),
        ("iam:ListAccessKeys", "Status"),
    ] {
        let (aws, mut settings) = start("center").await;
        settings.secrets = true;
        let connector = Connector::open(&settings).await.unwrap();
        let work = Work::new();
        let options = SyncOptions::default();
        work.sync(&connector, &options, CancellationToken::new()).await.unwrap();
        let calm = Dump::read(&work.file());
        aws.arm(Fault::new(action, Effect::UnknownValue(member.to_owned())));
        work.sync(&connector, &options, CancellationToken::new()).await.unwrap();
        let rows = Dump::read(&work.file());
        assert!(is_part_of(&calm, &rows), "{action} {member}");
    }
}

#[tokio::test]
async fn long_deep_and_odd_documents_are_rows_like_any_other() {
    let mut fixture = Fixture::example().unwrap();
    let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let huge = json!({"Version": "2012-10-17", "Statement": vec![statement; 60_000]}).to_string();
    assert!(huge.len() > 3_000_000);
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let odd = "a+b c%20d\u{e9}\u{65e5}\u{672c}<&>\"'\\\n".to_owned();
    let own = &mut fixture.iam[0];
    for (name, text) in [("Huge", huge.as_str()), ("Deep", &deep), ("Odd", &odd)] {
        own.policies.push(testbed::aws::iam::Policy {
            name: name.into(),
            document: testbed::aws::iam::Document::text(text),
            ..Default::default()
        });
        own.roles.push(testbed::aws::iam::Role {
            name: format!("Trusts{name}"),
            trust: testbed::aws::iam::Document::text(text),
            ..Default::default()
        });
    }
    let aws = Server::start(fixture).await.unwrap();
    for by_entities in [false, true] {
        if by_entities {
            aws.arm(Fault::new(DETAILS, Effect::Deny));
        }
        let connector = Connector::open(&aws_settings(&aws)).await.unwrap();
        let work = Work::new();
        let report = work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
        let rows = Dump::read(&work.file());
        for (name, text) in [("Huge", &huge), ("Deep", &deep), ("Odd", &odd)] {
            let profile = rows.named("iam_policy", name).profile.as_ref().unwrap();
            let Some(prost_types::value::Kind::StringValue(found)) = &profile.fields["policy_document"].kind
            else {
                panic!("{name} has no document");
            };
            assert!(found == text, "{name} differs");
            assert_eq!(
                rows.of_type("role").iter().filter(|row| row.display_name == format!("Trusts{name}")).count(),
                1
            );
        }
        // What is no trust policy is said; it names nobody.
        let unread = report.incomplete.iter().filter(|one| one.scope.contains("trust policy")).count();
        assert_eq!(unread, 2, "{:?}", report.incomplete);
    }
}

#[tokio::test]
async fn a_listing_of_a_thousand_pages_is_read_to_its_end() {
    let shape = Shape { users: 1000, groups: 1, memberships: 1000, assignments: 1, pairs: 1, ..Shape::SMALL };
    let aws = Server::start(Fixture::generate(shape).unwrap()).await.unwrap();
    aws.set(|knobs| knobs.page_size = Some(1));
    let connector = Connector::open(&aws_settings(&aws)).await.unwrap();
    let work = Work::new();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
    assert!(aws.counters().calls("identitystore:ListUsers") >= 1000);
    assert!(aws.counters().calls("identitystore:ListGroupMemberships") >= 1000);
    let rows = Dump::read(&work.file());
    assert_eq!(rows.of_type("sso_user").len(), 1000);
    assert!(rows.grants.len() >= 1000);
}
