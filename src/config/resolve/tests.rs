//! The rules of the settings, one table per kind of outcome.

mod odd;
mod partition;

use std::ffi::OsString;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;

use super::*;
use crate::config::{AccountKind, Assume, LogFormat, Operation, QuotaSetting, Support};

const ROLE: &str = "arn:aws:iam::123456789012:role/baton";
const CANARY: &str = "canary-7f3a";

/// RFC 8037, appendix A.1.
fn client_secret() -> String {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;
    format!("secret-token:conductorone.com:v1:{}", URL_SAFE_NO_PAD.encode(jwk))
}

/// Resolves these variables over a base in which Organizations and Identity Center are on.
fn resolve(variables: &[(&str, &str)]) -> Result<(Settings, Vec<Note>), SettingsError> {
    let base = [("BATON_GLOBAL_AWS_ORGS_ENABLED", "true"), ("BATON_GLOBAL_AWS_SSO_ENABLED", "true")];
    let all = base.iter().chain(variables).map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = Environment::from_variables(all)?;
    let raw = RawSettings::gather(Flags::new(), &environment, Path::new("/nowhere"))?;
    Settings::resolve(raw, &Host { name: "pod-1".to_owned(), is_terminal: false })
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    resolve(variables).unwrap_or_else(|error| panic!("{error}")).0
}

fn refusal(variables: &[(&str, &str)]) -> String {
    resolve(variables).err().unwrap_or_else(|| panic!("{variables:?} is accepted")).to_string()
}

#[test]
fn nothing_but_the_two_switches_gives_the_documented_defaults() {
    let settings = settings(&[]);
    assert!(settings.control_plane.is_none() && !settings.provisioning);
    assert_eq!(settings.operation, Operation::Sync);
    assert_eq!(settings.file, PathBuf::from("sync.c1z"));
    assert_eq!(settings.host_id, "pod-1");
    assert_eq!(settings.aws.account_kind, AccountKind::IamUser);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.aws.session_name, "batond-pod-1");
    assert_eq!(settings.aws.identity_center_region, "us-east-1");
    assert_eq!((settings.aws.assume, settings.aws.workers), (Assume::Unset, None));
    assert_eq!(settings.aws.http_timeout.as_secs(), 300);
    assert_eq!(settings.daemon.task_concurrency, 3);
    assert_eq!(settings.daemon.shutdown_grace.as_secs(), 25);
    assert!(settings.daemon.health.is_none() && settings.sync.interval.is_none());
    assert!(settings.sync.max_age.is_zero());
}

