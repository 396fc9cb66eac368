//! What a change may change, as far as a sync tells of it.

use std::collections::BTreeSet;

use crate::baton::v2;
use crate::connector::{access_key, iam_policy, iam_user, sso_user};
use crate::sync::{Affected, Target};

/// A grant or a revoke: what is granted tells who has it. A policy does not: its holder does.
pub(super) fn by_grant(entitlement: &v2::Entitlement, principal: &v2::Resource) -> Affected {
    let id = |resource: Option<&v2::Resource>| resource.and_then(|resource| resource.id.clone());
    let granted = id(entitlement.resource.as_ref());
    let told_by = match granted {
        Some(granted) if granted.resource_type == iam_policy::ID => principal.id.clone(),
        granted => granted,
    };
    told_by.map_or(Affected::Anything, |id| by_resource(&id))
}

/// A change of a resource itself.
pub(super) fn by_resource(id: &v2::ResourceId) -> Affected {
    Affected::one(&id.resource_type, &id.resource)
}

/// A deletion. With a user of the directory go its memberships, which any group may tell; with an IAM user its keys.
pub(super) fn by_deletion(id: &v2::ResourceId) -> Affected {
    match id.resource_type.as_str() {
        sso_user::ID => Affected::Anything,
        iam_user::ID => Affected::These(BTreeSet::from([
            target(&id.resource_type, &id.resource),
            target(access_key::ID, ""),
        ])),
        _ => by_resource(id),
    }
}

/// An account that was made, or was there before.
pub(super) fn by_creation(response: &v2::CreateAccountResponse) -> Affected {
    use v2::create_account_response::Result as Made;
    let resource = match &response.result {
        Some(Made::Success(made)) => made.resource.as_ref(),
        Some(Made::ActionRequired(made)) => made.resource.as_ref(),
        Some(Made::AlreadyExists(made)) => made.resource.as_ref(),
        Some(Made::InProgress(made)) => made.resource.as_ref(),
        None => None,
    };
    resource.and_then(|resource| resource.id.as_ref()).map_or(Affected::Anything, by_resource)
}

fn target(resource_type: &str, resource: &str) -> Target {
    Target { resource_type: resource_type.to_owned(), resource: resource.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::{entitlement, resource};
    use super::*;

    #[test]
    fn a_membership_is_told_by_its_group_and_an_attached_policy_by_its_holder() {
        let user = resource("iam_user", "arn:aws:iam::111111111111:user/ann");
        assert_eq!(by_grant(&entitlement(), &user), Affected::one("sso_group", "g"));
        let mut policy = entitlement();
        policy.resource = Some(resource("iam_policy", "arn:aws:iam::aws:policy/P"));
        let holder = Affected::one("iam_user", "arn:aws:iam::111111111111:user/ann");
        assert_eq!(by_grant(&policy, &user), holder);
        assert_eq!(by_grant(&v2::Entitlement::default(), &user), Affected::Anything);
    }

    #[test]
    fn what_goes_with_a_deleted_user_is_affected_too() {
        let of = |kind: &str| by_deletion(&resource(kind, "x").id.unwrap());
        assert_eq!(of("sso_user"), Affected::Anything);
        assert!(matches!(of("iam_user"), Affected::These(targets) if targets.len() == 2));
        assert_eq!(of("access-key"), Affected::one("access-key", "x"));
        assert_eq!(by_creation(&v2::CreateAccountResponse::default()), Affected::Anything);
    }
}
