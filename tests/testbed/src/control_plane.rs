//! A Baton control plane that can be scripted: any connector that speaks the protocol can run against it.
//!
//! One TLS port of 127.0.0.1 serves the token endpoint and the Baton service. Every request is held to the bounds of
//! the protocol; what breaks them is refused and stands in the transcript as a violation. Tasks are leased, redelivered
//! when they are lost, and checked when they end. Trouble of many kinds can be ordered in advance.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use testbed::control_plane::{Options, Server, task};
//!
//! let server = Server::start(Options::default()).await?;
//! // Start a connector with BATON_CLIENT_ID = server.client_id(), BATON_CLIENT_SECRET = server.client_secret() and
//! // SSL_CERT_FILE = server.ca_pem_path(); then:
//! let id = server.push(task::sync_full());
//! let outcome = server.finished(&id).await?;
//! assert!(outcome.success);
//! assert!(server.violations().is_empty());
//! # Ok(())
//! # }
//! ```

mod assertion;
mod bounds;
mod credential;
mod fault;
mod listener;
mod queue;
pub mod replay;
pub mod scenario;
mod service;
pub mod task;
mod token;
pub mod transcript;
mod upload;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io};

use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, post};
use jiff::SignedDuration;
use tempfile::TempDir;
use tonic::service::Routes;

pub use fault::{Fault, Rpc};
pub use queue::{Ended, Leasing};
pub use replay::Replay;
pub use scenario::Scenario;
pub use task::Kind;
pub use transcript::{Entry, Finish, Impatient, Violation};

use crate::CANARY;
use crate::proto::api::Task;
use crate::proto::api::baton_service_server::BatonServiceServer;
use crate::tls::{Tls, Validity};
use credential::Credential;
use fault::Faults;
use listener::Listener;
use queue::Queue;
use service::Service;
use token::Tokens;
use transcript::{Answer, Asset, Event, Origin, Transcript};

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name part of the client id. Default `test-connector`.
    pub name: String,
    /// The host part of the client id: `localhost` (default) or `127.0.0.1`.
    pub host: String,
    /// The port; 0 (default) takes a free one.
    pub port: u16,
    /// The key id in the client secret, none by default.
    pub kid: Option<String>,
    /// Where certificate and uploads go. Default: a temporary directory that ends with the server.
    pub directory: Option<PathBuf>,
    /// What the server tells about time.
    pub pace: Pace,
    /// When tasks are given out again.
    pub leasing: Leasing,
    /// How long [`Server::wait_for`] and its kin wait. Default 30 s.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "test-connector".to_owned(),
            host: "localhost".to_owned(),
            port: 0,
            kid: None,
            directory: None,
            pace: Pace::default(),
            leasing: Leasing::default(),
            patience: Duration::from_secs(30),
        }
    }
}

/// What the server tells about time; can be changed while it runs.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// When to ask for tasks again; none leaves the field out. Default 50 ms.
    pub next_poll: Option<Duration>,
    /// When the next heartbeat is due; none leaves the field out. Default 1 s.
    pub next_heartbeat: Option<Duration>,
    /// Life of the access tokens given out from now on; `expires_in` tells its whole seconds. Default 1 h.
    pub token_lifetime: Duration,
    /// How far this server's clock is ahead of the true time; negative if it is behind. Default 0.
    pub clock_ahead: SignedDuration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            next_poll: Some(Duration::from_millis(50)),
            next_heartbeat: Some(Duration::from_secs(1)),
            token_lifetime: Duration::from_hours(1),
            clock_ahead: SignedDuration::ZERO,
        }
    }
}

/// A certificate that a server can show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// A new one of the authority that clients trust.
    Renewed,
    /// One of that authority whose time is over.
    Expired,
    /// One of an authority that no client knows.
    Foreign,
}

