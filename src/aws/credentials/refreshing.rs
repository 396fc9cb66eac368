//! Credentials that are renewed before they expire.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;

use super::ambient_error;
use crate::aws::error::AccessError;

/// Credentials are renewed this long before their end, or after two thirds of a shorter life.
const EARLY: Duration = Duration::from_mins(5);
/// Closer to their end than this they are not used: a request must be signed, travel and be checked in time.
const TOO_LATE: Duration = Duration::from_secs(15);
/// Pause after an early renewal that failed while the old credentials are still good.
const AGAIN: Duration = Duration::from_secs(30);

/// A source of credentials, asked once for all callers and again before what it gave expires.
///
/// Cloning shares what is held. While a renewal is under way, others go on with what is held as long as it is good,
/// so that a renewal in the middle of a crawl goes unnoticed; one that fails early is tried again later.
#[derive(Clone)]
pub(in crate::aws) struct Refreshing(Arc<Inner>);

struct Inner {
    source: SharedCredentialsProvider,
    held: RwLock<Option<Held>>,
    renewal: Mutex<()>,
}

#[derive(Clone)]
struct Held {
    credentials: Credentials,
    renew_at: Option<SystemTime>,
}

enum State {
    Good(Credentials),
    Aging(Credentials),
    Unusable,
}

impl Refreshing {
    pub(in crate::aws) fn new(source: SharedCredentialsProvider) -> Self {
        Self(Arc::new(Inner { source, held: RwLock::default(), renewal: Mutex::default() }))
    }

    /// Good credentials, fetched where necessary. Cancel-safe: another caller takes an abandoned renewal over.
    pub(in crate::aws) async fn current(&self) -> Result<Credentials, Arc<AccessError>> {
        match self.state() {
            State::Good(credentials) => return Ok(credentials),
            State::Aging(credentials) => {
                let Ok(_renewal) = self.0.renewal.try_lock() else { return Ok(credentials) };
                if let State::Good(renewed) = self.state() {
                    return Ok(renewed);
                }
                return Ok(match self.fetch().await {
                    Ok(renewed) => renewed,
                    Err(error) => {
                        tracing::warn!(%error, "credentials could not be renewed early, the old ones are still good");
                        self.hold(credentials.clone(), Some(SystemTime::now() + AGAIN));
                        credentials
                    }
                });
            }
            State::Unusable => {}
        }
        let _renewal = self.0.renewal.lock().await;
        match self.state() {
            State::Good(credentials) | State::Aging(credentials) => Ok(credentials),
            State::Unusable => self.fetch().await,
        }
    }

    /// Drops these credentials, which AWS calls expired, unless they were replaced already.
    pub(in crate::aws) fn forget(&self, used: &Credentials) {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| held.credentials == *used) {
            *held = None;
        }
    }

    /// Whether these are the ones that are held.
    #[cfg(test)]
    pub(in crate::aws) fn holds(&self, credentials: &Credentials) -> bool {
        let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().is_some_and(|held| held.credentials == *credentials)
    }

    fn state(&self) -> State {
        let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Held { credentials, renew_at }) = held.as_ref() else { return State::Unusable };
        let now = SystemTime::now();
        if credentials.expiry().is_some_and(|expiry| now + TOO_LATE >= expiry) {
            State::Unusable
        } else if renew_at.is_some_and(|moment| now >= moment) {
            State::Aging(credentials.clone())
        } else {
            State::Good(credentials.clone())
        }
    }

    async fn fetch(&self) -> Result<Credentials, Arc<AccessError>> {
        let credentials =
            self.0.source.provide_credentials().await.map_err(|error| Arc::new(ambient_error(&error)))?;
        check(&credentials).map_err(Arc::new)?;
        let now = SystemTime::now();
        let renew_at = credentials.expiry().map(|expiry| {
            let life = expiry.duration_since(now).unwrap_or_default();
            now + life.saturating_sub(EARLY.min(life / 3))
        });
        self.hold(credentials.clone(), renew_at);
        Ok(credentials)
    }

    fn hold(&self, credentials: Credentials, renew_at: Option<SystemTime>) {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        *held = Some(Held { credentials, renew_at });
    }
}

/// The id of a key and the token of a session go into headers; the SDK panics over what does not fit there.
fn check(credentials: &Credentials) -> Result<(), AccessError> {
    let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let fault = if !fits(credentials.access_key_id()) {
        "access key id"
    } else if credentials.session_token().is_some_and(|token| !fits(token)) {
        "session token"
    } else {
        return Ok(());
    };
    let detail = format!("the {fault} holds a character that none has, such as a blank or a line end");
    Err(AccessError::AmbientConfiguration { detail })
}

