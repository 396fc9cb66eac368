//! Rows of another connector's file in a sync.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use batond::baton::any;
use batond::baton::v2::resource_type::Trait;
use batond::baton::v2::{
    BatonId, EntitlementImmutable, GrantExpandable, GrantImmutable, SkipEntitlementsAndGrants, SkipGrants,
};
use batond::config::ExternalSettings;
use batond::connector::Connector;
use batond::sync::{ExternalError, SyncError, SyncOptions, Target};
use testbed::aws::{Fixture, Server};
use tokio_util::sync::CancellationToken;

use crate::dump::Dump;
use crate::seal::desk::{Desk, Row, any, entitlement, grant, nested, resource, resource_type};
use crate::support::{Work, connector};

/// The file of a connector with users u and v, groups A and B in one another, groups Q and S that tell less, and an
/// application.
fn other() -> Desk {
    let mut silent = resource("group", "S");
    silent.annotations.push(any(&SkipEntitlementsAndGrants {}));
    let mut quiet = entitlement("group:Q");
    quiet.resource.as_mut().unwrap().annotations.push(any(&SkipGrants {}));
    let rows = vec![
        Row::Type(resource_type("user", &[Trait::User])),
        Row::Type(resource_type("group", &[Trait::Group])),
        Row::Type(resource_type("app", &[])),
        Row::Resource(resource("user", "u")),
        Row::Resource(resource("user", "v")),
        Row::Resource(resource("group", "A")),
        Row::Resource(resource("group", "B")),
        Row::Resource(resource("group", "Q")),
        Row::Resource(silent),
        Row::Resource(resource("app", "X")),
        Row::Entitlement(entitlement("group:A")),
        Row::Entitlement(entitlement("group:B")),
        Row::Entitlement(entitlement("group:S")),
        Row::Entitlement(quiet),
        Row::Entitlement(entitlement("app:X")),
        Row::Grant(grant("user:u", "group:A")),
        Row::Grant(nested("group:A", "group:B")),
        Row::Grant(grant("user:v", "group:Q")),
        Row::Grant(grant("user:v", "group:S")),
        Row::Grant(grant("user:v", "app:X")),
    ];
    let desk = Desk::new();
    desk.seal(&rows);
    desk
}

struct World {
    /// Kept, for the connector speaks to it.
    _aws: Server,
    connector: Connector,
}

impl World {
    async fn new() -> Self {
        let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
        Self { connector: connector(&aws).await, _aws: aws }
    }

    async fn sync(&self, options: &SyncOptions) -> (Result<(), SyncError>, Work) {
        let work = Work::new();
        let done = work.sync(&self.connector, options, CancellationToken::new()).await;
        (done.map(|_| ()), work)
    }

    async fn rows(&self, options: &SyncOptions) -> Dump {
        let (done, work) = self.sync(options).await;
        done.unwrap();
        Dump::read(&work.file())
    }
}

fn with(file: &Path, entitlement: Option<&str>, traits: &[&'static str]) -> SyncOptions {
    let external = ExternalSettings {
        file: file.to_owned(),
        entitlement: entitlement.map(str::to_owned),
        traits: traits.to_vec(),
    };
    SyncOptions { external: Some(external), ..SyncOptions::default() }
}

/// The ids that only `more` has.
fn added<'d, T>(more: &'d BTreeMap<String, T>, less: &BTreeMap<String, T>) -> Vec<&'d str> {
    more.keys().filter(|id| !less.contains_key(*id)).map(String::as_str).collect()
}

#[tokio::test]
async fn without_what_was_asked_for_there_is_no_file() {
    let world = World::new().await;
    let desk = other();
    let broken = desk.directory.path().join("broken.c1z");
    std::fs::write(&broken, "no file of a sync").unwrap();
    let missing = PathBuf::from("/no/such/file.c1z");
    for (options, is_of_file) in [
        (with(&desk.target(), Some("group:gone:m"), &["user"]), false),
        (with(&broken, None, &["user"]), true),
        (with(&missing, None, &["user"]), true),
    ] {
        let (done, work) = world.sync(&options).await;
        let Err(SyncError::External(error)) = done else { panic!("{options:?}: {done:?}") };
        assert_eq!(matches!(error, ExternalError::File { .. }), is_of_file, "{error:?}");
        assert!(work.left().is_empty(), "{:?}", work.left());
    }
}

