//! The binary as a pod runs it: environment in, JSON lines and an exit code out, SIGTERM in between.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use testbed::aws::{Effect, Fault as AwsFault, Fixture, Server as Aws};
use testbed::control_plane::{Fault, Rpc, Server, task};
use testbed::proto::api::Task;

use crate::daemon_calls::server;

/// The binary with nothing of this environment but what reaches both halves of the testbed.
pub(crate) fn batond(aws: &Aws, plane: &Server, directory: &Path) -> Command {
    let keys = aws.credentials();
    let mut command = Command::new(env!("CARGO_BIN_EXE_batond"));
    command
        .env_clear()
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("TMPDIR", directory)
        .env("SSL_CERT_FILE", plane.ca_pem_path())
        .env("BATON_CLIENT_ID", plane.client_id())
        .env("BATON_CLIENT_SECRET", plane.client_secret())
        .env("BATON_HOST_ID", "pod-0")
        .env("BATON_GLOBAL_REGION", "us-east-1")
        .env("BATON_GLOBAL_ACCESS_KEY_ID", keys.access_key_id)
        .env("BATON_GLOBAL_SECRET_ACCESS_KEY", keys.secret_access_key)
        .env("BATON_GLOBAL_AWS_ORGS_ENABLED", "true")
        .env("BATON_GLOBAL_AWS_SSO_ENABLED", "true")
        .env("BATON_AWS_QUOTAS", "off")
        .env("BATON_LOG_LEVEL", "debug")
        .env("AWS_ENDPOINT_URL", aws.url());
    command
}

pub(crate) fn terminate(child: &Child) {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits for the end without holding up the servers, which live in this process.
pub(crate) async fn end(child: Child) -> Output {
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap()
}

pub(crate) fn assert_lines_without_secrets(output: &Output, plane: &Server, aws: &Aws) -> Vec<Value> {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let mut secrets = plane.secrets();
    secrets.push(aws.credentials().secret_access_key);
    for secret in secrets {
        assert!(!text.contains(&secret), "a secret is in the log");
    }
    assert!(output.stdout.is_empty());
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[tokio::test]
async fn a_pod_serves_and_ends_with_0_on_sigterm() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    // Nothing is under way at the stop, so it takes none of the time that it may.
    let grace = ("BATON_SHUTDOWN_GRACE_PERIOD", "1h");
    let child = batond(&aws, &plane, directory.path()).env(grace.0, grace.1).spawn().unwrap();
    let sync = plane.push(task::sync_full());
    let finish = plane.finished(&sync).await.unwrap();
    assert!(finish.success, "{finish:?}");
    terminate(&child);
    let output = end(child).await;
    let lines = assert_lines_without_secrets(&output, &plane, &aws);
    assert_eq!(output.status.code(), Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line["task_id"] == *sync), "{lines:#?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert!(plane.violations().is_empty(), "{:#?}", plane.violations());
}

#[tokio::test]
async fn a_task_that_asks_gets_its_debug_log_and_the_pods_log_stays_terse() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    let child = batond(&aws, &plane, directory.path()).env("BATON_LOG_LEVEL", "warn").spawn().unwrap();
    let sync = plane.push(Task { debug: true, ..task::sync_full() });
    assert!(plane.finished(&sync).await.unwrap().success);
    terminate(&child);
    let output = end(child).await;
    assert!(assert_lines_without_secrets(&output, &plane, &aws).is_empty());

    let uploads = plane.uploads(&sync);
    assert_eq!(uploads.len(), 2);
    let text = std::fs::read_to_string(uploads[1].path.as_ref().unwrap()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["level"] == "debug"), "{text}");
    assert!(lines.iter().all(|line| line["task_id"] == *sync && line["task_type"] == "sync_full"), "{text}");
    let mut secrets = plane.secrets();
    secrets.push(aws.credentials().secret_access_key);
    assert!(secrets.iter().all(|secret| !text.contains(secret)), "a secret is in the debug log");
}

#[tokio::test]
async fn a_pod_whose_identity_is_refused_ends_with_16_and_says_what_to_check() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    plane.fault(Rpc::Token, &Fault::Http(401), 9);
    let output = end(batond(&aws, &plane, directory.path()).spawn().unwrap()).await;
    let lines = assert_lines_without_secrets(&output, &plane, &aws);
    assert_eq!(output.status.code(), Some(16), "{lines:#?}");
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "error");
    assert!(last["error"].as_str().unwrap().contains("BATON_CLIENT_SECRET"), "{last:#?}");
}

