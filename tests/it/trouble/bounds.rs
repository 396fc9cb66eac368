//! Too much of anything: connections, bytes, lines that nobody reads.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use batond::baton::Code;
use testbed::aws::{Effect, Fault, Fixture, Server as Aws};
use testbed::control_plane::task;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::assert_recovered;
use crate::daemon_calls::server;
use crate::daemon_process::{batond, end, terminate};
use crate::daemon_tasks::{GROUP, USER, World, free_address, is_accepted_hello, probe};

/// Connections that have sent half of a request.
async fn half_sent(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // One that was closed for another to come is part of the flood, too.
        let _ = stream.write_all(b"GET /live HTTP/1.1\r\nHos").await;
        open.push(stream);
    }
    open
}

#[tokio::test]
async fn a_flood_of_half_sent_requests_keeps_nobody_from_probes_and_metrics() {
    let mut world = World::new().await;
    let (health, metrics) = (free_address(), free_address());
    world.settings.daemon.health = Some(health);
    world.settings.daemon.metrics = Some(metrics);
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    for flooded in [metrics, health] {
        let flood = half_sent(flooded, 400).await;
        assert_eq!(probe(health, "/live").await, Some(200), "{flooded} is flooded");
        assert_eq!(probe(metrics, "/metrics").await, Some(200), "{flooded} is flooded");
        drop(flood);
    }
    assert_recovered(&world, daemon, &[]).await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_neither_tasks_nor_the_stop() {
    let (aws, plane) = (Aws::start(Fixture::example().unwrap()).await.unwrap(), server().await);
    let directory = tempfile::tempdir().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    // As much as a pipe of Linux takes: whoever writes another byte waits.
    writer.write_all("\n".repeat(64 * 1024).as_bytes()).unwrap();
    let child = batond(&aws, &plane, directory.path()).stderr(Stdio::from(writer)).spawn().unwrap();
    let sync = plane.push(task::sync_full());
    assert!(plane.finished(&sync).await.unwrap().success);
    terminate(&child);
    let output = end(child).await;
    assert_eq!(output.status.code(), Some(0));
    drop(reader);
}

#[tokio::test]
async fn a_refusal_of_five_megabytes_reaches_the_control_plane_cut_and_printable() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let refusal = Effect::Error {
        code: "AccessDeniedException".to_owned(),
        message: format!("no\n\u{1b}[2J{}", "x".repeat(5_000_000)),
        status: 400,
    };
    world.aws.arm(Fault::once("identitystore:CreateGroupMembership", refusal));
    let (entitlement, principal) = world.membership(GROUP, USER);
    let grant = world.plane.push(task::grant(entitlement, principal));
    let finish = world.plane.finished(&grant).await.unwrap();
    assert_eq!((finish.success, finish.code), (false, i32::from(Code::PermissionDenied)), "{}", finish.code);
    assert!(finish.message.contains(r"no \u{1b}[2Jxxx"), "{}", finish.message);
    assert!(finish.message.contains("bytes more)") && finish.message.len() < 4096, "{}", finish.message);
    assert_recovered(&world, daemon, &[&grant]).await;
}

#[tokio::test]
async fn an_answer_beyond_its_bound_is_not_read_and_is_named_with_what_to_do() {
    let world = World::new().await;
    let daemon = world.start();
    world.plane.wait_for(is_accepted_hello).await.unwrap();
    let large = Effect::Replace { member: "DisplayName".to_owned(), value: "x".repeat(9 << 20).into() };
    world.aws.arm(Fault::new("identitystore:ListGroups", large));
    let sync = world.plane.push(task::sync_full());
    let finish = world.plane.finished(&sync).await.unwrap();
    assert_eq!((finish.success, finish.code), (false, i32::from(Code::Internal)), "{}", finish.message);
    for part in ["identitystore:ListGroups", "larger than 8 MiB", "AWS_ENDPOINT_URL"] {
        assert!(finish.message.contains(part), "{part}: {}", finish.message);
    }
    world.aws.disarm();
    assert_recovered(&world, daemon, &[&sync]).await;
}