#[test]
fn a_wrong_value_names_its_variable_its_fault_and_what_is_accepted() {
    for (variable, value, fault) in [
        ("BATON_WORKERS", "-2", "must be the most calls in flight, or 0 or -1 for no bound, but got '-2'"),
        ("BATON_WORKERS", "many", "must be the most calls in flight"),
        ("BATON_HTTP_TIMEOUT_SECONDS", "0", "must be 1 to 1800 seconds, but got '0'"),
        ("BATON_HTTP_TIMEOUT_SECONDS", "1801", "must be 1 to 1800 seconds"),
        ("BATON_TASK_CONCURRENCY", "0", "must be 1 to 100 tasks, but got '0'"),
        ("BATON_TASK_CONCURRENCY", "101", "must be 1 to 100 tasks"),
        ("BATON_PROVISIONING", "yes", "must be true or false, but got 'yes'"),
        ("BATON_USE_ASSUME", "maybe", "must be true or false"),
        ("BATON_USE_ASSUME", "true", "set fields ('use-assume') are dependent on ('role-arn') being set"),
        (
            "BATON_ROLE_ARN",
            "baton",
            "baton-aws: invalid role ARN: expected arn:<partition>:iam::<account>:role/<name>",
        ),
        (
            "BATON_GLOBAL_ROLE_ARN",
            "arn:aws:iam::1:role/x",
            "baton-aws: invalid role ARN: the account id must be 12",
        ),
        (
            "BATON_GLOBAL_REGION",
            "frankfurt",
            "must be a region of AWS, such as us-east-1, but got 'frankfurt'",
        ),
        (
            "BATON_GLOBAL_AWS_SSO_REGION",
            "us-east",
            "field global-aws-sso-region: value must be a region of AWS",
        ),
        (
            "BATON_GLOBAL_AWS_SSO_REGION",
            "us_east_1",
            "field global-aws-sso-region: value must be a region of AWS",
        ),
        ("BATON_EXTERNAL_ID", "x", "must be 2 to 1224 letters, digits and characters of _+=,.@:/-"),
        ("BATON_GLOBAL_BINDING_EXTERNAL_ID", "a b", "must be 2 to 1224 letters"),
        (
            "BATON_SSO_INSTANCE_ARN",
            "ssoins-1",
            "must look like arn:aws:sso:::instance/ssoins-0123456789abcdef",
        ),
        (
            "BATON_AWS_QUOTAS",
            "/no/such/file",
            "must be documented, off, or the path of a file, but got '/no/such/file'",
        ),
        ("AWS_CA_BUNDLE", "/no/such/file", "must be the path of a file of certificates (PEM)"),
        ("BATON_C1Z_TEMP_DIR", "/no/such/directory", "must be an existing directory"),
        ("BATON_TMPDIR", "/no/such/directory", "must be an existing directory"),
        (
            "BATON_SYNC_INTERVAL",
            "15",
            "must be a duration with units, such as 30s, 15m or 1h30m, but got '15'",
        ),
        ("BATON_SYNC_INTERVAL", "500ms", "must be 1s or longer, or 0 for none"),
        ("BATON_SYNC_MAX_AGE", "-1s", "must be a duration with units"),
        ("BATON_SHUTDOWN_GRACE_PERIOD", "soon", "must be a duration with units"),
        ("BATON_HEALTH_CHECK_PORT", "65536", "must be a port, 0 to 65535"),
        ("BATON_HEALTH_CHECK_BIND_ADDRESS", "pod-1", "must be an IP address"),
        ("BATON_C1_API_HOST", "https://host", "must be <host>[:port]"),
        ("BATON_SKIP_GRANTS", "true", "skip-grants can only be used together with sync-resources"),
        (
            "BATON_STORAGE_ENGINE",
            "rocks",
            "field storage-engine: value must be one of [sqlite pebble] but got 'rocks'",
        ),
        (
            "BATON_CREATE_ACCOUNT_RESOURCE_TYPE",
            "user",
            "field create-account-resource-type: value must be one of [iam_user sso_user] but got 'user'",
        ),
        ("BATON_GET_TASKS", "2", "must be true or false"),
        ("BATON_CLIENT_ID", "name", "invalid client id: expected <name>@<host>[:port]/<rest>"),
        (
            "BATON_CLIENT_ID",
            "name@host/pcc",
            "if any flags in the group [client-id client-secret] are set they must all be set; missing [client-secret]",
        ),
        ("BATON_CLIENT_SECRET", CANARY, "invalid client secret: expected four parts"),
        ("BATON_GLOBAL_ACCESS_KEY_ID", "AKIA", "missing [global-secret-access-key]"),
        ("BATON_GRANT_ENTITLEMENT", "e", "missing [grant-principal]"),
    ] {
        let message = refusal(&[(variable, value)]);
        let line = message.lines().find(|line| line.contains(fault));
        assert!(message.starts_with("errors found:\n"), "{message}");
        assert!(
            line.is_some_and(|line| line.trim_start().starts_with(variable)),
            "{variable}={value}: {message}"
        );
    }
}

#[test]
fn a_host_id_has_1_to_256_characters() {
    assert!(refusal(&[("BATON_HOST_ID", &"x".repeat(257))]).contains("BATON_HOST_ID: must be 1 to 256"));
    assert_eq!(settings(&[("BATON_HOST_ID", "pod/7")]).aws.session_name, "batond-pod-7");
}

#[test]
fn all_faults_are_told_at_once() {
    let message =
        refusal(&[("BATON_WORKERS", "x"), ("BATON_TASK_CONCURRENCY", "x"), ("BATON_ROLE_ARN", "x")]);
    assert_eq!(message.lines().count(), 4, "{message}");
}

