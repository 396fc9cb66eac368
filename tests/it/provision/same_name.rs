//! A change names an ARN and AWS is told a name: whoever else has that name now is left alone.

use age::x25519::Identity;
use batond::baton::resource;
use batond::baton::v2::{Entitlement, Resource};
use batond::connector::{Holder, ProvisionError, group, iam_user, role};
use batond::tasks::EngineError;
use testbed::aws::{Effect, Fault};

use super::bench::{Bench, existed, was_gone};
use super::log::Log;
use super::{account, credential, iam};

const OWN: &str = "111111111111";
const AWS_POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const GETS: [&str; 3] = ["iam:GetGroup", "iam:GetRole", "iam:GetUser"];
const LISTS: [&str; 3] = ["iam:ListGroups", "iam:ListRoles", "iam:ListUsers"];
const WRITES: [&str; 11] = [
    "iam:AddUserToGroup",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:DeleteGroupPolicy",
    "iam:DeleteRolePolicy",
    "iam:DeleteUserPolicy",
    "iam:DetachGroupPolicy",
    "iam:DetachRolePolicy",
    "iam:DetachUserPolicy",
    "iam:RemoveUserFromGroup",
];

fn entity(kind: &str, path_and_name: &str) -> Resource {
    let word = if kind == iam_user::ID { "user" } else { kind };
    resource::reference(kind, &format!("arn:aws:iam::{OWN}:{word}/{path_and_name}"))
}

fn inline(kind: &str, path_and_name: &str, policy: &str) -> (Entitlement, Resource) {
    let principal = entity(kind, path_and_name);
    let arn = &principal.id.as_ref().unwrap().resource;
    let holder = match kind {
        group::ID => Holder::group(arn),
        role::ID => Holder::role(arn),
        _ => Holder::user(arn),
    };
    (iam::of_inline(&holder, policy), principal)
}

/// What is held by somebody in the example, or may be granted, under a path that is not the one of AWS; and the ARN that
/// has the name there.
fn under_other_paths() -> Vec<(Entitlement, Resource, &'static str)> {
    let policy = || iam::of_policy(AWS_POLICY);
    vec![
        (policy(), entity(iam_user::ID, "people/idle"), "user/idle"),
        (policy(), entity(iam_user::ID, "alice@example.com"), "user/people/alice@example.com"),
        (policy(), entity(group::ID, "Auditors"), "group/external/Auditors"),
        (policy(), entity(role::ID, "team/Deployer"), "role/team/shop/Deployer"),
        (iam::of_group(OWN, "Admins"), entity(iam_user::ID, "staff/alice@example.com"), "user/people/alice@"),
        (iam::of_group(OWN, "Auditors"), entity(iam_user::ID, "idle"), "group/external/Auditors"),
        (iam::of_group(OWN, "x/Admins"), entity(iam_user::ID, "people/alice@example.com"), "group/Admins"),
    ]
}

/// All that IAM of the account holds.
fn state(bench: &Bench) -> Vec<(Vec<String>, Vec<String>)> {
    let paths = [
        "user/idle",
        "user/people/alice@example.com",
        "user/o,brien+x=1",
        "group/Admins",
        "group/external/Auditors",
        "role/team/shop/Deployer",
    ];
    let mut state: Vec<_> =
        paths.iter().map(|path| bench.aws.iam_policies(&format!("arn:aws:iam::{OWN}:{path}"))).collect();
    let groups = |name| bench.aws.iam_groups(OWN, name);
    state.push((groups("idle"), groups("alice@example.com")));
    state
}

fn calls(bench: &Bench, actions: &[&str]) -> u64 {
    actions.iter().map(|action| bench.calls(action)).sum()
}

#[tokio::test]
async fn a_grant_to_an_arn_that_another_holds_the_name_of_is_refused_by_that_arn() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let before = state(&bench);
    for (number, (entitlement, principal, found)) in under_other_paths().iter().enumerate() {
        let task = format!("grant {number}");
        let error = bench.grant(&task, entitlement, principal).await.unwrap_err();
        assert!(matches!(error, ProvisionError::OtherEntity { .. }), "{number}: {error:?}");
        assert!(error.to_string().contains(&format!("arn:aws:iam::{OWN}:{found}")), "{error}");
        assert_eq!(EngineError::from(error).status.code, 3, "InvalidArgument");
        assert_eq!(log.the_audit(&task)["outcome"], "failed");
    }
    assert_eq!((state(&bench), calls(&bench, &WRITES)), (before, 0));
}

