//! The client of the Baton service against the testbed's control plane: real TLS, real tokens, real trouble.

use std::time::Duration;

use batond::baton::{Code, v2};
use batond::config::ControlPlaneSettings;
use batond::control_plane::{Client, Finish, Network, Proxies, RpcError};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use testbed::control_plane::{Fault, Options, Rpc, Server, task};
use tokio_util::sync::CancellationToken;

pub(crate) async fn server() -> Server {
    Server::start(Options { patience: Duration::from_mins(1), ..Options::default() }).await.unwrap()
}

pub(crate) fn settings(server: &Server) -> ControlPlaneSettings {
    ControlPlaneSettings {
        client_id: server.client_id().parse().unwrap(),
        client_secret: server.client_secret().parse().unwrap(),
        api_host: None,
    }
}

pub(crate) fn network(server: &Server) -> Network {
    let authority = CertificateDer::from_pem_file(server.ca_pem_path()).unwrap();
    Network::trusting([authority], Proxies::Bypass).unwrap()
}

fn client(server: &Server) -> Client {
    Client::new(&settings(server), "host-1", &network(server), Duration::from_secs(30)).unwrap()
}

fn metadata() -> v2::ConnectorMetadata {
    v2::ConnectorMetadata {
        display_name: "AWS".into(),
        capabilities: Some(v2::ConnectorCapabilities::default()),
        ..Default::default()
    }
}

fn done() -> Finish {
    Finish::Success { response: None, annotations: Vec::new() }
}

fn assert_clean(server: &Server) {
    let violations = server.violations();
    assert!(violations.is_empty(), "{violations:#?}");
}

/// No error may carry a secret, and each must be readable.
fn assert_told(server: &Server, error: &RpcError) {
    let text = format!("{error} {error:?}");
    for secret in server.secrets() {
        assert!(!text.contains(&secret), "{text}");
    }
}

#[tokio::test]
async fn every_call_goes_over_one_connection_with_one_token() {
    let server = server().await;
    let client = client(&server);
    client.hello("", metadata()).await.unwrap();
    let id = server.push(task::sync_full());
    let polled = client.get_task().await.unwrap();
    assert_eq!(polled.task.unwrap().id, id);
    assert_eq!(polled.next_poll, Duration::from_millis(50));
    let heartbeat = client.heartbeat(&id).await.unwrap();
    assert_eq!((heartbeat.next, heartbeat.cancelled), (Duration::from_secs(1), false));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![7; 1_000_000]).unwrap();
    client.upload(&id, file.path()).await.unwrap();
    client.finish(&id, &done(), &CancellationToken::new()).await.unwrap();
    assert!(client.get_task().await.unwrap().task.is_none());
    assert_eq!(client.get_tasks(6, Vec::new()).await.unwrap().tasks.len(), 0);

    let uploads = server.uploads(&id);
    assert_eq!((uploads.len(), uploads[0].bytes, uploads[0].chunks), (1, 1_000_000, 2));
    assert!(server.finished(&id).await.unwrap().success);
    assert_eq!(server.calls(Rpc::Token), 1);
    // One for the token endpoint, one for the service.
    assert_eq!(server.handshakes(), 2);
    assert_clean(&server);

    let origin = server.wait_for(|entry| entry.rpc() == Some(Rpc::Hello)).await.unwrap().origin;
    let port = server.client_id().rsplit_once(':').unwrap().1.split_once('/').unwrap().0.to_owned();
    assert_eq!(origin.authority.unwrap(), format!("localhost:{port}"));
    let agent = origin.user_agent.unwrap();
    assert!(agent.starts_with(concat!("test-connector batond/", env!("CARGO_PKG_VERSION"))), "{agent}");
}

#[tokio::test]
async fn a_refusing_token_endpoint_is_permanent_and_an_ailing_one_is_not() {
    let server = server().await;
    for (fault, permanent) in [
        (Fault::Http(400), true),
        (Fault::Http(401), true),
        (Fault::Http(403), true),
        (Fault::Http(429), false),
        (Fault::Http(500), false),
        (Fault::Http(503), false),
        (Fault::Disconnect, false),
        (Fault::Body("<html>canary</html>".into()), false),
        (Fault::Raw(vec![b'x'; 3 << 20]), false),
    ] {
        server.fault(Rpc::Token, &fault, 10);
        let error = client(&server).hello("", metadata()).await.unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{fault:?}: {error}");
        let code = if permanent { Code::Unauthenticated } else { Code::Unavailable };
        assert_eq!(error.code(), code, "{fault:?}: {error}");
        assert!(error.to_string().contains("token endpoint"), "{error}");
        assert_told(&server, &error);
        server.clear_faults();
    }
    client(&server).hello("", metadata()).await.unwrap();
    assert_clean(&server);
}

