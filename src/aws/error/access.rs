//! Why this program has no access to AWS.

use std::fmt;
use std::path::PathBuf;

use super::{CallError, Class, Withheld};
use crate::network::UNRESOLVED;

/// Why there is no access to AWS, with what the operator can do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AccessError {
    /// No source of the ambient chain has credentials.
    #[error(
        "no AWS credentials: none in the environment, shared files, web identity (IRSA), container endpoint (EKS Pod \
         Identity, ECS) or instance metadata; give the pod's service account a role, or set \
         BATON_GLOBAL_ACCESS_KEY_ID and BATON_GLOBAL_SECRET_ACCESS_KEY ({detail})"
    )]
    NoCredentials {
        /// What the chain said.
        detail: String,
    },
    /// The ambient configuration contradicts itself.
    #[error("the ambient AWS configuration cannot be used: {detail}")]
    AmbientConfiguration {
        /// What the SDK said.
        detail: String,
    },
    /// A source of the ambient chain has credentials, but did not hand them out this time.
    #[error("the ambient AWS credentials cannot be fetched at the moment: {detail}")]
    BaseUnavailable {
        /// What the source said.
        detail: String,
    },
    /// The endpoint's name does not resolve.
    #[error(
        "AWS cannot be reached in region {region}: either the region does not exist, or name resolution, a proxy \
         (HTTPS_PROXY, NO_PROXY) or AWS_ENDPOINT_URL is in the way ({error})"
    )]
    Unreachable {
        /// The region that was tried.
        region: String,
        /// What the network said.
        error: CallError,
    },
    /// The role of the web identity refuses the pod's token.
    #[error(
        "the web identity (IRSA) is refused; see that the service account's role exists, trusts the cluster's OIDC \
         provider and names this service account in its condition ({detail})"
    )]
    WebIdentityRefused {
        /// What STS said.
        detail: String,
    },
    /// The base credentials are past their time and their source has no newer ones.
    #[error(
        "the base credentials have expired and their source has no newer ones; renew them, or use a source that \
         renews itself (IRSA, EKS Pod Identity, an instance role) [{code}]"
    )]
    ExpiredBase {
        /// AWS's code.
        code: String,
    },
    /// AWS does not accept the base keys at all.
    #[error(
        "AWS does not accept the base credentials: the access key is unknown, inactive or belongs to another \
         partition, the secret is wrong, or this machine's clock is off [{code}]"
    )]
    InvalidKeys {
        /// AWS's code.
        code: String,
    },
    /// AWS called credentials expired that it had just issued.
    #[error("AWS calls fresh credentials expired; see that this machine's clock is right [{code}]")]
    Expired {
        /// AWS's code.
        code: String,
    },
    /// Neither the settings nor the ambient configuration name a region.
    #[error("no AWS region: set BATON_GLOBAL_REGION or AWS_REGION")]
    NoRegion,
    /// The region does not exist, is not enabled for the account, or belongs to another partition.
    #[error(
        "region {region} cannot be used: it does not exist, is not enabled in the account, or belongs to another \
         partition; correct BATON_GLOBAL_REGION (or BATON_GLOBAL_AWS_SSO_REGION for Identity Center) ({detail})"
    )]
    WrongRegion {
        /// The region that was tried.
        region: String,
        /// What AWS or the network said.
        detail: String,
    },
    /// AWS says that the role does not exist.
    #[error("{hop}: the role does not exist; correct its ARN or create it")]
    NoSuchRole {
        /// The hop that failed.
        hop: Hop,
    },
    /// The role's trust policy refuses the caller, and no external id was sent.
    #[error(
        "{hop}: the role's trust policy does not admit the caller; name {} as principal of sts:AssumeRole there. If \
         the policy demands an external id, set {}, which was not sent", .hop.caller_or_unknown(),
         .hop.external_id_variable()
    )]
    TrustRefuses {
        /// The hop that failed.
        hop: Hop,
    },
    /// The external id is wrong or, if it is right, the trust policy refuses the caller.
    #[error(
        "{hop}: the role's trust policy refuses: either the external id in {} is not the one that its condition \
         sts:ExternalId demands, or it does not name {} as principal", .hop.external_id_variable(),
         .hop.caller_or_unknown()
    )]
    ExternalId {
        /// The hop that failed.
        hop: Hop,
    },
    /// STS does not accept the external id as such.
    #[error(
        "{hop}: {} is not an external id: STS wants 2 to 1224 characters out of letters, digits and _+=,.@:/-",
        .hop.external_id_variable()
    )]
    ExternalIdMalformed {
        /// The hop that failed.
        hop: Hop,
    },
    /// The session tags of the caller (EKS Pod Identity sets transitive ones) may not be passed on.
    #[error(
        "{hop}: the caller's session carries transitive tags (EKS Pod Identity sets them), and sts:TagSession is not \
         allowed; allow {} sts:TagSession beside sts:AssumeRole in the role's trust policy and in the caller's own \
         policy, or create the Pod Identity association without session tags", .hop.caller_or_unknown()
    )]
    TagSession {
        /// The hop that failed.
        hop: Hop,
    },
    /// The caller's own side does not allow the hop.
    #[error(
        "{hop}: the caller's own side does not allow it: {}", told(*.withheld, .hop)
    )]
    OurSideDenied {
        /// The hop that failed.
        hop: Hop,
        /// The policy that withholds it, if it is another than the caller's own ones that merely do not allow it.
        withheld: Option<Withheld>,
    },
    /// AWS refuses the hop without saying which of the possible reasons it is.
    #[error(
        "{hop}: access denied, and AWS does not say why. Either the role does not exist, or its trust policy does not \
         name {} as principal, or {}, or the caller's own policy does not allow sts:AssumeRole on it",
        .hop.caller_or_unknown(), .hop.external_id_doubt()
    )]
    Refused {
        /// The hop that failed.
        hop: Hop,
    },
    /// No Identity Center instance is visible.
    #[error(
        "no Identity Center instance is visible to account {account} in region {region}; {}", nearest(.elsewhere)
    )]
    NoInstance {
        /// The region that was asked.
        region: String,
        /// The account that asked.
        account: String,
        /// What is visible in other regions, as far as AWS tells.
        elsewhere: Vec<VisibleInstance>,
    },
    /// Several instances are visible and none is known to be the organization's.
    #[error(
        "several Identity Center instances are visible in region {region}: {}; name one in BATON_SSO_INSTANCE_ARN",
        list(.instances)
    )]
    AmbiguousInstances {
        /// The region that was asked.
        region: String,
        /// What is visible.
        instances: Vec<VisibleInstance>,
    },
    /// The instance that the settings name is not visible.
    #[error(
        "the Identity Center instance {wanted} of BATON_SSO_INSTANCE_ARN is not visible in region {region}; visible: \
         {}{}", list(.instances), found(.wanted, .elsewhere)
    )]
    InstanceNotVisible {
        /// The instance of the settings.
        wanted: String,
        /// The region that was asked.
        region: String,
        /// What is visible.
        instances: Vec<VisibleInstance>,
        /// What is visible in other regions, as far as AWS tells.
        elsewhere: Vec<VisibleInstance>,
    },
    /// The file that `BATON_AWS_QUOTAS` names cannot be used.
    #[error("BATON_AWS_QUOTAS: {}: {fault}", .path.display())]
    QuotaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the key where it is one.
        fault: String,
    },
    /// The file that `AWS_CA_BUNDLE` names cannot be used.
    #[error("AWS_CA_BUNDLE: {}: {fault}", .path.display())]
    CaBundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// Any other failed call on the way in.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl AccessError {
    /// The failure of a call on the way in.
    pub(in crate::aws) fn of_call(error: CallError, region: &str) -> Self {
        match error.class() {
            Class::Transient if error.message().contains(UNRESOLVED) => {
                Self::Unreachable { region: region.to_owned(), error }
            }
            Class::Credentials(access) => access.as_ref().clone(),
            _ => Self::Call(error),
        }
    }

    /// The failure of a call with credentials that STS has just taken: where they are not accepted, it is the region
    /// that does not know them.
    pub(in crate::aws) fn beyond_sts(error: CallError, region: &str) -> Self {
        match Self::of_call(error, region) {
            Self::InvalidKeys { code } => {
                let detail = format!(
                    "STS takes the same credentials; a region that is not enabled knows none, and one that is enabled by \
                     hand takes no session of STS's global endpoint [{code}]"
                );
                Self::WrongRegion { region: region.to_owned(), detail }
            }
            other => other,
        }
    }

    /// Whether nothing but the caller's own policies is in the way, which do not allow to assume the role.
    pub fn is_own_omission(&self) -> bool {
        matches!(self, Self::OurSideDenied { withheld: None, .. })
    }

    /// Whether STS was asked for the role and refuses it: a statement about that role, unlike trouble on the way or
    /// with the caller's own credentials.
    pub fn is_refusal(&self) -> bool {
        self.hop().is_some()
    }

    /// The assumption of a role that STS was asked for and refuses.
    pub fn hop(&self) -> Option<&Hop> {
        match self {
            Self::NoSuchRole { hop }
            | Self::TrustRefuses { hop }
            | Self::ExternalId { hop }
            | Self::ExternalIdMalformed { hop }
            | Self::TagSession { hop }
            | Self::OurSideDenied { hop, .. }
            | Self::Refused { hop } => Some(hop),
            Self::NoCredentials { .. }
            | Self::AmbientConfiguration { .. }
            | Self::BaseUnavailable { .. }
            | Self::Unreachable { .. }
            | Self::WebIdentityRefused { .. }
            | Self::ExpiredBase { .. }
            | Self::InvalidKeys { .. }
            | Self::Expired { .. }
            | Self::NoRegion
            | Self::WrongRegion { .. }
            | Self::NoInstance { .. }
            | Self::AmbiguousInstances { .. }
            | Self::InstanceNotVisible { .. }
            | Self::QuotaFile { .. }
            | Self::CaBundle { .. }
            | Self::Call(_) => None,
        }
    }

    /// Whether the same attempt may succeed later without anybody changing a setting or a policy.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::BaseUnavailable { .. } | Self::ExpiredBase { .. } | Self::Expired { .. } => true,
            Self::Unreachable { error, .. } | Self::Call(error) => error.is_retryable(),
            Self::NoCredentials { .. }
            | Self::AmbientConfiguration { .. }
            | Self::WebIdentityRefused { .. }
            | Self::InvalidKeys { .. }
            | Self::NoRegion
            | Self::WrongRegion { .. }
            | Self::NoSuchRole { .. }
            | Self::TrustRefuses { .. }
            | Self::ExternalId { .. }
            | Self::ExternalIdMalformed { .. }
            | Self::TagSession { .. }
            | Self::OurSideDenied { .. }
            | Self::Refused { .. }
            | Self::NoInstance { .. }
            | Self::AmbiguousInstances { .. }
            | Self::InstanceNotVisible { .. }
            | Self::QuotaFile { .. }
            | Self::CaBundle { .. } => false,
        }
    }
}

