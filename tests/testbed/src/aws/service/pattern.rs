//! What AWS's models say of texts in requests: how long they are, and of which characters.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{ApiError, Service};

const NAME: &str = r"[A-Za-z0-9_+=,.@-]*";
const WORD: &str = r"[A-Za-z0-9_]*";
const ANY: &str = r"(?s:.*)";
const DIRECTORY_TEXT: &str = r"[\p{L}\p{M}\p{S}\p{N}\p{P}\t\n\r \u{A0}\u{3000}]+";
const DIRECTORY_ID: &str =
    "([0-9a-f]{10}-|)[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}";
const STS_TEXT: &str = r"[\t\n\r\x20-\x7E\u{85}\u{A0}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]+";

/// Service, operation (any if empty), member with `*` for a place in a list, fewest and most characters, pattern. The
/// first that applies counts.
type Rule = (&'static str, &'static str, &'static str, usize, usize, &'static str);

static RULES: [Rule; 27] = [
    ("iam", "CreateUser", "UserName", 1, 64, NAME),
    ("iam", "", "UserName", 1, 128, NAME),
    ("iam", "", "GroupName", 1, 128, NAME),
    ("iam", "", "RoleName", 1, 64, NAME),
    ("iam", "", "PolicyName", 1, 128, NAME),
    ("iam", "", "PolicyArn", 20, 2048, ANY),
    ("iam", "", "Path", 1, 512, r"/|/[\x21-\x7E]+/"),
    ("iam", "", "Tags.member.*.Key", 1, 128, r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+"),
    ("iam", "", "Tags.member.*.Value", 0, 256, r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"),
    ("iam", "", "Password", 1, 128, r"[\t\n\r\x20-\u{FF}]+"),
    ("iam", "", "AccessKeyId", 16, 128, WORD),
    ("iam", "", "SerialNumber", 9, 256, r"[A-Za-z0-9_+=/:,.@-]+"),
    ("identitystore", "CreateUser", "UserName", 1, 128, r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+"),
    ("identitystore", "CreateUser", "DisplayName", 1, 1024, DIRECTORY_TEXT),
    ("identitystore", "CreateUser", "Name.GivenName", 1, 1024, DIRECTORY_TEXT),
    ("identitystore", "CreateUser", "Name.FamilyName", 1, 1024, DIRECTORY_TEXT),
    ("identitystore", "CreateUser", "Emails.*.Value", 1, 1024, DIRECTORY_TEXT),
    ("identitystore", "CreateUser", "Emails.*.Type", 1, 1024, DIRECTORY_TEXT),
    ("sso", "ListInstances", "RegionScope", 1, 14, "CURRENT_REGION|ALL_REGIONS"),
    ("sso", "", "PrincipalId", 1, 47, DIRECTORY_ID),
    ("sso", "", "TargetId", 12, 12, r"[0-9]{12}"),
    ("sso", "", "AccountId", 12, 12, r"[0-9]{12}"),
    ("sts", "", "RoleArn", 20, 2048, STS_TEXT),
    ("sts", "", "RoleSessionName", 2, 64, NAME),
    ("sts", "", "Policy", 1, 2048, r"[\t\n\r\x20-\u{FF}]+"),
    ("sts", "", "WebIdentityToken", 4, 20_000, ANY),
    ("sts", "", "AccessKeyId", 16, 128, WORD),
];

static PATTERNS: LazyLock<Vec<(&Rule, Option<Regex>)>> = LazyLock::new(|| {
    RULES.iter().map(|rule| (rule, Regex::new(&format!("^(?:{})$", rule.5)).ok())).collect()
});

/// Refuses a request with a text that the model does not allow, in AWS's words.
pub(crate) fn check(service: &Service, operation: &str, input: &Value) -> Result<(), ApiError> {
    let mut texts = Vec::new();
    gather(input, "", &mut texts);
    for (member, text) in texts {
        let applies = |rule: &Rule| {
            rule.0 == service.name && (rule.1.is_empty() || rule.1 == operation) && rule.2 == member
        };
        let Some((rule, whole)) = PATTERNS.iter().find(|(rule, _)| applies(rule)) else { continue };
        let (_, _, _, least, most, pattern) = **rule;
        let length = text.chars().count();
        let broken = if length < least {
            format!("Member must have length greater than or equal to {least}")
        } else if length > most {
            format!("Member must have length less than or equal to {most}")
        } else if !whole.as_ref().is_some_and(|whole| whole.is_match(text)) {
            format!("Member must satisfy regular expression pattern: {pattern}")
        } else {
            continue;
        };
        return Err(ApiError::new(
            service.invalid,
            format!(
                "1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: {broken}"
            ),
        ));
    }
    Ok(())
}

/// All texts with the way to them; a place in a list is `*`.
fn gather<'a>(value: &'a Value, path: &str, into: &mut Vec<(String, &'a str)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::String(text) => into.push((path.to_owned(), text)),
        Value::Array(items) => items.iter().for_each(|item| gather(item, &below("*"), into)),
        Value::Object(members) => {
            for (name, item) in members {
                // A form has its lists in the names.
                let place = |part: &str| {
                    let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
                    if is_number { "*".to_owned() } else { part.to_owned() }
                };
                let name = name.split('.').map(place).collect::<Vec<_>>().join(".");
                gather(item, &below(&name), into);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{iam, identity_store};
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert!(PATTERNS.iter().all(|(_, pattern)| pattern.is_some()));
    }

    #[test]
    fn a_text_that_the_model_does_not_allow_is_refused_by_its_member() {
        for (service, operation, input, member) in [
            (
                &iam::SERVICE,
                "CreateUser",
                json!({"Tags.member.1.Value": "c.o'brien@example.com"}),
                "Tags.member.*.Value",
            ),
            (&iam::SERVICE, "CreateUser", json!({"UserName": "a".repeat(65)}), "UserName"),
            (&iam::SERVICE, "GetUser", json!({"UserName": "ä"}), "UserName"),
            (&identity_store::SERVICE, "CreateUser", json!({"UserName": "a b"}), "UserName"),
            (&identity_store::SERVICE, "CreateUser", json!({"Emails": [{"Value": ""}]}), "Emails.*.Value"),
        ] {
            let refused = check(service, operation, &input).unwrap_err();
            assert_eq!(refused.code, service.invalid);
            assert!(refused.message.contains(&format!("at '{member}'")), "{}", refused.message);
        }
        for (service, operation, input) in [
            (&iam::SERVICE, "CreateUser", json!({"UserName": "a", "Tags.member.1.Value": "ä b@c"})),
            (&iam::SERVICE, "GetUser", json!({"UserName": "a".repeat(65)})),
            (&identity_store::SERVICE, "CreateUser", json!({"UserName": "o'b", "DisplayName": "O b"})),
        ] {
            assert!(check(service, operation, &input).is_ok(), "{input}");
        }
    }
}
