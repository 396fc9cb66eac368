//! Access keys that are replaced: the new one reaches its recipients, the old one works no longer, or all is as before.

use std::time::Duration;

use age::x25519::Identity;
use batond::baton::resource;
use batond::baton::v2::credential_options::{EncryptedPassword, NoPassword, Options};
use batond::baton::v2::{CredentialOptions, ResourceId, RotateCredentialRequest, RotateCredentialResponse};
use batond::config::AwsSettings;
use batond::connector::{Connector, Provision, ProvisionError, Rehearsal, access_key};
use batond::tasks::EngineError;
use testbed::aws::{Effect, Fault, Fixture, Server};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, provision, request_id};
use super::credential::{self, of_recipient, opened, refuse, rotate};
use super::log::{Line, Log};
use super::{account, credential::issuing};
use crate::support::aws_settings;

const OWN: &str = "111111111111";
const SHOP: &str = "444444444444";
/// An account that lets nobody in.
const REFUSING: &str = "666666666666";
/// Has one key.
const RICH: &str = "o,brien+x=1";
/// Has two keys, of which the second is inactive.
const ALICE: &str = "alice@example.com";
const OF_ALICE: &str = "AKIAEXAMPLEALICE0001";
const NOBODYS: &str = "AKIANOBODYSKEY000000";

const CREATE: &str = "iam:CreateAccessKey";
const UPDATE: &str = "iam:UpdateAccessKey";
const DELETE: &str = "iam:DeleteAccessKey";

/// A bench where access keys are read.
async fn bench() -> Bench {
    Bench::with_members(|settings| settings.secrets = true).await
}

/// The same in a world of its own.
async fn in_world(change: impl FnOnce(&mut Fixture)) -> Bench {
    let mut fixture = Fixture::example().unwrap();
    change(&mut fixture);
    let aws = Server::start(fixture).await.unwrap();
    let settings = AwsSettings { secrets: true, cross_account_iam: true, ..aws_settings(&aws) };
    let connector = Connector::open(&settings).await.unwrap();
    aws.reset_counters();
    Bench { aws, connector }
}

fn key(id: &str) -> ResourceId {
    resource::id(access_key::ID, id)
}

/// The ids of a user's keys.
fn ids(bench: &Bench, account: &str, user: &str) -> Vec<String> {
    bench.aws.access_keys(account, user).into_iter().map(|(id, _)| id).collect()
}

fn first(bench: &Bench, account: &str, user: &str) -> String {
    ids(bench, account, user).swap_remove(0)
}

pub(super) fn of_first(
    bench: &Bench,
    account: &str,
    user: &str,
    identity: &Identity,
) -> RotateCredentialRequest {
    credential::rotation(key(&first(bench, account, user)), identity)
}

fn ends(lines: &[Line]) -> Vec<(&str, &str)> {
    lines.iter().map(|line| (line["operation"].as_str(), line["outcome"].as_str())).collect()
}

fn code(error: ProvisionError) -> i32 {
    EngineError::from(error).status.code
}

/// The answer holds the key that works, and its secret.
fn hands_out(bench: &Bench, answer: &RotateCredentialResponse, identity: &Identity, user: &str) -> String {
    let (id, secret) = bench.aws.access_keys(OWN, user).pop().unwrap();
    assert_eq!(answer.resource_id, Some(key(&id)));
    let names: Vec<_> = answer.encrypted_data.iter().map(|data| data.name.as_str()).collect();
    assert_eq!(names, ["access_key_id", "secret_access_key"]);
    let texts: Vec<_> = answer.encrypted_data.iter().map(|data| opened(identity, data)).collect();
    assert_eq!(texts, [id.clone(), secret.unwrap()]);
    id
}

