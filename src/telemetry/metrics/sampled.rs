//! What is looked up when somebody asks, in place of being counted along the way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::catalogue::{self as known, Metric};
use super::series::{Set, set};

/// What was asked of AWS so far.
#[derive(Clone, Debug, Default)]
pub struct AwsUsage {
    /// By service and operation.
    pub operations: Vec<AwsOperation>,
    /// By service; empty with quotas off.
    pub quotas: Vec<AwsQuota>,
    /// Requests under way.
    pub in_flight: usize,
}

/// What was asked of one operation since the process started.
#[derive(Clone, Copy, Debug)]
pub struct AwsOperation {
    /// The service, as IAM names it.
    pub service: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// Requests sent.
    pub requests: u64,
    /// Those that AWS throttled.
    pub throttled: u64,
    /// Those that failed in any other way.
    pub errors: u64,
}

/// How far the rates of one service were used since the process started.
#[derive(Clone, Copy, Debug)]
pub struct AwsQuota {
    /// The service, as IAM names it.
    pub service: &'static str,
    /// The requests of the busiest bucket divided by its rate, in seconds.
    pub busy: f64,
    /// Buckets that are slower than the table at the moment.
    pub slowed: u64,
}

type Source = Box<dyn Fn() -> AwsUsage + Send + Sync>;

/// Looks things up at each scrape. Clones look at the same.
#[derive(Clone)]
pub(super) struct Sampled(Arc<Inner>);

struct Inner {
    started: Instant,
    started_at: jiff::Timestamp,
    last_sync: Mutex<Option<Instant>>,
    aws: Mutex<Option<Source>>,
}

impl Sampled {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            started_at: jiff::Timestamp::now(),
            last_sync: Mutex::default(),
            aws: Mutex::default(),
        }))
    }

    pub(super) fn synced_now(&self) {
        *self.0.last_sync.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn set_aws(&self, source: Source) {
        *self.0.aws.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    fn sync_age(&self) -> f64 {
        let last = *self.0.last_sync.lock().unwrap_or_else(PoisonError::into_inner);
        last.unwrap_or(self.0.started).elapsed().as_secs_f64()
    }

    fn aws(&self) -> AwsUsage {
        let source = self.0.aws.lock().unwrap_or_else(PoisonError::into_inner);
        source.as_ref().map(|source| source()).unwrap_or_default()
    }
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampled").finish_non_exhaustive()
    }
}

impl Collector for Sampled {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page { encoder: &mut encoder };
        page.gauge(&known::SYNC_AGE, self.sync_age())?;
        page.gauge(&known::STARTED, self.0.started_at.as_duration().as_secs_f64())?;
        if let Some(bytes) = resident_memory() {
            page.gauge(&known::MEMORY, bytes)?;
        }
        if let Some(files) = open_files() {
            page.gauge(&known::FILES, files)?;
        }
        let AwsUsage { operations, quotas, in_flight } = self.aws();
        page.gauge(&known::AWS_IN_FLIGHT, u64::try_from(in_flight).unwrap_or(u64::MAX))?;
        for (metric, count) in [
            (&known::AWS_REQUESTS, (|one| one.requests) as fn(&AwsOperation) -> u64),
            (&known::AWS_THROTTLED, |one| one.throttled),
            (&known::AWS_ERRORS, |one| one.errors),
        ] {
            let series = operations
                .iter()
                .map(|one| (set(metric, &[one.service, one.operation]), ConstCounter::new(count(one))));
            page.family(metric, series)?;
        }
        let quotas: BTreeMap<_, _> = quotas.iter().map(|one| (one.service, one)).collect();
        let busy =
            quotas.values().map(|one| (set(&known::QUOTA_BUSY, &[one.service]), ConstCounter::new(one.busy)));
        page.family(&known::QUOTA_BUSY, busy)?;
        let slowed = quotas
            .values()
            .map(|one| (set(&known::QUOTA_SLOWED, &[one.service]), ConstGauge::new(one.slowed)));
        page.family(&known::QUOTA_SLOWED, slowed)
    }
}

/// Where samples are written.
struct Page<'a, 'b> {
    encoder: &'a mut DescriptorEncoder<'b>,
}

impl Page<'_, '_> {
    fn gauge<N>(&mut self, metric: &Metric, value: N) -> fmt::Result
    where
        ConstGauge<N>: EncodeMetric,
    {
        let gauge = ConstGauge::new(value);
        let encoder =
            self.encoder.encode_descriptor(metric.stem(), metric.help, None, gauge.metric_type())?;
        gauge.encode(encoder)
    }

    fn family<M: EncodeMetric>(
        &mut self,
        metric: &Metric,
        series: impl Iterator<Item = (Set, M)>,
    ) -> fmt::Result {
        let mut series = series.peekable();
        let Some((_, first)) = series.peek() else { return Ok(()) };
        let mut encoder =
            self.encoder.encode_descriptor(metric.stem(), metric.help, None, first.metric_type())?;
        for (labels, value) in series {
            value.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// The memory of this process in bytes, where the system tells it.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The open files of this process, where the system tells them; the one that is open for counting is left out.
fn open_files() -> Option<u64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(entries.saturating_sub(1)).ok()
}
