//! What a targeted sync has to read: little more than the resources that it is about.

use std::collections::BTreeSet;

use crate::baton::id::sso_group_of;
use crate::c1z::Owner;
use crate::connector::{
    access_key, account, account_iam, account_of, group, iam_policy, iam_user, inline_policy, organization,
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

    /// The account that the id of a resource names; all of them if it names none.
    fn add(&mut self, resource_type: &str, id: &str) {
        match (account_of(resource_type, id), self) {
            (Some(account), Self::Of(accounts)) => {
                accounts.insert(account.to_string());
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
            account::ID | permission_set_assignment::ID => self.accounts.add(resource_type, id),
            organization::ID | organizational_unit::ID => self.accounts = Reach::All,
            inline_policy::ID if account_of(resource_type, id).is_none() => self.sets = true,
            // It is attached to entities, and to permission sets that carry it into accounts.
            iam_policy::ID => {
                self.aws_managed_policies |= account_of(resource_type, id).is_none();
                self.iam.add(resource_type, id);
                self.accounts.add(resource_type, id);
            }
            account_iam::ID | iam_user::ID | role::ID | group::ID | inline_policy::ID | access_key::ID => {
                self.iam.add(resource_type, id);
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

    /// Whether the reads that lead to the targets give this row anew, if it is still there. Rows that they give besides,
    /// such as groups without their members, are not among these.
    pub(super) fn covers(&self, row: &Owner<'_>) -> bool {
        let of = |reach: &Reach, kind: &str, id: &str| {
            account_of(kind, id).is_some_and(|account| reach.has(account.as_str()))
        };
        match (row.resource_type, row.principal) {
            // A policy knows nothing of who has it: that is read with each holder.
            (iam_policy::ID, Some((kind @ permission_set_assignment::ID, binding))) => {
                of(&self.accounts, kind, binding)
            }
            (iam_policy::ID, Some((permission_set::ID, _))) => self.sets(),
            (iam_policy::ID, Some((kind, entity))) => of(&self.iam, kind, entity),
            (sso_user::ID, _) => self.users,
            (sso_group::ID, _) => sso_group_of(row.resource).is_ok_and(|group| self.members_of(group)),
            (kind @ (account::ID | permission_set_assignment::ID), _) => {
                of(&self.accounts, kind, row.resource)
            }
            // A key does not name its account.
            (access_key::ID, _) => self.iam == Reach::All,
            (
                kind @ (account_iam::ID
                | iam_user::ID
                | role::ID
                | group::ID
                | inline_policy::ID
                | iam_policy::ID),
                _,
            ) => of(&self.iam, kind, row.resource),
            _ => false,
        }
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

    fn covers(focus: &Focus, resource_type: &str, resource: &str, principal: Option<(&str, &str)>) -> bool {
        focus.covers(&Owner { resource_type, resource, principal })
    }

    #[test]
    fn a_group_that_is_read_again_gives_its_members_anew_and_no_other_row() {
        let (g, h) =
            ("arn:aws:identitystore:us-east-1::d-1/group/g", "arn:aws:identitystore:us-east-1::d-1/group/h");
        let focus = on("sso_group", g);
        assert!(
            covers(&focus, "sso_group", g, Some(("sso_user", "u"))) && covers(&focus, "sso_group", g, None)
        );
        assert!(!covers(&focus, "sso_group", h, None) && !covers(&focus, "sso_user", "u", None));
        assert!(!covers(&focus, "account", "111111111111", Some(("sso_group", g))));
    }

    #[test]
    fn an_account_that_is_read_again_gives_its_bindings_and_their_policies_anew() {
        let focus = on("account", "111111111111");
        let binding = |account: &str| format!("arn:aws:sso:::permissionSet/ssoins-1/ps-1-{account}");
        for (account, covered) in [("111111111111", true), ("222222222222", false)] {
            let binding = binding(account);
            assert_eq!(covers(&focus, "account", account, Some(("sso_user", "u"))), covered);
            assert_eq!(covers(&focus, "permission_set_assignment", &binding, None), covered);
            let held = Some(("permission_set_assignment", binding.as_str()));
            assert_eq!(covers(&focus, "iam_policy", "arn:aws:iam::aws:policy/P", held), covered);
        }
        assert!(!covers(&focus, "iam_user", "arn:aws:iam::111111111111:user/ann", None));
        assert!(!covers(&focus, "permission_set", "arn:aws:sso:::permissionSet/ssoins-1/ps-1", None));
    }

    #[test]
    fn an_entity_that_is_read_again_gives_iam_of_its_account_anew() {
        let focus = on("iam_user", "arn:aws:iam::111111111111:user/ann");
        let (ours, theirs) = ("arn:aws:iam::111111111111:role/r", "arn:aws:iam::222222222222:role/r");
        assert!(covers(&focus, "role", ours, None) && !covers(&focus, "role", theirs, None));
        let managed = "arn:aws:iam::aws:policy/P";
        assert!(covers(&focus, "iam_policy", managed, Some(("role", ours))));
        assert!(!covers(&focus, "iam_policy", managed, Some(("role", theirs))));
        assert!(!covers(&focus, "iam_policy", managed, None), "it is listed once for all accounts");
        // Who may assume a role is told by the role.
        assert!(!covers(&focus, "role", theirs, Some(("iam_user", "arn:aws:iam::111111111111:user/ann"))));
        assert!(
            !covers(&focus, "access-key", "AKIA", None)
                && covers(&on("access-key", "AKIA"), "access-key", "AKIB", None)
        );
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
