//! Whose account a resource belongs to.

use super::{
    account, account_iam, group, iam_policy, iam_user, inline_policy, permission_set_assignment, role,
};
use crate::aws::AccountId;
use crate::baton::id::{Arn, binding_of, inline_policy_of};

/// The account that the id of a resource of this type names. `None` for a type whose resources belong to no single
/// account, or whose ids do not name theirs, and for an id that is none of the type.
pub fn account_of(resource_type: &str, id: &str) -> Option<AccountId> {
    match resource_type {
        account::ID | account_iam::ID => id.parse().ok(),
        permission_set_assignment::ID => binding_of(id)?.1.parse().ok(),
        iam_user::ID | group::ID | role::ID | iam_policy::ID => of_iam(id),
        inline_policy::ID => of_iam(inline_policy_of(id).ok()?.0),
        _ => None,
    }
}

fn of_iam(arn: &str) -> Option<AccountId> {
    Arn::parse(arn).filter(|arn| arn.service == "iam")?.account.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "arn:aws:sso:::permissionSet/ssoins-7223a1b2c3d4e5f6/ps-0a1b2c3d4e5f6789";

    #[test]
    fn each_kind_of_id_names_its_account_in_its_own_way() {
        let binding = format!("{SET}-123456789012");
        for (kind, id) in [
            ("account", "123456789012"),
            ("account_iam", "123456789012"),
            ("permission_set_assignment", binding.as_str()),
            ("iam_user", "arn:aws:iam::123456789012:user/people/ann"),
            ("group", "arn:aws-cn:iam::123456789012:group/g"),
            ("role", "arn:aws:iam::123456789012:role/r-210987654321"),
            ("iam_policy", "arn:aws:iam::123456789012:policy/p"),
            ("inline_policy", "arn:aws:iam::123456789012:user/ann::inline::p-210987654321"),
        ] {
            assert_eq!(account_of(kind, id).unwrap().as_str(), "123456789012", "{kind} {id}");
        }
    }

    #[test]
    fn digits_at_the_end_of_another_kind_of_id_are_no_account() {
        let user = "arn:aws:identitystore:us-east-1::d-9067f2a1b3/user/9067f2a1b3-0a1b2c3d-4e5f-6789-0a1b-123456789012";
        let of_set = format!("{SET}::inline::inline-123456789012");
        for (kind, id) in [
            ("sso_user", user),
            (
                "sso_group",
                "arn:aws:identitystore:us-east-1::d-9067f2a1b3/group/0a1b2c3d-4e5f-6789-0a1b-123456789012",
            ),
            ("permission_set", "arn:aws:sso:::permissionSet/ssoins-7223a1b2c3d4e5f6/ps-123456789012"),
            ("inline_policy", of_set.as_str()),
            ("iam_policy", "arn:aws:iam::aws:policy/job-function/x-123456789012"),
            ("iam_policy", "arn:aws:s3:::logs-123456789012"),
            ("iam_user", "123456789012"),
            ("role", "arn:aws:s3:us-east-1:123456789012:accesspoint/x"),
            ("account", "arn:aws:iam::123456789012:root"),
            ("account", "1234567890123"),
            ("permission_set_assignment", "arn:aws:s3:::logs-123456789012"),
            ("organizational_unit", "ou-ab12-123456789012"),
            ("access-key", "123456789012"),
            ("s3_bucket", "arn:aws:s3:::logs-123456789012"),
            ("", "123456789012"),
        ] {
            assert_eq!(account_of(kind, id), None, "{kind} {id}");
        }
    }
}
