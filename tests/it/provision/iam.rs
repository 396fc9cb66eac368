//! IAM: membership of groups, attachment of managed policies, deletion of inline policies, in the entity's own account.

use std::time::Duration;

use batond::aws::iam::{AttachedPolicy, Group, Policy};
use batond::baton::any;
use batond::baton::resource::{self, ResourceExt as _};
use batond::baton::v2::{Entitlement, GrantExpandable, Resource};
use batond::connector::{
    Holder, Provision, ProvisionError, group, iam_policy, iam_user, inline_policy, role,
};
use testbed::aws::{Effect, Fault};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, UNKNOWN, existed, held, provision, request_id, was_gone};
use super::log::Log;
use crate::dump::Dump;
use crate::support::Work;

const OWN: &str = "111111111111";
const SHOP: &str = "444444444444";
const REFUSING: &str = "666666666666";
const AWS_POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

pub(super) fn of_group(account: &str, name: &str) -> Entitlement {
    let (path, name) =
        name.rsplit_once('/').map_or(("/".to_owned(), name), |(path, name)| (format!("/{path}/"), name));
    let fact = Group {
        arn: format!("arn:aws:iam::{account}:group{path}{name}"),
        id: "AGPA".into(),
        name: name.into(),
        path,
    };
    group::entitlement(&group::resource(&fact, None))
}

pub(super) fn of_policy(arn: &str) -> Entitlement {
    let name = arn.rsplit('/').next().unwrap().to_owned();
    let fact = Policy { arn: arn.into(), name, default_version: "v1".into() };
    iam_policy::entitlement(&iam_policy::resource(&fact, None, None, None))
}

pub(super) fn of_inline(holder: &Holder, name: &str) -> Entitlement {
    inline_policy::entitlement(&inline_policy::resource(holder, name, None))
}

pub(super) fn user(account: &str, path_and_name: &str) -> Resource {
    resource::reference(iam_user::ID, &format!("arn:aws:iam::{account}:user/{path_and_name}"))
}

fn arn(resource: &Resource) -> &str {
    resource.object_id()
}

#[tokio::test]
async fn a_user_is_put_into_an_iam_group_and_taken_out_once() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let (auditors, idle) = (of_group(OWN, "external/Auditors"), user(OWN, "idle"));

    let first = bench.grant("t1", &auditors, &idle).await.unwrap();
    assert_eq!(bench.aws.iam_groups(OWN, "idle"), ["Auditors"]);
    assert!(!existed(&first));
    let line = log.the_audit("t1");
    assert_eq!((line["operation"].as_str(), line["outcome"].as_str()), ("iam:AddUserToGroup", "changed"));
    assert_eq!((line["before"].as_str(), line["after"].as_str()), ("not held", "held"));
    assert_eq!(line["aws_request_id"], request_id(&first.annotations));
    assert_eq!(line["principal_id"], arn(&idle));

    let second = bench.grant("t2", &auditors, &idle).await.unwrap();
    assert!(existed(&second));
    assert_eq!(first.grants, second.grants);
    assert_eq!(log.the_audit("t2")["outcome"], "unchanged");
    assert_eq!(bench.aws.iam_groups(OWN, "idle"), ["Auditors"]);

    assert!(!was_gone(&bench.revoke("t3", &auditors, &idle).await.unwrap()));
    assert!(bench.aws.iam_groups(OWN, "idle").is_empty());
    assert_eq!(log.the_audit("t3")["after"], "not held");
    assert!(was_gone(&bench.revoke("t4", &auditors, &idle).await.unwrap()));
    assert_eq!(log.the_audit("t4")["outcome"], "unchanged");
}

