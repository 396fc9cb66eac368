//! A credential between its making and its recipients: it is handed out, or withdrawn and named.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{FutureExt as _, TryStreamExt as _};
use jiff::Timestamp;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::iam_entity::Entity;
use super::{Connector, Provision, ProvisionError, access_key, iam_user};
use crate::aws::iam::{AccessKey, EntityKind, Iam, Verified};

/// How long a withdrawal may take in all.
const LIMIT: Duration = Duration::from_mins(1);

/// The credential that a task made and that nobody has yet. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Undelivered(Arc<Mutex<Option<Credential>>>);

/// A credential, in names only.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    /// An access key was asked for, and AWS has not said yet whether there is one.
    KeyAskedFor {
        /// Its user.
        user: Verified,
        /// The keys that AWS listed before.
        before: Vec<AccessKey>,
        /// When it was asked for.
        sent: Timestamp,
    },
    /// An access key.
    Key {
        /// Its user.
        user: Verified,
        /// Its id.
        id: String,
        /// The key that was put out of use for it.
        replaced: Option<String>,
    },
    /// A password, which AWS has or may have.
    Password {
        /// Its user.
        user: Verified,
        /// The user had none before.
        is_first: bool,
    },
    /// A session of a role.
    Session {
        /// The ARN of the session.
        arn: String,
        /// When it ends.
        expiration: String,
    },
}

/// What became of a credential that reached nobody.
#[derive(Debug)]
pub struct Withdrawal {
    /// In words.
    pub told: String,
    /// The id of an access key that AWS has, whose secret nobody has, and that could not be deleted.
    pub key_left: Option<String>,
}

impl Undelivered {
    /// The task made this, or is about to; it stands in the place of what stood there.
    pub(super) fn set(&self, credential: Credential) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(credential);
    }

    /// There is nothing, or it is gone again.
    pub(super) fn clear(&self) {
        self.take();
    }

    fn take(&self) -> Option<Credential> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Connector {
    /// Carries out what makes a credential. Where it fails or panics, what it made is withdrawn, and the error says
    /// what became of it.
    pub(super) async fn delivering<T>(
        &self,
        provision: &Provision,
        work: impl Future<Output = Result<T, ProvisionError>>,
    ) -> Result<T, ProvisionError> {
        let error = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error,
            // Its text is in the log, and may hold what nobody else is to read.
            Err(_) => ProvisionError::Broken,
        };
        Err(match self.withdraw(provision).await {
            None => error,
            Some(Withdrawal { told, key_left: Some(key) }) => {
                ProvisionError::KeyLeft { error: Box::new(error), what: told, key }
            }
            Some(Withdrawal { told, key_left: None }) => {
                ProvisionError::Undelivered { error: Box::new(error), what: told }
            }
        })
    }

    /// Withdraws the credential that the task of `provision` made, as its answer reaches nobody, and says what became
    /// of it; `None` where it made none. The cancellation of the task does not end this.
    ///
    /// Source: `iam:UpdateAccessKey`, `DeleteAccessKey`, `ListAccessKeys`, `DeleteLoginProfile`. A password that
    /// replaced another cannot be taken back, and a session ends by itself: they are named.
    pub async fn withdraw(&self, provision: &Provision) -> Option<Withdrawal> {
        let mut credential = provision.undelivered.take()?;
        let provision = Provision { cancel: CancellationToken::new(), ..provision.clone() };
        let withdrawn = timeout(LIMIT, self.withdrawing(&mut credential, &provision)).await;
        let why = match withdrawn {
            Ok(Ok(told)) => return Some(Withdrawal { told, key_left: None }),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("AWS did not answer within {} s", LIMIT.as_secs()),
        };
        let told = credential.left(&why);
        let key_left = match credential {
            Credential::Key { id, .. } => Some(id),
            Credential::KeyAskedFor { .. } | Credential::Password { .. } | Credential::Session { .. } => None,
        };
        Some(Withdrawal { told, key_left })
    }

    /// A key that is found on the way stands in the place of one that was asked for.
    async fn withdrawing(
        &self,
        credential: &mut Credential,
        provision: &Provision,
    ) -> Result<String, ProvisionError> {
        match credential {
            Credential::KeyAskedFor { user, before, sent } => {
                let iam = self.iam_of(user, provision).await?;
                let mut suspects: Vec<AccessKey> = iam.access_keys(user.name()).try_concat().await?;
                // AWS's list lags: what it did not show before may be older, and in use. It tells whole seconds.
                suspects.retain(|key| {
                    let known = before.iter().any(|one| one.id == key.id);
                    !known && key.created.is_some_and(|created| created.as_second() >= sent.as_second())
                });
                match suspects.as_slice() {
                    [] => Ok(format!(
                        "AWS lists no new access key of {user}; if one appears that was made at {sent:.0}, nobody has \
                         its secret: delete it"
                    )),
                    [one] => {
                        let (user, id) = (user.clone(), one.id.clone());
                        *credential = Credential::Key { user: user.clone(), id: id.clone(), replaced: None };
                        access_key::make::withdraw(&iam, &user, &id, provision).await?;
                        Ok(deleted(&user, &id))
                    }
                    several => {
                        let ids: Vec<&str> = several.iter().map(|key| key.id.as_str()).collect();
                        let keys = ids.join(", ");
                        warn!(
                            user = user.arn(),
                            keys,
                            "the secret of one of these access keys reached nobody; none is deleted, as it is not \
                             certain which"
                        );
                        Ok(format!(
                            "the secret of one of the access keys {keys} of {user} reached nobody; none was deleted, \
                             as it is not certain which"
                        ))
                    }
                }
            }
            Credential::Key { user, id, replaced } => {
                let iam = self.iam_of(user, provision).await?;
                let restored = match replaced {
                    Some(old) => {
                        access_key::rotate::restore(&iam, user, old, provision).await?;
                        format!(", and {old} works again")
                    }
                    None => String::new(),
                };
                access_key::make::withdraw(&iam, user, id, provision).await?;
                Ok(deleted(user, id) + &restored)
            }
            Credential::Password { user, is_first: true } => {
                let iam = self.iam_of(user, provision).await?;
                iam_user::password::withdraw(&iam, user, provision).await?;
                Ok(format!("the first password of {user} reached nobody and was deleted"))
            }
            Credential::Password { user, is_first: false } => Ok(format!(
                "the password of {user} was or may have been replaced by one that nobody knows: rotate it again"
            )),
            Credential::Session { arn, expiration } => {
                Ok(format!("the session {arn} reached nobody and ends by itself at {expiration}"))
            }
        }
    }

    /// The calls of IAM in the user's account.
    async fn iam_of(&self, user: &Verified, provision: &Provision) -> Result<Iam, ProvisionError> {
        Entity::parse(EntityKind::User, user.arn())?.enter(self, provision).await
    }
}

