//! Ids that a setting lists, in which `*` stands for any text.
//!
//! Names in AWS may hold commas, and commas separate items. So a piece that does not begin like an id belongs to the one
//! before it: `arn:aws:iam::123456789012:user/o,brien` is one item. An item that no id can ever match is refused.

/// What is listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Listed {
    /// Users, groups and roles of IAM, users and groups of Identity Center.
    Principals,
    /// Managed and inline policies of IAM.
    Policies,
    /// Roles of IAM.
    Roles,
    /// Federated users of STS.
    FederatedUsers,
}

/// Puts pieces between commas together to items.
pub(super) fn join(pieces: impl Iterator<Item = String>) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for piece in pieces {
        match items.last_mut() {
            Some(item) if !begins(&piece) && is_rest_of_name(&piece) => {
                item.push(',');
                item.push_str(&piece);
            }
            _ => items.push(piece),
        }
    }
    items
}

/// Whether an id could begin so: all do with `arn:`.
fn begins(text: &str) -> bool {
    let literal = text.split('*').next().unwrap_or_default();
    if literal.len() == text.len() { starts(text, "arn:") } else { agree(literal, "arn:") }
}

/// What may follow a comma in a name of IAM; a path's part is more likely a slip.
fn is_rest_of_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=.@-*".contains(&b))
}

/// Whether there can be an id that the item is, or that it matches.
pub(super) fn can_match(listed: Listed, item: &str) -> bool {
    if item.chars().any(|c| c.is_whitespace() || c.is_control()) || !begins(item) {
        return false;
    }
    let literal = item.split('*').next().unwrap_or_default();
    let is_whole = literal.len() == item.len();
    let parts: Vec<&str> = literal.splitn(6, ':').collect();
    // What stands before the first star is complete but for its last part.
    let is_open = |at: usize| !is_whole && at + 1 == parts.len();
    let part = |at: usize| parts.get(at).copied();
    let fits = |at: usize, accepted: &dyn Fn(&str, bool) -> bool| match part(at) {
        Some(text) => accepted(text, is_open(at)),
        None => !is_whole,
    };
    let word = |words: &'static [&'static str]| {
        move |text: &str, open: bool| {
            words.iter().any(|word| if open { agree(text, word) } else { text.eq_ignore_ascii_case(word) })
        }
    };
    let digits = |text: &str, open: bool| {
        text.bytes().all(|b| b.is_ascii_digit()) && if open { text.len() <= 12 } else { text.len() == 12 }
    };
    let account = |text: &str, open: bool| {
        digits(text, open) || listed == Listed::Policies && word(&["aws"])(text, open)
    };
    let kinds: &[&str] = match listed {
        Listed::Principals => &["user/", "group/", "role/"],
        Listed::Policies => &["policy/", "user/", "group/", "role/"],
        Listed::Roles => &["role/"],
        Listed::FederatedUsers => &["federated-user/"],
    };
    let resource = |text: &str, open: bool| {
        let begun = kinds
            .iter()
            .any(|kind| if open { agree(text, kind) } else { starts(text, kind) && text.len() > kind.len() });
        // Policies of a user, a group or a role are its inline ones.
        let inline = starts(text, "policy/") || open || text.contains("::inline::");
        begun && (listed != Listed::Policies || inline)
    };
    let partition = |text: &str, open: bool| if open { agree(text, "aws") } else { starts(text, "aws") };
    let none = |text: &str, _: bool| text.is_empty();
    let service: &'static [&'static str] = if listed == Listed::FederatedUsers { &["sts"] } else { &["iam"] };
    let global = fits(1, &partition)
        && fits(2, &word(service))
        && fits(3, &none)
        && fits(4, &account)
        && fits(5, &resource);
    let member = |text: &str, open: bool| {
        let whole = ["/user/", "/group/"].iter().any(|kind| text.to_ascii_lowercase().contains(kind));
        open || whole
    };
    let any = |_: &str, _: bool| true;
    let center = listed == Listed::Principals
        && fits(1, &partition)
        && fits(2, &word(&["identitystore"]))
        && fits(3, &any)
        && fits(4, &none)
        && fits(5, &member);
    global || center
}

