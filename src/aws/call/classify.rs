//! What a failed attempt means.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use serde::Deserialize;

use super::answer::AnswerFault;
use super::bound::TooLarge;
use crate::aws::credentials::ambient_error;
use crate::aws::error::{AccessError, Class, Failure};
use crate::json;
use crate::network::{UNTRUSTED, contradicts, told};
use crate::text::{self, printable};

/// AWS's codes for too many requests, over all services.
const THROTTLED: [&str; 14] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "SlowDown",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "TransactionInProgressException",
];

/// AWS's codes for trouble of its own that passes.
const TRANSIENT: [&str; 9] = [
    "InternalServerException",
    "InternalServerError",
    "InternalFailure",
    "InternalError",
    "ServiceException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "RequestTimeout",
    "RequestTimeoutException",
];

/// AWS's codes for credentials past their time.
const EXPIRED: [&str; 4] =
    ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"];

/// AWS's codes for credentials that it does not accept. Their messages may quote the signed request.
const REJECTED: [&str; 8] = [
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
];

/// Those of them that say no more than that the key is unknown.
const UNKNOWN_KEY: [&str; 2] = ["InvalidClientTokenId", "UnrecognizedClientException"];

/// IAM's codes for a change that an earlier one holds up.
const UNDER_WAY: [&str; 2] = ["ConcurrentModification", "EntityTemporarilyUnmodifiable"];

/// Codes for a change that what is there forbids, a quota among them.
const FORBIDDEN: [&str; 7] = [
    "LimitExceeded",
    "ServiceQuotaExceededException",
    "ServiceQuotaExceeded",
    "UnmodifiableEntity",
    "DeleteConflict",
    "EntityAlreadyExists",
    "PolicyNotAttachable",
];

/// Members of requests that are secrets.
const SECRETS: [&str; 5] = ["externalId", "webIdentityToken", "password", "newPassword", "oldPassword"];

const NOT_SENT: &str = "the request cannot be sent";

const DENIED: [&str; 5] = [
    "AccessDenied",
    "AccessDeniedException",
    "AccessDeniedForDependencyException",
    "UnauthorizedOperation",
    "NotAuthorized",
];

/// STS's codes for trouble between it and the issuer of a web identity, which passes.
const ISSUER_AWAY: [&str; 2] = ["IDPCommunicationError", "IDPCommunicationErrorException"];
/// STS says the same code of a token whose issuer it could not ask for its keys and of one that it does not accept.
const TOKEN_REFUSED: [&str; 2] = ["InvalidIdentityToken", "InvalidIdentityTokenException"];
const KEY_NOT_RETRIEVED: &str = "retrieve verification key";

/// The failure behind an error of the SDK. Of a call that is not signed, what AWS says of a token is said of one that
/// the call carries, not of the credentials of this program.
pub(in crate::aws) fn classify<E>(error: &SdkError<E, HttpResponse>, is_signed: bool) -> Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(context) => answered(error, context.raw(), is_signed),
        SdkError::ResponseError(_) => unreadable(error),
        SdkError::TimeoutError(_) => trouble("no answer in time".to_owned(), true),
        SdkError::DispatchFailure(failure) => {
            if let Some(failure) = credentials_in(error) {
                return failure;
            }
            if let Some(TooLarge { bound }) = find(error) {
                return Failure { may_have_happened: true, ..local(Class::TooLarge { bound: *bound }, "") };
            }
            if contradicts(error) {
                let detail = told(NOT_SENT, error);
                return no_credentials(Arc::new(AccessError::AmbientConfiguration { detail }));
            }
            if failure.is_user() {
                return local(Class::Invalid, told(NOT_SENT, error));
            }
            trouble(on_the_way(error), !never_connected(error))
        }
        // ConstructionFailure: the request could not even be built.
        _ => credentials_in(error).unwrap_or_else(|| local(Class::Invalid, told(NOT_SENT, error))),
    }
}

/// Whether AWS does not know the key that the request was signed with.
pub(super) fn is_unknown_key(failure: &Failure) -> bool {
    failure.code.as_deref().is_some_and(|code| UNKNOWN_KEY.contains(&code))
}

/// The credentials for the call could not be had.
pub(super) fn no_credentials(error: Arc<AccessError>) -> Failure {
    local(Class::Credentials(error), String::new())
}

