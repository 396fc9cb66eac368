//! Accounts, units and who administers what.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::control::Control;
use super::created;
use crate::aws::fixture::{self, AccountState, FixtureError};
use crate::aws::ids::Ids;

/// The organization as it is.
#[derive(Clone, Debug)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) root: String,
    pub(crate) management: String,
    pub(crate) units: Vec<Unit>,
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Account name to id; `None` when several accounts have the name.
    names: BTreeMap<String, Option<String>>,
    /// Delegated administrators: account to service principals.
    pub(crate) delegated: BTreeMap<String, BTreeSet<String>>,
    /// Service control policies.
    pub(super) controls: Vec<Control>,
}

/// An organizational unit.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: String,
    /// `o-.../r-.../ou-.../`
    pub(crate) path: String,
}

/// An account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) state: AccountState,
    pub(crate) alias: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) parent: String,
    /// `o-.../r-.../ou-.../123456789012/`
    pub(crate) path: String,
    pub(crate) joined: Timestamp,
}

impl Organization {
    pub(crate) fn build(fixture: &fixture::Organization, ids: &Ids) -> Result<Self, FixtureError> {
        let id = fixture.id.clone().unwrap_or_else(|| format!("o-{}", ids.lower(10, &["organization"])));
        let root_digits = ids.lower(4, &["root"]);
        let root = format!("r-{root_digits}");
        let mut organization = Self {
            management: String::new(),
            units: Vec::new(),
            accounts: BTreeMap::new(),
            names: BTreeMap::new(),
            delegated: BTreeMap::new(),
            controls: Vec::new(),
            id,
            root,
        };
        let path = format!("{}/{}/", organization.id, organization.root);
        let mut first = None;
        let mut open =
            vec![(organization.root.clone(), path, &fixture.accounts, &fixture.organizational_units)];
        while let Some((parent, path, accounts, units)) = open.pop() {
            for account in accounts {
                let added = organization.add_account(account, &parent, &path, ids)?;
                first.get_or_insert(added);
            }
            // Pushed in reverse, so that the tree is read from top to bottom.
            for unit in units.iter().rev() {
                let id = unit.id.clone().unwrap_or_else(|| {
                    format!("ou-{root_digits}-{}", ids.lower(8, &["unit", &path, &unit.name]))
                });
                let below = format!("{path}{id}/");
                organization.units.push(Unit {
                    id: id.clone(),
                    name: unit.name.clone(),
                    parent: parent.clone(),
                    path: below.clone(),
                });
                open.push((id, below, &unit.accounts, &unit.organizational_units));
            }
        }
        organization.refuse_twins()?;
        organization.management = match &fixture.management_account {
            Some(name) => organization.resolve(name, "organization.management_account")?,
            None => first.ok_or(FixtureError::NoAccount)?,
        };
        for delegated in &fixture.delegated_administrators {
            let account =
                organization.resolve(&delegated.account, "organization.delegated_administrators")?;
            organization.delegated.entry(account).or_default().extend(delegated.services.iter().cloned());
        }
        organization.set_controls(&fixture.service_control_policies, ids)?;
        Ok(organization)
    }

    fn add_account(
        &mut self,
        account: &fixture::Account,
        parent: &str,
        path: &str,
        ids: &Ids,
    ) -> Result<String, FixtureError> {
        let id = account.id.clone().unwrap_or_else(|| ids.account(&["account", path, &account.name]));
        if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(FixtureError::Invalid(format!("account id {id:?} is not twelve digits")));
        }
        let added = Account {
            name: account.name.clone(),
            email: account.email.clone().unwrap_or_else(|| format!("aws+{id}@example.com")),
            state: account.state,
            alias: account.alias.clone(),
            tags: account.tags.clone(),
            parent: parent.to_owned(),
            path: format!("{path}{id}/"),
            joined: created(ids, &["account", &id]),
            id: id.clone(),
        };
        let name = self.names.entry(account.name.clone());
        name.and_modify(|twin| *twin = None).or_insert_with(|| Some(id.clone()));
        if self.accounts.insert(id.clone(), added).is_some() {
            return Err(FixtureError::Duplicate { kind: "account", name: id });
        }
        Ok(id)
    }

    fn refuse_twins(&self) -> Result<(), FixtureError> {
        let mut seen = BTreeSet::new();
        match self.units.iter().find(|unit| !seen.insert(&unit.id)) {
            Some(twin) => {
                Err(FixtureError::Duplicate { kind: "organizational unit", name: twin.name.clone() })
            }
            None => Ok(()),
        }
    }

    /// The id of the account with this id or name.
    pub(crate) fn resolve(&self, name: &str, wanted_by: &str) -> Result<String, FixtureError> {
        if self.accounts.contains_key(name) {
            return Ok(name.to_owned());
        }
        match self.names.get(name) {
            Some(Some(id)) => Ok(id.clone()),
            Some(None) => Err(FixtureError::Duplicate { kind: "account", name: name.to_owned() }),
            None => Err(FixtureError::Unknown {
                kind: "account",
                name: name.to_owned(),
                wanted_by: wanted_by.to_owned(),
            }),
        }
    }

    /// Whether an account administers a service for the organization, as owner or as delegate.
    pub(crate) fn administers(&self, account: &str, service_principal: &str) -> bool {
        account == self.management
            || self.delegated.get(account).is_some_and(|services| services.contains(service_principal))
    }

    /// Whether a parent id names the root or a unit.
    pub(crate) fn has_parent(&self, id: &str) -> bool {
        id == self.root || self.units.iter().any(|unit| unit.id == id)
    }
}
