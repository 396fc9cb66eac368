//! What a sync holds of IAM, whichever way it was read.

use batond::config::AwsSettings;
use batond::connector::Connector;
use batond::sync::{Report, SyncError, SyncOptions};
use testbed::aws::{Effect, Fault, Fixture, Server, Trust};
use tokio_util::sync::CancellationToken;

use crate::dump::Dump;
use crate::support::{Work, aws_settings};

const OWN: &str = "111111111111";
const SHOP: &str = "444444444444";
const REFUSING: &str = "666666666666";
const DETAILS: &str = "iam:GetAccountAuthorizationDetails";

async fn example() -> Server {
    Server::start(Fixture::example().unwrap()).await.unwrap()
}

/// Settings that read IAM of members, too.
fn with_members(aws: &Server) -> AwsSettings {
    AwsSettings { cross_account_iam: true, ..aws_settings(aws) }
}

async fn sync(settings: &AwsSettings, work: &Work) -> Result<Report, SyncError> {
    let connector = Connector::open(settings).await.unwrap();
    work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await
}

/// The rows of a sync that succeeds.
async fn rows(settings: &AwsSettings) -> (Report, Dump) {
    let work = Work::new();
    let report = sync(settings, &work).await.unwrap();
    let dump = Dump::read(&work.file());
    (report, dump)
}

fn holders(dump: &Dump, entitlement: &str) -> Vec<String> {
    let grants = dump.grants.values().filter(|grant| grant.entitlement.as_ref().unwrap().id == entitlement);
    let mut holders: Vec<_> = grants
        .map(|grant| {
            let id = grant.principal.as_ref().unwrap().id.as_ref().unwrap();
            format!("{}:{}", id.resource_type, id.resource)
        })
        .collect();
    holders.sort();
    holders
}

#[tokio::test]
async fn a_sync_holds_iam_of_the_own_account_at_top_level_and_of_members_below_their_account() {
    let aws = example().await;
    let (report, dump) = rows(&with_members(&aws)).await;
    let count = |kind| dump.of_type(kind).len();
    assert_eq!((count("iam_user"), count("group")), (4 + 1, 2 + 1));
    assert_eq!(count("role"), 7 + 2 + 2);
    assert_eq!(count("account_iam"), 7, "suspended ones, too");
    let customer = dump
        .of_type("iam_policy")
        .iter()
        .filter(|row| !row.id.as_ref().unwrap().resource.starts_with("arn:aws:iam::aws:"))
        .count();
    assert_eq!(customer, 3 + 2);

    let alice = dump.named("iam_user", "alice@example.com (Root & Billing)");
    assert_eq!(alice.parent_resource_id, None);
    let bot = dump.named("iam_user", "shop-bot (Shop (prod))");
    let parent = bot.parent_resource_id.as_ref().unwrap();
    assert_eq!((parent.resource_type.as_str(), parent.resource.as_str()), ("account_iam", SHOP));

    // Members have the policies of their group, and who may assume a role has those of the role.
    let admin = "iam_policy:arn:aws:iam::aws:policy/AdministratorAccess:attached";
    assert!(
        holders(&dump, admin).contains(&format!("iam_user:arn:aws:iam::{OWN}:user/people/alice@example.com"))
    );
    let deployer = format!("role:arn:aws:iam::{OWN}:role/team/shop/Deployer:assignment");
    let pipeline = format!("role:arn:aws:iam::{SHOP}:role/shop/Pipeline");
    assert!(holders(&dump, &deployer).contains(&pipeline), "{:?}", holders(&dump, &deployer));

    // Somebody who refuses is incomplete and named; nothing else is.
    assert_eq!(report.incomplete.len(), 1, "{:?}", report.incomplete);
    assert!(report.incomplete[0].scope.contains(REFUSING), "{:?}", report.incomplete);
    assert!(report.incomplete[0].reason.contains("OrganizationAccountAccessRole"), "{:?}", report.incomplete);
    let iam = report.completeness[&batond::sync::completeness::Area::Iam];
    assert_eq!((iam.whole, iam.incomplete), (5, 1), "{:?}", report.completeness);
}

