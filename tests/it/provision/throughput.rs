//! Many assignments at once, at AWS's own limits.

use std::time::{Duration, Instant};

use batond::config::QuotaSetting;
use futures::StreamExt as _;
use testbed::aws::{Fixture, PrincipalType, Quotas, Server, Shape};

use super::bench::{ADMIN, Bench, CREATE, CREATED, LIST, SHOP, Through};
use crate::support;

const ACCOUNTS: usize = 60;
const USERS: usize = 20;
const SETTLE: Duration = Duration::from_secs(3);

/// `cargo test --release -p batond --test it -- --ignored twelve_hundred --nocapture`, recorded in docs/performance.md.
#[tokio::test]
#[ignore = "takes minutes"]
#[allow(clippy::print_stdout, reason = "figures for docs/performance.md")]
async fn twelve_hundred_assignments_over_sixty_accounts_all_succeed() {
    let shape = Shape { accounts: ACCOUNTS, users: 200, ..Shape::MEDIUM };
    let aws = Server::start(Fixture::generate(shape).unwrap()).await.unwrap();
    aws.set(|knobs| {
        knobs.settle = SETTLE;
        knobs.quotas = Quotas::Documented;
    });
    let mut settings = support::aws_settings(&aws);
    settings.quotas = QuotaSetting::Documented;
    let connector = batond::connector::Connector::open(&settings).await.unwrap();
    aws.reset_counters();
    let bench = Bench { aws, connector };
    let name =
        |account: usize| if account == 0 { "management".to_owned() } else { format!("account-{account:05}") };
    // The last set is on no pair of the generated organization that these users hold.
    let orders: Vec<_> = (0..USERS)
        .flat_map(|user| (0..ACCOUNTS).map(move |account| (user, account)))
        .map(|(user, account)| {
            let user = bench.user(&format!("user{user:06}@example.com"));
            (bench.access(Through::Account, &name(account), "Set-0019"), user)
        })
        .collect();
    let begun = Instant::now();
    let outcomes: Vec<_> = futures::stream::iter(&orders)
        .map(|(entitlement, user)| bench.grant("t", entitlement, user))
        .buffer_unordered(30)
        .collect()
        .await;
    let took = begun.elapsed();
    assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes.iter().find(|outcome| outcome.is_err()));
    for account in 0..ACCOUNTS {
        assert!(bench.aws.is_assigned(
            &name(account),
            "Set-0019",
            PrincipalType::User,
            "user000007@example.com"
        ));
    }
    let lists = bench.calls("sso:ListAccountAssignmentCreationStatus");
    println!(
        "{} assignments in {:.1} s; calls: {} submissions, {} lists of assignments, {} lists of what is in progress, {} \
         single looks, {} throttled",
        outcomes.len(),
        took.as_secs_f64(),
        bench.calls(CREATE),
        bench.calls(LIST),
        lists,
        bench.calls(CREATED),
        bench.aws.counters().throttled(CREATE)
            + bench.aws.counters().throttled(LIST)
            + bench.aws.counters().throttled(CREATED),
    );
}

/// `cargo test --release -p batond --test it -- --ignored latency --nocapture`, recorded in docs/performance.md.
#[tokio::test]
#[ignore = "measures time"]
#[allow(clippy::print_stdout, reason = "figures for docs/performance.md")]
async fn latency_added_to_the_time_that_aws_takes_to_settle() {
    let bench = Bench::start().await;
    let bob = bench.user("bob");
    let mut added = Vec::new();
    for step in 0..60_u32 {
        let entitlement = bench.access(Through::Account, SHOP, ADMIN);
        // Spread over two polls, so that no phase between settling and looking is preferred.
        let settle = Duration::from_secs(1) + Duration::from_micros(16_700) * step;
        bench.aws.set(|knobs| knobs.settle = settle);
        bench.aws.reset_counters();
        bench.grant("t", &entitlement, &bob).await.unwrap();
        let done = Instant::now();
        let calls = bench.aws.transcript();
        let last = calls.iter().rfind(|call| call.action == CREATED).unwrap();
        let first = calls.iter().find(|call| call.action == CREATE).unwrap();
        let seen = last.start.saturating_sub(first.start);
        added.push(seen.saturating_sub(settle) + done.elapsed());
        bench.aws.set(|knobs| knobs.settle = Duration::ZERO);
        bench.revoke("t", &entitlement, &bob).await.unwrap();
    }
    added.sort();
    let (median, most) = (added[added.len() / 2], added[added.len() - 1]);
    println!("{} assignments: median {median:.0?} after AWS, at most {most:.0?}", added.len());
    assert!(median <= Duration::from_millis(300) && most <= Duration::from_millis(600));
}
