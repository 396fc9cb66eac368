//! How many calls a sync makes, and how fast.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use batond::config::{AwsSettings, QuotaSetting};
use batond::connector::Connector;
use batond::sync::{Report, SyncOptions};
use testbed::aws::{AccountState, Effect, Entry, Fault, Fixture, OrganizationalUnit, Quotas, Server, Shape};
use tokio_util::sync::CancellationToken;

use crate::dump::Dump;
use crate::support::{Work, aws_settings};

/// Calls per second that AWS publishes for SSO Admin, and for Identity Store.
const RATE: f64 = 20.0;
/// Calls that it takes at once after a pause.
const BURST: usize = 20;

/// Syncs `aws` at the documented pace, told by a clock that only waits move: how busy the machine is does not count.
async fn paced_sync(aws: &Server, settings: AwsSettings) -> Report {
    let connector = Connector::open(&settings).await.unwrap();
    aws.reset_counters();
    tokio::time::pause();
    let work = Work::new();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap()
}

/// Syncs `aws` at no pace of its own.
async fn sync(aws: &Server) {
    let settings = AwsSettings { quotas: QuotaSetting::Off, ..aws_settings(aws) };
    let connector = Connector::open(&settings).await.unwrap();
    let work = Work::new();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
}

/// The calls that the plan of a crawl makes for an organization, by action, from its description alone.
fn planned(fixture: &Fixture) -> BTreeMap<String, u64> {
    let (tree, center) = (&fixture.organization, &fixture.identity_center);
    let units = units(&tree.organizational_units);
    let accounts: Vec<_> = units.iter().flat_map(|unit| &unit.accounts).chain(&tree.accounts).collect();
    let mut pairs = BTreeMap::<_, BTreeSet<_>>::new();
    for one in &center.assignments {
        let principals = one.users.iter().chain(&one.groups);
        pairs.entry((&one.account, &one.permission_set)).or_default().extend(principals);
    }
    let of_accounts = accounts.iter().filter(|account| account.state == AccountState::Active);
    let provisioned = of_accounts.map(|account| pairs.keys().filter(|pair| *pair.0 == account.name).count());
    let of_units = units.iter().map(|unit| pages(unit.organizational_units.len(), 20));
    let of_groups = center.groups.iter().map(|group| pages(group.members.len(), 100));
    let own = fixture.iam.first();
    let (users, roles) = own.map_or((0, 0), |iam| (iam.users.len(), iam.roles.len()));
    let entities = own.map_or(0, |iam| users + roles + iam.groups.len() + iam.policies.len());
    let report = u64::from(users >= 3);
    let sets = center.permission_sets.len() as u64;
    let mut planned: BTreeMap<String, u64> = [
        ("sts:GetCallerIdentity", 1),
        ("sso:ListInstances", 1),
        ("identitystore:ListUsers", pages(center.users.len(), 100)),
        ("identitystore:ListGroups", pages(center.groups.len(), 100)),
        ("identitystore:ListGroupMemberships", of_groups.sum()),
        ("organizations:ListAccounts", pages(accounts.len(), 20)),
        ("organizations:ListRoots", 1),
        (
            "organizations:ListOrganizationalUnitsForParent",
            pages(tree.organizational_units.len(), 20) + of_units.sum::<u64>(),
        ),
        ("sso:ListPermissionSets", pages(center.permission_sets.len(), 100)),
        ("sso:DescribePermissionSet", sets),
        ("sso:ListManagedPoliciesInPermissionSet", sets),
        ("sso:ListCustomerManagedPolicyReferencesInPermissionSet", sets),
        ("sso:GetInlinePolicyForPermissionSet", sets),
        ("iam:ListAccountAliases", 1),
        // The first page of an account is small; its documents are too short to keep the next one small.
        (
            "iam:GetAccountAuthorizationDetails",
            if entities > 200 { 1 + pages(entities - 200, 1000) } else { 1 },
        ),
        ("iam:ListUsers", pages(users, 1000)),
        ("iam:ListRoles", pages(roles, 1000)),
        // AWS makes the report when it is asked for first.
        ("iam:GenerateCredentialReport", 2 * report),
        ("iam:GetCredentialReport", report),
        ("iam:ListPolicies", pages(fixture.aws_managed_policies, 1000)),
        ("iam:GetPolicyVersion", fixture.aws_managed_policies as u64),
        (
            "sso:ListPermissionSetsProvisionedToAccount",
            provisioned.map(|permission_sets| pages(permission_sets, 100)).sum(),
        ),
        ("sso:ListAccountAssignments", pairs.values().map(|held| pages(held.len(), 100)).sum()),
    ]
    .map(|(action, calls)| (action.to_owned(), calls))
    .into();
    planned.retain(|_, calls| *calls > 0);
    planned
}