#[tokio::test]
async fn what_is_granted_is_what_a_sync_then_writes() {
    let bench = Bench::start().await;
    let granted = [
        bench.grant("t", &of_group(OWN, "Admins"), &user(OWN, "idle")).await.unwrap(),
        bench.grant("t", &of_policy(AWS_POLICY), &user(OWN, "idle")).await.unwrap(),
        bench
            .grant(
                "t",
                &of_policy(AWS_POLICY),
                &resource::reference(group::ID, &format!("arn:aws:iam::{OWN}:group/Admins")),
            )
            .await
            .unwrap(),
        bench
            .grant(
                "t",
                &of_policy(AWS_POLICY),
                &resource::reference(role::ID, &format!("arn:aws:iam::{OWN}:role/Runner")),
            )
            .await
            .unwrap(),
    ];
    let work = Work::new();
    work.sync(&bench.connector, &batond::sync::SyncOptions::default(), CancellationToken::new())
        .await
        .unwrap();
    let rows = Dump::read(&work.file());
    for answer in &granted {
        let grant = &answer.grants[0];
        let row = rows.grants.get(&grant.id).unwrap_or_else(|| panic!("no grant {}", grant.id));
        assert_eq!(row.principal, grant.principal, "{}", grant.id);
        let expandable = |annotations| any::has::<GrantExpandable>(annotations);
        // A sync keeps the expansion of a grant in a column of its own.
        assert!(
            !expandable(&grant.annotations) || grant.id.contains(":group:") || grant.id.contains(":role:")
        );
    }
}

#[tokio::test]
async fn a_policy_is_attached_to_each_kind_of_entity_and_detached_once() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    for (kind, path, word) in [
        (iam_user::ID, "user/idle", "User"),
        (group::ID, "group/Admins", "Group"),
        (role::ID, "role/Runner", "Role"),
    ] {
        let principal = resource::reference(kind, &format!("arn:aws:iam::{OWN}:{path}"));
        for policy in [AWS_POLICY.to_owned(), format!("arn:aws:iam::{OWN}:policy/team/shop/DeployShop")] {
            let entitlement = of_policy(&policy);
            let has = || bench.aws.iam_policies(arn(&principal)).0.contains(&policy);
            let task = |step: &str| format!("{kind} {policy} {step}");
            assert!(!has(), "{kind}");
            let first = bench.grant(&task("1"), &entitlement, &principal).await.unwrap();
            assert!(has() && !existed(&first), "{kind} {policy}");
            assert_eq!(log.the_audit(&task("1"))["operation"], format!("iam:Attach{word}Policy"));
            assert!(existed(&bench.grant(&task("2"), &entitlement, &principal).await.unwrap()));
            assert!(!was_gone(&bench.revoke(&task("3"), &entitlement, &principal).await.unwrap()));
            assert!(!has());
            assert_eq!(log.the_audit(&task("3"))["operation"], format!("iam:Detach{word}Policy"));
            assert!(was_gone(&bench.revoke(&task("4"), &entitlement, &principal).await.unwrap()));
        }
    }
}

#[tokio::test]
async fn an_inline_policy_is_deleted_once_and_its_text_stays_in_the_audit_trail() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let holders = [
        (Holder::user(&format!("arn:aws:iam::{OWN}:user/o,brien+x=1")), "Own.Inline-1", "s3:Delete*"),
        (Holder::group(&format!("arn:aws:iam::{OWN}:group/external/Auditors")), "own+rules", "iam:Get*"),
        (Holder::role(&format!("arn:aws:iam::{OWN}:role/team/shop/Deployer")), "deploy", "ecs:*"),
    ];
    for (holder, name, text) in &holders {
        let entitlement = of_inline(holder, name);
        let principal = resource::reference(holder.resource_type(), holder.id());
        let refused = bench.grant("grant", &entitlement, &principal).await.unwrap_err();
        assert!(matches!(refused, ProvisionError::Unsupported(_)), "{refused}");
        assert!(!was_gone(&bench.revoke(name, &entitlement, &principal).await.unwrap()));
        assert!(!bench.aws.iam_policies(holder.id()).1.contains(&(*name).to_owned()));
        let line = log.the_audit(name);
        assert!(line["document"].contains(text), "{line:?}");
        assert!(log.kept_before_the_audit(name).contains(text));
        assert_eq!((line["before"].as_str(), line["after"].as_str()), ("held", "not held"));
        let again = format!("{name} again");
        assert!(was_gone(&bench.revoke(&again, &entitlement, &principal).await.unwrap()));
        assert_eq!(log.the_audit(&again)["outcome"], "unchanged");
    }
    let other = Holder::user(&format!("arn:aws:iam::{OWN}:user/o,brien+x=1"));
    assert_eq!(bench.aws.iam_policies(other.id()).1, ["Own.Inline-2"], "the other one stays");
}

