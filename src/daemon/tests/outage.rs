//! A control plane that is away for ten minutes.

use super::*;

const OUTAGE: Duration = Duration::from_mins(10);

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_a_control_plane_at_the_start_are_waited_out() {
    let bench = Bench::new();
    bench.service.script().hello_errors = vec![Code::Unavailable; 1000].into();
    let back = async {
        sleep(OUTAGE).await;
        bench.service.script().hello_errors.clear();
    };
    let began = Instant::now();
    let (greeted, ()) = tokio::join!(start::hello(&bench.runner.client, &*bench.engine), back);
    greeted.unwrap();
    // The longest wait is five minutes.
    assert!(began.elapsed() < OUTAGE + Duration::from_mins(6), "{:?}", began.elapsed());
    let hellos = bench.service.times(|call| matches!(call, Call::Hello { .. })).len();
    assert!((8..20).contains(&hellos), "{hellos}");
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_a_control_plane_in_mid_upload_cost_the_sync_and_not_its_outcome() {
    let bench = Bench::new();
    bench.service.script().next_heartbeat = Duration::from_mins(5);
    {
        let mut script = bench.service.script();
        script.upload_errors = vec![Code::Unavailable; 1000].into();
        script.finish_errors = vec![Code::Unavailable; 1000].into();
        script.heartbeats =
            std::iter::once(Ok(false)).chain((0..100).map(|_| Err(Code::Unavailable))).collect();
    }
    let back = async {
        sleep(OUTAGE).await;
        let mut script = bench.service.script();
        script.upload_errors.clear();
        script.finish_errors.clear();
        script.heartbeats.clear();
    };
    tokio::join!(bench.runner.run(sync("a")), back);
    let reports = bench.service.finishes();
    let last = reports.last().unwrap();
    assert_eq!((last.task_id.as_str(), failure(last)), ("a", (Code::Unavailable, false)));
    assert!(
        reports.len() > 10 && reports.iter().all(|report| report == last),
        "one outcome, told again and again"
    );
    assert_eq!(bench.files(), 0);
    // The next one succeeds.
    bench.runner.run(sync("b")).await;
    assert!(matches!(bench.service.finishes().last().unwrap().final_state, Some(FinalState::Success(_))));
}