#[tokio::test]
async fn a_page_of_details_beyond_its_bound_is_asked_for_again_with_fewer_entities() {
    let aws = example().await;
    let settings = aws_settings(&aws);
    let (_, expected) = rows(&settings).await;
    let calls = aws.counters().calls(DETAILS);
    let large = Effect::Replace { member: "UserId".into(), value: "x".repeat(6 << 20).into() };
    aws.arm(Fault::once(DETAILS, large));
    let (_, dump) = rows(&settings).await;
    assert!(dump == expected, "rows differ");
    assert!(aws.counters().calls(DETAILS) > 2 * calls, "the page that was too large is asked for again");
}

#[tokio::test]
async fn details_and_entities_give_the_same_rows() {
    let aws = example().await;
    for settings in [
        with_members(&aws),
        AwsSettings { iam_tags: true, ..with_members(&aws) },
        AwsSettings { secrets: true, ..with_members(&aws) },
        AwsSettings { only_attached_policies: true, iam_tags: true, ..with_members(&aws) },
        AwsSettings { organizations: false, identity_center: false, ..aws_settings(&aws) },
        AwsSettings { identity_center: false, ..aws_settings(&aws) },
    ] {
        let (by_details, details) = rows(&settings).await;
        assert!(by_details.cheaper.is_empty(), "{:?}", by_details.cheaper);
        aws.arm(Fault::new(DETAILS, Effect::Deny));
        aws.arm(Fault::new("iam:GenerateCredentialReport", Effect::Deny));
        let (by_entities, entities) = rows(&settings).await;
        aws.disarm();
        assert!(by_entities.cheaper.iter().any(|action| action == DETAILS), "{:?}", by_entities.cheaper);
        assert_eq!(by_details.incomplete, by_entities.incomplete);
        for (id, row) in &details.resources {
            assert_eq!(Some(row), entities.resources.get(id), "{id}");
        }
        assert!(details == entities, "rows differ");
        assert!(details.of_type("iam_user").len() >= 4);
    }
}

#[tokio::test]
async fn pages_of_one_item_give_the_same_rows() {
    let aws = example().await;
    let settings = AwsSettings { iam_tags: true, ..with_members(&aws) };
    let (_, large) = rows(&settings).await;
    aws.set(|knobs| {
        knobs.page_size = Some(1);
        knobs.empty_pages = true;
    });
    let (_, small) = rows(&settings).await;
    assert!(small == large, "rows differ");
    aws.arm(Fault::new(DETAILS, Effect::Deny));
    let (_, small) = rows(&settings).await;
    assert!(small == large, "rows differ");
}

#[tokio::test]
async fn the_last_login_is_the_newest_use_of_password_or_key() {
    let aws = example().await;
    let login = |dump: &Dump, name: &str| {
        let user = dump.of_type("iam_user").into_iter().find(|user| user.display_name.starts_with(name));
        let user = user.unwrap();
        let its: batond::baton::v2::UserTrait = batond::baton::any::find(&user.annotations).unwrap();
        its.last_login.map(|time| jiff::Timestamp::from_second(time.seconds).unwrap().to_string())
    };
    let without_report = Fault::new("iam:GenerateCredentialReport", Effect::Deny);
    for fault in [None, Some(without_report)] {
        if let Some(fault) = fault {
            aws.arm(fault);
        }
        let (_, dump) = rows(&with_members(&aws)).await;
        assert_eq!(login(&dump, "alice@example.com").as_deref(), Some("2025-03-04T05:06:07Z"), "her key");
        assert_eq!(login(&dump, "o,brien+x=1").as_deref(), Some("2025-01-02T03:04:05Z"), "the console");
        assert_eq!(login(&dump, "ci-robot"), None);
        assert_eq!(login(&dump, "shop-bot").as_deref(), Some("2025-06-07T08:09:10Z"));
    }
}

