//! Baton ids (bids): one text for a resource with its type, as command lines take it.
//!
//! `bid:r:<type>/<id>`, or with the parent before it `bid:r:<parent type>/<parent id>/<type>/<id>`. A colon, a slash or
//! a backslash within a part has a backslash before it.

use std::str::FromStr;

/// A resource that a bid names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourceBid {
    /// The id of its type.
    pub resource_type: String,
    /// Its id within the type.
    pub id: String,
}

/// A text that is no bid of a resource.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{text:?} is no id of a resource: {fault}. It has the form bid:r:<type>/<id>, with a backslash before each colon, \
     slash and backslash within an id, for example bid:r:iam_user/arn\\:aws\\:iam\\:\\:111111111111\\:user\\/ada"
)]
pub struct BidError {
    text: String,
    fault: &'static str,
}

impl FromStr for ResourceBid {
    type Err = BidError;

    fn from_str(text: &str) -> Result<Self, BidError> {
        let fail = |fault| BidError { text: text.chars().take(256).collect(), fault };
        let rest = text.strip_prefix("bid:r:").ok_or_else(|| fail("it does not begin with bid:r:"))?;
        let mut parts = vec![String::new()];
        let mut letters = rest.chars();
        while let Some(letter) = letters.next() {
            let kept = match letter {
                '/' => {
                    parts.push(String::new());
                    continue;
                }
                ':' => return Err(fail("it has a colon without a backslash")),
                '\\' => match letters.next() {
                    Some(kept @ (':' | '/' | '\\')) => kept,
                    _ => return Err(fail("it has a backslash before another letter")),
                },
                other => other,
            };
            if let Some(part) = parts.last_mut() {
                part.push(kept);
            }
        }
        if parts.iter().any(String::is_empty) {
            return Err(fail("a part of it is empty"));
        }
        match parts.as_slice() {
            [resource_type, id] | [_, _, resource_type, id] => {
                Ok(Self { resource_type: resource_type.clone(), id: id.clone() })
            }
            _ => Err(fail("it does not have two or four parts")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_with_its_type_and_with_or_without_its_parent() {
        for (text, resource_type, id) in [
            ("bid:r:account/111111111111", "account", "111111111111"),
            (r"bid:r:role/arn\:aws\:iam\:\:1\:role\/p\/x", "role", "arn:aws:iam::1:role/p/x"),
            (r"bid:r:account_iam/1/iam_user/a\\b", "iam_user", r"a\b"),
            ("bid:r:a/é/b/ü", "b", "ü"),
        ] {
            let read: ResourceBid = text.parse().unwrap();
            assert_eq!((read.resource_type.as_str(), read.id.as_str()), (resource_type, id), "{text}");
        }
    }

    #[test]
    fn what_names_no_resource_is_refused_with_the_form() {
        for text in [
            "",
            "account/1",
            "bid:",
            "bid:r:",
            "bid:r:account",
            "bid:r:account/",
            "bid:r:/1",
            "bid:r:a/1/",
            "bid:r:a/1/b",
            "bid:r:a/1//2",
            "bid:r:a/1/b/2/c/3",
            "bid:e:account/1:member",
            "bid:g:account/1:member:user/2",
            "bid:r:account/1:member",
            "bid:r:role/arn:aws:iam::1:role/x",
            r"bid:r:a/1\",
            r"bid:r:a/\1",
        ] {
            let error = text.parse::<ResourceBid>().unwrap_err().to_string();
            assert!(error.contains("bid:r:<type>/<id>"), "{error}");
        }
        let long = format!("bid:r:{}", "x".repeat(100_000));
        assert!(long.parse::<ResourceBid>().unwrap_err().to_string().len() < 1000);
    }
}
