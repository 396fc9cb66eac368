//! Permission sets: what they are called, and the policies that they consist of.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, TryStreamExt};

use super::second_look::{Kind, Thing};
use super::{Crawl, FAN_OUT, Publish};
use crate::aws::CallError;
use crate::aws::iam::AttachedPolicy;
use crate::aws::sso_admin::{CustomerPolicy, PermissionSet};
use crate::connector::{
    Holder, account, iam_policy, inline_policy, permission_set, permission_set_assignment,
};
use crate::sync::SyncError;
use crate::sync::completeness::Area;
use crate::sync::focus::Focus;

/// Permission sets by ARN.
pub(super) type Sets = BTreeMap<String, Arc<Described>>;

/// A permission set with the policies that its bindings carry into accounts.
#[derive(Debug)]
pub(super) struct Described {
    /// The set.
    pub(super) set: PermissionSet,
    /// Policies that AWS manages.
    pub(super) managed: Vec<AttachedPolicy>,
    /// Policies that each account has under this path and name.
    pub(super) customer: Vec<CustomerPolicy>,
}

/// Which policies of permission sets a sync asks for.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    managed: bool,
    customer: bool,
    inline: bool,
}

impl Crawl<'_> {
    /// Describes every permission set once and publishes them to the strands that name them.
    pub(super) async fn permission_sets(&self, known: Publish<Sets>) -> Result<(), SyncError> {
        let naming = [account::ID, permission_set::ID, permission_set_assignment::ID];
        if !naming.iter().any(|id| self.scope.has(id)) || !self.scope.reads(Focus::sets) {
            return Ok(());
        }
        let wanted = self.wanted_of_sets();
        let arns = self.api.sso_admin().permission_sets().map_err(SyncError::from).map_ok(|page| {
            self.progress.found(page.len());
            stream::iter(page.into_iter().map(Ok::<_, SyncError>))
        });
        let described = arns.try_flatten().map_ok(async |arn: String| {
            let described = self.permission_set(&arn, wanted).await;
            self.progress.finished();
            Ok(described?.map(|described| (arn, Arc::new(described))))
        });
        let described = described.try_buffer_unordered(FAN_OUT).try_filter_map(async |set| Ok(set));
        let sets: Sets = described.try_collect().await?;
        known.send_replace(Some(sets.into()));
        Ok(())
    }

    /// Which policies the types of the sync need.
    pub(super) fn wanted_of_sets(&self) -> Wanted {
        let (sets, bindings) =
            (self.scope.has(permission_set::ID), self.scope.has(permission_set_assignment::ID));
        let grants_policies = self.scope.grants && self.scope.has(iam_policy::ID);
        Wanted {
            managed: grants_policies && (sets || bindings),
            customer: grants_policies && bindings,
            inline: sets && self.scope.has(inline_policy::ID),
        }
    }

    /// Reads one set and stages it; `None` if it is gone.
    pub(super) async fn permission_set(
        &self,
        arn: &str,
        wanted: Wanted,
    ) -> Result<Option<Described>, SyncError> {
        let sso = self.api.sso_admin();
        let set = async { sso.describe_permission_set(arn).await.map_err(SyncError::from) };
        let managed = async {
            let read = async { sso.managed_policies(arn).try_concat().await };
            self.policies_of_set(wanted.managed, "AWS-managed policies of permission sets", read).await
        };
        let customer = async {
            let read = async { sso.customer_policies(arn).try_concat().await };
            self.policies_of_set(wanted.customer, "customer-managed policies of permission sets", read).await
        };
        let inline = async {
            let read = sso.inline_policy(arn);
            self.policies_of_set(wanted.inline, "inline policies of permission sets", read).await
        };
        let (set, managed, customer, inline) = match tokio::try_join!(set, managed, customer, inline) {
            Ok(read) => read,
            Err(SyncError::Call(error)) => {
                return self.vanished(Thing::PermissionSet(arn), error).await.map(|()| None);
            }
            Err(error) => return Err(error),
        };
        if self.scope.has(permission_set::ID) {
            self.rows.resource(&permission_set::resource(&set))?;
            let holder = Holder::permission_set(arn);
            if self.scope.grants && self.scope.has(iam_policy::ID) {
                for policy in &managed {
                    self.rows.grant(&iam_policy::grant(policy, &holder))?;
                }
            }
            if let Some(document) = &inline {
                self.inline_policy(self.rows, &holder, "inline", Some(document))?;
            }
        }
        self.findings.whole(Area::PermissionSets);
        self.findings.read(Kind::PermissionSets);
        Ok(Some(Described { set, managed, customer }))
    }

    /// The policies of a set are optional context of the assignments, unless the sync names its types: then they
    /// must be readable.
    async fn policies_of_set<T: Default>(
        &self,
        wanted: bool,
        what: &'static str,
        read: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, SyncError> {
        if !wanted {
            return Ok(T::default());
        }
        let read = read.await;
        if self.scope.named {
            return Ok(read?);
        }
        Ok(self.findings.optional(what, read)?.unwrap_or_default())
    }
}
