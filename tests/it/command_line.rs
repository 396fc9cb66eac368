//! The binary as an operator meets it: arguments, exit codes, streams, files, signals.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use batond::baton::id::{Directory, entitlement_id};
use prost::Message as _;
use serde_json::Value;
use testbed::aws::{Effect, Fault, Fixture, IamRole, Server};

use crate::dump::{Dump, alter};

const CANARY: &str = "canary-0123456789012345678901234567";

/// The binary with nothing of this environment, in a directory of its own.
fn batond(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_batond"));
    command.args(arguments).env_clear().current_dir(directory).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    batond(directory.path(), arguments).envs(variables.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An AWS to sync from, and a directory to sync into.
struct Organization {
    server: Server,
    directory: tempfile::TempDir,
}

impl Organization {
    async fn example() -> Self {
        let server = Server::start(Fixture::example().unwrap()).await.unwrap();
        Self { server, directory: tempfile::tempdir().unwrap() }
    }

    fn batond(&self, arguments: &[&str]) -> Command {
        let keys = self.server.credentials();
        let mut command = batond(self.directory.path(), arguments);
        command
            .env("AWS_ENDPOINT_URL", self.server.url())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", keys.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
            .env("BATON_EXTERNAL_ID", "CANARY-SECRET-0b5c7d-external-id-of-the-customer")
            .env("BATON_ROLE_ARN", self.server.connector_role_arn().unwrap())
            .env("BATON_AWS_QUOTAS", "off")
            .env("BATON_GLOBAL_AWS_ORGS_ENABLED", "true")
            .env("BATON_GLOBAL_AWS_SSO_ENABLED", "true");
        command
    }

    /// Runs to the end without holding up the server, which lives in this process.
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.batond(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// What is in the directory.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

fn log(output: &Output) -> Vec<Value> {
    text(&output.stderr)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

#[test]
fn version_and_help_need_no_settings() {
    let version = run(&["--version"], &[]);
    assert_eq!((version.status.code(), text(&version.stdout).starts_with("batond ")), (Some(0), true));
    let help = run(&["--help"], &[("BATON_CLIENT_ID", CANARY)]);
    assert_eq!((help.status.code(), help.stderr.len()), (Some(0), 0));
    assert!(text(&help.stdout).contains("($BATON_CLIENT_ID)"));
}

#[test]
fn config_and_capabilities_print_json_without_settings() {
    for (command, key) in [("config", "fields"), ("capabilities", "resourceTypeCapabilities")] {
        let output = run(&[command], &[("BATON_ROLE_ARN", "not an ARN")]);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(output.status.success() && value[key].is_array() && !output.stdout.ends_with(b"\n"));
    }
}

#[test]
fn wrong_arguments_and_settings_end_with_2_and_settings_not_built_with_12() {
    let on = [("BATON_GLOBAL_AWS_ORGS_ENABLED", "true"), ("BATON_GLOBAL_AWS_SSO_ENABLED", "true")];
    let with = |name, value| [on[0], on[1], (name, value)];
    for (arguments, variables, code, told) in [
        (&["--no-such-flag"][..], &on[..], 2, "--no-such-flag"),
        (&["--workers=x"], &on, 2, "BATON_WORKERS (--workers): must be"),
        (&[], &with("BATON_TASK_CONCURRENCY", "0"), 2, "BATON_TASK_CONCURRENCY: must be 1 to 100 tasks"),
        (&[], &with("BATON_CONFIG_PATH", "x.json"), 2, "BATON_CONFIG_PATH: must end in .yaml or .yml"),
        (&["policy", "--storage-engine=pebble"], &on, 12, "storage-engine pebble is no part of batond"),
        (&["doctor", "--workers=x"], &on, 2, "BATON_WORKERS (--workers): must be"),
        (&["--create-ticket"], &on, 12, "create-ticket is no part of batond"),
        (&["--sync-resources=x"], &on, 2, "(--sync-resources): \"x\" is no id of a resource"),
        (&["--skip-grants"], &on, 2, "only be used together with sync-resources"),
        (&["--external-resource-c1z=/no/such.c1z"], &on, 2, "must be an existing file"),
        (&["--external-resource-traits=app"], &on, 2, "dependent on ('external-resource-c1z') being set"),
        (
            &["--external-resource-c1z=/dev/null", "--external-resource-traits=people"],
            &on,
            2,
            "must be of user, group,",
        ),
        (&["--rotate-credentials=r"], &on, 2, "a rotation needs rotate-credentials-type too"),
        (
            &["--rotate-credentials=r", "--rotate-credentials-type=iam_user"],
            &on,
            2,
            "nobody could read the new credential",
        ),
        (&["--invoke-action=a", "--invoke-action-args=CANARY"], &on, 2, "must be a JSON object"),
        (&["--delete-resource=r"], &on, 2, "a deletion needs delete-resource-type too"),
        (&["--create-account-email=a@b"], &on, 2, "needs create-account-login or create-account-profile too"),
        (&["--create-account-profile=[]"], &on, 2, "must be a JSON object whose values are texts"),
        (&[], &with("BATON_LOG_PATH", "/no/such/directory/x"), 2, "BATON_LOG_PATH: cannot open"),
    ] {
        let output = run(arguments, variables);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {variables:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_secret_never_reaches_a_stream() {
    for variables in [
        [("BATON_CLIENT_ID", "n@h/x"), ("BATON_CLIENT_SECRET", CANARY)],
        [("BATON_EXTERNAL_ID", CANARY), ("BATON_WORKERS", "x")],
        [("BATON_GLOBAL_SECRET_ACCESS_KEY", CANARY), ("BATON_SCIM_TOKEN", CANARY)],
    ] {
        let output = run(&["--client-secrt=canary-on-the-line"], &variables);
        let more = run(&[], &variables);
        for bytes in [output.stdout, output.stderr, more.stdout, more.stderr] {
            assert!(!text(&bytes).contains("canary"), "{}", text(&bytes));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_shot_sync_leaves_the_file_and_json_lines() {
    let organization = Organization::example().await;
    let output = organization.run(&[]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
    assert_eq!(organization.left(), ["sync.c1z"]);
    let lines = log(&output);
    let done = lines.iter().find(|line| line["msg"] == "sync complete").unwrap();
    assert!(done["grants"].as_u64().unwrap() > 0 && done["incomplete"] == 0, "{done}");
    for line in &lines {
        assert!(["level", "ts", "caller", "msg"].iter().all(|key| !line[key].is_null()), "{line}");
    }
    assert!(!text(&output.stderr).contains(testbed::CANARY));
}

#[tokio::test]
async fn a_region_other_than_the_primary_one_is_said_at_start() {
    let organization = Organization::example().await;
    organization.server.change_instance(|instance| instance.primary_region = Some("eu-central-1".into()));
    let output = organization.run(&[]).await;
    assert_eq!(output.status.code(), Some(0));
    let lines = log(&output);
    let warned = |line: &&Value| {
        let message = line["msg"].as_str().unwrap_or_default();
        line["level"] == "warn"
            && message.starts_with("BATON_GLOBAL_AWS_SSO_REGION is not the primary region")
    };
    let warning = lines.iter().find(warned).unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!(
        (&warning["primary_region"], &warning["region"]),
        (&"eu-central-1".into(), &"us-east-1".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_that_are_named_are_all_that_is_synced() {
    let organization = Organization::example().await;
    let named = "--sync-resources=bid:r:account/444444444444,bid:r:organizational_unit/ou-gone";
    let output = organization.run(&[named, "--skip-grants"]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = Dump::read(&organization.directory.path().join("sync.c1z"));
    let accounts = rows.of_type("account");
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    assert!(!rows.entitlements.is_empty() && rows.grants.is_empty());
    let listed = "organizational_unit ou-gone";
    assert!(log(&output).iter().any(|line| line["scope"] == listed), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_sync_names_the_permission_and_leaves_no_file() {
    let organization = Organization::example().await;
    assert!(organization.server.deny("BatonConnector", &["identitystore:ListUsers"]));
    let output = organization.run(&[]).await;
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("identitystore:ListUsers"), "{}", text(&output.stderr));
    assert_eq!(organization.left(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_sync_without_a_partial_file() {
    let organization = Organization::example().await;
    organization.server.arm(Fault::new("identitystore:ListUsers", Effect::Delay(Duration::from_mins(1))));
    // What this test was started to ignore (nohup: hangups; a shell's `&`: interrupts), batond ignores, too.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(mask.trim(), 16).unwrap();
    let signals = [("-INT", 2), ("-TERM", 15), ("-QUIT", 3), ("-HUP", 1)];
    let heard = signals.into_iter().filter(|(_, number)| ignored >> (number - 1) & 1 == 0);
    for (signal, _) in heard {
        organization.server.reset_counters();
        let mut child = organization.batond(&[]);
        child.env("BATON_C1Z_TEMP_DIR", organization.directory.path()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while organization.server.counters().calls("identitystore:ListGroups") == 0 {
            assert!(Instant::now() < deadline, "the sync never began to read");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert_eq!(status.code(), Some(1));
        assert_eq!(organization.left(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_no_plain_file_is_refused_before_the_first_call_and_a_link_is_followed() {
    let organization = Organization::example().await;
    let path = |name: &str| organization.directory.path().join(name);
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/null", path("device")).unwrap();
    for target in ["pipe", "device"] {
        let output = organization.run(&["--file", target]).await;
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        let log = text(&output.stderr);
        assert!(log.contains("not a file") && log.contains("BATON_FILE"), "{log}");
    }
    assert_eq!(organization.server.counters().calls("sts:GetCallerIdentity"), 0);
    assert!(!std::fs::symlink_metadata(path("pipe")).unwrap().is_file());

    std::os::unix::fs::symlink("real.c1z", path("link")).unwrap();
    let output = organization.run(&["--file", "link"]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(std::fs::symlink_metadata(path("link")).unwrap().is_symlink());
    assert!(std::fs::metadata(path("real.c1z")).unwrap().len() > 1000);
    let changed = organization
        .run(&[
            "--file",
            "link",
            "--grant-entitlement",
            "no:such",
            "--grant-principal",
            "p",
            "--grant-principal-type",
            "sso_user",
        ])
        .await;
    assert_eq!(changed.status.code(), Some(5), "the link is read, too: {}", text(&changed.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_is_not_in_the_file_is_not_found() {
    let organization = Organization::example().await;
    assert!(organization.run(&[]).await.status.success());
    let calls = organization.server.counters().calls("identitystore:CreateGroupMembership");
    for arguments in [
        &["--revoke-grant", "nobody"][..],
        &["--grant-entitlement", "none", "--grant-principal", "x", "--grant-principal-type", "sso_user"],
    ] {
        let output = organization.run(arguments).await;
        assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("is not in the file"), "{}", text(&output.stderr));
    }
    assert_eq!(organization.server.counters().calls("identitystore:CreateGroupMembership"), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_feed_is_printed_one_event_a_line_and_an_unknown_feed_is_not_found() {
    let organization = Organization::example().await;
    let bob = organization.server.user_id("bob").unwrap();
    let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let ids = [
        organization.server.authenticate(&bob, hour_ago),
        organization.server.sign_in(&bob, "444444444444", "Developer", hour_ago),
    ];
    let feed = ["--event-feed", "--event-feed-id", "aws_last_login_event_feed"];
    let off = organization.run(&feed).await;
    assert_eq!(off.status.code(), Some(5), "{}", text(&off.stderr));
    assert!(text(&off.stderr).contains("BATON_SYNC_SSO_USER_LAST_LOGIN=true"), "{}", text(&off.stderr));
    let on = organization.run(&[&feed[..], &["--sync-sso-user-last-login"]].concat()).await;
    assert!(on.status.success(), "{}", text(&on.stderr));
    let events: Vec<Value> =
        text(&on.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(ids.iter().all(|id| events.iter().any(|event| event["id"] == **id)), "{events:?}");
    assert!(events.iter().all(|event| event["usageEvent"]["targetResource"]["id"].is_object()), "{events:?}");
    assert_eq!(organization.left(), Vec::<String>::new(), "no file is written");
    organization.server.deny("BatonConnector", &["cloudtrail:LookupEvents"]);
    let denied = organization.run(&[&feed[..], &["--sync-sso-user-last-login"]].concat()).await;
    assert_eq!((denied.status.code(), denied.stdout.len()), (Some(7), 0));
    assert!(text(&denied.stderr).contains("cloudtrail:LookupEvents"), "{}", text(&denied.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_listed_and_carried_out_for_the_recipient_alone() {
    const TOKEN: &str = "CANARY-SECRET-web-identity-token";
    let mut fixture = Fixture::example().unwrap();
    fixture.principals.roles.push(IamRole {
        name: "Deployer".into(),
        web_identity_tokens: vec![TOKEN.into()],
        ..IamRole::default()
    });
    let server = Server::start(fixture).await.unwrap();
    let organization = Organization { server, directory: tempfile::tempdir().unwrap() };
    let name = "assume_role_with_web_identity";
    let listed = organization.run(&["--list-action-schemas"]).await;
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let schemas: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(schemas["schemas"][0]["name"], name);

    let identity = age::x25519::Identity::generate();
    let arguments = serde_json::json!({
        "role_arn": "arn:aws:iam::111111111111:role/Deployer",
        "web_identity_token": TOKEN,
        "age_recipient": identity.to_public().to_string(),
        "session_name": "ci",
        "duration_seconds": 900,
    });
    let arguments = ["--invoke-action", name, "--invoke-action-args", &arguments.to_string()];
    let done = organization.run(&arguments).await;
    assert!(done.status.success(), "{}", text(&done.stderr));
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(answer["status"], "BATON_ACTION_STATUS_COMPLETE");
    assert!(answer["response"]["encrypted_credentials"].as_str().is_some_and(|text| text.len() > 100));
    for output in [&done.stdout, &done.stderr] {
        assert!(!text(output).contains(TOKEN) && !text(output).contains("ASIA"), "{}", text(output));
    }
    let wrong = organization.run(&["--invoke-action", name]).await;
    assert_eq!(wrong.status.code(), Some(3), "{}", text(&wrong.stderr));
    for unknown in
        [&["--invoke-action", "none"][..], &[&arguments[..], &["--invoke-action-resource-type=x"]].concat()]
    {
        let unknown = organization.run(unknown).await;
        assert_eq!((unknown.status.code(), unknown.stdout.len()), (Some(5), 0), "{}", text(&unknown.stderr));
    }
    assert_eq!(organization.left(), Vec::<String>::new(), "no file is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_result_of_an_action_is_printed_when_that_is_asked_for_and_not_made_otherwise() {
    let organization = Organization::example().await;
    let run = |more: &[&str]| {
        let list = "--vend-federated-users=*:federated-user/ci";
        let action =
            ["--invoke-action", "issue_federation_token", "--invoke-action-args", r#"{"name": "ci"}"#, list];
        let mut command = organization.batond(&[&action[..], more].concat());
        command.env_remove("BATON_ROLE_ARN").env_remove("BATON_EXTERNAL_ID");
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let refused = run(&[]).await.unwrap();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(9), 0), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("--print-credentials"), "{}", text(&refused.stderr));
    assert_eq!(organization.server.counters().calls("sts:GetFederationToken"), 0);

    let done = run(&["--print-credentials"]).await.unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(answer["encryptedData"], Value::Null);
    let credentials = answer["response"]["credentials"].as_str().unwrap();
    let credentials: Value = serde_json::from_str(credentials).unwrap();
    let secret = credentials["secret_access_key"].as_str().unwrap();
    assert!(secret.len() > 10 && !text(&done.stderr).contains(secret), "{}", text(&done.stderr));
    let arn = "arn:aws:sts::111111111111:federated-user/ci";
    assert_eq!(answer["response"]["federated_user"]["arn"], arn);

    let alone = organization.run(&["--print-credentials"]).await;
    assert_eq!(alone.status.code(), Some(2), "{}", text(&alone.stderr));
    assert!(text(&alone.stderr).contains("invoke-action"), "{}", text(&alone.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_from_the_file_changes_aws_once_and_a_revoke_undoes_it() {
    let organization = Organization::example().await;
    assert!(organization.run(&[]).await.status.success());
    let server = &organization.server;
    let directory = Directory { region: "us-east-1".to_owned(), store: server.identity_store_id() };
    let (group_id, user_id) = (server.group_id("Empty group").unwrap(), server.user_id("bob").unwrap());
    let entitlement = entitlement_id("sso_group", &directory.group(&group_id), "member");
    let user = directory.user(&user_id);
    let membership =
        || server.memberships().into_iter().find(|member| member.group == group_id && member.user == user_id);
    let grant = [
        "--grant-entitlement",
        &entitlement,
        "--grant-principal",
        &user,
        "--grant-principal-type",
        "sso_user",
    ];
    let rehearsed = organization.run(&[&grant[..], &["--dry-run"]].concat()).await;
    assert!(rehearsed.status.success(), "{}", text(&rehearsed.stderr));
    let told: Value = serde_json::from_slice(&rehearsed.stdout).unwrap();
    assert_eq!((&told["dryRun"], told["writes"].as_array().unwrap().len()), (&true.into(), 1));
    assert_eq!(told["writes"][0]["operation"], "identitystore:CreateGroupMembership");
    assert_eq!(told["writes"][0]["principal_id"], user);
    assert_eq!(membership(), None);
    assert!(!text(&rehearsed.stderr).contains("audit"), "{}", text(&rehearsed.stderr));
    for already in [false, true] {
        let output = organization.run(&grant).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["grants"][0]["principal"]["id"]["resource"], user);
        assert_eq!(answer["annotations"].to_string().contains("GrantAlreadyExists"), already, "{answer}");
        let line = log(&output).into_iter().find(|line| line["msg"] == "granted").unwrap();
        assert_eq!(line["already"], already, "{line}");
    }
    let granted = membership().unwrap();
    assert!(organization.run(&[]).await.status.success());
    let output = organization.run(&["--revoke-grant", &granted.id]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(log(&output).iter().any(|line| line["logger"] == "audit"), "{}", text(&output.stderr));
    assert_eq!(membership(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_file_that_embeds_something_else_is_refused_and_nothing_is_changed() {
    let organization = Organization::example().await;
    assert!(organization.run(&[]).await.status.success());
    let file = organization.directory.path().join("sync.c1z");
    let (whole, rows) = (std::fs::read(&file).unwrap(), Dump::read(&file));
    let policy = |name: &str| format!("iam_policy:arn:aws:iam::aws:policy/{name}:attached");
    let (asked, other) = (policy("ReadOnlyAccess"), policy("AdministratorAccess"));
    let user = |name: &str| format!("arn:aws:iam::111111111111:user/{name}");
    let (idle, holder) = (user("idle"), user("o,brien+x=1"));
    let (held, of_another) = (
        format!("{asked}:iam_user:{holder}"),
        format!(
            "group:arn:aws:iam::111111111111:group/Admins:member:iam_user:{}",
            user("people/alice@example.com")
        ),
    );
    let grant =
        ["--grant-entitlement", &asked, "--grant-principal", &idle, "--grant-principal-type", "iam_user"];
    let revoke = ["--revoke-grant", held.as_str()];
    let (grant, revoke) = (grant.as_slice(), revoke.as_slice());
    let mut inner = rows.entitlements[&asked].clone();
    inner.resource.clone_from(&rows.entitlements[&other].resource);
    let another = rows.entitlements[&other].encode_to_vec();
    let holders = rows.resources[&format!("iam_user:{holder}")].encode_to_vec();
    let cases = [
        (grant, "v1_entitlements", asked.clone(), another.clone()),
        (grant, "v1_entitlements", asked.clone(), inner.encode_to_vec()),
        (grant, "v1_resources", format!("iam_user:{idle}"), holders),
        (revoke, "v1_entitlements", asked.clone(), another),
        (revoke, "v1_grants", held.clone(), rows.grants[&of_another].encode_to_vec()),
    ];
    for (number, (arguments, table, id, row)) in cases.iter().enumerate() {
        std::fs::write(&file, &whole).unwrap();
        alter(&file, |db| {
            let change = format!("update {table} set data = ? where external_id = ?");
            assert_eq!(db.execute(&change, rusqlite::params![row, id]).unwrap(), 1, "{number}");
        });
        organization.server.reset_counters();
        let output = organization.run(arguments).await;
        assert_eq!(output.status.code(), Some(9), "{number}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("something else"), "{number}: {}", text(&output.stderr));
        let writes = ["iam:AttachUserPolicy", "iam:DetachUserPolicy"];
        let written: u64 = writes.iter().map(|write| organization.server.counters().calls(write)).sum();
        assert_eq!(written, 0, "{number}");
    }
    std::fs::write(&file, &whole).unwrap();
    assert!(organization.run(grant).await.status.success());
}

#[tokio::test]
async fn doctor_tells_what_is_missing_and_ends_by_how_bad_it_is() {
    let organization = Organization::example().await;
    let well = organization.run(&["doctor"]).await;
    assert_eq!(well.status.code(), Some(0), "{}", text(&well.stdout));
    assert!(text(&well.stdout).ends_with("errors: 0, warnings: 0, unchecked: 0\n"), "{}", text(&well.stdout));

    assert!(organization.server.deny("BatonConnector", &["sso:GetInlinePolicyForPermissionSet"]));
    let warned = organization.run(&["doctor"]).await;
    assert_eq!(warned.status.code(), Some(0));
    assert!(text(&warned.stdout).contains(r#""Action":["sso:GetInlinePolicyForPermissionSet"]"#));
    assert_eq!(organization.run(&["doctor", "--fail-on", "warning"]).await.status.code(), Some(9));

    assert!(organization.server.deny("BatonConnector", &["identitystore:ListUsers"]));
    let output = organization.run(&["doctor", "--output", "json"]).await;
    assert_eq!(output.status.code(), Some(9));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["worst"], "error");
    let findings = value["findings"].as_array().unwrap();
    let found = findings.iter().find(|one| one["severity"] == "error").unwrap();
    assert_eq!(found["statement"]["add"]["Action"], serde_json::json!(["identitystore:ListUsers"]));
    assert!(!text(&output.stdout).contains("CANARY"));
    assert!(organization.left().is_empty(), "{:?}", organization.left());
}

#[tokio::test]
async fn a_rotated_password_reaches_its_recipient_alone() {
    let organization = Organization::example().await;
    let reader = age::x25519::Identity::generate();
    let user = "arn:aws:iam::111111111111:user/o,brien+x=1";
    let recipient = format!("--credential-recipients={}", reader.to_public());
    let order = ["--rotate-credentials", user, "--rotate-credentials-type", "iam_user", &recipient];
    let before = organization.server.password("111111111111", "o,brien+x=1");

    let rehearsed = organization.run(&[&order[..], &["--dry-run"]].concat()).await;
    let told: Value = serde_json::from_slice(&rehearsed.stdout).unwrap();
    assert_eq!(told["writes"][0]["operation"], "iam:UpdateLoginProfile");
    assert_eq!(organization.server.password("111111111111", "o,brien+x=1"), before);

    let output = organization.run(&order).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sealed =
        BASE64_STANDARD.decode(answer["encryptedData"][0]["encryptedBytes"].as_str().unwrap()).unwrap();
    let password = String::from_utf8(age::decrypt(&reader, &sealed).unwrap()).unwrap();
    let (set, reset) = organization.server.password("111111111111", "o,brien+x=1").unwrap();
    assert_eq!((password.as_str(), true), (set.as_str(), reset));
    assert!(!text(&output.stderr).contains(&password) && !text(&output.stdout).contains(&password));
}

/// A device that takes nothing, as a full disk does.
fn full() -> Stdio {
    Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap())
}

#[tokio::test]
async fn a_credential_whose_answer_cannot_be_written_is_withdrawn_and_named() {
    let organization = Organization::example().await;
    let (account, user) = ("111111111111", "o,brien+x=1");
    let before = organization.server.access_keys(account, user);
    let (old, _) = &before[0];
    let recipient = format!("--credential-recipients={}", age::x25519::Identity::generate().to_public());
    let order = ["--rotate-credentials", old, "--rotate-credentials-type", "access-key", &recipient];
    for (output, code, told) in [(full(), 2, "the key was deleted"), (Stdio::null(), 9, "would reach nobody")]
    {
        let mut command = organization.batond(&order);
        command.env("BATON_SYNC_SECRETS", "true").stdout(output).stderr(Stdio::piped());
        let ended = tokio::task::spawn_blocking(move || command.spawn().unwrap().wait_with_output().unwrap());
        let ended = ended.await.unwrap();
        assert_eq!(ended.status.code(), Some(code), "{}", text(&ended.stderr));
        assert!(text(&ended.stderr).contains(told), "{}", text(&ended.stderr));
        assert_eq!(organization.server.access_keys(account, user), before);
        assert_eq!(organization.server.active_keys(account, user), std::slice::from_ref(old));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_an_error_that_says_so() {
    let organization = Organization::example().await;
    let create = ["--create-account-login=jdoe", "--create-account-email=jdoe@example.com"];
    for arguments in [
        &["config"][..],
        &["capabilities"],
        &["policy"],
        &["doctor"],
        &["--help"],
        &["--version"],
        &["--list-action-schemas"],
        &create,
    ] {
        let mut command = organization.batond(arguments);
        command.stdout(full()).stderr(Stdio::piped());
        let ended = tokio::task::spawn_blocking(move || command.spawn().unwrap().wait_with_output().unwrap());
        let ended = ended.await.unwrap();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {}", text(&ended.stderr));
        assert!(text(&ended.stderr).contains("No space left"), "{arguments:?}: {}", text(&ended.stderr));
    }
    // Whoever discards the answer of a change reads the exit code.
    let mut command = organization.batond(&create);
    command.stdout(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
}
