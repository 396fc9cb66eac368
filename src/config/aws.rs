//! Settings of the AWS side.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::{AccountKind, Partition, RoleArn, Secret};

/// Where AWS is and as whom to speak to it.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one switch that an operator sets by its own name")]
pub struct AwsSettings {
    /// Region of STS, Organizations and the base configuration; `None` leaves it to the ambient configuration.
    pub region: Option<String>,
    /// Endpoint of every AWS service; `None` leaves it to the ambient configuration (`AWS_ENDPOINT_URL` and its
    /// kin), as the AWS SDK reads it.
    pub endpoint_url: Option<String>,
    /// The customer's role: the last, or only, hop.
    pub role: Option<RoleArn>,
    /// External id sent with the hop into [`role`](Self::role).
    pub external_id: Option<Secret>,
    /// The binding role: the first of two hops.
    pub binding_role: Option<RoleArn>,
    /// External id sent with the hop into [`binding_role`](Self::binding_role).
    pub binding_external_id: Option<Secret>,
    /// Base credentials that replace the ambient chain.
    pub static_keys: Option<StaticKeys>,
    /// Whether to assume [`role`](Self::role) at all.
    pub assume: Assume,
    /// Whether to read Organizations.
    pub organizations: bool,
    /// Whether to read Identity Center.
    pub identity_center: bool,
    /// Region of Identity Center, and the region inside every Identity Center id.
    pub identity_center_region: String,
    /// The Identity Center instance to use when several are visible.
    pub instance_arn: Option<String>,
    /// Whether to read IAM of member accounts although Identity Center is on; without it, it is read anyway.
    pub cross_account_iam: bool,
    /// Name, with its path, of the role to assume in each member account.
    pub member_role_name: String,
    /// External id sent with the hop into the role of a member account; none is sent without it.
    pub member_external_id: Option<Secret>,
    /// Whether access keys are resources.
    pub secrets: bool,
    /// Whether tags and descriptions of IAM entities are read.
    pub iam_tags: bool,
    /// Whether the tags of accounts and of IAM users and roles are read, and must be readable.
    pub resource_tags: bool,
    /// Whether it is read who has a password for the console.
    pub console_access: bool,
    /// Whether only attached managed policies are read.
    pub only_attached_policies: bool,
    /// Whether the event feed of sign-ins through Identity Center is offered.
    pub last_login_events: bool,
    /// The kind of account that account creation makes.
    pub account_kind: AccountKind,
    /// Ids of users, groups and roles that are never changed; `*` stands for any text.
    pub protected_principals: Vec<String>,
    /// Ids of IAM policies that are never attached, detached or deleted; `*` stands for any text.
    pub protected_policies: Vec<String>,
    /// ARNs of the roles that sessions are given of for a web identity; `*` stands for any text. Empty: any role.
    pub vend_roles: Vec<String>,
    /// ARNs of the federated users whom credentials are given to; `*` stands for any text. Empty: nobody.
    pub vend_federated_users: Vec<String>,
    /// ARNs of the managed policies that they may be given under; `*` stands for any text, and alone for any policy,
    /// also one that a request brings along. Empty: none.
    pub vend_federated_policies: Vec<String>,
    /// The call rates to keep.
    pub quotas: QuotaSetting,
    /// Most calls in flight at once; `None` sets no bound.
    pub workers: Option<NonZeroUsize>,
    /// Longest time for one HTTP exchange.
    pub http_timeout: Duration,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_bundle: Option<PathBuf>,
    /// Name of the assumed-role sessions, as `CloudTrail` shows it; see [`session_name`].
    pub session_name: String,
}

impl AwsSettings {
    /// The partition that they are about, as far as they say: that of the role, else that of the region, else `aws`.
    pub fn partition(&self) -> Partition {
        let of_role = self.role.as_ref().map(RoleArn::partition);
        let of_region = || self.region.as_deref().map(Partition::of_region);
        of_role.or_else(of_region).unwrap_or(Partition::Aws)
    }
}

/// The documented defaults: ambient credentials, nothing switched on.
impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            region: None,
            endpoint_url: None,
            role: None,
            external_id: None,
            binding_role: None,
            binding_external_id: None,
            static_keys: None,
            assume: Assume::Unset,
            organizations: false,
            identity_center: false,
            identity_center_region: "us-east-1".to_owned(),
            instance_arn: None,
            cross_account_iam: false,
            member_role_name: "OrganizationAccountAccessRole".to_owned(),
            member_external_id: None,
            secrets: false,
            iam_tags: false,
            resource_tags: false,
            console_access: false,
            only_attached_policies: false,
            last_login_events: false,
            account_kind: AccountKind::IamUser,
            protected_principals: Vec::new(),
            protected_policies: Vec::new(),
            vend_roles: Vec::new(),
            vend_federated_users: Vec::new(),
            vend_federated_policies: Vec::new(),
            quotas: QuotaSetting::Documented,
            workers: None,
            http_timeout: Duration::from_mins(5),
            ca_bundle: None,
            session_name: session_name("baton-sdk"),
        }
    }
}

/// Long-lived base credentials.
#[derive(Clone, Debug)]
pub struct StaticKeys {
    /// The access key id; it names the key and is no secret.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Secret,
}

/// Whether to assume the configured role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Assume {
    /// Not said: stay if the caller already is that role, else assume it.
    Unset,
    /// Assume it.
    Always,
    /// Keep the base credentials.
    Never,
}

/// The call rates to keep.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum QuotaSetting {
    /// AWS's published rates.
    Documented,
    /// No rates; the bound of calls in flight remains.
    Off,
    /// The rates of a file.
    File(PathBuf),
}

/// The role session name for a host id: `batond-<host id>`, cleaned and cut to what STS accepts
/// (`[\w+=,.@-]{2,64}`).
pub fn session_name(host_id: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    "batond-".chars().chain(host_id.chars().map(|c| if allowed(c) { c } else { '-' })).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_about_the_partition_of_the_role_else_of_the_region_else_aws() {
        let of = |role: Option<&str>, region: Option<&str>| {
            let role =
                role.map(|partition| format!("arn:{partition}:iam::123456789012:role/r").parse().unwrap());
            AwsSettings { role, region: region.map(str::to_owned), ..AwsSettings::default() }.partition()
        };
        assert_eq!(of(None, None), Partition::Aws);
        assert_eq!(of(None, Some("cn-north-1")), Partition::China);
        assert_eq!(of(Some("aws-us-gov"), None), Partition::UsGov);
        assert_eq!(of(Some("aws"), Some("cn-north-1")), Partition::Aws);
    }

    #[test]
    fn a_session_name_keeps_to_the_alphabet_and_length_of_sts() {
        assert_eq!(session_name("pod-1.ns"), "batond-pod-1.ns");
        assert_eq!(session_name("höst/a b"), "batond-h-st-a-b");
        assert_eq!(session_name(&"x".repeat(256)).len(), 64);
    }
}