#[tokio::test]
async fn an_inline_policy_that_cannot_be_kept_is_not_deleted() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    bench.aws.deny("connector", &["iam:GetUserPolicy"]);
    let holder = Holder::user(&format!("arn:aws:iam::{OWN}:user/o,brien+x=1"));
    let principal = resource::reference(iam_user::ID, holder.id());
    let error = bench.revoke("t", &of_inline(&holder, "Own.Inline-1"), &principal).await.unwrap_err();
    assert!(error.to_string().contains("iam:GetUserPolicy"), "{error}");
    assert_eq!(bench.aws.iam_policies(holder.id()).1.len(), 2);
    assert_eq!(log.the_audit("t")["outcome"], "failed");
    assert_eq!(bench.calls("iam:DeleteUserPolicy"), 0);
}

#[tokio::test]
async fn an_entity_of_a_member_is_changed_in_its_own_account_alone() {
    let bench = Bench::with_members(|_| {}).await;
    let bot = user(SHOP, "shop-bot");
    // Both accounts have policies of these names; the group and the user are of the member.
    let policy = format!("arn:aws:iam::{SHOP}:policy/team/shop/DeployShop");
    bench.grant("t", &of_policy(&policy), &bot).await.unwrap();
    assert_eq!(bench.aws.iam_policies(arn(&bot)).0, [policy]);
    assert!(existed(&bench.grant("t", &of_group(SHOP, "Operators"), &bot).await.unwrap()));
    bench.revoke("t", &of_group(SHOP, "Operators"), &bot).await.unwrap();
    assert!(bench.aws.iam_groups(SHOP, "shop-bot").is_empty());
    let writes = ["iam:AttachUserPolicy", "iam:RemoveUserFromGroup"];
    for entry in bench.aws.transcript().iter().filter(|entry| writes.contains(&entry.action.as_str())) {
        assert_eq!(entry.account, SHOP, "{entry:?}");
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_entered_is_named_and_nothing_is_changed_elsewhere() {
    let (log, bench) = (Log::capture(), Bench::with_members(|_| {}).await);
    let error = bench.grant("t", &of_group(REFUSING, "Admins"), &user(REFUSING, "idle")).await.unwrap_err();
    assert!(
        matches!(&error, ProvisionError::NoEntry { account, .. } if account.as_str() == REFUSING),
        "{error:?}"
    );
    assert!(error.to_string().contains(REFUSING), "{error}");
    assert!(bench.aws.iam_groups(OWN, "idle").is_empty(), "the user of the same name in another account");
    assert_eq!(bench.calls("iam:AddUserToGroup"), 0);
    assert_eq!(log.the_audit("t")["outcome"], "failed");

    let alone = Bench::start().await;
    let error = alone.grant("t", &of_group(SHOP, "Operators"), &user(SHOP, "shop-bot")).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Outside { .. }), "{error:?}");
    assert!(error.to_string().contains("BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED"), "{error}");
    assert_eq!(alone.aws.counters().total(), 0);
}

