//! The identifiers that reviews in a control plane are keyed by, and their grammars.
//!
//! Every id here must stay byte-identical to what earlier connectors wrote: a control plane stores configuration and
//! decisions under them. Composition never escapes; parsing is the inverse only where the field defines one.

use std::fmt;

use crate::grammar::{self, Partition};

/// The separator between account and permission set in the id of an account entitlement.
const ACCOUNT_ENTITLEMENT_SEPARATOR: char = '|';

/// An id from outside that does not follow its grammar.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed {what} {id:?}: {expected}")]
pub struct IdError {
    /// What the id should have named, in the field's words.
    pub what: &'static str,
    /// The id as received.
    pub id: String,
    /// The form that is accepted.
    pub expected: &'static str,
}

impl IdError {
    fn new(what: &'static str, id: &str, expected: &'static str) -> Self {
        // An id is shown in logs and task answers: a hostile one must not flood them.
        Self { what, id: id.chars().take(256).collect(), expected }
    }
}

/// Composes the id of an entitlement: `<resource type>:<resource id>:<slug>`.
pub fn entitlement_id(resource_type: &str, resource: &str, slug: &str) -> String {
    format!("{resource_type}:{resource}:{slug}")
}

/// Composes the usual id of a grant: `<entitlement id>:<principal type>:<principal id>`.
pub fn grant_id(entitlement: &str, principal_type: &str, principal: &str) -> String {
    format!("{entitlement}:{principal_type}:{principal}")
}

/// Composes the id of a grant of an account assignment: `grant:<principal type>:<principal id>:<entitlement id>`.
pub fn assignment_grant_id(principal_type: &str, principal: &str, entitlement: &str) -> String {
    format!("grant:{principal_type}:{principal}:{entitlement}")
}

/// Composes the legacy id of a membership entitlement: `membership:<resource id>`.
pub fn v1_membership_id(resource: &str) -> String {
    format!("membership:{resource}")
}

/// Composes the legacy id of a grant: `grant:<legacy entitlement id>:<principal id>`.
pub fn v1_grant_id(v1_entitlement: &str, principal: &str) -> String {
    format!("grant:{v1_entitlement}:{principal}")
}

/// Composes the id of a permission set assignment (a binding): `<permission set ARN>-<account id>`.
pub fn binding_id(permission_set: &str, account: &str) -> String {
    format!("{permission_set}-{account}")
}

/// The directory of an Identity Center instance, as it appears in the ids of its users and groups.
///
/// The region is the *configured* one, also where the directory lives elsewhere. The partition is `aws-cn` for a region
/// in China and `aws` for every other, in `GovCloud` too. Both are part of the identity contract.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directory {
    /// The configured Identity Center region.
    pub region: String,
    /// The identity store, `d-0123456789`.
    pub store: String,
}

impl Directory {
    /// The id of a user: `arn:<partition>:identitystore:<region>::<store>/user/<user id>`.
    pub fn user(&self, id: &str) -> String {
        format!("{self}/user/{id}")
    }

    /// The id of a group: `arn:<partition>:identitystore:<region>::<store>/group/<group id>`.
    pub fn group(&self, id: &str) -> String {
        format!("{self}/group/{id}")
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partition = match Partition::of_region(&self.region) {
            Partition::China => Partition::China,
            _ => Partition::Aws,
        };
        write!(f, "arn:{partition}:identitystore:{}::{}", self.region, self.store)
    }
}

/// Takes the AWS user id out of the id of an Identity Center user.
pub fn sso_user_of(id: &str) -> Result<&str, IdError> {
    member_of(id, "/user/").ok_or_else(|| {
        IdError::new("sso_user id", id, "expected arn:<partition>:identitystore:<region>::<store>/user/<id>")
    })
}

/// Takes the AWS group id out of the id of an Identity Center group.
pub fn sso_group_of(id: &str) -> Result<&str, IdError> {
    member_of(id, "/group/").ok_or_else(|| {
        IdError::new(
            "sso_group id",
            id,
            "expected arn:<partition>:identitystore:<region>::<store>/group/<id>",
        )
    })
}

fn member_of<'a>(id: &'a str, marker: &str) -> Option<&'a str> {
    let (_, resource) = id.strip_prefix("arn:")?.split_once(":identitystore:")?;
    let (_, member) = resource.split_once(marker)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!member.is_empty() && member.len() <= 64 && member.chars().all(plain)).then_some(member)
}