/// The caller ended the call, with a request under way or without.
pub(super) fn cancelled(under_way: bool) -> Failure {
    Failure { may_have_happened: under_way, ..local(Class::Cancelled, String::new()) }
}

/// A write that no answer is known for without AWS.
pub(super) fn rehearsed() -> Failure {
    local(Class::Invalid, "not sent: this is a rehearsal, which changes nothing")
}

fn local(class: Class, message: impl AsRef<str>) -> Failure {
    let message = printable(message.as_ref(), text::MESSAGE).into_owned();
    Failure { class, code: None, message, request_id: None, may_have_happened: false, expired: false }
}

fn trouble(message: String, may_have_happened: bool) -> Failure {
    Failure { may_have_happened, ..local(Class::Transient, message) }
}

/// AWS answered with an error, or with a success whose body the SDK could not read.
fn answered<E>(error: &SdkError<E, HttpResponse>, raw: &HttpResponse, is_signed: bool) -> Failure
where
    E: ProvideErrorMetadata,
    SdkError<E, HttpResponse>: StdError,
{
    let request_id = error.request_id().map(word);
    let status = raw.status().as_u16();
    if raw.status().is_success() {
        let message = "the answer has another shape than AWS's model".to_owned();
        return Failure { request_id, may_have_happened: true, ..local(Class::Malformed, message) };
    }
    let code = error.code().map(|code| word(bare(code))).filter(|code| !code.is_empty());
    if code.is_none() && is_from_between(status) {
        let message = format!(
            "HTTP status {status} without an error code, which AWS always gives: a proxy or a gateway on the way answered"
        );
        return Failure { request_id, ..trouble(message, true) };
    }
    let hints = Hints::of(raw);
    let message = without_secrets(error.message().unwrap_or_default());
    let message = printable(&message, text::MESSAGE).into_owned();
    let (class, expired) = if is_signed || !code.as_deref().is_some_and(|code| EXPIRED.contains(&code)) {
        class_of(code.as_deref(), status, &message, &hints)
    } else {
        (Class::Invalid, false)
    };
    let message = match &class {
        Class::Credentials(_) => String::new(),
        Class::KeyUnusable => {
            hints.reason.clone().map_or(message.clone(), |reason| format!("{reason}: {message}"))
        }
        _ if message.is_empty() => format!("HTTP status {status}"),
        _ => message,
    };
    let may_have_happened = matches!(class, Class::Transient);
    Failure { class, code, message, request_id, may_have_happened, expired }
}

/// Whether an answer of this status without an error code is not AWS's own. AWS names a code with each refusal; what is
/// too long or no request of HTTP at all is refused before it gets that far.
fn is_from_between(status: u16) -> bool {
    (300..500).contains(&status) && ![400, 413, 429].contains(&status)
}

fn class_of(code: Option<&str>, status: u16, message: &str, hints: &Hints) -> (Class, bool) {
    let code = code.unwrap_or_default();
    let is = |codes: &[&str]| codes.contains(&code);
    if is(&EXPIRED) {
        let error = AccessError::Expired { code: code.to_owned() };
        return (Class::Credentials(Arc::new(error)), true);
    }
    if is(&REJECTED) {
        let error = match mistaken_region(message) {
            Some(region) => AccessError::WrongRegion { region: region.to_owned(), detail: code.to_owned() },
            None => AccessError::InvalidKeys { code: code.to_owned() },
        };
        return (Class::Credentials(Arc::new(error)), false);
    }
    let class = if is(&THROTTLED) || status == 429 {
        Class::Throttled { retry_after: hints.retry_after }
    } else if hints.reason.as_deref().is_some_and(|reason| reason.starts_with("KMS_")) {
        Class::KeyUnusable
    } else if is(&DENIED) {
        Class::Denied
    } else if is(&TRANSIENT)
        || status >= 500
        || is(&ISSUER_AWAY)
        || is(&TOKEN_REFUSED) && message.contains(KEY_NOT_RETRIEVED)
    {
        Class::Transient
    } else if hints.resource_type.as_deref() == Some("IDENTITY_STORE") {
        // The directory itself is not found, which says nothing of what the call names in it.
        Class::Invalid
    } else if code.contains("NotFound") || code == "NoSuchEntity" {
        Class::NotFound
    } else if code == "ConflictException" || code == "ConcurrentModificationException" {
        Class::Conflict { passing: hints.reason.as_deref() != Some("UNIQUENESS_CONSTRAINT_VIOLATION") }
    } else if is(&UNDER_WAY) || is(&FORBIDDEN) {
        Class::Conflict { passing: is(&UNDER_WAY) }
    } else {
        Class::Invalid
    };
    (class, false)
}

