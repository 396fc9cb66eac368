//! What tasks need from the connector, as a port: the daemon's behaviour is tried without AWS behind it.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost_types::Struct;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::code::{access_code, call_code, federation_code};
use super::figures::Counted;
use crate::aws::{CallError, Class};
use crate::baton::time::to_proto_timestamp;
use crate::baton::{Code, any, ksuid, resource, rpc, v2};
use crate::c1z::{self, Stage};
use crate::connector::{ActionResults, Connector, FeedError, Provision, ProvisionError, access_key};
use crate::sync::seal::{Contents, SealError, SealOptions, seal};
use crate::sync::{self, Census, Changes, ExternalError, Progress, Report, SyncError, SyncOptions};

/// The operations of a connector. Those that take a cancellation token obey it down to the call to AWS.
pub trait Engine: Send + Sync + 'static {
    /// The connector as a hello announces it, as it is now.
    fn metadata(&self) -> v2::ConnectorMetadata;

    /// Gives `entitlement` to `principal`.
    fn grant<'a>(
        &'a self,
        entitlement: &'a v2::Entitlement,
        principal: &'a v2::Resource,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::GrantManagerServiceGrantResponse, EngineError>>;

    /// Takes `grant` away.
    fn revoke<'a>(
        &'a self,
        grant: &'a v2::Grant,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::GrantManagerServiceRevokeResponse, EngineError>>;

    /// Makes an account.
    fn create_account<'a>(
        &'a self,
        request: &'a v2::CreateAccountRequest,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::CreateAccountResponse, EngineError>>;

    /// Deletes a resource.
    fn delete<'a>(
        &'a self,
        id: &'a v2::ResourceId,
        parent: Option<&'a v2::ResourceId>,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::DeleteResourceResponse, EngineError>>;

    /// Replaces a credential.
    fn rotate_credential<'a>(
        &'a self,
        request: &'a v2::RotateCredentialRequest,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::RotateCredentialResponse, EngineError>>;

    /// Makes a further credential.
    fn issue_credential<'a>(
        &'a self,
        request: &'a v2::IssueCredentialRequest,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::IssueCredentialResponse, EngineError>>;

    /// The actions that there are.
    fn action_schemas(&self) -> Vec<v2::BatonActionSchema>;

    /// Carries out an action to its end. Its secret results are for the recipients alone.
    fn invoke_action<'a>(
        &'a self,
        name: &'a str,
        arguments: Struct,
        recipients: &'a [v2::EncryptionConfig],
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<ActionResults, EngineError>>;

    /// The event feeds that there are.
    fn event_feeds(&self) -> Vec<v2::EventFeedMetadata>;

    /// The next events of a feed.
    fn events<'a>(
        &'a self,
        request: &'a v2::ListEventsRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<v2::ListEventsResponse, EngineError>>;

    /// Writes a finished sync to `target`, which is replaced at once and only by a whole file; `work_dir` holds
    /// what is unfinished, and `changes` what this process changes meanwhile. Gives what the sync counted.
    fn sync<'a>(
        &'a self,
        options: &'a SyncOptions,
        target: &'a Path,
        work_dir: &'a Path,
        changes: &'a Changes,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Census, EngineError>>;

    /// Writes a finished sync without a single row to `target`.
    fn empty_sync<'a>(
        &'a self,
        target: &'a Path,
        work_dir: &'a Path,
    ) -> BoxFuture<'a, Result<(), EngineError>>;
}

/// How an operation of the connector failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", status.message)]
pub struct EngineError {
    /// Code, message for humans, details for programs.
    pub status: rpc::Status,
    /// Whether reading again would not help: what was read contradicts itself, or makes a file that nobody reads.
    pub integrity: bool,
}

impl EngineError {
    /// Trouble on this host, not with AWS.
    pub fn local(message: String) -> Self {
        Self::new(Code::Unknown, message)
    }

    /// Nobody waits for the result any more.
    pub(super) fn cancelled() -> Self {
        Self::new(Code::Cancelled, "the sync was cancelled".to_owned())
    }

    fn new(code: Code, message: String) -> Self {
        let status = rpc::Status { code: code.into(), message, details: Vec::new() };
        Self { status, integrity: false }
    }
}

/// The connector itself.
impl Engine for Connector {
    fn metadata(&self) -> v2::ConnectorMetadata {
        self.metadata()
    }

