//! The series of a metric, registered under its place in the catalogue.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as Registrable, Registry};

use super::catalogue::{Metric, Values};

/// Label names with their values.
pub(super) type Set = Vec<(&'static str, &'static str)>;

/// Names the values in the order in which the catalogue has the labels.
pub(super) fn set(metric: &Metric, values: &[&'static str]) -> Set {
    debug_assert_eq!(metric.labels.len(), values.len(), "labels of {}", metric.name);
    metric.labels.iter().map(|label| label.name).zip(values.iter().copied()).collect()
}

/// Counters of one metric.
#[derive(Debug)]
pub(super) struct Counters {
    metric: &'static Metric,
    family: Family<Set, Counter>,
}

impl Counters {
    pub(super) fn register(registry: &mut Registry, metric: &'static Metric) -> Self {
        let family = Family::default();
        register(registry, metric, family.clone());
        Self { metric, family }
    }

    /// Makes a series that begins with 0: what is absent before its first event cannot be seen to grow by it.
    pub(super) fn begin(&self, values: &[&'static str]) {
        self.add(values, 0);
    }

    /// Begins a series for each word of its only label.
    pub(super) fn begin_words(&self) {
        for label in self.metric.labels {
            if let Values::Words(words) = label.values {
                for word in words {
                    self.begin(&[word]);
                }
            }
        }
    }

    pub(super) fn add(&self, values: &[&'static str], amount: u64) {
        self.family.get_or_create(&set(self.metric, values)).inc_by(amount);
    }
}

/// Gauges of one metric.
#[derive(Debug)]
pub(super) struct Gauges {
    metric: &'static Metric,
    family: Family<Set, Gauge<f64, AtomicU64>>,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry, metric: &'static Metric) -> Self {
        let family = Family::default();
        register(registry, metric, family.clone());
        Self { metric, family }
    }

    pub(super) fn set(&self, values: &[&'static str], value: f64) {
        self.family.get_or_create(&set(self.metric, values)).set(value);
    }

    #[allow(clippy::cast_precision_loss, reason = "nothing counted here comes near 2^52")]
    pub(super) fn set_count(&self, values: &[&'static str], count: u64) {
        self.set(values, count as f64);
    }

    pub(super) fn add(&self, values: &[&'static str], amount: f64) {
        self.family.get_or_create(&set(self.metric, values)).inc_by(amount);
    }

    /// Forgets all series.
    pub(super) fn clear(&self) {
        self.family.clear();
    }
}

/// Histograms of one metric.
#[derive(Debug)]
pub(super) struct Histograms {
    metric: &'static Metric,
    family: Family<Set, Histogram, fn() -> Histogram>,
}

impl Histograms {
    pub(super) fn register(
        registry: &mut Registry,
        metric: &'static Metric,
        make: fn() -> Histogram,
    ) -> Self {
        let family = Family::new_with_constructor(make);
        register(registry, metric, family.clone());
        Self { metric, family }
    }

    pub(super) fn observe(&self, values: &[&'static str], seconds: f64) {
        self.family.get_or_create(&set(self.metric, values)).observe(seconds);
    }
}

fn register(registry: &mut Registry, metric: &'static Metric, series: impl Registrable) {
    registry.register(metric.stem(), metric.help, series);
}
