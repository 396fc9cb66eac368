use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn testbed(directory: &Path, scenario: &str) -> Output {
    let file = directory.join("scenario.yaml");
    fs::write(&file, scenario).unwrap();
    Command::new(env!("CARGO_BIN_EXE_testbed"))
        .env_clear()
        .args(["control-plane", "--scenario"])
        .arg(file)
        .arg("--directory")
        .arg(directory.join("out"))
        .output()
        .unwrap()
}

#[test]
fn a_scenario_without_tasks_leaves_its_files_and_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let output = testbed(directory.path(), "steps: [wait: 1ms, go_away]");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr, "step 1 of 2: waited 1ms\nstep 2 of 2: told all connections to end\n");

    let out = directory.path().join("out");
    let env = fs::read_to_string(out.join("env")).unwrap();
    assert_eq!(env, String::from_utf8(output.stdout).unwrap());
    let ca = fs::canonicalize(&out).unwrap().join("ca.pem");
    let lines: Vec<_> = env.lines().collect();
    assert!(lines[0].starts_with("BATON_CLIENT_ID='test-connector@localhost:"), "{env}");
    assert!(lines[1].starts_with("BATON_CLIENT_SECRET='secret-token:conductorone.com:v1:"), "{env}");
    assert_eq!(lines[2], format!("SSL_CERT_FILE='{}'", ca.display()));
    assert!(fs::read_to_string(ca).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(fs::read_to_string(out.join("transcript.jsonl")).unwrap(), "");
}

#[test]
fn a_connector_that_never_comes_fails_the_scenario() {
    let directory = tempfile::tempdir().unwrap();
    let output = testbed(directory.path(), "patience: 50ms\nsteps: [hello]");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("testbed control-plane: step 1 did not end\n  because: waited 50ms"),
        "{stderr}"
    );
}

#[test]
fn a_file_that_is_no_scenario_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let output = testbed(directory.path(), "steps: [dance]");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("dance"));
    assert!(!directory.path().join("out").exists());
}

#[tokio::test]
async fn what_came_stands_in_the_transcript_as_json_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let running = tokio::task::spawn_blocking(move || testbed(&path, "steps: [wait: 1s]"));
    let env = directory.path().join("out/env");
    let port = loop {
        if let Ok(text) = fs::read_to_string(&env) {
            break text.split([':', '/']).nth(1).unwrap().to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    drop(tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap());
    assert!(running.await.unwrap().status.success());
    let transcript = fs::read_to_string(directory.path().join("out/transcript.jsonl")).unwrap();
    let entry: Value = serde_json::from_str(transcript.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&entry["number"], &entry["event"], &entry["answer"]),
        (&0.into(), &"handshake_failed".into(), &"accepted".into())
    );
}
