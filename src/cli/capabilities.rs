//! `capabilities`: prints what this connector can do, whatever the settings.

use super::{Exit, failure, output};
use crate::baton::{any, protojson};
use crate::connector;

/// Prints `ConnectorCapabilities` as JSON to standard output, without a newline at its end.
pub(super) fn print() -> Exit {
    match json() {
        Ok(json) => output::write(&json).map_or_else(|lost| failure::tell(&lost), |()| Exit::SUCCESS),
        Err(error) => failure::tell(&error),
    }
}

fn json() -> Result<String, protojson::JsonError> {
    protojson::to_json_pretty(&any::pack(&connector::all_capabilities()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn capabilities_name_every_type_with_its_permissions_and_no_more() {
        let json = json().unwrap();
        assert!(
            json.starts_with("{\n  \"@type\": \"type.googleapis.com/c1.connector.v2.ConnectorCapabilities\"")
        );
        assert!(!json.ends_with('\n'));
        let value: Value = serde_json::from_str(&json).unwrap();
        let types = value["resourceTypeCapabilities"].as_array().unwrap();
        let ids: Vec<&str> = types.iter().map(|kind| kind["resourceType"]["id"].as_str().unwrap()).collect();
        let expected: Vec<String> = connector::all_resource_types().into_iter().map(|kind| kind.id).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids, expected);
        assert!(types.iter().all(|kind| kind["permissions"].is_object()), "{json}");
        assert_eq!(
            value["connectorCapabilities"],
            serde_json::json!([
                "CAPABILITY_PROVISION",
                "CAPABILITY_SYNC",
                "CAPABILITY_ACCOUNT_PROVISIONING",
                "CAPABILITY_CREDENTIAL_ROTATION",
                "CAPABILITY_RESOURCE_DELETE",
                "CAPABILITY_ACTIONS",
                "CAPABILITY_CREDENTIAL_ISSUE",
                "CAPABILITY_CREDENTIAL_ENCRYPTION_JWE_XWING_V1"
            ])
        );
        assert_eq!(
            value["credentialDetails"]["capabilityAccountProvisioning"]["preferredCredentialOption"],
            "CAPABILITY_DETAIL_CREDENTIAL_OPTION_NO_PASSWORD"
        );
    }
}