#[tokio::test]
async fn an_unknown_key_is_refused_and_nothing_is_written() {
    let bench = bench().await;
    let identity = Identity::generate();
    let unknown = rotate(&bench, "t", &credential::rotation(key(NOBODYS), &identity)).await.unwrap_err();
    assert!(unknown.to_string().contains("sts:GetAccessKeyInfo"), "{unknown}");
    assert_eq!(code(unknown), 3);

    // AWS still tells the account of a key that is deleted.
    let order = of_first(&bench, OWN, RICH, &identity);
    account::delete(&bench, "t", &account::iam_id(OWN, RICH)).await.unwrap();
    let deleted = rotate(&bench, "t", &order).await.unwrap_err();
    assert!(deleted.to_string().contains("iam:GetAccessKeyLastUsed"), "{deleted}");
    assert_eq!(code(deleted), 5);

    let order = of_first(&bench, OWN, "ci-robot", &identity);
    bench.aws.arm(Fault::once("iam:GetAccessKeyLastUsed", Effect::Drop("UserName".into())));
    let of_root = rotate(&bench, "t", &order).await.unwrap_err();
    assert!(of_root.to_string().contains("not the key of an IAM user"), "{of_root}");
    assert_eq!(code(of_root), 3);
    assert_eq!((bench.calls(CREATE), bench.calls(UPDATE)), (0, 0));
}

#[tokio::test]
async fn what_cannot_be_rotated_or_read_by_anybody_is_refused_before_any_call() {
    let bench = bench().await;
    let identity = Identity::generate();
    let good = of_first(&bench, OWN, RICH, &identity);
    let options = |options| Some(CredentialOptions { options, ..CredentialOptions::default() });
    let encrypted = Options::EncryptedPassword(EncryptedPassword::default());
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    for (order, wanted) in [
        (RotateCredentialRequest { encryption_configs: vec![], ..good.clone() }, 3),
        (
            RotateCredentialRequest {
                encryption_configs: vec![good.encryption_configs[0].clone(), of_recipient("age1pq1x")],
                ..good.clone()
            },
            3,
        ),
        (RotateCredentialRequest { credential_options: options(Some(encrypted)), ..good.clone() }, 12),
        (RotateCredentialRequest { credential_options: options(None), ..good.clone() }, 3),
        (credential::rotation(key(""), &identity), 3),
        (credential::rotation(key("AKIA"), &identity), 3),
        (credential::rotation(key("ASIAEXAMPLEALICE0001"), &identity), 3),
        (credential::rotation(key("AKIAexamplealice0001"), &identity), 3),
        (credential::rotation(key("AKIAEXAMPLEALICE000\n"), &identity), 3),
        (credential::rotation(key(&format!("AKIA{}", "A".repeat(200))), &identity), 3),
        (credential::rotation(key(secret), &identity), 3),
    ] {
        let error = rotate(&bench, "t", &order).await.unwrap_err();
        assert!(!error.to_string().contains(secret), "{error}");
        assert_eq!(code(error), wanted, "{order:?}");
    }
    assert_eq!(bench.aws.counters().total(), 0);

    let off = Bench::with_members(|_| {}).await;
    let order = of_first(&off, OWN, RICH, &identity);
    let error = rotate(&off, "t", &order).await.unwrap_err();
    assert!(error.to_string().contains("BATON_SYNC_SECRETS"), "{error}");
    assert_eq!((code(error), off.aws.counters().total()), (12, 0));
}

