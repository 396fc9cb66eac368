use std::sync::Mutex;

use futures::future::join_all;
use futures::poll;
use tokio::time::Instant;

use super::*;
use crate::aws::operation::Service;

const ASSIGNMENTS: Operation = Operation::safe(Service::SsoAdmin, "ListAccountAssignments");
const ACCOUNTS: Operation = Operation::safe(Service::Organizations, "ListAccounts");
/// What passes at once: three quarters of a burst of 20. After that, one every 50 ms.
const BURST: u64 = 15;

fn quotas(workers: Option<usize>) -> Quotas {
    Quotas::new(&QuotaSetting::Documented, workers.and_then(NonZeroUsize::new)).unwrap()
}

fn account(n: u64) -> AccountId {
    format!("{n:012}").parse().unwrap()
}

async fn admit(quotas: &Quotas, operation: Operation, account: &AccountId, priority: Priority) -> Admission {
    quotas.admit(operation, Some(account), quotas.ticket(priority), true).await
}

/// Uses the burst of an account up.
async fn drain(quotas: &Quotas, account: &AccountId) {
    for _ in 0..BURST {
        admit(quotas, ASSIGNMENTS, account, Priority::Sync).await;
    }
}

#[tokio::test]
async fn one_throttled_account_leaves_the_others_rate_unchanged() {
    let quotas = quotas(None);
    let throttled = admit(&quotas, ASSIGNMENTS, &account(1), Priority::Sync).await;
    throttled.throttled(Some(Duration::from_mins(5)));
    let start = Instant::now();
    drain(&quotas, &account(2)).await;
    for _ in 0..4 {
        admit(&quotas, ASSIGNMENTS, &account(2), Priority::Sync).await;
    }
    // Four tokens at 20 per second.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn operations_with_rates_of_their_own_do_not_wait_for_each_other() {
    let quotas = quotas(None);
    let first = admit(&quotas, ASSIGNMENTS, &account(1), Priority::Sync).await;
    first.throttled(Some(Duration::from_mins(5)));
    let mut other = Box::pin(quotas.admit(ACCOUNTS, None, quotas.ticket(Priority::Sync), true));
    assert!(poll!(other.as_mut()).is_ready());
}

#[tokio::test]
async fn provisioning_goes_before_a_waiting_crawl() {
    let quotas = quotas(None);
    let account = account(1);
    drain(&quotas, &account).await;
    let order = Mutex::new(Vec::new());
    let call = |name: &'static str, priority| {
        let (quotas, account, order) = (&quotas, &account, &order);
        async move {
            admit(quotas, ASSIGNMENTS, account, priority).await;
            order.lock().unwrap().push(name);
        }
    };
    let crawl = join_all((0..3).map(|_| call("sync", Priority::Sync)));
    tokio::join!(crawl, call("grant", Priority::Provisioning));
    assert_eq!(*order.lock().unwrap(), ["grant", "sync", "sync", "sync"]);
}

