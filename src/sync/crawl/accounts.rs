//! Accounts: their rows, what is provisioned to them, and which of them have their IAM read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::SinkExt;
use futures::channel::mpsc;
use futures::stream::{StreamExt, TryStreamExt};
use tracing::{debug, warn};

use super::permission_sets::Sets;
use super::tree::Tree;
use super::{Crawl, FAN_OUT, Known, Publish, known};
use crate::aws::organizations::{Account, AccountState};
use crate::baton::v2::Resource;
use crate::connector::{account, account_iam, organization, permission_set_assignment};
use crate::sync::SyncError;
use crate::sync::completeness::Area;
use crate::sync::focus::Focus;

/// An account with the id of its parent, where that is known.
type Placed = (Account, Option<String>);

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
    ) -> Result<(), SyncError> {
        let of_center = self.scope.has(account::ID) && self.scope.reads(Focus::center);
        let of_iam = self.scope.has(account_iam::ID) && self.scope.reads(Focus::iam);
        if !of_center && !of_iam {
            return Ok(());
        }
        let (provisioned, others) = (Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
        let (placed, found) = mpsc::channel(FAN_OUT);
        let (entered, members) = mpsc::channel(FAN_OUT);
        let read_center = found
            .map(Ok)
            .map_ok(async |(account, parent): Placed| {
                let read = self.account(account, parent.as_deref(), sets.clone(), tree.clone()).await?;
                provisioned.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(read));
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect::<()>();
        let read_members = members
            .map(Ok)
            .map_ok(async |account: Account| {
                // On the heap, so that accounts that wait take none of its room.
                Box::pin(self.member(&account)).await?;
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
        tokio::try_join!(self.list_accounts(placed, entered, &others, tree.clone()), center, read_members)?;
        Ok(())
    }

    async fn list_accounts(
        &self,
        mut placed: Option<mpsc::Sender<Placed>>,
        mut entered: Option<mpsc::Sender<Account>>,
        others: &Mutex<BTreeSet<String>>,
        tree: Known<Tree>,
    ) -> Result<(), SyncError> {
        let mut without_path = Vec::new();
        let mut pages = self.api.organizations().accounts();
        while let Some(page) = pages.try_next().await? {
            for account in page {
                if let Some(entered) = &mut entered
                    && self.scope.reads(|focus| focus.iam_of(account.id.as_str()))
                {
                    self.progress.found(1);
                    send(entered, account.clone()).await;
                }
                let Some(placed) = &mut placed else { continue };
                if !self.scope.reads(|focus| focus.account(account.id.as_str())) || !self.is_synced(&account)
                {
                    others.lock().unwrap_or_else(PoisonError::into_inner).insert(account.id.to_string());
                    continue;
                }
                self.progress.found(1);
                let parent = account::parent(&account).map(str::to_owned);
                if parent.is_none() && self.scope.has(organization::ID) {
                    without_path.push(account);
                } else {
                    send(placed, (account, parent)).await;
                }
            }
        }
        let (Some(placed), false) = (&mut placed, without_path.is_empty()) else { return Ok(()) };
        let mut parents = self.parents(&*known(tree).await, &without_path).await?;
        for account in without_path {
            let parent = parents.remove(account.id.as_str());
            send(placed, (account, parent)).await;
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
        account: Account,
        parent: Option<&str>,
        sets: Known<Sets>,
        tree: Known<Tree>,
    ) -> Result<Provisioned, SyncError> {
        // What takes time is asked for first; the names of sets and parents are awaited after.
        let provisioned: BTreeSet<String> =
            if self.scope.has(permission_set_assignment::ID) || self.scope.grants {
                self.provisioned(&account).await?
            } else {
                BTreeSet::new()
            };
        let parent = match parent {
            Some(parent) => self.parent_in_scope(&account, parent, &*known(tree).await),
            None => None,
        };
        let resource = account::resource(&account, parent);
        self.rows.resource(&resource)?;
        if self.scope.entitlements {
            for described in known(sets).await.values() {
                self.rows.entitlement(&account::entitlement(&resource, &described.set))?;
            }
        }
        self.findings.whole(Area::Accounts);
        let sets = provisioned.into_iter().map(Arc::from).collect();
        Ok(Provisioned { account, resource, sets })
    }
}

async fn send<T>(to: &mut mpsc::Sender<T>, item: T) {
    // The receiver is polled in the same join: it is gone only when the whole crawl is being dropped.
    if to.send(item).await.is_err() {
        debug!("crawl is ending");
    }
}
