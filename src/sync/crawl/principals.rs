//! Who may be assigned: the users and groups of the Identity Center directory.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use futures::stream::{self, TryStreamExt};

use super::second_look::{Kind, Thing};
use super::{Crawl, FAN_OUT, Publish};
use crate::aws::identity_store::Group;
use crate::connector::{sso_group, sso_user};
use crate::sync::SyncError;
use crate::sync::completeness::Area;
use crate::sync::focus::Focus;

/// Ids of one kind of principal, each with a small number.
#[derive(Debug, Default)]
pub(super) struct Ids(HashMap<Box<str>, u32>);

impl Ids {
    fn add(&mut self, id: &str) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(id.into()).or_insert(next)
    }

    /// Whether the directory has this principal.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// The number of a principal, below [`len`](Self::len).
    pub(super) fn number(&self, id: &str) -> Option<u32> {
        self.0.get(id).copied()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }
}

/// The groups, and who is in them.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// The groups.
    pub(super) ids: Ids,
    /// Ids of members with the number of their group.
    pub(super) members: Memberships,
}

impl Groups {
    /// A user is in a group.
    pub(super) fn member(&mut self, group: &str, user: &str) {
        let number = self.ids.add(group);
        self.members.add(user, number);
    }
}

/// Memberships as pairs of numbers.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    users: Ids,
    pairs: Vec<(u32, u32)>,
}

impl Memberships {
    fn add(&mut self, user: &str, group: u32) {
        let user = self.users.add(user);
        self.pairs.push((user, group));
    }

    /// Ids of all members, each once.
    pub(super) fn users(&self) -> impl Iterator<Item = &str> {
        self.users.iter()
    }

    /// The sum of `of_group` over the groups of each member; users without a group are absent.
    pub(super) fn sums(&self, of_group: &[u64]) -> Vec<u64> {
        let mut sums = vec![0; self.users.len()];
        for (user, group) in &self.pairs {
            let rows = of_group.get(*group as usize).copied().unwrap_or_default();
            if let Some(sum) = sums.get_mut(*user as usize) {
                *sum += rows;
            }
        }
        sums
    }
}

impl Crawl<'_> {
    /// Reads the users and publishes their ids.
    pub(super) async fn users(&self, known: Publish<Ids>) -> Result<(), SyncError> {
        let mut ids = Ids::default();
        if self.scope.has(sso_user::ID) && self.scope.reads(Focus::users) {
            let mut pages = self.api.identity_store().users();
            while let Some(page) = pages.try_next().await? {
                for user in &page {
                    ids.add(&user.id);
                    self.rows.resource(&sso_user::resource(&self.directory, user))?;
                }
            }
            self.findings.whole(Area::Users);
        }
        known.send_replace(Some(ids.into()));
        Ok(())
    }

    /// Reads the groups with their members and publishes their ids.
    pub(super) async fn groups(&self, known: Publish<Groups>) -> Result<(), SyncError> {
        let groups = Mutex::new(Groups::default());
        if self.scope.has(sso_group::ID) && self.scope.reads(Focus::groups) {
            let found = self.api.identity_store().groups().map_err(SyncError::from).map_ok(|page| {
                self.progress.found(page.len());
                stream::iter(page.into_iter().map(Ok))
            });
            found
                .try_flatten()
                .map_ok(async |group| {
                    self.group(&group, &groups).await?;
                    self.progress.finished();
                    Ok::<_, SyncError>(())
                })
                .try_buffer_unordered(FAN_OUT)
                .try_collect::<()>()
                .await?;
        }
        let groups = groups.into_inner().unwrap_or_else(PoisonError::into_inner);
        known.send_replace(Some(groups.into()));
        Ok(())
    }

    /// Reads the members of a group and stages it with them.
    pub(super) async fn group(&self, group: &Group, groups: &Mutex<Groups>) -> Result<(), SyncError> {
        let mut members = Vec::new();
        if self.scope.grants && self.scope.reads(|focus| focus.members_of(&group.id)) {
            match self.api.identity_store().memberships(&group.id).try_collect::<Vec<_>>().await {
                Ok(pages) => members = pages,
                Err(error) => {
                    return self.vanished(Thing::Group(&group.id), error).await;
                }
            }
        }
        let resource = sso_group::resource(&self.directory, group);
        self.rows.resource(&resource)?;
        if self.scope.entitlements {
            self.rows.entitlement(&sso_group::entitlement(&resource))?;
        }
        lock(groups).ids.add(&group.id);
        for membership in members.iter().flatten() {
            if let Some(user) = &membership.user_id {
                lock(groups).member(&group.id, user);
            }
            if let Some(grant) = sso_group::grant(&self.directory, &resource, membership) {
                self.rows.grant(&grant)?;
            }
        }
        self.findings.whole(Area::Groups);
        self.findings.read(Kind::Groups);
        Ok(())
    }
}

fn lock(groups: &Mutex<Groups>) -> std::sync::MutexGuard<'_, Groups> {
    groups.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_member_inherits_is_the_sum_over_its_groups() {
        let mut groups = Groups::default();
        for (group, user) in [("admins", "ada"), ("staff", "ada"), ("staff", "bob")] {
            groups.member(group, user);
        }
        let mut sums = groups.members.sums(&[120, 7]);
        sums.sort_unstable();
        assert_eq!(sums, [7, 127]);
        assert_eq!(groups.ids.number("staff"), Some(1));
        assert!(groups.ids.has("admins") && !groups.ids.has("ada"));
    }
}
