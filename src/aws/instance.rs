//! Which Identity Center instance is meant.

use super::account::AccountId;
use super::error::{AccessError, Class, VisibleInstance};
use super::organizations::Organizations;
use super::sso_admin::Instance;

/// The instance to use out of those that are visible in `region`: the one that the settings name, else the only one,
/// else the organization's.
pub(super) async fn choose(
    visible: Vec<Instance>,
    wanted: Option<&str>,
    region: &str,
    caller: &AccountId,
    organizations: &Organizations,
) -> Result<Instance, AccessError> {
    if let Some(wanted) = wanted {
        let instances = listed(&visible);
        return visible.into_iter().find(|instance| instance.arn == wanted).ok_or_else(|| {
            AccessError::InstanceNotVisible {
                wanted: wanted.to_owned(),
                region: region.to_owned(),
                instances,
            }
        });
    }
    match visible.as_slice() {
        [] => Err(AccessError::NoInstance { region: region.to_owned(), account: caller.to_string() }),
        [only] => Ok(only.clone()),
        several => the_organizations(several, region, organizations).await,
    }
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
pub(super) fn note_region(instance: &Instance, region: &str) {
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
    let visible = |instance: &Instance| VisibleInstance {
        arn: instance.arn.clone(),
        owner_account_id: instance.owner_account_id.clone(),
    };
    instances.iter().map(visible).collect()
}
