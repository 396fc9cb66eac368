//! What a targeted sync has to read: little more than the resources that it is about.

use std::collections::BTreeSet;

use crate::baton::id::{account_in, sso_group_of};
use crate::connector::{
    access_key, account, account_iam, group, iam_policy, iam_user, inline_policy, organization,
    organizational_unit, permission_set, permission_set_assignment, role, sso_group, sso_user,
};

/// A resource that a targeted sync is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Target {
    /// The id of its type.
    pub resource_type: String,
    /// Its id within the type.
    pub resource: String,
}

/// The reads that lead to some targets, to what hangs from them, and to the grants of all of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Focus {
    users: bool,
    groups: BTreeSet<String>,
    sets: bool,
    accounts: Reach,
    iam: Reach,
    aws_managed_policies: bool,
}

/// Some accounts, or all of them.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Reach {
    Of(BTreeSet<String>),
    All,
}

impl Default for Reach {
    fn default() -> Self {
        Self::Of(BTreeSet::new())
    }
}

impl Reach {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn has(&self, account: &str) -> bool {
        match self {
            Self::Of(accounts) => accounts.contains(account),
            Self::All => true,
        }
    }

    /// The account that an id names; all of them if it names none.
    fn add(&mut self, id: &str) {
        match (account_in(id), self) {
            (Some(account), Self::Of(accounts)) => {
                accounts.insert(account.to_owned());
            }
            (None, reach @ Self::Of(_)) => *reach = Self::All,
            (_, Self::All) => {}
        }
    }
}

impl Focus {
    pub(super) fn on(targets: &BTreeSet<Target>) -> Self {
        let mut focus = Self::default();
        for Target { resource_type, resource } in targets {
            focus.add(resource_type, resource);
        }
        focus
    }

    fn add(&mut self, resource_type: &str, id: &str) {
        match resource_type {
            sso_user::ID => self.users = true,
            sso_group::ID => {
                // What is no id of a group names nothing that could be read.
                self.groups.extend(sso_group_of(id).ok().map(str::to_owned));
            }
            permission_set::ID => self.sets = true,
            account::ID | permission_set_assignment::ID => self.accounts.add(id),
            organization::ID | organizational_unit::ID => self.accounts = Reach::All,
            inline_policy::ID if account_in(id).is_none() => self.sets = true,
            // It is attached to entities, and to permission sets that carry it into accounts.
            iam_policy::ID => {
                self.aws_managed_policies |= account_in(id).is_none();
                self.iam.add(id);
                self.accounts.add(id);
            }
            account_iam::ID | iam_user::ID | role::ID | group::ID | inline_policy::ID | access_key::ID => {
                self.iam.add(id);
            }
            _ => {}
        }
    }

    /// Users, also to tell assignments of those that are gone.
    pub(super) fn users(&self) -> bool {
        self.users || self.center()
    }

    /// Groups, likewise.
    pub(super) fn groups(&self) -> bool {
        !self.groups.is_empty() || self.center()
    }

    /// The members of a group, by the id that AWS gives it.
    pub(super) fn members_of(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    pub(super) fn sets(&self) -> bool {
        self.sets || self.center()
    }

    /// The accounts with what is assigned on them, and the tree that they hang from.
    pub(super) fn center(&self) -> bool {
        !self.accounts.is_none()
    }

    pub(super) fn account(&self, id: &str) -> bool {
        self.accounts.has(id)
    }

    /// IAM of any account.
    pub(super) fn iam(&self) -> bool {
        !self.iam.is_none()
    }

    pub(super) fn iam_of(&self, account: &str) -> bool {
        self.iam.has(account)
    }

    pub(super) fn aws_managed_policies(&self) -> bool {
        self.aws_managed_policies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(resource_type: &str, resource: &str) -> Focus {
        let target = Target { resource_type: resource_type.into(), resource: resource.into() };
        Focus::on(&[target].into())
    }

    #[test]
    fn a_group_leads_to_its_members_alone() {
        let focus = on("sso_group", "arn:aws:identitystore:us-east-1::d-1/group/g");
        assert!(focus.groups() && focus.members_of("g") && !focus.members_of("h"));
        assert!(!focus.users() && !focus.sets() && !focus.center() && !focus.iam());
    }

    #[test]
    fn an_account_leads_to_what_is_assigned_on_it() {
        for (kind, id) in [
            ("account", "111111111111"),
            ("permission_set_assignment", "arn:aws:sso:::permissionSet/ssoins-1/ps-1-111111111111"),
        ] {
            let focus = on(kind, id);
            assert!(focus.center() && focus.sets() && focus.users() && focus.groups(), "{kind}");
            assert!(focus.account("111111111111") && !focus.account("222222222222"), "{kind}");
            assert!(!focus.iam() && !focus.members_of("g"), "{kind}");
        }
    }

    #[test]
    fn an_entity_leads_to_iam_of_its_account() {
        for (kind, id) in [
            ("iam_user", "arn:aws:iam::111111111111:user/ann"),
            ("role", "arn:aws:iam::111111111111:role/r"),
            ("inline_policy", "arn:aws:iam::111111111111:user/ann::inline::p"),
            ("account_iam", "111111111111"),
        ] {
            let focus = on(kind, id);
            assert!(focus.iam_of("111111111111") && !focus.iam_of("222222222222"), "{kind}");
            assert!(!focus.center() && !focus.sets(), "{kind}");
        }
        assert!(on("access-key", "AKIAEXAMPLE").iam_of("222222222222"), "a key does not name its account");
    }

    #[test]
    fn what_belongs_to_no_account_leads_to_its_own_list() {
        let managed = on("iam_policy", "arn:aws:iam::aws:policy/ReadOnlyAccess");
        assert!(managed.aws_managed_policies() && managed.iam_of("111111111111") && managed.center());
        let inline = on("inline_policy", "arn:aws:sso:::permissionSet/ssoins-1/ps-1::inline::inline");
        assert!(inline.sets() && !inline.iam());
        assert!(on("organizational_unit", "ou-1").account("111111111111"));
        assert_eq!(on("unheard", "of"), Focus::default());
        assert_eq!(on("sso_group", "no id"), Focus::default());
    }
}
