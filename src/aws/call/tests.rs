use std::sync::Mutex;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_identitystore::operation::list_users::ListUsersError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use futures::poll;

use super::*;
use crate::aws::operation::Service;
use crate::config::QuotaSetting;

const READ: Operation = Operation::safe(Service::IdentityStore, "ListUsers");
const ONCE: Operation = Operation::once(Service::SsoAdmin, "CreateAccountAssignment");

type Outcome = Result<u32, SdkError<ListUsersError, HttpResponse>>;

fn answered(status: u16, code: &str, body: &str) -> SdkError<ListUsersError, HttpResponse> {
    let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
    let meta = ErrorMetadata::builder().code(code).message("said AWS").build();
    SdkError::service_error(ListUsersError::generic(meta), raw)
}

fn reset() -> SdkError<ListUsersError, HttpResponse> {
    SdkError::dispatch_failure(ConnectorError::io("connection reset".into()))
}

fn lane(cancel: &CancellationToken) -> Lane {
    let quotas = Quotas::new(&QuotaSetting::Off, None).unwrap();
    let keys = Credentials::new("AKIDCANARY", "canary", None, None, "test");
    let credentials = Refreshing::new(SharedCredentialsProvider::new(keys));
    let account = "111111111111".parse().ok();
    Lane::new(Arc::new(Calls::new(quotas)), credentials, account, Priority::Sync, cancel.clone())
}

/// Gives the outcomes in turn.
async fn send(lane: &Lane, operation: Operation, outcomes: Vec<Outcome>) -> Result<u32, CallError> {
    let outcomes = Mutex::new(outcomes.into_iter());
    let next = || std::future::ready(outcomes.lock().unwrap().next().expect("no further request is sent"));
    lane.send(operation, next).await
}

fn failure(error: &SdkError<ListUsersError, HttpResponse>) -> Failure {
    classify(error, true)
}

/// The pauses between the requests of a call that always fails in the same way, until it gives up.
fn course(operation: Operation, error: impl Fn() -> SdkError<ListUsersError, HttpResponse>) -> Vec<Duration> {
    let mut course = Course::new(operation, Duration::from_mins(5));
    let mut now = Instant::now();
    let mut pauses = Vec::new();
    while let Next::Wait(pause) = course.after(&failure(&error()), now) {
        now += pause;
        pauses.push(pause);
    }
    pauses
}

#[test]
fn throttling_for_ever_gives_up_within_its_budget_after_many_attempts() {
    let pauses = course(READ, || answered(400, "ThrottlingException", "{}"));
    let total: Duration = pauses.iter().sum();
    assert!(total <= Duration::from_mins(5) && pauses.len() > 15, "{} in {total:?}", pauses.len());
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(20)));
}

#[test]
fn trouble_gives_up_after_four_requests() {
    assert_eq!(course(READ, || answered(500, "InternalServerException", "{}")).len(), 3);
    assert_eq!(course(READ, reset).len(), 3);
}

#[test]
fn what_waiting_does_not_mend_is_not_repeated() {
    for code in
        ["AccessDeniedException", "ResourceNotFoundException", "ValidationException", "ConflictException"]
    {
        assert!(course(READ, || answered(400, code, "{}")).is_empty(), "{code}");
    }
}

#[test]
fn a_change_whose_outcome_is_unknown_is_not_repeated() {
    assert!(course(ONCE, || answered(500, "InternalServerException", "{}")).is_empty());
    assert!(course(ONCE, reset).is_empty());
    assert!(course(ONCE, || SdkError::timeout_error("too slow")).is_empty());
    assert!(failure(&reset()).may_have_happened);
}

#[test]
fn a_change_that_was_throttled_is_repeated() {
    assert!(!course(ONCE, || answered(400, "ThrottlingException", "{}")).is_empty());
}

#[test]
fn aws_hint_to_wait_is_honoured() {
    let body = "{\"RetryAfterSeconds\": 9}";
    let pauses = course(READ, || answered(400, "ThrottlingException", body));
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_secs(9)), "{pauses:?}");
}