#[tokio::test]
async fn users_and_groups_come_with_what_they_offer_and_nobody_may_change_them_here() {
    let world = World::new().await;
    let plain = world.rows(&SyncOptions::default()).await;
    let desk = other();
    let both = world.rows(&with(&desk.target(), None, &["user", "group"])).await;
    let resources = added(&both.resources, &plain.resources);
    assert_eq!(resources, ["group:A", "group:B", "group:Q", "group:S", "user:u", "user:v"]);
    let entitlements = added(&both.entitlements, &plain.entitlements);
    assert_eq!(entitlements, ["group:A:m", "group:B:m", "group:Q:m"]);
    let grants = added(&both.grants, &plain.grants);
    assert_eq!(grants, ["group:A:m:user:u", "group:B:m:group:A", "group:B:m:user:u"]);
    assert!(resources.iter().all(|id| any::has::<BatonId>(&both.resources[*id].annotations)));
    let immutable = |id: &&str| any::has::<EntitlementImmutable>(&both.entitlements[*id].annotations);
    assert!(entitlements.iter().all(immutable));
    for id in grants {
        let annotations = &both.grants[id].annotations;
        assert!(any::has::<GrantImmutable>(annotations) && !any::has::<GrantExpandable>(annotations), "{id}");
    }
    assert!(plain.resources.iter().all(|(id, row)| both.resources[id] == *row), "ours are as they were");
    assert!(plain.grants.iter().all(|(id, row)| both.grants[id] == *row), "ours are as they were");
}

#[tokio::test]
async fn other_traits_replace_users_and_groups() {
    let world = World::new().await;
    let plain = world.rows(&SyncOptions::default()).await;
    let desk = other();
    let users = world.rows(&with(&desk.target(), None, &["user"])).await;
    assert_eq!(added(&users.resources, &plain.resources), ["user:u", "user:v"]);
    assert!(added(&users.grants, &plain.grants).is_empty());
    let none = world.rows(&with(&desk.target(), None, &["vendor"])).await;
    assert_eq!(none.resources.len(), plain.resources.len());
}

#[tokio::test]
async fn with_an_entitlement_only_its_holders_come() {
    let world = World::new().await;
    let plain = world.rows(&SyncOptions::default()).await;
    let desk = other();
    let holders = world.rows(&with(&desk.target(), Some("group:B:m"), &["user", "group"])).await;
    assert_eq!(added(&holders.resources, &plain.resources), ["group:A", "user:u"]);
    assert_eq!(added(&holders.entitlements, &plain.entitlements), ["group:A:m"]);
    assert_eq!(added(&holders.grants, &plain.grants), ["group:A:m:user:u"]);
}

#[tokio::test]
async fn a_row_of_the_other_file_goes_before_ours_of_the_same_id() {
    let world = World::new().await;
    let (done, work) = world.sync(&SyncOptions::default()).await;
    done.unwrap();
    let plain = Dump::read(&work.file());
    let both = world.rows(&with(&work.file(), None, &["user", "group"])).await;
    assert!(plain.resources.keys().eq(both.resources.keys()) && plain.grants.keys().eq(both.grants.keys()));
    for row in both.of_type("sso_user") {
        assert!(any::has::<BatonId>(&row.annotations), "{row:?}");
    }
    for row in both.of_type("account") {
        assert!(!any::has::<BatonId>(&row.annotations), "{row:?}");
    }
}

#[tokio::test]
async fn a_sync_of_some_resources_takes_nothing_over() {
    let world = World::new().await;
    let desk = other();
    let target = Target { resource_type: "account".into(), resource: "111111111111".into() };
    let targets = Some([target].into());
    let options = SyncOptions { targets, ..with(&desk.target(), None, &["user", "group"]) };
    assert!(world.rows(&options).await.of_type("user").is_empty());
}
