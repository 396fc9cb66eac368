//! Accounts, what is provisioned to them, and who is assigned.

use std::collections::BTreeSet;

use futures::SinkExt;
use futures::channel::mpsc;
use futures::stream::{self, StreamExt, TryStreamExt};
use tracing::{debug, warn};

use super::tree::Tree;
use super::{Crawl, FAN_OUT, Known, Sets, known};
use crate::aws::organizations::{Account, AccountState};
use crate::aws::{CallError, Class};
use crate::baton::v2::Resource;
use crate::connector::assignment::{self, Principal};
use crate::connector::{account, organization, permission_set_assignment};
use crate::sync::SyncError;

/// An account with the id of its parent, where that is known.
type Placed = (Account, Option<String>);

impl Crawl<'_> {
    /// Reads the accounts while they are being listed. Only those without a path wait for the tree.
    pub(super) async fn accounts(&self, sets: Known<Sets>, tree: Known<Tree>) -> Result<(), SyncError> {
        if !self.scope.has(account::ID) {
            return Ok(());
        }
        let (placed, found) = mpsc::channel(FAN_OUT);
        let read = found
            .map(Ok)
            .map_ok(async |(account, parent): Placed| {
                self.account(&account, parent.as_deref(), sets.clone(), tree.clone()).await?;
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect::<()>();
        tokio::try_join!(self.list_accounts(placed, tree.clone()), read)?;
        Ok(())
    }

    async fn list_accounts(
        &self,
        mut placed: mpsc::Sender<Placed>,
        tree: Known<Tree>,
    ) -> Result<(), SyncError> {
        let mut without_path = Vec::new();
        let mut pages = self.api.organizations().accounts();
        while let Some(page) = pages.try_next().await? {
            for account in page {
                if !self.is_synced(&account) {
                    continue;
                }
                self.progress.found(1);
                let parent = account::parent(&account).map(str::to_owned);
                if parent.is_none() && self.scope.has(organization::ID) {
                    without_path.push(account);
                } else {
                    send(&mut placed, (account, parent)).await;
                }
            }
        }
        if !without_path.is_empty() {
            let mut parents = self.parents(&*known(tree).await).await?;
            for account in without_path {
                let parent = parents.remove(account.id.as_str());
                send(&mut placed, (account, parent)).await;
            }
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
                self.incomplete(format!("account {}", account.id), format!("its state {state} is unknown"));
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
        account: &Account,
        parent: Option<&str>,
        sets: Known<Sets>,
        tree: Known<Tree>,
    ) -> Result<(), SyncError> {
        // What takes time is asked for first; the names of sets and parents are awaited after.
        let wants_bindings = self.scope.has(permission_set_assignment::ID);
        let provisioned: BTreeSet<String> = if wants_bindings || self.scope.grants {
            let listed = self.api.sso_admin().provisioned_permission_sets(&account.id).try_concat().await;
            let listed: Vec<String> = listed.map_err(|error| without_account(error, account))?;
            listed.into_iter().collect()
        } else {
            BTreeSet::new()
        };
        let parent = match parent {
            Some(parent) => self.parent_in_scope(parent, &*known(tree).await),
            None => None,
        };
        let resource = account::resource(account, parent);
        self.resource(&resource)?;
        if !self.scope.entitlements && !wants_bindings {
            return Ok(());
        }
        let all = known(sets).await;
        if self.scope.entitlements {
            for set in all.values() {
                self.entitlement(&account::entitlement(&resource, set))?;
            }
        }
        self.progress.found(provisioned.len());
        stream::iter(provisioned)
            .map(Ok)
            .map_ok(async |arn| {
                let _place = self.bindings.acquire().await;
                // On the heap, so that those that wait for a place take none of its room.
                Box::pin(self.binding(account, &resource, &arn, &all)).await?;
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect()
            .await
    }

    /// One permission set on one account: the binding, and each assignment as a grant of both entitlements.
    async fn binding(
        &self,
        of: &Account,
        account: &Resource,
        arn: &str,
        sets: &Sets,
    ) -> Result<(), SyncError> {
        let name = || format!("permission_set {arn} on account {}", of.id);
        // A set that appeared after the listing has no row and no name: the next sync has both.
        let Some(set) = sets.get(arn) else {
            self.incomplete(name(), "appeared or vanished during the sync".to_owned());
            return Ok(());
        };
        let mut assignments = Vec::new();
        if self.scope.grants {
            match self.api.sso_admin().assignments(&of.id, arn).try_collect::<Vec<_>>().await {
                Ok(pages) => assignments = pages,
                Err(error) => return self.vanished(error, name),
            }
        }
        let binding = permission_set_assignment::resource(account, set);
        let wants_bindings = self.scope.has(permission_set_assignment::ID);
        if wants_bindings {
            self.resource(&binding)?;
        }
        if !self.scope.entitlements {
            return Ok(());
        }
        let of_account = account::entitlement_of_grants(account, set);
        let of_binding = wants_bindings.then(|| permission_set_assignment::entitlement(&binding));
        if let Some(entitlement) = &of_binding {
            self.entitlement(entitlement)?;
        }
        for principal in assignments.iter().flatten().filter_map(|a| Principal::of(&self.directory, a)) {
            for entitlement in [Some(&of_account), of_binding.as_ref()].into_iter().flatten() {
                self.grant(&assignment::grant(entitlement, &principal))?;
            }
        }
        Ok(())
    }
}

/// An account that is listed but cannot be found would stay without any access: that is no truth to publish.
fn without_account(error: CallError, account: &Account) -> SyncError {
    if matches!(error.class(), Class::NotFound) {
        SyncError::Shifted { what: format!("account {} is listed, but cannot be found", account.id) }
    } else {
        error.into()
    }
}

async fn send(to: &mut mpsc::Sender<Placed>, account: Placed) {
    // The receiver is polled in the same join: it is gone only when the whole crawl is being dropped.
    if to.send(account).await.is_err() {
        debug!("crawl is ending");
    }
}
