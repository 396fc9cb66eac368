//! What assignments name and no listing did: it was made while the crawl was under way, or it is gone. Each is looked
//! up once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::OnceCell;
use tracing::info;

use super::accounts::Accounts;
use super::assignments::Pair;
use super::permission_sets::{Described, Sets};
use super::principals::{Groups, Ids};
use super::second_look::is_gone;
use super::{Crawl, FAN_OUT, Known, known};
use crate::aws::CallError;
use crate::aws::organizations::Account;
use crate::aws::sso_admin::{HeldAssignment, PrincipalKind};
use crate::connector::{account, sso_group, sso_user};
use crate::sync::SyncError;
use crate::sync::completeness::Area;
use crate::sync::focus::Focus;

/// What is said of everything that was met late.
const APPEARED: &str = "appeared during the sync";
/// What a denied look at a principal takes away.
const PRINCIPALS: &str = "principals of assignments that the directory did not list";

/// Whether a principal is there, once it was looked up. Those who ask at the same time share the look.
type LookedUp = Arc<OnceCell<bool>>;

/// What the listings named, and what was looked up since.
pub(super) struct Listed<'a> {
    pub(super) accounts: &'a Accounts,
    pub(super) sets: &'a Sets,
    pub(super) users: &'a Ids,
    pub(super) groups: &'a Groups,
    principals: Mutex<HashMap<(PrincipalKind, String), LookedUp>>,
    pairs: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl<'a> Listed<'a> {
    pub(super) fn new(accounts: &'a Accounts, sets: &'a Sets, users: &'a Ids, groups: &'a Groups) -> Self {
        Self { accounts, sets, users, groups, principals: Mutex::default(), pairs: Mutex::default() }
    }

    /// Remembers a pair that an assignment names and that was not provisioned when its account was read.
    pub(super) fn unmet(&self, row: &HeldAssignment) {
        let account = row.account.to_string();
        if !self.accounts.others.contains(&account) {
            let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
            pairs.entry(account).or_default().insert(row.permission_set.clone());
        }
    }

    fn lookup(&self, kind: &PrincipalKind, id: &str) -> Arc<OnceCell<bool>> {
        let mut principals = self.principals.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(principals.entry((kind.clone(), id.to_owned())).or_default())
    }
}

