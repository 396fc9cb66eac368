//! A grant task: give an entitlement to a principal.
//!
//! The task's own annotations are the control plane's business and go no further. So is the end of access that is
//! granted for a limited time: AWS knows no such thing for what is granted here, and the control plane revokes it. The
//! wanted lifetime is checked and logged.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::outcome::{Failure, Outcome};
use super::request::{check_entitlement, check_resource, invalid, malformed, provisioning_disabled};
use super::{Context, affected};
use crate::baton::api::task::GrantTask;
use crate::baton::{any, rpc, v2};
use crate::connector::Provision;

pub(super) async fn execute(
    task_id: String,
    order: GrantTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Outcome {
    match grant(task_id, order, context, cancel).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn grant(
    task_id: String,
    order: GrantTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Result<Outcome, Failure> {
    let lifetime = lifetime(order.duration.as_ref())?;
    let (entitlement, principal) = parts(order)?;
    check_entitlement(&entitlement)?;
    check_resource(&principal, "principal")?;
    if !context.provisioning {
        return Err(provisioning_disabled());
    }
    let _change = context.prepared.provisioning(affected::by_grant(&entitlement, &principal));
    let provision = Provision::new(task_id, cancel.clone());
    let response = context
        .engine
        .grant(&entitlement, &principal, &provision)
        .await
        .map_err(|error| failed("grant failed", error.status))?;
    if let Some(lifetime) = lifetime {
        tracing::info!(
            lifetime = lifetime.as_secs(),
            entitlement = entitlement.id,
            "granted for a limited time: it ends when the control plane revokes it"
        );
    }
    let annotations = response.annotations.clone();
    Ok(Outcome::Done { response: any::pack(&response), annotations })
}

/// How long the access shall last; `None` where the task does not say.
fn lifetime(wanted: Option<&prost_types::Duration>) -> Result<Option<Duration>, Failure> {
    let Some(wanted) = wanted.filter(|wanted| (wanted.seconds, wanted.nanos) != (0, 0)) else {
        return Ok(None);
    };
    let refuse = || invalid("duration", "is no length of time");
    let seconds = u64::try_from(wanted.seconds).map_err(|_| refuse())?;
    let nanos = u32::try_from(wanted.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    Ok(Some(Duration::new(seconds, nanos.ok_or_else(refuse)?)))
}

fn parts(order: GrantTask) -> Result<(v2::Entitlement, v2::Resource), Failure> {
    let entitlement = order.entitlement.ok_or_else(|| malformed("grant", "the entitlement is missing"))?;
    let principal = order.principal.ok_or_else(|| malformed("grant", "the principal is missing"))?;
    Ok((entitlement, principal))
}

/// The failure to change AWS, with the operation before its message.
pub(super) fn failed(operation: &str, mut status: rpc::Status) -> Failure {
    status.message = format!("{operation}: {}", status.message);
    Failure::of_change(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_length_of_time_or_refused_for_good() {
        let wanted = |seconds, nanos| prost_types::Duration { seconds, nanos };
        assert_eq!(lifetime(None), Ok(None));
        assert_eq!(lifetime(Some(&wanted(0, 0))), Ok(None));
        assert_eq!(lifetime(Some(&wanted(3600, 5))), Ok(Some(Duration::new(3600, 5))));
        assert_eq!(
            lifetime(Some(&wanted(i64::MAX, 0))),
            Ok(Some(Duration::from_secs(i64::MAX.unsigned_abs())))
        );
        for (seconds, nanos) in [(-1, 0), (0, -1), (1, -1), (0, 1_000_000_000), (i64::MIN, 0)] {
            let failure = lifetime(Some(&wanted(seconds, nanos))).unwrap_err();
            assert!(
                failure.non_retryable && failure.status.message.contains("duration"),
                "{seconds} {nanos}"
            );
        }
    }
}
