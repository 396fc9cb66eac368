//! `health-check`: asks a running daemon how it is, for probes that run a command.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Exit;
use crate::config::{Flags, probe_address};

/// What to ask, and how long to wait for the answer.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Probe {
    pub(super) endpoint: String,
    pub(super) timeout: Duration,
}

/// Asks; silent when the answer is 200.
pub(super) fn run(probe: &Probe, flags: Flags) -> Exit {
    let address = match probe_address(flags) {
        Ok(address) => address,
        Err(error) => {
            eprintln!("{error}");
            return Exit::FAILURE;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return Exit::FAILURE;
        }
    };
    match runtime.block_on(ask(probe, address)) {
        Ok(()) => Exit::SUCCESS,
        Err((exit, message)) => {
            eprintln!("{message}");
            exit
        }
    }
}

async fn ask(probe: &Probe, address: SocketAddr) -> Result<(), (Exit, String)> {
    let url = format!("http://{}/{}", reachable(address), probe.endpoint);
    let failed = |error: reqwest::Error| {
        if error.is_timeout() {
            (Exit::TIMED_OUT, format!("{url}: no answer within {} s", probe.timeout.as_secs()))
        } else if error.is_connect() {
            (Exit::UNAVAILABLE, format!("{url}: nobody answers"))
        } else {
            (Exit::FAILURE, format!("{url}: {error}"))
        }
    };
    // The daemon is on this host: no proxy stands between.
    let client = reqwest::Client::builder().no_proxy().timeout(probe.timeout).build().map_err(failed)?;
    let response = client.get(&url).send().await.map_err(failed)?;
    let status = response.status();
    if status == reqwest::StatusCode::OK {
        return Ok(());
    }
    Err((Exit::FAILURE, format!("{url}: {status}")))
}

/// An address to connect to: one that listens everywhere listens on loopback too.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn probe() -> Probe {
        Probe { endpoint: "ready".to_owned(), timeout: Duration::from_secs(5) }
    }

    /// Serves one connection with `answer`, and returns what was asked.
    async fn asked(answer: &'static str) -> (Result<(), (Exit, String)>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let outcome = ask(&probe(), SocketAddr::from(([0, 0, 0, 0], port))).await;
        (outcome, server.await.unwrap())
    }

    #[tokio::test]
    async fn only_200_is_well() {
        let (outcome, request) = asked("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(outcome, Ok(()));
        assert!(request.starts_with("GET /ready HTTP/1.1\r\n"), "{request}");
        let (outcome, _) = asked("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
        let (exit, message) = outcome.unwrap_err();
        assert_eq!(exit, Exit::FAILURE);
        assert!(message.contains("/ready: 503"), "{message}");
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_there_is_unavailable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert_eq!(ask(&probe(), address).await.unwrap_err().0, Exit::UNAVAILABLE);
    }

    #[tokio::test]
    async fn a_daemon_that_hangs_times_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let probe = Probe { timeout: Duration::from_millis(50), ..probe() };
        assert_eq!(ask(&probe, address).await.unwrap_err().0, Exit::TIMED_OUT);
    }
}
