//! `config`: prints the settings as a form for the control plane.

use super::{Exit, failure, output};
use crate::baton::config_v1 as form;
use crate::baton::protojson;
use crate::config::{DEPENDENCIES, Export, FORM, Field, Kind, Secrecy, Support};

/// Prints `Configuration` as JSON to standard output, without a newline at its end.
pub(super) fn print() -> Exit {
    match json() {
        Ok(json) => output::write(&json).map_or_else(|lost| failure::tell(&lost), |()| Exit::SUCCESS),
        Err(error) => failure::tell(&error),
    }
}

fn json() -> Result<String, protojson::JsonError> {
    Ok(protojson::escape_for_html(&protojson::to_json_pretty(&configuration())?))
}

/// The settings that this build acts on.
fn configuration() -> form::Configuration {
    let constraints = DEPENDENCIES
        .iter()
        .filter(|dependency| {
            is_exported(dependency.field) && dependency.needs.iter().all(|needed| is_exported(needed))
        })
        .map(|dependency| form::Constraint {
            kind: form::ConstraintKind::DependentOn.into(),
            field_names: vec![dependency.field.name.to_owned()],
            secondary_field_names: dependency.needs.iter().map(|needed| needed.name.to_owned()).collect(),
            ..form::Constraint::default()
        })
        .collect();
    form::Configuration {
        fields: FORM.iter().copied().filter(|field| is_exported(field)).map(entry).collect(),
        constraints,
        display_name: "AWS".to_owned(),
        help_url: "/docs/baton/aws-v2".to_owned(),
        icon_url: "/static/app-icons/aws.svg".to_owned(),
        ..form::Configuration::default()
    }
}

fn is_exported(field: &Field) -> bool {
    field.export != Export::None && field.support == Support::Built
}

fn entry(field: &Field) -> form::Field {
    let (display_name, description) = match field.export {
        Export::Operator(name, description) | Export::Form(name, description) => (name, description),
        Export::Common(description) => ("", description),
        Export::None => ("", field.help),
    };
    form::Field {
        name: field.name.to_owned(),
        display_name: display_name.to_owned(),
        description: description.to_owned(),
        is_ops: matches!(field.export, Export::Common(_) | Export::Operator(..)),
        is_secret: field.secrecy == Secrecy::Secret,
        field: Some(value(field)),
        ..form::Field::default()
    }
}