impl Crawl<'_> {
    /// Whether the principal of an assignment is there: an assignment outlives its principal at AWS, and gives nobody
    /// access from then on. One that was made during the crawl gets its rows here.
    pub(super) async fn has_principal(
        &self,
        kind: &PrincipalKind,
        id: &str,
        listed: &Listed<'_>,
    ) -> Result<bool, SyncError> {
        let is_listed = match kind {
            PrincipalKind::User => !self.scope.has(sso_user::ID) || listed.users.has(id),
            PrincipalKind::Group => !self.scope.has(sso_group::ID) || listed.groups.ids.has(id),
            PrincipalKind::Other(_) => true,
        };
        if is_listed {
            return Ok(true);
        }
        let looked = listed.lookup(kind, id);
        let is_there = looked.get_or_try_init(async || match kind {
            PrincipalKind::Group => Box::pin(self.appeared_group(id, listed.users)).await,
            _ => Box::pin(self.appeared_user(id)).await,
        });
        is_there.await.copied()
    }

    async fn appeared_user(&self, id: &str) -> Result<bool, SyncError> {
        let Some(user) = self.looked_up(self.api.identity_store().user(id).await)? else { return Ok(false) };
        info!(sso_user = id, "{APPEARED}");
        self.rows.resource(&sso_user::resource(&self.directory, &user))?;
        Ok(true)
    }

    async fn appeared_group(&self, id: &str, users: &Ids) -> Result<bool, SyncError> {
        let Some(group) = self.looked_up(self.api.identity_store().group(id).await)? else {
            return Ok(false);
        };
        info!(sso_group = id, "{APPEARED}");
        let groups = Mutex::default();
        self.group(&group, &groups).await?;
        let groups = groups.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.unlisted_members(&groups, users).await?;
        Ok(true)
    }

    /// What a look at a principal found; `None` if it is gone, or may not be looked at, which is said.
    fn looked_up<T>(&self, looked: Result<T, CallError>) -> Result<Option<T>, SyncError> {
        match looked {
            Err(error) if is_gone(&error) => Ok(None),
            looked => Ok(self.findings.optional(PRINCIPALS, looked)?),
        }
    }

    /// Looks up the members of groups that the listing of users did not name.
    pub(super) async fn appeared_members(
        &self,
        users: Known<Ids>,
        groups: Known<Groups>,
    ) -> Result<(), SyncError> {
        let reads_both = self.scope.has(sso_user::ID) && self.scope.has(sso_group::ID);
        if !reads_both || !self.scope.reads(Focus::users) || !self.scope.reads(Focus::groups) {
            return Ok(());
        }
        let (users, groups) = (known(users).await, known(groups).await);
        self.unlisted_members(&groups, &users).await
    }

    async fn unlisted_members(&self, groups: &Groups, users: &Ids) -> Result<(), SyncError> {
        let unlisted = groups.members.users().filter(|user| !users.has(user)).map(str::to_owned);
        stream::iter(unlisted.collect::<Vec<_>>())
            .map(Ok)
            .map_ok(async |user: String| self.appeared_user(&user).await.map(drop))
            .try_buffer_unordered(FAN_OUT)
            .try_collect()
            .await
    }

    /// A permission set that is provisioned and was not listed: its rows, and what can be requested of it on each
    /// account. `None` if it is gone.
    pub(super) async fn appeared_set(
        &self,
        arn: &str,
        accounts: &Accounts,
    ) -> Result<Option<Arc<Described>>, SyncError> {
        let read = Box::pin(self.permission_set(arn, self.wanted_of_sets()));
        let Some(described) = read.await? else { return Ok(None) };
        info!(permission_set = arn, "{APPEARED}");
        if self.scope.entitlements {
            for account in &accounts.provisioned {
                self.rows.entitlement(&account::entitlement(&account.resource, &described.set))?;
            }
        }
        Ok(Some(Arc::new(described)))
    }

    /// Reads the pairs that assignments named and that were first provisioned during the crawl.
    pub(super) async fn appeared_pairs(&self, listed: &Listed<'_>) -> Result<(), SyncError> {
        let unmet = std::mem::take(&mut *listed.pairs.lock().unwrap_or_else(PoisonError::into_inner));
        let mut described = BTreeMap::new();
        for (id, unmet) in unmet {
            let Some(account) = listed.accounts.provisioned.iter().find(|one| one.account.id.as_str() == id)
            else {
                self.findings.incomplete(Area::Accounts, format!("account {id}"), APPEARED.to_owned());
                continue;
            };
            // What is not provisioned any more has ended meanwhile.
            let sets = self.provisioned(&account.account).await?;
            for arn in sets.into_iter().filter(|arn| unmet.contains(arn)) {
                let known = listed.sets.get(&arn).cloned().map(Some).or_else(|| described.get(&arn).cloned());
                let set = if let Some(known) = known {
                    known
                } else {
                    let set = self.appeared_set(&arn, listed.accounts).await?;
                    described.insert(arn, set.clone());
                    set
                };
                if let Some(set) = set {
                    info!(account = id, permission_set = set.set.arn, "{APPEARED}");
                    self.pair(&Pair { account: Arc::clone(account), described: set }, listed).await?;
                }
            }
        }
        Ok(())
    }

    /// ARNs of the permission sets that are provisioned to an account, each once.
    pub(super) async fn provisioned(&self, account: &Account) -> Result<BTreeSet<String>, SyncError> {
        let listed: Result<Vec<String>, CallError> =
            self.api.sso_admin().provisioned_permission_sets(&account.id).try_concat().await;
        match listed {
            Ok(sets) => Ok(sets.into_iter().collect()),
            // An account that is listed but cannot be found would stay without any access: that is no truth to publish.
            Err(error) if is_gone(&error) => Err(SyncError::Shifted {
                what: format!("account {} is listed, but cannot be found", account.id),
            }),
            Err(error) => Err(error.into()),
        }
    }
}