#[tokio::test]
async fn keys_of_members_are_rows_and_belong_to_users_that_are_rows() {
    let aws = example().await;
    let (_, without) = rows(&with_members(&aws)).await;
    assert!(without.of_type("access-key").is_empty());
    let (_, dump) = rows(&AwsSettings { secrets: true, ..with_members(&aws) }).await;
    let keys = dump.of_type("access-key");
    assert_eq!(keys.len(), 2 + 1 + 1 + 1);
    for key in keys {
        let secret: batond::baton::v2::SecretTrait = batond::baton::any::find(&key.annotations).unwrap();
        let owner = secret.identity_id.unwrap();
        assert!(
            dump.resources.contains_key(&format!("{}:{}", owner.resource_type, owner.resource)),
            "{owner:?}"
        );
    }
}

#[tokio::test]
async fn tags_and_descriptions_are_there_only_when_they_are_asked_for() {
    let aws = example().await;
    let (_, silent) = rows(&aws_settings(&aws)).await;
    let (_, told) = rows(&AwsSettings { iam_tags: true, ..aws_settings(&aws) }).await;
    let emails = |dump: &Dump| {
        let user = dump.named("iam_user", "alice@example.com");
        let its: batond::baton::v2::UserTrait = batond::baton::any::find(&user.annotations).unwrap();
        its.emails.into_iter().map(|email| email.address).collect::<Vec<_>>()
    };
    assert_eq!(emails(&silent), ["alice@example.com"]);
    assert_eq!(emails(&told), ["alice@example.com", "alice.archer@example.com"]);
    assert_eq!(silent.named("iam_policy", "ReadLogs").description, "");
    assert_eq!(told.named("iam_policy", "ReadLogs").description, "Reads logs + metrics");
}

#[tokio::test]
async fn only_attached_policies_are_rows_when_that_is_asked_for() {
    let aws = example().await;
    let (_, all) = rows(&with_members(&aws)).await;
    let (_, attached) = rows(&AwsSettings { only_attached_policies: true, ..with_members(&aws) }).await;
    let has = |dump: &Dump, name: &str| dump.of_type("iam_policy").iter().any(|row| row.display_name == name);
    assert!(has(&all, "Unattached") && !has(&attached, "Unattached"));
    for name in ["ReadLogs", "DeployShop", "AdministratorAccess"] {
        assert!(has(&attached, name), "{name}");
    }
    assert!(attached.of_type("iam_policy").len() < all.of_type("iam_policy").len());
}

#[tokio::test]
async fn a_document_keeps_its_plus_signs_and_its_alphabets() {
    let aws = example().await;
    let (_, dump) = rows(&aws_settings(&aws)).await;
    let policy = dump.named("iam_policy", "DeployShop").profile.as_ref().unwrap();
    let document = policy.fields["policy_document"].kind.clone().unwrap();
    let prost_types::value::Kind::StringValue(document) = document else { panic!("{document:?}") };
    assert!(
        document.contains("shop bücket/100%/日本/a+b&c=<d>/*") && document.contains("AllowC+D"),
        "{document}"
    );
}

#[tokio::test]
async fn a_denied_document_takes_only_itself_away_and_is_said_once() {
    let aws = example().await;
    let settings = with_members(&aws);
    let (_, whole) = rows(&settings).await;
    aws.arm(Fault::new(DETAILS, Effect::Deny));
    aws.arm(Fault::new("iam:GetPolicyVersion", Effect::Deny));
    aws.arm(Fault::new("iam:GetUserPolicy", Effect::Deny));
    let (report, without) = rows(&settings).await;
    let mut expected = whole.clone();
    for (id, row) in &mut expected.resources {
        let inline = id.starts_with("inline_policy:") && id.contains(":user/");
        if id.starts_with("iam_policy:") || inline {
            row.profile.as_mut().unwrap().fields.remove("policy_document");
        }
    }
    for (id, row) in &expected.resources {
        assert_eq!(Some(row), without.resources.get(id), "{id}");
    }
    assert_eq!(expected.resources.len(), without.resources.len());
    assert!(expected.grants.keys().eq(without.grants.keys()));
    let denied: Vec<_> = report.incomplete.iter().filter(|one| one.reason.contains("is denied")).collect();
    assert_eq!(denied.len(), 2, "{denied:?}");
    assert!(denied.iter().any(|one| one.reason.contains("iam:GetPolicyVersion is denied (")), "{denied:?}");
}

