//! IAM users of the caller's account and of member accounts.

use jiff::Timestamp;

pub(super) mod create;
pub(super) mod delete;
pub(super) mod issue;
pub(super) mod password;

use super::{Kind, Needs, inline_policy, marker};
use crate::aws::iam::{Tag, User};
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::time::to_proto_timestamp;
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::status::ResourceStatus;
use crate::baton::v2::{
    Capability, ChildResourceType, Resource, ResourceId, ResourceType, SkipEntitlements, Status, UserTrait,
    V1Identifier, user_trait,
};

/// The id of the resource type.
pub const ID: &str = "iam_user";

pub(super) const KIND: Kind = Kind {
    resource_type,
    capabilities: &[
        Capability::Sync,
        Capability::AccountProvisioning,
        Capability::CredentialRotation,
        Capability::ResourceDelete,
        Capability::CredentialIssue,
    ],
    needs: Needs::Nothing,
};

/// The key of the tag that holds an e-mail address.
const EMAIL_TAG: &str = "email";

/// The resource type. Source: `iam:ListUsers`, `iam:GetAccountAuthorizationDetails`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "IAM User",
        &[Trait::User],
        vec![marker(&SkipEntitlements {}), marker(&V1Identifier { id: ID.to_owned() })],
        &[
            "iam:ListUsers",
            "iam:GetUser",
            "iam:ListAccessKeys",
            "iam:GetAccessKeyLastUsed",
            "iam:ListSigningCertificates",
            "iam:ListSSHPublicKeys",
            "iam:ListServiceSpecificCredentials",
            "iam:ListMFADevices",
            "iam:ListUserPolicies",
            "iam:ListAttachedUserPolicies",
            "iam:ListGroupsForUser",
            "iam:CreateUser",
            "iam:CreateLoginProfile",
            "iam:UpdateLoginProfile",
            "iam:DeleteLoginProfile",
            "iam:CreateAccessKey",
            "iam:DeleteAccessKey",
            "iam:DeleteSigningCertificate",
            "iam:DeleteSSHPublicKey",
            "iam:DeleteServiceSpecificCredential",
            "iam:DeactivateMFADevice",
            "iam:DeleteUserPolicy",
            "iam:DetachUserPolicy",
            "iam:DeleteUser",
            "iam:TagUser",
        ],
    )
}

/// The resource of a user. `tags` are those that the settings ask for, `last_login` is the newest use of password or
/// key, `parent` is the account of a member's user.
pub fn resource(
    user: &User,
    tags: &[Tag],
    last_login: Option<Timestamp>,
    parent: Option<ResourceId>,
) -> Resource {
    let profile = Profile::new()
        .string("aws_arn", &user.arn)
        .string("aws_path", &user.path)
        .string("aws_user_type", "iam")
        .object("aws_tags", super::tags_object(tags))
        .string("aws_user_id", &user.id)
        .build();
    let user_trait = UserTrait {
        emails: emails(user, tags),
        status: Some(user_trait::Status {
            status: user_trait::status::Status::Enabled.into(),
            details: String::new(),
        }),
        account_type: user_trait::AccountType::Human.into(),
        last_login: last_login.map(to_proto_timestamp),
        ..UserTrait::default()
    };
    let mut resource = resource::named(ID, &user.arn, &user.name)
        .with_parent(parent)
        .with_profile(profile)
        .with(&V1Identifier { id: user.arn.clone() })
        .with(&ChildResourceType { resource_type_id: inline_policy::ID.to_owned() })
        .with(&user_trait);
    resource.status = Some(Status { status: ResourceStatus::Enabled.into(), details: String::new() });
    resource
}

/// The name when it is an address, then the addresses in tags, each once; the first one is primary.
fn emails(user: &User, tags: &[Tag]) -> Vec<user_trait::Email> {
    let name = Some(&user.name).filter(|name| name.contains('@'));
    let tagged = tags.iter().filter(|tag| tag.key == EMAIL_TAG).map(|tag| &tag.value);
    let mut emails: Vec<user_trait::Email> = Vec::new();
    for address in name.into_iter().chain(tagged) {
        if !emails.iter().any(|known| known.address.eq_ignore_ascii_case(address)) {
            emails.push(user_trait::Email { address: address.clone(), is_primary: emails.is_empty() });
        }
    }
    emails
}
