//! Listings and changes under trouble.

use std::time::Duration;

use batond::aws::identity_store::UserStatus;
use batond::aws::organizations::AccountState;
use batond::aws::sso_admin::{AssignmentStatus, AssignmentTarget, PrincipalKind};
use batond::aws::{AccountId, Aws, CallError, Class, Service};
use batond::config::{AwsSettings, QuotaSetting};
use futures::future::join_all;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use testbed::aws::{AccountFields, Effect, Fault, PrincipalType, Quota, Quotas, Scope};
use tokio_util::sync::CancellationToken;

use super::{EXTERNAL_ID, as_role, as_user, connected, testbed};

async fn all<T>(pages: BoxStream<'static, Result<Vec<T>, CallError>>) -> Result<Vec<T>, CallError> {
    pages.try_concat().await
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn target(server: &testbed::aws::Server) -> AssignmentTarget {
    AssignmentTarget {
        account: account("222222222222"),
        permission_set: server.permission_set_arn("Developer").unwrap(),
        principal: PrincipalKind::User,
        principal_id: server.user_id("bob").unwrap(),
    }
}

#[tokio::test]
async fn listings_follow_their_tokens_through_small_and_empty_pages() {
    let server = testbed().await;
    let api = connected(&server).await;
    let users = all(api.identity_store().users()).await.unwrap();
    let accounts = all(api.organizations().accounts()).await.unwrap();
    let sets = all(api.sso_admin().permission_sets()).await.unwrap();
    assert_eq!((users.len(), accounts.len(), sets.len()), (6, 7, 4));
    assert_eq!(server.counters().calls("identitystore:ListUsers"), 1);
    server.set(|knobs| {
        knobs.page_size = Some(1);
        knobs.empty_pages = true;
    });
    assert_eq!(all(api.identity_store().users()).await.unwrap(), users);
    assert_eq!(all(api.organizations().accounts()).await.unwrap(), accounts);
    assert_eq!(all(api.sso_admin().permission_sets()).await.unwrap(), sets);
}

#[tokio::test]
async fn users_groups_and_memberships_are_read() {
    let server = testbed().await;
    let store = connected(&server).await.identity_store();
    let users = all(store.users()).await.unwrap();
    let user = |name: &str| users.iter().find(|user| user.user_name.as_deref() == Some(name)).unwrap();
    assert_eq!(user("carol").status, Some(UserStatus::Disabled));
    assert_eq!(user("no-status").status, None);
    let alice = user("alice@example.com");
    assert_eq!(
        (alice.emails.as_slice(), alice.external_ids[0].id.as_str()),
        (["alice@example.com".to_owned()].as_slice(), "00u-alice")
    );
    let groups = all(store.groups()).await.unwrap();
    let engineers = groups.iter().find(|group| group.display_name.as_deref() == Some("Engineers")).unwrap();
    let memberships = all(store.memberships(&engineers.id)).await.unwrap();
    assert_eq!(memberships.len(), 3);
    let bob = memberships.iter().find(|one| one.user_id.as_ref() == Some(&user("bob").id)).unwrap();
    assert_eq!(store.membership_id(&engineers.id, &user("bob").id).await.unwrap(), bob.id);
    assert_eq!(store.membership_id(&engineers.id, &user("no-status").id).await.unwrap(), None);
}

#[tokio::test]
async fn memberships_are_created_and_deleted_once() {
    let server = testbed().await;
    let store = connected(&server).await.identity_store();
    let group = server.group_id("Engineers").unwrap();
    let user = server.user_id("no-status").unwrap();
    let created = store.create_membership(&group, &user).await.unwrap();
    assert!(server.is_member("Engineers", "no-status") && created.request_id.is_some());
    let again = store.create_membership(&group, &user).await.unwrap_err();
    assert!(matches!(again.class(), Class::Conflict { passing: false }), "{again}");
    store.delete_membership(&created.value).await.unwrap();
    let again = store.delete_membership(&created.value).await.unwrap_err();
    assert!(matches!(again.class(), Class::NotFound), "{again}");
}

#[tokio::test]
async fn a_token_that_repeats_ends_the_listing_with_an_error() {
    let server = testbed().await;
    let api = connected(&server).await;
    server.set(|knobs| knobs.page_size = Some(2));
    server.arm(Fault::new("identitystore:ListUsers", Effect::RepeatedToken).after(1));
    let error = all(api.identity_store().users()).await.unwrap_err();
    assert!(matches!(error.class(), Class::Malformed) && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("repeats a page token"), "{error}");
}

#[tokio::test]
async fn throttling_is_waited_out_and_counted() {
    for times in [2, 4] {
        let server = testbed().await;
        let aws = Aws::connect(&as_user(&server, "connector")).await.unwrap();
        server.arm(Fault::new("sso:ListPermissionSets", Effect::Throttle).times(times));
        let api = aws.sync(CancellationToken::new());
        assert_eq!(all(api.sso_admin().permission_sets()).await.unwrap().len(), 4);
        let counts = aws.stats().operations[&(Service::SsoAdmin, "ListPermissionSets")];
        assert_eq!((counts.calls, counts.throttled, counts.errors), (u64::from(times) + 1, times.into(), 0));
    }
}

#[tokio::test]
async fn passing_trouble_drops_no_row() {
    let cut = [
        Effect::Status(500),
        Effect::Status(503),
        Effect::Reset,
        Effect::LostReply,
        Effect::TruncatedBody,
        Effect::CutBody,
        Effect::EmptyPage,
        Effect::ExpiredCredentials,
    ];
    let server = testbed().await;
    let api = connected(&server).await;
    for effect in cut {
        server.arm(Fault::once("identitystore:ListUsers", effect.clone()));
        let users =
            all(api.identity_store().users()).await.unwrap_or_else(|error| panic!("{effect:?}: {error}"));
        assert_eq!(users.len(), 6, "{effect:?}");
        assert!(server.armed().is_empty(), "{effect:?}");
    }
}

#[tokio::test]
async fn trouble_that_stays_fails_the_listing_as_retryable() {
    let server = testbed().await;
    let api = connected(&server).await;
    for effect in [Effect::Status(500), Effect::Reset, Effect::TruncatedBody] {
        server.arm(Fault::new("organizations:ListAccounts", effect.clone()));
        let error = all(api.organizations().accounts()).await.unwrap_err();
        assert!(error.is_retryable() && error.attempts() == 4, "{effect:?}: {error}");
        assert!(
            error.to_string().starts_with("organizations:ListAccounts in account 111111111111: "),
            "{error}"
        );
        server.disarm();
    }
}

#[tokio::test]
async fn a_denied_listing_names_account_operation_and_missing_action() {
    let server = testbed().await;
    let api = connected(&server).await;
    server.deny("connector", &["identitystore:ListGroups"]);
    let error = all(api.identity_store().groups()).await.unwrap_err();
    assert!(matches!(error.class(), Class::Denied) && !error.is_retryable());
    assert_eq!(error.missing_action().as_deref(), Some("identitystore:ListGroups"));
    assert_eq!((error.account().unwrap().as_str(), error.attempts()), ("111111111111", 1));
    assert!(error.statement().unwrap().contains("\"identitystore:ListGroups\""));
}

#[tokio::test]
async fn sessions_that_expire_in_mid_crawl_are_renewed_unnoticed() {
    let server = testbed().await;
    let aws = Aws::connect(&as_role(&server, "BatonConnector", Some(EXTERNAL_ID))).await.unwrap();
    let api = aws.sync(CancellationToken::new());
    server.set(|knobs| knobs.page_size = Some(2));
    let mut pages = api.identity_store().users();
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 2);
    server.expire_sessions();
    assert_eq!(all(pages).await.unwrap().len(), 4);
    assert_eq!(server.counters().calls("sts:AssumeRole"), 2);
}

