//! Ids of Identity Center in a region of China.

use batond::baton::id::{sso_group_of, sso_user_of};
use batond::baton::resource;
use batond::config::AwsSettings;
use batond::connector::{Connector, sso_user};
use batond::sync::{SyncOptions, Target};
use testbed::aws::{Fixture, Server};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, existed, was_gone};
use crate::dump::Dump;
use crate::support::{Work, aws_settings};

const REGION: &str = "cn-northwest-1";
const GROUP: &str = "Engineers";
const STRANGER: &str = "loner@example.com";

async fn start() -> Bench {
    let mut fixture = Fixture::example().unwrap();
    fixture.identity_center.region = REGION.into();
    let aws = Server::start(fixture).await.unwrap();
    let settings = AwsSettings { identity_center_region: REGION.to_owned(), ..aws_settings(&aws) };
    let connector = Connector::open(&settings).await.unwrap();
    Bench { aws, connector }
}

async fn rows(bench: &Bench, options: &SyncOptions) -> Dump {
    let work = Work::new();
    work.sync(&bench.connector, options, CancellationToken::new()).await.unwrap();
    Dump::read(&work.file())
}

/// The id of a user, as it was before ids named the partition of China.
fn before(now: &str) -> String {
    now.replace("arn:aws-cn:", "arn:aws:")
}

#[tokio::test]
async fn every_user_and_group_of_a_sync_has_an_id_in_its_partition_and_so_has_every_grant() {
    let bench = start().await;
    let dump = rows(&bench, &SyncOptions::default()).await;
    let store = bench.aws.identity_store_id();
    for kind in ["sso_user", "sso_group"] {
        let rows = dump.of_type(kind);
        assert!(!rows.is_empty());
        for row in rows {
            let id = &row.id.as_ref().unwrap().resource;
            assert!(id.starts_with(&format!("arn:aws-cn:identitystore:{REGION}::{store}/")), "{id}");
        }
    }
    let mut held = 0;
    for grant in dump.grants.values() {
        let principal = grant.principal.as_ref().unwrap().id.as_ref().unwrap();
        if principal.resource_type.starts_with("sso_") {
            held += 1;
            assert!(principal.resource.starts_with("arn:aws-cn:"), "{}", principal.resource);
        }
        assert!(!grant.id.contains("arn:aws:identitystore"), "{}", grant.id);
    }
    assert!(held > 0);
}

#[tokio::test]
async fn a_group_is_synced_alone_by_its_id_with_its_members() {
    let bench = start().await;
    let id = bench.connector.directory().group(&bench.aws.group_id(GROUP).unwrap());
    let target = Target { resource_type: "sso_group".into(), resource: id.clone() };
    let options = SyncOptions { targets: Some([target].into()), ..SyncOptions::default() };
    let dump = rows(&bench, &options).await;
    let ids: Vec<_> =
        dump.of_type("sso_group").iter().map(|row| &row.id.as_ref().unwrap().resource).cloned().collect();
    assert_eq!(ids, [id]);
    assert!(!dump.grants.is_empty());
}

#[tokio::test]
async fn a_membership_is_granted_and_revoked_by_the_id_of_today_and_by_that_of_before() {
    let bench = start().await;
    let (entitlement, user) = (bench.membership(GROUP), bench.user(STRANGER));
    let id = user.id.as_ref().unwrap().resource.clone();
    assert!(id.starts_with("arn:aws-cn:"), "{id}");
    let old = resource::reference(sso_user::ID, &before(&id));
    assert!(!existed(&bench.grant("t1", &entitlement, &user).await.unwrap()));
    assert!(existed(&bench.grant("t2", &entitlement, &old).await.unwrap()));
    assert!(!was_gone(&bench.revoke("t3", &entitlement, &old).await.unwrap()));
    assert!(!bench.aws.is_member(GROUP, STRANGER));
    assert!(was_gone(&bench.revoke("t4", &entitlement, &user).await.unwrap()));
    assert_eq!(sso_user_of(&id), sso_user_of(&before(&id)));
    assert!(sso_group_of(&id).is_err());
}
