//! What a failure of the ambient chain means.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;

use crate::aws::call::chain;
use crate::aws::error::AccessError;

/// The failure behind an error of a credentials provider: one of ours as it is, one of the SDK's by its kind.
pub(in crate::aws) fn ambient_error(error: &CredentialsError) -> AccessError {
    let ours = std::iter::successors(error.source(), |&error| error.source())
        .find_map(|error| error.downcast_ref::<AccessError>());
    if let Some(ours) = ours {
        return ours.clone();
    }
    let detail = chain(error);
    match error {
        CredentialsError::CredentialsNotLoaded(_) => AccessError::NoCredentials { detail },
        CredentialsError::InvalidConfiguration(_) => AccessError::AmbientConfiguration { detail },
        _ => match expired_or_refused(&detail) {
            Some(Verdict::Expired(code)) => AccessError::ExpiredBase { code: code.to_owned() },
            Some(Verdict::Refused) => AccessError::WebIdentityRefused { detail },
            None => AccessError::BaseUnavailable { detail },
        },
    }
}

enum Verdict {
    Expired(&'static str),
    Refused,
}

/// The SDK's web identity provider passes STS's answer on as text only.
fn expired_or_refused(detail: &str) -> Option<Verdict> {
    if detail.contains("ExpiredToken") {
        return Some(Verdict::Expired("ExpiredTokenException"));
    }
    let refused = ["AccessDenied", "InvalidIdentityToken", "IDPRejectedClaim", "AssumeRoleWithWebIdentity"];
    let words = refused.iter().take(3).any(|word| detail.contains(word));
    (words || (detail.contains(refused[3]) && detail.contains("not authorized"))).then_some(Verdict::Refused)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn kinds_of_ambient_failure_are_told_apart() {
        let none = ambient_error(&CredentialsError::not_loaded("no providers in chain"));
        assert!(matches!(none, AccessError::NoCredentials { .. }), "{none}");
        let profile = ambient_error(&CredentialsError::invalid_configuration("profile x is not defined"));
        assert!(matches!(profile, AccessError::AmbientConfiguration { .. }), "{profile}");
        let slow = ambient_error(&CredentialsError::provider_timed_out(Duration::from_secs(1)));
        assert!(matches!(slow, AccessError::BaseUnavailable { .. }) && slow.is_retryable(), "{slow}");
        let old = ambient_error(&CredentialsError::provider_error("service error: ExpiredTokenException"));
        assert!(matches!(old, AccessError::ExpiredBase { .. }), "{old}");
        let refused = ambient_error(&CredentialsError::provider_error(
            "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
        ));
        assert!(matches!(refused, AccessError::WebIdentityRefused { .. }), "{refused}");
        assert!(!refused.is_retryable());
    }

    #[test]
    fn a_failed_hop_below_keeps_its_diagnosis() {
        let hop = AccessError::NoRegion;
        let outer = ambient_error(&CredentialsError::provider_error(hop));
        assert!(matches!(outer, AccessError::NoRegion), "{outer}");
    }
}
