//! The metrics of a running daemon, and what is written of them.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Child;

use batond::telemetry::metrics::{CATALOGUE, Metric, Values};
use serde_json::Value;
use testbed::aws::{Fixture, Server as Aws};
use testbed::control_plane::{Fault, Rpc, task};

use crate::daemon_calls::server;
use crate::daemon_process::{batond, end, terminate};

/// Text of a file of the repository.
pub(crate) fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads the child's log up to the line with this message, and drains the rest in the background.
async fn line(child: &mut Child, message: &'static str) -> Value {
    let mut log = BufReader::new(child.stderr.take().unwrap());
    tokio::task::spawn_blocking(move || {
        let mut seen = String::new();
        loop {
            let from = seen.len();
            assert_ne!(log.read_line(&mut seen).unwrap(), 0, "no line {message:?} in\n{seen}");
            let line: Value = serde_json::from_str(&seen[from..]).unwrap();
            if line["msg"] == message {
                std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
                return line;
            }
        }
    })
    .await
    .unwrap()
}

/// The value of one series on a page.
fn value(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn a_daemon_shows_what_it_did_and_no_secret() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    plane.fault(Rpc::FinishTask, &Fault::Status(tonic::Code::Unavailable, "try later".into()), 1);
    let directory = tempfile::tempdir().unwrap();
    let mut command = batond(&aws, &plane, directory.path());
    command.env("BATON_METRICS_ADDRESS", "127.0.0.1:0").env("BATON_AWS_QUOTAS", "documented");
    let mut child = command.spawn().unwrap();
    let sync = plane.push(task::sync_full());
    let url =
        format!("http://{}/metrics", line(&mut child, "showing metrics").await["address"].as_str().unwrap());
    assert!(plane.finished(&sync).await.unwrap().success);

    let _ = rustls::crypto::ring::default_provider().install_default();
    let scrape = async || {
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(&url).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, answer.text().await.unwrap())
    };
    let (kind, mut page) = scrape().await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    // The task is in flight until the answer to its report has arrived.
    while value(&page, "batond_tasks_in_flight") != Some(0.0) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        page = scrape().await.1;
    }
    for (series, expected) in [
        ("batond_tasks_total{kind=\"sync_full\",outcome=\"done\"}", 1.0),
        ("batond_task_duration_seconds_count{kind=\"sync_full\"}", 1.0),
        ("batond_task_slots", 3.0),
        ("batond_control_plane_requests_total{method=\"Hello\",code=\"OK\"}", 1.0),
        ("batond_control_plane_requests_total{method=\"UploadAsset\",code=\"OK\"}", 1.0),
        ("batond_control_plane_requests_total{method=\"FinishTask\",code=\"OK\"}", 1.0),
        ("batond_control_plane_requests_total{method=\"FinishTask\",code=\"UNAVAILABLE\"}", 1.0),
        ("batond_outcome_retries_total", 1.0),
        ("batond_token_refreshes_total{outcome=\"ok\"}", 1.0),
        ("batond_syncs_total{outcome=\"complete\"}", 1.0),
        ("batond_sync_last_parts_incomplete", 0.0),
        ("batond_uploads_total{outcome=\"ok\"}", 1.0),
        ("batond_uploads_held_total", 0.0),
        ("batond_aws_requests_total{service=\"sts\",operation=\"GetCallerIdentity\"}", 1.0),
        ("batond_aws_quota_buckets_slowed{service=\"organizations\"}", 0.0),
    ] {
        assert_eq!(value(&page, series), Some(expected), "{series}\n{page}");
    }
    assert!(value(&page, "batond_polls_total{outcome=\"tasks\"}") >= Some(1.0), "{page}");
    assert!(value(&page, "batond_sync_last_rows{kind=\"grants\"}") > Some(0.0), "{page}");
    assert!(value(&page, "batond_aws_quota_busy_seconds_total{service=\"sso\"}") > Some(0.0), "{page}");
    let uploaded = value(&page, "batond_upload_bytes_total");
    assert_eq!(uploaded, value(&page, "batond_sync_last_file_bytes"));
    assert!(value(&page, "batond_sync_last_decoded_bytes") > uploaded, "{page}");
    assert!(uploaded > Some(1000.0) && value(&page, "batond_sync_age_seconds") < Some(60.0), "{page}");
    for hidden in plane.secrets().iter().chain([&aws.management_account()]) {
        assert!(!page.contains(hidden), "{hidden} is shown");
    }
    terminate(&child);
    assert_eq!(end(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn an_address_that_is_taken_ends_the_start() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let child =
        batond(&aws, &plane, directory.path()).env("BATON_METRICS_ADDRESS", &address).spawn().unwrap();
    let output = end(child).await;
    assert_eq!(output.status.code(), Some(2));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains(&format!("metrics cannot be shown on {address}")), "{log}");
}

/// The first three columns of a row of the documentation.
fn row(metric: &Metric) -> String {
    let mut labels = String::new();
    for label in metric.labels {
        if !labels.is_empty() {
            labels.push_str("; ");
        }
        write!(labels, "`{}`: ", label.name).unwrap();
        match label.values {
            Values::Names(names) => labels.push_str(names),
            Values::Words(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                labels.push_str(&words.join(", "));
            }
        }
    }
    if labels.is_empty() {
        labels.push('–');
    }
    format!("| `{}` | {} | {labels} |", metric.name, metric.kind.as_str())
}

#[test]
fn the_documentation_has_every_metric_with_its_labels_and_no_other() {
    let document = text("docs/metrics.md");
    let written: Vec<_> = document.lines().filter(|line| line.starts_with("| `")).collect();
    for metric in CATALOGUE {
        let row = row(metric);
        assert!(written.iter().any(|line| line.starts_with(&row)), "docs/metrics.md lacks the row\n{row}");
    }
    let names: Vec<_> = written.iter().map(|line| line.split('`').nth(1).unwrap()).collect();
    let known: Vec<_> = CATALOGUE.iter().map(|metric| metric.name).collect();
    assert_eq!(names, known, "rows stand in the order of the catalogue");
    for line in written {
        assert_eq!(line.matches(" | ").count(), 4, "a row has five columns: {line}");
    }
}