#[tokio::test]
async fn a_key_is_replaced_in_its_own_account_or_not_at_all() {
    let identity = Identity::generate();
    let (log, outside) = (Log::capture(), Bench::start().await);
    let settings = AwsSettings { secrets: true, ..aws_settings(&outside.aws) };
    let outside = Bench { connector: Connector::open(&settings).await.unwrap(), ..outside };
    let order = of_first(&outside, SHOP, "shop-bot", &identity);
    let error = rotate(&outside, "t1", &order).await.unwrap_err();
    assert!(
        matches!(&error, ProvisionError::Outside { account, .. } if account.as_str() == SHOP),
        "{error:?}"
    );
    assert_eq!(code(error), 9);

    let refusing = in_world(|fixture| {
        let mut own = fixture.iam[0].clone();
        own.account = REFUSING.into();
        own.users.retain(|user| user.name == "ci-robot");
        own.users[0].attached.clear();
        own.groups.clear();
        own.roles.clear();
        fixture.iam.retain(|one| one.account != REFUSING);
        fixture.iam.push(own);
    })
    .await;
    let order = of_first(&refusing, REFUSING, "ci-robot", &identity);
    let error = rotate(&refusing, "t2", &order).await.unwrap_err();
    assert!(
        matches!(&error, ProvisionError::NoEntry { account, .. } if account.as_str() == REFUSING),
        "{error:?}"
    );
    assert_eq!(code(error), 7);
    assert!(log.audit("t1").is_empty() && log.audit("t2").is_empty());

    let inside = bench().await;
    let order = of_first(&inside, SHOP, "shop-bot", &identity);
    let answer = rotate(&inside, "t3", &order).await.unwrap();
    assert_eq!(inside.aws.active_keys(SHOP, "shop-bot"), [answer.resource_id.unwrap().resource]);
    for entry in inside.aws.transcript().iter().filter(|entry| [CREATE, UPDATE].contains(&&*entry.action)) {
        assert_eq!(entry.account, SHOP, "{entry:?}");
    }
}

#[tokio::test]
async fn a_protected_user_and_the_connectors_own_keep_their_keys() {
    let identity = Identity::generate();
    let protected = Bench::with_members(|settings| {
        settings.secrets = true;
        settings.protected_principals = vec![format!("*:user/people/{ALICE}")];
    })
    .await;
    let error = rotate(&protected, "t", &of_first(&protected, OWN, ALICE, &identity)).await.unwrap_err();
    assert!(error.to_string().contains("BATON_PROTECTED_PRINCIPALS"), "{error}");
    assert_eq!((code(error), protected.calls(CREATE)), (9, 0));
    // Another's key is.
    rotate(&protected, "t", &of_first(&protected, OWN, RICH, &identity)).await.unwrap();

    let own = in_world(|fixture| {
        let mut connector = fixture.iam[0].users.iter().find(|user| user.name == "ci-robot").unwrap().clone();
        connector.name = fixture.principals.connector.clone();
        connector.path = None;
        fixture.iam[0].users.push(connector);
    })
    .await;
    let error = rotate(&own, "t", &of_first(&own, OWN, "connector", &identity)).await.unwrap_err();
    assert!(error.to_string().contains("the connector itself works as it"), "{error}");
    assert_eq!((code(error), own.calls(CREATE)), (9, 0));
}

#[tokio::test]
async fn where_the_old_key_may_not_be_deactivated_the_new_one_is_taken_back() {
    let (log, bench) = (Log::capture(), bench().await);
    let identity = Identity::generate();
    let before = bench.aws.access_keys(OWN, RICH);
    bench.aws.arm(Fault::new(UPDATE, Effect::Deny));
    let order = of_first(&bench, OWN, RICH, &identity);
    let error = rotate(&bench, "t1", &order).await.unwrap_err();
    assert!(error.to_string().contains(UPDATE), "{error}");
    assert_eq!(code(error), 7);
    assert_eq!(bench.aws.access_keys(OWN, RICH), before);
    assert_eq!(bench.aws.active_keys(OWN, RICH), [before[0].0.clone()]);
    assert_eq!(ends(&log.audit("t1")), [(CREATE, "changed"), (UPDATE, "failed"), (DELETE, "changed")]);

    bench.aws.arm(Fault::new(DELETE, Effect::Deny));
    let error = rotate(&bench, "t2", &order).await.unwrap_err();
    assert!(error.to_string().contains(UPDATE), "{error}");
    let [old, left] = <[_; 2]>::try_from(ids(&bench, OWN, RICH)).unwrap();
    assert_eq!(old, before[0].0);
    assert!(matches!(&error, ProvisionError::KeyLeft { key, .. } if *key == left), "{error:?}");
    assert!(error.to_string().contains(&left), "{left} is not named: {error}");
    assert!(log.text().contains("reached nobody") && log.text().contains(&left), "{left} is not named");
    assert_eq!(ends(&log.audit("t2")), [(CREATE, "changed"), (UPDATE, "failed"), (DELETE, "failed")]);
}