#[test]
fn iam_is_read_without_being_asked_for_and_its_settings_are_off() {
    let off = [("BATON_GLOBAL_AWS_ORGS_ENABLED", "false"), ("BATON_GLOBAL_AWS_SSO_ENABLED", "false")];
    for variables in [&off[..], &off[1..], &[("BATON_SYNC_RESOURCE_TYPES", "account,iam_user")][..]] {
        let aws = resolve(variables).unwrap().0.aws;
        assert!(!aws.cross_account_iam && !aws.secrets && !aws.iam_tags && !aws.only_attached_policies);
        assert_eq!(aws.member_role_name, "OrganizationAccountAccessRole");
        assert!(aws.member_external_id.is_none());
    }
    let aws = resolve(&[
        ("BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED", "true"),
        ("BATON_IAM_ASSUME_ROLE_NAME", "operations/reader"),
        ("BATON_IAM_ASSUME_ROLE_EXTERNAL_ID", "members-only"),
        ("BATON_SYNC_SECRETS", "true"),
        ("BATON_SYNC_IAM_TAGS", "true"),
        ("BATON_SYNC_ONLY_ATTACHED_POLICIES", "true"),
    ])
    .unwrap()
    .0
    .aws;
    assert!(aws.cross_account_iam && aws.secrets && aws.iam_tags && aws.only_attached_policies);
    assert_eq!(aws.member_role_name, "operations/reader");
    assert_eq!(aws.member_external_id.unwrap().expose_secret(), "members-only");
}

#[test]
fn iam_of_members_needs_both_services_and_the_name_of_a_role() {
    let cross = ("BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED", "true");
    let message = refusal(&[cross, ("BATON_GLOBAL_AWS_SSO_ENABLED", "false")]);
    let text = "set fields ('global-aws-cross-account-iam-enabled') are dependent on ('global-aws-sso-enabled') being set";
    assert!(message.contains(text), "{message}");
    for name in ["", "a b", "arn:aws:iam::123456789012:role/x", "team/"] {
        let refused = resolve(&[("BATON_IAM_ASSUME_ROLE_NAME", name)]);
        if name.is_empty() {
            assert_eq!(refused.unwrap().0.aws.member_role_name, "OrganizationAccountAccessRole");
        } else {
            let message = refused.unwrap_err().to_string();
            assert!(message.contains("must be the name of a role"), "{name}: {message}");
        }
    }
}

#[test]
fn identity_center_needs_organizations() {
    let error = resolve(&[("BATON_GLOBAL_AWS_ORGS_ENABLED", "false")]).unwrap_err();
    let text = "baton-aws: SSO Support requires Org support to also be enabled. Please enable both";
    assert!(error.to_string().contains(text) && !error.is_unbuilt(), "{error}");
}

#[test]
fn every_setting_that_is_not_built_ends_the_start_and_is_named() {
    let mut count = 0;
    for field in crate::config::fields() {
        if !matches!(field.support, Support::Never(_)) {
            continue;
        }
        count += 1;
        let error = resolve(&[(&field.variable(), "true")]).unwrap_err();
        assert!(error.is_unbuilt(), "{error}");
        let named = error
            .faults()
            .iter()
            .map(ToString::to_string)
            .any(|fault| fault.starts_with(&format!("{}: {} is n", field.variable(), field.name)));
        assert!(named, "{} is not named: {error}", field.name);
    }
    assert!(count >= 5, "{count}");
    assert!(resolve(&[("BATON_STORAGE_ENGINE", "pebble")]).unwrap_err().is_unbuilt());
}

#[test]
fn a_targeted_sync_names_its_resources_and_may_leave_out_grants() {
    let two = "bid:r:account/111111111111,bid:r:role/arn\\:aws\\:iam\\:\\:1\\:role\\/x";
    let sync = settings(&[("BATON_SYNC_RESOURCES", two), ("BATON_SKIP_GRANTS", "true")]).sync;
    let named: Vec<_> =
        sync.resources.iter().map(|one| (one.resource_type.as_str(), one.id.as_str())).collect();
    assert_eq!(named, [("account", "111111111111"), ("role", "arn:aws:iam::1:role/x")]);
    assert!(sync.skip_grants);
    let refused = refusal(&[("BATON_SYNC_RESOURCES", "bid:r:account/1,account/2")]);
    assert!(refused.contains("\"account/2\" is no id of a resource"), "one of them is none: {refused}");
}