/// What stands between the ARN of an entity and the name of its inline policy.
const INLINE_SEPARATOR: &str = "::inline::";

/// Composes the id of an inline policy: `<ARN of its holder>::inline::<policy name>`.
pub fn inline_policy_id(holder: &str, name: &str) -> String {
    format!("{holder}{INLINE_SEPARATOR}{name}")
}

/// Takes the holder's ARN and the policy's name out of the id of an inline policy.
pub fn inline_policy_of(id: &str) -> Result<(&str, &str), IdError> {
    let halves = id.split_once(INLINE_SEPARATOR).filter(|(arn, name)| !arn.is_empty() && !name.is_empty());
    halves.ok_or_else(|| IdError::new("inline_policy id", id, "expected <ARN>::inline::<policy name>"))
}

/// An Amazon Resource Name, taken apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arn<'a> {
    /// For example `aws`.
    pub partition: &'a str,
    /// For example `iam`.
    pub service: &'a str,
    /// Empty for global services.
    pub region: &'a str,
    /// Twelve digits, `aws`, or empty.
    pub account: &'a str,
    /// All the rest, with its own colons.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// The six parts of `arn:<partition>:<service>:<region>:<account>:<resource>`; `None` for any other text.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        Some(Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        })
    }
}

/// The ARN of the permission set and the 12-digit account in the id of a permission set assignment; `None` for any
/// other text.
pub fn binding_of(id: &str) -> Option<(&str, &str)> {
    let (set, account) = id.rsplit_once('-')?;
    let is_set =
        Arn::parse(set).is_some_and(|arn| arn.service == "sso" && arn.resource.starts_with("permissionSet/"));
    (is_set && grammar::is_account(account)).then_some((set, account))
}

/// One permission set on one account: what an account assignment assigns.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Binding {
    /// The 12-digit account id.
    pub account: String,
    /// The ARN of the permission set.
    pub permission_set: String,
}

impl Binding {
    /// Checks both halves.
    pub fn new(account: &str, permission_set: &str) -> Result<Self, IdError> {
        if !grammar::is_account(account) {
            return Err(IdError::new("account id", account, "expected 12 digits"));
        }
        if !grammar::is_permission_set(permission_set) {
            return Err(IdError::new(
                "permission set ARN",
                permission_set,
                "expected arn:aws:sso:::permissionSet/ssoins-<id>/ps-<id> or .../ins-<id>/ps-<id>",
            ));
        }
        Ok(Self { account: account.to_owned(), permission_set: permission_set.to_owned() })
    }

    /// Parses the id of an account entitlement, `<account id>|<permission set ARN>`.
    pub fn from_account_entitlement(id: &str) -> Result<Self, IdError> {
        let (account, set) = id.split_once(ACCOUNT_ENTITLEMENT_SEPARATOR).ok_or_else(|| {
            IdError::new("account entitlement id", id, "expected <account id>|<permission set ARN>")
        })?;
        Self::new(account, set)
    }

    /// The id of the account entitlement, `<account id>|<permission set ARN>`.
    pub fn account_entitlement(&self) -> String {
        format!("{}{ACCOUNT_ENTITLEMENT_SEPARATOR}{}", self.account, self.permission_set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SET: &str = "arn:aws:sso:::permissionSet/ssoins-7223a1b2c3d4e5f6/ps-0a1b2c3d4e5f6789";

    fn directory() -> Directory {
        Directory { region: "us-east-1".into(), store: "d-9067f2a1b3".into() }
    }

    #[test]
    fn ids_have_the_shape_that_reviews_are_keyed_by() {
        let user = directory().user("c4a8-1");
        assert_eq!(user, "arn:aws:identitystore:us-east-1::d-9067f2a1b3/user/c4a8-1");
        assert_eq!(directory().group("g"), "arn:aws:identitystore:us-east-1::d-9067f2a1b3/group/g");
        let binding = Binding::new("123456789012", SET).unwrap();
        assert_eq!(binding.account_entitlement(), format!("123456789012|{SET}"));
        assert_eq!(binding_id(SET, "123456789012"), format!("{SET}-123456789012"));
        assert_eq!(assignment_grant_id("sso_user", "u", "e"), "grant:sso_user:u:e");
        assert_eq!(v1_grant_id(&v1_membership_id("g"), "u"), "grant:membership:g:u");
        assert_eq!(grant_id(&entitlement_id("a", "b", "c"), "d", "e"), "a:b:c:d:e");
    }

    #[test]
    fn ids_of_the_directory_are_in_the_partition_of_china_where_the_region_is_and_else_in_aws() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-west-1", "aws"),
            ("us-iso-east-1", "aws"),
            ("eusc-de-east-1", "aws"),
        ] {
            let directory = Directory { region: region.into(), store: "d-1".into() };
            let (user, group) = (directory.user("u-1"), directory.group("g-1"));
            assert_eq!(user, format!("arn:{partition}:identitystore:{region}::d-1/user/u-1"));
            assert_eq!(group, format!("arn:{partition}:identitystore:{region}::d-1/group/g-1"));
            assert_eq!((sso_user_of(&user), sso_group_of(&group)), (Ok("u-1"), Ok("g-1")));
        }
    }