/// The protocols that a server offers, in its order.
const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// A running control plane; it ends, with all its connections, when it is dropped.
pub struct Server {
    plane: Plane,
    listener: Listener,
    tls: Tls,
    ca: PathBuf,
    patience: Duration,
    _temporary: Option<TempDir>,
}

impl Server {
    /// Makes keys and certificates, and listens.
    ///
    /// # Errors
    /// The port is taken, or the directory cannot be written.
    pub async fn start(options: Options) -> io::Result<Self> {
        let (directory, temporary) = if let Some(directory) = options.directory {
            (directory, None)
        } else {
            let temporary = TempDir::with_prefix("testbed-control-plane-")?;
            (temporary.path().to_owned(), Some(temporary))
        };
        let uploads = directory.join("uploads");
        fs::create_dir_all(&uploads)?;
        let tls = Tls::generate(PROTOCOLS).map_err(io::Error::other)?;
        let ca = directory.join("ca.pem");
        fs::write(&ca, &tls.ca_pem)?;

        let reservation = Listener::reserve(options.port)?;
        let port = reservation.local_addr()?.port();
        let credential = Credential::generate(&options.name, &options.host, port, options.kid)?;
        let plane = Plane(Arc::new(Shared {
            credential,
            uploads,
            transcript: Transcript::new(),
            tokens: Mutex::default(),
            queue: Mutex::new(Queue::new(options.leasing)),
            faults: Mutex::default(),
            pace: Mutex::new(options.pace),
        }));
        let service = BatonServiceServer::new(Service { plane: plane.clone() });
        let known = post(token::endpoint).fallback(unknown);
        let router = Routes::new(service)
            .into_axum_router()
            .route(token::PATH, known.with_state(plane.clone()))
            .fallback_service(any(unknown).with_state(plane.clone()));
        let listener =
            Listener::new(reservation, plane.clone(), listener::with_origin(router), tls.acceptor.clone())?;
        listener.open().await?;
        Ok(Self { plane, listener, tls, ca, patience: options.patience, _temporary: temporary })
    }

    /// The client id of the one connector that this server knows: `<name>@<host>:<port>/pcc`.
    pub fn client_id(&self) -> &str {
        &self.plane.credential.client_id
    }

    /// Where the server is: the `<host>:<port>` of the client id.
    pub fn authority(&self) -> String {
        let credential = &self.plane.credential;
        format!("{}:{}", credential.audience, credential.port)
    }

    /// The client secret that belongs to it.
    pub fn client_secret(&self) -> &str {
        &self.plane.credential.client_secret
    }

    /// Strings that no output of a connector may contain: the private key in each form, and the canary that stands in
    /// every access token.
    pub fn secrets(&self) -> Vec<String> {
        let credential = &self.plane.credential;
        let payload = credential.client_secret.rsplit(':').next().unwrap_or_default();
        vec![payload.to_owned(), credential.private.clone(), CANARY.to_owned()]
    }

    /// The certificate authority to trust, a PEM file: the value for `SSL_CERT_FILE`.
    pub fn ca_pem_path(&self) -> &Path {
        &self.ca
    }

    /// Where accepted uploads are kept.
    pub fn uploads_path(&self) -> &Path {
        &self.plane.uploads
    }

    /// Adds a task to those that wait; gives its id.
    pub fn push(&self, task: Task) -> String {
        let id = task.id.clone();
        self.plane.queue().push(task);
        id
    }

    /// Cancels a task: a waiting one is never given out, a running one hears of it at its next heartbeat.
    pub fn cancel(&self, task_id: &str) {
        self.plane.queue().cancel(task_id);
    }

    /// Gives a task out once more whatever its state, also while a connector works on it.
    pub fn redeliver(&self, task_id: &str) {
        self.plane.queue().redeliver(task_id);
    }

    /// Tasks that wait or run.
    pub fn open_tasks(&self) -> usize {
        self.plane.queue().open()
    }

