//! An IAM user, group or role as a change names it: its ARN says what it is, and in which account it is changed.

use super::{Connector, Provision, ProvisionError, group, iam_user, role};
use crate::aws::iam::{EntityKind, Iam, Unverified, Verified};
use crate::aws::{AccountId, Input};
use crate::baton::id::Arn;
use crate::baton::resource::ResourceExt;
use crate::baton::v2::Resource;

/// An entity of one account, as an id names it. What changes it takes the [`Verified`] one of AWS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entity<'a> {
    pub(super) kind: EntityKind,
    pub(super) arn: &'a str,
    pub(super) account: AccountId,
    /// `/` or `/.../`.
    pub(super) path: &'a str,
    pub(super) name: &'a str,
    partition: &'a str,
}

impl<'a> Entity<'a> {
    /// The entity that a resource of `iam_user`, `group` or `role` is.
    pub(super) fn of(resource: &'a Resource) -> Result<Self, ProvisionError> {
        let kind = match resource.type_id() {
            iam_user::ID => EntityKind::User,
            group::ID => EntityKind::Group,
            role::ID => EntityKind::Role,
            other => {
                return Err(ProvisionError::invalid(format!(
                    "invalid principal resource type: {other}: an IAM policy is attached to an iam_user, a group or a role"
                )));
            }
        };
        Self::parse(kind, resource.object_id())
    }

    /// The entity of this kind and ARN.
    pub(super) fn parse(kind: EntityKind, arn: &'a str) -> Result<Self, ProvisionError> {
        Self::read(kind, arn).ok_or_else(|| {
            let (type_id, word) = words(kind);
            ProvisionError::invalid(format!(
                "invalid {type_id} id {:?}: expected arn:aws:iam::<account>:{word}/<path><name>",
                arn.chars().take(256).collect::<String>()
            ))
        })
    }

    /// The entity of any kind that this ARN names; `None` for anything else.
    pub(super) fn named(arn: &'a str) -> Option<Self> {
        [EntityKind::User, EntityKind::Group, EntityKind::Role]
            .into_iter()
            .find_map(|kind| Self::read(kind, arn))
    }

    fn read(kind: EntityKind, text: &'a str) -> Option<Self> {
        let arn = Arn::parse(text).filter(|arn| arn.service == "iam" && arn.region.is_empty())?;
        let (_, word) = words(kind);
        let path_and_name = arn.resource.strip_prefix(word).filter(|rest| rest.starts_with('/'))?;
        let (path, name) = path_and_name.split_at(path_and_name.rfind('/')? + 1);
        let names = match kind {
            EntityKind::User | EntityKind::Group => Input::EntityName,
            EntityKind::Role => Input::RoleName,
        };
        let is_path = path.len() <= 512 && path.bytes().all(|byte| byte.is_ascii_graphic());
        let account = arn.account.parse().ok()?;
        (names.takes(name) && is_path).then_some(Self {
            kind,
            arn: text,
            account,
            path,
            name,
            partition: arn.partition,
        })
    }

    /// The resource type.
    pub(super) fn resource_type(&self) -> &'static str {
        words(self.kind).0
    }

    /// The calls of IAM in the entity's own account, which is entered if need be. It is changed there or not at all.
    pub(super) async fn enter(
        &self,
        connector: &Connector,
        provision: &Provision,
    ) -> Result<Iam, ProvisionError> {
        let caller = connector.aws.caller();
        if self.partition != caller.partition {
            return Err(ProvisionError::invalid(format!(
                "{} is in partition {}, and this connector in {}",
                self.arn, self.partition, caller.partition
            )));
        }
        enter(connector, &self.account, provision).await
    }

    /// The entity as AWS shows it, under this very ARN. One that this process made a moment ago is waited for.
    ///
    /// # Errors
    /// [`ProvisionError::OtherEntity`] where another has the name, [`ProvisionError::Unverified`] where that may not be
    /// read, and a call whose class is [`Class::NotFound`](crate::aws::Class::NotFound) where AWS has nobody of this ARN.
    pub(super) async fn verify(
        &self,
        connector: &Connector,
        iam: &Iam,
        provision: &Provision,
    ) -> Result<Verified, ProvisionError> {
        connector.recent.until_found(&[self.arn], provision, || self.look_up(iam)).await
    }

    async fn look_up(&self, iam: &Iam) -> Result<Verified, ProvisionError> {
        let found = iam.verify(self.kind, self.arn, self.path, self.name).await;
        found.map_err(|error| match error {
            Unverified::Other(found) => {
                let (kind, asked) = (self.resource_type(), self.arn.to_owned());
                ProvisionError::OtherEntity { kind, asked, found }
            }
            Unverified::Denied { get, list } => {
                ProvisionError::Unverified { arn: self.arn.to_owned(), get, list }
            }
            Unverified::Call(error) => error.into(),
        })
    }
}

/// The calls of IAM in an account, which is entered if need be.
pub(super) async fn enter(
    connector: &Connector,
    account: &AccountId,
    provision: &Provision,
) -> Result<Iam, ProvisionError> {
    let own = &connector.aws.caller().account;
    if account != own && !super::reads_members(&connector.settings) {
        return Err(ProvisionError::Outside { account: account.clone(), own: own.clone() });
    }
    let api = connector.api(provision);
    let entered = api.member_iam(account).await;
    entered.map_err(|error| ProvisionError::no_entry(account.clone(), error))
}

/// The resource type of a kind, and what stands before the path in its ARNs.
fn words(kind: EntityKind) -> (&'static str, &'static str) {
    match kind {
        EntityKind::User => (iam_user::ID, "user"),
        EntityKind::Group => (group::ID, "group"),
        EntityKind::Role => (role::ID, "role"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_account_path_and_name() {
        let entity =
            Entity::parse(EntityKind::User, "arn:aws:iam::111111111111:user/a/b/o,brien+x=1").unwrap();
        assert_eq!(
            (entity.account.as_str(), entity.path, entity.name),
            ("111111111111", "/a/b/", "o,brien+x=1")
        );
        let entity = Entity::named("arn:aws-cn:iam::111111111111:role/Reader").unwrap();
        assert_eq!((entity.kind, entity.path, entity.name), (EntityKind::Role, "/", "Reader"));
    }

    #[test]
    fn what_is_no_arn_of_the_kind_is_refused_and_repeated_in_part() {
        let long = format!("arn:aws:iam::111111111111:user/{}", "x".repeat(2000));
        for arn in [
            "",
            "alice",
            "arn:aws:iam::111111111111:user/",
            "arn:aws:iam::111111111111:user",
            "arn:aws:iam::111111111111:username/alice",
            "arn:aws:iam::111111111111:role/alice",
            "arn:aws:iam::11111111111:user/alice",
            "arn:aws:iam::aws:user/alice",
            "arn:aws:iam:us-east-1:111111111111:user/alice",
            "arn:aws:sts::111111111111:user/alice",
            "arn:aws:iam::111111111111:user/ali ce",
            "arn:aws:iam::111111111111:user/a b/alice",
            "arn:aws:iam::111111111111:user/alice\n",
            &long,
        ] {
            let error = Entity::parse(EntityKind::User, arn).unwrap_err();
            assert!(matches!(error, ProvisionError::Invalid(_)), "{arn}");
            assert!(error.to_string().len() < 500, "{error}");
        }
    }
}
