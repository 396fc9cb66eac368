//! How fast AWS may be called: the documented rates, kept per account, lowered while AWS throttles.

mod bucket;
mod rates;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::bucket::Bucket;
pub(super) use self::bucket::Ticket;
use self::rates::{Rates, Shared};
use super::account::AccountId;
use super::error::AccessError;
use super::operation::{Operation, Service};
use crate::config::QuotaSetting;
use crate::network::told;

/// Who goes first where several wait for the same bucket.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Priority {
    /// Somebody waits for a change of access.
    Provisioning,
    /// A crawl.
    Sync,
}

/// What a bucket is for: what shares its rate, in which account.
type Key = (Shared, Option<AccountId>);

/// The gate in front of every call: a token bucket per (what shares a rate, account), and one bound of calls in
/// flight for all of them.
#[derive(Debug)]
pub(super) struct Quotas {
    rates: Option<Rates>,
    buckets: Mutex<HashMap<Key, Arc<Bucket>>>,
    slots: Option<Arc<Semaphore>>,
    tickets: AtomicU64,
}

impl Quotas {
    /// The rates of the setting, and at most `workers` calls in flight.
    pub(super) fn new(setting: &QuotaSetting, workers: Option<NonZeroUsize>) -> Result<Self, AccessError> {
        let rates = match setting {
            QuotaSetting::Documented => Some(Rates::documented()),
            QuotaSetting::Off => None,
            QuotaSetting::File(path) => {
                let fault = |fault: String| AccessError::QuotaFile { path: path.clone(), fault };
                let text = std::fs::read_to_string(path)
                    .map_err(|error| fault(told("it cannot be read", &error)))?;
                Some(Rates::from_yaml(&text).map_err(|error| fault(error.to_string()))?)
            }
        };
        // tokio bounds the permits of a semaphore; a bound above that is none.
        let slots =
            workers.filter(|n| n.get() <= Semaphore::MAX_PERMITS).map(|n| Arc::new(Semaphore::new(n.get())));
        Ok(Self { rates, buckets: Mutex::default(), slots, tickets: AtomicU64::new(0) })
    }

    /// A place in line for one call. A call that is sent again keeps its place, so that a retry goes before calls
    /// that came later.
    pub(super) fn ticket(&self, priority: Priority) -> Ticket {
        Ticket { priority, number: self.tickets.fetch_add(1, Ordering::Relaxed) }
    }

    /// Waits until one call may be sent: its bucket has a token, and a slot is free. `bounded` false leaves the
    /// slots out, for calls that another call waits for while it holds one.
    ///
    /// Cancel-safe: a caller that goes away takes no token and no slot with it.
    pub(super) async fn admit(
        &self,
        operation: Operation,
        account: Option<&AccountId>,
        ticket: Ticket,
        bounded: bool,
    ) -> Admission {
        let slots = self.slots.as_ref().filter(|_| bounded);
        match self.bucket(operation, account) {
            Some(bucket) => {
                let slot = bucket.admit(ticket, slots).await;
                Admission { bucket: Some(bucket), _slot: slot }
            }
            None => Admission { bucket: None, _slot: bucket::slot(slots).await },
        }
    }

    /// How far each bucket was used, in order.
    pub(super) fn saturation(&self) -> Vec<Saturation> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used: Vec<_> = buckets
            .iter()
            .map(|(((service, operation), account), bucket)| {
                let usage = bucket.usage();
                Saturation {
                    service: *service,
                    operation: *operation,
                    account: account.clone(),
                    calls: usage.admitted,
                    throttled: usage.throttled,
                    per_second: usage.ceiling,
                    burst: usage.burst,
                    slowed: usage.rate < usage.ceiling,
                }
            })
            .collect();
        used.sort_by(|a, b| (a.service, a.operation, &a.account).cmp(&(b.service, b.operation, &b.account)));
        used
    }

    fn bucket(&self, operation: Operation, account: Option<&AccountId>) -> Option<Arc<Bucket>> {
        let (shared, rate) = self.rates.as_ref()?.of(operation)?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry((shared, account.cloned())).or_insert_with(|| Arc::new(Bucket::new(rate)));
        Some(Arc::clone(bucket))
    }
}

/// How far one bucket was used.
#[derive(Clone, Debug, PartialEq)]
pub struct Saturation {
    /// The service.
    pub service: Service,
    /// The operation that has a rate of its own; `None` where all of the service share one.
    pub operation: Option<&'static str>,
    /// The account whose bucket it is, where that is known.
    pub account: Option<AccountId>,
    /// Requests that were let through.
    pub calls: u64,
    /// Those that AWS throttled.
    pub throttled: u64,
    /// The rate in the table, in calls per second.
    pub per_second: f64,
    /// Calls that may be made at once after a pause.
    pub burst: f64,
    /// Whether the bucket is slower than the table at the moment, since AWS throttled.
    pub slowed: bool,
}

impl Saturation {
    /// How long the rate of the table takes to refill what was used.
    #[allow(clippy::cast_precision_loss, reason = "nobody makes 2^52 calls")]
    pub fn busy(&self) -> Duration {
        Duration::try_from_secs_f64(self.calls as f64 / self.per_second).unwrap_or_default()
    }

    /// The least time that the table permits for as many calls.
    #[allow(clippy::cast_precision_loss, reason = "nobody makes 2^52 calls")]
    pub fn floor(&self) -> Duration {
        let beyond_burst = (self.calls as f64 - self.burst).max(0.0);
        Duration::try_from_secs_f64(beyond_burst / self.per_second).unwrap_or_default()
    }

    /// How far the bucket was used since an earlier look at all of them.
    #[must_use]
    pub fn since(mut self, earlier: &[Self]) -> Self {
        let same = |other: &&Self| {
            (other.service, other.operation, &other.account) == (self.service, self.operation, &self.account)
        };
        if let Some(before) = earlier.iter().find(same) {
            self.calls = self.calls.saturating_sub(before.calls);
            self.throttled = self.throttled.saturating_sub(before.throttled);
        }
        self
    }
}

impl fmt::Display for Saturation {
    /// What the bucket is for: `sso`, `organizations:ListAccounts`, `iam in 444444444444`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.service)?;
        if let Some(operation) = self.operation {
            write!(f, ":{operation}")?;
        }
        match &self.account {
            Some(account) => write!(f, " in {account}"),
            None => Ok(()),
        }
    }
}

/// The permission to send one request now. The slot is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    bucket: Option<Arc<Bucket>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// AWS throttled the request: slow this bucket down, and let nothing pass before `retry_after` is over.
    pub(super) fn throttled(&self, retry_after: Option<Duration>) {
        if let Some(bucket) = &self.bucket {
            bucket.throttled(retry_after);
        }
    }
}

#[cfg(test)]
mod tests;
