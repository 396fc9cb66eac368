//! How AWS writes the ids of accounts and of Identity Center, and its partitions: what its own models say, each once.

mod partition;

pub use partition::Partition;

/// Whether this is the id of an account: twelve digits.
///
/// Source: `AccountId` of SSO Admin and Organizations.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is the ARN of an instance of Identity Center. Its id begins with `ssoins-` or with `ins-`.
///
/// Source: `InstanceArn` of SSO Admin.
pub fn is_instance(arn: &str) -> bool {
    of_identity_center(arn, "instance/").is_some_and(is_instance_id)
}

/// Whether this is the ARN of a permission set.
///
/// Source: `PermissionSetArn` of SSO Admin.
pub fn is_permission_set(arn: &str) -> bool {
    let ids = of_identity_center(arn, "permissionSet/").and_then(|ids| ids.split_once('/'));
    ids.is_some_and(|(instance, set)| {
        let id = set.strip_prefix("ps-");
        is_instance_id(instance) && id.is_some_and(|id| is_id(id, |byte| b"-./".contains(&byte)))
    })
}

/// The id of an identity store or of something in it. AWS takes and may give an ARN in its place, whose last part it is.
/// `None` for what is longer than `most` bytes or holds what no id does.
///
/// Source: `IdentityStoreId` and `ResourceId` of Identity Store.
pub fn id_in_identity_store(text: &str, most: usize) -> Option<&str> {
    let in_arn = text.strip_prefix("arn:").and_then(|rest| rest.split_once(":identitystore:"));
    let id = in_arn.map_or(Some(text), |(_, resource)| Some(resource.rsplit_once('/')?.1))?;
    let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
    (text.len() <= most && is_plain).then_some(id)
}

/// What stands behind `kind` in an ARN of SSO Admin, in any partition.
fn of_identity_center<'a>(arn: &'a str, kind: &str) -> Option<&'a str> {
    let (partition, resource) = arn.strip_prefix("arn:")?.split_once(":sso:::")?;
    let mut words = partition.strip_prefix("aws")?.split('-');
    let is_word = |word: &str| (1..=5).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
    let is_partition = words.next() == Some("") && words.clone().count() <= 3 && words.all(is_word);
    resource.strip_prefix(kind).filter(|_| is_partition)
}

fn is_instance_id(text: &str) -> bool {
    let id = text.strip_prefix("sso").unwrap_or(text).strip_prefix("ins-");
    id.is_some_and(|id| is_id(id, |byte| b"-.".contains(&byte)))
}

/// Sixteen letters and digits, or what else is legal.
fn is_id(text: &str, is_legal: impl Fn(u8) -> bool) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_legal(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_the_model_allows_is_read(
            account in r"[0-9]{12}",
            instance in "arn:aws(-[a-z]{1,5}){0,3}:sso:::instance/(sso)?ins-[a-zA-Z0-9-.]{16}",
            set in "arn:aws(-[a-z]{1,5}){0,3}:sso:::permissionSet/(sso)?ins-[a-zA-Z0-9-.]{16}/ps-[a-zA-Z0-9-./]{16}",
        ) {
            prop_assert!(is_account(&account) && is_instance(&instance) && is_permission_set(&set));
            prop_assert!(!is_instance(&set) && !is_permission_set(&instance));
        }
    }

    #[test]
    fn an_arn_of_the_identity_store_is_read_as_the_id_that_it_ends_with() {
        for (text, id) in [
            ("d-1234567890", Some("d-1234567890")),
            ("arn:aws:identitystore::111122223333:identitystore/d-1234567890", Some("d-1234567890")),
            ("arn:aws-cn:identitystore:::user/9067f2a1b3-0a1b2c3d", Some("9067f2a1b3-0a1b2c3d")),
            ("arn:aws:identitystore:::user/", None),
            ("arn:aws:identitystore:::user", None),
            ("", None),
            ("u 1", None),
            ("u-1\n", None),
        ] {
            assert_eq!(id_in_identity_store(text, 100), id, "{text}");
        }
        assert_eq!(id_in_identity_store(&"u".repeat(100), 100).map(str::len), Some(100));
        assert_eq!(id_in_identity_store(&"u".repeat(101), 100), None);
    }

    #[test]
    fn what_the_model_does_not_allow_is_refused() {
        for text in ["", "12345678901", "1234567890123", "12345678901a", "١٢٣٤٥٦"] {
            assert!(!is_account(text), "{text}");
        }
        let instance = "ssoins-7223a1b2c3d4e5f6";
        assert!(is_instance(&format!("arn:aws:sso:::instance/{instance}")));
        for arn in [
            String::new(),
            instance.to_owned(),
            format!("arn:aws:sso:::instance/{instance}0"),
            format!("arn:aws:sso:::instance/{instance}/x"),
            format!("arn:aws:sso:::instance/x{instance}"),
            format!("arn:aws:sso:::instance/SSO{}", &instance[3..]),
            format!("arn:aws:sso::1:instance/{instance}"),
            format!("arn:aws-:sso:::instance/{instance}"),
            format!("arn:aws-abcdef:sso:::instance/{instance}"),
            format!("arn:aws-a-b-c-d:sso:::instance/{instance}"),
            format!("arn:awsx:sso:::instance/{instance}"),
            format!("arn:aws:iam:::instance/{instance}"),
        ] {
            assert!(!is_instance(&arn), "{arn}");
        }
        for ids in [
            "",
            instance,
            &format!("{instance}/"),
            &format!("{instance}/ps-1"),
            &format!("{instance}/p-0a1b2c3d4e5f6789"),
        ] {
            assert!(!is_permission_set(&format!("arn:aws:sso:::permissionSet/{ids}")), "{ids}");
        }
    }
}
