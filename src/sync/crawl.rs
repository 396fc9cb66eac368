//! The plan of a crawl: which calls are made, what waits for what, how many are under way.
//!
//! Strands run side by side, each a stream of work items: users; groups with their memberships; permission sets; the
//! tree of the organization; and, per account, what is provisioned and who is assigned. The buckets of `aws` pace
//! them: a strand that has its answers early leaves the rate to the others. No call is made twice.
//!
//! A row is staged once all that hangs from it has been read: what is deleted in mid-crawl leaves nothing behind,
//! least of all a group without members or an account without access.

mod accounts;
mod tree;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, TryStreamExt};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::options::Scope;
use super::{Incomplete, Progress, SyncError};
use crate::aws::identity_store::Group;
use crate::aws::sso_admin::PermissionSet;
use crate::aws::{Api, CallError, Class};
use crate::baton::id::Directory;
use crate::baton::v2::{Entitlement, Grant, Resource};
use crate::c1z::{self, Stage};
use crate::connector::{Connector, account, permission_set, permission_set_assignment, sso_group, sso_user};

/// How many work items of one strand are under way at most. The calls themselves are paced by the buckets; this only
/// bounds the memory of what waits for them, and the connections where no rate is kept.
const FAN_OUT: usize = 32;

/// So many things may vanish during a crawl before it is taken for wrong, ...
const FEW: u64 = 10;
/// ... unless there are so many work items that this is less than a tenth of them.
const TENTH: u64 = 10;

/// Permission sets by ARN.
type Sets = BTreeMap<String, PermissionSet>;

/// What one strand publishes to the others once it is complete.
type Known<T> = watch::Receiver<Option<Arc<T>>>;

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
    let crawl = Crawl {
        api: connector.aws().sync(cancel),
        directory: connector.directory(),
        scope,
        stage,
        progress,
        findings: Mutex::default(),
        bindings: Semaphore::new(FAN_OUT),
    };
    for resource_type in &scope.types {
        crawl.stage.resource_type(resource_type)?;
    }
    let (sets_known, sets) = watch::channel(None);
    let (tree_known, tree) = watch::channel(None);
    tokio::try_join!(
        crawl.users(),
        crawl.groups(),
        crawl.permission_sets(sets_known),
        crawl.tree(tree_known),
        crawl.accounts(sets, tree),
    )?;
    crawl.conclude()
}

struct Crawl<'a> {
    api: Api,
    directory: Directory,
    scope: &'a Scope,
    stage: &'a Stage,
    progress: &'a Progress,
    findings: Mutex<Findings>,
    /// Places for the bindings of all accounts together.
    bindings: Semaphore,
}

/// What a crawl could not read.
#[derive(Debug, Default)]
struct Findings {
    incomplete: Vec<Incomplete>,
    vanished: u64,
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

    async fn groups(&self) -> Result<(), SyncError> {
        if !self.scope.has(sso_group::ID) {
            return Ok(());
        }
        let found = self.api.identity_store().groups().map_err(SyncError::from).map_ok(|page| {
            self.progress.found(page.len());
            stream::iter(page.into_iter().map(Ok))
        });
        found
            .try_flatten()
            .map_ok(async |group| {
                self.group(&group).await?;
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect()
            .await
    }

    async fn group(&self, group: &Group) -> Result<(), SyncError> {
        let mut members = Vec::new();
        if self.scope.grants {
            match self.api.identity_store().memberships(&group.id).try_collect::<Vec<_>>().await {
                Ok(pages) => members = pages,
                Err(error) => return self.vanished(error, || format!("sso_group {}", group.id)),
            }
        }
        let resource = sso_group::resource(&self.directory, group);
        self.resource(&resource)?;
        if self.scope.entitlements {
            self.entitlement(&sso_group::entitlement(&resource))?;
        }
        for membership in members.iter().flatten() {
            if let Some(grant) = sso_group::grant(&self.directory, &resource, membership) {
                self.grant(&grant)?;
            }
        }
        Ok(())
    }

    /// Describes every permission set once and publishes them to the strands that name them.
    async fn permission_sets(&self, known: watch::Sender<Option<Arc<Sets>>>) -> Result<(), SyncError> {
        let wanted = [account::ID, permission_set::ID, permission_set_assignment::ID];
        if !wanted.iter().any(|id| self.scope.has(id)) {
            return Ok(());
        }
        let arns = self.api.sso_admin().permission_sets().map_err(SyncError::from).map_ok(|page| {
            self.progress.found(page.len());
            stream::iter(page.into_iter().map(Ok))
        });
        let described = arns.try_flatten().map_ok(async |arn| {
            let set = self.api.sso_admin().describe_permission_set(&arn).await;
            self.progress.finished();
            match set {
                Ok(set) => Ok(Some((arn, set))),
                Err(error) => self.vanished(error, || format!("permission_set {arn}")).map(|()| None),
            }
        });
        let described = described.try_buffer_unordered(FAN_OUT).try_filter_map(async |set| Ok(set));
        let sets: Sets = described.try_collect().await?;
        if self.scope.has(permission_set::ID) {
            for set in sets.values() {
                self.resource(&permission_set::resource(set))?;
            }
        }
        known.send_replace(Some(Arc::new(sets)));
        Ok(())
    }

    /// A few things may be deleted while a crawl reads; when many are gone, it is the crawl that is wrong.
    fn conclude(self) -> Result<Vec<Incomplete>, SyncError> {
        let Findings { incomplete, vanished } =
            self.findings.into_inner().unwrap_or_else(PoisonError::into_inner);
        let items = self.progress.snapshot().known;
        if vanished > FEW && vanished > items / TENTH {
            let what = format!("{vanished} of {items} things vanished between being listed and being read");
            return Err(SyncError::Shifted { what });
        }
        Ok(incomplete)
    }

    fn incomplete(&self, scope: String, reason: String) {
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        findings.incomplete.push(Incomplete { scope, reason });
    }

    /// Something that was deleted between being listed and being read has no row, which is the truth; any other
    /// failure to read it is an error.
    fn vanished(&self, error: CallError, what: impl FnOnce() -> String) -> Result<(), SyncError> {
        if !matches!(error.class(), Class::NotFound) {
            return Err(error.into());
        }
        let scope = what();
        warn!(scope, operation = error.operation(), "vanished during the sync");
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).vanished += 1;
        self.incomplete(scope, "vanished during the sync".to_owned());
        Ok(())
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

/// Waits until another strand has published what it found. That strand either does or fails, which ends this one too.
async fn known<T>(mut receiver: Known<T>) -> Arc<T> {
    // The borrowed value must be gone before the next wait, or the crawl could not move between threads.
    let found = receiver.wait_for(Option::is_some).await.map(|value| value.clone());
    match found {
        Ok(Some(value)) => value,
        // The other strand failed: this one must not conclude anything, and is dropped with it.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