    fn grant<'a>(
        &'a self,
        entitlement: &'a v2::Entitlement,
        principal: &'a v2::Resource,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::GrantManagerServiceGrantResponse, EngineError>> {
        async move { Ok(self.grant(entitlement, principal, provision).await?) }.boxed()
    }

    fn revoke<'a>(
        &'a self,
        grant: &'a v2::Grant,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::GrantManagerServiceRevokeResponse, EngineError>> {
        async move { Ok(self.revoke(grant, provision).await?) }.boxed()
    }

    fn create_account<'a>(
        &'a self,
        request: &'a v2::CreateAccountRequest,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::CreateAccountResponse, EngineError>> {
        async move { Ok(self.create_account(request, provision).await?) }.boxed()
    }

    fn delete<'a>(
        &'a self,
        id: &'a v2::ResourceId,
        parent: Option<&'a v2::ResourceId>,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::DeleteResourceResponse, EngineError>> {
        async move { Ok(self.delete(id, parent, provision).await?) }.boxed()
    }

    fn rotate_credential<'a>(
        &'a self,
        request: &'a v2::RotateCredentialRequest,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::RotateCredentialResponse, EngineError>> {
        async move { Ok(self.rotate_credential(request, provision).await?) }.boxed()
    }

    fn issue_credential<'a>(
        &'a self,
        request: &'a v2::IssueCredentialRequest,
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::IssueCredentialResponse, EngineError>> {
        async move { Ok(self.issue_credential(request, provision).await?) }.boxed()
    }

    fn action_schemas(&self) -> Vec<v2::BatonActionSchema> {
        self.action_schemas()
    }

    fn invoke_action<'a>(
        &'a self,
        name: &'a str,
        arguments: Struct,
        recipients: &'a [v2::EncryptionConfig],
        provision: &'a Provision,
    ) -> BoxFuture<'a, Result<ActionResults, EngineError>> {
        async move { Ok(self.invoke_action(name, arguments, recipients, provision).await?) }.boxed()
    }

    fn event_feeds(&self) -> Vec<v2::EventFeedMetadata> {
        self.event_feeds()
    }

    fn events<'a>(
        &'a self,
        request: &'a v2::ListEventsRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<v2::ListEventsResponse, EngineError>> {
        async move { Ok(self.events(request, cancel).await?) }.boxed()
    }

    fn sync<'a>(
        &'a self,
        options: &'a SyncOptions,
        target: &'a Path,
        work_dir: &'a Path,
        changes: &'a Changes,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Census, EngineError>> {
        async move {
            let counted = Counted::begin();
            let progress = Progress::default();
            let report = sync::run(self, options, target, work_dir, &progress, changes, cancel).await;
            counted.ends(&report);
            let report = report?;
            log(&report);
            Ok(report.census())
        }
        .boxed()
    }

    fn empty_sync<'a>(
        &'a self,
        target: &'a Path,
        work_dir: &'a Path,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let (target, work_dir) = (target.to_owned(), work_dir.to_owned());
        async move {
            spawn_blocking(move || write_empty(&target, &work_dir))
                .await
                .unwrap_or(Err(SyncError::Writer))
                .map_err(EngineError::from)
        }
        .boxed()
    }
}

/// Seals a stage that holds nothing.
fn write_empty(target: &Path, work_dir: &Path) -> Result<(), SyncError> {
    let stage = Stage::create(work_dir)?;
    let options = SealOptions {
        sync_id: ksuid::new(),
        started_at: jiff::Timestamp::now(),
        contents: Contents::All,
        expand: true,
        targets: None,
    };
    seal(stage, &options, target, &CancellationToken::new())?;
    Ok(())
}

/// What is incomplete is said one by one: its absence from the file means nothing.
fn log(report: &Report) {
    for incomplete in &report.incomplete {
        tracing::warn!(
            scope = incomplete.scope,
            reason = incomplete.reason,
            "a part of the sync is incomplete"
        );
    }
    let total = report.total();
    let missing = report.incomplete.len();
    let unread: u64 = report.completeness.values().map(|coverage| coverage.incomplete).sum();
    macro_rules! tell {
        ($level:ident, $($message:tt)+) => {
            tracing::$level!(
                sync_id = report.sync_id,
                resources = total.resources,
                entitlements = total.entitlements,
                grants = total.grants,
                incomplete = missing,
                scopes_incomplete = unread,
                orphaned_assignments = report.orphans,
                calls = report.calls.total().calls,
                throttled = report.calls.total().throttled,
                busiest_quota = report.busiest().map(tracing::field::display),
                bytes = report.bytes,
                decoded_bytes = report.decoded,
                duration = report.elapsed.as_secs_f64(),
                $($message)+
            )
        };
    }
    if missing == 0 {
        tell!(info, "sync complete");
    } else {
        tell!(warn, "sync incomplete: {missing} parts could not be read");
    }
}

