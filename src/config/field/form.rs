//! The form that `config` prints: which settings it asks for, in which order.

use super::{Field, aws, control_plane, operating, sync};

/// The settings that the form asks for, in the order of baton-aws: those of every connector, then its own. Where its
/// order is not known, a setting stands at the end.
pub static FORM: &[&Field] = &[
    &operating::LOG_LEVEL,
    &operating::LOG_LEVEL_DEBUG_EXPIRES_AT,
    &operating::SESSION_STORE_MAXIMUM_SIZE,
    &operating::OTEL_COLLECTOR_ENDPOINT,
    &operating::OTEL_COLLECTOR_ENDPOINT_TLS_CERT_PATH,
    &operating::OTEL_COLLECTOR_ENDPOINT_TLS_CERT,
    &operating::OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE,
    &operating::OTEL_TRACING_DISABLED,
    &operating::OTEL_LOGGING_DISABLED,
    &control_plane::HEALTH_CHECK,
    &control_plane::HEALTH_CHECK_PORT,
    &control_plane::HEALTH_CHECK_BIND_ADDRESS,
    &aws::HTTP_TIMEOUT_SECONDS,
    &aws::EXTERNAL_ID,
    &aws::GLOBAL_ACCESS_KEY_ID,
    &sync::GLOBAL_AWS_ORGS_ENABLED,
    &sync::GLOBAL_AWS_SSO_ENABLED,
    &sync::GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED,
    &sync::GLOBAL_AWS_SSO_REGION,
    &aws::GLOBAL_BINDING_EXTERNAL_ID,
    &aws::GLOBAL_REGION,
    &aws::GLOBAL_ROLE_ARN,
    &aws::GLOBAL_SECRET_ACCESS_KEY,
    &aws::ROLE_ARN,
    &aws::USE_ASSUME,
    &sync::SYNC_SECRETS,
    &aws::IAM_ASSUME_ROLE_NAME,
    &sync::SYNC_SSO_USER_LAST_LOGIN,
    &sync::SYNC_IAM_USER_CONSOLE_ACCESS,
    &sync::SYNC_ONLY_ATTACHED_POLICIES,
    &sync::CREATE_ACCOUNT_RESOURCE_TYPE,
    &sync::SYNC_RESOURCE_TAGS,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::field::{Export, fields};

    #[test]
    fn the_form_asks_once_for_each_setting_that_has_words_for_it() {
        let asked: BTreeSet<&str> = FORM.iter().map(|field| field.name).collect();
        assert_eq!(asked.len(), FORM.len());
        let worded: BTreeSet<&str> =
            fields().filter(|field| field.export != Export::None).map(|field| field.name).collect();
        assert_eq!(asked, worded);
    }

    #[test]
    fn settings_of_every_connector_come_before_those_of_this_one() {
        let common: Vec<bool> = FORM.iter().map(|field| matches!(field.export, Export::Common(_))).collect();
        assert!(common.is_sorted_by_key(|common| !common));
    }
}
