//! The policies that `batond policy` prints: with exactly those everything works, and without any one of their actions
//! something does not.

use std::collections::BTreeSet;

use age::x25519::Identity;
use batond::baton::resource;
use batond::baton::v2::ListEventsRequest;
use batond::config::{AccountKind, AwsSettings};
use batond::connector::policy::{self, Role};
use batond::connector::{Connector, Holder, ProvisionError, group, last_login, role};
use batond::sync::SyncOptions;
use futures::StreamExt as _;
use testbed::aws::{Effect, Fault, Server};
use tokio_util::sync::CancellationToken;

use super::bench::{ADMIN, Bench, SHOP as STAGING, Through};
use super::{account, credential, departed, iam, rotation};
use crate::dump::Dump;
use crate::support::{Work, allowing, aws_settings, everything_on};

const OWN: &str = "111111111111";
const SHOP: &str = "444444444444";
const RICH: &str = "o,brien+x=1";
const AWS_POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

/// Without one of them there is another way, which is slower or tells less.
const ANOTHER_WAY: [&str; 13] = [
    "iam:GenerateCredentialReport",
    "iam:GetCredentialReport",
    "iam:GetRole",
    "identitystore:DescribeGroup",
    "identitystore:GetGroupMembershipId",
    "organizations:DescribeOrganization",
    "organizations:ListAccountsForParent",
    "organizations:ListParents",
    "sso:DescribeAccountAssignmentCreationStatus",
    "sso:DescribeAccountAssignmentDeletionStatus",
    "sso:ListAccountAssignmentCreationStatus",
    "sso:ListAccountAssignmentDeletionStatus",
    "sso:ListAccountAssignmentsForPrincipal",
];
/// Goes along with Pod Identity, which this identity has not.
const TAGS: &str = "sts:TagSession";

type Actions = BTreeSet<String>;

fn actions(role: Role, provisioning: bool) -> Actions {
    let found = policy::of(role, &everything_on(AccountKind::IamUser), provisioning, false).unwrap().unwrap();
    found.permissions.actions().map(str::to_owned).collect()
}

async fn world(main: &Actions, member: &Actions) -> Server {
    Server::start(allowing(main, member)).await.unwrap()
}

async fn open(aws: &Server, kind: AccountKind) -> Option<Connector> {
    let reach = aws_settings(aws);
    let settings = AwsSettings {
        region: reach.region,
        endpoint_url: reach.endpoint_url,
        static_keys: reach.static_keys,
        quotas: reach.quotas,
        ..everything_on(kind)
    };
    Connector::open(&settings).await.ok()
}

/// All that is read: the name in Hello, the rows, the events; `None` where there is no sync.
async fn read(main: &Actions, member: &Actions) -> Option<(String, Dump, bool)> {
    let aws = world(main, member).await;
    let connector = open(&aws, AccountKind::IamUser).await?;
    let work = Work::new();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.ok()?;
    let ask = ListEventsRequest { event_feed_id: last_login::FEED.into(), ..ListEventsRequest::default() };
    let events = connector.events(&ask, CancellationToken::new()).await.is_ok();
    Some((connector.metadata().display_name, Dump::read(&work.file()), events))
}

async fn called_in_shop(main: &Actions, member: &Actions) -> Actions {
    let aws = world(main, member).await;
    let connector = open(&aws, AccountKind::IamUser).await.unwrap();
    let work = Work::new();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
    let rows = aws.counters().rows.into_iter();
    rows.filter(|row| row.account == SHOP).map(|row| row.action).collect()
}

fn ended<T>(result: Result<T, ProvisionError>, annotations: impl Fn(&T) -> usize) -> Option<usize> {
    result.ok().map(|answer| annotations(&answer))
}