/// The region that a signature must not have: `Credential should be scoped to a valid region, not 'x'.`
fn mistaken_region(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("scoped to a valid region, not '")?;
    rest.split('\'').next().filter(|region| region.len() < 40)
}

/// What AWS says, unless it quotes a secret that was sent: `Value '<what was sent>' at '<where>' failed to satisfy ...`.
fn without_secrets(message: &str) -> String {
    let text = message.to_ascii_lowercase();
    match SECRETS.iter().find(|name| text.contains(&format!("' at '{}'", name.to_ascii_lowercase()))) {
        Some(name) => {
            format!("AWS does not take the value of {name}; its words are left out, as they quote it")
        }
        None => message.to_owned(),
    }
}

/// The success could not be read to its end, or it is not what it must be.
fn unreadable<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    SdkError<E, HttpResponse>: StdError + 'static,
    E: StdError + 'static,
{
    let request_id = error.request_id().map(word);
    let (class, message) = match find::<AnswerFault>(error) {
        Some(fault @ AnswerFault::CutOff) => (Class::Transient, fault.to_string()),
        Some(fault) => (Class::Malformed, fault.to_string()),
        // The answer came whole and is JSON or XML: a member has another type than AWS's model gives it.
        None => (Class::Malformed, told("the answer could not be read", error)),
    };
    Failure { request_id, may_have_happened: true, ..local(class, message) }
}

/// What the way to AWS failed with, and what helps where that is known.
fn on_the_way(error: &(dyn StdError + 'static)) -> String {
    let mut text = told("no answer", error);
    if text.contains(UNTRUSTED) {
        text.push_str(
            "; trusted are the system's authorities, or those in SSL_CERT_FILE and SSL_CERT_DIR, and those in \
             AWS_CA_BUNDLE: name the missing one there as BEGIN CERTIFICATE (others, such as BEGIN TRUSTED CERTIFICATE, \
             are not read)",
        );
    }
    text
}

/// The failure of the credentials, if it is what ended the call.
fn credentials_in(error: &(dyn StdError + 'static)) -> Option<Failure> {
    let error = find::<CredentialsError>(error)?;
    Some(no_credentials(Arc::new(ambient_error(error))))
}

/// Whether the connection was never made, so that AWS cannot have received anything.
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    find::<hyper_util::client::legacy::Error>(error)
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// The first error of this type in the chain.
pub(in crate::aws) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// A code or an id that AWS sent.
fn word(text: &str) -> String {
    printable(text, text::NAME).into_owned()
}

/// The code without the namespace that JSON services put in front of it and the URL that some put behind.
fn bare(code: &str) -> &str {
    let code = code.rsplit('#').next().unwrap_or(code);
    code.split(':').next().unwrap_or(code)
}

/// What an error answer says beside code and message.
#[derive(Debug, Default)]
struct Hints {
    reason: Option<String>,
    /// What is not found, where the service says.
    resource_type: Option<String>,
    retry_after: Option<Duration>,
}

/// AWS asks for seconds; more than this is a mistake or a ban, and the budget of the call decides.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);

impl Hints {
    fn of(raw: &HttpResponse) -> Self {
        #[derive(Default, Deserialize)]
        struct Body {
            #[serde(rename = "Reason")]
            reason: Option<String>,
            #[serde(rename = "ResourceType")]
            resource_type: Option<String>,
            #[serde(rename = "RetryAfterSeconds")]
            retry_after_seconds: Option<f64>,
        }
        let body: Body = json::read(raw.body().bytes().unwrap_or_default()).unwrap_or_default();
        let header = |name: &str| raw.headers().get(name).and_then(|value| value.trim().parse::<f64>().ok());
        let seconds = body
            .retry_after_seconds
            .or_else(|| header("retry-after"))
            .or_else(|| header("x-amz-retry-after").map(|millis| millis / 1000.0));
        let retry_after = seconds
            .filter(|seconds| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(|pause| pause.min(LONGEST_RETRY_AFTER));
        Self {
            reason: body.reason.as_deref().map(word),
            resource_type: body.resource_type.as_deref().map(word),
            retry_after,
        }
    }
}