/// One assumption of a role, as far as an error tells about it. Its text starts every message about a failed hop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hop {
    /// ARN of the role to assume.
    pub role: String,
    /// ARN of the caller, where it could be asked for.
    pub caller: Option<String>,
    /// Whether an external id was sent.
    pub external_id_sent: bool,
    /// Which hop it is.
    pub step: Step,
    /// Whether nobody said to assume the role: `BATON_USE_ASSUME` is not set.
    pub unasked: bool,
}

/// Which hop an assumption of a role is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Into the binding role, the first of two.
    Binding,
    /// Into the customer's role.
    Role,
    /// From there into the role of a member account.
    Member,
}

impl Hop {
    fn caller_or_unknown(&self) -> &str {
        self.caller.as_deref().unwrap_or("the caller")
    }

    /// The setting that holds the external id of this hop.
    pub fn external_id_variable(&self) -> &'static str {
        match self.step {
            Step::Binding => "BATON_GLOBAL_BINDING_EXTERNAL_ID",
            Step::Role => "BATON_EXTERNAL_ID",
            Step::Member => "BATON_IAM_ASSUME_ROLE_EXTERNAL_ID",
        }
    }

    fn external_id_doubt(&self) -> String {
        let variable = self.external_id_variable();
        if self.external_id_sent {
            format!("the external id in {variable} is not the one that it demands")
        } else {
            format!("it demands an external id ({variable} is not set)")
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot assume {}", self.role)?;
        if let Some(caller) = &self.caller {
            write!(f, " as {caller}")?;
        }
        if self.unasked {
            write!(
                f,
                " (BATON_USE_ASSUME is not set: to run with the base credentials as they are, set \
                 BATON_USE_ASSUME=false; otherwise correct the role's trust policy)"
            )?;
        }
        Ok(())
    }
}