/// Calls that list so many items; an empty listing takes one too.
fn pages(items: usize, of: usize) -> u64 {
    items.div_ceil(of).max(1) as u64
}

fn units(below: &[OrganizationalUnit]) -> Vec<&OrganizationalUnit> {
    below.iter().flat_map(|unit| [vec![unit], units(&unit.organizational_units)].concat()).collect()
}

/// Calls of a service in the order in which they came.
fn calls_of(service: &str, transcript: &[Entry]) -> Vec<Entry> {
    let mut calls: Vec<_> =
        transcript.iter().filter(|entry| entry.action.starts_with(service)).cloned().collect();
    calls.sort_by_key(|entry| entry.start);
    calls
}

/// Seconds from the first to the last of these calls, and the least that the published rate allows for as many.
fn pace(calls: &[Entry]) -> (f64, f64) {
    let took = calls.last().unwrap().start.saturating_sub(calls.first().unwrap().start);
    let beyond_burst = u32::try_from(calls.len().saturating_sub(BURST)).unwrap();
    (took.as_secs_f64(), f64::from(beyond_burst) / RATE)
}

#[tokio::test]
async fn a_medium_organization_takes_the_calls_of_the_plan_and_no_more() {
    let shape = Shape { aws_managed_policies: 40, ..Shape::MEDIUM_IAM };
    let fixture = Fixture::generate(shape).unwrap();
    let planned = planned(&fixture);
    let aws = Server::start(fixture).await.unwrap();
    sync(&aws).await;
    assert_eq!(aws.counters().by_action(), planned);
    assert!(aws.counters().total() <= 600, "{planned:?}");
}

#[tokio::test]
async fn tags_and_console_access_take_a_call_for_each_account_and_user_besides_the_plan() {
    let shape = Shape { aws_managed_policies: 40, ..Shape::MEDIUM_IAM };
    let fixture = Fixture::generate(shape).unwrap();
    let mut planned = planned(&fixture);
    let active = |account: &&testbed::aws::Account| account.state == AccountState::Active;
    let of_units = units(&fixture.organization.organizational_units);
    let of_units = of_units.iter().flat_map(|unit| &unit.accounts);
    let accounts = of_units.chain(&fixture.organization.accounts).filter(active).count();
    planned.insert("organizations:ListTagsForResource".to_owned(), accounts as u64);
    planned.insert("iam:GetLoginProfile".to_owned(), fixture.iam[0].users.len() as u64);
    let aws = Server::start(fixture).await.unwrap();
    let quotas = QuotaSetting::Off;
    let settings = AwsSettings { quotas, resource_tags: true, console_access: true, ..aws_settings(&aws) };
    let connector = Connector::open(&settings).await.unwrap();
    let work = Work::new();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
    assert_eq!(aws.counters().by_action(), planned);
}

#[tokio::test]
async fn tags_of_accounts_use_up_the_rate_of_organizations_and_never_exceed_it() {
    // Ten calls a second after fifteen at once.
    const LEAST: f64 = (120.0 - 15.0) / 10.0;
    let shape = Shape { accounts: 120, assignments: 20, pairs: 10, ..Shape::SMALL };
    let aws = Server::start(Fixture::generate(shape).unwrap()).await.unwrap();
    aws.set(|knobs| knobs.quotas = Quotas::Documented);
    let settings =
        AwsSettings { quotas: QuotaSetting::Documented, resource_tags: true, ..aws_settings(&aws) };
    paced_sync(&aws, settings).await;

    let tags = calls_of("organizations:ListTagsForResource", &aws.transcript());
    assert_eq!(tags.len(), 120, "each account once");
    let (took, _) = pace(&tags);
    assert!(took < 1.5 * LEAST, "{took} s for calls that need {LEAST} s");
    assert!(tags.iter().all(|entry| entry.error.is_none()), "one was throttled");
}

#[tokio::test]
async fn the_documents_of_aws_are_read_once_for_all_syncs_of_a_process() {
    let aws = Server::start(Fixture::generate(Shape::MEDIUM_PLUS).unwrap()).await.unwrap();
    let connector = Connector::open(&aws_settings(&aws)).await.unwrap();
    let work = Work::new();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
    assert_eq!(aws.counters().calls("iam:GetPolicyVersion"), 1582);
    let first = Dump::read(&work.file());
    aws.reset_counters();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
    let calls = aws.counters();
    assert_eq!((calls.calls("iam:GetPolicyVersion"), calls.calls("iam:ListPolicies")), (0, 2));
    assert!(calls.total() <= 700, "{:?}", calls.by_action());
    assert!(Dump::read(&work.file()) == first, "rows differ");
}

