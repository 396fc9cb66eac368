//! Several tasks in one call.

use super::*;

/// A bench that has asked to speak of several tasks at once.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.runner.pulse = Pulse::new(bench.runner.client.clone(), true);
    bench.service.script().next_heartbeat = Duration::from_secs(30);
    bench
}

/// The ids that each heartbeat named, single ones without the list.
fn heartbeats(bench: &Bench) -> Vec<(String, Vec<String>)> {
    let heartbeat = |(_, call): &(Instant, Call)| match call {
        Call::Heartbeat { task_id, task_ids } => Some((task_id.clone(), task_ids.clone())),
        _ => None,
    };
    bench.service.script().calls.iter().filter_map(heartbeat).collect()
}

async fn later(bench: &Bench, wait: u64, task: Task) {
    sleep(Duration::from_secs(wait)).await;
    bench.runner.run(task).await;
}

/// A sync with options of its own, so that it joins no other.
fn lone_sync(id: &str) -> Task {
    let order = SyncFullTask { skip_grants: true, ..Default::default() };
    task(id, TaskType::SyncFull(order))
}

#[tokio::test(start_paused = true)]
async fn one_heartbeat_names_all_leased_tasks_and_counts_for_each() {
    let bench = bench().acts([Act::Succeed(Duration::from_secs(100)); 2]);
    tokio::join!(bench.runner.run(sync("a")), later(&bench, 10, lone_sync("b")));
    let beats = heartbeats(&bench);
    let single = |id: &str| (id.to_owned(), Vec::new());
    let both = || ("a".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
    // 0 s and 10 s: the first of each. 30, 60, 90 s: both. After 100 s only b is left, until 110 s.
    assert_eq!(beats, [single("a"), single("b"), both(), both(), both()]);
    assert_eq!(bench.service.finishes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_the_answer_names_is_given_up_and_the_other_goes_on() {
    let bench = bench().acts([Act::Succeed(Duration::from_secs(100)); 2]);
    bench.service.script().cancelled = vec!["b".into()];
    tokio::join!(bench.runner.run(sync("a")), bench.runner.run(lone_sync("b")));
    let finishes = bench.service.finishes();
    assert_eq!((finishes[0].task_id.as_str(), failure(&finishes[0]).0), ("b", Code::Cancelled));
    assert!(matches!(finishes[1].final_state, Some(FinalState::Success(_))));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_no_batches_is_told_of_each_task() {
    for code in [Code::Unimplemented, Code::InvalidArgument] {
        let bench = bench().acts([Act::Succeed(Duration::from_secs(100)); 2]);
        bench.service.script().batch_errors = [code].into();
        tokio::join!(bench.runner.run(sync("a")), bench.runner.run(lone_sync("b")));
        let beats = heartbeats(&bench);
        assert_eq!(beats.iter().filter(|(_, several)| !several.is_empty()).count(), 1, "{beats:?}");
        assert_eq!(beats.len(), 1 + 2 * 4, "{beats:?}");
        assert!(
            bench.service.finishes().iter().all(|it| matches!(it.final_state, Some(FinalState::Success(_))))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_another_reason_is_asked_about_task_by_task() {
    let bench = bench().acts([Act::Succeed(Duration::from_secs(100)); 2]);
    bench.service.script().batch_errors = [Code::NotFound, Code::NotFound].into();
    tokio::join!(bench.runner.run(sync("a")), bench.runner.run(lone_sync("b")));
    let several = heartbeats(&bench).iter().filter(|(_, several)| !several.is_empty()).count();
    assert!(several > 2, "batches go on");
    assert!(bench.service.finishes().iter().all(|it| matches!(it.final_state, Some(FinalState::Success(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_service_without_batches_is_asked_for_tasks_one_by_one() {
    let bench = bench();
    bench.service.script().batch_errors = [Code::Unimplemented].into();
    bench.service.script().tasks = ["a", "b", "c"].map(grant).into();
    bench.poll(&DaemonSettings { get_tasks: true, ..Default::default() });
    assert_eq!(bench.reported(3).await.len(), 3);
    let pages: Vec<u32> = bench
        .service
        .script()
        .calls
        .iter()
        .filter_map(|(_, call)| match call {
            Call::Poll { page_size, .. } => Some(*page_size),
            _ => None,
        })
        .collect();
    assert_eq!(&pages[..4], [6, 1, 1, 1], "the first question is repeated at once in the other form");
    assert!(pages[1..].iter().all(|size| *size == 1));
}
