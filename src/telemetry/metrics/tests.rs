//! What a scrape shows.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Metrics of their own for one test.
fn fresh() -> &'static Metrics {
    Box::leak(Box::new(Metrics::new()))
}

/// The samples of a page: name, labels and value.
fn samples(page: &str) -> Vec<(String, BTreeMap<String, String>, f64)> {
    let mut samples = Vec::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split_terminator(',').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.trim_matches('"').to_owned())
        });
        samples.push((name.to_owned(), labels.collect(), value.parse().unwrap()));
    }
    samples
}

fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let page = metrics.render();
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn example_sync() -> SyncFigures {
    SyncFigures {
        resources: 3,
        entitlements: 2,
        grants: 1,
        parts_incomplete: 0,
        scopes: vec![("iam", 4, 1)],
        bytes: 4096,
        decoded_bytes: 9000,
        elapsed: Duration::from_millis(1500),
    }
}

/// Every event once.
fn eventful() -> &'static Metrics {
    let metrics = fresh();
    metrics.polls.add(&["tasks"], 1);
    Request::begin(Some(metrics), "GetTask").ends("OK");
    Task::begin(Some(metrics), "grant").ends(TaskEnd::Done);
    metrics.slots.set_count(&[], 3);
    metrics.sync_ended(&example_sync());
    metrics.upload_seconds.observe(&[], 1.0);
    metrics.sampled.set_aws(Box::new(|| AwsUsage {
        operations: vec![AwsOperation {
            service: "iam",
            operation: "ListUsers",
            requests: 7,
            throttled: 2,
            errors: 1,
        }],
        quotas: vec![AwsQuota { service: "iam", busy: 1.25, slowed: 1 }],
        in_flight: 4,
    }));
    metrics
}

#[test]
fn a_scrape_shows_the_catalogue_and_nothing_else() {
    let page = eventful().render();
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, labels, _) in samples(&page) {
        shown.entry(name).or_default().extend(labels.into_keys().filter(|label| label != "le"));
    }
    let expected = CATALOGUE.iter().flat_map(|metric| {
        let labels: BTreeSet<_> = metric.labels.iter().map(|label| label.name.to_owned()).collect();
        metric.samples().into_iter().map(move |name| (name, labels.clone()))
    });
    assert_eq!(shown, expected.collect());
    for metric in CATALOGUE {
        let kind = format!("# TYPE {} {}\n", metric.stem(), metric.kind.as_str());
        assert!(page.contains(&kind), "{kind}{page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn labels_say_only_the_words_of_the_catalogue() {
    let words: BTreeMap<_, _> = CATALOGUE
        .iter()
        .flat_map(|metric| metric.samples().into_iter().map(move |name| (name, *metric)))
        .collect();
    for (name, labels, _) in samples(&eventful().render()) {
        for label in words[&name].labels {
            if let Values::Words(words) = label.values {
                assert!(words.contains(&labels[label.name].as_str()), "{name} {labels:?}");
            }
        }
    }
}

#[test]
fn what_can_go_wrong_is_there_before_it_does() {
    let metrics = fresh();
    for series in [
        "batond_polls_total{outcome=\"failed\"}",
        "batond_token_refreshes_total{outcome=\"refused\"}",
        "batond_outcomes_unreported_total{reason=\"given_up\"}",
        "batond_syncs_total{outcome=\"failed\"}",
        "batond_uploads_held_total",
        "batond_tasks_in_flight",
    ] {
        assert_eq!(value(metrics, series), Some(0.0), "{series}\n{}", metrics.render());
    }
    let running = Task::begin(Some(metrics), "grant");
    assert_eq!(value(metrics, "batond_tasks_total{kind=\"grant\",outcome=\"failed\"}"), Some(0.0));
    drop(running);
}

#[test]
fn a_task_counts_once_in_whatever_way_it_ends() {
    let metrics = fresh();
    let count = |outcome: &str| {
        value(metrics, &format!("batond_tasks_total{{kind=\"sync_full\",outcome=\"{outcome}\"}}"))
    };
    let mut done = Task::begin(Some(metrics), "sync_full");
    let dropped = Task::begin(Some(metrics), "sync_full");
    assert_eq!(value(metrics, "batond_tasks_in_flight"), Some(2.0));
    done.ends(TaskEnd::Done);
    done.ends(TaskEnd::Failed);
    // It is in flight until its outcome is reported.
    assert_eq!(value(metrics, "batond_tasks_in_flight"), Some(2.0));
    drop(done);
    drop(dropped);
    assert_eq!(value(metrics, "batond_tasks_in_flight"), Some(0.0));
    assert_eq!((count("done"), count("failed"), count("open")), (Some(1.0), Some(0.0), Some(1.0)));
    assert_eq!(value(metrics, "batond_task_duration_seconds_count{kind=\"sync_full\"}"), Some(2.0));
}

#[test]
fn a_call_that_is_given_up_counts_as_cancelled() {
    let metrics = fresh();
    drop(Request::begin(Some(metrics), "Heartbeat"));
    let series = "batond_control_plane_requests_total{method=\"Heartbeat\",code=\"CANCELLED\"}";
    assert_eq!(value(metrics, series), Some(1.0), "{}", metrics.render());
}

#[test]
fn the_last_sync_replaces_the_one_before() {
    let metrics = eventful();
    assert_eq!(value(metrics, "batond_sync_last_duration_seconds"), Some(1.5));
    assert_eq!(value(metrics, "batond_sync_last_scopes{area=\"iam\",state=\"incomplete\"}"), Some(1.0));
    metrics.sync_ended(&SyncFigures { parts_incomplete: 2, scopes: vec![("users", 9, 0)], ..example_sync() });
    assert_eq!(value(metrics, "batond_sync_last_scopes{area=\"iam\",state=\"incomplete\"}"), None);
    assert_eq!(value(metrics, "batond_sync_last_scopes{area=\"users\",state=\"whole\"}"), Some(9.0));
    assert_eq!(value(metrics, "batond_sync_last_parts_incomplete"), Some(2.0));
    assert_eq!(value(metrics, "batond_syncs_total{outcome=\"complete\"}"), Some(1.0));
    assert_eq!(value(metrics, "batond_syncs_total{outcome=\"incomplete\"}"), Some(1.0));
}

#[test]
fn the_process_tells_its_memory_and_files() {
    let metrics = fresh();
    assert!(value(metrics, "process_resident_memory_bytes").unwrap() > 1e6);
    assert!(value(metrics, "process_open_fds").unwrap() >= 3.0);
    assert!(value(metrics, "process_start_time_seconds").unwrap() > 1.7e9);
}
