//! Identity Center, and what the account that asks is to it.

use tokio_util::sync::CancellationToken;

use super::finding::{Finding, Severity};
use crate::aws::CallError;
use crate::aws::identity_store::NetworkRules;
use crate::aws::sso_admin::Instance;
use crate::connector::Connector;

pub(super) const CHECK: &str = "identity center";

/// The word of an instance that works.
const ACTIVE: &str = "ACTIVE";

pub(super) async fn examine(connector: &Connector) -> Vec<Finding> {
    let aws = connector.aws();
    let Some(instance) = aws.instance() else { return Vec::new() };
    let region = &connector.settings().identity_center_region;
    let mut found = vec![Finding::ok(CHECK, format!("instance {} in {region} is visible", instance.arn))];
    found.extend(status(instance));
    found.extend(primary_region(instance, region));
    let api = aws.provisioning(CancellationToken::new());
    found.extend(permission_sets(api.sso_admin().permission_sets_enabled().await));
    found.extend(network(api.identity_store().network_rules().await));
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

fn status(instance: &Instance) -> Option<Finding> {
    let status = instance.status.as_deref().filter(|status| *status != ACTIVE)?;
    let what = format!("instance {} is {status}, not {ACTIVE}", instance.arn);
    let why = instance.status_reason.clone().unwrap_or_else(|| "AWS gives no reason".to_owned());
    let next = "look at it in the console of Identity Center; sync when it is active";
    Some(Finding::new(Severity::Error, CHECK, what).why(why).next(next))
}

/// The ids of users and groups hold the region of the setting: with another one, all of them are others.
fn primary_region(instance: &Instance, region: &str) -> Option<Finding> {
    let primary = instance.primary_region.as_deref().filter(|primary| *primary != region)?;
    let what =
        format!("BATON_GLOBAL_AWS_SSO_REGION is {region}, and the primary region of the instance {primary}");
    let why = "ids of users and groups hold the region of the setting: with another one each has another id, and its \
               access reads as removed";
    let next = format!(
        "set {primary} before the first sync; where syncs with {region} were uploaded, plan the change of every id with \
         the owner of the control plane first"
    );
    Some(Finding::new(Severity::Error, CHECK, what).why(why).next(next))
}

fn permission_sets(enabled: Result<Option<bool>, CallError>) -> Option<Finding> {
    match enabled {
        Ok(Some(false)) => {
            let what = "the instance has no permission sets: they are not enabled";
            let next = "enable them in Identity Center, or switch BATON_GLOBAL_AWS_SSO_ENABLED off";
            Some(Finding::new(Severity::Warning, CHECK, what).next(next))
        }
        Ok(_) => None,
        Err(error) => Some(unseen("whether permission sets are enabled", "sso:DescribeInstance", &error)),
    }
}

fn network(rules: Result<Option<NetworkRules>, CallError>) -> Option<Finding> {
    let rules = match rules {
        Ok(rules) => rules?,
        Err(error) => {
            let action = "identitystore:DescribeIdentityStore";
            return Some(unseen("the network rules of the directory", action, &error));
        }
    };
    let mut ways = Vec::new();
    if rules.endpoint_required {
        ways.push("through a VPC endpoint alone".to_owned());
    }
    if !rules.vpcs.is_empty() {
        ways.push(format!("from {} alone", rules.vpcs.join(", ")));
    }
    if !rules.addresses.is_empty() {
        ways.push(format!("and in any case from {}", rules.addresses.join(", ")));
    }
    if ways.is_empty() {
        return None;
    }
    let what = format!("the directory has network rules: it may be called {}", ways.join(", "));
    let why = "a call from elsewhere is denied, which no policy of the role explains";
    let next = "run the pod where these rules let it in, or have its address added";
    Some(Finding::new(Severity::Note, CHECK, what).why(why).next(next))
}

/// What was not looked at is worth a note: no sync needs it.
fn unseen(what: &str, action: &str, error: &CallError) -> Finding {
    Finding::new(Severity::Note, CHECK, format!("not looked at: {what} ({error})"))
        .next(format!("allow {action}, as deploy/iam/doctor.json does, to have it looked at"))
}
