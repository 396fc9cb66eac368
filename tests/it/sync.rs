//! What a sync holds, and when there is none.

use batond::sync::{SyncError, SyncOptions};
use testbed::aws::{AccountFields, Effect, Fault, Fixture, Server, Shape};
use tokio_util::sync::CancellationToken;

use crate::dump::Dump;
use crate::support::{Work, aws_settings, connector, full_sync};

/// AWS-managed policies that anything in the example refers to.
const AWS_MANAGED: u64 = 8;

async fn example() -> Server {
    Server::start(Fixture::example().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_full_sync_holds_the_organization() {
    let aws = example().await;
    let work = Work::new();
    let report = full_sync(&aws, &work).await.unwrap();
    let dump = Dump::read(&work.file());

    let count = |resource_type| dump.of_type(resource_type).len();
    assert_eq!(count("account"), 6, "the suspended account is none");
    assert_eq!(count("organization"), 1);
    assert_eq!(count("organizational_unit"), 9, "the empty unit and all five levels");
    assert_eq!(count("permission_set"), 4);
    assert_eq!(count("permission_set_assignment"), 7);
    assert_eq!((count("sso_user"), count("sso_group")), (6, 3));
    let entitlements = |of: &str| {
        dump.entitlements
            .values()
            .filter(|e| e.resource.as_ref().unwrap().id.as_ref().unwrap().resource_type == of)
            .count()
    };
    assert_eq!(
        entitlements("account"),
        6 * 4,
        "every permission set of every active account can be requested"
    );
    assert_eq!((entitlements("sso_group"), entitlements("permission_set_assignment")), (3, 7));

    let berlin = dump.named("organizational_unit", "Berlin").id.clone();
    assert_eq!(dump.named("account", "Büro Berlin").parent_resource_id, berlin);
    let prod = dump.named("account", "Shop (prod)");
    assert_eq!(prod.parent_resource_id, dump.named("organizational_unit", "Production").id);

    // Bob holds Developer directly and through his group.
    let bob = dump.named("sso_user", "bob").id.clone().unwrap().resource;
    let set = dump.named("permission_set", "Developer").id.clone().unwrap().resource;
    let grant = &dump.grants[&format!("grant:sso_user:{bob}:444444444444|{set}")];
    assert_eq!(grant.sources.as_ref().unwrap().sources.len(), 2);
    // Alice has it through the group alone.
    let alice = dump.named("sso_user", "alice@example.com").id.clone().unwrap().resource;
    assert!(dump.grants.contains_key(&format!("444444444444|{set}:sso_user:{alice}")));

    assert_eq!(report.total().resources, dump.resources.len() as u64);
    assert_eq!(report.total().grants, dump.grants.len() as u64);
    assert!(report.incomplete.is_empty(), "{:?}", report.incomplete);
    assert_eq!(work.left(), ["sync.c1z"]);

    // Two assignments of the example outlived their principals; they give nobody access.
    assert_eq!(report.orphans, 2);
    let shared = format!("333333333333|{set}");
    let of_shared = dump.grants.values().filter(|grant| grant.entitlement.as_ref().unwrap().id == shared);
    assert_eq!(of_shared.count(), 0);
}

#[tokio::test]
async fn both_plans_of_reading_assignments_give_the_same_rows_and_the_cheaper_is_taken() {
    let shape = Shape {
        accounts: 12,
        users: 40,
        groups: 6,
        memberships: 80,
        assignments: 110,
        pairs: 100,
        ..Shape::SMALL
    };
    let mut fixture = Fixture::generate(shape).unwrap();
    // Somebody left the directory, and the assignments stayed.
    let mut gone = fixture.identity_center.assignments[0].clone();
    gone.gone_users = vec!["former-employee".into()];
    gone.gone_groups = vec!["Former team".into()];
    (gone.users, gone.groups) = (Vec::new(), Vec::new());
    fixture.identity_center.assignments.push(gone);
    let aws = Server::start(fixture).await.unwrap();

    let work = Work::new();
    let by_principal = full_sync(&aws, &work).await.unwrap();
    let rows = Dump::read(&work.file());
    assert_eq!(aws.counters().calls("sso:ListAccountAssignments"), 0);
    assert_eq!(aws.counters().calls("sso:ListAccountAssignmentsForPrincipal"), 46);
    assert_eq!(by_principal.orphans, 0, "nobody is asked for who is gone");

    aws.deny("connector", &["sso:ListAccountAssignmentsForPrincipal"]);
    let by_pair = full_sync(&aws, &work).await.unwrap();
    assert_eq!(aws.counters().calls("sso:ListAccountAssignments"), 100);
    assert_eq!(by_pair.orphans, 2);
    assert!(Dump::read(&work.file()) == rows, "rows differ");
    assert!(rows.grants.len() > 200);
}

#[tokio::test]
async fn no_call_is_made_twice() {
    let aws = example().await;
    let connector = connector(&aws).await;
    let before = aws.counters().by_action();
    let work = Work::new();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
    let mut calls = aws.counters().by_action();
    for (action, count) in before {
        *calls.get_mut(&action).unwrap() -= count;
    }
    calls.retain(|_, count| *count > 0);
    let expected = [
        ("iam:GenerateCredentialReport", 2),
        ("iam:GetAccountAuthorizationDetails", 1),
        ("iam:GetCredentialReport", 1),
        // The AWS-managed policies that the example refers to.
        ("iam:GetPolicyVersion", AWS_MANAGED),
        ("iam:ListPolicies", 1),
        ("iam:ListRoles", 1),
        ("iam:ListUsers", 1),
        // Of the two assignments that outlived their principals.
        ("identitystore:DescribeGroup", 1),
        ("identitystore:DescribeUser", 1),
        ("identitystore:ListGroupMemberships", 3),
        ("identitystore:ListGroups", 1),
        ("identitystore:ListUsers", 1),
        ("organizations:ListAccounts", 1),
        // The root and each of the nine units, empty ones too.
        ("organizations:ListOrganizationalUnitsForParent", 10),
        ("organizations:ListRoots", 1),
        ("sso:DescribePermissionSet", 4),
        ("sso:GetInlinePolicyForPermissionSet", 4),
        ("sso:ListAccountAssignments", 7),
        ("sso:ListCustomerManagedPolicyReferencesInPermissionSet", 4),
        ("sso:ListManagedPoliciesInPermissionSet", 4),
        ("sso:ListPermissionSets", 1),
        ("sso:ListPermissionSetsProvisionedToAccount", 6),
    ];
    assert_eq!(calls, expected.map(|(action, count)| (action.to_owned(), count)).into());
}

#[tokio::test]
async fn rows_do_not_depend_on_concurrency_or_page_size() {
    let aws = example().await;
    let work = Work::new();
    full_sync(&aws, &work).await.unwrap();
    let all_at_once = Dump::read(&work.file());
    aws.set(|knobs| {
        knobs.page_size = Some(1);
        knobs.empty_pages = true;
    });
    let settings =
        batond::config::AwsSettings { workers: std::num::NonZeroUsize::new(1), ..aws_settings(&aws) };
    let connector = batond::connector::Connector::open(&settings).await.unwrap();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
    assert!(Dump::read(&work.file()) == all_at_once, "rows differ");
}

#[tokio::test]
async fn parents_are_listed_per_parent_where_aws_sends_no_paths() {
    let aws = example().await;
    let work = Work::new();
    full_sync(&aws, &work).await.unwrap();
    let with_paths = Dump::read(&work.file());
    aws.set(|knobs| knobs.account_paths = false);
    full_sync(&aws, &work).await.unwrap();
    assert!(Dump::read(&work.file()) == with_paths, "rows differ");
    assert_eq!(aws.counters().calls("organizations:ListAccountsForParent"), 10);
    assert_eq!(aws.counters().calls("organizations:ListParents"), 0, "never a call per account");
}

#[tokio::test]
async fn either_member_tells_an_account_s_state_and_neither_is_an_error() {
    for fields in [AccountFields::State, AccountFields::Status] {
        let aws = example().await;
        aws.set(|knobs| knobs.account_fields = fields);
        let work = Work::new();
        full_sync(&aws, &work).await.unwrap();
        assert_eq!(Dump::read(&work.file()).of_type("account").len(), 6);
    }
    let aws = example().await;
    aws.set(|knobs| knobs.account_fields = AccountFields::Neither);
    let work = Work::new();
    let error = full_sync(&aws, &work).await.unwrap_err();
    assert!(error.to_string().contains("111111111111"), "{error}");
    assert!(!error.is_retryable());
    assert!(work.left().is_empty(), "{:?}", work.left());
}

#[tokio::test]
async fn a_denied_essential_read_fails_the_sync_and_names_what_to_add() {
    for action in [
        "identitystore:ListUsers",
        "identitystore:ListGroups",
        "identitystore:ListGroupMemberships",
        "organizations:ListAccounts",
        "sso:ListPermissionSets",
        "sso:DescribePermissionSet",
        "sso:ListPermissionSetsProvisionedToAccount",
        "sso:ListAccountAssignments",
    ] {
        let aws = example().await;
        aws.deny("connector", &[action]);
        let work = Work::new();
        let error = full_sync(&aws, &work).await.unwrap_err();
        let message = error.to_string();
        assert!(error.is_denied() && !error.is_retryable(), "{action}: {message}");
        assert!(message.contains(action) && message.contains("111111111111"), "{action}: {message}");
        assert!(message.contains("\"Effect\""), "the statement to add: {message}");
        assert!(work.left().is_empty(), "{action} left {:?}", work.left());
    }
}

#[tokio::test]
async fn a_denied_tree_leaves_accounts_flat_and_is_reported_unless_the_sync_names_it() {
    for action in ["organizations:ListRoots", "organizations:ListOrganizationalUnitsForParent"] {
        let aws = example().await;
        aws.deny("connector", &[action]);
        let work = Work::new();
        let report = full_sync(&aws, &work).await.unwrap();
        assert_eq!(report.incomplete.len(), 1, "{:?}", report.incomplete);
        assert!(report.incomplete[0].reason.contains(action), "{:?}", report.incomplete);
        let dump = Dump::read(&work.file());
        assert_eq!(dump.of_type("account").len(), 6);
        let placed = dump.resources.values().filter(|r| r.id.as_ref().unwrap().resource_type == "account");
        assert!(
            placed.into_iter().all(|account| account.parent_resource_id.is_none()),
            "no parent without a row"
        );
        assert!(dump.of_type("organization").is_empty(), "all of the tree or nothing");

        let named =
            SyncOptions { types: vec!["account".into(), "organization".into()], ..SyncOptions::default() };
        let error = work.sync(&connector(&aws).await, &named, CancellationToken::new()).await.unwrap_err();
        assert!(error.is_denied(), "{error}");
    }
}

#[tokio::test]
async fn passing_trouble_never_drops_a_row() {
    let aws = example().await;
    let work = Work::new();
    full_sync(&aws, &work).await.unwrap();
    let calm = Dump::read(&work.file());
    for action in [
        "identitystore:ListUsers",
        "identitystore:ListGroups",
        "identitystore:ListGroupMemberships",
        "organizations:ListAccounts",
        "organizations:ListRoots",
        "organizations:ListOrganizationalUnitsForParent",
        "sso:ListPermissionSets",
        "sso:DescribePermissionSet",
        "sso:ListPermissionSetsProvisionedToAccount",
        "sso:ListAccountAssignments",
    ] {
        for effect in
            [Effect::Throttle, Effect::Status(500), Effect::Reset, Effect::TruncatedBody, Effect::CutBody]
        {
            aws.arm(Fault::once(action, effect.clone()).after(u32::from(action.contains("Assignments"))));
            full_sync(&aws, &work).await.unwrap_or_else(|error| panic!("{action} {effect:?}: {error}"));
            assert!(aws.armed().is_empty(), "{action} {effect:?} did not hit");
            assert!(Dump::read(&work.file()) == calm, "{action} {effect:?} changed rows");
        }
    }
}

#[tokio::test]
async fn a_cancelled_sync_ends_promptly_and_leaves_what_was_there() {
    let aws = example().await;
    let work = Work::new();
    full_sync(&aws, &work).await.unwrap();
    let before = std::fs::read(work.file()).unwrap();
    let connector = connector(&aws).await;
    aws.set(|knobs| knobs.latency = std::time::Duration::from_mins(10));
    let cancel = CancellationToken::new();
    tokio::time::pause();
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        cancel.cancel();
    };
    let options = SyncOptions::default();
    let both = async { tokio::join!(work.sync(&connector, &options, cancel.clone()), stop) };
    let (result, ()) = tokio::time::timeout(std::time::Duration::from_secs(5), both).await.expect("prompt");
    assert!(matches!(result, Err(SyncError::Cancelled)), "{result:?}");
    assert_eq!(std::fs::read(work.file()).unwrap(), before);
    assert_eq!(work.left(), ["sync.c1z"]);
}

#[tokio::test]
async fn a_type_filter_narrows_rows_and_calls() {
    let aws = example().await;
    let connector = connector(&aws).await;
    aws.set(|knobs| knobs.latency = std::time::Duration::ZERO);
    let work = Work::new();
    let users = SyncOptions { types: vec!["sso_user".into()], ..SyncOptions::default() };
    let calls = work.sync(&connector, &users, CancellationToken::new()).await.unwrap().calls;
    let dump = Dump::read(&work.file());
    assert_eq!((dump.resources.len(), dump.entitlements.len(), dump.grants.len()), (6, 0, 0));
    assert_eq!(calls.total().calls, 1);

    let unknown = SyncOptions { types: vec!["access-key".into()], ..SyncOptions::default() };
    let error = work.sync(&connector, &unknown, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("invalid resource type 'access-key' in filter"), "{error}");
}

#[tokio::test]
async fn options_leave_out_grants_or_expansion() {
    let aws = example().await;
    let connector = connector(&aws).await;
    let work = Work::new();
    let sync = async |options: SyncOptions| {
        work.sync(&connector, &options, CancellationToken::new()).await.unwrap();
        let dump = Dump::read(&work.file());
        (dump.resources.len(), dump.entitlements.len(), dump.grants.len())
    };
    let full = sync(SyncOptions::default()).await;
    let bare = sync(SyncOptions { expand: false, ..SyncOptions::default() }).await;
    assert!(bare.2 < full.2 && bare.2 > 0, "{bare:?} {full:?}");
    let without_grants = sync(SyncOptions { grants: false, ..SyncOptions::default() }).await;
    assert_eq!(without_grants, (full.0, full.1, 0));
    let resources = sync(SyncOptions { entitlements_and_grants: false, ..SyncOptions::default() }).await;
    assert_eq!(resources, (full.0, 0, 0));
}

fn not_found() -> Effect {
    let message = "it is gone".to_owned();
    Effect::Error { code: "ResourceNotFoundException".to_owned(), message, status: 400 }
}

#[tokio::test]
async fn what_vanishes_in_mid_crawl_leaves_no_row() {
    let aws = example().await;
    let work = Work::new();
    full_sync(&aws, &work).await.unwrap();
    let whole = Dump::read(&work.file());
    for (action, resource_type) in [
        ("identitystore:ListGroupMemberships", "sso_group"),
        ("sso:ListAccountAssignments", "permission_set_assignment"),
        ("sso:DescribePermissionSet", "permission_set"),
    ] {
        aws.arm(Fault::once(action, Effect::Vanish));
        let report = full_sync(&aws, &work).await.unwrap();
        assert!(!report.incomplete.is_empty(), "{action} is reported");
        let dump = Dump::read(&work.file());
        assert_eq!(dump.of_type(resource_type).len() + 1, whole.of_type(resource_type).len(), "{action}");
        let dangling = dump.entitlements.values().filter(|entitlement| {
            let id = entitlement.resource.as_ref().unwrap().id.as_ref().unwrap();
            !dump.resources.contains_key(&format!("{}:{}", id.resource_type, id.resource))
        });
        assert_eq!(dangling.count(), 0, "{action} leaves no entitlement of what is gone");
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_found_fails_the_sync_for_now() {
    let aws = example().await;
    let work = Work::new();
    aws.arm(Fault::once("sso:ListPermissionSetsProvisionedToAccount", not_found()));
    let error = full_sync(&aws, &work).await.unwrap_err();
    assert!(error.is_retryable() && matches!(error, SyncError::Shifted { .. }), "{error}");
    assert!(work.left().is_empty(), "{:?}", work.left());
}

#[tokio::test]
async fn a_crawl_from_which_much_vanishes_is_not_believed() {
    let small = Fixture::example().unwrap();
    let large = Fixture::generate(Shape::SMALL_IAM).unwrap();
    for fixture in [small, large] {
        for (action, kind) in [
            ("identitystore:ListGroupMemberships", "groups of Identity Center"),
            ("sso:DescribePermissionSet", "permission sets"),
            ("sso:ListAccountAssignments", "permission sets on accounts"),
            ("iam:ListAttachedUserPolicies", "IAM users"),
            ("iam:GetGroup", "IAM groups"),
            ("iam:ListRolePolicies", "IAM roles"),
        ] {
            let aws = Server::start(fixture.clone()).await.unwrap();
            aws.arm(Fault::new(action, Effect::Vanish));
            aws.arm(Fault::new("iam:GetAccountAuthorizationDetails", Effect::Deny));
            let work = Work::new();
            let error = full_sync(&aws, &work).await.unwrap_err();
            let told = format!("{kind} vanished");
            assert!(error.is_retryable() && error.to_string().contains(&told), "{action}: {error}");
            assert!(work.left().is_empty(), "{:?}", work.left());
        }
    }
}

#[tokio::test]
async fn what_is_not_found_and_is_there_all_the_same_is_not_believed() {
    for (action, look) in [
        ("identitystore:ListGroupMemberships", "identitystore:DescribeGroup"),
        ("sso:ListAccountAssignments", "sso:ListPermissionSetsProvisionedToAccount"),
        ("iam:ListAttachedUserPolicies", "iam:GetUser"),
        ("iam:ListRolePolicies", "iam:GetRole"),
    ] {
        // The second look finds it, or may not be taken.
        for denied in [false, true] {
            let aws = example().await;
            let first = u32::from(look.starts_with("sso:")) * 6;
            if denied {
                aws.arm(Fault::new(look, Effect::Deny).after(first));
            }
            aws.arm(Fault::once(action, not_found()));
            aws.arm(Fault::new("iam:GetAccountAuthorizationDetails", Effect::Deny));
            let work = Work::new();
            let error = full_sync(&aws, &work).await.unwrap_err();
            let message = error.to_string();
            assert!(
                error.is_retryable() && matches!(error, SyncError::Shifted { .. }),
                "{action}: {message}"
            );
            let told = if denied { look } else { "is there when it is looked at itself" };
            assert!(message.contains(told), "{action}: {message}");
            assert!(work.left().is_empty(), "{action} left {:?}", work.left());
        }
    }
}

#[tokio::test]
async fn a_directory_that_is_not_found_is_no_group_that_is_gone() {
    let aws = example().await;
    let gone = Fault::once("identitystore:ListGroupMemberships", not_found());
    aws.arm(gone.member("ResourceType", "IDENTITY_STORE"));
    let work = Work::new();
    let error = full_sync(&aws, &work).await.unwrap_err();
    assert!(error.to_string().contains("identitystore:ListGroupMemberships"), "{error}");
    assert_eq!(aws.counters().calls("identitystore:DescribeGroup"), 0);
    assert!(work.left().is_empty(), "{:?}", work.left());
}

#[tokio::test]
async fn a_listing_without_its_list_is_no_empty_one() {
    for (action, list) in [
        ("organizations:ListRoots", "Roots"),
        ("organizations:ListOrganizationalUnitsForParent", "OrganizationalUnits"),
        ("organizations:ListAccounts", "Accounts"),
        ("sso:ListPermissionSets", "PermissionSets"),
        ("sso:ListAccountAssignments", "AccountAssignments"),
        ("sso:ListManagedPoliciesInPermissionSet", "AttachedManagedPolicies"),
        ("sso:ListCustomerManagedPolicyReferencesInPermissionSet", "CustomerManagedPolicyReferences"),
        ("identitystore:ListUsers", "Users"),
        ("identitystore:ListGroups", "Groups"),
        ("identitystore:ListGroupMemberships", "GroupMemberships"),
    ] {
        let aws = example().await;
        aws.arm(Fault::once(action, Effect::Drop(list.into())));
        let work = Work::new();
        let error = full_sync(&aws, &work).await.unwrap_err();
        assert!(!error.is_retryable() && error.to_string().contains(list), "{action}: {error}");
        assert!(work.left().is_empty(), "{action} left {:?}", work.left());
    }
    // The one listing that AWS sends without its list where there is nothing in it.
    let aws = example().await;
    aws.arm(Fault::new("sso:ListPermissionSetsProvisionedToAccount", Effect::Drop("PermissionSets".into())));
    let work = Work::new();
    full_sync(&aws, &work).await.unwrap();
    assert!(Dump::read(&work.file()).of_type("permission_set_assignment").is_empty());
}

#[tokio::test]
async fn parents_are_asked_for_account_by_account_where_that_is_all_that_is_allowed() {
    let aws = example().await;
    let work = Work::new();
    full_sync(&aws, &work).await.unwrap();
    let with_paths = Dump::read(&work.file());
    aws.set(|knobs| knobs.account_paths = false);
    aws.deny("connector", &["organizations:ListAccountsForParent"]);
    let report = full_sync(&aws, &work).await.unwrap();
    assert!(Dump::read(&work.file()) == with_paths, "rows differ");
    assert!(report.incomplete.is_empty(), "{:?}", report.incomplete);
    assert_eq!(report.cheaper, ["organizations:ListAccountsForParent"]);
    assert_eq!(aws.counters().calls("organizations:ListParents"), 6, "one for each account that is synced");
}
