//! One assumption of a role, and what its refusal means.

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use crate::aws::error::{
    AccessError, CallError, Class, Denial, Hop, PolicyKind, Step, Withheld, denied_action,
};
use crate::aws::sts::Sts;
use crate::config::{RoleArn, Secret};

/// Provides the credentials of a role by assuming it.
#[derive(Debug)]
pub(super) struct AssumedRole {
    /// STS, called as the identity that assumes the role.
    pub(super) sts: Sts,
    /// The region of that STS.
    pub(super) region: String,
    pub(super) role: RoleArn,
    pub(super) external_id: Option<Secret>,
    pub(super) session_name: String,
    /// Which hop this is.
    pub(super) step: Step,
    /// Whether nobody said to assume the role.
    pub(super) unasked: bool,
}

impl AssumedRole {
    async fn assume(&self) -> Result<Credentials, AccessError> {
        let error =
            match self.sts.assume_role(&self.role, self.external_id.as_ref(), &self.session_name).await {
                Ok(credentials) => return Ok(credentials),
                Err(error) => error,
            };
        // The caller's name helps whoever has to write the trust policy. The question needs no permission.
        let caller = match error.class() {
            Class::Denied => self.sts.caller_identity().await.ok().map(|caller| caller.arn),
            _ => None,
        };
        let hop = Hop {
            role: self.role.to_string(),
            caller,
            external_id_sent: self.external_id.is_some(),
            step: self.step,
            unasked: self.unasked,
        };
        Err(diagnose(hop, &self.region, error))
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.assume().await.map_err(CredentialsError::provider_error)
        })
    }
}

/// What the failure of an assumption means.
///
/// STS says the same words for a role that does not exist and for one that does not want the caller; where it adds
/// the kind of policy that decided, or names another action than the one called, it can be told.
fn diagnose(hop: Hop, region: &str, error: CallError) -> AccessError {
    let message = error.message();
    match error.class() {
        Class::Credentials(access) => match access.as_ref() {
            AccessError::Expired { code } => AccessError::ExpiredBase { code: code.clone() },
            other => other.clone(),
        },
        Class::Denied if denied_action(message) == Some("sts:TagSession") => AccessError::TagSession { hop },
        Class::Denied => match deciding_side(message) {
            Some(Decider::Trust) if hop.external_id_sent => AccessError::ExternalId { hop },
            Some(Decider::Trust) => AccessError::TrustRefuses { hop },
            Some(Decider::OurSide(withheld)) => AccessError::OurSideDenied { hop, withheld },
            None => AccessError::Refused { hop },
        },
        Class::NotFound => AccessError::NoSuchRole { hop },
        Class::Invalid if error.code() == Some("RegionDisabledException") => {
            AccessError::WrongRegion { region: region.to_owned(), detail: message.to_owned() }
        }
        // The message of a validation error may quote the value.
        Class::Invalid if message.contains("externalId") => AccessError::ExternalIdMalformed { hop },
        _ => AccessError::of_call(error, region),
    }
}

enum Decider {
    /// The policy of the role that is to be assumed.
    Trust,
    /// A policy on the side of the caller: another than its own ones, if those do not merely not allow it.
    OurSide(Option<Withheld>),
}