#[tokio::test]
async fn a_listing_takes_as_many_calls_as_it_has_pages() {
    let mut fixture = Fixture::generate(Shape {
        accounts: 41,
        organizational_units: 100,
        permission_sets: 101,
        users: 301,
        groups: 101,
        memberships: 15_000,
        assignments: 300,
        pairs: 110,
        group_percent: 0,
        seed: 7,
        aws_managed_policies: 40,
        ..Shape::SMALL
    })
    .unwrap();
    let center = &mut fixture.identity_center;
    let mut crowded = center.assignments[0].clone();
    crowded.users = center.users.iter().map(|user| user.name.clone()).collect();
    crowded.groups.clear();
    center
        .assignments
        .retain(|one| (&one.account, &one.permission_set) != (&crowded.account, &crowded.permission_set));
    center.assignments.push(crowded);

    let planned = planned(&fixture);
    for (action, calls) in [
        ("identitystore:ListUsers", 4),
        ("identitystore:ListGroups", 2),
        ("organizations:ListAccounts", 3),
        ("sso:ListPermissionSets", 2),
        ("sso:ListAccountAssignments", 110 + 3),
    ] {
        assert_eq!(planned[action], calls, "{action}");
    }
    assert!(planned["organizations:ListOrganizationalUnitsForParent"] > 101);
    assert!(planned["identitystore:ListGroupMemberships"] > 150);
    let aws = Server::start(fixture).await.unwrap();
    sync(&aws).await;
    assert_eq!(aws.counters().by_action(), planned);
}

#[tokio::test]
async fn documented_quotas_are_used_up_and_never_exceeded() {
    let shape = Shape { accounts: 12, assignments: 60, pairs: 50, ..Shape::SMALL };
    let aws = Server::start(Fixture::generate(shape).unwrap()).await.unwrap();
    aws.set(|knobs| knobs.quotas = Quotas::Documented);
    let settings = AwsSettings { quotas: QuotaSetting::Documented, ..aws_settings(&aws) };
    paced_sync(&aws, settings).await;

    let calls = calls_of("sso:", &aws.transcript());
    assert_eq!(calls.len(), 1 + 4 * 10 + 12 + 50);
    // The volley at the start may arrive closer together than it left; after that the pace is even.
    let steady = |entry: &&Entry| entry.start > calls[0].start + Duration::from_secs(1);
    let transcript = aws.transcript();
    let throttled: Vec<_> = transcript.iter().filter(steady).filter(|entry| entry.error.is_some()).collect();
    assert!(throttled.is_empty(), "{throttled:?}");
    let (took, least) = pace(&calls);
    assert!(took < 1.5 * least, "{took} s for calls that need {least} s");
}

#[tokio::test]
async fn one_throttled_account_leaves_the_pace_of_the_others_unchanged() {
    const THROTTLED: &str = "444444444444";
    let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
    let settings = AwsSettings {
        quotas: QuotaSetting::Documented,
        cross_account_iam: true,
        secrets: true,
        ..aws_settings(&aws)
    };
    aws.arm(Fault::new("iam:*", Effect::Throttle).account(THROTTLED).times(4));
    let report = paced_sync(&aws, settings).await;

    let throttled: Vec<_> = report.saturation.iter().filter(|used| used.throttled > 0).collect();
    assert!(!throttled.is_empty());
    for used in &throttled {
        assert_eq!(used.account.as_ref().unwrap().as_str(), THROTTLED, "{used}");
        assert!(used.slowed);
    }
    for used in report.saturation.iter().filter(|used| used.throttled == 0) {
        assert!(!used.slowed, "{used} is slowed");
    }
    let transcript = aws.transcript();
    let ends = |of_it: bool| {
        let calls = transcript.iter().filter(|entry| entry.action.starts_with("iam:"));
        calls.filter(|entry| (entry.account == THROTTLED) == of_it).map(|entry| entry.end).max().unwrap()
    };
    assert!(ends(false) < ends(true), "the throttled account is done last");
}

#[tokio::test]
async fn one_throttled_bucket_leaves_the_pace_of_the_others_unchanged() {
    let shape = Shape { groups: 45, ..Shape::SMALL };
    let aws = Server::start(Fixture::generate(shape).unwrap()).await.unwrap();
    let throttled = 6;
    aws.arm(Fault::new("sso:DescribePermissionSet", Effect::Throttle).times(throttled));
    aws.set(|knobs| knobs.quotas = Quotas::Documented);
    let settings = AwsSettings { quotas: QuotaSetting::Documented, ..aws_settings(&aws) };
    paced_sync(&aws, settings).await;

    assert_eq!(aws.counters().throttled("sso:*"), u64::from(throttled));
    assert_eq!(aws.counters().throttled("identitystore:*"), 0);
    let transcript = aws.transcript();
    let (took, least) = pace(&calls_of("identitystore:", &transcript));
    assert!(took < 1.5 * least, "{took} s for calls that need {least} s");
    let end = |service| calls_of(service, &transcript).last().unwrap().end;
    assert!(end("identitystore:") < end("sso:"), "the throttled service is done last");
}
