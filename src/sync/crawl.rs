//! The plan of a crawl: which calls are made, what waits for what, how many are under way.
//!
//! Four strands run side by side, each a stream of work items: users; groups with their memberships; the tree of the
//! organization; permission sets and, per account, what is provisioned and who is assigned. The buckets of `aws` pace
//! them: a strand that has its answers early leaves the rate to the others. No call is made twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::options::Scope;
use super::{Incomplete, Progress, SyncError};
use crate::aws::organizations::{Account, AccountState};
use crate::aws::sso_admin::PermissionSet;
use crate::aws::{Api, CallError, Class};
use crate::baton::id::Directory;
use crate::baton::v2::{Entitlement, Grant, Resource, ResourceId};
use crate::c1z::{self, Stage};
use crate::connector::assignment::{self, Principal};
use crate::connector::{
    Connector, account, organization, organizational_unit, permission_set, permission_set_assignment,
    sso_group, sso_user,
};

/// How many work items of one strand are under way at most. The calls themselves are paced by the buckets; this only
/// bounds the memory of what waits for them.
const FAN_OUT: usize = 64;

/// Permission sets by ARN.
type Sets = BTreeMap<String, PermissionSet>;

/// Reads everything in scope into the stage; gives what could not be read and why.
///
/// Fails with the first call that failed for good. Cancel-safe: what was staged goes with the stage.
pub(super) async fn run(
    connector: &Connector,
    scope: &Scope,
    stage: &Stage,
    progress: &Progress,
    cancel: CancellationToken,
) -> Result<Vec<Incomplete>, SyncError> {
    let crawl =
        Crawl { api: connector.aws().sync(cancel), directory: connector.directory(), scope, stage, progress };
    for resource_type in &scope.types {
        crawl.stage.resource_type(resource_type)?;
    }
    let (sets_known, sets) = watch::channel(None);
    let ((), groups, sets, (hierarchy, accounts)) = tokio::try_join!(
        crawl.users(),
        crawl.groups(),
        crawl.permission_sets(sets_known),
        crawl.organization(sets),
    )?;
    Ok([groups, sets, hierarchy, accounts].concat())
}

struct Crawl<'a> {
    api: Api,
    directory: Directory,
    scope: &'a Scope,
    stage: &'a Stage,
    progress: &'a Progress,
}

