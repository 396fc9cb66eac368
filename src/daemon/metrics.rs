//! Shows the metrics over HTTP, and looks up what they say of AWS.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::connections;
use crate::aws::Aws;
use crate::telemetry::metrics::{self, AwsOperation, AwsQuota, AwsUsage};

/// Answers scrapes on `listener` until it is dropped.
pub(super) async fn serve(listener: TcpListener) {
    let router = Router::new().route("/metrics", get(page));
    connections::serve_http(listener, router).await;
}

async fn page() -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render()).into_response()
}

/// Has the metrics look at the counts of `aws`.
pub(super) fn observe(aws: &Aws) {
    let aws = aws.clone();
    metrics::observe_aws(move || usage(&aws));
}

/// The counts of all accounts together: an organization has more accounts than a metric should have series.
fn usage(aws: &Aws) -> AwsUsage {
    let stats = aws.stats();
    let operations = stats.operations.iter().map(|((service, operation), counts)| AwsOperation {
        service: service.as_str(),
        operation,
        requests: counts.calls,
        throttled: counts.throttled,
        errors: counts.errors,
    });
    let mut quotas: BTreeMap<&'static str, AwsQuota> = BTreeMap::new();
    for bucket in aws.saturation() {
        let service = bucket.service.as_str();
        let quota = quotas.entry(service).or_insert(AwsQuota { service, busy: 0.0, slowed: 0 });
        quota.busy = quota.busy.max(bucket.busy().as_secs_f64());
        quota.slowed += u64::from(bucket.slowed);
    }
    AwsUsage {
        operations: operations.collect(),
        quotas: quotas.into_values().collect(),
        in_flight: stats.in_flight,
    }
}
