//! The harmless call that tries each permission to read.
//!
//! IAM checks the permission before it looks for what a call names. So where nothing real is at hand a call names
//! somebody who does not exist: "not found" says that the call was allowed.

use std::collections::BTreeMap;

use futures::stream::{self, BoxStream, StreamExt as _};
use jiff::{SignedDuration, Timestamp};

use crate::aws::cloudtrail::Lookup;
use crate::aws::iam::{Belonging, EntityKind, Iam, PolicyOwner};
use crate::aws::sso_admin::{Direction, PrincipalKind};
use crate::aws::{AccountId, Api, CallError, Class};

/// A user, group, role or policy that nobody has.
const NOBODY: &str = "batond-doctor-asks-for-nobody";
/// An id of the directory, or of a request, that nobody has.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";
/// The last part of a permission set's ARN that nobody has.
const NO_SET: &str = "ps-0000000000000000";
/// Calls at a time.
const AT_ONCE: usize = 8;

/// Where permissions are tried.
pub(super) struct Site {
    pub(super) iam: Iam,
    /// The organization and Identity Center, for the role of the work.
    pub(super) api: Option<Api>,
    pub(super) account: AccountId,
    pub(super) partition: String,
    pub(super) instance: String,
    /// It is known to be the management account.
    pub(super) is_management: bool,
}

/// How each action was answered that there is a harmless call for.
pub(super) type Answers = BTreeMap<String, Result<(), CallError>>;

/// Tries these actions. Cancel-safe.
pub(super) async fn ask(site: &Site, actions: &[String]) -> Answers {
    let mut answers = Answers::new();
    let names = Names::find(site, actions, &mut answers).await;
    let rest: Vec<&String> = actions.iter().filter(|action| !answers.contains_key(*action)).collect();
    let asked = stream::iter(rest).map(|action| {
        let names = &names;
        async move { (action, Box::pin(try_one(site, names, action)).await) }
    });
    let tried: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    answers.extend(tried.into_iter().filter_map(|(action, answer)| Some((action.clone(), answer?))));
    answers
}

/// Real names for calls that need one, else those that nobody has.
struct Names {
    iam_user: String,
    access_key: Option<String>,
    root: String,
    permission_set: String,
    user: String,
    group: String,
}

impl Names {
    /// Takes the first of each listing that is to be tried anyhow.
    async fn find(site: &Site, actions: &[String], answers: &mut Answers) -> Self {
        let wanted = |action: &str| actions.iter().any(|one| one == action);
        let mut keep = async |action: &str, listing: BoxStream<'static, Result<Vec<String>, CallError>>| {
            if !wanted(action) {
                return None;
            }
            let (first, answer) = match first(listing).await {
                Ok(items) => (items.into_iter().next(), Ok(())),
                Err(error) => (None, Err(error)),
            };
            answers.insert(action.to_owned(), answer);
            first
        };
        let iam = &site.iam;
        let users = names_of(iam.users(), |user| Some(user.name));
        let iam_user = keep("iam:ListUsers", users).await.unwrap_or_else(|| NOBODY.to_owned());
        let keys = names_of(iam.access_keys(&iam_user), |key| Some(key.id));
        let access_key = keep("iam:ListAccessKeys", keys).await;
        let set = || format!("{}/{NO_SET}", site.instance.replace(":instance/", ":permissionSet/"));
        let (mut root, mut permission_set, mut user, mut group) = (None, None, None, None);
        if let Some(api) = &site.api {
            let roots = names_of(api.organizations().roots(), |root| Some(root.id));
            root = keep("organizations:ListRoots", roots).await;
            permission_set = keep("sso:ListPermissionSets", api.sso_admin().permission_sets()).await;
            let store = api.identity_store();
            user = keep("identitystore:ListUsers", names_of(store.users(), |user| Some(user.id))).await;
            group = keep("identitystore:ListGroups", names_of(store.groups(), |group| Some(group.id))).await;
        }
        Self {
            iam_user,
            access_key,
            root: root.unwrap_or_else(|| "r-0000".to_owned()),
            permission_set: permission_set.unwrap_or_else(set),
            user: user.unwrap_or_else(|| NO_ID.to_owned()),
            group: group.unwrap_or_else(|| NO_ID.to_owned()),
        }
    }
}

fn names_of<T: Send + 'static>(
    listing: BoxStream<'static, Result<Vec<T>, CallError>>,
    name: impl Fn(T) -> Option<String> + Send + 'static,
) -> BoxStream<'static, Result<Vec<String>, CallError>> {
    listing.map(move |page| Ok(page?.into_iter().filter_map(&name).collect())).boxed()
}

