//! Service control policies: what an organization withholds from the principals of its member accounts.

use super::organization::Organization;
use crate::aws::fixture::{FixtureError, ServiceControlPolicy};
use crate::aws::ids::Ids;
use crate::aws::quota::matches;

/// A policy with its targets resolved.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    arn: Option<String>,
    /// Ids of accounts, units and the root.
    targets: Vec<String>,
    deny: Vec<String>,
    allow: Vec<String>,
}

/// Why a policy withholds an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It denies the action.
    Denied {
        /// The policy, where the denial names it.
        arn: Option<String>,
    },
    /// It does not allow the action.
    NotAllowed,
}

impl Organization {
    /// Replaces the service control policies.
    pub(crate) fn set_controls(
        &mut self,
        policies: &[ServiceControlPolicy],
        ids: &Ids,
    ) -> Result<(), FixtureError> {
        let resolved: Result<Vec<_>, _> = policies.iter().map(|policy| self.resolved(policy, ids)).collect();
        self.controls = resolved?;
        Ok(())
    }

    fn resolved(&self, policy: &ServiceControlPolicy, ids: &Ids) -> Result<Control, FixtureError> {
        let wanted_by = format!("service control policy {:?}", policy.name);
        let id = format!("p-{}", ids.lower(8, &["service control policy", &policy.name]));
        let arn = format!(
            "arn:aws:organizations::{}:policy/{}/service_control_policy/{id}",
            self.management, self.id
        );
        let target = |target: &String| {
            if target == "root" {
                return Ok(self.root.clone());
            }
            let unit = self.units.iter().find(|unit| unit.id == *target || unit.name == *target);
            unit.map_or_else(|| self.resolve(target, &wanted_by), |unit| Ok(unit.id.clone()))
        };
        Ok(Control {
            arn: (!policy.without_arn).then_some(arn),
            targets: policy.targets.iter().map(target).collect::<Result<_, _>>()?,
            deny: policy.deny.clone(),
            allow: policy.allow.clone(),
        })
    }

    /// What keeps the principals of an account from an action. The management account is under no policy.
    pub(crate) fn control(&self, account: &str, action: &str) -> Option<Verdict> {
        if account == self.management {
            return None;
        }
        let path = &self.accounts.get(account)?.path;
        let over = |control: &&Control| {
            control.targets.iter().any(|target| path.split('/').any(|part| part == target))
        };
        let names = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        let controls = || self.controls.iter().filter(over);
        if let Some(denying) = controls().find(|control| names(&control.deny)) {
            return Some(Verdict::Denied { arn: denying.arn.clone() });
        }
        controls().any(|control| !names(&control.allow)).then_some(Verdict::NotAllowed)
    }
}
