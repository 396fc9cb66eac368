//! What the rows of IAM users and of their keys tell: whose they are, when they were used, their tags and passwords.

use std::collections::BTreeMap;

use batond::baton::any;
use batond::baton::resource::ResourceExt;
use batond::baton::v2::status::ResourceStatus;
use batond::baton::v2::{Resource, SecretTrait, UserTrait};
use batond::config::AwsSettings;
use batond::connector::Connector;
use batond::sync::{Report, SyncError, SyncOptions};
use prost_types::value::Kind;
use testbed::aws::{Effect, Fault, Fixture, Server};
use tokio_util::sync::CancellationToken;

use crate::dump::Dump;
use crate::support::{Work, aws_settings};

const SHOP: &str = "444444444444";
const DETAILS: &str = "iam:GetAccountAuthorizationDetails";
const REPORT: &str = "iam:GenerateCredentialReport";
const LAST_USE: &str = "iam:GetAccessKeyLastUsed";

async fn example() -> Server {
    Server::start(Fixture::example().unwrap()).await.unwrap()
}

fn with_members(aws: &Server) -> AwsSettings {
    AwsSettings { cross_account_iam: true, ..aws_settings(aws) }
}

async fn sync(settings: &AwsSettings, types: &[&str]) -> Result<(Report, Dump), SyncError> {
    let work = Work::new();
    let connector = Connector::open(settings).await.unwrap();
    let types = types.iter().map(|id| (*id).to_owned()).collect();
    let options = SyncOptions { types, ..SyncOptions::default() };
    let report = work.sync(&connector, &options, CancellationToken::new()).await?;
    Ok((report, Dump::read(&work.file())))
}

async fn rows(settings: &AwsSettings) -> Dump {
    sync(settings, &[]).await.unwrap().1
}

fn user<'d>(dump: &'d Dump, arn_ends_with: &str) -> &'d Resource {
    dump.resources
        .iter()
        .find(|(id, _)| id.starts_with("iam_user:") && id.ends_with(arn_ends_with))
        .unwrap()
        .1
}

fn key<'d>(dump: &'d Dump, id: &str) -> &'d Resource {
    &dump.resources[&format!("access-key:{id}")]
}

/// The texts and truth values of a profile.
fn profile(row: &Resource) -> BTreeMap<&str, String> {
    let fields = &row.profile.as_ref().unwrap().fields;
    let text = |kind: &Kind| match kind {
        Kind::StringValue(text) => Some(text.clone()),
        Kind::BoolValue(truth) => Some(truth.to_string()),
        _ => None,
    };
    fields.iter().filter_map(|(key, value)| Some((key.as_str(), text(value.kind.as_ref()?)?))).collect()
}

/// The tags of a profile; `None` where it has no key for them.
fn tags(row: &Resource) -> Option<BTreeMap<String, String>> {
    let Kind::StructValue(tags) = row.profile.as_ref()?.fields.get("aws_tags")?.kind.clone()? else {
        panic!("tags are an object")
    };
    let text = |kind: Option<Kind>| match kind {
        Some(Kind::StringValue(text)) => text,
        other => panic!("{other:?}"),
    };
    Some(tags.fields.into_iter().map(|(key, value)| (key, text(value.kind))).collect())
}

fn calls(aws: &Server, action: &str) -> u64 {
    aws.counters().calls(action)
}