/// The first page of a listing; no other is asked for.
async fn first<T>(mut listing: BoxStream<'static, Result<Vec<T>, CallError>>) -> Result<Vec<T>, CallError> {
    listing.next().await.transpose().map(Option::unwrap_or_default)
}

/// `None` where no call tries the action and does no harm.
async fn try_one(site: &Site, names: &Names, action: &str) -> Option<Result<(), CallError>> {
    use EntityKind::{Group, Role, User};
    let (service, operation) = action.split_once(':')?;
    if service != "iam" {
        return try_center(site, names, service, operation).await;
    }
    let iam = &site.iam;
    // IAM knows its own users best by name, and a name that nobody has does for groups and roles.
    let user = names.iam_user.as_str();
    let aws_policy = format!("arn:{}:iam::aws:policy/ReadOnlyAccess", site.partition);
    Some(match operation {
        "GetAccountAuthorizationDetails" => first(iam.authorization_details(|| 1)).await.map(drop),
        "GenerateCredentialReport" => iam.request_credential_report().await.map(drop),
        "GetCredentialReport" => iam.ready_credential_report().await.map(drop),
        "ListGroups" => first(iam.groups()).await.map(drop),
        "ListRoles" => first(iam.roles()).await.map(drop),
        "ListPolicies" => first(iam.policies(PolicyOwner::Account, false)).await.map(drop),
        "ListAccountAliases" => iam.account_aliases().await.map(drop),
        "GetPolicy" => iam.policy_description(&aws_policy).await.map(drop),
        "GetPolicyVersion" => iam.policy_document(&aws_policy, "v1").await.map(drop),
        "GetUser" => iam.user(user).await.map(drop),
        "GetGroup" => iam.arn_of(Group, NOBODY).await.map(drop),
        "GetRole" => iam.role(NOBODY).await.map(drop),
        "GetUserPolicy" => iam.inline_policy(User, user, NOBODY).await.map(drop),
        "GetGroupPolicy" => iam.inline_policy(Group, NOBODY, NOBODY).await.map(drop),
        "GetRolePolicy" => iam.inline_policy(Role, NOBODY, NOBODY).await.map(drop),
        "ListUserPolicies" => first(iam.inline_policy_names(User, user)).await.map(drop),
        "ListGroupPolicies" => first(iam.inline_policy_names(Group, NOBODY)).await.map(drop),
        "ListRolePolicies" => first(iam.inline_policy_names(Role, NOBODY)).await.map(drop),
        "ListAttachedUserPolicies" => first(iam.attached_policies(User, user)).await.map(drop),
        "ListAttachedGroupPolicies" => first(iam.attached_policies(Group, NOBODY)).await.map(drop),
        "ListAttachedRolePolicies" => first(iam.attached_policies(Role, NOBODY)).await.map(drop),
        "ListGroupsForUser" => first(iam.groups_of(user)).await.map(drop),
        "GetLoginProfile" => iam.login_profile(user).await.map(drop),
        "ListUserTags" => first(iam.user_tags(user)).await.map(drop),
        "ListRoleTags" => first(iam.role_tags(NOBODY)).await.map(drop),
        "ListMFADevices" => first(iam.belongings(user, Belonging::MfaDevice)).await.map(drop),
        "ListSSHPublicKeys" => first(iam.belongings(user, Belonging::SshPublicKey)).await.map(drop),
        "ListSigningCertificates" => {
            first(iam.belongings(user, Belonging::SigningCertificate)).await.map(drop)
        }
        "ListServiceSpecificCredentials" => {
            first(iam.belongings(user, Belonging::ServiceCredential)).await.map(drop)
        }
        // AWS denies everybody the last use of a key that nobody has.
        "GetAccessKeyLastUsed" => iam.access_key_last_used(names.access_key.as_deref()?).await.map(drop),
        _ => return None,
    })
}