#[test]
fn codes_are_classified() {
    let class = |status, code, body| failure(&answered(status, code, body)).class;
    assert!(matches!(class(429, "Other", "{}"), Class::Throttled { .. }));
    assert!(matches!(class(400, "TooManyRequestsException", "{}"), Class::Throttled { .. }));
    assert!(matches!(class(503, "", "<html>"), Class::Transient));
    assert!(matches!(class(400, "AccessDeniedException", "{}"), Class::Denied));
    assert!(matches!(class(400, "AccountNotFoundException", "{}"), Class::NotFound));
    assert!(matches!(class(409, "ConflictException", "{}"), Class::Conflict { passing: true }));
    let unique = "{\"Reason\":\"UNIQUENESS_CONSTRAINT_VIOLATION\"}";
    assert!(matches!(class(409, "ConflictException", unique), Class::Conflict { passing: false }));
    assert!(matches!(class(400, "AWSOrganizationsNotInUseException", "{}"), Class::Invalid));
}

#[test]
fn a_refusing_kms_key_is_not_a_missing_permission_on_the_call() {
    for code in ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"] {
        let failure = failure(&answered(400, code, "{\"Reason\":\"KMS_ACCESS_DENIED\"}"));
        assert!(matches!(failure.class, Class::KeyUnusable), "{code}: {:?}", failure.class);
    }
    let throttled = failure(&answered(400, "ThrottlingException", "{\"Reason\":\"KMS_THROTTLING\"}"));
    assert!(matches!(throttled.class, Class::Throttled { .. }));
}

#[test]
fn messages_about_rejected_credentials_are_not_passed_on() {
    let failure = failure(&answered(403, "SignatureDoesNotMatch", "{}"));
    assert!(matches!(failure.class, Class::Credentials(_)));
    assert_eq!(failure.message, "");
}

#[test]
fn a_signature_for_a_region_that_does_not_exist_names_it() {
    let raw = HttpResponse::new(StatusCode::try_from(403).unwrap(), SdkBody::from("{}"));
    let message = "Credential should be scoped to a valid region, not 'us-east-9'. ";
    let meta = ErrorMetadata::builder().code("SignatureDoesNotMatch").message(message).build();
    let failure = failure(&SdkError::service_error(ListUsersError::generic(meta), raw));
    let Class::Credentials(error) = failure.class else { panic!("{:?}", failure.class) };
    assert!(error.to_string().starts_with("region us-east-9 cannot be used"), "{error}");
}

#[tokio::test]
async fn a_call_that_is_throttled_twice_succeeds_and_is_counted() {
    let cancel = CancellationToken::new();
    let lane = lane(&cancel);
    let throttled = || Err(answered(400, "ThrottlingException", "{}"));
    assert_eq!(send(&lane, READ, vec![throttled(), throttled(), Ok(7)]).await.unwrap(), 7);
    let stats = lane.calls.stats();
    let counts = stats.operations[&(Service::IdentityStore, "ListUsers")];
    assert_eq!((counts.calls, counts.throttled, counts.errors, stats.in_flight), (3, 2, 0, 0));
}

#[tokio::test]
async fn a_failed_call_names_account_operation_and_attempts() {
    let cancel = CancellationToken::new();
    let trouble = || Err(answered(500, "InternalServerException", "{}"));
    let error =
        send(&lane(&cancel), READ, vec![trouble(), trouble(), trouble(), trouble()]).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(
        error.to_string(),
        "identitystore:ListUsers in account 111111111111: temporary trouble (said AWS) \
         [InternalServerException, 4 attempts]"
    );
}