#[tokio::test]
async fn users_of_several_accounts_are_told_apart_by_the_name_of_their_account() {
    let aws = example().await;
    for settings in [with_members(&aws), AwsSettings { identity_center: false, ..aws_settings(&aws) }] {
        let dump = rows(&settings).await;
        for (arn, display_name, account, account_name) in [
            ("user/idle", "idle (Root & Billing)", "111111111111", "Root & Billing"),
            ("user/shop-bot", "shop-bot (Shop (prod))", SHOP, "Shop (prod)"),
        ] {
            let row = user(&dump, arn);
            assert_eq!(row.display_name, display_name);
            let profile = profile(row);
            assert_eq!(
                (profile["aws_account_id"].as_str(), profile["aws_account_name"].as_str()),
                (account, account_name)
            );
            let its: UserTrait = any::find(&row.annotations).unwrap();
            assert!(display_name.starts_with(&its.login) && !its.login.contains('('), "{}", its.login);
        }
    }
    // Users of one account alone need no more than their name.
    let dump = rows(&aws_settings(&aws)).await;
    assert_eq!(user(&dump, "user/idle").display_name, "idle");
    assert_eq!(profile(user(&dump, "user/idle"))["aws_account_name"], "Root & Billing");
    let alone = AwsSettings { organizations: false, identity_center: false, ..aws_settings(&aws) };
    let dump = rows(&alone).await;
    assert_eq!(user(&dump, "user/idle").display_name, "idle");
    assert_eq!(profile(user(&dump, "user/idle"))["aws_account_name"], "example-root", "the alias");
}

#[tokio::test]
async fn names_of_accounts_take_no_call_where_the_accounts_are_listed_anyway() {
    let aws = example().await;
    let settings = with_members(&aws);
    aws.reset_counters();
    let whole = rows(&settings).await;
    assert_eq!(calls(&aws, "organizations:DescribeAccount"), 0);
    assert_eq!(calls(&aws, "iam:ListAccountAliases"), 1, "the one at the start");
    // A narrower sync names the same accounts, by one call.
    aws.reset_counters();
    let (_, narrow) = sync(&settings, &["iam_user"]).await.unwrap();
    assert_eq!(calls(&aws, "organizations:ListAccounts"), 0);
    assert_eq!(calls(&aws, "organizations:DescribeAccount"), 1);
    assert_eq!(user(&narrow, "user/idle"), user(&whole, "user/idle"));
    // Where it may not be asked, the alias has to do.
    aws.arm(Fault::new("organizations:DescribeAccount", Effect::Deny));
    let (_, denied) = sync(&settings, &["iam_user"]).await.unwrap();
    assert_eq!(user(&denied, "user/idle").display_name, "idle (example-root)");
}

/// Changes each account that is below these units.
fn each(units: &mut [testbed::aws::OrganizationalUnit], change: &mut dyn FnMut(&mut testbed::aws::Account)) {
    for unit in units {
        unit.accounts.iter_mut().for_each(&mut *change);
        each(&mut unit.organizational_units, change);
    }
}

#[tokio::test]
async fn an_account_without_a_name_is_named_by_its_alias_or_its_id() {
    let mut fixture = Fixture::example().unwrap();
    for (alias, expected) in
        [(Some("shop-alias"), "shop-bot (shop-alias)"), (None, "shop-bot (444444444444)")]
    {
        each(&mut fixture.organization.organizational_units, &mut |account| {
            if account.id.as_deref() == Some(SHOP) {
                account.alias = alias.map(str::to_owned);
            }
        });
        let aws = Server::start(fixture.clone()).await.unwrap();
        aws.arm(Fault::new("organizations:ListAccounts", Effect::Drop("Name".into())));
        let dump = rows(&with_members(&aws)).await;
        assert_eq!(user(&dump, "user/shop-bot").display_name, expected);
        assert_eq!(user(&dump, "user/idle").display_name, "idle (example-root)");
        // A denied alias is no more than a missing name.
        aws.arm(Fault::new("iam:ListAccountAliases", Effect::Deny));
        let dump = rows(&with_members(&aws)).await;
        assert_eq!(user(&dump, "user/shop-bot").display_name, "shop-bot (444444444444)");
        assert!(!profile(user(&dump, "user/shop-bot")).contains_key("aws_account_name"));
    }
}

#[tokio::test]
async fn users_of_accounts_of_one_name_stay_apart_by_their_ids() {
    let aws = example().await;
    let twins = Effect::Replace { member: "Name".into(), value: "Twin".into() };
    aws.arm(Fault::new("organizations:ListAccounts", twins));
    let dump = rows(&with_members(&aws)).await;
    for (arn, display_name, account) in
        [("user/idle", "idle (Twin)", "111111111111"), ("user/shop-bot", "shop-bot (Twin)", SHOP)]
    {
        let row = user(&dump, arn);
        assert_eq!(
            (row.display_name.as_str(), profile(row)["aws_account_id"].as_str()),
            (display_name, account)
        );
        assert!(row.object_id().contains(account));
        assert_eq!(dump.resources[&format!("account:{account}")].display_name, "Twin");
    }
}

