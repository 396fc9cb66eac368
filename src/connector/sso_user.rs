//! Identity Center users.

pub(super) mod create;
pub(super) mod delete;

use super::{Kind, Needs, marker};
use crate::aws::identity_store::{User, UserStatus};
use crate::baton::id::Directory;
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::status::ResourceStatus;
use crate::baton::v2::{
    Capability, Resource, ResourceType, SkipEntitlementsAndGrants, Status, UserTrait, V1Identifier,
    user_trait,
};

/// The id of the resource type.
pub const ID: &str = "sso_user";

pub(super) const KIND: Kind = Kind {
    resource_type,
    capabilities: &[Capability::Sync, Capability::AccountProvisioning, Capability::ResourceDelete],
    needs: Needs::Center,
};

/// The resource type. Source: `identitystore:ListUsers`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "SSO User",
        &[Trait::User],
        vec![marker(&SkipEntitlementsAndGrants {}), marker(&V1Identifier { id: ID.to_owned() })],
        &[
            "identitystore:ListUsers",
            "sso:ListInstances",
            "identitystore:CreateUser",
            "identitystore:DeleteUser",
        ],
    )
}

/// The resource of a user.
pub fn resource(directory: &Directory, user: &User) -> Resource {
    let id = directory.user(&user.id);
    let status = match user.status {
        Some(UserStatus::Enabled) => ResourceStatus::Enabled,
        Some(UserStatus::Disabled) => ResourceStatus::Disabled,
        Some(UserStatus::Other(_)) | None => ResourceStatus::Unspecified,
    };
    // The trait says disabled when the directory does; where the directory says nothing, the trait keeps the
    // protocol's default.
    let trait_status = match status {
        ResourceStatus::Disabled => user_trait::status::Status::Disabled,
        _ => user_trait::status::Status::Enabled,
    };
    let user_trait = UserTrait {
        emails: emails(user),
        status: Some(user_trait::Status { status: trait_status.into(), details: String::new() }),
        account_type: user_trait::AccountType::Human.into(),
        ..UserTrait::default()
    };
    let mut resource = resource::named(ID, &id, name(user))
        .with_profile(profile(user))
        .with(&V1Identifier { id })
        .with(&user_trait);
    resource.status = Some(Status { status: status.into(), details: String::new() });
    resource
}

/// What a user is called: its user name, else its display name, else its id. A row without a name cannot be found.
fn name(user: &User) -> &str {
    let given = [&user.user_name, &user.display_name].into_iter().flatten();
    given.chain([&user.id]).find(|name| !name.is_empty()).map_or("", String::as_str)
}

fn profile(user: &User) -> prost_types::Struct {
    let profile = Profile::new()
        .string("aws_user_type", "sso")
        // The key says user name; what reviews have always shown under it is the display name.
        .string("aws_user_name", user.display_name.as_deref().unwrap_or_default())
        .string("aws_user_id", &user.id);
    super::with_external_ids(profile, &user.external_ids).build()
}

/// The user name when it is an address, then the addresses of the directory, each once; the first one is primary.
fn emails(user: &User) -> Vec<user_trait::Email> {
    let mut emails: Vec<user_trait::Email> = Vec::new();
    let user_name = user.user_name.as_ref().filter(|name| name.contains('@'));
    for address in user_name.into_iter().chain(&user.emails) {
        if !emails.iter().any(|known| known.address.eq_ignore_ascii_case(address)) {
            emails.push(user_trait::Email { address: address.clone(), is_primary: emails.is_empty() });
        }
    }
    emails
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::any;

    fn user() -> User {
        User {
            id: "c4a8".into(),
            user_name: Some("ada@example.com".into()),
            display_name: Some("Ada".into()),
            status: Some(UserStatus::Enabled),
            emails: vec!["Ada@example.com".into(), "ada@work.example".into()],
            external_ids: Vec::new(),
        }
    }

    fn directory() -> Directory {
        Directory { region: "us-east-1".into(), store: "d-1".into() }
    }

    fn trait_of(resource: &Resource) -> UserTrait {
        any::find(&resource.annotations).expect("a user trait")
    }

    #[test]
    fn a_disabled_user_is_disabled_in_resource_and_trait() {
        let resource = resource(&directory(), &User { status: Some(UserStatus::Disabled), ..user() });
        assert_eq!(resource.status.as_ref().unwrap().status(), ResourceStatus::Disabled);
        assert_eq!(trait_of(&resource).status.unwrap().status(), user_trait::status::Status::Disabled);
    }

    #[test]
    fn a_user_without_a_user_name_is_called_by_its_display_name_or_its_id() {
        for (user_name, display_name, called) in [
            (Some("ada@example.com"), Some("Ada"), "ada@example.com"),
            (None, Some("Ada"), "Ada"),
            (Some(""), Some(""), "c4a8"),
            (None, None, "c4a8"),
        ] {
            let [user_name, display_name] = [user_name, display_name].map(|name| name.map(str::to_owned));
            let row = resource(&directory(), &User { user_name, display_name, ..user() });
            assert_eq!(row.display_name, called);
        }
    }

    #[test]
    fn a_user_without_status_is_unspecified_and_not_disabled() {
        let resource = resource(&directory(), &User { status: None, ..user() });
        assert_eq!(resource.status.as_ref().unwrap().status(), ResourceStatus::Unspecified);
        assert_eq!(trait_of(&resource).status.unwrap().status(), user_trait::status::Status::Enabled);
    }

    #[test]
    fn an_address_that_is_also_the_user_name_appears_once_and_is_primary() {
        let emails = trait_of(&resource(&directory(), &user())).emails;
        let seen: Vec<_> = emails.iter().map(|email| (email.address.as_str(), email.is_primary)).collect();
        assert_eq!(seen, [("ada@example.com", true), ("ada@work.example", false)]);
    }
}