impl From<ProvisionError> for EngineError {
    fn from(error: ProvisionError) -> Self {
        let message = error.to_string();
        match error {
            ProvisionError::Invalid(_) | ProvisionError::OtherEntity { .. } => {
                Self::new(Code::InvalidArgument, message)
            }
            // Whatever keeps the guard from knowing, it asks again.
            ProvisionError::GuardBlind { .. } | ProvisionError::Failed { passing: true, .. } => {
                Self::new(Code::Unavailable, message)
            }
            ProvisionError::Unverified { .. } => Self::new(Code::PermissionDenied, message),
            ProvisionError::Unsupported(_) => Self::new(Code::Unimplemented, message),
            ProvisionError::NoEntry { error, .. } => Self::new(access_code(&error), message),
            ProvisionError::NoAction(_) => Self::new(Code::NotFound, message),
            ProvisionError::Token(_) => Self::new(Code::Unauthenticated, message),
            ProvisionError::Taken(_) => Self::new(Code::AlreadyExists, message),
            ProvisionError::Call(error) => Self::of_call(&error),
            ProvisionError::NoFederation(error) => {
                let mut failure = Self::of_call(&error);
                failure.status.code = federation_code(&error).into();
                failure.status.message = message;
                failure
            }
            ProvisionError::Undelivered { error, .. } => {
                let mut failure = Self::from(*error);
                failure.status.message = message;
                failure
            }
            ProvisionError::KeyLeft { key, .. } => {
                let mut failure = Self::new(Code::Internal, message);
                let details = [any::pack(&resource::id(access_key::ID, &key)), any::pack(&issued_in_vain())];
                failure.status.details.extend(details);
                failure
            }
            ProvisionError::Broken => Self::new(Code::Internal, message),
            // It is decided; asking again is for somebody who has read the reason.
            ProvisionError::Protected(_)
            | ProvisionError::Account { .. }
            | ProvisionError::Outside { .. }
            | ProvisionError::Failed { .. }
            | ProvisionError::KeysFull { .. }
            | ProvisionError::NotOurs(_) => Self::new(Code::FailedPrecondition, message),
            ProvisionError::Unconfirmed { .. } => Self::new(Code::DeadlineExceeded, message),
            ProvisionError::Cancelled => Self::new(Code::Cancelled, message),
        }
    }
}

impl From<FeedError> for EngineError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Unknown(_) => Self::new(Code::NotFound, error.to_string()),
            FeedError::Cursor(_) => Self::new(Code::InvalidArgument, error.to_string()),
            FeedError::Call(error) => Self::of_call(&error),
        }
    }
}

impl From<SyncError> for EngineError {
    fn from(error: SyncError) -> Self {
        let message = with_causes(&error);
        match error {
            SyncError::Cancelled => Self::new(Code::Cancelled, message),
            SyncError::UnknownType { .. } => Self::new(Code::InvalidArgument, message),
            SyncError::Entry { error, .. } | SyncError::NoEntry { error, .. } => {
                Self::new(access_code(&error), message)
            }
            SyncError::Shifted { .. } => Self::new(Code::Aborted, message),
            SyncError::Call(error) => Self::of_call(&error),
            SyncError::AskedFor { error, .. } => Self::new(call_code(&error), message),
            SyncError::File(ref cause) => {
                let integrity = matches!(
                    cause,
                    SealError::MissingTrait { .. }
                        | SealError::ExclusionGroup { .. }
                        | SealError::ExpansionSource { .. }
                        | SealError::File(c1z::Error::Oversized { .. })
                );
                Self { integrity, ..Self::new(Code::Unknown, message) }
            }
            SyncError::External(ExternalError::NoEntitlement { .. }) => Self::new(Code::NotFound, message),
            SyncError::Stage(_) | SyncError::External(_) | SyncError::Writer => {
                Self::new(Code::Unknown, message)
            }
        }
    }
}

impl EngineError {
    fn of_call(error: &CallError) -> Self {
        let mut failure = Self::new(call_code(error), error.to_string());
        if let Class::Throttled { retry_after } = error.class() {
            failure.status.details.push(any::pack(&over_limit(*retry_after)));
        }
        failure
    }
}

/// How the control plane learns that a credential is there which reached nobody: the detail beside this one names it.
/// Source: message `google.rpc.ErrorInfo`; no public text names the domain.
fn issued_in_vain() -> rpc::ErrorInfo {
    let metadata = [("cleanup", "required"), ("retry", "forbidden")];
    rpc::ErrorInfo {
        reason: "CREDENTIAL_ISSUED_BUT_UNDELIVERABLE".to_owned(),
        domain: String::new(),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    }
}

/// How the control plane learns that AWS throttles, and until when.
fn over_limit(retry_after: Option<Duration>) -> v2::RateLimitDescription {
    let reset_at = retry_after.and_then(|wait| jiff::Timestamp::now().checked_add(wait).ok());
    v2::RateLimitDescription {
        status: v2::rate_limit_description::Status::Overlimit.into(),
        reset_at: reset_at.map(to_proto_timestamp),
        ..Default::default()
    }
}

fn with_causes(error: &SyncError) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}