#[tokio::test]
async fn a_denied_essential_read_of_iam_fails_the_sync_and_names_account_and_statement() {
    for action in [
        "iam:ListUsers",
        "iam:ListGroups",
        "iam:ListRoles",
        "iam:ListPolicies",
        "iam:GetGroup",
        "iam:ListAttachedUserPolicies",
        "iam:ListAttachedGroupPolicies",
        "iam:ListAttachedRolePolicies",
        "iam:ListUserPolicies",
        "iam:ListGroupPolicies",
        "iam:ListRolePolicies",
    ] {
        let aws = example().await;
        aws.arm(Fault::new(DETAILS, Effect::Deny));
        aws.arm(Fault::new(action, Effect::Deny).account(SHOP));
        let work = Work::new();
        let error = sync(&with_members(&aws), &work).await.unwrap_err();
        let message = error.to_string();
        assert!(error.is_denied() && !error.is_retryable(), "{action}: {message}");
        assert!(message.contains(action) && message.contains(SHOP), "{action}: {message}");
        assert!(message.contains("\"Effect\""), "{message}");
        assert!(work.left().is_empty(), "{action} left {:?}", work.left());
    }
}

#[tokio::test]
async fn trouble_with_entering_a_member_fails_the_sync_instead_of_dropping_it() {
    for effect in [Effect::Status(500), Effect::Reset, Effect::ExpiredCredentials] {
        let aws = example().await;
        let settings = with_members(&aws);
        let connector = Connector::open(&settings).await.unwrap();
        aws.arm(Fault::new("sts:AssumeRole", effect.clone()));
        let work = Work::new();
        let options = SyncOptions::default();
        let error = work.sync(&connector, &options, CancellationToken::new()).await.unwrap_err();
        assert!(error.is_retryable() && matches!(error, SyncError::Entry { .. }), "{effect:?}: {error}");
        assert!(work.left().is_empty(), "{effect:?} left {:?}", work.left());
        // Nothing of the failure is remembered.
        aws.disarm();
        let report = work.sync(&connector, &options, CancellationToken::new()).await.unwrap();
        assert_eq!(report.incomplete.len(), 1, "{:?}", report.incomplete);
    }
}

#[tokio::test]
async fn a_connector_that_may_enter_no_member_fails_with_the_statement_to_add() {
    let aws = example().await;
    let connector = Connector::open(&with_members(&aws)).await.unwrap();
    aws.arm(Fault::new("sts:AssumeRole", Effect::Deny));
    let work = Work::new();
    let error = work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, SyncError::NoEntry { members: 5, .. }) && !error.is_retryable(), "{error}");
    let statement = r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/OrganizationAccountAccessRole"}"#;
    assert!(error.to_string().contains(statement), "{error}");
    assert!(work.left().is_empty());
}

#[tokio::test]
async fn a_member_is_entered_once_and_a_refusal_is_asked_for_again() {
    let aws = example().await;
    let settings = with_members(&aws);
    let connector = Connector::open(&settings).await.unwrap();
    let work = Work::new();
    for expected in [5, 5 + 1] {
        work.sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
        // Five members are in use; one of them refuses each time.
        assert_eq!(aws.counters().calls("sts:AssumeRole"), expected);
    }
}

/// The role of the shop, as the example has it.
const SHOP_ROLE: &str = "arn:aws:iam::444444444444:role/OrganizationAccountAccessRole";

