//! The control plane: the token, then the hello.

use super::finding::{Finding, Severity};
use crate::config::Settings;
use crate::connector::Connector;
use crate::control_plane::{Client, Network, RpcError, chain};

const CHECK: &str = "control plane";

/// Greets the control plane as a start does; where AWS is not accessible there is nothing to greet it with, and the
/// token alone is fetched.
pub(super) async fn examine(
    settings: &Settings,
    network: &Network,
    connector: Option<&Connector>,
) -> Option<Finding> {
    let control_plane = settings.control_plane.as_ref()?;
    let host = control_plane.authority();
    let client = match Client::new(control_plane, &settings.host_id, network, settings.aws.http_timeout) {
        Ok(client) => client,
        Err(error) => {
            return Some(Finding::new(Severity::Error, CHECK, chain(&error)).why(NO_START));
        }
    };
    let answer = match connector {
        Some(connector) => client.hello("", connector.metadata()).await,
        None => client.authenticate().await,
    };
    Some(match answer {
        Ok(()) if connector.is_some() => Finding::ok(CHECK, format!("{host} has taken the hello")),
        Ok(()) => Finding::ok(CHECK, format!("{host} has given a token")),
        Err(error) => refused(&error),
    })
}

const NO_START: &str = "batond starts no work for a control plane that it cannot greet";

fn refused(error: &RpcError) -> Finding {
    let next = if error.is_identity_refused() {
        "see that BATON_CLIENT_ID and BATON_CLIENT_SECRET belong together and are not revoked"
    } else if error.is_permanent() {
        "ask whoever runs the control plane what this code means for this connector"
    } else {
        "see that the host can be reached from here: DNS, proxy (HTTPS_PROXY, NO_PROXY), firewall, certificates"
    };
    Finding::new(Severity::Error, CHECK, error.to_string()).why(NO_START).next(next)
}
