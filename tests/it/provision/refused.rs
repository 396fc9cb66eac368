//! Requests that are wrong in themselves: refused without a call to AWS, and without an audit line.

use batond::baton::any;
use batond::baton::resource::{self, ResourceExt as _};
use batond::baton::v2::{Entitlement, Grant, Resource, ResourceId, ScopeBindingTrait};
use batond::connector::ProvisionError;
use tokio_util::sync::CancellationToken;

use super::bench::{ADMIN, Bench, SHOP, Through, held, provision};
use super::log::Log;

async fn is_refused(bench: &Bench, what: &str, entitlement: &Entitlement, principal: &Resource) {
    let log = Log::capture();
    let errors = [
        bench.grant("t", entitlement, principal).await.map(|_| ()),
        bench.revoke("t", entitlement, principal).await.map(|_| ()),
    ];
    for outcome in errors {
        assert!(matches!(outcome, Err(ProvisionError::Invalid(_))), "{what}: {outcome:?}");
    }
    assert_eq!(bench.aws.counters().total(), 0, "{what}");
    assert!(log.audit("t").is_empty(), "{what}");
}

/// A binding whose trait is made by hand.
fn binding(role: Option<ResourceId>, scope: Option<ResourceId>) -> Entitlement {
    let binding = ScopeBindingTrait { role_id: role, scope_resource_id: scope };
    let resource = resource::named("permission_set_assignment", "x", "x").with(&binding);
    Entitlement { id: "x".into(), resource: Some(resource), ..Entitlement::default() }
}

#[tokio::test]
async fn wrong_principals_are_refused() {
    let bench = Bench::start().await;
    let targets = [
        bench.membership("Engineers"),
        bench.access(Through::Account, SHOP, ADMIN),
        bench.access(Through::Binding, SHOP, ADMIN),
    ];
    let user = bench.user("bob").object_id().to_owned();
    let group = bench.group("Engineers").object_id().to_owned();
    let wrong = [
        resource::reference("iam_user", "arn:aws:iam::111111111111:user/bob"),
        resource::reference("account", "111111111111"),
        resource::reference("", &user),
        resource::reference("sso_user", ""),
        resource::reference("sso_user", "bob"),
        resource::reference("sso_user", &group),
        resource::reference("sso_user", &format!("{user}/../x")),
        Resource::default(),
    ];
    for target in &targets {
        for principal in &wrong {
            is_refused(&bench, &format!("{} to {principal:?}", target.id), target, principal).await;
        }
    }
    for (target, principal) in [
        (&targets[0], resource::reference("sso_group", &group)),
        (&targets[1], resource::reference("sso_group", &user)),
        (&targets[2], resource::reference("sso_group", "arn:aws:identitystore:us-east-1::d-1/group/")),
    ] {
        is_refused(&bench, &format!("{} to {principal:?}", target.id), target, &principal).await;
    }
}

#[tokio::test]
async fn malformed_entitlements_are_refused() {
    let bench = Bench::start().await;
    let set = bench.aws.permission_set_arn(ADMIN).unwrap();
    let account = |id: &str| Some(resource::id("account", id));
    let role = |arn: &str| Some(resource::id("permission_set", arn));
    let of = |resource: Resource, id: &str| Entitlement {
        id: id.into(),
        resource: Some(resource),
        ..Entitlement::default()
    };
    let shop = resource::reference("account", "666666666666");
    let no_trait = resource::named("permission_set_assignment", &format!("{set}-666666666666"), "x");
    let mut broken_trait = no_trait.clone().with(&ScopeBindingTrait::default());
    broken_trait.annotations[0].value = vec![0xff];
    let cases = [
        ("no resource", Entitlement { id: format!("666666666666|{set}"), ..Entitlement::default() }),
        ("a resource without id", of(Resource::default(), "x")),
        ("a group without id", of(resource::reference("sso_group", ""), "sso_group::member")),
        ("a group that is a user", of(resource::reference("sso_group", bench.user("bob").object_id()), "x")),
        ("no separator", of(shop.clone(), &set)),
        ("a short account", of(shop.clone(), &format!("66666666666|{set}"))),
        ("an account with a letter", of(shop.clone(), &format!("66666666666x|{set}"))),
        ("digits of another script", of(shop.clone(), &format!("٦٦٦٦٦٦٦٦٦٦٦٦|{set}"))),
        ("another account", of(shop.clone(), &format!("777777777777|{set}"))),
        ("a role for a set", of(shop.clone(), "666666666666|arn:aws:iam::666666666666:role/x")),
        ("no set", of(shop.clone(), "666666666666|")),
        ("no trait", of(no_trait, "x")),
        ("an unreadable trait", of(broken_trait, "x")),
        ("an empty trait", binding(None, None)),
        ("a trait without set", binding(None, account("666666666666"))),
        ("a trait without account", binding(role(&set), None)),
        ("a trait with a malformed account", binding(role(&set), account("6666"))),
        ("a trait with a malformed set", binding(role("arn:aws:sso:::instance/x"), account("666666666666"))),
        ("a trait of another scope", binding(role(&set), Some(resource::id("organization", "666666666666")))),
    ];
    let bob = bench.user("bob");
    for (what, entitlement) in &cases {
        is_refused(&bench, what, entitlement, &bob).await;
    }
}

#[tokio::test]
async fn a_grant_that_lacks_an_end_is_refused() {
    let bench = Bench::start().await;
    let whole = held("x", &bench.membership("Engineers"), &bench.user("bob"));
    let provision = provision("t", &CancellationToken::new());
    for grant in
        [Grant { entitlement: None, ..whole.clone() }, Grant { principal: None, ..whole }, Grant::default()]
    {
        let outcome = bench.connector.revoke(&grant, &provision).await;
        assert!(matches!(outcome, Err(ProvisionError::Invalid(_))), "{outcome:?}");
    }
    assert_eq!(bench.aws.counters().total(), 0);
}

#[tokio::test]
async fn types_without_entitlements_are_unsupported() {
    let bench = Bench::start().await;
    for kind in
        ["sso_user", "permission_set", "organization", "organizational_unit", "role", "a type of 2050"]
    {
        let entitlement =
            Entitlement { resource: Some(resource::reference(kind, "x")), ..Entitlement::default() };
        let outcomes = [
            bench.grant("t", &entitlement, &bench.user("bob")).await.map(|_| ()),
            bench.revoke("t", &entitlement, &bench.user("bob")).await.map(|_| ()),
        ];
        for outcome in outcomes {
            let Err(ProvisionError::Unsupported(said)) = outcome else { panic!("{kind}: {outcome:?}") };
            assert!(said.contains(kind), "{said}");
        }
    }
    assert_eq!(bench.aws.counters().total(), 0);
}

#[tokio::test]
async fn a_binding_is_what_its_trait_says_whatever_its_id() {
    let bench = Bench::start().await;
    let mut entitlement = bench.access(Through::Binding, SHOP, ADMIN);
    let known = entitlement.resource.take().unwrap();
    // A control plane that provisions just in time makes the resource up: id and trait, nothing else.
    let binding: ScopeBindingTrait = any::find(&known.annotations).unwrap();
    entitlement.resource =
        Some(resource::named("permission_set_assignment", known.object_id(), "").with(&binding));
    entitlement.grantable_to.clear();
    bench.grant("t", &entitlement, &bench.user("bob")).await.unwrap();
    assert!(bench.bob_is_admin());
}
