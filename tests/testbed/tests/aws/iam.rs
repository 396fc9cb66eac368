//! IAM of an account, as the SDK reads it and as it is on the wire.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_iam::config::{Credentials, Region};
use aws_sdk_iam::error::ProvideErrorMetadata as _;
use aws_sdk_iam::types::{EntityType, PolicyScopeType};
use testbed::aws::{Effect, Fault, Fixture, Server, Shape};

use crate::client::{Client, Reply, example, start};

const VERSION: (&str, &str) = ("Version", "2010-05-08");

async fn iam(client: &Client<'_>, action: &str, more: &[(&str, &str)]) -> Reply {
    let mut form = vec![("Action", action), VERSION];
    form.extend_from_slice(more);
    client.form("iam", &form).await
}

/// The SDK's client for the account of a key.
fn sdk(server: &Server) -> aws_sdk_iam::Client {
    let key = server.credentials();
    let config = aws_sdk_iam::Config::builder()
        .behavior_version_latest()
        .region(Region::new("us-east-1"))
        .endpoint_url(server.url())
        .credentials_provider(Credentials::new(key.access_key_id, key.secret_access_key, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_iam::Client::from_conf(config)
}

async fn member<'a>(server: &'a Server, account: &str) -> Client<'a> {
    let role = format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole");
    Client::new(server).assume(&role, &[]).await
}

