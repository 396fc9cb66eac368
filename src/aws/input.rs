//! What AWS takes as a value, by the lengths and patterns of its models. What does not fit is refused there before
//! anything is done; asked here first, no call is wasted and a rehearsal knows it, too.

use std::sync::LazyLock;

use regex::Regex;

/// A value that is sent to AWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Input {
    /// The name of a new IAM user (`userNameType`).
    NewUserName,
    /// The name of an IAM user or group that exists (`existingUserNameType`, `groupNameType`).
    EntityName,
    /// The name of an IAM role (`roleNameType`).
    RoleName,
    /// The name of an inline policy (`policyNameType`).
    PolicyName,
    /// The value of a tag of IAM (`tagValueType`).
    TagValue,
    /// The name of a user of Identity Center (`UserName` of Identity Store).
    DirectoryUserName,
    /// Any other text about a user of Identity Center: names, addresses (`SensitiveStringType` of Identity Store).
    DirectoryText,
    /// The ARN of a role to assume (`arnType` of STS, less tabs and line ends, which no ARN has).
    RoleArn,
    /// The name of a session (`roleSessionNameType` of STS).
    SessionName,
    /// The name of a federated user (`userNameType` of STS).
    FederatedName,
    /// The ARN of a managed policy (`arnType` of STS, less tabs and line ends).
    PolicyArn,
    /// The key of a session's tag (`tagKeyType` of STS).
    SessionTagKey,
    /// The policy of a session (`sessionPolicyDocumentType` of STS).
    SessionPolicy,
    /// A web identity token (`clientTokenType` of STS).
    WebIdentityToken,
}

/// Every input, in the order of its declaration.
const ALL: [Input; 14] = [
    Input::NewUserName,
    Input::EntityName,
    Input::RoleName,
    Input::PolicyName,
    Input::TagValue,
    Input::DirectoryUserName,
    Input::DirectoryText,
    Input::RoleArn,
    Input::SessionName,
    Input::FederatedName,
    Input::PolicyArn,
    Input::SessionTagKey,
    Input::SessionPolicy,
    Input::WebIdentityToken,
];

/// Letters of a name, as IAM and STS have them.
const NAME: &str = "[A-Za-z0-9_+=,.@-]*";

static PATTERNS: LazyLock<Vec<Option<Regex>>> =
    LazyLock::new(|| ALL.iter().map(|input| Regex::new(&format!("^(?:{})$", input.rule().2)).ok()).collect());