#[tokio::test]
async fn a_user_whose_keys_cannot_be_looked_at_has_no_last_login() {
    let aws = example().await;
    let settings = aws_settings(&aws);
    let its = |dump: &Dump| {
        let row = user(dump, "user/people/alice@example.com").clone();
        let last_login = any::find::<UserTrait>(&row.annotations).unwrap().last_login;
        let profile = profile(&row);
        let text = |key: &str| profile.get(key).cloned().unwrap_or_default();
        (
            last_login.is_some(),
            text("access_key_activity_status"),
            text("password_last_used"),
            text("access_key_last_used"),
        )
    };
    let (password, newest) = ("2024-05-06T07:08:09Z".to_owned(), "2025-03-04T05:06:07Z".to_owned());
    let known = (true, "available".to_owned(), password.clone(), newest);
    let unknown = (false, "unavailable".to_owned(), password, String::new());
    assert_eq!(its(&rows(&settings).await), known, "by the credential report");
    aws.arm(Fault::new(REPORT, Effect::Deny));
    assert_eq!(its(&rows(&settings).await), known, "key by key");
    for action in ["iam:ListAccessKeys", LAST_USE] {
        aws.arm(Fault::new(action, Effect::Deny));
        let (report, dump) = sync(&settings, &[]).await.unwrap();
        assert_eq!(its(&dump), unknown);
        assert!(
            report.incomplete.iter().any(|one| one.scope.contains("last use of access key")),
            "{:?}",
            report.incomplete
        );
        aws.disarm();
        aws.arm(Fault::new(REPORT, Effect::Deny));
    }
}

#[tokio::test]
async fn a_key_tells_its_status_and_where_it_was_last_used() {
    let aws = example().await;
    let settings = AwsSettings { secrets: true, ..with_members(&aws) };
    let dump = rows(&settings).await;
    let alice = key(&dump, "AKIAEXAMPLEALICE0001");
    let used: BTreeMap<_, _> = [
        ("last_used_region", "us-east-1".to_owned()),
        ("last_used_service", "s3".to_owned()),
        ("last_used_status", "available".to_owned()),
    ]
    .into();
    assert_eq!((profile(alice), &alice.parent_resource_id), (used, &None));
    let status = alice.status.as_ref().unwrap();
    assert_eq!((status.status(), status.details.as_str()), (ResourceStatus::Enabled, "Active"));
    let inactive =
        dump.of_type("access-key").into_iter().find(|row| row.status.as_ref().unwrap().details == "Inactive");
    let inactive = inactive.unwrap();
    assert_eq!(inactive.status.as_ref().unwrap().status(), ResourceStatus::Disabled);
    assert_eq!(profile(inactive), [("last_used_status", "available".to_owned())].into(), "it was never used");
    // A member's key hangs from its account, which says that keys do.
    let of_member = aws.access_keys(SHOP, "shop-bot").swap_remove(0).0;
    let parent = key(&dump, &of_member).parent_resource_id.as_ref().unwrap();
    assert_eq!((parent.resource_type.as_str(), parent.resource.as_str()), ("account_iam", SHOP));

    // One whose use may not be read stays a key.
    aws.arm(Fault::new(LAST_USE, Effect::Deny));
    let without = rows(&settings).await;
    assert_eq!(without.of_type("access-key").len(), dump.of_type("access-key").len());
    for row in without.of_type("access-key") {
        assert_eq!(profile(row), [("last_used_status", "unavailable".to_owned())].into());
    }
}

