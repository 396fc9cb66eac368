//! Whether the rows of a file say what they are asked by: a change is told to AWS in the words of what a row embeds.

use crate::baton::id::{self, Binding};
use crate::baton::resource::ResourceExt as _;
use crate::baton::{any, v2};
use crate::connector::{account, permission_set_assignment, sso_group};

/// A row that embeds something else than its id says.
#[derive(Debug, thiserror::Error, Eq, PartialEq)]
#[error(
    "the row of {kind} {id:?} in the file names something else ({named}): nothing was changed; sync again"
)]
pub(super) struct Differs {
    kind: &'static str,
    id: String,
    named: String,
}

fn differs(kind: &'static str, id: &str, named: &str) -> Differs {
    Differs { kind, id: id.to_owned(), named: format!("{:?}", named.chars().take(256).collect::<String>()) }
}

/// Checks that a resource which is a permission set on an account is the one of its id.
pub(super) fn resource(row: &v2::Resource) -> Result<(), Differs> {
    if row.type_id() != permission_set_assignment::ID {
        return Ok(());
    }
    let Some(binding) = any::find::<v2::ScopeBindingTrait>(&row.annotations) else { return Ok(()) };
    let of = |id: Option<v2::ResourceId>| id.map_or_else(String::new, |id| id.resource);
    let named = id::binding_id(&of(binding.role_id), &of(binding.scope_resource_id));
    if named == row.object_id() { Ok(()) } else { Err(differs("resource", row.object_id(), &named)) }
}

/// Checks that an entitlement is one of the resource that it embeds.
pub(super) fn entitlement(row: &v2::Entitlement) -> Result<(), Differs> {
    let Some(of) = &row.resource else { return Ok(()) };
    let (kind, object) = (of.type_id(), of.object_id());
    let slug = row.id.strip_prefix(&id::entitlement_id(kind, object, ""));
    let is_slug = |slug: &str| !slug.is_empty() && !slug.contains(':') && ["", slug].contains(&&*row.slug);
    let is_of_account = kind == account::ID
        && Binding::from_account_entitlement(&row.id).is_ok_and(|binding| binding.account == object);
    if slug.is_some_and(is_slug) || is_of_account {
        return Ok(());
    }
    Err(differs("entitlement", &row.id, &format!("{kind}:{object}")))
}

/// Checks that a grant is of the entitlement and the principal of its id. The id of a membership of Identity Center
/// names neither.
pub(super) fn grant(row: &v2::Grant) -> Result<(), Differs> {
    let (Some(of), Some(principal)) = (&row.entitlement, &row.principal) else { return Ok(()) };
    let (kind, object) = (principal.type_id(), principal.object_id());
    let composed = id::grant_id(&of.id, kind, object);
    let is_membership = of.resource.as_ref().is_some_and(|resource| resource.type_id() == sso_group::ID)
        && !row.id.contains(':');
    if row.id == composed || row.id == id::assignment_grant_id(kind, object, &of.id) || is_membership {
        return Ok(());
    }
    Err(differs("grant", &row.id, &composed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::resource::{self as resources, reference};

    const SET: &str = "arn:aws:sso:::permissionSet/ins-7223a1b2c3d4e5f6/ps-0a1b2c3d4e5f6789";
    const GROUP: &str = "arn:aws:iam::111111111111:group/a";

    fn of(id: &str, kind: &str, object: &str) -> v2::Entitlement {
        v2::Entitlement { id: id.to_owned(), resource: Some(reference(kind, object)), ..Default::default() }
    }

    #[test]
    fn an_entitlement_is_of_the_resource_in_its_id() {
        let of_account = format!("111111111111|{SET}");
        for (id, kind, object, is_right) in [
            (&*format!("group:{GROUP}:member"), "group", GROUP, true),
            (&*of_account, "account", "111111111111", true),
            (&*of_account, "account", "222222222222", false),
            (&*of_account, "iam_policy", "111111111111", false),
            (&*format!("group:{GROUP}:member"), "group", "arn:aws:iam::111111111111:group/b", false),
            (&*format!("group:{GROUP}:member"), "iam_policy", GROUP, false),
            (&*format!("group:{GROUP}/b:member"), "group", GROUP, false),
            (&*format!("group:{GROUP}:b:member"), "group", GROUP, false),
            (&*format!("group:{GROUP}:"), "group", GROUP, false),
            ("", "", "", false),
        ] {
            assert_eq!(entitlement(&of(id, kind, object)).is_ok(), is_right, "{id} {kind} {object}");
        }
        let mut slug = of(&format!("group:{GROUP}:member"), "group", GROUP);
        slug.slug = "member".to_owned();
        assert_eq!(entitlement(&slug), Ok(()));
        slug.slug = "owner".to_owned();
        let told = entitlement(&slug).unwrap_err().to_string();
        assert!(told.contains("nothing was changed"), "{told}");
    }

    #[test]
    fn a_binding_is_of_the_set_and_the_account_in_its_id() {
        let binding = |id: &str, account: &str| {
            let role_id = Some(resources::id("permission_set", SET));
            let scope_resource_id = Some(resources::id("account", account));
            let scope = v2::ScopeBindingTrait { role_id, scope_resource_id };
            resource(&reference(permission_set_assignment::ID, id).with(&scope)).is_ok()
        };
        let id = id::binding_id(SET, "111111111111");
        assert!(binding(&id, "111111111111") && !binding(&id, "222222222222"));
    }

    #[test]
    fn a_grant_is_of_the_entitlement_and_the_principal_in_its_id() {
        let grant_of = |id: &str, entitlement: &v2::Entitlement, user: &str| {
            let row = v2::Grant {
                id: id.to_owned(),
                entitlement: Some(entitlement.clone()),
                principal: Some(reference("iam_user", user)),
                ..Default::default()
            };
            grant(&row).is_ok()
        };
        let member = of(&format!("group:{GROUP}:member"), "group", GROUP);
        for id in
            [id::grant_id(&member.id, "iam_user", "u"), id::assignment_grant_id("iam_user", "u", &member.id)]
        {
            assert!(grant_of(&id, &member, "u") && !grant_of(&id, &member, "v"), "{id}");
        }
        assert!(
            !grant_of("c4a8-1", &member, "u"),
            "an id that names nobody is of a membership of the directory"
        );
        let directory = of("sso_group:g:member", "sso_group", "g");
        assert!(grant_of("c4a8-1", &directory, "u"));
        assert!(!grant_of("sso_group:h:member:sso_user:u", &directory, "u"));
    }
}
