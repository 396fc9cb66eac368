use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use testbed::control_plane::replay::{Divergence, ReplayError};
use testbed::control_plane::{Kind, Replay, Server, task};

use crate::connector::{Connector, server, upload_of};

/// Does every task right until the server has none left; `weary` gives up on syncs.
async fn work(server: &Server, weary: bool) {
    let mut connector = Connector::start(server).await;
    connector.hello("").await.unwrap();
    loop {
        let Some(task) = connector.poll().await.unwrap() else {
            tokio::task::yield_now().await;
            continue;
        };
        match Kind::of(&task) {
            Kind::Hello => connector.hello(&task.id).await.unwrap(),
            Kind::SyncFull if !weary => {
                connector.upload(upload_of(&task.id, &[b"C1ZF\0"])).await.unwrap();
                connector.succeed(&task.id, None).await.unwrap();
            }
            _ => connector.fail(&task.id, true).await.unwrap(),
        }
    }
}

/// A run with a hello, a sync and a task that fails; its transcript as the command writes it.
async fn record(path: &Path) {
    let server = server().await;
    let ids = [task::hello(), task::sync_full(), task::revoke(testbed::proto::v2::Grant::default())]
        .map(|task| server.push(task));
    let all = async {
        for id in &ids {
            server.ended(id).await.unwrap();
        }
    };
    tokio::select! {
        () = all => {}
        () = work(&server, false) => unreachable!("a connector works for ever"),
    }
    let lines = server
        .transcript()
        .iter()
        .map(|entry| serde_json::to_string(entry).unwrap() + "\n")
        .collect::<String>();
    fs::write(path, lines).unwrap();
}

async fn replay(path: &Path, weary: bool) -> (Result<(), Divergence>, Vec<String>) {
    let replay = Replay::from_path(path).unwrap();
    let server = server().await;
    let mut told = Vec::new();
    let played = tokio::select! {
        played = replay.play(&server, 1, |line| told.push(line)) => played,
        () = work(&server, weary) => unreachable!("a connector works for ever"),
    };
    assert!(server.violations().is_empty());
    (played, told)
}

#[tokio::test]
async fn a_replay_hands_out_the_same_tasks_and_they_end_as_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("transcript.jsonl");
    record(&path).await;
    let (played, told) = replay(&path, false).await;
    played.unwrap();
    assert_eq!(told, ["handed out 3 tasks", "3 tasks ended as recorded"]);
}

#[tokio::test]
async fn a_task_that_ends_otherwise_is_named_with_both_outcomes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("transcript.jsonl");
    record(&path).await;
    let (played, _) = replay(&path, true).await;
    let Divergence::Outcomes(otherwise) = played.unwrap_err() else { panic!("a task did not end") };
    let [only] = &otherwise[..] else { panic!("{otherwise:?}") };
    assert!(only.ends_with(": final error of code 14 and 0 files, recorded: success and 1 files"), "{only}");
}

#[tokio::test]
async fn the_distances_of_a_replay_are_divided() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("transcript.jsonl");
    record(&path).await;
    // The first line moves an hour back: all tasks are an hour away from it.
    let text = fs::read_to_string(&path).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let mut first: serde_json::Value = serde_json::from_str(first).unwrap();
    let at: jiff::Timestamp = first["at"].as_str().unwrap().parse().unwrap();
    first["at"] = (at - jiff::SignedDuration::from_hours(1)).to_string().into();
    fs::write(&path, format!("{first}\n{rest}")).unwrap();

    let replay = Replay::from_path(&path).unwrap();
    let server = server().await;
    let begun = Instant::now();
    tokio::select! {
        played = replay.play(&server, 36_000, |_| {}) => played.unwrap(),
        () = work(&server, false) => unreachable!("a connector works for ever"),
    }
    assert!(begun.elapsed() >= Duration::from_millis(100), "the tasks came at once");
}

#[test]
fn a_file_that_is_no_transcript_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("transcript.jsonl");
    let good =
        r#"{"number":0,"at":"2026-01-01T00:00:00Z","event":"connected","alpn":"h2","answer":"accepted"}"#;
    let bad = r#"{"at":"2026-01-01T00:00:00Z","event":"poll","offered":[{"protobuf":"!"}]}"#;
    fs::write(&path, format!("{good}\n{bad}\n")).unwrap();
    let error = Replay::from_path(&path).unwrap_err();
    assert!(matches!(&error, ReplayError::Line { line: 2, fault } if fault.contains("base64")), "{error}");
    assert!(matches!(Replay::from_path(&directory.path().join("none")), Err(ReplayError::Read(_))));
}