    /// Lets `fault` happen to the next `times` good calls of `rpc`, after those ordered before.
    pub fn fault(&self, rpc: Rpc, fault: &Fault, times: usize) {
        lock(&self.plane.faults).push(rpc, fault, times);
    }

    /// Forgets all faults that have not happened yet.
    pub fn clear_faults(&self) {
        lock(&self.plane.faults).clear();
    }

    /// Changes what the server tells about time from now on.
    pub fn set_pace(&self, change: impl FnOnce(&mut Pace)) {
        change(&mut lock(&self.plane.pace));
    }

    /// Makes all access tokens given out so far worthless.
    pub fn expire_tokens(&self) {
        self.plane.tokens().expire_all();
    }

    /// Drops all connections, and shows another certificate to those that come.
    ///
    /// # Errors
    /// The certificate cannot be made, or the socket not be opened again.
    pub async fn present(&self, certificate: Certificate) -> io::Result<()> {
        let acceptor = match certificate {
            Certificate::Renewed => self.tls.another(Validity::Now),
            Certificate::Expired => self.tls.another(Validity::Before),
            Certificate::Foreign => Tls::generate(PROTOCOLS).map(|tls| tls.acceptor),
        };
        self.listener.present(acceptor.map_err(io::Error::other)?);
        self.disconnect().await
    }

    /// Drops all connections and refuses new ones; the port stays reserved.
    pub async fn pause(&self) {
        self.listener.close().await;
    }

    /// Listens again after [`Self::pause`], on the same port.
    ///
    /// # Errors
    /// The socket cannot be opened.
    pub async fn resume(&self) -> io::Result<()> {
        self.listener.open().await
    }

    /// Drops all connections; new ones are welcome.
    ///
    /// # Errors
    /// The socket cannot be opened again.
    pub async fn disconnect(&self) -> io::Result<()> {
        self.pause().await;
        self.resume().await
    }

    /// Sends GOAWAY on all connections: calls under way are answered, later ones need a new connection.
    pub fn go_away(&self) {
        self.listener.say_goodbye();
    }

    /// Everything received so far.
    pub fn transcript(&self) -> Vec<Entry> {
        self.plane.transcript.with(<[Entry]>::to_vec)
    }

    /// Everything received from position `first` on.
    pub fn transcript_from(&self, first: usize) -> Vec<Entry> {
        self.plane.transcript.with(|entries| entries.get(first..).unwrap_or_default().to_vec())
    }

    /// Waits, without bound, until more than `entries` entries have been received. Cancel-safe.
    pub async fn grown(&self, entries: usize) {
        self.plane.transcript.grown(entries).await;
    }

    /// Every request so far that broke the protocol.
    pub fn violations(&self) -> Vec<Violation> {
        self.plane.transcript.with(|entries| entries.iter().filter_map(Entry::violation).collect())
    }

    /// Completed TLS handshakes so far.
    pub fn handshakes(&self) -> usize {
        let connected = |entry: &&Entry| matches!(entry.event, Event::Connected { .. });
        self.plane.transcript.with(|entries| entries.iter().filter(connected).count())
    }

    /// Calls of `rpc` so far, whatever the answer.
    pub fn calls(&self, rpc: Rpc) -> usize {
        self.plane.transcript.with(|entries| entries.iter().filter(|entry| entry.rpc() == Some(rpc)).count())
    }