#[tokio::test]
async fn requests_that_are_wrong_are_refused_without_a_call() {
    let bench = Bench::with_members(|_| {}).await;
    let (admins, policy, idle) = (of_group(OWN, "Admins"), of_policy(AWS_POLICY), user(OWN, "idle"));
    let inline = of_inline(&Holder::user(arn(&idle)), "x");
    let on = |resource: Resource| Entitlement {
        id: "e".into(),
        resource: Some(resource),
        ..Entitlement::default()
    };
    let mut wrong = vec![
        (admins.clone(), resource::reference(role::ID, &format!("arn:aws:iam::{OWN}:role/Runner"))),
        (admins.clone(), resource::reference("sso_user", "arn:aws:identitystore:us-east-1::d-1/user/x")),
        (admins.clone(), user(SHOP, "shop-bot")),
        (admins, resource::reference(iam_user::ID, &format!("arn:aws-cn:iam::{OWN}:user/idle"))),
        (of_group("aws", "Admins"), idle.clone()),
        (on(resource::reference(group::ID, "Admins")), idle.clone()),
        (policy.clone(), resource::reference("permission_set", "arn:aws:sso:::permissionSet/ssoins-1/ps-1")),
        (policy.clone(), resource::reference(iam_user::ID, "idle")),
        (policy, Resource::default()),
        (of_policy(&format!("arn:aws:iam::{SHOP}:policy/ReadLogs")), idle.clone()),
        (on(resource::reference(iam_policy::ID, "ReadOnlyAccess")), idle.clone()),
        (on(resource::reference(iam_policy::ID, "arn:aws:iam::aws:role/x")), idle.clone()),
    ];
    for (entitlement, principal) in &wrong {
        let error = bench.grant("t", entitlement, principal).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Invalid(_)), "{}: {error:?}", entitlement.id);
    }
    wrong.extend([
        (inline.clone(), user(OWN, "alice")),
        (on(resource::reference(inline_policy::ID, arn(&idle))), idle.clone()),
        (of_inline(&Holder::user(arn(&idle)), "a b"), idle),
    ]);
    for (entitlement, principal) in &wrong {
        let error = bench.revoke("t", entitlement, principal).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Invalid(_)), "{}: {error:?}", entitlement.id);
    }
    assert_eq!(bench.aws.counters().total(), 0);
}

#[tokio::test]
async fn what_does_not_exist_is_a_failed_grant_and_a_revoke_that_is_done() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let cases = [
        (of_group(OWN, "Nobodies"), user(OWN, "idle")),
        (of_group(OWN, "Admins"), user(OWN, "gone")),
        (of_policy(&format!("arn:aws:iam::{OWN}:policy/Gone")), user(OWN, "idle")),
        (of_policy(AWS_POLICY), resource::reference(role::ID, &format!("arn:aws:iam::{OWN}:role/Gone"))),
    ];
    for (number, (entitlement, principal)) in cases.iter().enumerate() {
        let task = format!("grant {number}");
        let error = bench.grant(&task, entitlement, principal).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Call(_)), "{error:?}");
        assert!(error.to_string().contains("found"), "{error}");
        assert_eq!(log.the_audit(&task)["outcome"], "failed");
        assert!(
            was_gone(&bench.revoke("revoke", entitlement, principal).await.unwrap()),
            "{}",
            entitlement.id
        );
    }
}

#[tokio::test]
async fn a_quota_of_iam_is_told_and_final() {
    let bench = Bench::start().await;
    let idle = user(OWN, "idle");
    for policy in ["SecurityAudit", "AdministratorAccess", "PowerUserAccess"] {
        bench.grant("t", &of_policy(&format!("arn:aws:iam::aws:policy/{policy}")), &idle).await.unwrap();
    }
    bench.aws.arm(Fault::once(
        "iam:AttachUserPolicy",
        Effect::Error {
            code: "LimitExceeded".into(),
            message: "Cannot exceed quota for PoliciesPerUser: 10".into(),
            status: 409,
        },
    ));
    let error = bench.grant("t", &of_policy(AWS_POLICY), &idle).await.unwrap_err();
    assert!(error.to_string().contains("PoliciesPerUser"), "{error}");
    let status = batond::tasks::EngineError::from(error).status;
    assert_eq!(status.code, 9, "FailedPrecondition: {}", status.message);
    assert_eq!(bench.calls("iam:AttachUserPolicy"), 4, "it is not tried again");
}

