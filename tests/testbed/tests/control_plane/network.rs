use testbed::control_plane::transcript::Event;
use testbed::control_plane::{Certificate, Fault, Rpc, Server};
use tokio::net::TcpStream;
use tonic::Code;

use crate::connector::{Connector, TokenRequest, post, server};

#[tokio::test]
async fn a_channel_is_reused_and_its_calls_say_where_they_came_from() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    for _ in 0..3 {
        connector.poll().await.unwrap();
    }
    assert_eq!(server.handshakes(), 2, "one for the token, one for the channel");
    let call = server.wait_for(|entry| entry.rpc() == Some(Rpc::GetTask)).await.unwrap();
    assert!(call.origin.user_agent.unwrap().starts_with("small-connector"));
    assert_eq!(call.origin.authority.as_deref(), server.client_id().split(['@', '/']).nth(1));
    let alpn = server.transcript().into_iter().filter_map(|entry| match entry.event {
        Event::Connected { alpn } => Some(alpn),
        _ => None,
    });
    assert_eq!(alpn.collect::<Vec<_>>(), [None, Some("h2".to_owned())]);
}

#[tokio::test]
async fn a_paused_server_refuses_connections_and_comes_back_on_its_port() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    connector.poll().await.unwrap();
    server.pause().await;
    connector.poll().await.unwrap_err();
    assert_eq!(connector.poll().await.unwrap_err().code(), Code::Unavailable);
    let port = server.client_id().split([':', '/']).nth(1).unwrap();
    let refused = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    server.resume().await.unwrap();
    connector.poll().await.unwrap();
}

#[tokio::test]
async fn goodbye_lets_the_next_call_take_a_new_connection() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    connector.poll().await.unwrap();
    server.go_away();
    // The call that meets the GOAWAY may fail; the one after it must not.
    let _met = connector.poll().await;
    connector.poll().await.unwrap();
    assert_eq!(server.handshakes(), 3);
}

#[tokio::test]
async fn a_dropped_connection_takes_the_call_with_it() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    server.fault(Rpc::GetTask, &Fault::Disconnect, 1);
    connector.poll().await.unwrap_err();
    connector.poll().await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_authority_leaves_a_trace() {
    let (server, other) = (server().await, server().await);
    let stranger = Connector::with_token(&other, None);
    drop(stranger);
    let port = server.client_id().split([':', '/']).nth(1).unwrap();
    drop(TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap());
    server.wait_for(|entry| matches!(entry.event, Event::HandshakeFailed { .. })).await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let server: Server = server().await;
    let body = TokenRequest::right(&server).body();
    post(&server, &body).await.unwrap();
    let directory = server.uploads_path().to_owned();
    let port = server.client_id().split([':', '/']).nth(1).unwrap().to_owned();
    drop(server);
    assert!(!directory.exists());
    let gone = async {
        while TcpStream::connect(format!("127.0.0.1:{port}")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test]
async fn an_answer_can_be_any_bytes_and_the_next_one_is_right_again() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    server.fault(Rpc::GetTask, &Fault::Raw(vec![0xff; 40]), 1);
    assert_eq!(connector.poll().await.unwrap_err().code(), Code::Internal);
    // The encoding of a message without members.
    server.fault(Rpc::GetTask, &Fault::Raw(Vec::new()), 1);
    assert!(connector.poll().await.unwrap().is_none());
    connector.poll().await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_expired_or_foreign_is_not_accepted_and_a_renewed_one_is() {
    let server = server().await;
    let mut connector = Connector::start(&server).await;
    for (certificate, accepted) in
        [(Certificate::Expired, false), (Certificate::Foreign, false), (Certificate::Renewed, true)]
    {
        server.present(certificate).await.unwrap();
        // The call that meets the end of the old connection may fail.
        let _met = connector.poll().await;
        assert_eq!(connector.poll().await.is_ok(), accepted, "{certificate:?}");
    }
}
