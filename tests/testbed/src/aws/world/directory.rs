//! The identity store: users, groups, memberships.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::created;
use crate::aws::fixture::{self, ExternalId, FixtureError};
use crate::aws::ids::{Ids, random_hex, random_uuid};

/// The identity store as it is.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) store_id: String,
    pub(crate) region: String,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) memberships: BTreeMap<String, Membership>,
    /// Group id, user id to membership id.
    by_group: BTreeMap<String, BTreeMap<String, String>>,
    /// User id, group id to membership id.
    by_user: BTreeMap<String, BTreeMap<String, String>>,
}

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) display_name: Option<String>,
    pub(crate) given_name: Option<String>,
    pub(crate) family_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) status: Option<&'static str>,
    pub(crate) external_ids: Vec<ExternalId>,
    pub(crate) created: Timestamp,
}

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) external_ids: Vec<ExternalId>,
    pub(crate) created: Timestamp,
}

/// One user in one group.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) user: String,
    pub(crate) created: Timestamp,
}

impl Directory {
    pub(crate) fn build(fixture: &fixture::IdentityCenter, ids: &Ids) -> Result<Self, FixtureError> {
        let store_id = fixture.identity_store_id.clone().unwrap_or_else(|| {
            // Stores of the first region carry its number in front.
            let prefix = if fixture.region == "us-east-1" { "9067" } else { "93f6" };
            format!("d-{prefix}{}", ids.hex(6, &["identity store", &fixture.region]))
        });
        let mut directory = Self {
            region: fixture.region.clone(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            memberships: BTreeMap::new(),
            by_group: BTreeMap::new(),
            by_user: BTreeMap::new(),
            store_id,
        };
        let mut names = BTreeMap::new();
        for user in &fixture.users {
            let id = user.id.clone().unwrap_or_else(|| directory.derived_id(ids, "user", &user.name));
            if names.insert(user.name.as_str(), id.clone()).is_some() || directory.users.contains_key(&id) {
                return Err(FixtureError::Duplicate { kind: "user", name: user.name.clone() });
            }
            directory.users.insert(id.clone(), User::new(user, id, created(ids, &["user", &user.name])));
        }
        let mut group_names = BTreeSet::new();
        for group in &fixture.groups {
            let id = group.id.clone().unwrap_or_else(|| directory.derived_id(ids, "group", &group.name));
            if directory.groups.contains_key(&id) || !group_names.insert(group.name.as_str()) {
                return Err(FixtureError::Duplicate { kind: "group", name: group.name.clone() });
            }
            directory.groups.insert(
                id.clone(),
                Group {
                    name: group.name.clone(),
                    description: group.description.clone(),
                    external_ids: group.external_ids.clone(),
                    created: created(ids, &["group", &group.name]),
                    id: id.clone(),
                },
            );
            for member in &group.members {
                let user = names.get(member.as_str()).ok_or_else(|| FixtureError::Unknown {
                    kind: "user",
                    name: member.clone(),
                    wanted_by: format!("group {:?}", group.name),
                })?;
                let membership =
                    directory.derived_id(ids, "membership", &format!("{}\0{member}", group.name));
                let time = created(ids, &["membership", &group.name, member]);
                if !directory.join(membership, &id, user, time) {
                    return Err(FixtureError::Duplicate { kind: "member", name: member.clone() });
                }
            }
        }
        Ok(directory)
    }

    /// The id of a thing that the fixture gives no id: prefixed with the store's digits where AWS does so.
    pub(crate) fn derived_id(&self, ids: &Ids, kind: &str, name: &str) -> String {
        self.in_shape(&ids.uuid(&[kind, name]))
    }

    fn in_shape(&self, uuid: &str) -> String {
        match self.store_id.strip_prefix("d-") {
            Some(digits) if self.region == "us-east-1" => format!("{digits}-{uuid}"),
            _ => uuid.to_owned(),
        }
    }

    pub(crate) fn user_named(&self, name: &str) -> Option<&User> {
        self.users.values().find(|user| user.name == name)
    }

    pub(crate) fn group_named(&self, name: &str) -> Option<&Group> {
        self.groups.values().find(|group| group.name == name)
    }

    pub(crate) fn membership(&self, group: &str, user: &str) -> Option<&Membership> {
        self.memberships.get(self.by_group.get(group)?.get(user)?)
    }

    pub(crate) fn members(&self, group: &str) -> impl Iterator<Item = &Membership> {
        self.by_group
            .get(group)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(|id| self.memberships.get(id))
    }

    pub(crate) fn groups_of(&self, user: &str) -> impl Iterator<Item = &Membership> {
        self.by_user
            .get(user)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(|id| self.memberships.get(id))
    }

    /// Adds a user to a group; `None` when it is a member already.
    pub(crate) fn add_member(&mut self, group: &str, user: &str) -> Option<String> {
        let id = self.in_shape(&random_uuid());
        if !self.join(id.clone(), group, user, Timestamp::now()) {
            return None;
        }
        Some(id)
    }

    fn join(&mut self, id: String, group: &str, user: &str, created: Timestamp) -> bool {
        if self.membership(group, user).is_some() {
            return false;
        }
        self.by_group.entry(group.to_owned()).or_default().insert(user.to_owned(), id.clone());
        self.by_user.entry(user.to_owned()).or_default().insert(group.to_owned(), id.clone());
        let membership =
            Membership { id: id.clone(), group: group.to_owned(), user: user.to_owned(), created };
        self.memberships.insert(id, membership);
        true
    }

    /// Ends a membership; false when there is none with this id.
    pub(crate) fn remove_membership(&mut self, id: &str) -> bool {
        let Some(membership) = self.memberships.remove(id) else { return false };
        if let Some(members) = self.by_group.get_mut(&membership.group) {
            members.remove(&membership.user);
        }
        if let Some(groups) = self.by_user.get_mut(&membership.user) {
            groups.remove(&membership.group);
        }
        true
    }

    /// Adds a user; its id.
    pub(crate) fn add_user(&mut self, user: &fixture::User) -> String {
        let id = user.id.clone().unwrap_or_else(|| self.in_shape(&random_uuid()));
        self.users.insert(id.clone(), User::new(user, id.clone(), Timestamp::now()));
        id
    }

    /// Adds an empty group; its id.
    pub(crate) fn add_group(&mut self, name: &str, description: Option<&str>) -> String {
        let id = self.in_shape(&random_uuid());
        let group = Group {
            id: id.clone(),
            name: name.to_owned(),
            description: description.map(str::to_owned),
            external_ids: Vec::new(),
            created: Timestamp::now(),
        };
        self.groups.insert(id.clone(), group);
        id
    }

    /// Removes a user and its memberships. Assignments stay, as they do in AWS.
    pub(crate) fn remove_user(&mut self, id: &str) -> bool {
        let memberships: Vec<String> = self.groups_of(id).map(|membership| membership.id.clone()).collect();
        for membership in memberships {
            self.remove_membership(&membership);
        }
        self.users.remove(id).is_some()
    }

    /// Removes a group and its memberships. Assignments stay, as they do in AWS.
    pub(crate) fn remove_group(&mut self, id: &str) -> bool {
        let memberships: Vec<String> = self.members(id).map(|membership| membership.id.clone()).collect();
        for membership in memberships {
            self.remove_membership(&membership);
        }
        self.groups.remove(id).is_some()
    }

    /// An opaque number that changes with the thing that it belongs to.
    pub(crate) fn revision() -> String {
        u64::from_str_radix(&random_hex(12), 16).unwrap_or_default().to_string()
    }
}

impl User {
    fn new(user: &fixture::User, id: String, created: Timestamp) -> Self {
        let status = match (user.without_status, user.disabled) {
            (true, _) => None,
            (false, true) => Some("DISABLED"),
            (false, false) => Some("ENABLED"),
        };
        Self {
            id,
            name: user.name.clone(),
            display_name: user.display_name.clone(),
            given_name: user.given_name.clone(),
            family_name: user.family_name.clone(),
            email: user.email.clone(),
            status,
            external_ids: user.external_ids.clone(),
            created,
        }
    }
}
