//! Identity Center, and what the account that asks is to it.

use super::finding::{Finding, Severity};
use crate::connector::Connector;

pub(super) const CHECK: &str = "identity center";

pub(super) fn examine(connector: &Connector) -> Vec<Finding> {
    let aws = connector.aws();
    let Some(instance) = aws.instance() else { return Vec::new() };
    let region = &connector.settings().identity_center_region;
    let mut found = vec![Finding::ok(CHECK, format!("instance {} in {region} is visible", instance.arn))];
    if !aws.is_management_account() {
        let what = format!(
            "account {} is not the management account: where it is a delegated administrator it reads everything, but AWS \
             changes no assignment on the management account for it, nor one of a permission set that is provisioned \
             there",
            aws.caller().account
        );
        let next = "use a role of the management account where access to it is to be changed";
        found.push(Finding::new(Severity::Note, CHECK, what).next(next));
    }
    found
}