#[tokio::test]
async fn a_revoke_from_an_arn_that_another_holds_the_name_of_is_done_already_and_changes_nothing() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    // The others have what is to be revoked.
    for (kind, path) in [(iam_user::ID, "idle"), (group::ID, "external/Auditors")] {
        bench.grant("before", &iam::of_policy(AWS_POLICY), &entity(kind, path)).await.unwrap();
    }
    bench.aws.reset_counters();
    let before = state(&bench);
    let inline = [
        inline(iam_user::ID, "people/o,brien+x=1", "Own.Inline-1"),
        inline(group::ID, "Auditors", "own+rules"),
        inline(role::ID, "Deployer", "deploy"),
    ];
    let cases = under_other_paths().into_iter().map(|(what, whom, _)| (what, whom)).chain(inline);
    for (number, (entitlement, principal)) in cases.enumerate() {
        let task = format!("revoke {number}");
        assert!(was_gone(&bench.revoke(&task, &entitlement, &principal).await.unwrap()), "{number}");
        let line = log.the_audit(&task);
        assert_eq!((line["outcome"].as_str(), line["after"].as_str()), ("unchanged", "not held"), "{number}");
        assert!(!line.contains_key("document"), "{number}");
    }
    assert_eq!((state(&bench), calls(&bench, &WRITES)), (before, 0));
}

#[tokio::test]
async fn each_end_of_a_change_is_looked_up_once() {
    let bench = Bench::start().await;
    let idle = entity(iam_user::ID, "idle");
    let changes: [(Entitlement, Resource, &[&str]); 4] = [
        (iam::of_group(OWN, "external/Auditors"), idle.clone(), &["iam:GetUser", "iam:GetGroup"]),
        (iam::of_policy(AWS_POLICY), idle, &["iam:GetUser"]),
        (iam::of_policy(AWS_POLICY), entity(group::ID, "Admins"), &["iam:GetGroup"]),
        (iam::of_policy(AWS_POLICY), entity(role::ID, "Runner"), &["iam:GetRole"]),
    ];
    for (entitlement, principal, reads) in &changes {
        for _ in 0..2 {
            bench.aws.reset_counters();
            bench.grant("t", entitlement, principal).await.unwrap();
            // The lookups, what tells whether it is so already, and the write.
            let grant = u64::try_from(reads.len()).unwrap() + 2;
            assert_eq!((calls(&bench, reads), bench.aws.counters().total()), (grant - 2, grant));
        }
        bench.aws.reset_counters();
        bench.revoke("t", entitlement, principal).await.unwrap();
        let revoke = u64::try_from(reads.len()).unwrap() + 1;
        assert_eq!((calls(&bench, reads), bench.aws.counters().total()), (revoke - 1, revoke));
    }
}

#[tokio::test]
async fn where_an_entity_may_not_be_read_the_listing_of_its_path_tells() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    bench.aws.deny("connector", &GETS);
    bench.aws.set(|knobs| knobs.page_size = Some(1));
    let changes = [
        (iam::of_group(OWN, "external/Auditors"), entity(iam_user::ID, "idle")),
        (iam::of_policy(AWS_POLICY), entity(iam_user::ID, "people/alice@example.com")),
        (iam::of_policy(AWS_POLICY), entity(group::ID, "Admins")),
        (iam::of_policy(AWS_POLICY), entity(role::ID, "Runner")),
    ];
    for (entitlement, principal) in &changes {
        assert!(!existed(&bench.grant("t", entitlement, principal).await.unwrap()), "{}", entitlement.id);
        assert!(!was_gone(&bench.revoke("t", entitlement, principal).await.unwrap()), "{}", entitlement.id);
    }
    let (entitlement, principal) = inline(role::ID, "team/shop/Deployer", "deploy");
    assert!(!was_gone(&bench.revoke("t", &entitlement, &principal).await.unwrap()));

    let (before, writes) = (state(&bench), calls(&bench, &WRITES));
    for (number, (entitlement, principal, _)) in under_other_paths().iter().enumerate() {
        let error = bench.grant("t", entitlement, principal).await.unwrap_err();
        assert!(error.to_string().contains("not listed"), "{number}: {error}");
        let task = format!("revoke {number}");
        assert!(was_gone(&bench.revoke(&task, entitlement, principal).await.unwrap()), "{number}");
        assert_eq!(log.the_audit(&task)["outcome"], "unchanged", "{number}");
    }
    assert_eq!((state(&bench), calls(&bench, &WRITES)), (before, writes));
}