    #[test]
    fn malformed_ids_are_refused_with_the_form_that_is_accepted() {
        for bad in ["", "u", "arn:aws:identitystore:r::d/user/", "arn:aws:iam::1:user/x", "arn:x/user/a b"] {
            assert!(sso_user_of(bad).is_err(), "{bad}");
        }
        assert!(sso_group_of(&directory().user("x")).is_err());
        for bad in
            ["", "123456789012", "1234|x", &format!("12345678901x|{SET}"), "123456789012|arn:aws:iam::aws:x"]
        {
            assert!(Binding::from_account_entitlement(bad).is_err(), "{bad}");
        }
        let long = IdError::new("x", &"é".repeat(10_000), "y");
        assert_eq!(long.id.chars().count(), 256);
    }

    #[test]
    fn an_arn_has_six_parts_and_its_resource_keeps_its_colons() {
        let arn = Arn::parse("arn:aws-cn:iam::123456789012:role/a:b/c").unwrap();
        assert_eq!((arn.partition, arn.service, arn.region), ("aws-cn", "iam", ""));
        assert_eq!((arn.account, arn.resource), ("123456789012", "role/a:b/c"));
        for text in ["", "*", "123456789012", "arn:aws:iam::123456789012", "AIDAEXAMPLE"] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_inline_policy_id_needs_both_halves() {
        for text in ["", "::inline::", "arn::inline::", "::inline::x", "arn:aws:iam::1:role/x"] {
            assert!(inline_policy_of(text).is_err(), "{text}");
        }
        assert_eq!(inline_policy_of("a::inline::b::inline::c").unwrap(), ("a", "b::inline::c"));
    }

    proptest! {
        #[test]
        fn an_inline_policy_id_is_taken_apart_as_it_was_composed(arn in "arn:aws:iam::[0-9]{12}:user/[a-z/]{1,20}", name in "[\\w+=,.@-]{1,20}") {
            let id = inline_policy_id(&arn, &name);
            prop_assert_eq!(inline_policy_of(&id).unwrap(), (&*arn, &*name));
            let parsed = Arn::parse(&arn).unwrap();
            prop_assert_eq!(format!("arn:{}:{}:{}:{}:{}", parsed.partition, parsed.service, parsed.region, parsed.account, parsed.resource), arn);
        }

        #[test]
        fn parsing_takes_back_what_composing_wrote(
            account in "[0-9]{12}",
            // As AWS's models have them.
            set in "arn:aws(-[a-z]{1,5}){0,3}:sso:::permissionSet/(sso)?ins-[a-zA-Z0-9-.]{16}/ps-[a-zA-Z0-9-./]{16}",
            user in "([0-9a-f]{10}-|)[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}",
        ) {
            let binding = Binding::new(&account, &set).unwrap();
            prop_assert_eq!(Binding::from_account_entitlement(&binding.account_entitlement()).unwrap(), binding);
            let (as_user, as_group) = (directory().user(&user), directory().group(&user));
            prop_assert_eq!(sso_user_of(&as_user).unwrap(), &user);
            prop_assert_eq!(sso_group_of(&as_group).unwrap(), &user);
        }

        #[test]
        fn no_text_from_outside_panics(text in ".*") {
            let _ = (sso_user_of(&text).is_ok(), sso_group_of(&text).is_ok(), Binding::from_account_entitlement(&text).is_ok(), Arn::parse(&text), inline_policy_of(&text).is_ok());
        }
    }
}