#[tokio::test]
async fn callers_of_equal_priority_are_served_in_their_order() {
    let quotas = quotas(None);
    let account = account(1);
    let order = Mutex::new(Vec::new());
    let calls = (0..BURST + 5).map(|n| {
        let (quotas, account, order) = (&quotas, &account, &order);
        async move {
            admit(quotas, ASSIGNMENTS, account, Priority::Sync).await;
            order.lock().unwrap().push(n);
        }
    });
    join_all(calls).await;
    assert_eq!(*order.lock().unwrap(), (0..BURST + 5).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_call_that_is_sent_again_goes_before_those_that_came_later() {
    let quotas = quotas(None);
    let account = account(1);
    let ticket = quotas.ticket(Priority::Sync);
    quotas.admit(ASSIGNMENTS, Some(&account), ticket, true).await;
    drain(&quotas, &account).await;
    let order = Mutex::new(Vec::new());
    let later = async {
        admit(&quotas, ASSIGNMENTS, &account, Priority::Sync).await;
        order.lock().unwrap().push("later");
    };
    let again = async {
        quotas.admit(ASSIGNMENTS, Some(&account), ticket, true).await;
        order.lock().unwrap().push("again");
    };
    tokio::join!(later, again);
    assert_eq!(*order.lock().unwrap(), ["again", "later"]);
}

#[tokio::test]
async fn a_caller_that_goes_away_wakes_the_next() {
    let quotas = quotas(None);
    let account = account(1);
    drain(&quotas, &account).await;
    let mut gone = Box::pin(admit(&quotas, ASSIGNMENTS, &account, Priority::Sync));
    let mut next = Box::pin(admit(&quotas, ASSIGNMENTS, &account, Priority::Sync));
    assert!(poll!(gone.as_mut()).is_pending());
    assert!(poll!(next.as_mut()).is_pending());
    drop(gone);
    tokio::time::timeout(Duration::from_secs(2), next).await.expect("nobody else waits");
}

#[tokio::test]
async fn no_more_calls_are_in_flight_than_the_bound_allows() {
    let quotas = quotas(Some(2));
    let flying = AtomicU64::new(0);
    let most = AtomicU64::new(0);
    let calls = (0..12).map(|n| {
        let (quotas, flying, most) = (&quotas, &flying, &most);
        async move {
            let operation = if n % 2 == 0 { ASSIGNMENTS } else { ACCOUNTS };
            let admission = admit(quotas, operation, &account(n), Priority::Sync).await;
            most.fetch_max(flying.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            flying.fetch_sub(1, Ordering::SeqCst);
            drop(admission);
        }
    });
    join_all(calls).await;
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_throttled_account_holds_no_slot_while_it_waits() {
    let quotas = quotas(Some(1));
    let slow = account(1);
    let admission = admit(&quotas, ASSIGNMENTS, &slow, Priority::Sync).await;
    admission.throttled(Some(Duration::from_mins(5)));
    drop(admission);
    let mut waiting = Box::pin(admit(&quotas, ASSIGNMENTS, &slow, Priority::Sync));
    assert!(poll!(waiting.as_mut()).is_pending());
    let free = account(2);
    let mut other = Box::pin(admit(&quotas, ASSIGNMENTS, &free, Priority::Sync));
    assert!(poll!(other.as_mut()).is_ready());
}

#[tokio::test]
async fn tokens_do_not_pile_up_in_front_of_a_busy_slot() {
    let quotas = quotas(Some(1));
    let (holder, subject) = (account(1), account(2));
    let busy = admit(&quotas, ASSIGNMENTS, &holder, Priority::Sync).await;
    let start = Instant::now();
    let call = async || drop(admit(&quotas, ASSIGNMENTS, &subject, Priority::Sync).await);
    let calls = async {
        join_all((0..BURST + 6).map(|_| call())).await;
        start.elapsed()
    };
    let release = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(busy);
    };
    let (took, ()) = tokio::join!(calls, release);
    // Half a second of waiting earned no tokens beyond the burst: the six others came at 20 per second.
    assert!(took >= Duration::from_millis(790), "{took:?}");
}

#[tokio::test]
async fn calls_that_fetch_credentials_need_no_slot() {
    let quotas = quotas(Some(1));
    let only = account(1);
    let _busy = admit(&quotas, ASSIGNMENTS, &only, Priority::Sync).await;
    let mut fetch = Box::pin(quotas.admit(ACCOUNTS, None, quotas.ticket(Priority::Provisioning), false));
    assert!(poll!(fetch.as_mut()).is_ready());
}

#[tokio::test]
async fn without_quotas_only_the_bound_holds() {
    let quotas = Quotas::new(&QuotaSetting::Off, NonZeroUsize::new(1)).unwrap();
    let subject = account(1);
    let many = async {
        for _ in 0..1000 {
            admit(&quotas, ASSIGNMENTS, &subject, Priority::Sync).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), many).await.expect("nothing slows them down");
    let _busy = admit(&quotas, ASSIGNMENTS, &subject, Priority::Sync).await;
    let mut second = Box::pin(admit(&quotas, ASSIGNMENTS, &subject, Priority::Sync));
    assert!(poll!(second.as_mut()).is_pending());
}

#[test]
fn a_quota_file_that_cannot_be_read_is_named() {
    let error = Quotas::new(&QuotaSetting::File("/nowhere/rates.yaml".into()), None).unwrap_err().to_string();
    assert!(error.starts_with("BATON_AWS_QUOTAS: /nowhere/rates.yaml: "), "{error}");
}
