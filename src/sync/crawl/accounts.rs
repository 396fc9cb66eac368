//! Accounts: their rows, what is provisioned to them, and which of them have their IAM read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::SinkExt;
use futures::channel::mpsc;
use futures::stream::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;
use tracing::{debug, warn};

use super::permission_sets::Sets;
use super::tree::Tree;
use super::{Crawl, FAN_OUT, Known, Publish, RESOURCE_TAGS, known};
use crate::aws::organizations::{Account, AccountState};
use crate::aws::{Class, Tag};
use crate::baton::v2::Resource;
use crate::connector::{account, account_iam, iam_user, organization, permission_set_assignment};
use crate::sync::SyncError;
use crate::sync::completeness::Area;
use crate::sync::focus::Focus;

/// An account as the list tells it. Clones share what is read of it once.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) account: Account,
    tags: Arc<OnceCell<Vec<Tag>>>,
}

/// An account with the id of its parent, where that is known.
type Placed = (Listed, Option<String>);

/// An account with the permission sets that are provisioned to it.
#[derive(Debug)]
pub(super) struct Provisioned {
    /// The account as AWS tells it.
    pub(super) account: Account,
    /// Its row.
    pub(super) resource: Resource,
    /// ARNs of permission sets.
    pub(super) sets: Arc<[Arc<str>]>,
}

/// The accounts of the organization.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// Those that are synced, by id.
    pub(super) provisioned: Vec<Arc<Provisioned>>,
    /// Ids of those that are listed and not synced.
    pub(super) others: BTreeSet<String>,
}