/// Whether `text` begins with `start`, in any case.
fn starts(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// Whether one of them is the begin of the other, in any case.
fn agree(text: &str, word: &str) -> bool {
    starts(text, word) || starts(word, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_name_splits_nothing() {
        for (text, items) in [
            ("arn:aws:iam::111111111111:user/o,brien", vec!["arn:aws:iam::111111111111:user/o,brien"]),
            ("arn:a,arn:b,*:user/x", vec!["arn:a", "arn:b", "*:user/x"]),
            ("*:user/o,brien*,*:user/y", vec!["*:user/o,brien*", "*:user/y"]),
            ("*:user/a,b,c", vec!["*:user/a,b,c"]),
            ("*:user/a,user/b", vec!["*:user/a", "user/b"]),
            ("brien", vec!["brien"]),
            ("a*,ar*", vec!["a*", "ar*"]),
        ] {
            assert_eq!(join(text.split(',').map(str::to_owned)), items, "{text}");
        }
    }

    #[test]
    fn an_item_that_can_match_nothing_is_told_from_one_that_can() {
        use Listed::{FederatedUsers, Policies, Principals, Roles};
        for (listed, item, can) in [
            (Principals, "arn:aws:iam::111111111111:user/o,brien", true),
            (Principals, "arn:aws:iam::111111111111:role/ops/Runner", true),
            (Principals, "ARN:AWS:IAM::111111111111:GROUP/x", true),
            (Principals, "arn:aws-us-gov:identitystore:us-gov-west-1::d-1/user/u-1", true),
            (Principals, "*", true),
            (Principals, "*:role/Runner", true),
            (Principals, "arn:aws:iam::1111*", true),
            (Principals, "arn:*:user/x", true),
            (Principals, "arn:aws:identitystore:*", true),
            (Principals, "*/group/g-1", true),
            (Principals, "user/idle", false),
            (Principals, "idle", false),
            (Principals, "user/*", false),
            (Principals, "arn:aws:s3:::bucket", false),
            (Principals, "arn:aws:s3*", false),
            (Principals, "arn:aws:iam::1111:user/x", false),
            (Principals, "arn:aws:iam:us-east-1:111111111111:user/x", false),
            (Principals, "arn:aws:iam::111111111111:policy/x", false),
            (Principals, "arn:aws:iam::111111111111:user/", false),
            (Principals, "arn:aws:iam::111111111111", false),
            (Principals, "arn:aws:iam::1111111111111*", false),
            (Principals, "arn:aws:iam::111111111111:user/a b", false),
            (Principals, "", false),
            (Policies, "arn:aws:iam::aws:policy/AdministratorAccess", true),
            (Policies, "*:policy/Admin*", true),
            (Policies, "arn:aws:iam::111111111111:user/a::inline::p", true),
            (Policies, "arn:aws:iam::111111111111:user/a*", true),
            (Policies, "arn:aws:iam::111111111111:user/a", false),
            (Policies, "AdministratorAccess", false),
            (Roles, "arn:aws:iam::111111111111:role/deploy/*", true),
            (Roles, "arn:aws:iam::111111111111:user/x", false),
            (FederatedUsers, "arn:aws:sts::111111111111:federated-user/ci-*", true),
            (FederatedUsers, "*:federated-user/ci", true),
            (FederatedUsers, "*", true),
            (FederatedUsers, "arn:aws:sts::111111111111:assumed-role/x", false),
            (FederatedUsers, "arn:aws:iam::111111111111:user/x", false),
            (FederatedUsers, "ci", false),
        ] {
            assert_eq!(can_match(listed, item), can, "{listed:?} {item}");
        }
    }
}