/// The rows where a member lets nobody in from the start.
async fn rows_without_shop(settings: impl Fn(&Server) -> AwsSettings) -> Dump {
    let aws = example().await;
    assert!(aws.distrust(SHOP_ROLE));
    rows(&settings(&aws)).await.1
}

#[tokio::test]
async fn a_member_that_was_entered_and_refuses_later_is_as_one_that_refused_at_once() {
    let without = rows_without_shop(with_members).await;
    let aws = example().await;
    let connector = Connector::open(&with_members(&aws)).await.unwrap();
    let (work, options) = (Work::new(), SyncOptions::default());
    let sync = async || work.sync(&connector, &options, CancellationToken::new()).await.unwrap();
    sync().await;
    let whole = Dump::read(&work.file());
    aws.distrust(SHOP_ROLE);
    aws.expire_sessions_of(SHOP);
    // Whatever AWS says at first of a session that is over: the refusal is what counts.
    for _ in 0..2 {
        let report = sync().await;
        let told = report.incomplete.iter().find(|one| one.scope.contains(SHOP)).unwrap();
        assert!(told.reason.contains("cannot assume") && told.reason.contains(SHOP_ROLE), "{told:?}");
        assert!(Dump::read(&work.file()) == without, "rows differ");
    }
    let trust = Trust { principals: vec![OWN.into()], ..Trust::default() };
    assert!(aws.trust(SHOP_ROLE, vec![trust]).unwrap());
    let report = sync().await;
    assert_eq!(report.incomplete.len(), 1, "the one that never lets anybody in: {:?}", report.incomplete);
    assert!(Dump::read(&work.file()) == whole, "rows differ");
}

#[tokio::test]
async fn a_member_that_refuses_while_it_is_read_leaves_nothing_of_its_iam() {
    let secrets = |aws: &Server| AwsSettings { secrets: true, ..with_members(aws) };
    let only_attached = |aws: &Server| AwsSettings { only_attached_policies: true, ..with_members(aws) };
    let unknown = Effect::Error {
        code: "InvalidClientTokenId".into(),
        message: "The security token included in the request is invalid.".into(),
        status: 403,
    };
    let (keyed, attached) = (rows_without_shop(secrets).await, rows_without_shop(only_attached).await);
    for (action, later, is_keyed) in [
        (DETAILS, 2, true),
        ("iam:ListRoles", 0, true),
        ("iam:GetAccessKeyLastUsed", 0, true),
        ("iam:ListPolicies", 1, false),
    ] {
        for effect in [Effect::ExpiredCredentials, unknown.clone()] {
            let aws = example().await;
            aws.set(|knobs| {
                knobs.page_sizes.insert(DETAILS.into(), 1);
            });
            let settings = if is_keyed { secrets(&aws) } else { only_attached(&aws) };
            let connector = Connector::open(&settings).await.unwrap();
            // Entered while it lets us in.
            let account = SHOP.parse().unwrap();
            connector.aws().sync(CancellationToken::new()).member_iam(&account).await.unwrap();
            aws.distrust(SHOP_ROLE);
            aws.arm(Fault::once(action, effect.clone()).after(later).account(SHOP));
            let work = Work::new();
            let options = SyncOptions::default();
            let report = work.sync(&connector, &options, CancellationToken::new()).await.unwrap();
            assert!(aws.armed().is_empty(), "{action} {effect:?} did not hit");
            assert!(report.incomplete.iter().any(|one| one.scope.contains(SHOP)), "{:?}", report.incomplete);
            let expected = if is_keyed { &keyed } else { &attached };
            assert!(Dump::read(&work.file()) == *expected, "{action} {effect:?}: rows differ");
        }
    }
}