/// An Identity Center instance that could be meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VisibleInstance {
    /// Its ARN.
    pub arn: String,
    /// The account that owns it.
    pub owner_account_id: Option<String>,
    /// The region that it was made in, where AWS says.
    pub region: Option<String>,
}

fn told(withheld: Option<Withheld>, hop: &Hop) -> String {
    match withheld {
        Some(withheld) => withheld.to_string(),
        None => format!("allow sts:AssumeRole on the role in the policies of {}", hop.caller_or_unknown()),
    }
}

/// What to do where no instance is visible.
fn nearest(elsewhere: &[VisibleInstance]) -> String {
    if elsewhere.is_empty() {
        return "set BATON_GLOBAL_AWS_SSO_REGION to the region in which Identity Center was enabled, and use the \
                organization's management account or its delegated administrator"
            .to_owned();
    }
    let places: Vec<_> =
        elsewhere.iter().filter_map(|one| Some(format!("{} in {}", one.arn, one.region.as_ref()?))).collect();
    format!(
        "visible in other regions: {}; set BATON_GLOBAL_AWS_SSO_REGION to the region of the one that is meant",
        places.join(", ")
    )
}

/// Where the instance of the settings is instead.
fn found(wanted: &str, elsewhere: &[VisibleInstance]) -> String {
    let place = elsewhere.iter().find(|one| one.arn == wanted).and_then(|one| one.region.as_deref());
    place.map_or_else(String::new, |region| {
        format!("; it is in region {region}: set BATON_GLOBAL_AWS_SSO_REGION to that")
    })
}

fn list(instances: &[VisibleInstance]) -> String {
    let text = |instance: &VisibleInstance| match &instance.owner_account_id {
        Some(owner) => format!("{} (owner {owner})", instance.arn),
        None => instance.arn.clone(),
    };
    if instances.is_empty() {
        return "none".to_owned();
    }
    instances.iter().map(text).collect::<Vec<_>>().join(", ")
}
