//! Whether a name is still that of the entity that is meant.
//!
//! AWS is told the name of a user, group or role alone. A name says nothing of the path: the user `/people/idle` may be
//! gone, and `/idle` be somebody else.

use std::fmt;
use std::future::ready;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

use super::{EntityKind, GET_GROUP, Group, Iam, LIST_GROUPS, LIST_ROLES, LIST_USERS, User, present, send};
use crate::aws::call::Answer;
use crate::aws::error::{CallError, Class};

/// A user, group or role as AWS itself names it. Whatever changes one demands it: from an id alone only
/// [`Iam::verify`] makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified {
    kind: EntityKind,
    arn: String,
    name: String,
}

impl Verified {
    /// What it is.
    pub fn kind(&self) -> EntityKind {
        self.kind
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Its ARN.
impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

/// A user that an answer of AWS holds.
impl From<&User> for Verified {
    fn from(user: &User) -> Self {
        Self { kind: EntityKind::User, arn: user.arn.clone(), name: user.name.clone() }
    }
}

/// A group that an answer of AWS holds.
impl From<&Group> for Verified {
    fn from(group: &Group) -> Self {
        Self { kind: EntityKind::Group, arn: group.arn.clone(), name: group.name.clone() }
    }
}

/// Why an entity is not known to have the ARN that it is meant by.
#[derive(Clone, Debug)]
pub enum Unverified {
    /// The name is that of another, whose ARN this is.
    Other(String),
    /// Neither the entity nor the listing of its path may be read.
    Denied {
        /// The refusal of `Get...`.
        get: CallError,
        /// The refusal of `List...`.
        list: CallError,
    },
    /// The lookup failed. AWS does not have the entity where the class is [`Class::NotFound`].
    Call(CallError),
}

impl Iam {
    /// Makes sure that AWS has an entity of this name under this ARN: by `iam:GetUser`, `GetGroup` or `GetRole`, and
    /// where that is denied by `iam:ListUsers`, `ListGroups` or `ListRoles` of its path.
    pub async fn verify(
        &self,
        kind: EntityKind,
        arn: &str,
        path: &str,
        name: &str,
    ) -> Result<Verified, Unverified> {
        let verified = || Verified { kind, arn: arn.to_owned(), name: name.to_owned() };
        let get = match self.arn_of(kind, name).await {
            Ok(found) if found == arn => return Ok(verified()),
            Ok(found) => return Err(Unverified::Other(found)),
            Err(error) if matches!(error.class(), Class::Denied) => error,
            Err(error) => return Err(Unverified::Call(error)),
        };
        match self.listed_under(kind, path).try_any(|page| ready(page.iter().any(|one| one == arn))).await {
            Ok(true) => Ok(verified()),
            Ok(false) => {
                let operation = match kind {
                    EntityKind::User => LIST_USERS,
                    EntityKind::Group => LIST_GROUPS,
                    EntityKind::Role => LIST_ROLES,
                };
                Err(Unverified::Call(self.lane.not_found(operation, &format!("{arn} is not listed"))))
            }
            Err(list) if matches!(list.class(), Class::Denied) => Err(Unverified::Denied { get, list }),
            Err(error) => Err(Unverified::Call(error)),
        }
    }

    /// The ARN of the entity of this name (`iam:GetUser`, `GetGroup`, `GetRole`). One that does not exist is a
    /// [`Class::NotFound`].
    pub async fn arn_of(&self, kind: EntityKind, name: &str) -> Result<String, CallError> {
        let (client, lane) = (&self.client, &self.lane);
        match kind {
            EntityKind::User => Ok(self.user(name).await?.arn),
            EntityKind::Group => {
                let request = client.get_group().group_name(name).max_items(1);
                let group = send!(lane, GET_GROUP, request).await?.group;
                present(lane, GET_GROUP, "Arn", group.map(|group| group.arn))
            }
            EntityKind::Role => Ok(self.role(name).await?.arn),
        }
    }

    /// The ARNs of the entities of this kind whose path begins so, by pages.
    fn listed_under(
        &self,
        kind: EntityKind,
        path: &str,
    ) -> BoxStream<'static, Result<Vec<String>, CallError>> {
        /// The ARNs of a listing.
        macro_rules! arns {
            ($listing:expr) => {
                $listing.map_ok(|page| page.into_iter().map(|one| one.arn).collect()).boxed()
            };
        }
        match kind {
            EntityKind::User => arns!(self.users_under(Some(path))),
            EntityKind::Group => arns!(self.groups_under(Some(path))),
            EntityKind::Role => arns!(self.roles_under(Some(path))),
        }
    }
}
