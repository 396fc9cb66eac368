//! The settings, as the log tells them at start.

use secrecy::ExposeSecret as _;

use crate::config::{QuotaSetting, Secret, Settings};

/// Logs what this process was asked to do, without secrets and external ids.
pub fn summarize(settings: &Settings) {
    let aws = &settings.aws;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        host_id = settings.host_id,
        control_plane = settings.control_plane.as_ref().map(|one| one.authority().to_string()),
        client_id = settings.control_plane.as_ref().map(|one| one.client_id.as_str()),
        provisioning = settings.provisioning,
        role_arn = aws.role.as_ref().map(ToString::to_string),
        external_id = shape(aws.external_id.as_ref()),
        global_role_arn = aws.binding_role.as_ref().map(ToString::to_string),
        global_binding_external_id = shape(aws.binding_external_id.as_ref()),
        static_keys = aws.static_keys.is_some(),
        use_assume = ?aws.assume,
        region = aws.region,
        identity_center_region = aws.identity_center_region,
        quotas = match &aws.quotas {
            QuotaSetting::Documented => "documented".to_owned(),
            QuotaSetting::Off => "off".to_owned(),
            QuotaSetting::File(path) => path.display().to_string(),
        },
        workers = aws.workers.map(std::num::NonZeroUsize::get),
        resource_types = if settings.sync.types.is_empty() { "all".to_owned() } else { settings.sync.types.join(",") },
        sync_interval = settings.sync.interval.map(|interval| interval.as_secs_f64()),
        health = settings.daemon.health.map(|address| address.to_string()),
        metrics = settings.daemon.metrics.map(|address| address.to_string()),
        collector = settings.log.collector.as_ref().map(|collector| collector.endpoint.as_str()),
        "settings"
    );
}

/// That a secret is there, and how long it is: enough to see a truncated copy.
fn shape(secret: Option<&Secret>) -> Option<String> {
    secret.map(|secret| format!("{} bytes", secret.expose_secret().len()))
}