#[tokio::test]
async fn what_can_be_read_in_no_way_is_not_changed_and_the_missing_action_is_named() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    // The latest denial is the only one.
    assert!(bench.aws.deny("connector", &[GETS, LISTS].concat()));
    let before = state(&bench);
    let policy = || iam::of_policy(AWS_POLICY);
    let refused = |error: &ProvisionError, actions: [&str; 2]| {
        assert!(matches!(error, ProvisionError::Unverified { .. }), "{error:?}");
        assert!(actions.iter().all(|action| error.to_string().contains(action)), "{error}");
    };
    let user = ["iam:GetUser", "iam:ListUsers"];
    for (entitlement, principal, actions) in [
        (policy(), entity(iam_user::ID, "idle"), user),
        (policy(), entity(group::ID, "Admins"), ["iam:GetGroup", "iam:ListGroups"]),
        (policy(), entity(role::ID, "Runner"), ["iam:GetRole", "iam:ListRoles"]),
        (iam::of_group(OWN, "Admins"), entity(iam_user::ID, "people/alice@example.com"), user),
    ] {
        let error = bench.grant("grant", &entitlement, &principal).await.unwrap_err();
        refused(&error, actions);
        assert_eq!(EngineError::from(error).status.code, 7, "PermissionDenied");
        let error = bench.revoke("revoke", &entitlement, &principal).await.unwrap_err();
        refused(&error, actions);
    }
    let (entitlement, principal) = inline(iam_user::ID, "o,brien+x=1", "Own.Inline-1");
    refused(&bench.revoke("revoke", &entitlement, &principal).await.unwrap_err(), user);
    let lines = [log.audit("grant"), log.audit("revoke")].concat();
    assert!(lines.len() == 9 && lines.iter().all(|line| line["outcome"] == "failed"), "{lines:?}");

    let idle = account::iam_id(OWN, "idle");
    refused(&account::delete(&bench, "t", &idle).await.unwrap_err(), user);
    let order = credential::rotation(idle.clone(), &Identity::generate());
    refused(&credential::rotate(&bench, "t", &order).await.unwrap_err(), user);
    let order = credential::issuing(idle, &Identity::generate());
    refused(&credential::issue(&bench, "t", &order).await.unwrap_err(), user);
    assert_eq!((state(&bench), calls(&bench, &WRITES)), (before, 0));
    assert!(bench.aws.has_iam_user(OWN, "idle") && bench.aws.access_keys(OWN, "idle").is_empty());
}

#[tokio::test]
async fn a_lookup_that_meets_lasting_trouble_leaves_the_change_to_a_repetition() {
    let bench = Bench::start().await;
    bench.aws.arm(Fault::new("iam:GetGroup", Effect::Status(500)));
    let (auditors, idle) = (iam::of_group(OWN, "external/Auditors"), entity(iam_user::ID, "idle"));
    for outcome in [
        bench.grant("t", &auditors, &idle).await.map(drop),
        bench.revoke("t", &auditors, &idle).await.map(drop),
    ] {
        assert!(matches!(outcome, Err(ProvisionError::Call(error)) if error.is_retryable()));
    }
    assert_eq!(calls(&bench, &WRITES), 0);
    bench.aws.disarm();
    bench.grant("t", &auditors, &idle).await.unwrap();
}

#[tokio::test]
async fn a_user_whom_this_process_made_a_moment_ago_is_waited_for_and_no_other() {
    let bench = Bench::start().await;
    account::create(&bench, "t", &credential::creation(&Identity::generate())).await.unwrap();
    tokio::time::pause();
    let not_yet = Effect::Error {
        code: "NoSuchEntity".into(),
        message: "The user with name jdoe cannot be found.".into(),
        status: 404,
    };
    bench.aws.arm(Fault::once("iam:GetUser", not_yet.clone()));
    let new = entity(iam_user::ID, "jdoe");
    assert!(!existed(&bench.grant("t", &iam::of_policy(AWS_POLICY), &new).await.unwrap()));
    bench.aws.arm(Fault::once("iam:GetUser", not_yet.clone()));
    assert!(!was_gone(&bench.revoke("t", &iam::of_policy(AWS_POLICY), &new).await.unwrap()));

    bench.aws.reset_counters();
    bench.aws.arm(Fault::once("iam:GetUser", not_yet));
    let old = entity(iam_user::ID, "idle");
    assert!(was_gone(&bench.revoke("t", &iam::of_policy(AWS_POLICY), &old).await.unwrap()));
    assert_eq!(bench.calls("iam:GetUser"), 1);
}
