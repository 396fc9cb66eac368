//! Things that somebody deletes while they are being read.

use serde_json::Value;

use super::World;
use super::assignments::Assignment;
use super::iam::Kind;

impl World {
    /// Removes what a request names, as if somebody else had just deleted it. False when it names nothing that is there.
    pub(crate) fn vanish(&mut self, account: &str, input: &Value) -> bool {
        let text = |name: &str| input.get(name).and_then(Value::as_str);
        if let Some(group) = text("GroupId") {
            return self.directory.remove_group(group);
        }
        if let Some(principal) = text("PrincipalId") {
            return self.directory.remove_user(principal) || self.directory.remove_group(principal);
        }
        if let Some(set) = text("PermissionSetArn") {
            let only = text("AccountId");
            let held =
                self.center.assignments.iter().filter(|one| {
                    one.permission_set == set && only.is_none_or(|account| one.account == account)
                });
            let held: Vec<Assignment> = held.cloned().collect();
            for assignment in &held {
                self.center.unassign(assignment);
            }
            return match only {
                Some(_) => !held.is_empty(),
                None => self.center.permission_sets.remove(set).is_some(),
            };
        }
        if let Some(unit) = text("ParentId") {
            let before = self.organization.units.len();
            self.organization.units.retain(|one| one.id != unit);
            return self.organization.units.len() < before;
        }
        let iam = self.iam.account_mut(account);
        if let Some(key) = text("AccessKeyId") {
            let keys = |user: &mut super::iam::User| {
                let before = user.keys.len();
                user.keys.retain(|one| one.id != key);
                user.keys.len() < before
            };
            return iam.users.values_mut().any(keys);
        }
        let entity = [("UserName", Kind::User), ("GroupName", Kind::Group), ("RoleName", Kind::Role)]
            .into_iter()
            .find_map(|(member, kind)| Some((kind, text(member)?)));
        match (entity, text("PolicyName")) {
            (Some((kind, name)), Some(policy)) => {
                iam.rights_mut(kind, name).is_some_and(|(_, rights)| rights.inline.remove(policy).is_some())
            }
            (Some((Kind::User, name)), None) => iam.users.remove(name).is_some(),
            (Some((Kind::Group, name)), None) => iam.groups.remove(name).is_some(),
            (Some((Kind::Role, name)), None) => {
                // Also as a principal, or a look at it would find it.
                let was_principal = self.access.hide_role(account, name);
                iam.roles.remove(name).is_some() || was_principal
            }
            (None, _) => false,
        }
    }
}
