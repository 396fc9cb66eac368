//! Account assignments, through accounts and through bindings.

use batond::connector::ProvisionError;
use testbed::aws::{Assignment, Effect, Fault, PrincipalType};
use tokio_util::sync::CancellationToken;

use super::bench::{
    ADMIN, Bench, CREATE, DELETE, LIST, SHOP, Through, existed, held, provision, request_id, was_gone,
};
use super::log::Log;
use crate::support::{Work, full_sync};

const BOTH: [Through; 2] = [Through::Account, Through::Binding];

fn shop_admins(bench: &Bench) -> Vec<Assignment> {
    let probe = bench.aws.assignment(SHOP, ADMIN, PrincipalType::User, "bob").unwrap();
    let same = |one: &Assignment| one.account == probe.account && one.permission_set == probe.permission_set;
    bench.aws.assignments().into_iter().filter(same).collect()
}

#[tokio::test]
async fn users_and_groups_granted_twice_are_assigned_once() {
    let log = Log::capture();
    for through in BOTH {
        let bench = Bench::start().await;
        let entitlement = bench.access(through, SHOP, ADMIN);
        let principals = [
            (bench.user("bob"), PrincipalType::User, "bob"),
            (bench.group("Engineers"), PrincipalType::Group, "Engineers"),
        ];
        for (principal, kind, name) in principals {
            let task = |number: u8| format!("{through:?} {name} {number}");
            let first = bench.grant(&task(1), &entitlement, &principal).await.unwrap();
            assert!(bench.aws.is_assigned(SHOP, ADMIN, kind, name) && !existed(&first));
            let line = log.the_audit(&task(1));
            assert_eq!((line["outcome"].as_str(), line["operation"].as_str()), ("changed", CREATE));
            let of_binding = matches!(through, Through::Binding);
            assert_eq!(line["target_type"], if of_binding { "permission_set_assignment" } else { "account" });
            assert_eq!(line["principal_id"], principal.id.as_ref().unwrap().resource);
            let create = bench.aws.transcript().into_iter().rfind(|call| call.action == CREATE).unwrap();
            assert_eq!(line["aws_request_id"], create.request_id);
            assert_eq!(request_id(&first.annotations), create.request_id);

            let second = bench.grant(&task(2), &entitlement, &principal).await.unwrap();
            assert!(existed(&second));
            assert_eq!(first.grants, second.grants);
            assert_eq!(log.the_audit(&task(2))["outcome"], "unchanged");
            log.holds_no_secret(&(first, second));
        }
        assert_eq!(shop_admins(&bench).len(), 2);
    }
}

#[tokio::test]
async fn granted_assignments_have_the_ids_that_a_sync_writes() {
    let bench = Bench::start().await;
    let mut granted = Vec::new();
    for through in BOTH {
        let entitlement = bench.access(through, SHOP, ADMIN);
        for principal in [bench.user("bob"), bench.group("Engineers")] {
            granted.extend(bench.grant("t", &entitlement, &principal).await.unwrap().grants);
        }
    }
    assert_eq!(granted.len(), 4);
    let work = Work::new();
    full_sync(&bench.aws, &work).await.unwrap();
    let file = work.read();
    for grant in granted {
        let written = file.grant(&grant.id).unwrap().unwrap_or_else(|| panic!("no {}", grant.id));
        assert_eq!(written.principal, grant.principal);
        let ids = [&written, &grant].map(|grant| grant.entitlement.as_ref().unwrap().id.clone());
        assert_eq!(ids[0], ids[1]);
    }
}

#[tokio::test]
async fn an_assignment_revoked_twice_is_gone_once_and_others_stay() {
    let log = Log::capture();
    for through in BOTH {
        let bench = Bench::start().await;
        bench.make_bob_admin();
        let (entitlement, bob) = (bench.access(through, SHOP, ADMIN), bench.user("bob"));
        let before = bench.aws.assignments().len();
        let task = |number: u8| format!("{through:?} {number}");

        let first = bench.revoke(&task(1), &entitlement, &bob).await.unwrap();
        assert!(!bench.bob_is_admin() && !was_gone(&first));
        let line = log.the_audit(&task(1));
        assert_eq!((line["outcome"].as_str(), line["operation"].as_str()), ("changed", DELETE));
        assert_eq!(line["aws_request_id"], request_id(&first.annotations));

        assert!(was_gone(&bench.revoke(&task(2), &entitlement, &bob).await.unwrap()));
        assert_eq!(log.the_audit(&task(2))["outcome"], "unchanged");
        assert_eq!(bench.aws.assignments().len(), before - 1);
    }
}

