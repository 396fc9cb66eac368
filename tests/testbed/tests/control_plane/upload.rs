use std::fs;

use testbed::control_plane::transcript::{Answer, Event};
use testbed::control_plane::{Fault, Rpc, Server, task};
use testbed::proto::api::baton_service_upload_asset_request::{Msg, UploadData};
use tonic::Code;

use crate::connector::{Connector, server, upload_of};

async fn leased(server: &Server) -> (Connector, String) {
    let mut connector = Connector::start(server).await;
    let id = server.push(task::sync_full());
    connector.poll().await.unwrap().unwrap();
    (connector, id)
}

#[tokio::test]
async fn a_right_upload_is_kept_as_it_came() {
    let server = server().await;
    let (mut connector, id) = leased(&server).await;
    let large = vec![7; 1 << 20];
    let chunks: [&[u8]; 2] = [b"C1ZF\0first ", &large];
    connector.upload(upload_of(&id, &chunks)).await.unwrap();
    connector.upload(upload_of(&id, &[b"{\"a log\":1}"])).await.unwrap();
    connector.upload(upload_of(&id, &[])).await.unwrap();
    connector.upload(upload_of(&id, &[b"C1Z3\0"])).await.unwrap();
    connector.succeed(&id, None).await.unwrap();

    let uploads = server.uploads(&id);
    let names: Vec<_> =
        uploads.iter().map(|asset| asset.path.as_ref().unwrap().file_name().unwrap()).collect();
    assert_eq!(
        names,
        [&*format!("{id}-1.c1z"), &*format!("{id}-1.log"), &*format!("{id}-2.log"), &*format!("{id}-2.c1z")]
    );
    assert_eq!(fs::read(uploads[0].path.as_ref().unwrap()).unwrap(), chunks.concat());
    assert_eq!((uploads[0].chunks, uploads[0].largest_chunk), (2, 1 << 20));
    assert_eq!(server.violations(), []);
}

#[tokio::test]
async fn every_kind_of_wrong_stream_is_refused_with_its_reason() {
    let server = server().await;
    let (mut connector, id) = leased(&server).await;
    let right = || upload_of(&id, &[b"one", b"two"]);
    let with = |change: fn(&mut Vec<Msg>)| {
        let mut messages = right();
        change(&mut messages);
        messages
    };
    let data = |bytes: usize| Msg::Data(UploadData { data: vec![1; bytes] });
    let mut large = right();
    large.insert(1, data((1 << 20) + 1));
    let mut empty = right();
    empty.insert(1, data(0));
    let cases = [
        (with(|messages| drop(messages.remove(0))), "the first message is not metadata"),
        (with(|messages| messages.insert(1, messages[0].clone())), "metadata came twice"),
        (with(|messages| drop(messages.pop())), "the stream ended before eof"),
        (with(|messages| messages.push(messages[1].clone())), "a message came after eof"),
        (with(|messages| messages.swap(1, 2)), "the checksum is"),
        (large, "data has 1048577 bytes"),
        (empty, "data has 0 bytes"),
        (upload_of("short", &[b"x"]), "metadata.task_id"),
        (upload_of(&task::new_id(), &[b"x"]), "was never given out"),
        (vec![], "the stream ended before eof"),
    ];
    for (number, (messages, reason)) in cases.into_iter().enumerate() {
        let refused = connector.upload(messages).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{reason}: {refused}");
        let violations = server.violations();
        assert_eq!(violations.len(), number + 1, "{reason}");
        assert!(violations[number].reasons[0].contains(reason), "{reason}: {violations:?}");
    }
    assert!(server.uploads(&id).is_empty());
    assert_eq!(fs::read_dir(server.uploads_path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_upload_is_cut_where_the_script_says() {
    let server = server().await;
    let (mut connector, id) = leased(&server).await;
    server.fault(Rpc::UploadAsset, &Fault::DropAfter(3), 1);
    connector.upload(upload_of(&id, &[b"one", b"two"])).await.unwrap_err();
    let cut = server.wait_for(|entry| entry.rpc() == Some(Rpc::UploadAsset)).await.unwrap();
    assert!(matches!(cut.answer, Answer::Scripted { processed: false, .. }), "{cut:?}");
    assert!(matches!(&cut.event, Event::Upload(asset) if asset.bytes == 3), "{cut:?}");

    connector.upload(upload_of(&id, &[b"one", b"two"])).await.unwrap();
    assert_eq!(server.uploads(&id).len(), 1);
}

#[tokio::test]
async fn an_upload_that_its_client_gives_up_is_written_down() {
    let server = server().await;
    let (mut connector, id) = leased(&server).await;
    let first = upload_of(&id, &[]).remove(0);
    let endless = tokio_stream::StreamExt::chain(
        tokio_stream::once(testbed::proto::api::BatonServiceUploadAssetRequest { msg: Some(first) }),
        tokio_stream::pending(),
    );
    let upload = connector.client.upload_asset(endless);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), upload).await.is_err());
    let entry = server.wait_for(|entry| entry.rpc() == Some(Rpc::UploadAsset)).await.unwrap();
    assert!(matches!(entry.answer, Answer::Refused { violation: false, .. }), "{entry:?}");
}
