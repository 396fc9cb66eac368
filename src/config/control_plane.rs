//! Settings of the control plane.

use super::{Authority, ClientId, ClientSecret};

/// The control plane to serve and the identity to show there.
#[derive(Clone, Debug)]
pub struct ControlPlaneSettings {
    /// Who we are, and the host that knows us.
    pub client_id: ClientId,
    /// The key that proves it.
    pub client_secret: ClientSecret,
    /// Replaces the host of the client id for service and token endpoint, never in the assertion's audience.
    pub api_host: Option<Authority>,
}

impl ControlPlaneSettings {
    /// Where service and token endpoint are: the override, else the host of the client id.
    pub fn authority(&self) -> &Authority {
        self.api_host.as_ref().unwrap_or_else(|| self.client_id.authority())
    }
}
