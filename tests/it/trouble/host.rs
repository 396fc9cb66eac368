//! A host that has no room, no names, or too few descriptors to waste.

use std::process::{Command, Output};
use std::time::Duration;

use batond::daemon::Ended;
use testbed::aws::{Fixture, Server as Aws};
use testbed::control_plane::{Fault, Rpc, task};

use crate::daemon_calls::server;
use crate::daemon_process::{assert_lines_without_secrets, batond, end, terminate};
use crate::daemon_tasks::{PATIENCE, World, is_accepted_hello};

#[tokio::test]
async fn a_full_disk_fails_the_sync_as_retryable_and_leaves_nothing() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    let inner = batond(&aws, &plane, directory.path());
    // No file may grow beyond eight blocks; the signal that says so is ignored, so that the write fails.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\"", env!("CARGO_BIN_EXE_batond")]);
    command.env_clear().current_dir(directory.path());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    plane.wait_for(is_accepted_hello).await.unwrap();
    let sync = plane.push(task::sync_full());
    let entry = plane
        .wait_for(|entry| {
            matches!(&entry.event, testbed::control_plane::transcript::Event::Finish(it) if it.task_id == sync)
        })
        .await
        .unwrap();
    let testbed::control_plane::transcript::Event::Finish(finish) = entry.event else { panic!("{entry:?}") };
    assert!(!finish.success && !finish.non_retryable, "{finish:?}");
    plane.cancel(&sync);
    let hello = plane.push(task::hello());
    plane.greeted(&hello).await.unwrap();
    terminate(&child);
    let output = end(child).await;
    assert_lines_without_secrets(&output, &plane, &aws);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert!(plane.uploads(&sync).is_empty());
}

#[tokio::test]
async fn a_name_that_is_not_resolved_is_waited_for_and_the_stop_is_obeyed() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let child = batond(&aws, &plane, directory.path())
        .env("BATON_C1_API_HOST", "control-plane.invalid")
        .env("BATON_LOG_PATH", &log)
        .spawn()
        .unwrap();
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    let said = async {
        while !text().contains("hello failed; trying again") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.unwrap();
    terminate(&child);
    let output = Output { stderr: text().into_bytes(), ..end(child).await };
    let lines = assert_lines_without_secrets(&output, &plane, &aws);
    assert_eq!(output.status.code(), Some(0), "{lines:#?}");
    let waited = |line: &serde_json::Value| {
        line["msg"] == "hello failed; trying again"
            && line["error"].as_str().is_some_and(|error| error.contains("control-plane.invalid"))
    };
    assert!(lines.iter().any(waited), "{lines:#?}");
}

#[tokio::test]
async fn descriptors_and_files_do_not_grow_with_the_trouble() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    let child = batond(&aws, &plane, directory.path()).env("BATON_LOG_LEVEL", "warn").spawn().unwrap();
    // Little is logged: nobody reads the pipe meanwhile.
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
    let round = async || {
        plane.fault(Rpc::UploadAsset, &Fault::LoseReply, 1);
        plane.expire_tokens();
        let sync = plane.push(task::sync_full());
        assert!(plane.finished(&sync).await.unwrap().success);
    };
    round().await;
    let before = descriptors();
    for _ in 0..5 {
        round().await;
    }
    // Connections come and go; what leaks grows with each round.
    assert!(descriptors() <= before + 4, "{before} descriptors have become {}", descriptors());
    terminate(&child);
    let output = end(child).await;
    assert_lines_without_secrets(&output, &plane, &aws);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_work_directory_that_is_gone_fails_syncs_and_nothing_else() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    for entry in std::fs::read_dir(world.dir.path()).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    let sync = world.plane.push(task::sync_full());
    let finish = world.report(&sync).await;
    assert!(!finish.success && !finish.non_retryable, "{finish:?}");
    assert!(finish.message.contains("work directory"), "{finish:?}");
    let hello = world.plane.push(task::hello());
    world.plane.greeted(&hello).await.unwrap();
    assert_eq!(daemon.stop().await, Ended::Cleanly);
}