#[tokio::test]
async fn a_user_who_left_the_directory_can_be_revoked() {
    let bench = Bench::start().await;
    let shared = bench.aws.account_id("Shared").unwrap();
    let gone = bench.aws.assignments().into_iter();
    let gone = gone.filter(|one| one.account == shared && one.principal_type == PrincipalType::User);
    let gone = gone.map(|one| one.principal_id).next().unwrap();
    let principal = batond::baton::resource::reference("sso_user", &bench.connector.directory().user(&gone));
    let entitlement = bench.access(Through::Account, "Shared", "Developer");
    assert!(!was_gone(&bench.revoke("t", &entitlement, &principal).await.unwrap()));
    assert!(bench.aws.assignments().iter().all(|one| one.principal_id != gone));
}

#[tokio::test]
async fn a_failed_change_carries_the_reason_of_aws() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    tokio::time::pause();
    let (entitlement, bob) = (bench.access(Through::Binding, SHOP, ADMIN), bench.user("bob"));
    bench.aws.arm(Fault::once(CREATE, Effect::SettlesFailed("The SAML provider is gone.".into())));
    let grant = bench.grant("grant", &entitlement, &bob).await.unwrap_err();
    assert!(!bench.bob_is_admin());
    bench.make_bob_admin();
    bench.aws.arm(Fault::once(DELETE, Effect::SettlesFailed("The SAML provider is gone.".into())));
    let revoke = bench.revoke("revoke", &entitlement, &bob).await.unwrap_err();
    for (task, error) in [("grant", &grant), ("revoke", &revoke)] {
        assert!(
            matches!(error, ProvisionError::Failed { reason, .. } if reason == "The SAML provider is gone."),
            "{error}"
        );
        assert!(error.to_string().contains("The SAML provider is gone."), "{error}");
        let line = log.the_audit(task);
        assert_eq!(line["outcome"], "failed");
        assert!(!line["aws_request_id"].is_empty());
    }
    log.holds_no_secret(&(grant, revoke));
}

#[tokio::test]
async fn a_revoke_that_fails_because_the_assignment_is_gone_says_so() {
    let (log, bench) = (Log::capture(), Bench::settling_in(std::time::Duration::from_millis(500)).await);
    bench.make_bob_admin();
    let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
    let somebody_else = async {
        while bench.calls(DELETE) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let assignment = bench.aws.assignment(SHOP, ADMIN, PrincipalType::User, "bob").unwrap();
        assert!(bench.aws.unassign(&assignment));
    };
    let (answer, ()) = tokio::join!(bench.revoke("t", &entitlement, &bob), somebody_else);
    assert!(was_gone(&answer.unwrap()));
    assert_eq!(log.the_audit("t")["outcome"], "unchanged");
}

#[tokio::test]
async fn a_denied_call_names_action_and_account() {
    let log = Log::capture();
    for action in [LIST, CREATE, DELETE] {
        let bench = Bench::start().await;
        bench.aws.deny("connector", &[action]);
        let (entitlement, bob) = (bench.access(Through::Account, SHOP, ADMIN), bench.user("bob"));
        let said = if action == DELETE {
            bench.make_bob_admin();
            format!("{}", bench.revoke(action, &entitlement, &bob).await.unwrap_err())
        } else {
            format!("{}", bench.grant(action, &entitlement, &bob).await.unwrap_err())
        };
        assert!(said.contains(action) && said.contains(&bench.aws.management_account()), "{said}");
        assert_eq!(log.the_audit(action)["outcome"], "failed");
        log.holds_no_secret(&said);
    }
}

#[tokio::test]
async fn the_id_of_the_grant_does_not_matter_to_a_revoke() {
    for id in ["", super::bench::UNKNOWN, "grant:sso_user:somebody:else"] {
        let bench = Bench::start().await;
        bench.make_bob_admin();
        let grant = held(id, &bench.access(Through::Account, SHOP, ADMIN), &bench.user("bob"));
        let before = bench.aws.assignments().len();
        bench.connector.revoke(&grant, &provision("t", &CancellationToken::new())).await.unwrap();
        assert!(!bench.bob_is_admin());
        assert_eq!(bench.aws.assignments().len(), before - 1);
    }
}

#[tokio::test]
async fn a_grant_that_settles_at_once_takes_three_calls() {
    let bench = Bench::start().await;
    bench.grant("t", &bench.access(Through::Account, SHOP, ADMIN), &bench.user("bob")).await.unwrap();
    assert!(bench.aws.counters().total() <= 3, "{:?}", bench.aws.counters().by_action());
    assert_eq!((bench.calls(LIST), bench.calls(CREATE)), (1, 1));
}