/// The side that AWS names as the one which denies or does not allow.
fn deciding_side(message: &str) -> Option<Decider> {
    match Denial::read(message) {
        Denial::Withheld(Withheld { by: PolicyKind::RoleTrust | PolicyKind::ResourceBased, .. }) => {
            Some(Decider::Trust)
        }
        Denial::Withheld(withheld) => Some(Decider::OurSide(Some(withheld))),
        Denial::Missing if message.contains("because no identity-based policy") => {
            Some(Decider::OurSide(None))
        }
        Denial::Missing | Denial::WrongAccount => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::aws::error::Failure;
    use crate::aws::operation::{Operation, Service};

    const DENIAL: &str = "User: arn:aws:sts::111111111111:assumed-role/pod/s is not authorized to perform: \
                          sts:AssumeRole on resource: arn:aws:iam::222222222222:role/baton";

    fn hop(external_id_sent: bool) -> Hop {
        Hop {
            role: "arn:aws:iam::222222222222:role/baton".to_owned(),
            caller: Some("arn:aws:sts::111111111111:assumed-role/pod/s".to_owned()),
            external_id_sent,
            step: Step::Role,
            unasked: false,
        }
    }

    fn failed(class: Class, code: &str, message: &str) -> CallError {
        let failure = Failure {
            class,
            code: Some(code.to_owned()),
            message: message.to_owned(),
            request_id: None,
            may_have_happened: false,
            expired: false,
        };
        CallError::new(Operation::safe(Service::Sts, "AssumeRole"), None, failure, 1)
    }

    fn denied(hop: Hop, message: &str) -> AccessError {
        diagnose(hop, "us-east-1", failed(Class::Denied, "AccessDenied", message))
    }

    #[test]
    fn a_refusal_without_a_reason_lists_the_possible_ones() {
        let with = denied(hop(true), DENIAL).to_string();
        assert!(with.contains("arn:aws:iam::222222222222:role/baton"), "{with}");
        for words in [
            "Either the role does not exist",
            "does not name arn:aws:sts::111111111111:assumed-role/pod/s as principal",
            "BATON_EXTERNAL_ID is not the one",
            "own policy does not allow sts:AssumeRole",
        ] {
            assert!(with.contains(words), "{words}: {with}");
        }
        let without = denied(hop(false), DENIAL).to_string();
        assert!(without.contains("BATON_EXTERNAL_ID is not set"), "{without}");
    }

    #[test]
    fn a_refusing_trust_policy_is_told_from_a_doubtful_external_id() {
        for words in [
            " because no role trust policy allows the sts:AssumeRole action",
            " because no resource-based policy allows the sts:AssumeRole action",
            " with an explicit deny in the role trust policy",
        ] {
            let message = format!("{DENIAL}{words}");
            assert!(matches!(denied(hop(false), &message), AccessError::TrustRefuses { .. }), "{words}");
            assert!(matches!(denied(hop(true), &message), AccessError::ExternalId { .. }), "{words}");
        }
    }

    #[test]
    fn a_denial_on_our_own_side_names_the_kind_of_policy() {
        for (words, policy) in [
            ("because no identity-based policy allows the sts:AssumeRole action", "in the policies of arn:"),
            ("with an explicit deny in a service control policy", "service control"),
            ("because no permissions boundary allows the sts:AssumeRole action", "boundary"),
        ] {
            let error = denied(hop(true), &format!("{DENIAL} {words}"));
            assert!(matches!(error, AccessError::OurSideDenied { .. }), "{error}");
            assert!(error.to_string().contains(policy), "{error}");
        }
    }

    #[test]
    fn missing_tag_session_is_told_by_the_action_that_aws_names() {
        let error = denied(hop(true), &DENIAL.replace("sts:AssumeRole", "sts:TagSession"));
        assert!(matches!(error, AccessError::TagSession { .. }), "{error}");
        assert!(error.to_string().contains("EKS Pod Identity"), "{error}");
    }

    #[test]
    fn an_unasked_hop_names_both_remedies() {
        let error = denied(Hop { unasked: true, ..hop(false) }, DENIAL).to_string();
        assert!(error.contains("BATON_USE_ASSUME=false") && error.contains("trust policy"), "{error}");
    }

    #[test]
    fn the_first_of_two_hops_names_its_own_external_id() {
        let error = denied(Hop { step: Step::Binding, ..hop(true) }, DENIAL).to_string();
        assert!(error.contains("BATON_GLOBAL_BINDING_EXTERNAL_ID"), "{error}");
    }

    #[test]
    fn expired_and_wrong_base_credentials_and_regions_are_no_refusal() {
        let code = "ExpiredToken".to_owned();
        let class = Class::Credentials(Arc::new(AccessError::Expired { code }));
        let expired = diagnose(hop(true), "us-east-1", failed(class, "ExpiredToken", ""));
        assert!(matches!(expired, AccessError::ExpiredBase { .. }), "{expired}");
        let region = diagnose(
            hop(true),
            "af-south-1",
            failed(Class::Invalid, "RegionDisabledException", "STS is not activated in this region"),
        );
        assert!(region.to_string().contains("region af-south-1 cannot be used"), "{region}");
        let down = diagnose(hop(true), "us-east-1", failed(Class::Transient, "InternalFailure", "down"));
        assert!(down.is_retryable(), "{down}");
    }

    #[test]
    fn an_external_id_that_sts_does_not_accept_is_not_quoted() {
        let message =
            "1 validation error detected: Value 'canary' at 'externalId' failed to satisfy constraint";
        let error = diagnose(hop(true), "us-east-1", failed(Class::Invalid, "ValidationError", message));
        assert!(matches!(error, AccessError::ExternalIdMalformed { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