async fn try_center(
    site: &Site,
    names: &Names,
    service: &str,
    operation: &str,
) -> Option<Result<(), CallError>> {
    let api = site.api.as_ref()?;
    let (organizations, sso, store) = (api.organizations(), api.sso_admin(), api.identity_store());
    let set = names.permission_set.as_str();
    Some(match (service, operation) {
        ("sts", "GetAccessKeyInfo") => api.sts().account_of_key(names.access_key.as_deref()?).await.map(drop),
        ("organizations", "DescribeOrganization") => organizations.management_account().await.map(drop),
        ("organizations", "DescribeAccount") => organizations.describe_account(&site.account).await.map(drop),
        ("organizations", "ListTagsForResource") => {
            first(organizations.account_tags(&site.account)).await.map(drop)
        }
        ("organizations", "ListAccounts") => first(organizations.accounts()).await.map(drop),
        ("organizations", "ListAccountsForParent") => {
            first(organizations.accounts_for_parent(&names.root)).await.map(drop)
        }
        ("organizations", "ListParents") => organizations.parent_of(&site.account).await.map(drop),
        ("organizations", "ListOrganizationalUnitsForParent") => {
            first(organizations.organizational_units(&names.root)).await.map(drop)
        }
        // The instance was found by it.
        ("sso", "ListInstances") => Ok(()),
        ("sso", "DescribePermissionSet") => sso.describe_permission_set(set).await.map(drop),
        ("sso", "GetInlinePolicyForPermissionSet") => sso.inline_policy(set).await.map(drop),
        ("sso", "ListManagedPoliciesInPermissionSet") => first(sso.managed_policies(set)).await.map(drop),
        ("sso", "ListCustomerManagedPolicyReferencesInPermissionSet") => {
            first(sso.customer_policies(set)).await.map(drop)
        }
        ("sso", "ListPermissionSetsProvisionedToAccount") => {
            first(sso.provisioned_permission_sets(&site.account)).await.map(drop)
        }
        ("sso", "ListAccountAssignments") => first(sso.assignments(&site.account, set)).await.map(drop),
        ("sso", "ListAccountAssignmentsForPrincipal") => {
            first(sso.assignments_of(&PrincipalKind::User, &names.user)).await.map(drop)
        }
        ("sso", "DescribeAccountAssignmentCreationStatus") => sso.creation_status(NO_ID).await.map(drop),
        ("sso", "DescribeAccountAssignmentDeletionStatus") => sso.deletion_status(NO_ID).await.map(drop),
        ("sso", "ListAccountAssignmentCreationStatus") => {
            first(sso.in_progress(Direction::Create)).await.map(drop)
        }
        ("sso", "ListAccountAssignmentDeletionStatus") => {
            first(sso.in_progress(Direction::Delete)).await.map(drop)
        }
        ("identitystore", "ListGroupMemberships") => first(store.memberships(&names.group)).await.map(drop),
        ("identitystore", "GetGroupMembershipId") => {
            store.membership_id(&names.group, &names.user).await.map(drop)
        }
        ("identitystore", "GetUserId") => store.user_id(NOBODY).await.map(drop),
        ("identitystore", "DescribeGroup") => store.group(&names.group).await.map(drop),
        ("identitystore", "DescribeUser") => store.user(&names.user).await.map(drop),
        ("cloudtrail", "LookupEvents") => {
            let end = Timestamp::now();
            let start = end.checked_sub(SignedDuration::from_mins(1)).unwrap_or(end);
            let lookup = Lookup { name: "Authenticate", start, end, token: None, page: 1 };
            api.cloud_trail().lookup(lookup).await.map(drop)
        }
        _ => return None,
    })
}

/// What the answer to a trial says of its permission.
#[derive(Debug)]
pub(super) enum Standing<'a> {
    Allowed,
    Denied(&'a CallError),
    /// The customer's key refuses.
    Key(&'a CallError),
    /// AWS refuses the request as it is, for another reason than a permission.
    Refused(&'a CallError),
    /// The answer says nothing of the permission.
    Unclear(&'a CallError),
}

impl<'a> Standing<'a> {
    pub(super) fn of(answer: &'a Result<(), CallError>) -> Self {
        let Err(error) = answer else { return Self::Allowed };
        match error.class() {
            Class::Denied if !names_key(error) => Self::Denied(error),
            Class::Denied | Class::KeyUnusable => Self::Key(error),
            // These come after the permission was checked.
            Class::NotFound | Class::Conflict { .. } => Self::Allowed,
            Class::Invalid => Self::Refused(error),
            Class::Malformed
            | Class::TooLarge { .. }
            | Class::Throttled { .. }
            | Class::Transient
            | Class::Credentials(_)
            | Class::Cancelled => Self::Unclear(error),
        }
    }
}

fn names_key(error: &CallError) -> bool {
    error.missing_action().is_some_and(|action| action.starts_with("kms:"))
}