impl Crawl<'_> {
    async fn users(&self) -> Result<(), SyncError> {
        if !self.scope.has(sso_user::ID) {
            return Ok(());
        }
        let mut pages = self.api.identity_store().users();
        while let Some(page) = pages.try_next().await? {
            for user in &page {
                self.resource(&sso_user::resource(&self.directory, user))?;
            }
        }
        Ok(())
    }

    async fn groups(&self) -> Result<Vec<Incomplete>, SyncError> {
        if !self.scope.has(sso_group::ID) {
            return Ok(Vec::new());
        }
        let found = self.api.identity_store().groups().map_err(SyncError::from).map_ok(|page| {
            self.progress.found(page.len());
            stream::iter(page.into_iter().map(Ok))
        });
        found
            .try_flatten()
            .map_ok(async |group| {
                let gone = self.group(&group.id, &sso_group::resource(&self.directory, &group)).await?;
                self.progress.finished();
                Ok::<_, SyncError>(gone)
            })
            .try_buffer_unordered(FAN_OUT)
            .try_filter_map(async |gone| Ok(gone))
            .try_collect()
            .await
    }

    async fn group(&self, id: &str, group: &Resource) -> Result<Option<Incomplete>, SyncError> {
        self.resource(group)?;
        if self.scope.entitlements {
            self.entitlement(&sso_group::entitlement(group))?;
        }
        if !self.scope.grants {
            return Ok(None);
        }
        let mut pages = self.api.identity_store().memberships(id);
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => return vanished(error, || format!("sso_group {id}")).map(Some),
            };
            for membership in &page {
                if let Some(grant) = sso_group::grant(&self.directory, group, membership) {
                    self.grant(&grant)?;
                }
            }
        }
        Ok(None)
    }

    /// Describes every permission set once and publishes them to the strands that name them.
    async fn permission_sets(
        &self,
        known: watch::Sender<Option<Arc<Sets>>>,
    ) -> Result<Vec<Incomplete>, SyncError> {
        let wanted = [account::ID, permission_set::ID, permission_set_assignment::ID];
        if !wanted.iter().any(|id| self.scope.has(id)) {
            return Ok(Vec::new());
        }
        let arns = self.api.sso_admin().permission_sets().map_err(SyncError::from).map_ok(|page| {
            self.progress.found(page.len());
            stream::iter(page.into_iter().map(Ok))
        });
        let described = arns.try_flatten().map_ok(async |arn| {
            let set = self.api.sso_admin().describe_permission_set(&arn).await;
            self.progress.finished();
            match set {
                Ok(set) => Ok(Ok(set)),
                Err(error) => vanished(error, || format!("permission_set {arn}")).map(Err),
            }
        });
        let described: Vec<Result<PermissionSet, Incomplete>> =
            described.try_buffer_unordered(FAN_OUT).try_collect().await?;
        let mut sets = Sets::new();
        let mut gone = Vec::new();
        for set in described {
            match set {
                Ok(set) => {
                    if self.scope.has(permission_set::ID) {
                        self.resource(&permission_set::resource(&set))?;
                    }
                    sets.insert(set.arn.clone(), set);
                }
                Err(incomplete) => gone.push(incomplete),
            }
        }
        known.send_replace(Some(Arc::new(sets)));
        Ok(gone)
    }

    /// The tree above the accounts, and the accounts with all that hangs from them.
    async fn organization(
        &self,
        sets: watch::Receiver<Option<Arc<Sets>>>,
    ) -> Result<(Vec<Incomplete>, Vec<Incomplete>), SyncError> {
        let wants_tree = self.scope.has(organization::ID);
        let wants_accounts = self.scope.has(account::ID);
        // Paths of the accounts make the tree and the accounts independent of each other. Only where AWS sends no
        // path for an account its parent is looked up, once the tree is known.
        let (tree_known, tree) = watch::channel(None);
        let read_tree = async {
            if !wants_tree {
                tree_known.send_replace(Some(Arc::new(Tree::default())));
                return Ok::<_, SyncError>(Vec::new());
            }
            let (tree, incomplete) = self.tree().await?;
            tree_known.send_replace(Some(Arc::new(tree)));
            Ok(incomplete)
        };
        let read_accounts =
            async { if wants_accounts { self.accounts(tree, sets).await } else { Ok(Vec::new()) } };
        tokio::try_join!(read_tree, read_accounts)
    }

    /// Walks from the roots down; names and empty units are nowhere else.
    async fn tree(&self) -> Result<(Tree, Vec<Incomplete>), SyncError> {
        let mut tree = Tree::default();
        let mut level = Vec::new();
        let mut roots = self.api.organizations().roots();
        loop {
            match roots.try_next().await {
                Ok(Some(page)) => {
                    for root in &page {
                        self.resource(&organization::resource(root))?;
                        level.push(root.id.clone());
                    }
                }
                Ok(None) => break,
                Err(error) => return self.without_tree(error, "organization tree"),
            }
        }
        while !level.is_empty() {
            self.progress.found(level.len());
            tree.parents.extend(level.iter().cloned());
            let units = stream::iter(level).map(async |parent: String| {
                let units: Vec<_> =
                    self.api.organizations().organizational_units(&parent).try_concat().await?;
                self.progress.finished();
                Ok::<_, CallError>((parent, units))
            });
            let found: Vec<_> = match units.buffer_unordered(FAN_OUT).try_collect().await {
                Ok(found) => found,
                Err(error) => return self.without_tree(error, "organizational units"),
            };
            let mut next = Vec::new();
            for (parent, units) in found {
                for unit in units {
                    if self.scope.has(organizational_unit::ID) {
                        self.resource(&organizational_unit::resource(&unit, &parent))?;
                    }
                    next.push(unit.id);
                }
            }
            level = next;
        }
        tree.readable = true;
        Ok((tree, Vec::new()))
    }

    /// The tree is optional context of the accounts, unless the sync names it: then it must be readable.
    fn without_tree(&self, error: CallError, what: &str) -> Result<(Tree, Vec<Incomplete>), SyncError> {
        if !matches!(error.class(), Class::Denied) || self.scope.named {
            return Err(error.into());
        }
        warn!(
            operation = error.operation(),
            missing_permission = error.missing_action(),
            "accounts are synced without their place in the organization: {error}"
        );
        Ok((Tree::default(), vec![Incomplete { scope: what.to_owned(), reason: error.to_string() }]))
    }

    async fn accounts(
        &self,
        mut tree: watch::Receiver<Option<Arc<Tree>>>,
        sets: watch::Receiver<Option<Arc<Sets>>>,
    ) -> Result<Vec<Incomplete>, SyncError> {
        let tree = &mut tree;
        let mut without_path = Vec::new();
        let mut incomplete = Vec::new();
        let (placed_tx, placed_rx) = futures::channel::mpsc::channel::<(Account, Option<String>)>(FAN_OUT);
        let list = async {
            let mut placed_tx = placed_tx;
            let mut pages = self.api.organizations().accounts();
            while let Some(page) = pages.try_next().await? {
                for account in page {
                    if account.state != AccountState::Active {
                        debug!(account.id = %account.id, state = ?account.state, "account is not active, skipped");
                        continue;
                    }
                    self.progress.found(1);
                    let parent = account::parent(&account).map(str::to_owned);
                    if parent.is_some() || !self.scope.has(organization::ID) {
                        send(&mut placed_tx, (account, parent)).await;
                    } else {
                        without_path.push(account);
                    }
                }
            }
            if !without_path.is_empty() {
                let known = known(tree).await;
                let (parents, problem) = self.parents(&known).await?;
                incomplete.extend(problem);
                for account in without_path {
                    let parent = parents.get(account.id.as_str()).cloned();
                    send(&mut placed_tx, (account, parent)).await;
                }
            }
            Ok::<_, SyncError>(tree)
        };
        let read = placed_rx
            .map(Ok)
            .map_ok(async |(account, parent)| {
                let gone = self.account(&account, parent.as_deref(), sets.clone()).await?;
                self.progress.finished();
                Ok::<_, SyncError>(gone)
            })
            .try_buffer_unordered(FAN_OUT)
            .try_concat();
        let (_, gone) = tokio::try_join!(list, read)?;
        incomplete.extend(gone);
        Ok(incomplete)
    }

    /// The parents of accounts that AWS sent without a path: one listing per parent, never a call per account.
    async fn parents(
        &self,
        tree: &Tree,
    ) -> Result<(BTreeMap<String, String>, Option<Incomplete>), SyncError> {
        self.progress.found(tree.parents.len());
        let listed = stream::iter(tree.parents.clone()).map(async |parent: String| {
            let accounts: Vec<_> = self.api.organizations().accounts_for_parent(&parent).try_concat().await?;
            self.progress.finished();
            Ok::<_, CallError>((parent, accounts))
        });
        let listed: Vec<_> = match listed.buffer_unordered(FAN_OUT).try_collect().await {
            Ok(listed) => listed,
            Err(error) => {
                let (_, incomplete) = self.without_tree(error, "parents of accounts")?;
                return Ok((BTreeMap::new(), incomplete.into_iter().next()));
            }
        };
        let parents = listed
            .into_iter()
            .flat_map(|(parent, accounts)| {
                accounts.into_iter().map(move |a| (a.id.to_string(), parent.clone()))
            })
            .collect();
        Ok((parents, None))
    }

    async fn account(
        &self,
        account: &Account,
        parent: Option<&str>,
        mut sets: watch::Receiver<Option<Arc<Sets>>>,
    ) -> Result<Vec<Incomplete>, SyncError> {
        let resource = account::resource(account, self.parent_in_scope(parent));
        self.resource(&resource)?;
        let wants_bindings = self.scope.has(permission_set_assignment::ID);
        if !self.scope.entitlements && !wants_bindings {
            return Ok(Vec::new());
        }
        let id = account.id.as_str();
        // Who is assigned is asked for before the names of the sets are known: the calls are what takes time.
        let provisioned = if wants_bindings || self.scope.grants {
            let listed: Result<Vec<_>, _> =
                self.api.sso_admin().provisioned_permission_sets(&account.id).try_concat().await;
            match listed {
                Ok(listed) => listed.into_iter().collect::<BTreeSet<_>>(),
                Err(error) => return vanished(error, || format!("account {id}")).map(|gone| vec![gone]),
            }
        } else {
            BTreeSet::new()
        };
        let all = known(&mut sets).await;
        if self.scope.entitlements {
            for set in all.values() {
                self.entitlement(&account::entitlement(&resource, set))?;
            }
        }
        self.progress.found(provisioned.len());
        stream::iter(provisioned)
            .map(Ok)
            .map_ok(async |arn| {
                let gone = self.binding(account, &resource, &arn, &all).await?;
                self.progress.finished();
                Ok::<_, SyncError>(gone)
            })
            .try_buffer_unordered(FAN_OUT)
            .try_filter_map(async |gone| Ok(gone))
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
    ) -> Result<Option<Incomplete>, SyncError> {
        let gone = || format!("permission_set {arn} on account {}", of.id);
        // A set that appeared after the listing has no row and no name: the next sync has both.
        let Some(set) = sets.get(arn) else {
            return Ok(Some(Incomplete {
                scope: gone(),
                reason: "appeared or vanished during the sync".to_owned(),
            }));
        };
        let binding = permission_set_assignment::resource(account, set);
        let wants_bindings = self.scope.has(permission_set_assignment::ID);
        let entitlements = [
            self.scope.entitlements.then(|| account::entitlement_of_grants(account, set)),
            (wants_bindings && self.scope.entitlements)
                .then(|| permission_set_assignment::entitlement(&binding)),
        ];
        if wants_bindings {
            self.resource(&binding)?;
        }
        if let [_, Some(entitlement)] = &entitlements {
            self.entitlement(entitlement)?;
        }
        if !self.scope.grants {
            return Ok(None);
        }
        let mut pages = self.api.sso_admin().assignments(&of.id, arn);
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => return vanished(error, gone).map(Some),
            };
            for principal in page.iter().filter_map(|a| Principal::of(&self.directory, a)) {
                for entitlement in entitlements.iter().flatten() {
                    self.grant(&assignment::grant(entitlement, &principal))?;
                }
            }
        }
        Ok(None)
    }

    /// An account hangs from its parent only if both the tree and the parent's own type are synced.
    fn parent_in_scope(&self, parent: Option<&str>) -> Option<ResourceId> {
        let parent = organizational_unit::parent_reference(parent?)?;
        (self.scope.has(organization::ID) && self.scope.has(&parent.resource_type)).then_some(parent)
    }

    fn resource(&self, resource: &Resource) -> Result<(), c1z::Error> {
        self.progress.staged(1);
        self.stage.resource(resource)
    }

    fn entitlement(&self, entitlement: &Entitlement) -> Result<(), c1z::Error> {
        self.progress.staged(1);
        self.stage.entitlement(entitlement)
    }

    fn grant(&self, grant: &Grant) -> Result<(), c1z::Error> {
        self.progress.staged(1);
        self.stage.grant(grant)
    }
}