#[tokio::test]
async fn a_reply_that_is_lost_leaves_one_change_and_an_honest_audit_line() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let (admins, idle) = (of_group(OWN, "Admins"), user(OWN, "idle"));
    bench.aws.arm(Fault::once("iam:AddUserToGroup", Effect::LostReply));
    bench.grant("grant", &admins, &idle).await.unwrap();
    assert_eq!(bench.aws.iam_groups(OWN, "idle"), ["Admins"]);
    assert_eq!(log.the_audit("grant")["outcome"], "changed");
    bench.aws.arm(Fault::once("iam:RemoveUserFromGroup", Effect::LostReply));
    bench.revoke("revoke", &admins, &idle).await.unwrap();
    assert!(bench.aws.iam_groups(OWN, "idle").is_empty());
    assert_eq!(log.the_audit("revoke")["outcome"], "unconfirmed");
}

#[tokio::test]
async fn trouble_that_passes_is_waited_for_and_a_denial_names_the_action() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let (policy, idle) = (of_policy(AWS_POLICY), user(OWN, "idle"));
    for (number, effect) in [
        Effect::Throttle,
        Effect::Status(503),
        Effect::Reset,
        Effect::Error {
            code: "EntityTemporarilyUnmodifiable".into(),
            message: "Entity is temporarily unmodifiable".into(),
            status: 409,
        },
        Effect::Error { code: "ConcurrentModification".into(), message: "try again".into(), status: 409 },
    ]
    .into_iter()
    .enumerate()
    {
        bench.aws.arm(Fault::once("iam:AttachUserPolicy", effect.clone()));
        bench.aws.arm(Fault::once("iam:DetachUserPolicy", effect));
        bench.grant(&format!("grant {number}"), &policy, &idle).await.unwrap();
        bench.revoke(&format!("revoke {number}"), &policy, &idle).await.unwrap();
    }
    assert!(bench.aws.iam_policies(arn(&idle)).0.is_empty());

    bench.aws.deny("connector", &["iam:AttachUserPolicy", "iam:ListAttachedUserPolicies"]);
    let error = bench.grant("denied", &policy, &idle).await.unwrap_err();
    assert!(error.to_string().contains("iam:AttachUserPolicy") && error.to_string().contains(OWN), "{error}");
    let line = log.the_audit("denied");
    assert_eq!(line["outcome"], "failed");
    assert!(!line.contains_key("before"), "nobody knows: {line:?}");
}

#[tokio::test]
async fn a_cancelled_task_writes_nothing() {
    let (log, bench) = (Log::capture(), Bench::start().await);
    let cancel = CancellationToken::new();
    let provision: Provision = provision("t", &cancel);
    bench.aws.arm(Fault::once("iam:ListGroupsForUser", Effect::Delay(Duration::from_secs(5))));
    let (admins, idle) = (of_group(OWN, "Admins"), user(OWN, "idle"));
    let grant = bench.connector.grant(&admins, &idle, &provision);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(grant, stop);
    assert!(matches!(outcome, Err(ProvisionError::Cancelled)), "{outcome:?}");
    assert!(bench.aws.iam_groups(OWN, "idle").is_empty());
    assert_eq!(log.the_audit("t")["outcome"], "failed");
    assert_eq!(bench.calls("iam:AddUserToGroup"), 0);
}

#[tokio::test]
async fn a_revoke_may_carry_a_placeholder_for_its_id() {
    let bench = Bench::start().await;
    let alice = user(OWN, "people/alice@example.com");
    let grant = held(UNKNOWN, &of_group(OWN, "Admins"), &alice);
    bench.connector.revoke(&grant, &provision("t", &CancellationToken::new())).await.unwrap();
    assert!(bench.aws.iam_groups(OWN, "alice@example.com").is_empty());
    let of = AttachedPolicy { arn: AWS_POLICY.into(), name: "ReadOnlyAccess".into() };
    let holder = Holder::user(&format!("arn:aws:iam::{OWN}:user/o,brien+x=1"));
    let mut written = iam_policy::grant(&of, &holder);
    written.id = UNKNOWN.into();
    bench.connector.revoke(&written, &provision("t", &CancellationToken::new())).await.unwrap();
    assert!(!bench.aws.iam_policies(holder.id()).0.contains(&AWS_POLICY.to_owned()));
}