fn value(field: &Field) -> form::field::Field {
    use form::field::Field::{BoolField, IntField, StringField, StringSliceField};

    match field.kind {
        Kind::Switch | Kind::LooseSwitch => BoolField(form::BoolField {
            default_value: field.default == "true",
            ..form::BoolField::default()
        }),
        Kind::Number => IntField(form::IntField {
            default_value: field.default.parse().unwrap_or_default(),
            rules: field.bounds.map(|(least, greatest)| form::Int64Rules {
                gte: Some(least),
                lte: Some(greatest),
                ..form::Int64Rules::default()
            }),
            ..form::IntField::default()
        }),
        Kind::List => StringSliceField(form::StringSliceField::default()),
        Kind::RandomText => StringField(form::StringField {
            r#type: form::StringFieldType::Random.into(),
            ..form::StringField::default()
        }),
        // A form offers the words to choose from; an operator writes one.
        Kind::Choice(words) if matches!(field.export, Export::Form(..)) => StringField(form::StringField {
            default_value: field.default.to_owned(),
            rules: Some(form::StringRules {
                r#in: words.iter().map(|word| (*word).to_owned()).collect(),
                ..form::StringRules::default()
            }),
            ..form::StringField::default()
        }),
        Kind::Choice(_) | Kind::Text | Kind::Path | Kind::Duration => StringField(form::StringField {
            default_value: field.default.to_owned(),
            ..form::StringField::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_form_offers_what_is_built_and_nothing_else() {
        let text = json().unwrap();
        assert!(!text.ends_with('\n') && !text.contains('&') && !text.contains('<'), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let entries = value["fields"].as_array().unwrap();
        let names: Vec<&str> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        for absent in ["client-id", "sync-resources", "session-store-maximum-size", "aws-quotas"] {
            assert!(!names.contains(&absent), "{absent}");
        }
        for entry in entries {
            let kinds = ["stringField", "intField", "boolField", "stringSliceField"];
            assert_eq!(kinds.iter().filter(|kind| entry[**kind].is_object()).count(), 1, "{entry}");
        }
        let of = |name: &str| entries.iter().find(|entry| entry["name"] == name).unwrap();
        assert_eq!(of("external-id")["stringField"], json!({"type": "STRING_FIELD_TYPE_RANDOM"}));
        assert_eq!(of("global-aws-orgs-enabled")["boolField"], json!({}));
        assert_eq!(of("health-check-port")["intField"], json!({"defaultValue": "8081"}));
        assert_eq!(of("global-secret-access-key")["isSecret"], json!(true));
        assert_eq!(of("role-arn")["isOps"], Value::Null);
        let secrets = entries.iter().filter(|entry| entry["isSecret"] == true).count();
        assert_eq!(secrets, 1);
    }

    #[test]
    fn the_form_has_the_words_and_bounds_of_baton_aws() {
        let value: Value = serde_json::from_str(&json().unwrap()).unwrap();
        let entries = value["fields"].as_array().unwrap();
        let of = |name: &str| entries.iter().find(|entry| entry["name"] == name).unwrap();
        let words = |name: &str| {
            let text = |member: &str| of(name)[member].as_str().unwrap_or_default();
            (text("displayName"), text("description"))
        };
        assert_eq!(words("health-check"), ("", "Enable the HTTP health check endpoint"));
        assert_eq!(words("use-assume"), ("Use Assume", "Enable support for assume role"));
        let regions = "Region for AWS IAM Identity Center (successor to AWS Single Sign-On)";
        assert_eq!(words("global-aws-sso-region"), (regions, "The region for the sso identities"));
        assert_eq!(words("iam-assume-role-name").0, "IAM assume role name (child IAM accounts)");
        let rules = &of("http-timeout-seconds")["intField"]["rules"];
        assert_eq!(rules, &json!({"gte": "1", "lte": "1800"}));
        assert_eq!(of("log-level")["stringField"], json!({"defaultValue": "info"}));
        let kinds = &of("create-account-resource-type")["stringField"]["rules"]["in"];
        assert_eq!(kinds, &json!(["iam_user", "sso_user"]));
        for entry in entries {
            let name = entry["name"].as_str().unwrap();
            let help = FORM.iter().find(|field| field.name == name).unwrap().help;
            assert!(!words(name).1.is_empty() && words(name).1 != help, "{name} has words of our own");
        }
    }

    #[test]
    fn the_form_has_the_order_of_baton_aws() {
        let value: Value = serde_json::from_str(&json().unwrap()).unwrap();
        let entries = value["fields"].as_array().unwrap();
        let names: Vec<&str> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        let expected = [
            "log-level",
            "log-level-debug-expires-at",
            "otel-collector-endpoint",
            "otel-collector-endpoint-tls-cert-path",
            "otel-collector-endpoint-tls-cert",
            "otel-collector-endpoint-tls-insecure",
            "otel-tracing-disabled",
            "otel-logging-disabled",
            "health-check",
            "health-check-port",
            "health-check-bind-address",
            "http-timeout-seconds",
            "external-id",
            "global-access-key-id",
            "global-aws-orgs-enabled",
            "global-aws-sso-enabled",
            "global-aws-cross-account-iam-enabled",
            "global-aws-sso-region",
            "global-binding-external-id",
            "global-region",
            "global-role-arn",
            "global-secret-access-key",
            "role-arn",
            "use-assume",
            "sync-secrets",
            "iam-assume-role-name",
            "sync-sso-user-last-login",
            "sync-iam-user-console-access",
            "sync-only-attached-policies",
            "create-account-resource-type",
            "sync-resource-tags",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_form_tells_which_settings_need_others() {
        let value: Value = serde_json::from_str(&json().unwrap()).unwrap();
        let expected = json!([
            {
                "kind": "CONSTRAINT_KIND_DEPENDENT_ON",
                "fieldNames": ["use-assume"],
                "secondaryFieldNames": ["role-arn"],
            },
            {
                "kind": "CONSTRAINT_KIND_DEPENDENT_ON",
                "fieldNames": ["global-aws-cross-account-iam-enabled"],
                "secondaryFieldNames": ["global-aws-orgs-enabled", "global-aws-sso-enabled"],
            },
        ]);
        assert_eq!(value["constraints"], expected);
    }
}
