//! The dashboard and the alert rules speak of metrics that exist, and lead to headings that exist.

use std::collections::{BTreeMap, BTreeSet};

use batond::telemetry::metrics::{CATALOGUE, Metric, Values};
use serde::Deserialize;
use serde_json::Value;

use crate::metrics::text;

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn rules() -> Vec<Rule> {
    let rules: Rules = serde_saphyr::from_str(&text("deploy/monitoring/alerts.yaml")).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// The queries of the dashboard.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("deploy/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have the same id");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The metrics of a query, each with what stands between its braces.
fn selectors(query: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..];
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        let (name, after) = word.split_at(end);
        let braces = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        if name.starts_with("batond_") || name.starts_with("process_") {
            found.push((name, braces.map_or("", |(inside, _)| inside)));
        }
        rest = braces.map_or(after, |(_, outside)| outside);
    }
    found
}

/// What is wrong with the metrics of a query.
fn faults(query: &str) -> Vec<String> {
    let known: BTreeMap<String, &Metric> =
        CATALOGUE.iter().flat_map(|one| one.samples().into_iter().map(move |name| (name, *one))).collect();
    let mut faults = Vec::new();
    for (name, matchers) in selectors(query) {
        let Some(metric) = known.get(name) else {
            faults.push(format!("{name} does not exist"));
            continue;
        };
        for matcher in matchers.split(',').filter(|matcher| !matcher.is_empty()) {
            let (label, value) = matcher.split_once(['=', '!']).unwrap();
            let value = value.trim_start_matches(['=', '~']).trim_matches('"');
            let Some(label) = metric.labels.iter().find(|known| known.name == label) else {
                // Those that the scraper adds.
                if !["instance", "job"].contains(&label) {
                    faults.push(format!("{name} has no label {label}"));
                }
                continue;
            };
            if let Values::Words(words) = label.values {
                let unknown = value.split('|').filter(|word| !words.contains(word));
                faults.extend(unknown.map(|word| format!("{} of {name} is never {word}", label.name)));
            }
        }
    }
    faults
}

/// The anchors of a document, as its headings have them on the web.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        title.chars().filter(|c| is_word(*c) || " -".contains(*c)).collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_metric_of_the_alerts_and_the_dashboard_exists() {
    let of_rules = rules().into_iter().map(|rule| rule.expr);
    for query in of_rules.chain(queries()) {
        assert!(!selectors(&query).is_empty(), "{query} asks for nothing of ours");
        assert_eq!(faults(&query), Vec::<String>::new(), "{query}");
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let queries = queries();
    let shown: BTreeSet<_> =
        queries.iter().flat_map(|query| selectors(query)).map(|(name, _)| name).collect();
    for metric in CATALOGUE {
        let is_shown = metric.samples().iter().any(|name| shown.contains(name.as_str()));
        assert!(is_shown, "{} is on no panel", metric.name);
    }
}

#[test]
fn every_alert_leads_to_a_heading_of_its_own() {
    let mut led = BTreeSet::new();
    for rule in rules() {
        let (file, anchor) = rule.annotations["runbook"].split_once('#').unwrap();
        assert!(anchors(&text(file)).contains(anchor), "{}: {file} has no heading {anchor}", rule.alert);
        assert!(!rule.annotations["summary"].is_empty());
        assert!(["critical", "warning"].contains(&rule.labels["severity"].as_str()), "{}", rule.alert);
        assert!(led.insert((file.to_owned(), anchor.to_owned())), "{} shares its heading", rule.alert);
    }
    // What is written of an alert that does not exist any more would mislead.
    let document = text("docs/metrics.md");
    let alerts: BTreeSet<_> = rules().into_iter().map(|rule| rule.alert).collect();
    for heading in document.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(alerts.contains(heading), "there is no alert {heading}");
    }
}

#[test]
fn a_query_with_a_mistake_is_seen() {
    assert!(faults("rate(batond_polls_total{outcome=\"failed\"}[5m])").is_empty());
    assert_eq!(faults("batond_pools_total"), ["batond_pools_total does not exist"]);
    assert_eq!(faults("batond_polls_total{kind=\"x\"}"), ["batond_polls_total has no label kind"]);
    assert_eq!(
        faults("batond_polls_total{outcome!=\"lost\"}"),
        ["outcome of batond_polls_total is never lost"]
    );
    assert_eq!(faults("process_open_fds{instance=~\"$instance\"}"), Vec::<String>::new());
    assert_eq!(faults("batond_task_duration_seconds"), ["batond_task_duration_seconds does not exist"]);
}
