//! Looks over the whole set-up, from the clock to the control plane, and says what is wrong, what comes of it, and
//! what to do. It reads and asks; it changes nothing.
//!
//! Permissions to read are tried by a call that does no harm. Permissions to write are asked for with
//! `iam:SimulatePrincipalPolicy`, by each role in its own account; where that is not allowed they count as not
//! checked, never as fine.

mod center;
mod clock;
mod control_plane;
mod finding;
mod identity;
mod members;
mod permissions;
mod probe;
mod settings;
mod text;
mod trust;

pub use finding::{Finding, Report, Severity, Statement};
pub use permissions::{
    ESSENTIAL, ESSENTIAL_BY_ENTITY, ESSENTIAL_FOR_KEYS, ESSENTIAL_FOR_TAGS, ESSENTIAL_FOR_TAGS_BY_ENTITY,
};

use crate::config::Settings;
use crate::control_plane::Network;

/// Looks over everything that the settings switch on.
///
/// Cancel-safe: dropping the future leaves nothing behind.
pub async fn examine(settings: &Settings, network: &Network) -> Report {
    let mut report = Report::default();
    let (connector, found) = identity::examine(&settings.aws).await;
    report.extend(clock::examine(&settings.aws, connector.as_ref()).await);
    report.extend(found);
    if let Some(connector) = &connector {
        report.extend(center::examine(connector).await);
        report.extend(permissions::examine(connector, settings.provisioning).await);
        report.extend(members::examine(connector, settings.provisioning).await);
    }
    report.extend(control_plane::examine(settings, network, connector.as_ref()).await);
    report
}