/// The roots and units of the organization.
#[derive(Debug, Default)]
struct Tree {
    parents: Vec<String>,
    readable: bool,
}

/// Waits until another strand has published what it found. That strand either does or fails, which ends this one too.
async fn known<T>(receiver: &mut watch::Receiver<Option<Arc<T>>>) -> Arc<T>
where
    T: Default,
{
    // The borrowed value must be gone before the next wait, or the crawl could not move between threads.
    let found = receiver.wait_for(Option::is_some).await.map(|value| value.clone().unwrap_or_default());
    match found {
        Ok(value) => value,
        // The other strand failed: this one must not conclude anything, and is dropped with it.
        Err(_) => std::future::pending().await,
    }
}

async fn send<T>(to: &mut futures::channel::mpsc::Sender<T>, item: T) {
    use futures::SinkExt;
    // The receiver is polled in the same join: it is gone only when the whole crawl is being dropped.
    if to.send(item).await.is_err() {
        debug!("crawl is ending");
    }
}

/// Something that was deleted between being listed and being read is gone, which is the truth; all else is an error.
fn vanished(error: CallError, what: impl FnOnce() -> String) -> Result<Incomplete, SyncError> {
    if !matches!(error.class(), Class::NotFound) {
        return Err(error.into());
    }
    let scope = what();
    warn!(scope, operation = error.operation(), "vanished during the sync");
    Ok(Incomplete { scope, reason: "vanished during the sync".to_owned() })
}
