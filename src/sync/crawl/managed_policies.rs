//! The policies that AWS manages: the same for every account, so read once for all of them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Crawl, FAN_OUT};
use crate::aws::CallError;
use crate::aws::iam::{Iam, Policy, PolicyOwner};
use crate::connector::iam_policy;
use crate::sync::SyncError;
use crate::sync::completeness::Area;
use crate::sync::focus::Focus;

/// What the shelf knows a description by, in the place of a version: AWS gives one to a policy and never changes it.
const DESCRIPTION: &str = "description";

/// ARNs of the AWS-managed policies that were found attached, where only those are synced.
#[derive(Debug, Default)]
pub(super) struct Attached(Mutex<HashSet<String>>);

impl Attached {
    /// Whether nobody found this one before.
    fn is_first(&self, arn: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(arn.to_owned())
    }
}

impl Crawl<'_> {
    /// Reads the policies that AWS manages, as the caller's account shows them; what is attached, only in the
    /// account where it is, so that those are read with each account.
    pub(super) async fn aws_managed_policies(&self) -> Result<(), SyncError> {
        let is_wanted = self.scope.has(iam_policy::ID) && self.scope.reads(Focus::aws_managed_policies);
        if !is_wanted || self.connector.settings().only_attached_policies {
            return Ok(());
        }
        self.managed_policies(&self.api.iam(), false).await?;
        self.findings.whole(Area::AwsManagedPolicies);
        Ok(())
    }

    /// Reads the AWS-managed policies that are attached in one account and were not seen in another.
    pub(super) async fn attached_aws_policies(&self, iam: &Iam) -> Result<(), SyncError> {
        if !self.scope.has(iam_policy::ID) || !self.connector.settings().only_attached_policies {
            return Ok(());
        }
        self.managed_policies(iam, true).await
    }

    /// Lists before it reads, and reads as the caller: what one account was the first to name is read whatever comes of
    /// the rest of that account.
    async fn managed_policies(&self, iam: &Iam, only_attached: bool) -> Result<(), SyncError> {
        let listed: Vec<Policy> = iam.policies(PolicyOwner::Aws, only_attached).try_concat().await?;
        let news: Vec<Policy> =
            listed.into_iter().filter(|policy| self.attached.is_first(&policy.arn)).collect();
        self.progress.found(news.len());
        let own = self.api.iam();
        stream::iter(news)
            .map(Ok)
            .map_ok(async |policy: Policy| {
                self.managed_policy(&own, &policy).await?;
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect()
            .await
    }

    async fn managed_policy(&self, own: &Iam, policy: &Policy) -> Result<(), SyncError> {
        let (arn, version) = (&policy.arn, &policy.default_version);
        let document = self.shelved(arn, version, own.policy_document(arn, version)).await;
        let document = self.document(arn, document)?;
        let mut description = None;
        if self.connector.settings().iam_tags {
            let read = async { Ok(own.policy_description(arn).await?.unwrap_or_default()) };
            let read = self.shelved(arn, DESCRIPTION, read).await;
            description = self.detail("descriptions of IAM policies", arn, read)?;
        }
        self.policy(self.rows, policy, description.as_deref(), document.as_deref(), None)
    }

    /// A text from the shelf, else from AWS and then on the shelf. A shelf that fails is as good as an empty one.
    async fn shelved(
        &self,
        arn: &str,
        version: &str,
        read: impl Future<Output = Result<String, CallError>>,
    ) -> Result<String, CallError> {
        let texts = self.connector.aws().policy_shelf();
        if let Ok(Some(text)) = texts.get(arn, version) {
            return Ok(text);
        }
        let text = read.await?;
        if let Err(error) = texts.put(arn, version, &text) {
            tracing::debug!(%error, "a policy document could not be kept for the next sync");
        }
        Ok(text)
    }
}
