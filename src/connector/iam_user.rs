//! IAM users of the caller's account and of member accounts.

use jiff::Timestamp;

pub(super) mod create;
pub(super) mod delete;
pub(super) mod issue;
pub(super) mod password;

use super::{Kind, Needs, inline_policy, marker};
use crate::aws::Tag;
use crate::aws::iam::{LoginProfile, User};
use crate::baton::id::Arn;
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::time::{to_proto_timestamp, whole_seconds};
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
            "iam:ListUserTags",
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

/// What a row tells of a user beside the user itself.
#[derive(Clone, Debug, Default)]
pub struct About<'a> {
    /// The tags that the settings ask for.
    pub tags: &'a [Tag],
    /// Whether a tag may hold an address.
    pub addresses_in_tags: bool,
    /// The name of the user's account, where it is known.
    pub account_name: Option<&'a str>,
    /// Whether the display name tells the account.
    pub names_account: bool,
    /// When the user was last active; `None` where nobody looked, as for a user made a moment ago.
    pub activity: Option<Activity>,
    /// Whether the user may sign in to the console, where the settings ask for it.
    pub console: Option<Console>,
    /// The `account_iam` of a member's user.
    pub parent: Option<ResourceId>,
}

/// When a user was last active.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Activity {
    /// The last sign-in with the password, as far as AWS remembers.
    pub password: Option<Timestamp>,
    /// The newest use of any access key.
    pub keys: KeyActivity,
}

/// What is known of the use of a user's access keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyActivity {
    /// All of it: the newest use, or none.
    Known(Option<Timestamp>),
    /// Some of it may not be read, or went away meanwhile.
    Unavailable,
}

impl Activity {
    /// The newest use of password or key; none where the keys are not known: a date that leaves them out would look
    /// as if the user had been idle since.
    fn last_login(self) -> Option<Timestamp> {
        match self.keys {
            KeyActivity::Known(key) => key.max(self.password),
            KeyActivity::Unavailable => None,
        }
    }

    fn describe(self, profile: Profile) -> Profile {
        let profile = match self.password {
            Some(time) => profile.string("password_last_used", whole_seconds(time)),
            None => profile,
        };
        match self.keys {
            KeyActivity::Unavailable => profile.string("access_key_activity_status", "unavailable"),
            KeyActivity::Known(used) => {
                let profile = profile.string("access_key_activity_status", "available");
                match used {
                    Some(time) => profile.string("access_key_last_used", whole_seconds(time)),
                    None => profile,
                }
            }
        }
    }
}

/// Whether a user may sign in to the console with a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Console {
    /// There is a password.
    Enabled(LoginProfile),
    /// There is none.
    Disabled,
    /// It may not be read.
    Unavailable,
}

impl Console {
    fn describe(self, profile: Profile) -> Profile {
        let (status, login) = match self {
            Self::Unavailable => return profile.string("console_access_status", "unavailable"),
            Self::Enabled(login) => ("enabled", Some(login)),
            Self::Disabled => ("disabled", None),
        };
        let profile = profile
            .string("console_access_status", status)
            .bool("console_access_enabled", login.is_some())
            .bool("password_reset_required", login.is_some_and(|login| login.reset_required));
        match login.and_then(|login| login.created) {
            Some(time) => profile.string("login_profile_created_at", whole_seconds(time)),
            None => profile,
        }
    }
}

/// The resource of a user.
pub fn resource(user: &User, about: &About<'_>) -> Resource {
    let parent = about.parent.as_ref().map(|parent| parent.resource.as_str());
    let account = parent.or_else(|| Some(Arn::parse(&user.arn)?.account)).filter(|id| !id.is_empty());
    let account_name = about.account_name.filter(|name| !name.is_empty());
    let mut profile = Profile::new()
        .string("aws_arn", &user.arn)
        .string("aws_path", &user.path)
        .string("aws_user_type", "iam")
        .object("aws_tags", super::tags_object(about.tags))
        .string("aws_user_id", &user.id);
    if let Some(account) = account {
        profile = profile.string("aws_account_id", account);
    }
    if let Some(name) = account_name {
        profile = profile.string("aws_account_name", name);
    }
    if let Some(activity) = about.activity {
        profile = activity.describe(profile);
    }
    if let Some(console) = about.console {
        profile = console.describe(profile);
    }
    let last_login = about.activity.and_then(Activity::last_login);
    let user_trait = UserTrait {
        emails: emails(user, if about.addresses_in_tags { about.tags } else { &[] }),
        status: Some(user_trait::Status {
            status: user_trait::status::Status::Enabled.into(),
            details: String::new(),
        }),
        account_type: user_trait::AccountType::Human.into(),
        login: user.name.clone(),
        last_login: last_login.map(to_proto_timestamp),
        ..UserTrait::default()
    };
    let display_name = match account_name.or(account) {
        Some(account) if about.names_account => format!("{} ({account})", user.name),
        _ => user.name.clone(),
    };
    let mut resource = resource::named(ID, &user.arn, &display_name)
        .with_parent(about.parent.clone())
        .with_profile(profile.build())
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
