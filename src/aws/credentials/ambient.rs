//! The ambient chain, and what its failure means.

use std::error::Error;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use crate::aws::call::{classify, find};
use crate::aws::error::{AccessError, Class, Failure};
use crate::config::TokenFile;
use crate::network::told;

/// The ambient chain, whose failure names the file of a token that cannot be read.
#[derive(Debug)]
pub(super) struct Ambient {
    pub(super) chain: SharedCredentialsProvider,
    pub(super) token_files: Vec<TokenFile>,
}

impl Ambient {
    fn explain(&self, error: CredentialsError) -> CredentialsError {
        if find::<io::Error>(&error).is_none() {
            return error;
        }
        let unreadable = self.token_files.iter().find_map(|file| {
            let fault = std::fs::File::open(&file.path).err()?;
            Some((file, fault))
        });
        let Some((TokenFile { variable, path }, fault)) = unreadable else { return error };
        let fault = told("it cannot be opened", &fault);
        let detail =
            format!("the file of the token, {} ({variable}), cannot be read: {fault}", path.display());
        CredentialsError::provider_error(AccessError::BaseUnavailable { detail })
    }
}

impl ProvideCredentials for Ambient {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.chain.provide_credentials().await.map_err(|error| self.explain(error))
        })
    }
}

/// The failure behind an error of a credentials provider: one of ours as it is, an answer of STS by its code, one of the
/// SDK's by its kind.
pub(in crate::aws) fn ambient_error(error: &CredentialsError) -> AccessError {
    if let Some(ours) = find::<AccessError>(error) {
        return ours.clone();
    }
    if let Some(refused) = find::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>(error) {
        return of_web_identity(classify(refused, false));
    }
    let detail = told("a source of credentials failed", error);
    match error {
        CredentialsError::CredentialsNotLoaded(_) => AccessError::NoCredentials {
            detail: find_known(error).unwrap_or_else(|| "no source of the chain is set up".to_owned()),
        },
        CredentialsError::InvalidConfiguration(_) => AccessError::AmbientConfiguration { detail },
        _ => AccessError::BaseUnavailable { detail },
    }
}

/// What is known of a failure beyond its kind.
fn find_known(error: &CredentialsError) -> Option<String> {
    const KIND: &str = "unknown";
    error.source().map(|cause| told(KIND, cause)).filter(|text| !text.starts_with(KIND))
}

/// What STS's answer to the token of the pod means. Its words, which may quote the token, are told of known codes only.
fn of_web_identity(failure: Failure) -> AccessError {
    const REFUSED: [&str; 6] = [
        "AccessDenied",
        "AccessDeniedException",
        "InvalidIdentityToken",
        "InvalidIdentityTokenException",
        "IDPRejectedClaim",
        "IDPRejectedClaimException",
    ];
    let Failure { class, code, message, .. } = failure;
    let said = |code: &str| format!("{message} [{code}]");
    match (class, code.as_deref()) {
        (Class::Transient | Class::Throttled { .. }, Some(code)) => {
            AccessError::BaseUnavailable { detail: format!("sts:AssumeRoleWithWebIdentity: {}", said(code)) }
        }
        (Class::Transient | Class::Throttled { .. }, None) => {
            AccessError::BaseUnavailable { detail: format!("sts:AssumeRoleWithWebIdentity: {message}") }
        }
        (_, Some(code)) if code.starts_with("ExpiredToken") => {
            AccessError::ExpiredBase { code: code.to_owned() }
        }
        (_, Some(code)) if REFUSED.contains(&code) => AccessError::WebIdentityRefused { detail: said(code) },
        (Class::Credentials(error), _) => error.as_ref().clone(),
        (_, code) => AccessError::BaseUnavailable {
            detail: format!("sts:AssumeRoleWithWebIdentity answers {}", code.unwrap_or("without a code")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_credential_types::Credentials;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn refused_by_sts(code: &str, message: &str) -> AccessError {
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        let raw = HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::empty());
        let error = AssumeRoleWithWebIdentityError::generic(metadata);
        ambient_error(&CredentialsError::provider_error(SdkError::service_error(error, raw)))
    }

    #[test]
    fn kinds_of_ambient_failure_are_told_apart() {
        let none = ambient_error(&CredentialsError::not_loaded("no providers in chain"));
        assert!(matches!(none, AccessError::NoCredentials { .. }), "{none}");
        let profile =
            ambient_error(&CredentialsError::invalid_configuration("profile canary is not defined"));
        assert!(matches!(profile, AccessError::AmbientConfiguration { .. }), "{profile}");
        assert!(!profile.to_string().contains("canary"), "{profile}");
        let slow = ambient_error(&CredentialsError::provider_timed_out(Duration::from_secs(1)));
        assert!(matches!(slow, AccessError::BaseUnavailable { .. }) && slow.is_retryable(), "{slow}");
        let odd = ambient_error(&CredentialsError::provider_error("Request { body: canary }"));
        assert!(odd.is_retryable() && !format!("{odd} {odd:?}").contains("canary"), "{odd}");
    }

    #[test]
    fn a_token_that_is_refused_is_final_and_trouble_with_its_issuer_passes() {
        let message = "Couldn't retrieve verification key from your identity provider,  please reference \
                       AssumeRoleWithWebIdentity documentation for requirements";
        for (code, message) in [
            ("InvalidIdentityToken", message),
            ("InvalidIdentityTokenException", message),
            ("IDPCommunicationError", "The identity provider does not answer"),
            ("InternalFailure", ""),
            ("Throttling", "Rate exceeded"),
        ] {
            let error = refused_by_sts(code, message);
            assert!(error.is_retryable(), "{code}: {error}");
            assert!(error.to_string().contains(code), "{code}: {error}");
        }
        for (code, message) in [
            ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
            ("InvalidIdentityToken", "Incorrect token audience"),
            ("IDPRejectedClaim", "The claim is rejected"),
        ] {
            let error = refused_by_sts(code, message);
            assert!(
                matches!(error, AccessError::WebIdentityRefused { .. }) && !error.is_retryable(),
                "{error}"
            );
        }
        let old = refused_by_sts("ExpiredTokenException", "Token expired: current date must be before");
        assert!(matches!(old, AccessError::ExpiredBase { .. }), "{old}");
        let quoting =
            refused_by_sts("ValidationError", "Value 'canary' at 'webIdentityToken' failed to satisfy");
        assert!(!format!("{quoting} {quoting:?}").contains("canary"), "{quoting}");
    }

    #[test]
    fn a_token_file_that_is_not_there_is_named_with_its_variable() {
        let ambient = Ambient {
            chain: SharedCredentialsProvider::new(Credentials::new("AKID", "secret", None, None, "test")),
            token_files: vec![TokenFile {
                variable: "AWS_WEB_IDENTITY_TOKEN_FILE",
                path: "/nowhere/token".into(),
            }],
        };
        let missing = CredentialsError::provider_error(io::Error::from(io::ErrorKind::NotFound));
        let error = ambient_error(&ambient.explain(missing)).to_string();
        assert!(error.contains("/nowhere/token (AWS_WEB_IDENTITY_TOKEN_FILE)"), "{error}");
        assert!(error.contains("No such file"), "{error}");
        let other = ambient_error(&ambient.explain(CredentialsError::provider_error("other"))).to_string();
        assert!(!other.contains("/nowhere"), "{other}");
    }

    #[test]
    fn a_failed_hop_below_keeps_its_diagnosis() {
        let hop = AccessError::NoRegion;
        let outer = ambient_error(&CredentialsError::provider_error(hop));
        assert!(matches!(outer, AccessError::NoRegion), "{outer}");
    }
}