#[tokio::test]
async fn a_role_that_refuses_in_mid_crawl_is_not_a_denied_resource() {
    let server = testbed().await;
    let aws = Aws::connect(&as_role(&server, "BatonConnector", Some(EXTERNAL_ID))).await.unwrap();
    let api = aws.sync(CancellationToken::new());
    server.distrust(&server.role_arn("BatonConnector").unwrap());
    server.expire_sessions();
    let error = all(api.identity_store().users()).await.unwrap_err();
    assert!(matches!(error.class(), Class::Credentials(_)), "{error}");
    assert!(error.to_string().contains("role/BatonConnector"), "{error}");
    assert_eq!(error.missing_action(), None);
}

#[tokio::test]
async fn an_account_is_what_its_state_says_and_else_its_status() {
    let server = testbed().await;
    let api = connected(&server).await;
    for fields in [AccountFields::Both, AccountFields::State, AccountFields::Status] {
        server.set(|knobs| knobs.account_fields = fields);
        let accounts = all(api.organizations().accounts()).await.unwrap();
        let suspended: Vec<_> = accounts
            .iter()
            .filter(|one| one.state == AccountState::Suspended)
            .map(|one| one.id.as_str())
            .collect();
        assert_eq!(suspended, ["777777777777"], "{fields:?}");
        assert_eq!(accounts.iter().filter(|one| one.state == AccountState::Active).count(), 6, "{fields:?}");
    }
    server.set(|knobs| knobs.account_fields = AccountFields::Neither);
    let error = all(api.organizations().accounts()).await.unwrap_err();
    assert!(matches!(error.class(), Class::Malformed), "{error}");
    assert!(error.to_string().contains("111111111111 has neither State nor Status"), "{error}");
}

