//! Access keys that are deleted: out of use first, then gone, and only those that may be.

use age::x25519::Identity;
use batond::baton::v2::{Capability, DeleteResourceResponse, ResourceDoesNotExist, ResourceId};
use batond::baton::{any, resource};
use batond::connector::{ProvisionError, access_key, account, iam_user};
use batond::tasks::EngineError;
use testbed::aws::{Effect, Fault};
use tokio_util::sync::CancellationToken;

use super::account::iam_id;
use super::bench::{Bench, provision};
use super::credential::{issue, issuing, refuse};
use super::log::Log;

const OWN: &str = "111111111111";
const SHOP: &str = "444444444444";
const RICH: &str = "o,brien+x=1";
const IDLE: &str = "idle";

const UPDATE: &str = "iam:UpdateAccessKey";
const DELETE: &str = "iam:DeleteAccessKey";
const OWNER: &str = "iam:GetAccessKeyLastUsed";

fn key(id: &str) -> ResourceId {
    resource::id(access_key::ID, id)
}

fn first(bench: &Bench, account: &str, user: &str) -> String {
    bench.aws.access_keys(account, user).swap_remove(0).0
}

async fn delete(
    bench: &Bench,
    task: &str,
    id: &ResourceId,
    parent: Option<&ResourceId>,
) -> Result<DeleteResourceResponse, ProvisionError> {
    bench.connector.delete(id, parent, &provision(task, &CancellationToken::new())).await
}

fn code(error: ProvisionError) -> i32 {
    EngineError::from(error).status.code
}

#[tokio::test]
async fn what_is_no_key_of_a_user_or_the_connectors_own_is_refused_before_any_call() {
    let bench = Bench::with_members(|_| {}).await;
    for (id, wanted) in [
        ("", 3),
        ("AKIA", 3),
        ("ASIAEXAMPLEALICE0001", 3),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 3),
        (bench.aws.credentials().access_key_id.as_str(), 9),
    ] {
        assert_eq!(code(delete(&bench, "t", &key(id), None).await.unwrap_err()), wanted, "{id}");
    }
    assert_eq!(bench.aws.counters().total(), 0);
}

#[tokio::test]
async fn the_key_of_a_protected_user_or_under_another_parent_stays() {
    let bench = Bench::with_members(|settings| {
        settings.protected_principals = vec!["*:user/o,brien*".into()];
    })
    .await;
    let error = delete(&bench, "t", &key(&first(&bench, OWN, RICH)), None).await.unwrap_err();
    assert!(error.to_string().contains("BATON_PROTECTED_PRINCIPALS"), "{error}");
    assert_eq!(code(error), 9);

    let other = Bench::with_members(|_| {}).await;
    let id = key(&first(&other, OWN, RICH));
    for parent in [iam_id(OWN, IDLE), resource::id(account::ID, SHOP)] {
        let error = delete(&other, "t", &id, Some(&parent)).await.unwrap_err();
        assert_eq!(code(error), 3, "{parent:?}");
    }
    assert_eq!((bench.calls(UPDATE), other.calls(UPDATE), other.calls(DELETE)), (0, 0, 0));
}

#[tokio::test]
async fn a_key_that_may_not_be_put_out_of_use_or_deleted_names_what_is_missing() {
    for (denied, left) in [(UPDATE, 1), (DELETE, 0)] {
        let bench = Bench::with_members(|_| {}).await;
        bench.aws.arm(Fault::new(denied, Effect::Deny));
        let id = first(&bench, OWN, RICH);
        let error = delete(&bench, "t", &key(&id), None).await.unwrap_err();
        assert!(error.to_string().contains(denied), "{error}");
        assert_eq!(code(error), 7);
        assert_eq!(
            (bench.aws.access_keys(OWN, RICH).len(), bench.aws.active_keys(OWN, RICH).len()),
            (1, left)
        );
        bench.aws.disarm();
        delete(&bench, "t", &key(&id), None).await.unwrap();
        assert!(bench.aws.access_keys(OWN, RICH).is_empty(), "a repetition goes on");
    }
}

#[tokio::test]
async fn a_key_that_is_gone_is_success_and_one_that_does_not_show_yet_is_looked_for_again() {
    let (log, bench) = (Log::capture(), Bench::with_members(|_| {}).await);
    let id = first(&bench, OWN, RICH);
    tokio::time::pause();
    bench.aws.arm(refuse(OWNER, "NoSuchEntity", 404));
    delete(&bench, "t1", &key(&id), Some(&iam_id(OWN, RICH))).await.unwrap();
    assert!(bench.aws.access_keys(OWN, RICH).is_empty());
    let again = delete(&bench, "t2", &key(&id), None).await.unwrap();
    assert!(any::has::<ResourceDoesNotExist>(&again.annotations));
    assert!(log.audit("t2").is_empty());
}

#[tokio::test]
async fn an_issued_key_is_revoked_out_of_use_first() {
    // Where keys are not read, too: a key that can be issued can be revoked.
    for secrets in [false, true] {
        let (log, bench) = (Log::capture(), Bench::with_members(|settings| settings.secrets = secrets).await);
        let issued = issue(&bench, "t1", &issuing(iam_id(OWN, IDLE), &Identity::generate())).await.unwrap();
        let id = issued.secret.as_ref().and_then(|secret| secret.id.clone()).unwrap();
        assert_eq!(id.resource_type, access_key::ID);
        delete(&bench, "t2", &id, None).await.unwrap();
        assert!(bench.aws.access_keys(OWN, IDLE).is_empty());
        let lines = log.audit("t2");
        let ends: Vec<_> =
            lines.iter().map(|line| (line["operation"].as_str(), line["outcome"].as_str())).collect();
        assert_eq!(ends, [(UPDATE, "changed"), (DELETE, "changed")]);

        let told = bench.connector.metadata().capabilities.unwrap().resource_type_capabilities;
        let of = |kind: &str| told.iter().find(|one| one.resource_type.as_ref().unwrap().id == kind);
        let has = |capability: Capability| {
            of(access_key::ID).unwrap().capabilities.contains(&i32::from(capability))
        };
        assert!(has(Capability::ResourceDelete), "the type of what is issued has a deleter");
        assert_eq!(has(Capability::Sync), secrets);
        let descriptor = &of(iam_user::ID).unwrap().credential_issue.as_ref().unwrap().options[0];
        assert_eq!(descriptor.secret_resource_type_id, access_key::ID);
        assert_eq!(descriptor.resource_mode, issued.resource_mode, "the answer is as it was announced");
        let read = bench.connector.resource_types().iter().any(|kind| kind.id == access_key::ID);
        assert_eq!(read, secrets, "what is not read is in no sync");
    }
}
