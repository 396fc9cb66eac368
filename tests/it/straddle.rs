//! Syncs during which this process itself changes access.

use std::sync::Arc;

use batond::config::AwsSettings;
use batond::connector::Connector;
use batond::sync::{self, Affected, Changes, Phase, Progress, Report, SyncError, SyncOptions};
use serde_json::json;
use testbed::aws::{Effect, Fault, Fixture, Server};
use tokio_util::sync::CancellationToken;

use crate::dump::Dump;
use crate::support::{Work, aws_settings};

const MEMBERSHIPS: &str = "identitystore:ListGroupMemberships";
const ASSIGNMENTS: &str = "sso:ListAccountAssignments";

struct World {
    aws: Server,
    connector: Connector,
    work: Work,
}

impl World {
    async fn new() -> Self {
        let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
        let settings = AwsSettings { cross_account_iam: true, secrets: true, ..aws_settings(&aws) };
        let connector = Connector::open(&settings).await.unwrap();
        aws.reset_counters();
        Self { aws, connector, work: Work::new() }
    }

    /// A sync during which a change ends that affects this. The crawl is under way by then, and cannot have ended: it
    /// has been polled once, and AWS answers over a socket.
    async fn sync(&self, affected: Option<Affected>) -> Result<Report, SyncError> {
        let (progress, changes) = (Progress::default(), Arc::new(Changes::default()));
        let (options, file) = (SyncOptions::default(), self.work.file());
        let cancel = CancellationToken::new();
        let sync = sync::run(&self.connector, &options, &file, self.work.path(), &progress, &changes, cancel);
        let change = async {
            while progress.snapshot().phase != Phase::Crawl {
                tokio::task::yield_now().await;
            }
            drop(affected.map(|affected| changes.begin(affected)));
        };
        tokio::join!(sync, change).0
    }

    fn rows(&self) -> Dump {
        Dump::read(&self.work.file())
    }

    fn all_calls(&self) -> usize {
        self.aws.transcript().len()
    }

    fn calls(&self, action: &str) -> u64 {
        self.aws.counters().calls(action)
    }

    fn group(&self, id: &str) -> String {
        let directory =
            batond::baton::id::Directory { region: "us-east-1".into(), store: self.aws.identity_store_id() };
        directory.group(id)
    }
}

/// Grants of the resource with this type and id.
fn grants_of(rows: &Dump, resource_type: &str, resource: &str) -> usize {
    let of = rows.grants.values().filter(|grant| {
        let resource_of = grant.entitlement.as_ref().unwrap().resource.as_ref().unwrap();
        let id = resource_of.id.as_ref().unwrap();
        id.resource_type == resource_type && id.resource == resource
    });
    of.count()
}

#[tokio::test]
async fn what_is_read_again_gives_the_same_rows_whatever_was_changed() {
    let world = World::new().await;
    // The first sync also enters the member accounts, whose sessions the later ones go on with.
    world.sync(None).await.unwrap();
    world.aws.reset_counters();
    world.sync(None).await.unwrap();
    let (calm, calls) = (world.rows(), world.all_calls());
    for affected in [
        Affected::one("sso_group", &world.group(&world.aws.memberships()[0].group)),
        Affected::one("sso_user", "any"),
        Affected::one("account", "444444444444"),
        Affected::one("iam_user", "arn:aws:iam::444444444444:user/any"),
        Affected::one("role", "arn:aws:iam::111111111111:role/any"),
        Affected::one("access-key", "any"),
        Affected::Anything,
    ] {
        world.aws.reset_counters();
        world.sync(Some(affected.clone())).await.unwrap();
        assert!(world.rows() == calm, "{affected:?}");
        assert!(world.all_calls() > calls, "{affected:?}: nothing was read again");
    }
}

#[tokio::test]
async fn members_that_a_group_got_during_the_sync_are_in_it_and_no_other_group_is_read_again() {
    let world = World::new().await;
    world.sync(None).await.unwrap();
    let (calm, groups) = (world.rows(), world.calls(MEMBERSHIPS));
    let group = world.group(&world.aws.memberships()[0].group);
    assert!(grants_of(&calm, "sso_group", &group) > 0);

    // The lists as they were before.
    let none = Effect::Replace { member: "GroupMemberships".into(), value: json!([]) };
    world.aws.arm(Fault::new(MEMBERSHIPS, none).times(u32::try_from(groups).unwrap()));
    world.aws.reset_counters();
    world.sync(Some(Affected::one("sso_group", &group))).await.unwrap();
    let rows = world.rows();
    assert_eq!(grants_of(&rows, "sso_group", &group), grants_of(&calm, "sso_group", &group));
    assert_eq!(world.calls(MEMBERSHIPS), groups + 1);
}

#[tokio::test]
async fn an_assignment_that_ended_during_the_sync_is_not_in_it() {
    let world = World::new().await;
    world.sync(None).await.unwrap();
    let (calm, pairs) = (world.rows(), world.calls(ASSIGNMENTS));
    let account = world.aws.assignments()[0].account.clone();

    // Every list as if all had been taken from everybody: what is right is known of the account alone.
    let none = Effect::Replace { member: "AccountAssignments".into(), value: json!([]) };
    world.aws.arm(Fault::new(ASSIGNMENTS, none).times(u32::try_from(pairs).unwrap()));
    world.aws.reset_counters();
    world.sync(Some(Affected::one("account", &account))).await.unwrap();
    let rows = world.rows();
    assert_eq!(grants_of(&rows, "account", &account), grants_of(&calm, "account", &account));
    let others = |rows: &Dump| rows.grants.len() - grants_of(rows, "account", &account);
    assert!(others(&rows) < others(&calm), "other accounts were read again");
}

#[tokio::test]
async fn changes_that_never_stop_leave_the_sync_to_a_later_one() {
    let world = World::new().await;
    let (progress, changes) = (Progress::default(), Arc::new(Changes::default()));
    let group = Affected::one("sso_group", &world.group(&world.aws.memberships()[0].group));
    let (options, file) = (SyncOptions::default(), world.work.file());
    let sync = sync::run(
        &world.connector,
        &options,
        &file,
        world.work.path(),
        &progress,
        &changes,
        CancellationToken::new(),
    );
    let change = async {
        loop {
            drop(changes.begin(group.clone()));
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let error = tokio::select! {
        ended = sync => ended.unwrap_err(),
        _ = change => unreachable!(),
    };
    assert!(error.is_retryable() && error.to_string().contains("8 times"), "{error}");
    assert!(world.work.left().is_empty());
}
