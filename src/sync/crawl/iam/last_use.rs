//! When users last signed in or called: from the credential report of the account, else key by key.

use std::collections::HashMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::{ENTITIES, Reading};
use crate::aws::Class;
use crate::aws::iam::{AccessKey, CredentialReport, User};
use crate::connector::{access_key, iam_user};
use crate::sync::SyncError;
use crate::sync::crawl::Crawl;
use crate::sync::crawl::second_look::{Kind, Thing};

/// From so many users on, the two or three calls of the report are fewer than one for each user and key.
const MANY_USERS: usize = 3;

const KEYS: &str = "last use of access keys";

/// What is known of the last use of one user's credentials.
#[derive(Debug, Default)]
pub(super) struct LastUse {
    /// The newest use of any.
    pub(super) newest: Option<Timestamp>,
    /// The access keys with the last use of each; empty unless keys are synced.
    pub(super) keys: Vec<(AccessKey, Option<Timestamp>)>,
}

/// Where the last use of the users of one account is looked up.
#[derive(Debug, Default)]
pub(super) struct LastUses {
    passwords: HashMap<String, Timestamp>,
    report: Option<CredentialReport>,
}

impl Crawl<'_> {
    /// Prepares the lookups for the listed users of an account.
    pub(super) async fn last_uses(
        &self,
        reading: &Reading<'_>,
        users: &[User],
    ) -> Result<LastUses, SyncError> {
        let password = |user: &User| Some((user.arn.clone(), user.password_last_used?));
        let passwords = users.iter().filter_map(password).collect();
        let by_report =
            self.scope.has(iam_user::ID) && !self.scope.has(access_key::ID) && users.len() >= MANY_USERS;
        let report = if by_report { self.credential_report(reading).await? } else { None };
        Ok(LastUses { passwords, report })
    }

    /// The report is a cheaper way to what the keys tell: without it, they are asked.
    async fn credential_report(&self, reading: &Reading<'_>) -> Result<Option<CredentialReport>, SyncError> {
        match reading.iam.credential_report().await {
            Ok(report) => Ok(report),
            Err(error) if matches!(error.class(), Class::Denied) => {
                self.findings.cheaper(&error);
                Ok(None)
            }
            Err(error)
                if error.is_retryable()
                    || matches!(error.class(), Class::Cancelled | Class::Credentials(_)) =>
            {
                Err(error.into())
            }
            Err(error) => {
                tracing::debug!(%error, "no credential report; asking for each key");
                Ok(None)
            }
        }
    }

    /// The last use of one user's credentials.
    pub(super) async fn last_use(
        &self,
        reading: &Reading<'_>,
        lookups: &LastUses,
        user: &User,
    ) -> Result<LastUse, SyncError> {
        let password = user.password_last_used.max(lookups.passwords.get(&user.arn).copied());
        if let Some(user) = lookups.report.as_ref().and_then(|report| report.user(&user.arn)) {
            let newest = user.keys_last_used.iter().copied().max();
            return Ok(LastUse {
                newest: newest.max(password).max(user.password_last_used),
                keys: Vec::new(),
            });
        }
        let listed = reading.iam.access_keys(&user.name).try_concat().await;
        // Where keys are resources, a user whose keys are not listed would look like one without keys.
        let keys: Vec<AccessKey> = if self.scope.has(access_key::ID) {
            listed?
        } else {
            self.findings.optional(KEYS, listed)?.unwrap_or_default()
        };
        let keys = stream::iter(keys).map(async |key: AccessKey| {
            let last = match reading.iam.access_key_last_used(&key.id).await {
                Err(error) if matches!(error.class(), Class::NotFound) => {
                    let gone = Thing::AccessKey { iam: &reading.iam, user: &user.name, key: &key.id };
                    return self.vanished(gone, error).await.map(|()| None);
                }
                last => self.findings.optional(KEYS, last)?.flatten(),
            };
            self.findings.read(Kind::AccessKeys);
            Ok::<_, SyncError>(Some((key, last)))
        });
        let keys: Vec<_> = keys.buffered(ENTITIES).try_filter_map(async |key| Ok(key)).try_collect().await?;
        let newest = keys.iter().filter_map(|(_, used)| *used).max();
        Ok(LastUse { newest: newest.max(password), keys })
    }
}