#[tokio::test]
async fn the_key_that_the_process_starts_with_is_not_rotated() {
    let bench = bench().await;
    let order = credential::rotation(key(&bench.aws.credentials().access_key_id), &Identity::generate());
    let error = rotate(&bench, "t", &order).await.unwrap_err();
    assert!(error.to_string().contains("the connector itself starts with it"), "{error}");
    assert_eq!((code(error), bench.aws.counters().total()), (9, 0));
}

#[tokio::test]
async fn a_new_key_that_aws_does_not_know_everywhere_yet_is_looked_for_again() {
    let (log, bench) = (Log::capture(), bench().await);
    let before = bench.aws.access_keys(OWN, RICH);
    bench.aws.arm(Fault::new(UPDATE, Effect::Deny));
    bench.aws.arm(refuse(DELETE, "NoSuchEntity", 404));
    rotate(&bench, "t", &of_first(&bench, OWN, RICH, &Identity::generate())).await.unwrap_err();
    assert_eq!(bench.aws.access_keys(OWN, RICH), before);
    assert_eq!(ends(&log.audit("t"))[2..], [(DELETE, "unchanged"), (DELETE, "changed")]);
}

#[tokio::test]
async fn where_nobody_knows_whether_the_old_key_works_the_new_one_is_handed_out() {
    let identity = Identity::generate();
    for effect in [Effect::LostReply, Effect::Status(500)] {
        let (log, bench) = (Log::capture(), bench().await);
        let old = first(&bench, OWN, RICH);
        bench.aws.arm(Fault::new(UPDATE, effect.clone()));
        let answer = rotate(&bench, "t", &of_first(&bench, OWN, RICH, &identity)).await.unwrap();
        let new = hands_out(&bench, &answer, &identity, RICH);
        assert_eq!(bench.aws.active_keys(OWN, RICH).contains(&old), effect == Effect::Status(500));
        assert!(bench.aws.active_keys(OWN, RICH).contains(&new));
        assert_eq!(ends(&log.audit("t")), [(CREATE, "changed"), (UPDATE, "unconfirmed")]);
        assert!(log.text().contains("may still be active") && log.text().contains(&old));
    }
}

#[tokio::test]
async fn a_task_that_is_cancelled_after_its_key_was_made_hands_it_out() {
    let (log, bench) = (Log::capture(), bench().await);
    let identity = Identity::generate();
    bench.aws.arm(Fault::once(UPDATE, Effect::Delay(Duration::from_mins(1))));
    let (order, cancel) = (of_first(&bench, OWN, RICH, &identity), CancellationToken::new());
    let task = provision("t", &cancel);
    let stop = async {
        while !bench.aws.armed().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        cancel.cancel();
    };
    let (answer, ()) = tokio::join!(bench.connector.rotate_credential(&order, &task), stop);
    hands_out(&bench, &answer.unwrap(), &identity, RICH);
    assert_eq!(ends(&log.audit("t")), [(CREATE, "changed"), (UPDATE, "unconfirmed")]);
}

#[tokio::test]
async fn a_user_with_two_keys_gets_no_third_and_both_are_named() {
    let (log, bench) = (Log::capture(), bench().await);
    let identity = Identity::generate();
    let before = bench.aws.access_keys(OWN, ALICE);
    let order = credential::rotation(key(OF_ALICE), &identity);
    let error = rotate(&bench, "t", &order).await.unwrap_err();
    let text = error.to_string();
    let states = [format!("{OF_ALICE}: active"), format!("{}: inactive", before[1].0)];
    assert!(states.iter().all(|one| text.contains(one)) && text.contains("delete one"), "{text}");
    assert!(text.contains("AccessKeysPerUser"), "{text}");
    assert_eq!(code(error), 9);
    assert_eq!(bench.aws.access_keys(OWN, ALICE), before);
    assert_eq!(bench.aws.active_keys(OWN, ALICE), [OF_ALICE]);
    assert_eq!(ends(&log.audit("t")), [(CREATE, "failed")]);

    let rehearsal = Rehearsal::default();
    let rehearsed =
        Provision { rehearsal: Some(rehearsal.clone()), ..provision("r", &CancellationToken::new()) };
    let error = bench.connector.rotate_credential(&order, &rehearsed).await.unwrap_err();
    assert!(error.to_string().contains(OF_ALICE) && rehearsal.planned().is_empty(), "{error}");
}

