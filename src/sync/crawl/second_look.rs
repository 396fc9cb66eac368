//! What was listed and then not found: believed after a second look at the thing itself.

use std::fmt;

use futures::stream::TryStreamExt;

use super::Crawl;
use crate::aws::iam::{EntityKind, Iam};
use crate::aws::sso_admin::PrincipalKind;
use crate::aws::{AccountId, CallError, Class};
use crate::sync::SyncError;
use crate::sync::completeness::Area;

/// Kinds of things of which a few may vanish while a crawl reads them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Groups,
    Users,
    PermissionSets,
    Pairs,
    Units,
    IamUsers,
    IamGroups,
    IamRoles,
    InlinePolicies,
    AccessKeys,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Groups => "groups of Identity Center",
            Self::Users => "users of Identity Center",
            Self::PermissionSets => "permission sets",
            Self::Pairs => "permission sets on accounts",
            Self::Units => "organizational units",
            Self::IamUsers => "IAM users",
            Self::IamGroups => "IAM groups",
            Self::IamRoles => "IAM roles",
            Self::InlinePolicies => "inline policies",
            Self::AccessKeys => "access keys",
        })
    }
}

impl From<EntityKind> for Kind {
    fn from(kind: EntityKind) -> Self {
        match kind {
            EntityKind::User => Self::IamUsers,
            EntityKind::Group => Self::IamGroups,
            EntityKind::Role => Self::IamRoles,
        }
    }
}

/// Something that was listed and then not found. `Display` names it for an operator.
#[derive(Clone, Copy)]
pub(super) enum Thing<'a> {
    /// A group of the directory, by the id that AWS gives it.
    Group(&'a str),
    /// A user of the directory.
    User(&'a str),
    /// A permission set, by its ARN.
    PermissionSet(&'a str),
    /// A permission set on an account.
    Pair { account: &'a AccountId, set: &'a str },
    /// An organizational unit, and what it was listed below.
    Unit { unit: &'a str, parent: &'a str },
    /// An IAM user, group or role.
    Entity { iam: &'a Iam, kind: EntityKind, name: &'a str, arn: &'a str },
    /// An inline policy of an IAM entity.
    InlinePolicy { iam: &'a Iam, kind: EntityKind, name: &'a str, policy: &'a str },
    /// An access key of an IAM user.
    AccessKey { iam: &'a Iam, user: &'a str, key: &'a str },
}

impl Thing<'_> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Group(_) => Kind::Groups,
            Self::User(_) => Kind::Users,
            Self::PermissionSet(_) => Kind::PermissionSets,
            Self::Pair { .. } => Kind::Pairs,
            Self::Unit { .. } => Kind::Units,
            Self::Entity { kind, .. } => (*kind).into(),
            Self::InlinePolicy { .. } => Kind::InlinePolicies,
            Self::AccessKey { .. } => Kind::AccessKeys,
        }
    }

    pub(super) fn area(&self) -> Area {
        match self {
            Self::Group(_) => Area::Groups,
            Self::User(_) => Area::Users,
            Self::PermissionSet(_) => Area::PermissionSets,
            Self::Pair { .. } => Area::Bindings,
            Self::Unit { .. } => Area::Tree,
            Self::Entity { .. } | Self::InlinePolicy { .. } | Self::AccessKey { .. } => Area::Iam,
        }
    }
}

impl fmt::Display for Thing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(id) => write!(f, "sso_group {id}"),
            Self::User(id) => write!(f, "sso_user {id}"),
            Self::PermissionSet(arn) => write!(f, "permission_set {arn}"),
            Self::Pair { account, set } => write!(f, "permission_set {set} on account {account}"),
            Self::Unit { unit, .. } => write!(f, "organizational_unit {unit}"),
            Self::Entity { arn, .. } => f.write_str(arn),
            Self::InlinePolicy { name, policy, .. } => write!(f, "inline policy {policy} of {name}"),
            Self::AccessKey { key, .. } => write!(f, "access key {key}"),
        }
    }
}

/// The principal of an assignment as a thing of the directory; `None` for a kind newer than this program.
pub(super) fn principal<'a>(kind: &PrincipalKind, id: &'a str) -> Option<Thing<'a>> {
    match kind {
        PrincipalKind::User => Some(Thing::User(id)),
        PrincipalKind::Group => Some(Thing::Group(id)),
        PrincipalKind::Other(_) => None,
    }
}

/// Whether a failure says that the thing is not there.
pub(super) fn is_gone(error: &CallError) -> bool {
    matches!(error.class(), Class::NotFound)
}

impl Crawl<'_> {
    /// What the failed read of a thing means. One that is gone, also when it is looked at itself, has no row; one that
    /// is there after all, or that may not be looked at, leaves the sync to a later one. Any other failure is an error.
    pub(super) async fn vanished(&self, thing: Thing<'_>, error: CallError) -> Result<(), SyncError> {
        if !is_gone(&error) {
            return Err(error.into());
        }
        let operation = error.operation();
        let doubt = |why: String| {
            Err(SyncError::Shifted { what: format!("{thing} was not found by {operation}, {why}") })
        };
        match Box::pin(self.is_there(thing)).await {
            Ok(false) => {
                self.findings.vanished(&thing, operation);
                Ok(())
            }
            Ok(true) => doubt("but is there when it is looked at itself".to_owned()),
            // A policy or a key goes with its entity, which is then looked at by whoever reads it.
            Err(error)
                if is_gone(&error)
                    && thing.kind() != Kind::InlinePolicies
                    && thing.kind() != Kind::AccessKeys =>
            {
                doubt(format!("and what it belongs to is not found either: {error}"))
            }
            Err(error) if matches!(error.class(), Class::Denied) => {
                doubt(format!("and whether it is gone cannot be told: {error}"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at a thing itself.
    async fn is_there(&self, thing: Thing<'_>) -> Result<bool, CallError> {
        let (sso, store) = (self.api.sso_admin(), self.api.identity_store());
        match thing {
            Thing::Group(id) => found(store.group(id).await),
            Thing::User(id) => found(store.user(id).await),
            Thing::PermissionSet(arn) => found(sso.describe_permission_set(arn).await),
            Thing::Pair { account, set } => {
                let sets: Vec<String> = sso.provisioned_permission_sets(account).try_concat().await?;
                Ok(sets.iter().any(|one| one == set))
            }
            Thing::Unit { unit, parent } => {
                let units: Vec<_> =
                    self.api.organizations().organizational_units(parent).try_concat().await?;
                Ok(units.iter().any(|one| one.id == unit))
            }
            // Somebody may have made another one of that name.
            Thing::Entity { iam, kind, name, arn } => match iam.arn_of(kind, name).await {
                Ok(of_name) => Ok(of_name == arn),
                Err(error) => found::<()>(Err(error)),
            },
            Thing::InlinePolicy { iam, kind, name, policy } => {
                let names: Vec<String> = iam.inline_policy_names(kind, name).try_concat().await?;
                Ok(names.iter().any(|one| one == policy))
            }
            Thing::AccessKey { iam, user, key } => {
                let keys: Vec<_> = iam.access_keys(user).try_concat().await?;
                Ok(keys.iter().any(|one| one.id == key))
            }
        }
    }
}

fn found<T>(looked: Result<T, CallError>) -> Result<bool, CallError> {
    match looked {
        Ok(_) => Ok(true),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