/// The document that IAM sent, by RFC 3986 alone: `+` stays `+`.
fn decoded(document: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = document.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&hex, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_denial_is_in_the_words_of_iam_and_holds_in_one_account_alone() {
    let server = example().await;
    assert!(server.deny_in("Shop (prod)", "OrganizationAccountAccessRole", &["iam:Get*", "iam:ListUsers"]));
    assert!(!server.deny_in("Büro Berlin", "nobody", &[]));
    let (denied, other) = (member(&server, "444444444444").await, member(&server, "222222222222").await);
    let who = "arn:aws:sts::444444444444:assumed-role/OrganizationAccountAccessRole/test";
    for (action, more, resource) in [
        ("ListUsers", vec![], "arn:aws:iam::444444444444:user/"),
        ("GetRole", vec![("RoleName", "Pipeline")], "role Pipeline"),
        ("GetPolicy", vec![("PolicyArn", "arn:aws:iam::aws:policy/A")], "policy arn:aws:iam::aws:policy/A"),
        ("GetAccountAuthorizationDetails", vec![], "*"),
    ] {
        let reply = iam(&denied, action, &more).await;
        assert_eq!(reply.error(), (403, "AccessDenied".to_owned()), "{action}");
        let expected =
            format!("User: {who} is not authorized to perform: iam:{action} on resource: {resource} ");
        assert!(reply.element("Message").starts_with(&expected), "{}", reply.text());
    }
    assert_eq!(iam(&denied, "ListRoles", &[]).await.status, 200);
    assert_eq!(iam(&other, "GetAccountAuthorizationDetails", &[]).await.status, 200);
}

#[tokio::test]
async fn what_does_not_exist_is_no_such_entity() {
    let server = example().await;
    let client = Client::new(&server);
    let arn = "arn:aws:iam::111111111111:policy/team/shop/DeployShop";
    for (action, more) in [
        ("GetUser", vec![("UserName", "ghost")]),
        ("ListAccessKeys", vec![("UserName", "ghost")]),
        ("GetGroup", vec![("GroupName", "ghost")]),
        ("GetRole", vec![("RoleName", "ghost")]),
        ("GetRolePolicy", vec![("RoleName", "Deployer"), ("PolicyName", "ghost")]),
        ("GetPolicy", vec![("PolicyArn", "arn:aws:iam::444444444444:policy/ReadLogs")]),
        ("GetPolicyVersion", vec![("PolicyArn", arn), ("VersionId", "v4")]),
        ("GetAccessKeyLastUsed", vec![("AccessKeyId", "AKIAGHOSTGHOSTGHOSTG")]),
    ] {
        let reply = iam(&client, action, &more).await;
        assert_eq!(reply.error(), (404, "NoSuchEntity".to_owned()), "{action}");
    }
    for (action, more) in [
        ("GetRole", vec![]),
        ("ListUsers", vec![("MaxItems", "1001")]),
        ("ListPolicies", vec![("Scope", "Mine")]),
        ("GetAccountAuthorizationDetails", vec![("Filter.member.1", "Everything")]),
    ] {
        let reply = iam(&client, action, &more).await;
        assert_eq!(reply.error(), (400, "ValidationError".to_owned()), "{action}");
    }
}

#[tokio::test]
async fn each_account_has_its_own_iam_and_the_policies_of_aws_are_shared() {
    let server = example().await;
    let shop = member(&server, "444444444444").await;
    assert_eq!(iam(&shop, "ListUsers", &[]).await.element("UserName"), "shop-bot");
    let empty = member(&server, "555555555555").await;
    assert!(!iam(&empty, "ListUsers", &[]).await.text().contains("member"));
    for client in [Client::new(&server), shop, empty] {
        let arn = "arn:aws:iam::aws:policy/job-function/Billing";
        let policy = iam(&client, "GetPolicy", &[("PolicyArn", arn)]).await;
        assert_eq!(
            (policy.element("PolicyName"), policy.element("Path")),
            ("Billing".into(), "/job-function/".into())
        );
    }
}

#[tokio::test]
async fn a_role_that_nobody_can_assume_is_refused() {
    let server = example().await;
    let role = "arn:aws:iam::666666666666:role/OrganizationAccountAccessRole";
    let refused = Client::new(&server).assume_role(role, &[]).await;
    assert_eq!(refused.error(), (403, "AccessDenied".to_owned()));
}

#[tokio::test]
async fn listings_leave_out_what_those_of_aws_leave_out() {
    let server = example().await;
    let client = sdk(&server);
    let users = client.list_users().send().await.unwrap();
    let names: Vec<&str> = users.users().iter().map(aws_sdk_iam::types::User::user_name).collect();
    assert_eq!(names, ["alice@example.com", "ci-robot", "idle", "o,brien+x=1"]);
    assert!(users.users().iter().all(|user| user.tags().is_empty()));
    assert_eq!(users.users().iter().filter(|user| user.password_last_used().is_some()).count(), 2);
    let alice = client.get_user().user_name("alice@example.com").send().await.unwrap();
    assert_eq!(alice.user().unwrap().tags().len(), 2);
    assert_eq!(alice.user().unwrap().arn(), "arn:aws:iam::111111111111:user/people/alice@example.com");
    assert_eq!(alice.user().unwrap().create_date().secs(), 1_699_794_855);

    let roles = client.list_roles().send().await.unwrap();
    let deployer = roles.roles().iter().find(|role| role.role_name() == "Deployer").unwrap();
    assert_eq!(deployer.max_session_duration(), Some(14_400));
    assert_eq!(deployer.description(), Some("Deploys the shop"));
    assert!(deployer.tags().is_empty() && deployer.role_last_used().is_none());
    let whole = client.get_role().role_name("Deployer").send().await.unwrap().role.unwrap();
    assert_eq!((whole.tags().len(), whole.role_last_used().unwrap().region()), (2, Some("us-east-1")));
    assert_eq!(decoded(whole.assume_role_policy_document().unwrap()).matches("role/Runner").count(), 2);

    let policies = client.list_policies().scope(PolicyScopeType::Local).send().await.unwrap();
    assert!(policies.policies().iter().all(|policy| policy.description().is_none()));
    let counts: Vec<_> = policies
        .policies()
        .iter()
        .map(|one| (one.policy_name().unwrap(), one.attachment_count().unwrap()))
        .collect();
    assert_eq!(counts, [("ReadLogs", 1), ("Unattached", 0), ("DeployShop", 3)]);
    let attached =
        client.list_policies().scope(PolicyScopeType::Local).only_attached(true).send().await.unwrap();
    assert_eq!(attached.policies().len(), 2);
    let of_aws = client.list_policies().scope(PolicyScopeType::Aws).send().await.unwrap();
    assert!(of_aws.policies().iter().all(|one| one.arn().unwrap().starts_with("arn:aws:iam::aws:policy/")));
}

#[tokio::test]
async fn documents_are_percent_encoded() {
    let server = example().await;
    let client = sdk(&server);
    let arn = "arn:aws:iam::111111111111:policy/team/shop/DeployShop";
    let policy = client.get_policy().policy_arn(arn).send().await.unwrap().policy.unwrap();
    assert_eq!(policy.default_version_id(), Some("v3"));
    let version = client.get_policy_version().policy_arn(arn).version_id("v3").send().await.unwrap();
    let document = version.policy_version().unwrap().document().unwrap().to_owned();
    assert!(document.contains("%20") && document.contains("a%2Bb%26c%3D%3Cd%3E"), "{document}");
    assert!(decoded(&document).contains("shop bücket/100%/日本/a+b&c=<d>/*"), "{document}");
    assert_eq!(server.publish_policy(arn, "{}").as_deref(), Some("v4"));
    let policy = client.get_policy().policy_arn(arn).send().await.unwrap().policy.unwrap();
    assert_eq!(policy.default_version_id(), Some("v4"));
    assert_eq!(server.publish_policy("arn:aws:iam::aws:policy/Missing", "{}"), None);
}

#[tokio::test]
async fn the_details_hold_all_but_what_the_lists_are_for() {
    let server = example().await;
    let client = sdk(&server);
    let all = client.get_account_authorization_details().send().await.unwrap();
    let counts = (all.user_detail_list().len(), all.group_detail_list().len(), all.role_detail_list().len());
    assert_eq!(counts, (4, 2, 7));
    let brien = all.user_detail_list().iter().find(|user| user.user_name() == Some("o,brien+x=1")).unwrap();
    assert_eq!(brien.group_list(), ["Admins", "Auditors"]);
    assert_eq!((brien.user_policy_list().len(), brien.attached_managed_policies().len()), (2, 2));
    let deployer = all.role_detail_list().iter().find(|role| role.role_name() == Some("Deployer")).unwrap();
    assert_eq!((deployer.tags().len(), deployer.role_policy_list().len()), (2, 1));
    assert!(deployer.role_last_used().unwrap().last_used_date().is_some());
    let shop = all.policies().iter().find(|policy| policy.policy_name() == Some("DeployShop")).unwrap();
    assert_eq!(shop.policy_version_list().len(), 3);
    assert!(
        shop.policy_version_list()[0].is_default_version()
            && shop.policy_version_list()[0].document().is_some()
    );
    assert!(
        all.policies().iter().any(|policy| policy.arn() == Some("arn:aws:iam::aws:policy/SecurityAudit"))
    );
    let wire = iam(&Client::new(&server), "GetAccountAuthorizationDetails", &[]).await.text();
    for absent in ["PasswordLastUsed", "MaxSessionDuration", "<Description>"] {
        assert!(!wire.contains(absent), "{absent}");
    }

    let own = client
        .get_account_authorization_details()
        .filter(EntityType::LocalManagedPolicy)
        .filter(EntityType::Role)
        .send()
        .await
        .unwrap();
    assert_eq!((own.user_detail_list().len(), own.role_detail_list().len(), own.policies().len()), (0, 7, 3));
}

#[tokio::test]
async fn pages_count_entities_of_all_kinds_and_may_be_empty() {
    let server = example().await;
    server.set(|knobs| knobs.empty_pages = true);
    let client = sdk(&server);
    let (mut marker, mut sizes) = (None, Vec::new());
    loop {
        let page =
            client.get_account_authorization_details().max_items(5).set_marker(marker).send().await.unwrap();
        sizes.push(
            page.user_detail_list().len()
                + page.group_detail_list().len()
                + page.role_detail_list().len()
                + page.policies().len(),
        );
        marker = page.marker().map(str::to_owned);
        assert_eq!(marker.is_some(), page.is_truncated());
        if marker.is_none() {
            break;
        }
    }
    // 4 users, 2 groups, 7 roles, 3 policies of the account, and those of AWS that are attached there.
    assert_eq!(sizes.iter().sum::<usize>(), 4 + 2 + 7 + 3 + 6);
    assert_eq!((sizes[0], sizes[1]), (0, 5));

    server.set(|knobs| {
        knobs.empty_pages = false;
        knobs.page_size = Some(1);
    });
    let page = client.get_group().group_name("Admins").send().await.unwrap();
    assert_eq!((page.users().len(), page.is_truncated()), (1, true));
    let page = client.get_group().group_name("Admins").marker(page.marker().unwrap()).send().await.unwrap();
    assert_eq!((page.users()[0].user_name(), page.is_truncated()), ("o,brien+x=1", false));
    assert!(page.users()[0].password_last_used().is_none());
}

#[tokio::test]
async fn one_entity_can_be_read_piece_by_piece() {
    let server = example().await;
    let client = sdk(&server);
    let name = "o,brien+x=1";
    let attached = client.list_attached_user_policies().user_name(name).send().await.unwrap();
    let arns: Vec<_> =
        attached.attached_policies().iter().map(|policy| policy.policy_arn().unwrap()).collect();
    assert_eq!(
        arns,
        ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::111111111111:policy/team/shop/DeployShop"]
    );
    let inline = client.list_user_policies().user_name(name).send().await.unwrap();
    assert_eq!(inline.policy_names(), ["Own.Inline-1", "Own.Inline-2"]);
    let policy = client.get_user_policy().user_name(name).policy_name("Own.Inline-2").send().await.unwrap();
    assert!(policy.policy_document().contains("a%2Bb%20c"));
    let groups = client.list_groups_for_user().user_name(name).send().await.unwrap();
    assert_eq!(groups.groups().len(), 2);
    let group =
        client.get_group_policy().group_name("Auditors").policy_name("own+rules").send().await.unwrap();
    assert_eq!(group.group_name(), "Auditors");
    let tags = client.list_role_tags().role_name("Deployer").send().await.unwrap();
    assert_eq!((tags.tags()[0].key(), tags.tags()[0].value()), ("email", "shop@example.com"));
    assert_eq!(client.list_user_tags().user_name("idle").send().await.unwrap().tags().len(), 0);

    let keys = client.list_access_keys().user_name("alice@example.com").send().await.unwrap();
    assert_eq!(keys.access_key_metadata().len(), 2);
    let used = client.get_access_key_last_used().access_key_id("AKIAEXAMPLEALICE0001").send().await.unwrap();
    assert_eq!(used.user_name(), Some("alice@example.com"));
    assert_eq!(used.access_key_last_used().unwrap().last_used_date().unwrap().secs(), 1_741_064_767);
    let keys = client.list_access_keys().user_name("ci-robot").send().await.unwrap();
    let id = keys.access_key_metadata()[0].access_key_id().unwrap();
    let used = client.get_access_key_last_used().access_key_id(id).send().await.unwrap();
    assert_eq!(used.access_key_last_used().unwrap().last_used_date(), None);
    assert_eq!(used.access_key_last_used().unwrap().service_name(), "N/A");
}

#[tokio::test]
async fn a_key_is_put_out_of_use_and_its_account_is_known_when_it_is_gone() {
    let server = example().await;
    let client = Client::new(&server);
    let id = "AKIAEXAMPLEALICE0001";
    let key = [("UserName", "alice@example.com"), ("AccessKeyId", id)];
    let account = async |id| {
        let form = [("Action", "GetAccessKeyInfo"), ("Version", "2011-06-15"), ("AccessKeyId", id)];
        client.form("sts", &form).await
    };
    assert_eq!(account(id).await.element("Account"), "111111111111");
    let of_shop = server.access_keys("444444444444", "shop-bot").swap_remove(0).0;
    assert_eq!(account(&of_shop).await.element("Account"), "444444444444");
    for unknown in ["AKIA", "AKIANOBODYSKEY000000"] {
        assert_eq!(account(unknown).await.error(), (400, "ValidationError".to_owned()));
    }

    for (status, active) in [("Inactive", false), ("Inactive", false), ("Active", true)] {
        let form = [key[0], key[1], ("Status", status)];
        assert_eq!(iam(&client, "UpdateAccessKey", &form).await.status, 200);
        assert_eq!(server.active_keys("111111111111", "alice@example.com").contains(&id.to_owned()), active);
    }
    let odd = iam(&client, "UpdateAccessKey", &[key[0], key[1], ("Status", "Asleep")]).await;
    assert_eq!(odd.error(), (400, "ValidationError".to_owned()));
    let other = [("UserName", "idle"), key[1], ("Status", "Inactive")];
    assert_eq!(iam(&client, "UpdateAccessKey", &other).await.error(), (404, "NoSuchEntity".to_owned()));

    assert_eq!(iam(&client, "DeleteAccessKey", &key).await.status, 200);
    assert_eq!(account(id).await.element("Account"), "111111111111");
    let used = iam(&client, "GetAccessKeyLastUsed", &[key[1]]).await;
    assert_eq!(used.error(), (404, "NoSuchEntity".to_owned()));
}

#[tokio::test]
async fn a_credential_report_is_asked_for_made_and_grows_old() {
    let server = example().await;
    let client = sdk(&server);
    let error = client.get_credential_report().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ReportNotPresent"));
    server.set(|knobs| knobs.report_generation = Duration::from_millis(50));
    let started = client.generate_credential_report().send().await.unwrap();
    assert_eq!(started.state().unwrap().as_str(), "STARTED");
    let error = client.get_credential_report().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ReportInProgress"));
    while client.generate_credential_report().send().await.unwrap().state().unwrap().as_str() != "COMPLETE" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let report = client.get_credential_report().send().await.unwrap();
    let text = String::from_utf8(report.content().unwrap().as_ref().to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 1 + 4);
    assert!(lines[0].starts_with("user,arn,") && lines[1].starts_with("<root_account>,"));
    let columns = lines[0].split(',').count();
    assert!(lines[1..5].iter().all(|line| line.split(',').count() == columns), "{text}");
    assert!(lines[2].contains(",true,2024-05-06T07:08:09+00:00,"), "{}", lines[2]);
    assert!(lines[2].contains(",true,2024-01-01T00:00:00+00:00,2025-03-04T05:06:07+00:00,us-east-1,s3,"));
    assert!(lines[5].starts_with("\"o,brien+x=1\","), "{}", lines[5]);

    // Another account has its own, and reports can be there from the start.
    let shop = member(&server, "444444444444").await;
    assert_eq!(iam(&shop, "GetCredentialReport", &[]).await.error(), (410, "ReportNotPresent".to_owned()));
    server.set(|knobs| knobs.report_age = Some(Duration::from_hours(1)));
    assert_eq!(iam(&shop, "GetCredentialReport", &[]).await.status, 200);
    server.set(|knobs| knobs.report_age = Some(Duration::from_hours(5)));
    assert_eq!(iam(&shop, "GetCredentialReport", &[]).await.error(), (410, "ReportExpired".to_owned()));
}

#[tokio::test]
async fn throttling_is_in_the_shape_of_iam() {
    let server = example().await;
    server.arm(Fault::once("iam:ListRoles", Effect::Throttle));
    let reply = iam(&Client::new(&server), "ListRoles", &[]).await;
    assert_eq!(reply.error(), (400, "Throttling".to_owned()));
    assert_eq!((reply.element("Message"), reply.element("Type")), ("Rate exceeded".into(), "Sender".into()));
    assert_eq!(server.counters().throttled("iam:ListRoles"), 1);
}

#[tokio::test]
async fn one_throttled_account_leaves_the_others_alone() {
    let server = example().await;
    server.set(|knobs| knobs.account_quotas = true);
    let (shop, audit) = (member(&server, "444444444444").await, member(&server, "222222222222").await);
    let role = [("RoleName", "OrganizationAccountAccessRole")];
    while iam(&shop, "GetRole", &role).await.status == 200 {}
    let refused = iam(&shop, "GetRole", &role).await;
    assert_eq!(refused.error(), (400, "Throttling".to_owned()));
    assert_eq!(iam(&shop, "ListRolePolicies", &role).await.status, 200);
    assert_eq!(iam(&audit, "GetRole", &role).await.status, 200);
    let counters = server.counters();
    assert!(counters.of_account("444444444444").throttled("iam:GetRole") >= 2);
    assert_eq!(counters.of_account("222222222222").throttled("*"), 0);
    assert_eq!(counters.of_principal("arn:aws:sts::222222222222:assumed-role/*").calls("*"), 1);
    assert_eq!(counters.by_account()["111111111111"], 2);
}

#[tokio::test]
async fn a_generated_account_holds_what_its_shape_says() {
    let server = Server::start(
        Fixture::generate(Shape { aws_managed_policies: 250, ..Shape::MEDIUM_MEMBERS }).unwrap(),
    )
    .await
    .unwrap();
    let client = sdk(&server);
    let details = client.get_account_authorization_details().max_items(1000).send().await.unwrap();
    let users = details.user_detail_list();
    assert_eq!(
        (users.len(), details.group_detail_list().len(), details.role_detail_list().len()),
        (100, 30, 150)
    );
    assert_eq!(users.iter().filter(|user| !user.user_policy_list().is_empty()).count(), 15);
    let (mut keys, mut names) = (0, BTreeSet::new());
    for user in users {
        let listed = client.list_access_keys().user_name(user.user_name().unwrap()).send().await.unwrap();
        keys += listed.access_key_metadata().len();
    }
    assert_eq!(keys, 50);
    let mut marker = None;
    loop {
        let page = client.list_policies().set_marker(marker).send().await.unwrap();
        names.extend(page.policies().iter().map(|policy| policy.arn().unwrap().to_owned()));
        marker = page.marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(names.len(), 40 + 250);
    let shop = server.account_id("account-00001").unwrap();
    drop(server);

    let server = start(Fixture::generate(Shape::MEDIUM_MEMBERS).unwrap()).await;
    let roles = iam(&member(&server, &shop).await, "ListRoles", &[]).await.text();
    assert_eq!(roles.matches("<RoleName>").count(), 10);
}