/// Every kind of change, and how each ended: `None` where it failed, else how many annotations told.
async fn change(main: &Actions) -> Vec<Option<usize>> {
    let aws = world(main, &Actions::new()).await;
    let Some(connector) = open(&aws, AccountKind::IamUser).await else { return Vec::new() };
    let Some(directory) = open(&aws, AccountKind::SsoUser).await else { return Vec::new() };
    let bench = Bench { aws, connector };
    let mut ends = Vec::new();

    let user = |name| iam::user(OWN, name);
    let of = |id: &str, path| resource::reference(id, &format!("arn:aws:iam::{OWN}:{path}"));
    let mut grants = vec![
        (bench.membership("Engineers"), bench.user("loner@example.com")),
        (bench.access(Through::Account, STAGING, ADMIN), bench.user("bob")),
        (iam::of_group(OWN, "external/Auditors"), user("idle")),
        (iam::of_policy(AWS_POLICY), user("idle")),
        (iam::of_policy(AWS_POLICY), of(group::ID, "group/Admins")),
        (iam::of_policy(AWS_POLICY), of(role::ID, "role/Runner")),
    ];
    for (entitlement, principal) in &grants {
        for _ in 0..2 {
            ends.push(ended(bench.grant("t", entitlement, principal).await, |one| one.annotations.len()));
        }
    }
    grants.push((departed::departed(&bench), bench.user("bob")));
    for (holder, name) in [
        (Holder::user(&format!("arn:aws:iam::{OWN}:user/{RICH}")), "Own.Inline-1"),
        (Holder::group(&format!("arn:aws:iam::{OWN}:group/external/Auditors")), "own+rules"),
        (Holder::role(&format!("arn:aws:iam::{OWN}:role/team/shop/Deployer")), "deploy"),
    ] {
        let principal = resource::reference(holder.resource_type(), holder.id());
        grants.push((iam::of_inline(&holder, name), principal));
    }
    for (entitlement, principal) in &grants {
        ends.push(ended(bench.revoke("t", entitlement, principal).await, |one| one.annotations.len()));
    }

    let identity = Identity::generate();
    for order in [credential::creation(&identity), credential::creation(&identity)] {
        let made = account::create(&bench, "t", &order).await;
        ends.push(ended(made, |one| one.encrypted_data.len()));
    }
    for name in [RICH, "idle"] {
        let order = credential::rotation(account::iam_id(OWN, name), &identity);
        ends.push(ended(credential::rotate(&bench, "t", &order).await, |one| one.encrypted_data.len()));
    }
    let order = rotation::of_first(&bench, OWN, RICH, &identity);
    ends.push(ended(credential::rotate(&bench, "t", &order).await, |one| one.encrypted_data.len()));
    ends.push(Some(bench.aws.active_keys(OWN, RICH).len()));
    let order = credential::issuing(account::iam_id(OWN, "idle"), &identity);
    ends.push(ended(credential::issue(&bench, "t", &order).await, |one| one.encrypted_data.len()));
    bench.aws.arm(Fault::once("iam:CreateAccessKey", Effect::LostReply));
    ends.push(ended(credential::issue(&bench, "t", &order).await, |one| one.encrypted_data.len()));
    ends.push(Some(bench.aws.access_keys(OWN, "idle").len()));
    let gone = account::delete(&bench, "t", &account::iam_id(OWN, RICH)).await;
    ends.push(ended(gone, |one| one.annotations.len()));

    let bench = Bench { aws: bench.aws, connector: directory };
    let mut made = None;
    for _ in 0..2 {
        let answer = account::create(&bench, "t", &account::request(account::jane())).await;
        made = bench.aws.user_id("jane");
        ends.push(ended(answer, |one| one.annotations.len()));
    }
    let made = bench.connector.directory().user(&made.unwrap_or_default());
    let gone = account::delete(&bench, "t", &resource::id(batond::connector::sso_user::ID, &made)).await;
    ends.push(ended(gone, |one| one.annotations.len()));
    ends
}

fn without(actions: &Actions, one: &str) -> Actions {
    actions.iter().filter(|action| *action != one).cloned().collect()
}

fn everything() -> Actions {
    ["*".to_owned()].into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_action_of_the_policy_is_needed_and_no_other() {
    let (main, member) = (actions(Role::Main, true), actions(Role::Member, false));
    let (rows, ends) = (read(&main, &member).await, Box::pin(change(&main)).await);
    assert!(rows.is_some());
    assert_eq!(rows, read(&everything(), &everything()).await, "something is missing");
    assert_eq!(ends, Box::pin(change(&everything())).await, "a task ends in another way");
    assert_eq!(ends.iter().filter(|end| end.is_none()).count(), 1, "the lost reply alone fails: {ends:?}");

    let (rows, ends, main, member) = (&rows, &ends, &main, &member);
    let idle: BTreeSet<&str> = futures::stream::iter(main)
        .map(|action| async move {
            let less = without(main, action);
            let needed = Box::pin(change(&less)).await != *ends || read(&less, member).await != *rows;
            (!needed).then_some(action.as_str())
        })
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let excused: BTreeSet<&str> = ANOTHER_WAY.into_iter().chain([TAGS]).collect();
    assert_eq!(idle, excused, "without these everything was as before");

    let idle: BTreeSet<&str> = futures::stream::iter(member)
        .map(|action| async move {
            let needed = read(main, &without(member, action)).await != *rows;
            (!needed).then_some(action.as_str())
        })
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await;
    // The shop has no policy with tags and nobody who signed in: there it counts that the call is made.
    let called = called_in_shop(main, member).await;
    let idle: Vec<_> = idle.iter().filter(|one| !called.contains(**one) && !excused.contains(*one)).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn what_is_off_is_not_allowed() {
    let off = AwsSettings::default();
    let found = policy::of(Role::Main, &off, false, false).unwrap().unwrap();
    assert!(found.trust.is_none() && found.name.is_none());
    assert!(found.permissions.actions().all(|one| one.starts_with("iam:")));
    for role in [Role::Base, Role::Binding, Role::Member] {
        assert!(policy::of(role, &off, true, true).unwrap().is_none(), "{role:?}");
    }
    let reads: Actions = actions(Role::Main, false);
    for word in [":Create", ":Delete", ":Attach", ":Detach", ":Add", ":Remove", ":Update", ":Put"] {
        assert!(!reads.iter().any(|one| one.contains(word)), "{word}: {reads:?}");
    }
}

#[test]
fn the_largest_policy_fits_into_one_of_aws() {
    // AWS counts what is no white space: 10,240 characters of inline policies per role.
    let found = policy::of(Role::Main, &everything_on(AccountKind::IamUser), true, true).unwrap().unwrap();
    let size = serde_json::to_string(&found.permissions).unwrap().len();
    assert!((2000..=10_240).contains(&size), "{size}");
}