impl Input {
    /// The fewest and the most characters, and the pattern.
    fn rule(self) -> (usize, usize, &'static str) {
        match self {
            Self::NewUserName | Self::RoleName => (1, 64, NAME),
            Self::EntityName | Self::PolicyName => (1, 128, NAME),
            Self::TagValue => (0, 256, r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"),
            Self::DirectoryUserName => (1, 128, r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+"),
            Self::DirectoryText => (1, 1024, r"[\p{L}\p{M}\p{S}\p{N}\p{P}\t\n\r \u{A0}\u{3000}]+"),
            Self::RoleArn | Self::PolicyArn => {
                (20, 2048, r"[\x20-\x7E\u{A0}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]+")
            }
            Self::SessionName => (2, 64, NAME),
            Self::FederatedName => (2, 32, NAME),
            Self::SessionTagKey => (1, 128, r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+"),
            Self::SessionPolicy => (1, 2048, r"[\t\n\r\x20-\u{FF}]+"),
            Self::WebIdentityToken => (4, 20_000, r"(?s:.*)"),
        }
    }

    /// Whether AWS takes this text.
    pub fn takes(self, text: &str) -> bool {
        let (least, most, _) = self.rule();
        let pattern = PATTERNS.get(self as usize).and_then(Option::as_ref);
        // Bytes first: what is far too long is not looked through.
        text.len() <= most * 4
            && (least..=most).contains(&text.chars().count())
            && pattern.is_some_and(|pattern| pattern.is_match(text))
    }

    /// What AWS takes, for people.
    pub fn told(self) -> &'static str {
        match self {
            Self::NewUserName | Self::RoleName => "1 to 64 letters of the Latin alphabet, digits and +=,.@_-",
            Self::EntityName | Self::PolicyName => {
                "1 to 128 letters of the Latin alphabet, digits and +=,.@_-"
            }
            Self::TagValue => "at most 256 letters, digits, blanks and _.:/=+-@",
            Self::DirectoryUserName => {
                "1 to 128 letters, marks, digits, symbols and punctuation, without blanks"
            }
            Self::DirectoryText => "1 to 1024 letters, marks, digits, symbols, punctuation and blanks",
            Self::RoleArn | Self::PolicyArn => "20 to 2048 characters without control characters",
            Self::SessionName => "2 to 64 letters, digits and _+=,.@-",
            Self::FederatedName => "2 to 32 letters, digits and _+=,.@-",
            Self::SessionTagKey => "1 to 128 letters, digits, blanks and _.:/=+-@",
            Self::SessionPolicy => "1 to 2048 characters of Latin-1, tabs and line ends among them",
            Self::WebIdentityToken => "4 to 20000 characters",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one_and_stands_at_its_place() {
        assert!(PATTERNS.iter().all(Option::is_some));
        for (at, input) in ALL.iter().enumerate() {
            assert_eq!(*input as usize, at, "{input:?}");
        }
    }

    #[test]
    fn an_input_is_what_the_model_of_aws_says() {
        for (input, text, takes) in [
            (Input::NewUserName, "o,brien+x=1", true),
            (Input::NewUserName, "o'brien", false),
            (Input::NewUserName, "jürgen", false),
            (Input::NewUserName, "", false),
            (Input::NewUserName, "a\n", false),
            (Input::TagValue, "", true),
            (Input::TagValue, "Jürgen Größe@例え.jp", true),
            (Input::TagValue, "c.o'brien@example.com", false),
            (Input::TagValue, "a&b@example.com", false),
            (Input::TagValue, "a\u{301}@example.com", false),
            (Input::DirectoryUserName, "c.o'brien@example.com", true),
            (Input::DirectoryUserName, "c o", false),
            (Input::DirectoryText, "c o\u{301}\u{3000}x", true),
            (Input::DirectoryText, "\u{200b}", false),
            (Input::DirectoryText, "", false),
            (Input::RoleArn, "arn:aws:iam::1:role", false),
            (Input::RoleArn, "arn:aws:iam::111111111111:role/a", true),
            (Input::RoleArn, "arn:aws:iam::111111111111:role/\u{7}", false),
            (Input::SessionName, "a", false),
            (Input::SessionName, "a b", false),
            (Input::FederatedName, "ci-deploy@x", true),
            (Input::FederatedName, "a", false),
            (Input::FederatedName, "a/b", false),
            (Input::PolicyArn, "arn:aws:iam::aws:policy/ReadOnlyAccess", true),
            (Input::PolicyArn, "ReadOnlyAccess", false),
            (Input::SessionTagKey, "", false),
            (Input::SessionTagKey, "Größe x", true),
            (Input::SessionTagKey, "a&b", false),
            (Input::SessionPolicy, "{\"a\": \"ü\"}", true),
            (Input::SessionPolicy, "{\"a\": \"例\"}", false),
            (Input::WebIdentityToken, "abc", false),
        ] {
            assert_eq!(input.takes(text), takes, "{input:?} {text:?}");
        }
        for (input, most) in [
            (Input::NewUserName, 64),
            (Input::EntityName, 128),
            (Input::RoleName, 64),
            (Input::TagValue, 256),
            (Input::FederatedName, 32),
            (Input::SessionTagKey, 128),
        ] {
            assert!(input.takes(&"a".repeat(most)) && !input.takes(&"a".repeat(most + 1)), "{input:?}");
        }
        assert!(Input::TagValue.takes(&"ä".repeat(256)), "characters are counted, not bytes");
    }
}
