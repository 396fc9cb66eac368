//! Settings of principals that are taken over from the file of another connector.

use std::path::PathBuf;

/// The traits of resource types that may be asked for, as the protocol spells them in small letters, without `TRAIT_`.
pub const EXTERNAL_TRAITS: [&str; 12] = [
    "user",
    "group",
    "role",
    "app",
    "secret",
    "security_insight",
    "scope_binding",
    "vendor",
    "vendor_agreement",
    "license_profile",
    "agent",
    "managed_device",
];

/// Which rows of another connector's file a sync takes over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExternalSettings {
    /// The `.c1z` file. It is read anew for each sync.
    pub file: PathBuf,
    /// The entitlement that principals must hold in that file; `None` takes all.
    pub entitlement: Option<String>,
    /// The traits that a principal's type must have one of, from [`EXTERNAL_TRAITS`].
    pub traits: Vec<&'static str>,
}
