//! A rehearsed change writes nothing, and tells the writes that the change then makes.

use age::x25519::Identity;
use batond::aws::AccountId;
use batond::baton::resource;
use batond::baton::v2::{CreateAccountRequest, Grant, RotateCredentialRequest};
use batond::config::{AccountKind, AwsSettings};
use batond::connector::{
    Connector, Holder, Planned, Provision, ProvisionError, Rehearsal, access_key, group, role, sso_user,
};
use testbed::aws::Server;
use tokio_util::sync::CancellationToken;

use super::bench::{ADMIN, Bench, SHOP, Through, UNKNOWN, held};
use super::{account, credential, iam};
use crate::support;

const OWN: &str = "111111111111";
const RICH: &str = "o,brien+x=1";
const AWS_POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

enum Order {
    Grant(batond::baton::v2::Entitlement, batond::baton::v2::Resource),
    Revoke(Grant),
    Create(CreateAccountRequest),
    Delete(batond::baton::v2::ResourceId),
    Rotate(RotateCredentialRequest),
}

async fn carry_out(
    connector: &Connector,
    order: &Order,
    provision: &Provision,
) -> Result<(), ProvisionError> {
    match order {
        Order::Grant(entitlement, principal) => {
            connector.grant(entitlement, principal, provision).await.map(drop)
        }
        Order::Revoke(grant) => connector.revoke(grant, provision).await.map(drop),
        Order::Create(request) => connector.create_account(request, provision).await.map(drop),
        Order::Delete(id) => connector.delete(id, None, provision).await.map(drop),
        Order::Rotate(request) => connector.rotate_credential(request, provision).await.map(drop),
    }
}

/// The writes that AWS was asked for since the last look, as often as it was.
fn written(aws: &Server) -> Vec<String> {
    let reads = ["Get", "List", "Describe", "GenerateCredentialReport", "AssumeRole"];
    let rows = aws.counters().rows.into_iter();
    let writes = rows.filter(|row| {
        let operation = row.action.split_once(':').unwrap().1;
        !reads.iter().any(|verb| operation.starts_with(verb))
    });
    let mut written: Vec<_> =
        writes.flat_map(|row| vec![row.action; row.calls.try_into().unwrap()]).collect();
    written.sort();
    aws.reset_counters();
    written
}

fn orders(bench: &Bench) -> Vec<Order> {
    let of = |id: &str, path| resource::reference(id, &format!("arn:aws:iam::{OWN}:{path}"));
    let grants = [
        (bench.membership("Engineers"), bench.user("loner@example.com")),
        (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob")),
        (iam::of_group(OWN, "external/Auditors"), iam::user(OWN, "idle")),
        (iam::of_policy(AWS_POLICY), iam::user(OWN, "idle")),
        (iam::of_policy(AWS_POLICY), of(group::ID, "group/Admins")),
        (iam::of_policy(AWS_POLICY), of(role::ID, "role/Runner")),
    ];
    let mut orders: Vec<_> = grants.iter().cloned().map(|(what, whom)| Order::Grant(what, whom)).collect();
    orders.extend(grants.iter().map(|(what, whom)| Order::Revoke(held(UNKNOWN, what, whom))));
    let holder = Holder::role(&format!("arn:aws:iam::{OWN}:role/team/shop/Deployer"));
    let principal = resource::reference(holder.resource_type(), holder.id());
    orders.push(Order::Revoke(held(UNKNOWN, &iam::of_inline(&holder, "deploy"), &principal)));
    orders.push(Order::Create(account::request(
        batond::baton::profile::Profile::new().string("username", "new").string("email", "new@example.com"),
    )));
    let (reader, user) = (Identity::generate(), account::iam_id(OWN, RICH));
    let (key, _) = bench.aws.access_keys(OWN, RICH).swap_remove(0);
    for rotated in [user.clone(), resource::id(access_key::ID, &key)] {
        orders.push(Order::Rotate(credential::rotation(rotated, &reader)));
    }
    orders.push(Order::Delete(user));
    let loner = bench.connector.directory().user(&bench.aws.user_id("loner@example.com").unwrap());
    orders.push(Order::Delete(resource::id(sso_user::ID, &loner)));
    orders
}

#[tokio::test]
async fn a_rehearsal_writes_nothing_and_tells_what_the_change_then_writes() {
    let bench = Bench::with_members(|settings| settings.secrets = true).await;
    for order in orders(&bench) {
        let rehearsal = Rehearsal::default();
        let cancel = CancellationToken::new();
        let rehearsed =
            Provision { rehearsal: Some(rehearsal.clone()), ..Provision::new("r", cancel.clone()) };
        carry_out(&bench.connector, &order, &rehearsed).await.unwrap();
        assert_eq!(written(&bench.aws), [""; 0]);

        carry_out(&bench.connector, &order, &Provision::new("t", cancel)).await.unwrap();
        let mut told: Vec<_> = rehearsal.planned().iter().map(|one| one.operation.to_owned()).collect();
        told.sort();
        assert_eq!(told, written(&bench.aws));
        assert!(!told.is_empty());
    }
}

#[tokio::test]
async fn a_rehearsal_tells_what_is_so_already_and_refuses_what_the_change_would() {
    let bench = Bench::start().await;
    bench.make_bob_admin();
    let rehearsal = Rehearsal::default();
    let provision =
        Provision { rehearsal: Some(rehearsal.clone()), ..Provision::new("r", CancellationToken::new()) };
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    bench.connector.grant(&entitlement, &bob, &provision).await.unwrap();
    let [Planned { operation, before, after, .. }] = &rehearsal.planned()[..] else {
        panic!("{rehearsal:?}")
    };
    assert_eq!((*operation, *before, *after), ("sso:CreateAccountAssignment", Some("held"), "held"));

    let elsewhere: AccountId = "444444444444".parse().unwrap();
    let error = bench
        .connector
        .grant(
            &iam::of_group(elsewhere.as_str(), "Operators"),
            &iam::user(elsewhere.as_str(), "shop-bot"),
            &provision,
        )
        .await
        .unwrap_err();
    assert!(matches!(error, ProvisionError::Outside { .. }), "{error}");
    assert_eq!(rehearsal.planned().len(), 1);
}

#[tokio::test]
async fn a_new_user_of_the_directory_is_rehearsed_too() {
    let aws = Server::start(testbed::aws::Fixture::example().unwrap()).await.unwrap();
    let settings = AwsSettings { account_kind: AccountKind::SsoUser, ..support::aws_settings(&aws) };
    let connector = Connector::open(&settings).await.unwrap();
    aws.reset_counters();
    let rehearsal = Rehearsal::default();
    let provision =
        Provision { rehearsal: Some(rehearsal.clone()), ..Provision::new("r", CancellationToken::new()) };
    connector.create_account(&account::request(account::jane()), &provision).await.unwrap();
    assert_eq!(written(&aws), [""; 0]);
    let told: Vec<_> = rehearsal.planned().iter().map(|one| one.operation).collect();
    assert_eq!(told, ["identitystore:CreateUser"]);
    assert!(aws.user_id("jane").is_none());
}
