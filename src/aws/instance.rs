//! Which Identity Center instance is meant.

use aws_sdk_ssoadmin::Client;
use futures::stream::TryStreamExt as _;

use super::account::AccountId;
use super::call::Lane;
use super::error::{AccessError, CallError, Class, VisibleInstance};
use super::organizations::Organizations;
use super::sso_admin::{self, Instance};
use crate::config::AwsSettings;
use crate::text::{self, printable};

/// The instance to use out of those that are visible in the region of the settings: the one that they name, else the
/// only one, else the organization's. Where it is not there, AWS is asked in which region it is.
pub(super) async fn find(
    client: Client,
    lane: Lane,
    settings: &AwsSettings,
    caller: &AccountId,
    organizations: &Organizations,
) -> Result<Instance, AccessError> {
    let region = settings.identity_center_region.as_str();
    let pages = sso_admin::instances(client.clone(), lane.clone(), false);
    let visible: Result<Vec<Instance>, CallError> = pages.try_concat().await;
    let visible = visible.map_err(|error| AccessError::beyond_sts(error, region))?;
    let chosen = if let Some(wanted) = settings.instance_arn.as_deref() {
        let instances = listed(&visible);
        let Some(named) = visible.into_iter().find(|instance| instance.arn == wanted) else {
            return Err(AccessError::InstanceNotVisible {
                wanted: wanted.to_owned(),
                region: region.to_owned(),
                instances,
                elsewhere: elsewhere(client, lane, region).await,
            });
        };
        named
    } else {
        match visible.as_slice() {
            [] => {
                return Err(AccessError::NoInstance {
                    region: region.to_owned(),
                    account: caller.to_string(),
                    elsewhere: elsewhere(client, lane, region).await,
                });
            }
            [only] => only.clone(),
            several => the_organizations(several, region, organizations).await?,
        }
    };
    note_region(&chosen, region);
    Ok(chosen)
}

/// The instances that were made in another region, where AWS tells; the error that they are told with stands without.
async fn elsewhere(client: Client, lane: Lane, region: &str) -> Vec<VisibleInstance> {
    let listed: Result<Vec<Instance>, CallError> =
        sso_admin::instances(client, lane, true).try_concat().await;
    let instances = listed.unwrap_or_else(|error| {
        tracing::debug!(%error, "instances of other regions are not known");
        Vec::new()
    });
    let is_elsewhere = |one: &VisibleInstance| one.region.as_deref().is_some_and(|other| other != region);
    instances.iter().map(VisibleInstance::from).filter(is_elsewhere).collect()
}

/// The organization's instance belongs to its management account; others belong to the account that made them.
async fn the_organizations(
    visible: &[Instance],
    region: &str,
    organizations: &Organizations,
) -> Result<Instance, AccessError> {
    let management = match organizations.management_account().await {
        Ok(account) => Some(account),
        // Without the permission, or outside an organization, it stays unknown, and the operator has to say.
        Err(error) if matches!(error.class(), Class::Denied | Class::Invalid | Class::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let is_owned = |instance: &Instance| management.is_some() && instance.owner_account_id == management;
    let mut owned = visible.iter().filter(|instance| is_owned(instance));
    match (owned.next(), owned.next()) {
        (Some(instance), None) => Ok(instance.clone()),
        _ => Err(AccessError::AmbiguousInstances { region: region.to_owned(), instances: listed(visible) }),
    }
}

/// Says that the settings name another region than the instance was made in: ids of the directory hold the region.
fn note_region(instance: &Instance, region: &str) {
    if let Some(primary) = instance.primary_region.as_deref().filter(|primary| *primary != region) {
        tracing::warn!(
            primary_region = primary,
            region,
            "BATON_GLOBAL_AWS_SSO_REGION is not the primary region of Identity Center: the ids of users and groups \
             hold the region of the setting, and are others with another one"
        );
    }
}

fn listed(instances: &[Instance]) -> Vec<VisibleInstance> {
    instances.iter().map(VisibleInstance::from).collect()
}

impl From<&Instance> for VisibleInstance {
    fn from(instance: &Instance) -> Self {
        let shown = |text: &str| printable(text, text::NAME).into_owned();
        Self {
            arn: instance.arn.clone(),
            owner_account_id: instance.owner_account_id.clone(),
            region: instance.primary_region.as_deref().map(shown),
        }
    }
}
