//! The port: TCP connections, their TLS handshakes, and the ways in which they end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Plane;
use super::transcript::{Answer, Event, Origin};

/// Length of the queue of connections that are not yet accepted.
const BACKLOG: u32 = 1024;
/// How often the port is tried that is still in use.
const PATIENCE: usize = 100;

/// A connection, as the handlers of its requests see it.
#[derive(Clone)]
pub(super) struct Connection(CancellationToken);

impl Connection {
    /// Drops the connection without a word and never returns: the caller is dropped with it.
    pub(super) async fn drop_now(&self) {
        self.0.cancel();
        std::future::pending::<()>().await;
    }
}

/// A bound port that can be closed and opened again.
pub(super) struct Listener {
    address: SocketAddr,
    /// Keeps the port from being given to others while it is closed: bound, never listening.
    _reservation: TcpSocket,
    shared: Arc<Shared>,
    open: Mutex<Option<Open>>,
    /// Told each time that all connections shall say goodbye.
    farewell: watch::Sender<()>,
    all: CancellationToken,
}

struct Shared {
    plane: Plane,
    router: Router,
    acceptor: RwLock<TlsAcceptor>,
    connections: AtomicU64,
}

/// The listening socket and everything that came through it.
struct Open {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listener {
    /// Reserves a port of 127.0.0.1; 0 takes a free one.
    pub(super) fn reserve(port: u16) -> io::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
        Ok(socket)
    }

    /// Makes a listener, still closed, on a reserved port.
    pub(super) fn new(
        reservation: TcpSocket,
        plane: Plane,
        router: Router,
        acceptor: TlsAcceptor,
    ) -> io::Result<Self> {
        let shared =
            Shared { plane, router, acceptor: RwLock::new(acceptor), connections: AtomicU64::new(0) };
        Ok(Self {
            address: reservation.local_addr()?,
            _reservation: reservation,
            shared: Arc::new(shared),
            open: Mutex::default(),
            farewell: watch::Sender::new(()),
            all: CancellationToken::new(),
        })
    }

    /// Listens, if it does not yet.
    pub(super) async fn open(&self) -> io::Result<()> {
        let mut open = self.open.lock().await;
        if open.is_some() {
            return Ok(());
        }
        let listener = self.listen().await?;
        let (stop, tasks) = (self.all.child_token(), TaskTracker::new());
        tasks.spawn(accept(
            listener,
            Arc::clone(&self.shared),
            stop.clone(),
            tasks.clone(),
            self.farewell.subscribe(),
        ));
        *open = Some(Open { stop, tasks });
        Ok(())
    }

    /// What was accepted before may keep the port for a moment.
    async fn listen(&self) -> io::Result<TcpListener> {
        for _ in 0..PATIENCE {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            match socket.bind(self.address).and_then(|()| socket.listen(BACKLOG)) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                listening => return listening,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// Drops every connection and refuses new ones until [`Self::open`].
    pub(super) async fn close(&self) {
        if let Some(Open { stop, tasks }) = self.open.lock().await.take() {
            stop.cancel();
            tasks.close();
            tasks.wait().await;
        }
    }

    /// Shows another certificate to connections that come from now on.
    pub(super) fn present(&self, acceptor: TlsAcceptor) {
        *self.shared.acceptor.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
    }

    /// Tells every connection to finish what it carries and end (HTTP/2 GOAWAY); new ones are welcome.
    pub(super) fn say_goodbye(&self) {
        self.farewell.send_replace(());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.all.cancel();
    }
}

/// What an answer shall consist of in place of its message.
#[derive(Clone)]
pub(super) struct RawAnswer(pub(super) Vec<u8>);

/// Gives each request its origin, and each answer that shall have them other bytes.
pub(super) fn with_origin(router: Router) -> Router {
    router.layer(middleware::from_fn(describe))
}

/// A whole gRPC answer with these bytes as its only message.
fn grpc(RawAnswer(bytes): RawAnswer) -> Response {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let frame = [&[0], &length.to_be_bytes()[..], &bytes].concat();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Frame::data(Bytes::from(frame)), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::new(StreamBody::new(futures::stream::iter(frames))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

async fn describe(Extension(mut origin): Extension<Origin>, mut request: Request, next: Next) -> Response {
    origin.user_agent = header(request.headers(), &USER_AGENT);
    let authority = request.uri().authority().map(ToString::to_string);
    origin.authority = authority.or_else(|| header(request.headers(), &HOST));
    request.extensions_mut().insert(origin);
    let mut response = next.run(request).await;
    response.extensions_mut().remove::<RawAnswer>().map_or(response, grpc)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
    farewell: watch::Receiver<()>,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                let serve = serve(Arc::clone(&shared), stream, peer, stop.child_token(), farewell.clone());
                tasks.spawn(serve);
            }
            Err(error) => tracing::warn!(%error, "cannot accept a connection"),
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: CancellationToken,
    mut farewell: watch::Receiver<()>,
) {
    let connection = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let origin = Origin { connection, peer, user_agent: None, authority: None };
    farewell.mark_unchanged();
    let acceptor = shared.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(handshake) = stop.run_until_cancelled(acceptor.accept(stream)).await else { return };
    let tls = match handshake {
        Ok(tls) => tls,
        Err(error) => {
            let event = Event::HandshakeFailed { reason: error.to_string() };
            shared.plane.transcript.record(origin, event, Answer::Accepted);
            return;
        }
    };
    let alpn = tls.get_ref().1.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned());
    shared.plane.transcript.record(origin.clone(), Event::Connected { alpn }, Answer::Accepted);

    let service = shared.router.clone().layer(Extension(origin)).layer(Extension(Connection(stop.clone())));
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut serving = pin!(builder.serve_connection(TokioIo::new(tls), TowerToHyperService::new(service)));
    let ended = stop
        .run_until_cancelled(async {
            tokio::select! {
                ended = serving.as_mut() => return ended,
                _ = farewell.changed() => serving.as_mut().graceful_shutdown(),
            }
            serving.await
        })
        .await;
    if let Some(Err(error)) = ended {
        tracing::debug!(error, "a connection ended with an error");
    }
}