#[tokio::test]
async fn expired_credentials_are_fetched_anew_once() {
    let cancel = CancellationToken::new();
    let expired = || Err(answered(403, "ExpiredTokenException", "{}"));
    assert_eq!(send(&lane(&cancel), READ, vec![expired(), Ok(7)]).await.unwrap(), 7);
    let error = send(&lane(&cancel), READ, vec![expired(), expired()]).await.unwrap_err();
    assert!(matches!(error.class(), Class::Credentials(_)) && error.is_retryable(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_undo_an_earlier_attempt_that_had_no_answer() {
    let cancel = CancellationToken::new();
    let denied = || Err(answered(400, "AccessDeniedException", "{}"));
    let late = send(&lane(&cancel), READ, vec![Err(reset()), denied()]).await.unwrap_err();
    assert!(matches!(late.class(), Class::Denied) && late.may_have_happened() && late.attempts() == 2);
    let at_once = send(&lane(&cancel), READ, vec![denied()]).await.unwrap_err();
    assert!(!at_once.may_have_happened());
}

#[tokio::test]
async fn cancellation_ends_a_call_at_once() {
    let cancel = CancellationToken::new();
    let lane = lane(&cancel);
    let never = || std::future::pending::<Outcome>();
    let mut call = Box::pin(lane.send(READ, never));
    assert!(poll!(call.as_mut()).is_pending());
    cancel.cancel();
    let error = call.await.unwrap_err();
    assert!(matches!(error.class(), Class::Cancelled) && !error.is_retryable() && error.may_have_happened());
    assert_eq!(lane.calls.stats().in_flight, 0);
    let unsent = send(&lane, READ, vec![]).await.unwrap_err();
    assert!(matches!(unsent.class(), Class::Cancelled) && !unsent.may_have_happened());
}

#[test]
fn a_refusal_without_a_code_is_of_somebody_on_the_way_and_passes() {
    let bare = |status: u16| {
        let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from("<html></html>"));
        failure(&SdkError::service_error(ListUsersError::generic(ErrorMetadata::builder().build()), raw))
    };
    for status in [302, 401, 403, 404, 407] {
        let failure = bare(status);
        assert!(matches!(failure.class, Class::Transient), "{status}: {failure:?}");
        assert!(failure.message.contains("proxy") && failure.message.contains(&status.to_string()));
    }
    for status in [400, 413] {
        assert!(matches!(bare(status).class, Class::Invalid), "{status}");
    }
    assert!(matches!(bare(429).class, Class::Throttled { .. }));
    assert!(matches!(failure(&answered(403, "AccessDenied", "{}")).class, Class::Denied));
    assert!(matches!(failure(&answered(404, "NoSuchEntity", "{}")).class, Class::NotFound));
}

#[test]
fn a_quota_is_a_conflict_that_does_not_pass() {
    for code in
        ["LimitExceeded", "ServiceQuotaExceededException", "com.amazonaws.sso#ServiceQuotaExceededException"]
    {
        let class = failure(&answered(402, code, "{}")).class;
        assert!(matches!(class, Class::Conflict { passing: false }), "{code}: {class:?}");
    }
}

#[test]
fn a_secret_that_aws_quotes_is_left_out() {
    let raw = HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::from("{}"));
    for member in ["externalId", "webIdentityToken", "password"] {
        let words =
            format!("1 validation error detected: Value 'canary' at '{member}' failed to satisfy constraint");
        let meta = ErrorMetadata::builder().code("ValidationError").message(words).build();
        let raw = HttpResponse::new(raw.status(), SdkBody::from("{}"));
        let failed = failure(&SdkError::service_error(ListUsersError::generic(meta), raw));
        assert!(failed.message.contains(member) && !failed.message.contains("canary"), "{}", failed.message);
    }
}

#[test]
fn no_error_of_a_library_is_told_as_it_prints_itself() {
    let canary = || "Request { body: canary }";
    let errors: Vec<SdkError<ListUsersError, HttpResponse>> = vec![
        SdkError::construction_failure(canary()),
        SdkError::timeout_error(canary()),
        SdkError::dispatch_failure(ConnectorError::io(canary().into())),
        SdkError::dispatch_failure(ConnectorError::user(canary().into())),
        SdkError::dispatch_failure(ConnectorError::timeout(canary().into())),
        SdkError::dispatch_failure(ConnectorError::other(canary().into(), None)),
        SdkError::response_error(
            canary(),
            HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from("canary")),
        ),
    ];
    for error in &errors {
        let failed = failure(error);
        assert!(!failed.message.is_empty());
        let told = CallError::new(READ, None, failed, 1);
        assert!(!format!("{told} {told:?}").contains("canary"), "{told}");
    }
}

#[test]
fn settings_of_the_endpoint_that_contradict_each_other_are_no_passing_trouble() {
    let words = "Invalid Configuration: FIPS and custom endpoint are not supported";
    let failed = failure(&SdkError::dispatch_failure(ConnectorError::other(words.into(), None)));
    let told = CallError::new(READ, None, failed, 1);
    assert!(!told.is_retryable(), "{told}");
    assert!(told.to_string().contains("AWS_USE_FIPS_ENDPOINT"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_that_a_call_carries_leaves_the_own_session_alone() {
    let unsigned = Operation::safe(Service::Sts, "AssumeRoleWithWebIdentity").unsigned();
    let lane = lane(&CancellationToken::new());
    let before = lane.credentials.current().await.unwrap();
    let error =
        send(&lane, unsigned, vec![Err(answered(400, "ExpiredTokenException", ""))]).await.unwrap_err();
    assert!(matches!(error.class(), Class::Invalid), "{error}");
    assert_eq!((error.code(), error.attempts()), (Some("ExpiredTokenException"), 1));
    assert!(lane.credentials.holds(&before), "the session is still held");
}
