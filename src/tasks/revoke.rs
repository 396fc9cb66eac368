//! A revoke task: take a grant away. The grant is told by its entitlement and principal; its id may be a
//! placeholder.

use tokio_util::sync::CancellationToken;

use super::grant::failed;
use super::outcome::{Failure, Outcome};
use super::request::{
    check_entitlement, check_id, check_resource, invalid, malformed, provisioning_disabled,
};
use super::{Context, affected};
use crate::baton::api::task::RevokeTask;
use crate::baton::{any, v2};
use crate::connector::Provision;

pub(super) async fn execute(
    task_id: String,
    order: RevokeTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Outcome {
    match revoke(task_id, order, context, cancel).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn revoke(
    task_id: String,
    order: RevokeTask,
    context: &Context,
    cancel: &CancellationToken,
) -> Result<Outcome, Failure> {
    let grant = order.grant.ok_or_else(|| malformed("revoke", "the grant is missing"))?;
    let (entitlement, principal) = check_grant(&grant)?;
    if !context.provisioning {
        return Err(provisioning_disabled());
    }
    let _change = context.prepared.provisioning(affected::by_grant(entitlement, principal));
    let provision = Provision::new(task_id, cancel.clone());
    let response = context
        .engine
        .revoke(&grant, &provision)
        .await
        .map_err(|error| failed("revoke failed", error.status))?;
    let annotations = response.annotations.clone();
    Ok(Outcome::Done { response: any::pack(&response), annotations })
}

/// Gives what was granted, and to whom.
fn check_grant(grant: &v2::Grant) -> Result<(&v2::Entitlement, &v2::Resource), Failure> {
    let entitlement = grant.entitlement.as_ref().ok_or_else(|| invalid("grant.entitlement", "is missing"))?;
    let principal = grant.principal.as_ref().ok_or_else(|| invalid("grant.principal", "is missing"))?;
    check_entitlement(entitlement)?;
    check_resource(principal, "principal")?;
    check_id(&grant.id, "grant.id")?;
    Ok((entitlement, principal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::Code;
    use crate::tasks::request::tests::{entitlement, resource};

    #[test]
    fn a_grant_that_lacks_a_part_is_an_invalid_argument() {
        let whole = v2::Grant {
            id: "g".into(),
            entitlement: Some(entitlement()),
            principal: Some(resource("sso_user", "u")),
            ..Default::default()
        };
        assert!(check_grant(&whole).is_ok());
        for (grant, name) in [
            (v2::Grant { entitlement: None, ..whole.clone() }, "grant.entitlement is missing"),
            (v2::Grant { principal: None, ..whole.clone() }, "grant.principal is missing"),
            (v2::Grant { id: String::new(), ..whole.clone() }, "grant.id is empty"),
        ] {
            let failure = check_grant(&grant).unwrap_err();
            assert_eq!((failure.code(), failure.non_retryable), (Code::InvalidArgument, true));
            assert!(failure.status.message.contains(name), "{}", failure.status.message);
        }
    }
}
