//! Values that break or protect nothing, and names that are none.

use super::*;

#[test]
fn no_value_of_any_setting_panics() {
    let long = "9".repeat(400);
    let odd = [
        "\n",
        " ",
        "x\n",
        "-1",
        "0",
        "*",
        ",",
        "\"",
        "{}",
        "[",
        "\u{0}",
        "\u{1f4a9}",
        "1e308",
        "9223372036854775807h",
        "https://user:password@host",
        "::",
        "[::1",
        "=",
        "/",
        long.as_str(),
    ];
    for field in crate::config::fields() {
        for value in odd {
            let error = resolve(&[(&field.variable(), value)]).err();
            assert!(error.is_none_or(|error| !error.to_string().is_empty()), "{}: {value:?}", field.name);
        }
    }
}

#[test]
fn a_line_end_in_a_static_key_is_refused_by_its_variable() {
    let (id, secret) = ("BATON_GLOBAL_ACCESS_KEY_ID", "BATON_GLOBAL_SECRET_ACCESS_KEY");
    for (key, word) in [("AKIACANARY\n", "s3cr3t"), ("AKIACANARY ", "s3cr3t"), ("AKIA/CANARY", "s3cr3t")] {
        let error = refusal(&[(id, key), (secret, word)]);
        assert!(error.contains(id) && error.contains("line end") && !error.contains("CANARY"), "{error}");
    }
    for word in ["canary-7f3a\n", "canary-7f3a ", "canary-7f3a\t"] {
        let error = refusal(&[(id, "AKIA"), (secret, word)]);
        assert!(error.contains(secret) && !error.contains(CANARY), "{error}");
    }
    assert!(settings(&[(id, "AKIA"), (secret, "s3/c+r=3t")]).aws.static_keys.is_some());
}

#[test]
fn a_time_that_no_clock_reaches_is_refused() {
    for variable in ["BATON_SYNC_INTERVAL", "BATON_SHUTDOWN_GRACE_PERIOD", "BATON_SYNC_MAX_AGE"] {
        let error = refusal(&[(variable, "100000h")]);
        assert!(error.contains(variable) && error.contains("ten years"), "{error}");
    }
}

#[test]
fn a_protected_name_keeps_its_comma_and_an_item_that_protects_nothing_is_refused() {
    let brien = "arn:aws:iam::123456789012:user/o,brien";
    let (kept, notes) =
        resolve(&[("BATON_PROTECTED_PRINCIPALS", &format!("{brien},*:role/Runner"))]).unwrap();
    assert_eq!(kept.aws.protected_principals, [brien, "*:role/Runner"]);
    assert!(notes.iter().any(|note| note.message.contains("one name with a comma")), "{notes:?}");
    for (variable, value) in [
        ("BATON_PROTECTED_PRINCIPALS", "user/idle"),
        ("BATON_PROTECTED_PRINCIPALS", "*:role/Runner,user/idle"),
        ("BATON_PROTECTED_POLICIES", "AdministratorAccess"),
        ("BATON_VEND_ROLES", "deploy"),
        ("BATON_VEND_FEDERATED_USERS", "ci"),
        ("BATON_VEND_FEDERATED_POLICIES", "ReadOnlyAccess"),
    ] {
        let error = refusal(&[(variable, value)]);
        assert!(error.contains(variable) && error.contains("arn: or *"), "{error}");
    }
}

#[test]
fn policies_of_federated_users_without_users_are_said_to_have_no_effect() {
    let policies = ("BATON_VEND_FEDERATED_POLICIES", "arn:aws:iam::aws:policy/ReadOnlyAccess");
    let (_, notes) = resolve(&[policies]).unwrap();
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(note.is_warning && note.message.contains("BATON_VEND_FEDERATED_USERS"), "{note:?}");
    let (kept, notes) =
        resolve(&[policies, ("BATON_VEND_FEDERATED_USERS", "*:federated-user/ci,*:federated-user/x")])
            .unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(kept.aws.vend_federated_users, ["*:federated-user/ci", "*:federated-user/x"]);
}

#[test]
fn a_variable_that_is_no_setting_is_said_with_the_nearest_name() {
    let (_, notes) =
        resolve(&[("BATON_PROTECTED_PRINCIPAL", ROLE), ("BATON_METRICS_SERVICE_HOST", "10.0.0.1")]).unwrap();
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(note.is_warning && note.message.contains("BATON_PROTECTED_PRINCIPALS may be meant"), "{note:?}");
}

#[test]
fn an_endpoint_without_a_scheme_is_refused_before_anything_is_sent() {
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_IAM"] {
        let error = refusal(&[(variable, "canary-7f3a.example.com")]);
        assert!(
            error.contains(variable) && error.contains("scheme and host") && !error.contains(CANARY),
            "{error}"
        );
    }
    for (variable, value) in [
        ("BATON_OTEL_COLLECTOR_ENDPOINT", "user:canary-7f3a@collector:4317"),
        ("BATON_C1_API_HOST", "https://user:canary-7f3a@host"),
    ] {
        let error = refusal(&[(variable, value)]);
        assert!(error.contains(variable) && !error.contains(CANARY), "{error}");
    }
}
