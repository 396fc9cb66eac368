//! What policies would say of a call that is not made.

use aws_sdk_iam::types::{EvaluationResult, PolicyEvaluationDecisionType};
use futures::TryStreamExt as _;

use super::{Iam, PAGE, next, read};
use crate::aws::call::Answer;
use crate::aws::error::CallError;
use crate::aws::operation::{Operation, Service};
use crate::aws::pages::pages;

const SIMULATE: Operation = Operation::safe(Service::Iam, "SimulatePrincipalPolicy");

/// What the policies of a principal say of an action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Simulated {
    /// The action, for example `iam:CreateUser`.
    pub action: String,
    /// What they say.
    pub decision: Decision,
    /// Some policy has a condition whose value nobody gave.
    pub lacks_context: bool,
}

/// Whether an action is allowed, and what keeps it from being so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It is allowed.
    Allowed,
    /// No policy allows it.
    NotAllowed,
    /// A policy of the principal denies it, whatever others allow.
    Denied,
    /// The permissions boundary of the principal does not allow it.
    Boundary,
    /// A service control policy of the organization does not allow it.
    Organization,
}

impl Iam {
    /// What the policies of a user or role of this account say of these actions, on `resource` or, without one, on
    /// every resource (`iam:SimulatePrincipalPolicy`). Nothing is changed. Policies of sessions and resources and
    /// the values of conditions are not weighed.
    ///
    /// # Errors
    /// A principal that does not exist is a [`Class::NotFound`](crate::aws::Class::NotFound). Cancel-safe.
    pub async fn simulate(
        &self,
        principal: &str,
        actions: &[String],
        resource: Option<&str>,
    ) -> Result<Vec<Simulated>, CallError> {
        let request = self
            .client
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .set_action_names(Some(actions.to_vec()))
            .set_resource_arns(resource.map(|resource| vec![resource.to_owned()]))
            .max_items(PAGE);
        let results = pages(self.lane.clone(), SIMULATE, move |lane, marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let whole = Answer::xml(SIMULATE.name).holding("EvaluationResults");
                let page =
                    lane.send(SIMULATE, || request.clone().customize().interceptor(whole).send()).await?;
                let next = next(&lane, SIMULATE, page.is_truncated, page.marker)?;
                read(page.evaluation_results.unwrap_or_default(), next, |one| Ok(Simulated::read(one)))
            }
        });
        results.try_concat().await
    }
}

impl Simulated {
    fn read(result: EvaluationResult) -> Self {
        let by_organization =
            result.organizations_decision_detail.is_none_or(|detail| detail.allowed_by_organizations);
        let by_boundary = result
            .permissions_boundary_decision_detail
            .is_none_or(|detail| detail.allowed_by_permissions_boundary);
        let decision = match result.eval_decision {
            PolicyEvaluationDecisionType::Allowed => Decision::Allowed,
            _ if !by_organization => Decision::Organization,
            PolicyEvaluationDecisionType::ExplicitDeny => Decision::Denied,
            _ if !by_boundary => Decision::Boundary,
            _ => Decision::NotAllowed,
        };
        let lacks_context = result.missing_context_values.is_some_and(|names| !names.is_empty());
        Self { action: result.eval_action_name, decision, lacks_context }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::{OrganizationsDecisionDetail, PermissionsBoundaryDecisionDetail};

    use super::*;

    fn decision(decision: PolicyEvaluationDecisionType, organization: bool, boundary: bool) -> Decision {
        let result = EvaluationResult::builder()
            .eval_action_name("iam:CreateUser")
            .eval_decision(decision)
            .organizations_decision_detail(
                OrganizationsDecisionDetail::builder().allowed_by_organizations(organization).build(),
            )
            .permissions_boundary_decision_detail(
                PermissionsBoundaryDecisionDetail::builder()
                    .allowed_by_permissions_boundary(boundary)
                    .build(),
            );
        Simulated::read(result.build().unwrap()).decision
    }

    #[test]
    fn what_keeps_an_action_from_being_allowed_is_told() {
        use PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};
        assert_eq!(decision(Allowed, true, true), Decision::Allowed);
        assert_eq!(decision(ImplicitDeny, true, true), Decision::NotAllowed);
        assert_eq!(decision(ExplicitDeny, true, true), Decision::Denied);
        assert_eq!(decision(ImplicitDeny, true, false), Decision::Boundary);
        assert_eq!(decision(ExplicitDeny, false, true), Decision::Organization);
        assert_eq!(decision("new".into(), true, true), Decision::NotAllowed);
    }
}
