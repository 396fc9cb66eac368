//! What trouble with AWS is called towards the control plane, and in exit codes.

use crate::aws::{AccessError, CallError, Class};
use crate::baton::Code;

/// The code of a call that failed.
pub(super) fn call_code(error: &CallError) -> Code {
    match error.class() {
        Class::Denied => Code::PermissionDenied,
        Class::NotFound => Code::NotFound,
        // The change under way will be over; any other contradiction has to be resolved by somebody.
        Class::Conflict { passing: true } => Code::Aborted,
        Class::Conflict { passing: false } | Class::KeyUnusable => Code::FailedPrecondition,
        Class::Invalid => Code::InvalidArgument,
        Class::Throttled { .. } | Class::Transient => Code::Unavailable,
        Class::Credentials(error) => access_code(error),
        Class::Malformed | Class::TooLarge { .. } => Code::Internal,
        Class::Cancelled => Code::Cancelled,
    }
}

/// The code of a federation token that STS does not give: where baton-aws tells apart what AWS's other calls do not.
pub(super) fn federation_code(error: &CallError) -> Code {
    match (error.code(), error.class()) {
        (Some("RegionDisabledException"), _) => Code::FailedPrecondition,
        (Some("AuthorizationError"), _) => Code::PermissionDenied,
        (_, Class::Throttled { .. }) => Code::ResourceExhausted,
        _ => call_code(error),
    }
}

/// The code of missing access.
pub fn access_code(error: &AccessError) -> Code {
    match error {
        AccessError::Call(error) => call_code(error),
        error if error.is_retryable() => Code::Unavailable,
        AccessError::Unreachable { .. } => Code::Unavailable,
        AccessError::NoCredentials { .. }
        | AccessError::BaseUnavailable { .. }
        | AccessError::WebIdentityRefused { .. }
        | AccessError::ExpiredBase { .. }
        | AccessError::InvalidKeys { .. }
        | AccessError::Expired { .. } => Code::Unauthenticated,
        AccessError::NoSuchRole { .. }
        | AccessError::TrustRefuses { .. }
        | AccessError::ExternalId { .. }
        | AccessError::TagSession { .. }
        | AccessError::OurSideDenied { .. }
        | AccessError::Refused { .. } => Code::PermissionDenied,
        AccessError::AmbientConfiguration { .. }
        | AccessError::NoRegion
        | AccessError::WrongRegion { .. }
        | AccessError::ExternalIdMalformed { .. }
        | AccessError::NoInstance { .. }
        | AccessError::AmbiguousInstances { .. }
        | AccessError::InstanceNotVisible { .. }
        | AccessError::QuotaFile { .. }
        | AccessError::CaBundle { .. } => Code::FailedPrecondition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_access_is_told_apart_by_who_can_mend_it() {
        for (error, code) in [
            (AccessError::NoRegion, Code::FailedPrecondition),
            (AccessError::NoCredentials { detail: String::new() }, Code::Unauthenticated),
            (AccessError::InvalidKeys { code: String::new() }, Code::Unauthenticated),
            (AccessError::ExpiredBase { code: String::new() }, Code::Unavailable),
            (AccessError::BaseUnavailable { detail: String::new() }, Code::Unavailable),
        ] {
            assert_eq!(access_code(&error), code, "{error}");
        }
    }
}