    /// Waits for the first entry, from the beginning of the transcript, that `wanted` accepts.
    ///
    /// # Errors
    /// The server's patience is over.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Result<Entry, Impatient> {
        self.wait_until(|entries| entries.iter().find(|entry| wanted(entry)).cloned()).await
    }

    /// Waits until `read` finds what it looks for in the whole transcript.
    ///
    /// # Errors
    /// The server's patience is over.
    pub async fn wait_until<T>(&self, read: impl FnMut(&[Entry]) -> Option<T>) -> Result<T, Impatient> {
        self.plane.transcript.until(self.patience, read).await
    }

    /// Waits until `count` calls of `rpc` have been answered as asked.
    ///
    /// # Errors
    /// The server's patience is over.
    pub async fn answered(&self, rpc: Rpc, count: usize) -> Result<(), Impatient> {
        let answered = |entry: &&Entry| entry.rpc() == Some(rpc) && entry.accepted();
        self.wait_until(|entries| (entries.iter().filter(answered).count() >= count).then_some(())).await
    }

    /// Waits for the outcome that ends a task: not one after which it is given out again.
    ///
    /// # Errors
    /// The server's patience is over.
    pub async fn finished(&self, task_id: &str) -> Result<Finish, Impatient> {
        self.wait_until(|entries| {
            entries.iter().find_map(|entry| match &entry.event {
                Event::Finish(finish) if finish.task_id == task_id && finish.ended == Some(Ended::Closed) => {
                    Some(finish.clone())
                }
                _ => None,
            })
        })
        .await
    }

    /// Waits for the Hello that answers a hello task.
    ///
    /// # Errors
    /// The server's patience is over.
    pub async fn greeted(&self, task_id: &str) -> Result<transcript::Hello, Impatient> {
        self.wait_until(|entries| {
            entries.iter().find_map(|entry| match &entry.event {
                Event::Hello(hello) if hello.task_id == task_id && entry.processed() => Some(hello.clone()),
                _ => None,
            })
        })
        .await
    }

    /// Waits until a task has ended, by its outcome or, a hello task, by the Hello that answers it.
    ///
    /// # Errors
    /// The server's patience is over.
    pub async fn ended(&self, task_id: &str) -> Result<(), Impatient> {
        self.wait_until(|entries| {
            let ends = |entry: &Entry| match &entry.event {
                Event::Finish(finish) => finish.task_id == task_id && finish.ended == Some(Ended::Closed),
                Event::Hello(hello) => hello.task_id == task_id && entry.processed(),
                _ => false,
            };
            entries.iter().any(ends).then_some(())
        })
        .await
    }

    /// The accepted uploads of a task, in order.
    pub fn uploads(&self, task_id: &str) -> Vec<Asset> {
        let kept = |entry: &Entry| match &entry.event {
            Event::Upload(asset) if asset.task_id == task_id && asset.path.is_some() => Some(asset.clone()),
            _ => None,
        };
        self.plane.transcript.with(|entries| entries.iter().filter_map(kept).collect())
    }
}

/// What all parts of a server share; cheap to clone.
#[derive(Clone)]
struct Plane(Arc<Shared>);

struct Shared {
    credential: Credential,
    uploads: PathBuf,
    transcript: Transcript,
    tokens: Mutex<Tokens>,
    queue: Mutex<Queue>,
    faults: Mutex<Faults>,
    pace: Mutex<Pace>,
}

impl std::ops::Deref for Plane {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        lock(&self.tokens)
    }

    fn pace(&self) -> Pace {
        *lock(&self.pace)
    }

    fn fault(&self, rpc: Rpc) -> Option<Fault> {
        lock(&self.faults).take(rpc)
    }
}

/// Answers what is neither the token endpoint nor a method of the service: 404, or Unimplemented in gRPC.
async fn unknown(
    State(plane): State<Plane>,
    Extension(origin): Extension<Origin>,
    request: Request,
) -> Response {
    let content = request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let grpc = content.is_some_and(|content| content.starts_with("application/grpc"));
    let event =
        Event::Unknown { method: request.method().to_string(), path: request.uri().path().to_owned() };
    plane.transcript.record(
        origin,
        event,
        Answer::violation("404", vec!["there is no such path".to_owned()]),
    );
    if grpc {
        tonic::Status::unimplemented("there is no such service")
            .into_http::<axum::body::Body>()
            .into_response()
    } else {
        http::StatusCode::NOT_FOUND.into_response()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