#[tokio::test]
async fn a_member_that_a_service_control_policy_closes_is_incomplete_by_name() {
    let without = rows_without_shop(with_members).await;
    let scp = |action: &str| Effect::Error {
        code: "AccessDenied".into(),
        message: format!(
            "User: arn:aws:sts::{SHOP}:assumed-role/OrganizationAccountAccessRole/batond is not authorized to perform: \
             {action} with an explicit deny in a service control policy"
        ),
        status: 403,
    };
    for (action, details) in
        [("iam:ListPolicies", true), ("iam:ListGroups", false), ("iam:ListRolePolicies", false)]
    {
        let aws = example().await;
        let mut settings = with_members(&aws);
        settings.only_attached_policies = details;
        let without = if details {
            rows_without_shop(|aws| AwsSettings { only_attached_policies: true, ..with_members(aws) }).await
        } else {
            aws.arm(Fault::new(DETAILS, scp(DETAILS)).account(SHOP));
            without.clone()
        };
        aws.arm(Fault::new(action, scp(action)).account(SHOP));
        let (report, dump) = rows(&settings).await;
        let told = report.incomplete.iter().find(|one| one.scope.contains(SHOP)).unwrap();
        assert!(told.reason.contains(action) && told.reason.contains("service control policy"), "{told:?}");
        assert!(dump == without, "{action}: rows differ");
        // The connector's own account has no such excuse.
        aws.disarm();
        aws.arm(Fault::new(DETAILS, scp(DETAILS)).account(OWN));
        aws.arm(Fault::new("iam:ListGroups", scp("iam:ListGroups")).account(OWN));
        let error = sync(&with_members(&aws), &Work::new()).await.unwrap_err();
        assert!(error.is_denied(), "{error}");
    }
}

#[tokio::test]
async fn sessions_that_expire_in_mid_crawl_go_unnoticed() {
    let aws = example().await;
    let settings = with_members(&aws);
    let (_, calm) = rows(&settings).await;
    for action in ["iam:ListRoles", "iam:ListUsers", DETAILS] {
        aws.arm(Fault::once(action, Effect::ExpiredCredentials).account(SHOP));
        let (_, dump) = rows(&settings).await;
        assert!(aws.armed().is_empty(), "{action}");
        assert!(dump == calm, "{action} changed rows");
    }
}

#[tokio::test]
async fn an_entity_that_vanishes_in_mid_crawl_leaves_no_row() {
    for (action, kind) in [
        ("iam:ListAttachedUserPolicies", "iam_user"),
        ("iam:GetGroup", "group"),
        ("iam:ListRolePolicies", "role"),
    ] {
        let aws = example().await;
        let settings = aws_settings(&aws);
        let (_, whole) = rows(&settings).await;
        aws.arm(Fault::new(DETAILS, Effect::Deny));
        aws.arm(Fault::once(action, Effect::Vanish));
        let (report, dump) = rows(&settings).await;
        assert!(!report.incomplete.is_empty(), "{action} is reported");
        assert_eq!(dump.of_type(kind).len() + 1, whole.of_type(kind).len(), "{action}");
        let dangling = dump.entitlements.values().filter(|entitlement| {
            let id = entitlement.resource.as_ref().unwrap().id.as_ref().unwrap();
            !dump.resources.contains_key(&format!("{}:{}", id.resource_type, id.resource))
        });
        assert_eq!(dangling.count(), 0, "{action}");
    }
}

#[tokio::test]
async fn the_settings_decide_which_accounts_are_read() {
    let aws = example().await;
    let base = aws_settings(&aws);
    for (settings, members, center) in [
        (AwsSettings { organizations: false, identity_center: false, ..base.clone() }, false, false),
        (AwsSettings { identity_center: false, ..base.clone() }, true, false),
        (base.clone(), false, true),
        (AwsSettings { cross_account_iam: true, ..base.clone() }, true, true),
    ] {
        let (_, dump) = rows(&settings).await;
        assert_eq!(dump.of_type("iam_user").len(), if members { 5 } else { 4 });
        assert_eq!(dump.of_type("account_iam").len(), if members { 7 } else { 0 });
        assert_eq!(dump.of_type("account").len(), if center { 6 } else { 0 });
    }
}