impl Crawl<'_> {
    /// Lists the accounts once for all who ask, reads them while they are being listed, and publishes what is
    /// provisioned to them. Only those without a path wait for the tree.
    pub(super) async fn accounts(
        &self,
        sets: Known<Sets>,
        tree: Known<Tree>,
        known: Publish<Accounts>,
        own_named: Publish<Option<String>>,
    ) -> Result<(), SyncError> {
        let of_center = self.scope.has(account::ID) && self.scope.reads(Focus::center);
        let of_iam = self.scope.has(account_iam::ID) && self.scope.reads(Focus::iam);
        if !of_center && !of_iam {
            return self.name_own_account(&own_named).await;
        }
        let (provisioned, others) = (Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
        let (placed, found) = mpsc::channel(FAN_OUT);
        let (entered, members) = mpsc::channel(FAN_OUT);
        let read_center = found
            .map(Ok)
            .map_ok(async |(listed, parent): Placed| {
                let read = self.account(listed, parent.as_deref(), sets.clone(), tree.clone()).await?;
                provisioned.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(read));
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect::<()>();
        let read_members = members
            .map(Ok)
            .map_ok(async |listed: Listed| {
                // On the heap, so that accounts that wait take none of its room.
                Box::pin(self.member(&listed)).await?;
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect::<()>();
        let center = async {
            read_center.await?;
            let mut provisioned =
                std::mem::take(&mut *provisioned.lock().unwrap_or_else(PoisonError::into_inner));
            provisioned.sort_by(|a: &Arc<Provisioned>, b| a.account.id.cmp(&b.account.id));
            let others = std::mem::take(&mut *others.lock().unwrap_or_else(PoisonError::into_inner));
            known.send_replace(Some(Arc::new(Accounts { provisioned, others })));
            Ok(())
        };
        let placed = of_center.then_some(placed);
        let entered = of_iam.then_some(entered);
        let list = self.list_accounts(placed, entered, &others, tree.clone(), own_named);
        tokio::try_join!(list, center, read_members)?;
        Ok(())
    }

    async fn list_accounts(
        &self,
        mut placed: Option<mpsc::Sender<Placed>>,
        mut entered: Option<mpsc::Sender<Listed>>,
        others: &Mutex<BTreeSet<String>>,
        tree: Known<Tree>,
        own_named: Publish<Option<String>>,
    ) -> Result<(), SyncError> {
        let own = &self.connector.aws().caller().account;
        let mut without_path = Vec::new();
        let mut pages = self.api.organizations().accounts();
        while let Some(page) = pages.try_next().await? {
            for account in page {
                if account.id == *own {
                    let name = self.connector.keep_own_name(account.name.as_deref());
                    own_named.send_replace(Some(Arc::new(name)));
                }
                let listed = Listed { account, tags: Arc::default() };
                let account = &listed.account;
                if let Some(entered) = &mut entered
                    && self.scope.reads(|focus| focus.iam_of(account.id.as_str()))
                {
                    self.progress.found(1);
                    send(entered, listed.clone()).await;
                }
                let Some(placed) = &mut placed else { continue };
                if !self.scope.reads(|focus| focus.account(account.id.as_str())) || !self.is_synced(account) {
                    others.lock().unwrap_or_else(PoisonError::into_inner).insert(account.id.to_string());
                    continue;
                }
                self.progress.found(1);
                let parent = account::parent(account).map(str::to_owned);
                if parent.is_none() && self.scope.has(organization::ID) {
                    without_path.push(listed);
                } else {
                    send(placed, (listed, parent)).await;
                }
            }
        }
        if own_named.borrow().is_none() {
            own_named.send_replace(Some(Arc::new(self.connector.keep_own_name(None))));
        }
        let (Some(placed), false) = (&mut placed, without_path.is_empty()) else { return Ok(()) };
        let mut parents = self.parents(&*known(tree).await, &without_path).await?;
        for listed in without_path {
            let parent = parents.remove(listed.account.id.as_str());
            send(placed, (listed, parent)).await;
        }
        Ok(())
    }

    /// Accounts that AWS calls active are synced. A state that is newer than this program says nothing about
    /// access: such an account stays, and is reported.
    fn is_synced(&self, account: &Account) -> bool {
        match &account.state {
            AccountState::Active => true,
            AccountState::Other(state) => {
                warn!(account.id = %account.id, state, "account is in a state unknown to this version; synced as active");
                self.findings
                    .lacks(format!("account {}", account.id), format!("its state {state} is unknown"));
                true
            }
            AccountState::Suspended
            | AccountState::PendingClosure
            | AccountState::PendingActivation
            | AccountState::Closed => {
                debug!(account.id = %account.id, state = ?account.state, "account is not active, skipped");
                false
            }
        }
    }

    async fn account(
        &self,
        listed: Listed,
        parent: Option<&str>,
        sets: Known<Sets>,
        tree: Known<Tree>,
    ) -> Result<Provisioned, SyncError> {
        let account = &listed.account;
        // What takes time is asked for first; the names of sets and parents are awaited after.
        let provisioned: BTreeSet<String> =
            if self.scope.has(permission_set_assignment::ID) || self.scope.grants {
                self.provisioned(account).await?
            } else {
                BTreeSet::new()
            };
        let parent = match parent {
            Some(parent) => self.parent_in_scope(account, parent, &*known(tree).await),
            None => None,
        };
        let resource = account::resource(account, parent, self.account_tags(&listed).await?);
        self.rows.resource(&resource)?;
        if self.scope.entitlements {
            for described in known(sets).await.values() {
                self.rows.entitlement(&account::entitlement(&resource, &described.set))?;
            }
        }
        self.findings.whole(Area::Accounts);
        let sets = provisioned.into_iter().map(Arc::from).collect();
        Ok(Provisioned { account: listed.account, resource, sets })
    }

    /// The tags of an account, read once for all of its rows; `None` without the setting.
    pub(super) async fn account_tags<'l>(&self, listed: &'l Listed) -> Result<Option<&'l [Tag]>, SyncError> {
        if !self.connector.settings().resource_tags {
            return Ok(None);
        }
        let read = || async { self.api.organizations().account_tags(&listed.account.id).try_concat().await };
        let tags = listed.tags.get_or_try_init(read).await;
        Ok(Some(tags.map_err(|error| match error.class() {
            Class::NotFound => SyncError::Shifted {
                what: format!("account {} is listed, but cannot be found", listed.account.id),
            },
            _ => SyncError::of_asked(RESOURCE_TAGS, error),
        })?))
    }

    /// Tells the rows of users how their account is called, where no list of accounts does.
    async fn name_own_account(&self, own_named: &Publish<Option<String>>) -> Result<(), SyncError> {
        let own = self.connector.aws().caller().account.as_str();
        let name = if self.scope.has(iam_user::ID) && self.scope.reads(|focus| focus.iam_of(own)) {
            self.connector.own_account_name(&self.api).await?
        } else {
            None
        };
        own_named.send_replace(Some(Arc::new(name)));
        Ok(())
    }
}

async fn send<T>(to: &mut mpsc::Sender<T>, item: T) {
    // The receiver is polled in the same join: it is gone only when the whole crawl is being dropped.
    if to.send(item).await.is_err() {
        debug!("crawl is ending");
    }
}
