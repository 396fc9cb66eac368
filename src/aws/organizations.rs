//! Organizations: roots, organizational units and accounts.

use std::fmt;

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;

use super::account::AccountId;
use super::call::{Answer, Lane};
use super::error::CallError;
use super::operation::{Operation, Service};
use super::pages::pages;
use super::tag::Tag;

const LIST_ROOTS: Operation = Operation::safe(Service::Organizations, "ListRoots");
const LIST_UNITS: Operation = Operation::safe(Service::Organizations, "ListOrganizationalUnitsForParent");
const LIST_ACCOUNTS: Operation = Operation::safe(Service::Organizations, "ListAccounts");
const LIST_ACCOUNTS_FOR_PARENT: Operation = Operation::safe(Service::Organizations, "ListAccountsForParent");
const LIST_PARENTS: Operation = Operation::safe(Service::Organizations, "ListParents");
const LIST_TAGS: Operation = Operation::safe(Service::Organizations, "ListTagsForResource");
const DESCRIBE_ACCOUNT: Operation = Operation::safe(Service::Organizations, "DescribeAccount");
const DESCRIBE_ORGANIZATION: Operation = Operation::safe(Service::Organizations, "DescribeOrganization");

/// AWS's largest page.
const PAGE: i32 = 20;

/// Calls of Organizations.
#[derive(Clone, Debug)]
pub struct Organizations {
    client: Client,
    lane: Lane,
}

impl Organizations {
    pub(super) fn new(client: Client, lane: Lane) -> Self {
        Self { client, lane }
    }

    /// The organization's roots, by pages (`organizations:ListRoots`). There is one today.
    pub fn roots(&self) -> BoxStream<'static, Result<Vec<Root>, CallError>> {
        let client = self.client.clone();
        pages(self.lane.clone(), LIST_ROOTS, move |lane, token| {
            let request = client.list_roots().max_results(PAGE).set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_ROOTS, || {
                        request.clone().customize().interceptor(Answer::with("Roots")).send()
                    })
                    .await?;
                let roots = page.roots.unwrap_or_default().into_iter();
                let roots = roots.map(|root| Root::read(root, &lane)).collect::<Result<_, _>>()?;
                Ok((roots, page.next_token))
            }
        })
    }

    /// The units directly below a root or unit, by pages (`organizations:ListOrganizationalUnitsForParent`).
    pub fn organizational_units(
        &self,
        parent: &str,
    ) -> BoxStream<'static, Result<Vec<OrganizationalUnit>, CallError>> {
        let (client, parent) = (self.client.clone(), parent.to_owned());
        pages(self.lane.clone(), LIST_UNITS, move |lane, token| {
            let request = client
                .list_organizational_units_for_parent()
                .parent_id(&parent)
                .max_results(PAGE)
                .set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_UNITS, || {
                        request.clone().customize().interceptor(Answer::with("OrganizationalUnits")).send()
                    })
                    .await?;
                let units = page.organizational_units.unwrap_or_default().into_iter();
                let units =
                    units.map(|unit| OrganizationalUnit::read(unit, &lane)).collect::<Result<_, _>>()?;
                Ok((units, page.next_token))
            }
        })
    }

    /// All accounts, by pages (`organizations:ListAccounts`). AWS may give empty pages in between.
    pub fn accounts(&self) -> BoxStream<'static, Result<Vec<Account>, CallError>> {
        let client = self.client.clone();
        pages(self.lane.clone(), LIST_ACCOUNTS, move |lane, token| {
            let request = client.list_accounts().max_results(PAGE).set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_ACCOUNTS, || {
                        request.clone().customize().interceptor(Answer::with("Accounts")).send()
                    })
                    .await?;
                Ok((read_accounts(page.accounts, LIST_ACCOUNTS, &lane)?, page.next_token))
            }
        })
    }

    /// The accounts directly below a root or unit, by pages (`organizations:ListAccountsForParent`).
    pub fn accounts_for_parent(&self, parent: &str) -> BoxStream<'static, Result<Vec<Account>, CallError>> {
        let (client, parent) = (self.client.clone(), parent.to_owned());
        pages(self.lane.clone(), LIST_ACCOUNTS_FOR_PARENT, move |lane, token| {
            let request =
                client.list_accounts_for_parent().parent_id(&parent).max_results(PAGE).set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_ACCOUNTS_FOR_PARENT, || {
                        request.clone().customize().interceptor(Answer::with("Accounts")).send()
                    })
                    .await?;
                Ok((read_accounts(page.accounts, LIST_ACCOUNTS_FOR_PARENT, &lane)?, page.next_token))
            }
        })
    }

    /// The id of the root or unit that an account is directly below (`organizations:ListParents`). One that is not in
    /// the organization is a [`Class::NotFound`](super::Class::NotFound).
    pub async fn parent_of(&self, account: &AccountId) -> Result<String, CallError> {
        let (client, id) = (self.client.clone(), account.clone());
        let parents = pages(self.lane.clone(), LIST_PARENTS, move |lane, token| {
            let request = client.list_parents().child_id(id.as_str()).set_next_token(token);
            async move {
                let whole = Answer::with("Parents");
                let page =
                    lane.send(LIST_PARENTS, || request.clone().customize().interceptor(whole).send()).await?;
                Ok((page.parents.unwrap_or_default(), page.next_token))
            }
        });
        let parents: Vec<types::Parent> = parents.try_concat().await?;
        let parent = parents.into_iter().find_map(|parent| parent.id);
        parent.ok_or_else(|| self.lane.malformed(LIST_PARENTS, format!("it names no parent of {account}")))
    }

    /// The tags of an account, by pages (`organizations:ListTagsForResource`).
    pub fn account_tags(&self, id: &AccountId) -> BoxStream<'static, Result<Vec<Tag>, CallError>> {
        let (client, id) = (self.client.clone(), id.clone());
        pages(self.lane.clone(), LIST_TAGS, move |lane, token| {
            let request = client.list_tags_for_resource().resource_id(id.as_str()).set_next_token(token);
            async move {
                let whole = Answer::with("Tags");
                let page =
                    lane.send(LIST_TAGS, || request.clone().customize().interceptor(whole).send()).await?;
                let tags = page.tags.unwrap_or_default().into_iter();
                Ok((tags.map(|tag| Tag { key: tag.key, value: tag.value }).collect(), page.next_token))
            }
        })
    }

    /// One account (`organizations:DescribeAccount`).
    pub async fn describe_account(&self, id: &AccountId) -> Result<Account, CallError> {
        let request = self.client.describe_account().account_id(id.as_str());
        let answer = self
            .lane
            .send(DESCRIBE_ACCOUNT, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        let account = answer.account.ok_or_else(|| {
            self.lane.malformed(DESCRIBE_ACCOUNT, format!("account {id} is described without an account"))
        })?;
        Account::read(account, DESCRIBE_ACCOUNT, &self.lane)
    }

    /// The id of the organization's management account (`organizations:DescribeOrganization`).
    pub async fn management_account(&self) -> Result<String, CallError> {
        let request = self.client.describe_organization();
        let answer = self
            .lane
            .send(DESCRIBE_ORGANIZATION, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        let account = answer.organization.and_then(|organization| organization.master_account_id);
        account.ok_or_else(|| self.lane.malformed(DESCRIBE_ORGANIZATION, "it names no management account"))
    }
}

/// The root of the organization's tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Root {
    /// Its id, `r-...`.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// An organizational unit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OrganizationalUnit {
    /// Its id, `ou-...`.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// A member account, or the management account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its ARN.
    pub arn: Option<String>,
    /// Its name; AWS lets it be absent.
    pub name: Option<String>,
    /// Its state.
    pub state: AccountState,
    /// Where it stands in the tree, each `<organization>/<root>/<unit>/.../<account>/`; empty where AWS does not
    /// say.
    pub paths: Vec<String>,
}