impl Credential {
    /// What is told where it could not be withdrawn.
    fn left(&self, why: &str) -> String {
        match self {
            Self::Key { user, id, .. } => {
                warn!(
                    user = user.arn(),
                    key = id,
                    error = why,
                    "the secret of this access key reached nobody, and the key could not be deleted"
                );
                format!(
                    "the secret of the access key {id} of {user} reached nobody, and it could not be deleted ({why})"
                )
            }
            Self::KeyAskedFor { user, sent, .. } => format!(
                "{user} may have an access key that was made at {sent:.0} and whose secret reached nobody; it could not \
                 be looked for, or not be deleted ({why})"
            ),
            Self::Password { user, .. } => {
                format!("the password of {user} reached nobody, and could not be deleted ({why})")
            }
            Self::Session { arn, expiration } => {
                format!("the session {arn} reached nobody and ends by itself at {expiration}")
            }
        }
    }
}

fn deleted(user: &Verified, id: &str) -> String {
    format!("the secret of the access key {id} of {user} reached nobody, and the key was deleted")
}

#[cfg(test)]
mod tests {
    use testbed::aws::{Fixture, Server};

    use super::*;
    use crate::aws::iam::User;
    use crate::config::{AwsSettings, StaticKeys};

    #[tokio::test]
    async fn a_panic_after_a_key_was_made_withdraws_it_and_says_so() {
        let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
        let keys = aws.credentials();
        let settings = AwsSettings {
            region: Some("us-east-1".into()),
            endpoint_url: Some(aws.url()),
            static_keys: Some(StaticKeys {
                access_key_id: keys.access_key_id,
                secret_access_key: keys.secret_access_key.into(),
            }),
            ..AwsSettings::default()
        };
        let connector = Connector::open(&settings).await.unwrap();
        let provision = Provision::new("t", CancellationToken::new());
        let user = Verified::from(&User {
            arn: "arn:aws:iam::111111111111:user/o,brien+x=1".into(),
            id: "AIDA".into(),
            name: "o,brien+x=1".into(),
            path: "/".into(),
            password_last_used: None,
        });
        let id = aws.access_keys("111111111111", "o,brien+x=1").swap_remove(0).0;
        let work = async {
            provision.makes(Credential::Key { user: user.clone(), id: id.clone(), replaced: None });
            assert!(id.is_empty(), "as a library would");
            Ok::<(), ProvisionError>(())
        };
        let error = connector.delivering(&provision, work).await.unwrap_err().to_string();
        assert!(error.contains("a fault of the connector") && error.contains(&id), "{error}");
        assert!(aws.access_keys("111111111111", "o,brien+x=1").is_empty());
    }
}