#[test]
fn rows_of_another_connector_are_those_of_users_and_groups_unless_other_traits_are_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let of = |variables: &[(&str, &str)]| {
        let file = ("BATON_EXTERNAL_RESOURCE_C1Z", path);
        settings(&[&[file], variables].concat()).sync.external.unwrap()
    };
    let plain = of(&[]);
    assert_eq!((plain.file.as_path(), plain.entitlement.as_deref()), (file.path(), None));
    assert_eq!(plain.traits, ["user", "group"]);
    let other = of(&[
        ("BATON_EXTERNAL_RESOURCE_TRAITS", "app, TRAIT_SECURITY_INSIGHT"),
        ("BATON_EXTERNAL_RESOURCE_ENTITLEMENT_ID_FILTER", "team:a:member"),
    ]);
    assert_eq!(
        (other.traits, other.entitlement.as_deref()),
        (vec!["app", "security_insight"], Some("team:a:member"))
    );
    let file = ("BATON_EXTERNAL_RESOURCE_C1Z", path);
    assert!(
        refusal(&[file, ("BATON_EXTERNAL_RESOURCE_TRAITS", "people")]).contains("must be of user, group,")
    );
    for alone in ["BATON_EXTERNAL_RESOURCE_TRAITS", "BATON_EXTERNAL_RESOURCE_ENTITLEMENT_ID_FILTER"] {
        assert!(refusal(&[(alone, "user")]).contains("dependent on ('external-resource-c1z') being set"));
    }
    assert!(refusal(&[("BATON_EXTERNAL_RESOURCE_C1Z", "/no/such.c1z")]).contains("must be an existing file"));
}