#[tokio::test]
async fn a_one_shot_run_sweeps_what_killed_runs_left_and_leaves_its_file_alone() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    let leftovers = directory.path().join("batond-work-dead");
    std::fs::create_dir(&leftovers).unwrap();
    std::fs::write(leftovers.join(".lock"), "").unwrap();
    std::fs::write(directory.path().join(".sync.c1zA1b2C3.tmp"), "half").unwrap();
    let mut command = batond(&aws, &plane, directory.path());
    command.env_remove("BATON_CLIENT_ID").env_remove("BATON_CLIENT_SECRET").args(["--file", "sync.c1z"]);
    let output = end(command.spawn().unwrap()).await;
    let lines = assert_lines_without_secrets(&output, &plane, &aws);
    assert_eq!(output.status.code(), Some(0), "{lines:#?}");
    let left = std::fs::read_dir(directory.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["sync.c1z"]);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_before_aws_is_asked() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    for interval in [None, Some("1h")] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = batond(&aws, &plane, directory.path());
        command.env_remove("BATON_CLIENT_ID").env_remove("BATON_CLIENT_SECRET");
        command.args(["--file", "missing/sync.c1z"]);
        if let Some(interval) = interval {
            command.env("BATON_SYNC_INTERVAL", interval);
        }
        let output = end(command.spawn().unwrap()).await;
        let lines = assert_lines_without_secrets(&output, &plane, &aws);
        assert_eq!(output.status.code(), Some(2), "{lines:#?}");
        let last = lines.last().unwrap();
        assert!(last["error"].as_str().unwrap().contains("missing/sync.c1z"), "{last:#?}");
        assert_eq!(aws.counters().calls("sts:GetCallerIdentity"), 0);
    }
}

#[tokio::test]
async fn a_sync_that_ends_incomplete_is_a_warning_with_its_count() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    aws.arm(AwsFault::new("organizations:ListRoots", Effect::Deny));
    let directory = tempfile::tempdir().unwrap();
    let mut command = batond(&aws, &plane, directory.path());
    command.env_remove("BATON_CLIENT_ID").env_remove("BATON_CLIENT_SECRET").args(["--file", "sync.c1z"]);
    let output = end(command.spawn().unwrap()).await;
    let lines = assert_lines_without_secrets(&output, &plane, &aws);
    assert_eq!(output.status.code(), Some(0), "{lines:#?}");
    let is_end = |line: &&Value| line["msg"].as_str().unwrap().starts_with("sync incomplete");
    let last = lines.iter().find(is_end).unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!(last["level"], "warn");
    let expected = format!("sync incomplete: {} parts could not be read", last["incomplete"]);
    assert_eq!(last["msg"], expected.as_str());
    assert!(last["sync_id"].is_string(), "{last:#?}");
}

#[tokio::test]
async fn the_log_of_a_running_pod_becomes_verbose_and_terse_again() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("batond.log");
    let pod = || {
        let mut command = batond(&aws, &plane, directory.path());
        command.env("BATON_LOG_LEVEL", "warn").env("BATON_LOG_PATH", &log);
        command
    };
    let order = async |words: &[&str]| {
        let output = end(pod().arg("log-level").args(words).spawn().unwrap()).await;
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // What the log says of one sync.
    let lines_of_a_sync = async || {
        let sync = plane.push(task::sync_full());
        assert!(plane.finished(&sync).await.unwrap().success);
        let text = std::fs::read_to_string(&log).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line["task_id"] == *sync).count()
    };
    let (code, text) = order(&["debug"]).await;
    assert_eq!(code, Some(14), "{text}");
    let child = pod().spawn().unwrap();
    assert_eq!(lines_of_a_sync().await, 0);
    let verbose = order(&["debug", "--for", "1h"]).await;
    assert_eq!(verbose, (Some(0), "log level is DEBUG for 3600 s\n".to_owned()));
    assert!(lines_of_a_sync().await > 10);
    assert_eq!(order(&["reset"]).await, (Some(0), "log level is WARN\n".to_owned()));
    assert_eq!(lines_of_a_sync().await, 0);
    terminate(&child);
    assert_eq!(end(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn every_line_of_the_work_names_its_task() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    let child = batond(&aws, &plane, directory.path()).spawn().unwrap();
    let sync = plane.push(task::sync_full());
    assert!(plane.finished(&sync).await.unwrap().success);
    terminate(&child);
    let lines = assert_lines_without_secrets(&end(child).await, &plane, &aws);
    let begins = lines.iter().position(|line| line["msg"] == "task begins").unwrap();
    let ends = lines.iter().position(|line| line["msg"] == "task ends: done").unwrap();
    // Meanwhile the poller may ask for more.
    let is_work = |line: &&Value| !line["caller"].as_str().unwrap().starts_with("daemon/poller.rs");
    let work: Vec<_> = lines[begins..=ends].iter().filter(is_work).collect();
    assert!(work.len() > 10, "{lines:#?}");
    for line in work {
        assert_eq!(
            (&line["task_id"], &line["task_type"]),
            (&(*sync).into(), &"sync_full".into()),
            "{line:#?}"
        );
    }
}