#[tokio::test]
async fn the_tree_is_read_and_paths_where_aws_sends_them() {
    let server = testbed().await;
    let organizations = connected(&server).await.organizations();
    let roots = all(organizations.roots()).await.unwrap();
    assert_eq!(roots.len(), 1);
    let units = all(organizations.organizational_units(&roots[0].id)).await.unwrap();
    assert_eq!(units.len(), 4);
    let below = all(organizations.accounts_for_parent(&roots[0].id)).await.unwrap();
    assert_eq!(below.len(), 1);
    let described = organizations.describe_account(&account("222222222222")).await.unwrap();
    assert_eq!(described.name.as_deref(), Some("Audit"));
    let missing = organizations.describe_account(&account("000000000000")).await.unwrap_err();
    assert!(matches!(missing.class(), Class::NotFound), "{missing}");
    assert!(all(organizations.accounts()).await.unwrap().iter().all(|one| !one.paths.is_empty()));
    server.set(|knobs| knobs.account_paths = false);
    assert!(all(organizations.accounts()).await.unwrap().iter().all(|one| one.paths.is_empty()));
}

#[tokio::test]
async fn permission_sets_and_assignments_are_read() {
    let server = testbed().await;
    let sso = connected(&server).await.sso_admin();
    let developer = server.permission_set_arn("Developer").unwrap();
    let described = sso.describe_permission_set(&developer).await.unwrap();
    assert_eq!(
        (described.name.as_str(), described.description.as_deref()),
        ("Developer", Some("Daily work"))
    );
    let shop = account("444444444444");
    assert_eq!(all(sso.provisioned_permission_sets(&shop)).await.unwrap().len(), 2);
    let assignments = all(sso.assignments(&shop, &developer)).await.unwrap();
    let groups = assignments.iter().filter(|one| one.principal == PrincipalKind::Group).count();
    assert_eq!((assignments.len(), groups), (2, 1));
}

#[tokio::test]
async fn an_assignment_is_asked_for_and_followed_to_its_end() {
    let server = testbed().await;
    let sso = connected(&server).await.sso_admin();
    let target = target(&server);
    let mut request = sso.create_assignment(&target).await.unwrap();
    assert!(request.aws_request_id.is_some());
    while request.status == AssignmentStatus::InProgress {
        tokio::time::sleep(Duration::from_millis(5)).await;
        request = sso.creation_status(request.request_id.as_deref().unwrap()).await.unwrap();
    }
    assert_eq!(request.status, AssignmentStatus::Succeeded);
    assert!(server.is_assigned("Audit", "Developer", PrincipalType::User, "bob"));
    server.arm(Fault::once("sso:DeleteAccountAssignment", Effect::SettlesFailed("because".to_owned())));
    let mut request = sso.delete_assignment(&target).await.unwrap();
    while request.status == AssignmentStatus::InProgress {
        tokio::time::sleep(Duration::from_millis(5)).await;
        request = sso.deletion_status(request.request_id.as_deref().unwrap()).await.unwrap();
    }
    assert_eq!(request.status, AssignmentStatus::Failed { reason: "because".to_owned() });
}

#[tokio::test]
async fn an_assignment_whose_outcome_is_unknown_is_not_asked_for_twice() {
    for effect in [Effect::LostReply, Effect::Status(500), Effect::TruncatedBody] {
        let server = testbed().await;
        let sso = connected(&server).await.sso_admin();
        server.arm(Fault::once("sso:CreateAccountAssignment", effect.clone()));
        let error = sso.create_assignment(&target(&server)).await.unwrap_err();
        assert!(error.may_have_happened() && error.is_retryable(), "{effect:?}: {error}");
        assert_eq!(server.counters().calls("sso:CreateAccountAssignment"), 1, "{effect:?}");
    }
}

#[tokio::test]
async fn an_assignment_that_was_throttled_is_asked_for_again() {
    let server = testbed().await;
    server.arm(Fault::once("sso:CreateAccountAssignment", Effect::Throttle));
    connected(&server).await.sso_admin().create_assignment(&target(&server)).await.unwrap();
    assert_eq!(server.counters().calls("sso:CreateAccountAssignment"), 2);
}