#[test]
fn an_account_is_made_from_a_profile_that_login_and_address_complete() {
    let made = |variables: &[(&str, &str)]| match settings(variables).operation {
        Operation::CreateAccount { profile } => profile,
        other => panic!("{other:?}"),
    };
    let alone = made(&[("BATON_CREATE_ACCOUNT_LOGIN", "jane"), ("BATON_CREATE_ACCOUNT_EMAIL", "j@x")]);
    assert_eq!(
        (alone["username"].as_str(), alone["login"].as_str(), alone["email"].as_str()),
        ("jane", "jane", "j@x")
    );
    let profile = ("BATON_CREATE_ACCOUNT_PROFILE", r#"{"username":"doe","given_name":"J"}"#);
    let both = made(&[profile, ("BATON_CREATE_ACCOUNT_LOGIN", "jane")]);
    assert_eq!((both["username"].as_str(), both["login"].as_str()), ("doe", "jane"));
    assert!(refusal(&[("BATON_CREATE_ACCOUNT_EMAIL", "j@x")]).contains("needs create-account-login"));
    assert!(refusal(&[("BATON_CREATE_ACCOUNT_PROFILE", r#"{"a":1}"#)]).contains("values are texts"));
    let deletion = [("BATON_DELETE_RESOURCE", "r"), ("BATON_DELETE_RESOURCE_TYPE", "iam_user")];
    let expected = Operation::DeleteResource { resource_type: "iam_user".into(), id: "r".into() };
    assert_eq!(settings(&deletion).operation, expected);
}

#[test]
fn a_setting_without_effect_is_accepted_and_said() {
    for (variable, value) in [
        ("BATON_PARALLEL_SYNC", "true"),
        ("BATON_KEEP_PREVIOUS_SYNC_C1Z", "true"),
        ("BATON_SESSION_STORE_MAXIMUM_SIZE", "1"),
        ("BATON_LOG_LEVEL_DEBUG_EXPIRES_AT", "2026-01-02T03:04:05Z"),
        ("BATON_USERNAME", CANARY),
        ("BATON_SCIM_TOKEN", CANARY),
    ] {
        let (_, notes) = resolve(&[(variable, value)]).unwrap();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(!notes[0].is_warning && notes[0].message.starts_with(variable), "{notes:?}");
        assert!(!notes[0].message.contains(CANARY), "{notes:?}");
    }
}

#[test]
fn a_collector_is_on_until_both_of_its_signals_are_off() {
    let endpoint = ("BATON_OTEL_COLLECTOR_ENDPOINT", "collector:4317");
    let (traces, logs) = (("BATON_OTEL_TRACING_DISABLED", "true"), ("BATON_OTEL_LOGGING_DISABLED", "true"));
    assert_eq!(settings(&[]).log.collector, None);
    assert_eq!(settings(&[endpoint, traces, logs]).log.collector, None);
    let (one_off, notes) = resolve(&[endpoint, traces]).unwrap();
    assert_eq!(one_off.log.collector.unwrap().endpoint, "https://collector:4317");
    assert!(notes[0].message.starts_with("BATON_OTEL_TRACING_DISABLED has no effect alone"), "{notes:?}");
    let plain = ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE", "true");
    let unread = ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_CERT_PATH", "/missing.pem");
    let collector = settings(&[endpoint, plain, unread]).log.collector.unwrap();
    assert_eq!((collector.endpoint.as_str(), collector.ca), ("http://collector:4317", None));
}

#[test]
fn debug_may_end_at_a_time() {
    let expiry = |text| [("BATON_LOG_LEVEL", "debug"), ("BATON_LOG_LEVEL_DEBUG_EXPIRES_AT", text)];
    let until = settings(&expiry("2026-01-02T03:04:05Z")).log.debug_until;
    assert_eq!(until.unwrap().as_second(), 1_767_323_045);
    assert!(resolve(&expiry("tomorrow")).unwrap_err().to_string().contains("EXPIRES_AT"));
}

#[test]
fn the_address_of_metrics_has_a_port() {
    let daemon = |text| resolve(&[("BATON_METRICS_ADDRESS", text)]).map(|(settings, _)| settings.daemon);
    assert_eq!(daemon("[::]:9090").unwrap().metrics.unwrap().port(), 9090);
    assert!(daemon("9090").unwrap_err().to_string().contains("must be an IP address with a port"));
}

#[test]
fn two_hops_need_an_external_id_of_32_to_65_bytes() {
    let hops = [("BATON_ROLE_ARN", ROLE), ("BATON_GLOBAL_ROLE_ARN", ROLE)];
    let with = |id: &str| resolve(&[hops[0], hops[1], ("BATON_EXTERNAL_ID", id)]);
    assert!(resolve(&hops).unwrap_err().to_string().contains("baton-aws: external id is missing"));
    for (length, accepted) in [(31, false), (32, true), (65, true), (66, false)] {
        let result = with(&"x".repeat(length));
        assert_eq!(result.is_ok(), accepted, "{length}");
        if let Err(error) = result {
            assert!(error.to_string().contains("baton-aws: aws_external_id must be between 32 and 64 bytes"));
        }
    }
    assert!(resolve(&[hops[0], ("BATON_EXTERNAL_ID", "short")]).is_ok(), "one hop takes any length");
    assert!(resolve(&[hops[0], hops[1], ("BATON_USE_ASSUME", "false")]).is_ok(), "no hop needs none");
}

#[test]
fn assume_has_three_states() {
    let assume = |value| settings(&[("BATON_ROLE_ARN", ROLE), ("BATON_USE_ASSUME", value)]).aws.assume;
    assert_eq!((assume(""), assume("true"), assume("False")), (Assume::Unset, Assume::Always, Assume::Never));
}

#[test]
fn regions_and_partitions_beyond_the_old_list_are_accepted() {
    for region in [
        "il-central-1",
        "ap-southeast-5",
        "us-gov-west-1",
        "cn-northwest-1",
        "us-isob-east-1",
        "eusc-de-east-1",
    ] {
        assert_eq!(settings(&[("BATON_GLOBAL_AWS_SSO_REGION", region)]).aws.identity_center_region, region);
    }
    for (partition, region) in [
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-cn", "cn-north-1"),
        ("aws-eusc", "eusc-de-east-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-south-1"),
    ] {
        let arn = format!("arn:{partition}:iam::123456789012:role/x");
        let variables = [("BATON_ROLE_ARN", &*arn), ("BATON_GLOBAL_AWS_SSO_REGION", region)];
        assert_eq!(settings(&variables).aws.role.unwrap().to_string(), arn);
        let instance = format!("arn:{partition}:sso:::instance/ins-0123456789abcdef");
        assert_eq!(settings(&[("BATON_SSO_INSTANCE_ARN", &instance)]).aws.instance_arn, Some(instance));
    }
}

#[test]
fn workers_bound_the_calls_only_from_one_on() {
    for (value, bound) in [("", None), ("-1", None), ("0", None), ("1", Some(1)), ("32", Some(32))] {
        let workers = settings(&[("BATON_WORKERS", value)]).aws.workers;
        assert_eq!(workers.map(std::num::NonZeroUsize::get), bound, "{value}");
    }
}

#[test]
fn quotas_are_documented_off_or_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let quotas = |value| settings(&[("BATON_AWS_QUOTAS", value)]).aws.quotas;
    assert_eq!(quotas("documented"), QuotaSetting::Documented);
    assert_eq!(quotas("off"), QuotaSetting::Off);
    assert_eq!(quotas(path), QuotaSetting::File(path.into()));
}

#[test]
fn durations_take_units() {
    let settings = settings(&[
        ("BATON_SYNC_INTERVAL", "1h30m"),
        ("BATON_SYNC_MAX_AGE", "15 minutes"),
        ("BATON_SHUTDOWN_GRACE_PERIOD", "0"),
    ]);
    assert_eq!(settings.sync.interval.unwrap().as_secs(), 5400);
    assert_eq!(settings.sync.max_age.as_secs(), 900);
    assert!(settings.daemon.shutdown_grace.is_zero());
}

#[test]
fn a_client_id_makes_a_daemon_that_ignores_one_shot_settings() {
    let secret = client_secret();
    let (settings, notes) = resolve(&[
        ("BATON_CLIENT_ID", "brave-lion@example.test:8443/pcc"),
        ("BATON_CLIENT_SECRET", &secret),
        ("BATON_C1_API_HOST", "127.0.0.1:9"),
        ("BATON_FILE", "other.c1z"),
        ("BATON_CREATE_ACCOUNT_LOGIN", "alice"),
        ("BATON_REVOKE_GRANT", ""),
        ("BATON_HEALTH_CHECK", "1"),
        ("BATON_HEALTH_CHECK_BIND_ADDRESS", "0.0.0.0"),
    ])
    .unwrap();
    let control_plane = settings.control_plane.as_ref().unwrap();
    assert_eq!(control_plane.client_id.host(), "example.test");
    assert_eq!(control_plane.authority().to_string(), "127.0.0.1:9");
    assert_eq!(settings.daemon.health.unwrap().to_string(), "0.0.0.0:8081");
    assert_eq!(settings.operation, Operation::Sync);
    let ignored: Vec<&str> = notes.iter().map(|note| note.message.as_str()).collect();
    assert!(ignored.iter().any(|note| note.starts_with("BATON_FILE is ignored")), "{ignored:?}");
    assert!(
        ignored.iter().any(|note| note.starts_with("BATON_CREATE_ACCOUNT_LOGIN is ignored")),
        "{ignored:?}"
    );
}

#[test]
fn a_rehearsal_is_refused_where_it_would_seem_to_be_obeyed() {
    let (settings, _) = resolve(&[("BATON_REVOKE_GRANT", "g"), ("BATON_DRY_RUN", "true")]).unwrap();
    assert!(settings.dry_run);
    let secret = client_secret();
    let daemon = [
        ("BATON_CLIENT_ID", "brave-lion@example.test/pcc"),
        ("BATON_CLIENT_SECRET", &secret),
        ("BATON_DRY_RUN", "true"),
    ];
    for set in [&[("BATON_DRY_RUN", "true")][..], &daemon] {
        let error = resolve(set).unwrap_err().to_string();
        assert!(error.contains("dry-run goes with"), "{error}");
    }
}

#[test]
fn one_operation_runs_at_a_time() {
    let grant = [
        ("BATON_GRANT_ENTITLEMENT", "e"),
        ("BATON_GRANT_PRINCIPAL", "p"),
        ("BATON_GRANT_PRINCIPAL_TYPE", "sso_user"),
    ];
    let expected = Operation::Grant {
        entitlement: "e".to_owned(),
        principal: "p".to_owned(),
        principal_type: "sso_user".to_owned(),
    };
    assert_eq!(settings(&grant).operation, expected);
    let revoke = ("BATON_REVOKE_GRANT", "g");
    assert_eq!(settings(&[revoke]).operation, Operation::Revoke { grant: "g".to_owned() });
    assert!(refusal(&grant[..2]).contains("BATON_GRANT_PRINCIPAL_TYPE: unknown provisioning action"));
    let both = refusal(&[grant[0], grant[1], grant[2], revoke]);
    assert!(
        both.contains("none of the others can be; [grant-entitlement revoke-grant] were all set"),
        "{both}"
    );
}

#[test]
fn events_are_printed_when_the_word_reads_as_true() {
    let on = ("BATON_EVENT_FEED", "1");
    let id = ("BATON_EVENT_FEED_ID", "feed");
    let start = ("BATON_EVENT_FEED_START_AT", "2026-01-02T03:04:05Z");
    let Operation::Events(query) = settings(&[on, id, start, ("BATON_EVENT_FEED_CURSOR", "c")]).operation
    else {
        panic!("no events")
    };
    assert_eq!((query.feed.as_str(), query.cursor.as_str()), ("feed", "c"));
    assert_eq!(query.start_at.to_string(), "2026-01-02T03:04:05Z");
    assert_eq!(settings(&[("BATON_EVENT_FEED", "false"), id]).operation, Operation::Sync);
    assert!(refusal(&[("BATON_EVENT_FEED", "yes")]).contains("BATON_EVENT_FEED: must be true or false"));
    assert!(refusal(&[on, ("BATON_EVENT_FEED_START_AT", "monday")]).contains("must be a time"));
}

#[test]
fn sign_ins_are_told_only_where_asked_for_and_where_identity_center_is_read() {
    assert!(!settings(&[]).aws.last_login_events);
    let on = ("BATON_SYNC_SSO_USER_LAST_LOGIN", "true");
    let (with, notes) = resolve(&[on]).unwrap();
    assert!(with.aws.last_login_events && notes.is_empty(), "{notes:?}");
    let (_, notes) = resolve(&[on, ("BATON_GLOBAL_AWS_SSO_ENABLED", "false")]).unwrap();
    assert!(notes.len() == 1 && notes[0].is_warning, "{notes:?}");
    assert!(notes[0].message.starts_with("BATON_SYNC_SSO_USER_LAST_LOGIN has no effect"), "{notes:?}");
}

#[test]
fn unknown_log_words_fall_back_with_a_warning() {
    let (settings, notes) = resolve(&[("BATON_LOG_LEVEL", "loud"), ("BATON_LOG_FORMAT", "xml")]).unwrap();
    assert_eq!((settings.log.level, settings.log.format), (tracing::Level::INFO, LogFormat::Json));
    assert!(notes.len() == 2 && notes.iter().all(|note| note.is_warning), "{notes:?}");
    assert_eq!(self::settings(&[("BATON_LOG_LEVEL", "Fatal")]).log.level, tracing::Level::ERROR);
}

#[test]
fn a_secret_reaches_no_error_note_or_debug() {
    let secrets: Vec<String> = crate::config::fields()
        .filter(|field| field.secrecy != crate::config::Secrecy::Plain)
        .map(crate::config::Field::variable)
        .collect();
    assert!(secrets.len() >= 5, "{secrets:?}");
    for variable in secrets {
        for value in [CANARY.to_owned(), format!("{CANARY} "), format!("a:b:v1:{CANARY}")] {
            match resolve(&[(&variable, &value), ("BATON_GLOBAL_ACCESS_KEY_ID", "AKIA")]) {
                Ok((settings, notes)) => {
                    assert!(!format!("{settings:?}{notes:?}").contains(CANARY), "{variable}");
                }
                Err(error) => assert!(!format!("{error}{error:?}").contains(CANARY), "{variable}: {error}"),
            }
        }
    }
    let external_id =
        settings(&[("BATON_ROLE_ARN", ROLE), ("BATON_EXTERNAL_ID", CANARY)]).aws.external_id.unwrap();
    assert_eq!(external_id.expose_secret(), CANARY);
}
