//! Tasks that ask for their debug log.

use super::*;
use crate::config::LogSettings;
use crate::control_plane::scripted::Upload;
use crate::telemetry;

fn debugged(task: Task) -> Task {
    Task { debug: true, ..task }
}

fn uploads(bench: &Bench) -> Vec<Upload> {
    let upload = |(_, call): &(Instant, Call)| match call {
        Call::Upload(upload) => upload.clone(),
        _ => None,
    };
    bench.service.script().calls.iter().filter_map(upload).collect()
}

/// The log of this test alone.
fn log() -> tracing::subscriber::DefaultGuard {
    tracing::subscriber::set_default(telemetry::subscriber(&LogSettings::default(), std::io::sink()))
}

#[tokio::test(start_paused = true)]
async fn the_debug_log_follows_the_sync_of_the_task_that_asked_for_it() {
    let _log = log();
    let bench = Bench::new().acts([Act::Succeed(Duration::from_secs(5)); 2]);
    // At the same time, so that each could see the other's lines, and join the other's crawl.
    tokio::join!(bench.runner.run(sync("plain")), bench.runner.run(debugged(sync("debugged"))));
    let uploads = uploads(&bench);
    let of = |id: &str| uploads.iter().filter(|upload| upload.task_id == id).collect::<Vec<_>>();
    assert_eq!((of("plain").len(), of("debugged").len()), (1, 2));
    assert_eq!(of("debugged")[0].bytes, b"a whole sync");
    let text = String::from_utf8(of("debugged")[1].bytes.clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["msg"] == "scripted sync"), "{text}");
    assert!(lines.iter().all(|line| line["task_id"] == "debugged"), "{text}");
    assert_eq!(bench.engine.began.lock().unwrap().len(), 2, "its crawl is its own");
    assert_eq!(bench.files(), 0);
    // Nothing of it is left for the next task.
    bench.runner.run(sync("next")).await;
    assert_eq!(uploads.len() + 1, self::uploads(&bench).len());
}

#[tokio::test(start_paused = true)]
async fn a_debug_log_that_is_lost_leaves_the_sync_a_success() {
    let _log = log();
    let bench = Bench::new();
    // One whole upload ends after three messages; what follows fails.
    bench.service.script().upload_errors_after = Some(1);
    let finish = bench.run(debugged(sync("a"))).await;
    assert!(matches!(finish.final_state, Some(FinalState::Success(_))), "{finish:?}");
    assert_eq!((uploads(&bench).len(), bench.files()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn no_debug_log_is_sent_for_a_sync_that_failed_or_for_another_task() {
    let _log = log();
    let bench = Bench::new().acts([Act::Fail(Code::Unavailable)]);
    bench.runner.run(debugged(sync("a"))).await;
    bench.runner.run(debugged(grant("b"))).await;
    assert_eq!((uploads(&bench).len(), bench.files()), (0, 0));
    assert_eq!(bench.service.finishes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hello_task_whose_hello_fails_is_finished_and_may_come_again() {
    let bench = Bench::new();
    bench.service.script().hello_errors = [Code::Internal].into();
    let finish = bench.run(task("a", TaskType::Hello(HelloTask::default()))).await;
    assert_eq!(failure(&finish), (Code::Internal, false));
}
