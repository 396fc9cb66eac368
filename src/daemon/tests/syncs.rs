//! Syncs of tasks: shared crawls, and uploads that are held.

use super::super::interval;
use super::*;
use crate::config::BreakerSettings;
use crate::sync::seal::Counts;
use crate::tasks::Breaker;

/// A sync of one type with so many users.
fn census(id: &str, users: u64) -> Census {
    let types = [("sso_user".to_owned(), Counts { resources: users, grants: 0 })].into();
    Census { sync_id: id.into(), types, ..Census::default() }
}

fn crawls(bench: &Bench) -> usize {
    bench.engine.began.lock().unwrap().iter().filter(|(_, what)| what == "sync").count()
}

fn uploads(bench: &Bench) -> usize {
    bench.service.times(|call| matches!(call, Call::Upload(Some(_)))).len()
}

fn succeeded(finish: &BatonServiceFinishTaskRequest) -> bool {
    matches!(finish.final_state, Some(FinalState::Success(_)))
}

#[tokio::test(start_paused = true)]
async fn a_task_that_comes_during_a_crawl_with_its_options_joins_it() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_mins(1)); 2]);
    let first = bench.runner.run(sync("a"));
    let second = async {
        sleep(Duration::from_secs(50)).await;
        bench.runner.run(sync("b")).await;
    };
    let began = Instant::now();
    tokio::join!(first, second);
    assert!(began.elapsed() < Duration::from_secs(70), "{:?}", began.elapsed());
    assert_eq!((crawls(&bench), uploads(&bench)), (1, 2));
    assert!(bench.service.finishes().iter().all(succeeded));
    // It is over: the next one begins anew.
    bench.runner.run(sync("c")).await;
    assert_eq!(crawls(&bench), 2);
    assert_eq!(bench.files(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_with_other_options_has_its_own_crawl() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_mins(1)); 2]);
    let order = SyncFullTask { skip_grants: true, ..Default::default() };
    tokio::join!(bench.runner.run(sync("a")), bench.runner.run(task("b", TaskType::SyncFull(order))));
    assert_eq!((crawls(&bench), uploads(&bench)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_crawl_goes_on_for_who_joined_it_when_the_first_task_is_cancelled() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_mins(2))]);
    bench.service.script().next_heartbeat = Duration::from_secs(30);
    // The first task is told so at its second heartbeat; the other has its first in between.
    bench.service.script().heartbeats = [Ok(false), Ok(false), Ok(true)].into();
    let second = async {
        sleep(Duration::from_secs(10)).await;
        bench.runner.run(sync("b")).await;
    };
    tokio::join!(bench.runner.run(sync("a")), second);
    let finishes = bench.service.finishes();
    assert_eq!((finishes[0].task_id.as_str(), failure(&finishes[0]).0), ("a", Code::Cancelled));
    assert_eq!(finishes[1].task_id, "b");
    assert!(succeeded(&finishes[1]));
    assert_eq!((crawls(&bench), uploads(&bench)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_crawl_that_nobody_waits_for_ends_and_leaves_no_file() {
    let bench = Bench::new().acts([Act::Hang]);
    bench.service.script().next_heartbeat = Duration::from_secs(30);
    bench.service.script().heartbeats = [Ok(false), Ok(false), Ok(true), Ok(true)].into();
    tokio::join!(bench.runner.run(sync("a")), bench.runner.run(sync("b")));
    let finishes = bench.service.finishes();
    assert_eq!(finishes.iter().map(failure).collect::<Vec<_>>(), [(Code::Cancelled, false); 2]);
    assert_eq!((crawls(&bench), bench.files()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_crawl_that_a_change_overtook_is_joined_by_nobody() {
    let bench = Bench::new().acts([Act::Succeed(Duration::from_mins(1)), Act::Succeed(Duration::ZERO)]);
    let changed = async {
        sleep(Duration::from_secs(10)).await;
        bench.runner.run(grant("g")).await;
        bench.runner.run(sync("b")).await;
    };
    tokio::join!(bench.runner.run(sync("a")), changed);
    assert_eq!((crawls(&bench), uploads(&bench)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_crawl_that_fails_fails_all_who_joined_it_alike() {
    let bench = Bench::new().acts([Act::FailLater(Code::Unavailable)]);
    tokio::join!(bench.runner.run(sync("a")), bench.runner.run(sync("b")));
    let finishes = bench.service.finishes();
    assert_eq!(finishes.iter().map(failure).collect::<Vec<_>>(), [(Code::Unavailable, false); 2]);
    assert_eq!((crawls(&bench), bench.files()), (1, 0));
}

/// Runs the task, and says whether its sync was uploaded. One that was not is held, with its numbers.
async fn is_uploaded(bench: &Bench, id: &str) -> bool {
    let before = uploads(bench);
    bench.runner.run(sync(id)).await;
    let finish = bench.service.finishes().pop().unwrap();
    if !succeeded(&finish) {
        assert_eq!(failure(&finish), (Code::FailedPrecondition, false), "{id}");
        let message = finish.status.unwrap().message;
        assert!(message.contains("sso_user resources fell from 4000 to"), "{message}");
        assert!(message.contains("BATON_ALLOW_COLLAPSE"), "{message}");
    }
    uploads(bench) > before
}

#[tokio::test(start_paused = true)]
async fn a_collapse_is_held_with_its_numbers_until_a_later_task_finds_the_same() {
    let bench = Bench::new();
    let users = [4000, 12, 12, 12, 12, 4000, 13];
    let found = users.iter().zip(0..).map(|(users, number)| census(&format!("{number}"), *users));
    bench.engine.censuses.lock().unwrap().extend(found);
    assert!(is_uploaded(&bench, "a").await);
    assert!(!is_uploaded(&bench, "b").await);
    sleep(Duration::from_secs(2)).await;
    assert!(!is_uploaded(&bench, "b").await, "the held task, handed out again");
    assert!(!is_uploaded(&bench, "c").await, "another task, seconds later");
    sleep(Duration::from_mins(15)).await;
    assert!(is_uploaded(&bench, "d").await);
    // What was found once is no news the next time.
    assert!(is_uploaded(&bench, "e").await);
    assert!(!is_uploaded(&bench, "f").await);
    assert_eq!((crawls(&bench), bench.files()), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn a_crawl_that_fails_in_between_makes_a_held_sync_wait_anew() {
    let quarter = Duration::from_mins(15);
    let bench = Bench::new();
    let found =
        [4000, 12, 12, 12].iter().zip(0..).map(|(users, number)| census(&format!("{number}"), *users));
    bench.engine.censuses.lock().unwrap().extend(found);
    assert!(is_uploaded(&bench, "a").await);
    assert!(!is_uploaded(&bench, "b").await);
    bench.engine.acts.lock().unwrap().push_back(Act::Fail(Code::Unavailable));
    bench.runner.run(sync("c")).await;
    sleep(quarter).await;
    assert!(!is_uploaded(&bench, "d").await);
    sleep(quarter).await;
    assert!(is_uploaded(&bench, "e").await);
}

#[tokio::test(start_paused = true)]
async fn two_tasks_that_share_a_crawl_do_not_confirm_it() {
    let mut bench = Bench::new();
    let at_once = BreakerSettings { confirm_after: Duration::ZERO, ..Default::default() };
    bench.runner.context.breaker = Arc::new(Breaker::new(at_once));
    bench.engine.censuses.lock().unwrap().extend([census("1", 4000), census("2", 12), census("3", 12)]);
    bench.runner.run(sync("a")).await;
    bench.engine.acts.lock().unwrap().push_back(Act::Succeed(Duration::from_secs(1)));
    tokio::join!(bench.runner.run(sync("b")), bench.runner.run(sync("c")));
    assert_eq!((crawls(&bench), uploads(&bench)), (2, 1));
    bench.runner.run(sync("d")).await;
    assert_eq!(uploads(&bench), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_control_plane_a_collapse_leaves_the_file_until_a_later_crawl_finds_the_same() {
    let bench = Bench::new();
    let found =
        [4000, 12, 12, 12].iter().zip(0..).map(|(users, number)| census(&format!("{number}"), *users));
    bench.engine.censuses.lock().unwrap().extend(found);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sync.c1z");
    let (intake, work) = (CancellationToken::new(), CancellationToken::new());
    let interval = Duration::from_mins(10);
    let refreshing =
        interval::refresh(bench.runner.context.clone(), file.clone(), interval, intake.clone(), work.clone());
    let watching = async {
        // Blocking work takes no time of the paused clock, but it has to be waited for.
        let crawled = async |count: usize| {
            while crawls(&bench) < count {
                sleep(Duration::from_secs(1)).await;
            }
            sleep(Duration::from_secs(30)).await;
        };
        crawled(1).await;
        assert!(file.exists());
        std::fs::remove_file(&file).unwrap();
        crawled(2).await;
        crawled(3).await;
        assert!(!file.exists(), "a collapse that nobody confirmed");
        crawled(4).await;
        assert!(file.exists());
        intake.cancel();
    };
    tokio::join!(refreshing, watching);
}

#[tokio::test(start_paused = true)]
async fn a_sync_whose_upload_failed_is_no_baseline() {
    let bench = Bench::new();
    bench.engine.censuses.lock().unwrap().extend([census("1", 4000), census("2", 12)]);
    bench.service.script().upload_errors = vec![Code::Unavailable; 3].into();
    bench.runner.run(sync("a")).await;
    assert_eq!(uploads(&bench), 0);
    bench.runner.run(sync("b")).await;
    assert_eq!(uploads(&bench), 1, "nothing that was uploaded is known, and twelve users are some");
}