#[tokio::test]
async fn cancellation_returns_promptly_with_a_call_in_flight() {
    let server = testbed().await;
    let aws = Aws::connect(&as_user(&server, "connector")).await.unwrap();
    server.arm(Fault::new("identitystore:ListUsers", Effect::Delay(Duration::from_mins(1))));
    let cancel = CancellationToken::new();
    let users = tokio::spawn(all(aws.sync(cancel.clone()).identity_store().users()));
    while aws.stats().in_flight == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // No wait may pass between the word and the end.
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    cancel.cancel();
    let error = users.await.unwrap().unwrap_err();
    assert!(matches!(error.class(), Class::Cancelled), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2) && aws.stats().in_flight == 0);
}

#[tokio::test]
async fn at_the_documented_rates_aws_throttles_nothing_in_steady_state() {
    let server = testbed().await;
    let settings = AwsSettings { quotas: QuotaSetting::Documented, ..as_user(&server, "connector") };
    let aws = Aws::connect(&settings).await.unwrap();
    server.set(|knobs| knobs.quotas = Quotas::Documented);
    let api = aws.sync(CancellationToken::new());
    let (sso, organizations) = (api.sso_admin(), api.organizations());
    let developer = server.permission_set_arn("Developer").unwrap();
    let descriptions = join_all((0..60).map(|_| sso.describe_permission_set(&developer)));
    let listings = join_all((0..20).map(|_| all(organizations.accounts())));
    let roots = join_all((0..3).map(|_| all(organizations.roots())));
    let (descriptions, listings, roots) = tokio::join!(descriptions, listings, roots);
    assert!(descriptions.iter().all(Result::is_ok));
    assert!(listings.iter().all(Result::is_ok) && roots.iter().all(Result::is_ok));
    // The volley at the start may arrive closer together than it left, on a machine that stalls; after it nothing does.
    let calls = server.transcript();
    let first = calls.iter().find(|call| call.action == "sso:DescribePermissionSet").unwrap().start;
    let late = calls.iter().filter(|call| call.start > first + Duration::from_secs(1));
    let (throttled, steady): (Vec<_>, Vec<_>) = late.partition(|call| call.error.is_some());
    assert!(throttled.is_empty() && !steady.is_empty(), "{throttled:?}");
}

#[tokio::test]
async fn a_quota_below_the_documented_one_is_found_and_kept_to() {
    let server = testbed().await;
    let settings = AwsSettings { quotas: QuotaSetting::Documented, ..as_user(&server, "connector") };
    let aws = Aws::connect(&settings).await.unwrap();
    // Other tools use half of what the account has.
    let half = Quota { action: "sso:*".to_owned(), scope: Scope::Account, rate: 10.0, burst: 10.0 };
    server.set(|knobs| knobs.quotas = Quotas::Table(vec![half]));
    let sso = aws.sync(CancellationToken::new()).sso_admin();
    let developer = server.permission_set_arn("Developer").unwrap();
    let described = join_all((0..60).map(|_| sso.describe_permission_set(&developer))).await;
    assert!(described.iter().all(Result::is_ok), "{described:?}");
    let counts = aws.stats().total();
    assert!(counts.throttled > 0 && counts.throttled < 40, "{counts:?}");
}

#[tokio::test]
async fn a_member_of_another_type_makes_every_answer_about_the_organization_malformed() {
    let server = testbed().await;
    let api = connected(&server).await;
    let organizations = api.organizations();
    let root = all(organizations.roots()).await.unwrap().remove(0).id;
    for (action, members) in [
        ("ListRoots", &["Roots", "Id", "Name"][..]),
        ("ListOrganizationalUnitsForParent", &["OrganizationalUnits", "Id"]),
        ("ListAccounts", &["Accounts", "Id", "Name", "Status", "State", "Paths"]),
        ("ListAccountsForParent", &["Accounts", "Id"]),
        ("DescribeAccount", &["Account", "Id"]),
        ("DescribeOrganization", &["Organization", "MasterAccountId"]),
    ] {
        for member in members {
            server.disarm();
            let action = format!("organizations:{action}");
            server.arm(Fault::new(&action, Effect::WrongType((*member).to_owned())));
            let error = match action.as_str() {
                "organizations:ListRoots" => all(organizations.roots()).await.err(),
                "organizations:ListOrganizationalUnitsForParent" => {
                    all(organizations.organizational_units(&root)).await.err()
                }
                "organizations:ListAccounts" => all(organizations.accounts()).await.err(),
                "organizations:ListAccountsForParent" => {
                    all(organizations.accounts_for_parent(&root)).await.err()
                }
                "organizations:DescribeAccount" => {
                    organizations.describe_account(&account("222222222222")).await.err()
                }
                _ => organizations.management_account().await.err(),
            };
            let error = error.unwrap_or_else(|| panic!("{action} {member}: it was read"));
            assert!(matches!(error.class(), Class::Malformed), "{action} {member}: {error}");
        }
    }
}
