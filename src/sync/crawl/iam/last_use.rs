//! When users last signed in or called: from the credential report of the account, else key by key.

use std::collections::HashMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::{ENTITIES, Reading};
use crate::aws::Class;
use crate::aws::iam::{AccessKey, CredentialReport, User};
use crate::connector::iam_user::{Activity, KeyActivity};
use crate::connector::{access_key, iam_user};
use crate::sync::SyncError;
use crate::sync::crawl::Crawl;
use crate::sync::crawl::second_look::{Kind, Thing};

/// From so many users on, the two or three calls of the report are fewer than one for each user and key.
const MANY_USERS: usize = 3;

const KEYS: &str = "last use of access keys";

/// What is known of the last use of one user's credentials.
#[derive(Debug)]
pub(super) struct LastUse {
    /// The newest uses.
    pub(super) activity: Activity,
    /// The access keys with the last use of each; empty unless keys are synced.
    pub(super) keys: Vec<(AccessKey, access_key::LastUse)>,
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
            let activity = Activity {
                password: password.max(user.password_last_used),
                keys: KeyActivity::Known(user.keys_last_used.iter().copied().max()),
            };
            return Ok(LastUse { activity, keys: Vec::new() });
        }
        let listed = reading.iam.access_keys(&user.name).try_concat().await;
        // Where keys are resources, a user whose keys are not listed would look like one without keys.
        let listed: Option<Vec<AccessKey>> = if self.scope.has(access_key::ID) {
            Some(listed?)
        } else {
            self.findings.optional(KEYS, listed)?
        };
        let Some(listed) = listed else {
            let activity = Activity { password, keys: KeyActivity::Unavailable };
            return Ok(LastUse { activity, keys: Vec::new() });
        };
        let looked = stream::iter(listed).map(async |key: AccessKey| {
            let last = self.last_use_of_key(reading, user, &key).await?;
            Ok::<_, SyncError>((key, last))
        });
        let looked: Vec<_> = looked.buffered(ENTITIES).try_collect().await?;
        let all_known = looked.iter().all(|(_, last)| matches!(last, Some(access_key::LastUse::Known(_))));
        let keys: Vec<_> = looked.into_iter().filter_map(|(key, last)| Some((key, last?))).collect();
        let newest = keys.iter().filter_map(|(_, last)| last.at()).max();
        let of_keys = if all_known { KeyActivity::Known(newest) } else { KeyActivity::Unavailable };
        Ok(LastUse { activity: Activity { password, keys: of_keys }, keys })
    }

    /// The last use of a key; `None` if the key is gone since it was listed.
    async fn last_use_of_key(
        &self,
        reading: &Reading<'_>,
        user: &User,
        key: &AccessKey,
    ) -> Result<Option<access_key::LastUse>, SyncError> {
        let last = match reading.iam.access_key_last_used(&key.id).await {
            Err(error) if matches!(error.class(), Class::NotFound) => {
                let gone = Thing::AccessKey { iam: &reading.iam, user: &user.name, key: &key.id };
                return self.vanished(gone, error).await.map(|()| None);
            }
            last => self.findings.optional(KEYS, last)?,
        };
        self.findings.read(Kind::AccessKeys);
        Ok(Some(last.map_or(access_key::LastUse::Unavailable, access_key::LastUse::Known)))
    }
}
