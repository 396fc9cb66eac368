//! Private certificate authorities and proxies.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use batond::aws::Aws;
use testbed::aws::{Fixture, Server};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::ambient::connect_in_a_process_of_its_own;
use super::{as_user, refused};

async fn over_tls() -> (Server, tempfile::NamedTempFile) {
    let server = Server::start_tls(Fixture::example().unwrap()).await.unwrap();
    let mut bundle = tempfile::NamedTempFile::new().unwrap();
    bundle.write_all(server.ca_pem().unwrap().as_bytes()).unwrap();
    (server, bundle)
}

/// A proxy that opens tunnels and counts them. Gives its URL.
async fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tunnels = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tunnels);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut client = BufReader::new(stream);
                let mut lines = String::new();
                while !lines.ends_with("\r\n\r\n") {
                    if client.read_line(&mut lines).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let Some(to) = lines.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
                    return;
                };
                let Ok(mut server) = TcpStream::connect(to).await else { return };
                count.fetch_add(1, Ordering::SeqCst);
                if client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
                    // Either side may close the tunnel as it likes.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    (url, tunnels)
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_with_its_bundle() {
    let (server, bundle) = over_tls().await;
    let mut settings = as_user(&server, "connector");
    let error = refused(&settings).await;
    assert!(error.is_retryable() && error.to_string().contains("AWS_CA_BUNDLE"), "{error}");
    assert_eq!(server.counters().total(), 0);
    settings.ca_bundle = Some(bundle.path().to_owned());
    let aws = Aws::connect(&settings).await.unwrap();
    assert_eq!(aws.caller().account.as_str(), "111111111111");
}

#[tokio::test]
async fn every_call_goes_through_the_proxy_of_the_environment() {
    let (server, bundle) = over_tls().await;
    let (proxy, tunnels) = proxy().await;
    let keys = server.credentials();
    let url = server.url();
    let mut environment = vec![
        ("AWS_ACCESS_KEY_ID", keys.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key.as_str()),
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_CA_BUNDLE", bundle.path().to_str().unwrap()),
        ("HTTPS_PROXY", proxy.as_str()),
    ];
    let said = connect_in_a_process_of_its_own(&environment).await;
    assert!(said.contains("connected as arn:aws:iam::111111111111:user/connector"), "{said}");
    assert!(tunnels.swap(0, Ordering::SeqCst) > 0);
    let host = url.strip_prefix("https://").unwrap();
    for exception in ["127.0.0.1", host, "*"] {
        environment.push(("NO_PROXY", exception));
        let said = connect_in_a_process_of_its_own(&environment).await;
        assert!(said.contains("connected as "), "{said}");
        assert_eq!(tunnels.load(Ordering::SeqCst), 0, "{exception}");
        environment.pop();
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_by_its_address_and_status_and_not_by_its_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut client = BufReader::new(stream);
            let mut lines = String::new();
            while !lines.ends_with("\r\n\r\n") && client.read_line(&mut lines).await.unwrap_or(0) > 0 {}
            // Whoever asked may have gone.
            let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let proxy = format!("http://user:{}@{address}", testbed::CANARY);
    let dead = format!("http://user:{}@127.0.0.1:1", testbed::CANARY);
    for (proxy, words) in [
        (&proxy, format!("the proxy http://{address} answers with HTTP status 403")),
        (&dead, "through the proxy http://127.0.0.1:1: the proxy cannot be reached".to_owned()),
    ] {
        let environment = [
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "example"),
            ("AWS_ENDPOINT_URL", "https://sts.corp.invalid"),
            ("AWS_REGION", "us-east-1"),
            ("HTTPS_PROXY", proxy.as_str()),
        ];
        let said = connect_in_a_process_of_its_own(&environment).await;
        assert!(said.contains(&words) && !said.contains("temporary"), "{said}");
    }
}
