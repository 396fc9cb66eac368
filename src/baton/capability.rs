//! Capabilities of a connector, derived from its resource types.

use std::collections::BTreeSet;

use super::any;
use super::v2::{
    Capability, CapabilityDetailCredentialOption, CapabilityPermissions, ConnectorCapabilities,
    CredentialDetails, CredentialDetailsAccountProvisioning, CredentialDetailsCredentialIssue,
    CredentialDetailsCredentialRotation, CredentialIssueOptionDescriptor, CredentialResourceMode, Deprecated,
    OptInRequired, ResourceType, ResourceTypeCapability, SkipSyncAnomalyDetection,
};

/// Builds what Hello and the `capabilities` command report: types in byte order of their id, the connector's list as
/// the sorted union of theirs and of `more`. `passwords` says whether a new account may have one, `issued` whether a key
/// that is issued shows up in a later sync.
pub fn of_types(
    types: impl IntoIterator<Item = (ResourceType, Vec<Capability>)>,
    more: &[Capability],
    passwords: bool,
    issued: CredentialResourceMode,
) -> ConnectorCapabilities {
    let mut types: Vec<_> = types.into_iter().collect();
    types.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    // Whoever is issued a credential may read it by a post-quantum key.
    for (_, own) in &mut types {
        if own.contains(&Capability::CredentialIssue) {
            own.push(Capability::CredentialEncryptionJweXwingV1);
        }
    }
    let union: BTreeSet<i32> =
        types.iter().flat_map(|(_, own)| own).chain(more).map(|capability| i32::from(*capability)).collect();
    ConnectorCapabilities {
        resource_type_capabilities: types
            .into_iter()
            .map(|(kind, own)| of_type(kind, &own, issued))
            .collect(),
        credential_details: Some(CredentialDetails {
            capability_account_provisioning: union
                .contains(&i32::from(Capability::AccountProvisioning))
                .then(|| new_account(passwords)),
            capability_credential_rotation: union
                .contains(&i32::from(Capability::CredentialRotation))
                .then(rotation),
        }),
        connector_capabilities: union.into_iter().collect(),
    }
}

/// New accounts get no password unless one is asked for.
fn new_account(passwords: bool) -> CredentialDetailsAccountProvisioning {
    let (none, random) =
        (CapabilityDetailCredentialOption::NoPassword, CapabilityDetailCredentialOption::RandomPassword);
    let supported = std::iter::once(none).chain(passwords.then_some(random));
    CredentialDetailsAccountProvisioning {
        supported_credential_options: supported.map(i32::from).collect(),
        preferred_credential_option: none.into(),
    }
}

/// A password is replaced by a random one.
fn rotation() -> CredentialDetailsCredentialRotation {
    let option = i32::from(CapabilityDetailCredentialOption::RandomPassword);
    CredentialDetailsCredentialRotation {
        supported_credential_options: vec![option],
        preferred_credential_option: option,
    }
}

/// A further credential is an access key: an API key without scopes and without an end.
fn issue(issued: CredentialResourceMode) -> CredentialDetailsCredentialIssue {
    let option = i32::from(CapabilityDetailCredentialOption::ApiKey);
    CredentialDetailsCredentialIssue {
        options: vec![CredentialIssueOptionDescriptor {
            option,
            resource_mode: issued.into(),
            secret_resource_type_id: "access-key".to_owned(),
            ..CredentialIssueOptionDescriptor::default()
        }],
        preferred_option: option,
    }
}

fn of_type(
    resource_type: ResourceType,
    capabilities: &[Capability],
    issued: CredentialResourceMode,
) -> ResourceTypeCapability {
    let annotations = &resource_type.annotations;
    ResourceTypeCapability {
        capabilities: capabilities.iter().map(|capability| i32::from(*capability)).collect(),
        permissions: Some(any::find::<CapabilityPermissions>(annotations).unwrap_or_default()),
        opt_in_required: any::has::<OptInRequired>(annotations),
        skip_sync_anomaly_detection: any::has::<SkipSyncAnomalyDetection>(annotations),
        credential_issue: capabilities.contains(&Capability::CredentialIssue).then(|| issue(issued)),
        deprecated: any::has::<Deprecated>(annotations),
        resource_type: Some(resource_type),
    }
}
