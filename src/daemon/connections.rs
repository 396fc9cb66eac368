//! Connections that others open: how many at once, for how long, and how much of them is read.
//!
//! Whoever reaches a port must not take the descriptors and the memory that the work needs. Each port has its own
//! bounds, so that a flood of one leaves the others as they are.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// Connections of one port that are open at once.
const MOST: usize = 64;
/// Longest time from the opening of a connection to its end, whatever it is used for.
const LONGEST: Duration = Duration::from_secs(10);
/// Longest time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Bytes of the head of a request at most. The server reads no body.
const HEAD_BYTES: usize = 16 * 1024;
/// Header lines of a request at most.
const HEAD_LINES: usize = 64;

/// Answers HTTP/1.1 requests on `listener`, one on each connection, until it is dropped.
pub(super) async fn serve_http<L: Listener>(listener: L, router: Router) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .keep_alive(false);
    serve(listener, move |stream| {
        let service = TowerToHyperService::new(router.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service);
        async move {
            // One who goes away, or sends what is no request, is nothing to tell.
            drop(connection.await);
        }
    })
    .await;
}

/// Hands each connection to a task of its own, until it is dropped.
///
/// When too many are open, a new one takes the place of the oldest: those that send nothing do not keep out one that
/// asks. What a listener cannot accept for the moment (no descriptors are left) is tried again a second later.
pub(super) async fn serve<L, F>(mut listener: L, handle: impl Fn(L::Io) -> F)
where
    L: Listener,
    F: Future<Output = ()> + Send + 'static,
{
    let mut open = VecDeque::new();
    loop {
        let (stream, _) = listener.accept().await;
        open.retain(|connection: &AbortOnDropHandle<_>| !connection.is_finished());
        if open.len() >= MOST {
            open.pop_front();
        }
        open.push_back(AbortOnDropHandle::new(tokio::spawn(timeout(LONGEST, handle(stream)))));
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use super::*;

    const QUESTION: &[u8] = b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n";
    /// Bytes of the one answer.
    const ANSWER: usize = 100_000;

    /// Connections within the process, so that the clock can be a paused one.
    struct Inside(mpsc::Receiver<DuplexStream>);

    impl Listener for Inside {
        type Io = DuplexStream;
        type Addr = ();

        async fn accept(&mut self) -> (DuplexStream, ()) {
            match self.0.recv().await {
                Some(stream) => (stream, ()),
                None => std::future::pending().await,
            }
        }

        fn local_addr(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A port, to connect to.
    struct Port(mpsc::Sender<DuplexStream>);

    impl Port {
        fn open() -> Self {
            let (sender, receiver) = mpsc::channel(1);
            let router = Router::new().route("/live", get(|| async { "x".repeat(ANSWER) }));
            tokio::spawn(serve_http(Inside(receiver), router));
            Self(sender)
        }

        /// A connection on which `text` was sent.
        async fn send(&self, text: &[u8]) -> DuplexStream {
            let (mut ours, theirs) = duplex(1024);
            self.0.send(theirs).await.unwrap();
            // A connection that is closed while one writes is what some tests are about.
            let _ = ours.write_all(text).await;
            ours
        }
    }

    async fn rest(mut stream: DuplexStream) -> String {
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    /// The same but for the grain of the timers.
    fn is_about(elapsed: Duration, expected: Duration) -> bool {
        (expected..expected + Duration::from_millis(10)).contains(&elapsed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_half_sent_requests_does_not_keep_out_a_whole_one() {
        let began = Instant::now();
        let port = Port::open();
        let mut flood = Vec::new();
        for _ in 0..400 {
            flood.push(port.send(b"GET /live HTTP/1.1\r\nhos").await);
        }
        let answer = rest(port.send(QUESTION).await).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(began.elapsed(), Duration::ZERO, "it waited for nobody");
        for oldest in flood.drain(..400 - MOST) {
            assert_eq!(rest(oldest).await, "");
        }
        assert_eq!(began.elapsed(), Duration::ZERO, "the oldest were closed when others came");
        for other in flood {
            rest(other).await;
        }
        assert!(is_about(began.elapsed(), HEAD_TIME), "the others had {:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_sends_nothing_is_closed_and_so_is_one_that_does_not_read() {
        let began = Instant::now();
        let port = Port::open();
        rest(port.send(b"").await).await;
        assert!(is_about(began.elapsed(), HEAD_TIME), "{:?}", began.elapsed());
        let stream = port.send(QUESTION).await;
        tokio::time::sleep(LONGEST * 2).await;
        let answer = rest(stream).await;
        assert!(answer.len() < ANSWER, "{} bytes", answer.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_large_is_refused_unread() {
        let port = Port::open();
        let large = [b"GET /live HTTP/1.1\r\nhost: ".to_vec(), vec![b'x'; 380_000]].concat();
        let answer = rest(port.send(&large).await).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        let lines =
            [b"GET /live HTTP/1.1\r\n".to_vec(), b"a: b\r\n".repeat(HEAD_LINES + 1), b"\r\n".to_vec()];
        let answer = rest(port.send(&lines.concat()).await).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(rest(port.send(QUESTION).await).await.ends_with("xxx"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_carries_one_request() {
        let port = Port::open();
        let answer = rest(port.send(&QUESTION.repeat(2)).await).await;
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1);
        assert!(answer.contains("connection: close\r\n"), "{}", &answer[..200]);
    }
}