/// Prints nothing of what it holds.
impl fmt::Debug for Refreshing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refreshing")
    }
}

impl ProvideCredentials for Refreshing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.current()
                .await
                .map_err(|error| CredentialsError::provider_error(Arc::unwrap_or_clone(error)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    /// Gives numbered credentials with the next of the scripted lifetimes; `None` fails.
    #[derive(Debug)]
    struct Script {
        lives: Vec<Option<Duration>>,
        asked: Arc<AtomicUsize>,
    }

    impl ProvideCredentials for Script {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                let turn = self.asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                match self.lives[turn] {
                    Some(life) => Ok(Credentials::new(
                        format!("key-{turn}"),
                        "canary",
                        Some("canary".to_owned()),
                        Some(SystemTime::now() + life),
                        "script",
                    )),
                    None => Err(CredentialsError::provider_error("down")),
                }
            })
        }
    }

    fn script(lives: &[Option<u64>]) -> (Refreshing, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let lives = lives.iter().map(|life| life.map(Duration::from_secs)).collect();
        let source = SharedCredentialsProvider::new(Script { lives, asked: Arc::clone(&asked) });
        (Refreshing::new(source), asked)
    }

    async fn key(credentials: &Refreshing) -> String {
        credentials.current().await.unwrap().access_key_id().to_owned()
    }

    fn age(credentials: &Refreshing) {
        let mut held = credentials.0.held.write().unwrap();
        held.as_mut().unwrap().renew_at = Some(SystemTime::now());
    }

    #[tokio::test]
    async fn many_callers_share_one_fetch() {
        let (credentials, asked) = script(&[Some(3600)]);
        let keys = join_all((0..50).map(|_| key(&credentials))).await;
        assert!(keys.iter().all(|key| key == "key-0"));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn credentials_are_renewed_before_they_expire() {
        let (credentials, _) = script(&[Some(3600), Some(3600)]);
        assert_eq!(key(&credentials).await, "key-0");
        age(&credentials);
        assert_eq!(key(&credentials).await, "key-1");
    }

    #[tokio::test]
    async fn an_early_renewal_that_fails_leaves_the_good_ones_in_use() {
        let (credentials, asked) = script(&[Some(3600), None, Some(3600)]);
        assert_eq!(key(&credentials).await, "key-0");
        age(&credentials);
        assert_eq!((key(&credentials).await, key(&credentials).await), ("key-0".into(), "key-0".into()));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        age(&credentials);
        assert_eq!(key(&credentials).await, "key-2");
    }

    #[tokio::test]
    async fn others_go_on_with_good_credentials_while_one_renews() {
        let (credentials, asked) = script(&[Some(3600), Some(3600)]);
        key(&credentials).await;
        age(&credentials);
        let keys = join_all((0..3).map(|_| key(&credentials))).await;
        assert_eq!(keys, ["key-1", "key-0", "key-0"]);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn credentials_at_their_end_are_not_used() {
        let (credentials, _) = script(&[Some(10), None, Some(3600)]);
        assert_eq!(key(&credentials).await, "key-0");
        let error = credentials.current().await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert_eq!(key(&credentials).await, "key-2");
    }

    #[tokio::test]
    async fn forgotten_credentials_are_fetched_anew_once() {
        let (credentials, asked) = script(&[Some(3600), Some(3600)]);
        let used = credentials.current().await.unwrap();
        credentials.forget(&used);
        assert_eq!(key(&credentials).await, "key-1");
        // A second caller that failed with the same old ones does not throw the new ones away.
        credentials.forget(&used);
        assert_eq!(key(&credentials).await, "key-1");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn credentials_that_fit_into_no_header_are_an_error_and_no_panic() {
        for (key, token) in [("AKID\n", None), ("AKID ", None), ("", None), ("AKID", Some("to\nken"))] {
            let keys = Credentials::new(key, "canary", token.map(str::to_owned), None, "test");
            let error = Refreshing::new(SharedCredentialsProvider::new(keys)).current().await.unwrap_err();
            assert!(matches!(*error, AccessError::AmbientConfiguration { .. }), "{key:?}: {error}");
        }
    }

    #[tokio::test]
    async fn no_secret_is_printed() {
        let (credentials, _) = script(&[Some(3600)]);
        key(&credentials).await;
        assert!(!format!("{credentials:?}").contains("canary"));
        assert!(!format!("{:?}", credentials.current().await.unwrap()).contains("canary"));
    }
}
