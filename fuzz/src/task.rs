//! Tasks as the control plane hands them out: each is answered, none gets past the bounds of its kind, and AWS is
//! changed only where that is allowed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use batond::baton::{api, v2};
use batond::config::SyncSettings;
use batond::connector::{ActionResults, Provision};
use batond::sync::{Census, Changes, SyncOptions};
use batond::tasks::{self, Context, Engine, EngineError, Kind, Outcome};
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use prost::Message as _;
use prost_types::Struct;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

const LONGEST_ID: usize = 1024;
const LONGEST_MESSAGE: usize = 1024;
const LARGEST_PAGE: u32 = 1000;

static WORK: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a directory for the tasks"));
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

/// Panics where something of this does not hold.
pub fn check(data: &[u8]) {
    let Ok(task) = api::Task::decode(data) else { return };
    // Compared as bytes: a NaN is not equal to itself.
    let bytes = task.encode_to_vec();
    let again = api::Task::decode(bytes.as_slice()).expect("what was encoded is accepted");
    assert_eq!(again.encode_to_vec(), bytes);

    assert!(!Kind::of(&task).name().is_empty());
    for provisioning in [false, true] {
        answer(task.clone(), provisioning);
    }
    assert!(is_empty(WORK.path()), "something is left behind");
}

fn answer(task: api::Task, provisioning: bool) {
    let engine = Arc::new(Recorder::default());
    let context = Context {
        engine: Arc::clone(&engine) as Arc<dyn Engine>,
        provisioning,
        sync: SyncSettings::default(),
        work_dir: WORK.path().to_owned(),
        prepared: Arc::default(),
        crawls: Arc::default(),
        breaker: Arc::default(),
        invoked: Arc::default(),
    };
    let outcome = RUNTIME.block_on(tasks::execute(task, &context, &CancellationToken::new()));
    if let Outcome::Failed(failure) = outcome {
        assert_ne!(failure.status.code, 0, "a failure with the code of success");
        assert!((1..=LONGEST_MESSAGE).contains(&failure.status.message.len()), "{}", failure.status.message);
    }
    assert!(provisioning || !engine.changed.load(Ordering::Relaxed), "AWS is changed without leave");
}

/// Succeeds at everything.
#[derive(Default)]
struct Recorder {
    changed: AtomicBool,
}

impl Recorder {
    fn change(&self, entitlement: Option<&v2::Entitlement>, principal: Option<&v2::Resource>) {
        self.changed.store(true, Ordering::Relaxed);
        let id = entitlement.map(|entitlement| entitlement.id.len());
        assert!(id.is_some_and(|length| (1..=LONGEST_ID).contains(&length)), "an entitlement out of bounds");
        let id = principal.and_then(|principal| principal.id.as_ref()).map(|id| id.resource.len());
        assert!(id.is_some_and(|length| (1..=LONGEST_ID).contains(&length)), "a principal out of bounds");
    }
}

impl Recorder {
    /// A change of the resource of this id.
    fn named(&self, id: Option<&v2::ResourceId>) {
        self.changed.store(true, Ordering::Relaxed);
        let bounded = |text: &str| (1..=LONGEST_ID).contains(&text.len());
        let whole = id.is_some_and(|id| bounded(&id.resource_type) && bounded(&id.resource));
        assert!(whole, "a resource out of bounds");
    }
}

impl Engine for Recorder {
    fn metadata(&self) -> v2::ConnectorMetadata {
        v2::ConnectorMetadata::default()
    }

    fn grant<'a>(
        &'a self,
        entitlement: &'a v2::Entitlement,
        principal: &'a v2::Resource,
        _: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::GrantManagerServiceGrantResponse, EngineError>> {
        self.change(Some(entitlement), Some(principal));
        ready(Ok(v2::GrantManagerServiceGrantResponse::default())).boxed()
    }

    fn revoke<'a>(
        &'a self,
        grant: &'a v2::Grant,
        _: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::GrantManagerServiceRevokeResponse, EngineError>> {
        self.change(grant.entitlement.as_ref(), grant.principal.as_ref());
        ready(Ok(v2::GrantManagerServiceRevokeResponse::default())).boxed()
    }

    fn create_account<'a>(
        &'a self,
        request: &'a v2::CreateAccountRequest,
        _: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::CreateAccountResponse, EngineError>> {
        self.changed.store(true, Ordering::Relaxed);
        assert!(request.account_info.is_some(), "an account without information");
        ready(Ok(v2::CreateAccountResponse::default())).boxed()
    }

    fn delete<'a>(
        &'a self,
        id: &'a v2::ResourceId,
        parent: Option<&'a v2::ResourceId>,
        _: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::DeleteResourceResponse, EngineError>> {
        self.named(Some(id));
        if parent.is_some() {
            self.named(parent);
        }
        ready(Ok(v2::DeleteResourceResponse::default())).boxed()
    }

    fn rotate_credential<'a>(
        &'a self,
        request: &'a v2::RotateCredentialRequest,
        _: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::RotateCredentialResponse, EngineError>> {
        self.named(request.resource_id.as_ref());
        ready(Ok(v2::RotateCredentialResponse::default())).boxed()
    }

    fn issue_credential<'a>(
        &'a self,
        request: &'a v2::IssueCredentialRequest,
        _: &'a Provision,
    ) -> BoxFuture<'a, Result<v2::IssueCredentialResponse, EngineError>> {
        self.named(request.identity_id.as_ref());
        assert!(!request.encryption_configs.is_empty(), "a credential for nobody");
        ready(Ok(v2::IssueCredentialResponse::default())).boxed()
    }

    fn action_schemas(&self) -> Vec<v2::BatonActionSchema> {
        vec![v2::BatonActionSchema { name: "act".into(), ..Default::default() }]
    }

    fn invoke_action<'a>(
        &'a self,
        name: &'a str,
        _: Struct,
        _: &'a [v2::EncryptionConfig],
        _: &'a Provision,
    ) -> BoxFuture<'a, Result<ActionResults, EngineError>> {
        self.changed.store(true, Ordering::Relaxed);
        assert!(!name.is_empty(), "an action without a name");
        ready(Ok(ActionResults::default())).boxed()
    }

    fn event_feeds(&self) -> Vec<v2::EventFeedMetadata> {
        Vec::new()
    }

    fn events<'a>(
        &'a self,
        request: &'a v2::ListEventsRequest,
        _: CancellationToken,
    ) -> BoxFuture<'a, Result<v2::ListEventsResponse, EngineError>> {
        assert!(request.page_size <= LARGEST_PAGE, "a page out of bounds");
        ready(Ok(v2::ListEventsResponse::default())).boxed()
    }

    fn sync<'a>(
        &'a self,
        _: &'a SyncOptions,
        target: &'a Path,
        _: &'a Path,
        _: &'a Changes,
        _: CancellationToken,
    ) -> BoxFuture<'a, Result<Census, EngineError>> {
        ready(write(target).map(|()| Census::default())).boxed()
    }

    fn empty_sync<'a>(&'a self, target: &'a Path, _: &'a Path) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(write(target)).boxed()
    }
}

fn write(target: &Path) -> Result<(), EngineError> {
    std::fs::write(target, "").map_err(|error| EngineError::local(error.to_string()))
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}