#[tokio::test]
async fn a_lost_reply_leaves_the_old_key_as_it_was_and_the_task_may_be_repeated() {
    let (log, bench) = (Log::capture(), bench().await);
    let identity = Identity::generate();
    let (old, order) = (ids(&bench, OWN, RICH), of_first(&bench, OWN, RICH, &identity));
    bench.aws.arm(Fault::once(CREATE, Effect::LostReply));
    let error = rotate(&bench, "t1", &order).await.unwrap_err();
    assert!(error.to_string().contains("and the key was deleted"), "{error}");
    assert_eq!(code(error), 14);
    assert_eq!((ids(&bench, OWN, RICH), bench.aws.active_keys(OWN, RICH)), (old.clone(), old.clone()));
    assert_eq!(ends(&log.audit("t1")), [(CREATE, "unconfirmed"), (DELETE, "changed")]);
    let answer = rotate(&bench, "t2", &order).await.unwrap();
    assert_eq!(bench.aws.active_keys(OWN, RICH), [hands_out(&bench, &answer, &identity, RICH)]);
}

#[tokio::test]
async fn a_throttled_rotation_waits_and_one_that_is_throttled_for_good_changes_nothing() {
    let identity = Identity::generate();
    for call in [
        "sts:GetAccessKeyInfo",
        "iam:GetAccessKeyLastUsed",
        "iam:GetUser",
        "iam:ListAccessKeys",
        CREATE,
        UPDATE,
    ] {
        let bench = bench().await;
        bench.aws.arm(Fault::once(call, Effect::Throttle));
        let answer = rotate(&bench, "t", &of_first(&bench, OWN, RICH, &identity)).await.unwrap();
        assert!(bench.aws.armed().is_empty(), "{call}");
        assert_eq!(bench.aws.active_keys(OWN, RICH), [hands_out(&bench, &answer, &identity, RICH)], "{call}");
    }
    for call in [CREATE, UPDATE] {
        let bench = bench().await;
        tokio::time::pause();
        let old = ids(&bench, OWN, RICH);
        bench.aws.arm(Fault::new(call, Effect::Throttle));
        let error = rotate(&bench, "t", &of_first(&bench, OWN, RICH, &identity)).await.unwrap_err();
        tokio::time::resume();
        assert_eq!(code(error), 14, "{call}");
        assert_eq!((ids(&bench, OWN, RICH), bench.aws.active_keys(OWN, RICH)), (old.clone(), old), "{call}");
    }
}

#[tokio::test]
async fn a_key_that_does_not_work_already_is_left_so() {
    let (log, bench) = (
        Log::capture(),
        in_world(|fixture| {
            let robot = fixture.iam[0].users.iter_mut().find(|user| user.name == "ci-robot").unwrap();
            robot.keys[0].inactive = true;
        })
        .await,
    );
    let identity = Identity::generate();
    let answer = rotate(&bench, "t1", &of_first(&bench, OWN, "ci-robot", &identity)).await.unwrap();
    assert_eq!(bench.aws.active_keys(OWN, "ci-robot"), [hands_out(&bench, &answer, &identity, "ci-robot")]);
    assert_eq!(ends(&log.audit("t1")), [(CREATE, "changed"), (UPDATE, "unchanged")]);

    bench.aws.arm(refuse(UPDATE, "NoSuchEntity", 404));
    let answer = rotate(&bench, "t2", &of_first(&bench, OWN, RICH, &identity)).await.unwrap();
    hands_out(&bench, &answer, &identity, RICH);
    assert_eq!(ends(&log.audit("t2")), [(CREATE, "changed"), (UPDATE, "unchanged")]);
}