/// The state of an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccountState {
    /// In use.
    Active,
    /// Locked by AWS or on the way out.
    Suspended,
    /// Its owner asked to close it.
    PendingClosure,
    /// Created, not yet usable.
    PendingActivation,
    /// Closed.
    Closed,
    /// A state newer than this program, as AWS writes it.
    Other(String),
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::PendingClosure => "about to be closed",
            Self::PendingActivation => "not yet active",
            Self::Closed => "closed",
            Self::Other(state) => state,
        })
    }
}

impl Root {
    fn read(root: types::Root, lane: &Lane) -> Result<Self, CallError> {
        let id = root.id.ok_or_else(|| lane.malformed(LIST_ROOTS, "a root has no Id"))?;
        Ok(Self { id, name: root.name })
    }
}

impl OrganizationalUnit {
    fn read(unit: types::OrganizationalUnit, lane: &Lane) -> Result<Self, CallError> {
        let id = unit.id.ok_or_else(|| lane.malformed(LIST_UNITS, "an organizational unit has no Id"))?;
        Ok(Self { id, name: unit.name })
    }
}

fn read_accounts(
    accounts: Option<Vec<types::Account>>,
    operation: Operation,
    lane: &Lane,
) -> Result<Vec<Account>, CallError> {
    accounts.unwrap_or_default().into_iter().map(|account| Account::read(account, operation, lane)).collect()
}

impl Account {
    fn read(account: types::Account, operation: Operation, lane: &Lane) -> Result<Self, CallError> {
        let malformed = |message: String| lane.malformed(operation, message);
        let id = account.id.unwrap_or_default();
        let id: AccountId = id.parse().map_err(|_| malformed(format!("an account has the Id \"{id}\"")))?;
        // State replaces Status, which AWS may stop to send; without either, nobody knows whether the account is in
        // use, and "not in use" would take away all access to it downstream.
        let state = account
            .state
            .map(|state| state.as_str().to_owned())
            .or_else(|| account.status.map(|status| status.as_str().to_owned()))
            .ok_or_else(|| malformed(format!("account {id} has neither State nor Status")))?;
        Ok(Self {
            id,
            arn: account.arn,
            name: account.name,
            state: AccountState::read(&state),
            paths: account.paths.unwrap_or_default(),
        })
    }
}

impl AccountState {
    fn read(text: &str) -> Self {
        match text {
            "ACTIVE" => Self::Active,
            "SUSPENDED" => Self::Suspended,
            "PENDING_CLOSURE" => Self::PendingClosure,
            "PENDING_ACTIVATION" => Self::PendingActivation,
            "CLOSED" => Self::Closed,
            other => Self::Other(other.to_owned()),
        }
    }
}