#[tokio::test]
async fn a_key_that_is_gone_when_it_is_looked_at_has_no_row_and_its_user_no_last_login() {
    let aws = example().await;
    let settings = AwsSettings { secrets: true, ..aws_settings(&aws) };
    let before = rows(&settings).await;
    aws.arm(Fault::once(LAST_USE, Effect::Vanish));
    let (report, after) = sync(&settings, &[]).await.unwrap();
    let is_gone =
        |row: &&&Resource| !after.resources.contains_key(&format!("access-key:{}", row.object_id()));
    let keys = before.of_type("access-key");
    let gone: Vec<&&Resource> = keys.iter().filter(is_gone).collect();
    assert_eq!(gone.len(), 1);
    let owner = any::find::<SecretTrait>(&gone[0].annotations).unwrap().identity_id.unwrap();
    let owner = &after.resources[&format!("iam_user:{}", owner.resource)];
    assert_eq!(profile(owner)["access_key_activity_status"], "unavailable");
    assert_eq!(any::find::<UserTrait>(&owner.annotations).unwrap().last_login, None);
    let told = |scope: &str| scope == format!("access key {}", gone[0].object_id());
    assert!(report.incomplete.iter().any(|one| told(&one.scope)), "{:?}", report.incomplete);
}

#[tokio::test]
async fn tags_are_told_of_accounts_users_and_roles_whichever_way_they_were_read() {
    let aws = example().await;
    let silent = rows(&with_members(&aws)).await;
    let settings = AwsSettings { resource_tags: true, ..with_members(&aws) };
    let told = rows(&settings).await;
    let shop: BTreeMap<String, String> =
        [("Owner", "Team \"Shop\" + <b> 日本"), ("aws:created-by", "Control Tower"), ("empty", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    for kind in ["account", "account_iam"] {
        let row = |dump: &Dump, id: &str| dump.resources[&format!("{kind}:{id}")].clone();
        assert_eq!(tags(&row(&silent, SHOP)), None, "{kind}");
        assert_eq!(tags(&row(&told, SHOP)), Some(shop.clone()), "{kind}");
        assert_eq!(tags(&row(&told, "222222222222")), Some(BTreeMap::new()), "{kind}");
    }
    let alice = user(&told, "user/people/alice@example.com");
    assert_eq!(tags(user(&silent, "user/people/alice@example.com")), Some(BTreeMap::new()));
    assert_eq!(tags(alice).unwrap()["team"], "core");
    // An address in a tag, and what policies are for, belong to the setting of batond's own.
    assert_eq!(any::find::<UserTrait>(&alice.annotations).unwrap().emails.len(), 1);
    assert!(told.of_type("iam_policy").iter().all(|row| row.description.is_empty()));

    aws.arm(Fault::new(DETAILS, Effect::Deny));
    for settings in [settings.clone(), AwsSettings { iam_tags: true, ..settings }] {
        aws.reset_counters();
        let by_entities = rows(&settings).await;
        assert_eq!(tags(user(&by_entities, "user/people/alice@example.com")), tags(alice));
        let count = |kind: &str| u64::try_from(by_entities.of_type(kind).len()).unwrap();
        assert_eq!(calls(&aws, "iam:ListUserTags"), count("iam_user"), "each once");
        assert_eq!(calls(&aws, "iam:ListRoleTags"), count("role"), "each once");
        assert_eq!(
            calls(&aws, "organizations:ListTagsForResource"),
            count("account_iam"),
            "each once, for two rows"
        );
    }
}

#[tokio::test]
async fn fifty_tags_are_read_to_the_last_page() {
    let wanted: BTreeMap<String, String> = (0..50)
        .map(|number| (format!("key {number} \u{1f511}=\"'&<%>"), format!("/{number}+\t:@")))
        .collect();
    let mut fixture = Fixture::example().unwrap();
    fixture.organization.accounts[0].tags.clone_from(&wanted);
    let own = fixture.iam.iter_mut().flat_map(|iam| &mut iam.users).find(|user| user.name == "idle").unwrap();
    own.tags.clone_from(&wanted);
    let aws = Server::start(fixture).await.unwrap();
    aws.arm(Fault::new(DETAILS, Effect::Deny));
    for action in ["organizations:ListTagsForResource", "iam:ListUserTags"] {
        aws.set(|knobs| {
            knobs.page_sizes.insert(action.into(), 7);
        });
    }
    let settings = AwsSettings { resource_tags: true, ..with_members(&aws) };
    let dump = rows(&settings).await;
    assert_eq!(tags(&dump.resources["account:111111111111"]), Some(wanted.clone()));
    assert_eq!(tags(&dump.resources["account_iam:111111111111"]), Some(wanted.clone()));
    assert_eq!(tags(user(&dump, "user/idle")), Some(wanted));
}

#[tokio::test]
async fn tags_that_may_not_be_read_fail_the_sync_that_asks_for_them_and_name_the_setting() {
    for (action, account) in [
        ("organizations:ListTagsForResource", None),
        ("iam:ListUserTags", Some(SHOP)),
        ("iam:ListRoleTags", None),
    ] {
        let aws = example().await;
        aws.arm(Fault::new(DETAILS, Effect::Deny));
        let fault = Fault::new(action, Effect::Deny);
        aws.arm(account.map_or(fault.clone(), |account| fault.account(account)));
        let settings = AwsSettings { resource_tags: true, iam_tags: true, ..with_members(&aws) };
        let error = sync(&settings, &[]).await.unwrap_err();
        let message = error.to_string();
        assert!(error.is_denied() && !error.is_retryable(), "{message}");
        assert!(message.contains(&format!("{action} is missing")), "{message}");
        assert!(message.contains("BATON_SYNC_RESOURCE_TAGS"), "{message}");
        // Without that setting they are no more than an attribute.
        let settings = AwsSettings { resource_tags: false, ..settings };
        sync(&settings, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn tags_that_a_policy_of_the_organization_withholds_fail_the_sync_and_take_no_account_away() {
    let aws = example().await;
    let withheld = Effect::Error {
        code: "AccessDenied".into(),
        message: format!(
            "User: arn:aws:sts::{SHOP}:assumed-role/OrganizationAccountAccessRole/batond is not authorized to perform: \
             iam:ListUserTags with an explicit deny in a service control policy"
        ),
        status: 403,
    };
    aws.arm(Fault::new(DETAILS, Effect::Deny));
    aws.arm(Fault::new("iam:ListUserTags", withheld).account(SHOP));
    let settings = AwsSettings { resource_tags: true, ..with_members(&aws) };
    let message = sync(&settings, &[]).await.unwrap_err().to_string();
    assert!(
        message.contains("BATON_SYNC_RESOURCE_TAGS") && message.contains("service control policy"),
        "{message}"
    );
}

#[tokio::test]
async fn who_may_sign_in_to_the_console_is_told_where_that_is_asked_for() {
    let aws = example().await;
    let settings = AwsSettings { console_access: true, ..with_members(&aws) };
    aws.reset_counters();
    let dump = rows(&settings).await;
    assert_eq!(calls(&aws, "iam:GetLoginProfile"), 5, "one for each user");
    let fields = |dump: &Dump, arn: &str| {
        let profile = profile(user(dump, arn));
        [
            "console_access_status",
            "console_access_enabled",
            "password_reset_required",
            "login_profile_created_at",
        ]
        .map(|key| profile.get(key).cloned().unwrap_or_default())
    };
    assert_eq!(
        fields(&dump, "user/people/alice@example.com"),
        ["enabled", "true", "false", "2023-11-12T13:14:15Z"]
    );
    assert_eq!(fields(&dump, "user/idle"), ["disabled", "false", "false", ""]);

    let denied = Fault::new("iam:GetLoginProfile", Effect::Deny).account(SHOP);
    aws.arm(denied);
    let (report, dump) = sync(&settings, &[]).await.unwrap();
    assert_eq!(fields(&dump, "user/shop-bot"), ["unavailable", "", "", ""]);
    assert_eq!(fields(&dump, "user/idle"), ["disabled", "false", "false", ""]);
    assert!(
        report.incomplete.iter().any(|one| one.reason.contains("iam:GetLoginProfile is denied")),
        "{report:?}"
    );
    aws.disarm();
    aws.reset_counters();
    let dump = rows(&with_members(&aws)).await;
    assert_eq!(
        (fields(&dump, "user/idle"), calls(&aws, "iam:GetLoginProfile")),
        (["", "", "", ""].map(str::to_owned), 0)
    );
}
