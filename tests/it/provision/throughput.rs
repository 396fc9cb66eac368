//! Many assignments at once, at AWS's own limits.

use std::time::{Duration, Instant};

use batond::config::QuotaSetting;
use futures::StreamExt as _;
use testbed::aws::{Fixture, PrincipalType, Quotas, Server, Shape};

use super::bench::{Bench, CREATE, CREATED, LIST, Through};
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