#[tokio::test]
async fn a_slow_token_endpoint_is_given_up_in_time() {
    let server = server().await;
    server.fault(Rpc::Token, &Fault::Hang, 1);
    let network = network(&server);
    let client = Client::new(&settings(&server), "host-1", &network, Duration::from_millis(300)).unwrap();
    let error = client.get_task().await.unwrap_err();
    assert!(!error.is_permanent(), "{error}");
    assert_told(&server, &error);
    client.get_task().await.unwrap();
}

#[tokio::test]
async fn tokens_that_expire_early_are_renewed_and_no_caller_notices() {
    let server = server().await;
    let client = client(&server);
    client.hello("", metadata()).await.unwrap();
    server.expire_tokens();
    client.get_task().await.unwrap();
    assert_eq!(server.calls(Rpc::Token), 2);

    server.expire_tokens();
    server.fault(Rpc::Token, &Fault::WorthlessToken, 1);
    let error = client.get_task().await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated, "one renewal, not a loop: {error}");
    assert_told(&server, &error);
    client.get_task().await.unwrap();
}

#[tokio::test]
async fn callers_at_once_share_one_request_for_a_token() {
    let server = server().await;
    server.fault(Rpc::Token, &Fault::Slow(Duration::from_millis(200)), 1);
    let client = client(&server);
    let calls = futures::future::join_all((0..10).map(|_| client.get_task())).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!(server.calls(Rpc::Token), 1);
}

#[tokio::test]
async fn an_unreachable_control_plane_is_transient_and_the_next_call_connects_again() {
    let server = server().await;
    let client = client(&server);
    client.hello("", metadata()).await.unwrap();
    server.pause().await;
    let error = client.get_task().await.unwrap_err();
    assert!(!error.is_permanent(), "{error}");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.to_string().contains(&settings(&server).authority().to_string()), "{error}");
    assert_told(&server, &error);
    server.resume().await.unwrap();
    client.get_task().await.unwrap();

    server.disconnect().await.unwrap();
    // The broken connection may be noticed by the call itself.
    let again = client.get_task().await;
    assert!(again.is_ok() || client.get_task().await.is_ok());

    server.go_away();
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.get_task().await.unwrap();
    assert_clean(&server);
}

#[tokio::test]
async fn an_untrusted_server_is_told_by_its_certificate() {
    let server = server().await;
    let other = self::server().await;
    let client = Client::new(&settings(&server), "host-1", &network(&other), Duration::from_secs(5)).unwrap();
    let error = client.hello("", metadata()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("certificate") && text.contains("SSL_CERT_FILE"), "{text}");
    assert!(text.contains(&settings(&server).authority().to_string()), "{text}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn the_api_host_moves_the_calls_and_not_the_audience() {
    let server = server().await;
    let mut settings = settings(&server);
    let port = server.client_id().rsplit_once(':').unwrap().1.split_once('/').unwrap().0.to_owned();
    settings.api_host = Some(format!("127.0.0.1:{port}").parse().unwrap());
    let client = Client::new(&settings, "host-1", &network(&server), Duration::from_secs(5)).unwrap();
    // The server checks the audience of the assertion against its own name.
    client.hello("", metadata()).await.unwrap();
    let origin = server.wait_for(|entry| entry.rpc() == Some(Rpc::Hello)).await.unwrap().origin;
    assert_eq!(origin.authority.unwrap(), format!("127.0.0.1:{port}"));
    assert_clean(&server);
}

#[tokio::test]
async fn a_report_whose_acknowledgement_is_lost_is_sent_again() {
    let server = server().await;
    let client = client(&server);
    client.hello("", metadata()).await.unwrap();
    let id = server.push(task::grant(
        task::entitlement(task::resource("sso_group", "g"), "member"),
        task::resource("sso_user", "u"),
    ));
    client.get_task().await.unwrap().task.unwrap();
    server.fault(Rpc::FinishTask, &Fault::LoseReply, 1);
    let failed = Finish::Failure {
        status: batond::baton::rpc::Status { code: 7, message: "no".into(), details: Vec::new() },
        non_retryable: true,
        annotations: Vec::new(),
    };
    // The second report finds a task that is over; that is an end, not a reason to try for ever.
    _ = client.finish(&id, &failed, &CancellationToken::new()).await;
    let finish = server.finished(&id).await.unwrap();
    assert_eq!((finish.success, finish.code, finish.message.as_str()), (false, 7, "no"));
    assert_eq!(server.calls(Rpc::FinishTask), 2);
}

#[tokio::test]
async fn an_upload_that_breaks_is_repeated_whole() {
    let server = server().await;
    let client = client(&server);
    client.hello("", metadata()).await.unwrap();
    let id = server.push(task::sync_full());
    client.get_task().await.unwrap().task.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![3; 3_000_000]).unwrap();
    server.fault(Rpc::UploadAsset, &Fault::DropAfter(1_500_000), 1);
    client.upload(&id, file.path()).await.unwrap();
    let uploads = server.uploads(&id);
    assert_eq!((uploads.len(), uploads[0].bytes), (1, 3_000_000));
    assert_clean(&server);
}
