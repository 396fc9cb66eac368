//! Syncs of single resources.

use std::collections::BTreeSet;

use batond::baton::v2::{Entitlement, ResourceId};
use batond::config::AwsSettings;
use batond::connector::Connector;
use batond::sync::{SyncOptions, Target};
use testbed::aws::{Fixture, Server};
use tokio_util::sync::CancellationToken;

use crate::dump::Dump;
use crate::support::{Work, aws_settings};

type Key = (String, String);

fn key(id: Option<&ResourceId>) -> Key {
    let id = id.unwrap();
    (id.resource_type.clone(), id.resource.clone())
}

fn resource_of(entitlement: &Entitlement) -> Key {
    key(entitlement.resource.as_ref().unwrap().id.as_ref())
}

/// What a whole sync says of a resource and all below it.
fn part(whole: &Dump, target: &Key) -> Dump {
    let mut keys = BTreeSet::from([target.clone()]);
    loop {
        let below = whole.resources.values().filter(|row| {
            row.parent_resource_id.as_ref().is_some_and(|parent| keys.contains(&key(Some(parent))))
        });
        let more: Vec<Key> = below.map(|row| key(row.id.as_ref())).collect();
        let before = keys.len();
        keys.extend(more);
        if keys.len() == before {
            break;
        }
    }
    let mut part = whole.clone();
    part.resources.retain(|_, row| keys.contains(&key(row.id.as_ref())));
    part.entitlements.retain(|_, row| keys.contains(&resource_of(row)));
    part.grants.retain(|_, row| keys.contains(&resource_of(row.entitlement.as_ref().unwrap())));
    part
}

fn options(targets: &[Key]) -> SyncOptions {
    let target = |(resource_type, resource): &Key| Target {
        resource_type: resource_type.clone(),
        resource: resource.clone(),
    };
    SyncOptions { targets: Some(targets.iter().map(target).collect()), ..SyncOptions::default() }
}

struct World {
    aws: Server,
    connector: Connector,
}

impl World {
    async fn new() -> Self {
        let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
        let settings = AwsSettings { cross_account_iam: true, secrets: true, ..aws_settings(&aws) };
        let connector = Connector::open(&settings).await.unwrap();
        Self { aws, connector }
    }

    async fn sync(&self, options: &SyncOptions) -> (batond::sync::Report, Dump, Work) {
        let work = Work::new();
        let report = work.sync(&self.connector, options, CancellationToken::new()).await.unwrap();
        let dump = Dump::read(&work.file());
        (report, dump, work)
    }
}

#[tokio::test]
async fn a_target_of_each_type_has_the_rows_that_a_whole_sync_has_of_it() {
    let world = World::new().await;
    let (_, whole, _) = world.sync(&SyncOptions { expand: false, ..SyncOptions::default() }).await;
    let types: BTreeSet<String> = whole.resources.values().map(|row| key(row.id.as_ref()).0).collect();
    assert!(types.len() >= 13, "{types:?}");
    for kind in types {
        // The first and the last: own account and member, AWS-managed policy and customer's.
        let rows = whole.of_type(&kind);
        for row in [rows.first().unwrap(), rows.last().unwrap()] {
            let target = key(row.id.as_ref());
            let (report, found, _) = world.sync(&options(std::slice::from_ref(&target))).await;
            let expected = part(&whole, &target);
            assert!(expected.resources.keys().eq(found.resources.keys()), "{target:?}");
            assert!(expected.resources == found.resources, "{target:?}");
            assert!(expected.entitlements == found.entitlements, "{target:?}");
            assert!(expected.grants == found.grants, "{target:?}");
            let gone = report.incomplete.iter().filter(|one| one.reason == "it is not there");
            assert_eq!(gone.count(), 0, "{target:?}: {:?}", report.incomplete);
        }
    }
}

#[tokio::test]
async fn a_target_costs_little_more_than_itself() {
    let world = World::new().await;
    let (_, whole, _) = world.sync(&SyncOptions::default()).await;
    let calls = async |kind: &str, name: &str| {
        let target = key(whole.named(kind, name).id.as_ref());
        world.aws.reset_counters();
        world.sync(&options(&[target])).await;
        world.aws.counters()
    };
    let of_group = calls("sso_group", "Engineers").await;
    assert_eq!(of_group.calls("identitystore:ListGroupMemberships"), 1);
    assert_eq!(of_group.total(), 2, "the list of groups and the members of one");

    let of_account = calls("account", "Shop (prod)").await;
    assert_eq!(of_account.calls("sso:ListPermissionSetsProvisionedToAccount"), 1);
    assert_eq!(of_account.calls("identitystore:ListGroupMemberships"), 0);
    assert_eq!(of_account.calls("iam:ListUsers") + of_account.calls("sts:AssumeRole"), 0);
}

#[tokio::test]
async fn the_file_is_marked_as_partial_and_a_target_that_is_not_there_is_listed() {
    let world = World::new().await;
    let gone = ("sso_group".to_owned(), "arn:aws:identitystore:us-east-1::d-0/group/gone".to_owned());
    let (report, dump, work) = world.sync(&options(std::slice::from_ref(&gone))).await;
    assert!(dump.resources.is_empty() && dump.grants.is_empty());
    assert_eq!(report.incomplete.len(), 1, "{:?}", report.incomplete);
    assert_eq!(report.incomplete[0].scope, format!("sso_group {}", gone.1));

    let database = tempfile::NamedTempFile::new().unwrap();
    let mut file = std::fs::File::open(work.file()).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(5)).unwrap();
    zstd::stream::copy_decode(file, &database).unwrap();
    let db = rusqlite::Connection::open(database.path()).unwrap();
    let run: (String, i64, String) = db
        .query_row("select sync_type, supports_diff, parent_sync_id from v1_sync_runs", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(run, ("partial".to_owned(), 0, String::new()));
    let types: i64 = db.query_row("select count(*) from v1_resource_types", [], |row| row.get(0)).unwrap();
    assert!(types >= 13, "the resource types are there all the same");
}
