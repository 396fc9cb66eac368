//! Capabilities of a connector, derived from its resource types.

use std::collections::BTreeSet;

use super::any;
use super::v2::{
    Capability, CapabilityDetailCredentialOption, CapabilityPermissions, ConnectorCapabilities,
    CredentialDetails, CredentialDetailsAccountProvisioning, Deprecated, OptInRequired, ResourceType,
    ResourceTypeCapability, SkipSyncAnomalyDetection,
};

/// Builds what Hello and the `capabilities` command report: types in byte order of their id, the connector's list as
/// the sorted union of theirs and of `more`.
pub fn of_types(
    types: impl IntoIterator<Item = (ResourceType, Vec<Capability>)>,
    more: &[Capability],
) -> ConnectorCapabilities {
    let mut types: Vec<_> = types.into_iter().collect();
    types.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    let union: BTreeSet<i32> =
        types.iter().flat_map(|(_, own)| own).chain(more).map(|capability| i32::from(*capability)).collect();
    ConnectorCapabilities {
        resource_type_capabilities: types.into_iter().map(|(kind, own)| of_type(kind, &own)).collect(),
        credential_details: Some(CredentialDetails {
            capability_account_provisioning: union
                .contains(&i32::from(Capability::AccountProvisioning))
                .then(without_password),
            ..CredentialDetails::default()
        }),
        connector_capabilities: union.into_iter().collect(),
    }
}

/// New accounts get no password.
fn without_password() -> CredentialDetailsAccountProvisioning {
    let option = i32::from(CapabilityDetailCredentialOption::NoPassword);
    CredentialDetailsAccountProvisioning {
        supported_credential_options: vec![option],
        preferred_credential_option: option,
    }
}

fn of_type(resource_type: ResourceType, capabilities: &[Capability]) -> ResourceTypeCapability {
    let annotations = &resource_type.annotations;
    ResourceTypeCapability {
        capabilities: capabilities.iter().map(|capability| i32::from(*capability)).collect(),
        permissions: Some(any::find::<CapabilityPermissions>(annotations).unwrap_or_default()),
        opt_in_required: any::has::<OptInRequired>(annotations),
        skip_sync_anomaly_detection: any::has::<SkipSyncAnomalyDetection>(annotations),
        deprecated: any::has::<Deprecated>(annotations),
        resource_type: Some(resource_type),
        ..ResourceTypeCapability::default()
    }
}