#[tokio::test]
async fn a_rotated_key_works_no_longer_and_the_new_one_reaches_its_recipient_alone() {
    let (log, bench) = (Log::capture(), bench().await);
    let identity = Identity::generate();
    let (old, mut order) = (first(&bench, OWN, RICH), of_first(&bench, OWN, RICH, &identity));
    let answer = rotate(&bench, "t1", &order).await.unwrap();
    let new = hands_out(&bench, &answer, &identity, RICH);
    assert_eq!(ids(&bench, OWN, RICH), [old.clone(), new.clone()], "the old key is not deleted");
    assert_eq!(bench.aws.active_keys(OWN, RICH), std::slice::from_ref(&new));
    assert!(!request_id(&answer.annotations).is_empty());
    let lines = log.audit("t1");
    assert_eq!(ends(&lines), [(CREATE, "changed"), (UPDATE, "changed")]);
    let update = &lines[1];
    let told = ["target_type", "target_id", "before", "after"].map(|field| update[field].as_str());
    assert_eq!(told, ["access-key", &old, "active", "inactive"]);
    assert_eq!(update["principal_id"], account::iam_id(OWN, RICH).resource);
    let (_, secret) = bench.aws.access_keys(OWN, RICH).pop().unwrap();
    assert!(!log.text().contains(&secret.unwrap()), "the secret is in the log");

    // The same task once more: what it made is named, and stays.
    for options in [None, Some(Options::NoPassword(NoPassword {}))] {
        order.credential_options = options
            .map(|options| CredentialOptions { options: Some(options), ..CredentialOptions::default() });
        let error = rotate(&bench, "t2", &order).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{old}: inactive")) && text.contains(&new), "{text}");
        assert_eq!(code(error), 9);
    }
    assert_eq!(bench.aws.active_keys(OWN, RICH), [new]);
}

#[tokio::test]
async fn tasks_for_one_user_take_turns() {
    let bench = bench().await;
    let identity = Identity::generate();
    let order = of_first(&bench, OWN, RICH, &identity);
    let issue = issuing(account::iam_id(OWN, RICH), &identity);
    let (one, other, issued) = tokio::join!(
        rotate(&bench, "t1", &order),
        rotate(&bench, "t2", &order),
        credential::issue(&bench, "t3", &issue)
    );
    let done = [one.is_ok(), other.is_ok(), issued.is_ok()];
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    assert_eq!(bench.aws.access_keys(OWN, RICH).len(), 2);
}

#[tokio::test]
async fn a_rotation_whose_answer_reaches_nobody_leaves_the_old_key_in_use_and_no_other() {
    for was_active in [true, false] {
        let user = "ci-robot";
        let (log, bench) = (
            Log::capture(),
            in_world(|fixture| {
                let robot = fixture.iam[0].users.iter_mut().find(|one| one.name == user).unwrap();
                robot.keys[0].inactive = !was_active;
            })
            .await,
        );
        let before = bench.aws.access_keys(OWN, user);
        let order = of_first(&bench, OWN, user, &Identity::generate());
        let task = provision("t", &CancellationToken::new());
        bench.connector.rotate_credential(&order, &task).await.unwrap();
        let left = bench.connector.withdraw(&task).await.unwrap();
        assert_eq!(bench.aws.access_keys(OWN, user), before);
        assert_eq!(bench.aws.active_keys(OWN, user).len(), usize::from(was_active));
        assert_eq!(left.told.contains("works again"), was_active, "{}", left.told);
        let wanted: &[_] = if was_active {
            &[(CREATE, "changed"), (UPDATE, "changed"), (UPDATE, "changed"), (DELETE, "changed")]
        } else {
            &[(CREATE, "changed"), (UPDATE, "unchanged"), (DELETE, "changed")]
        };
        assert_eq!(ends(&log.audit("t")), wanted);
    }
}
