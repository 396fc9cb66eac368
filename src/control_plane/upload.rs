//! Uploading a file: one stream of metadata, data and end, from the first byte again after a failure.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tracing::Instrument as _;

use super::client::Client;
use super::error::{Rpc, RpcError, code_name};
use crate::baton::api::BatonServiceUploadAssetRequest;
use crate::baton::api::baton_service_upload_asset_request::{Msg, UploadData, UploadEof, UploadMetadata};
use crate::telemetry::metrics;

/// Bytes in one message; the service takes at most twice as many.
const CHUNK: usize = 512 * 1024;
/// The waits after the first and the second failure; the third is final.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// Why a file was not uploaded.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The last of three attempts failed.
    #[error("upload failed three times")]
    Rpc(#[source] RpcError),
    /// The file cannot be read.
    #[error("the file to upload cannot be read")]
    Read(#[source] io::Error),
}

impl Client {
    /// Uploads the file at `path` for a task (`UploadAsset`), in at most three attempts.
    ///
    /// The file is read in chunks and must not change meanwhile. Dropping the future gives the upload up; the
    /// service then sees a stream that ends without its checksum.
    pub async fn upload(&self, task_id: &str, path: &Path) -> Result<(), UploadError> {
        let mut waits = WAITS.into_iter();
        loop {
            let counted = metrics::request(Rpc::UploadAsset.name());
            let uploaded = self.upload_once(task_id, path).instrument(Rpc::UploadAsset.span()).await;
            match &uploaded {
                Ok(()) => counted.ends("OK"),
                Err(UploadError::Rpc(error)) => counted.ends(code_name(error.code())),
                // The stream was begun and given up.
                Err(UploadError::Read(_)) => drop(counted),
            }
            let Err(UploadError::Rpc(error)) = uploaded else { return uploaded };
            let Some(wait) = waits.next() else { return Err(UploadError::Rpc(error)) };
            tracing::warn!(
                error = %error,
                next_check_after = wait.as_secs_f64(),
                "upload failed; starting again from the first byte"
            );
            sleep(wait).await;
        }
    }

    async fn upload_once(&self, task_id: &str, path: &Path) -> Result<(), UploadError> {
        let path = path.to_owned();
        let opened = spawn_blocking(move || File::open(path)).await;
        let file = opened.map_err(io::Error::other).flatten().map_err(UploadError::Read)?;
        let authorization = timeout(Rpc::UploadAsset.deadline(), self.tokens().authorization())
            .await
            .map_err(|_| UploadError::Rpc(self.deadline_passed(Rpc::UploadAsset)))?
            .map_err(|error| UploadError::Rpc(RpcError::from_token(Rpc::UploadAsset, &error)))?;

        // The channel holds one message, so that memory stays at a few chunks however large the file is.
        let (messages, stream) = mpsc::channel(1);
        let metadata = UploadMetadata {
            host_id: self.host_id().to_owned(),
            task_id: task_id.to_owned(),
            ..Default::default()
        };
        let mut request = Request::new(ReceiverStream::new(stream));
        request.metadata_mut().insert("authorization", authorization.value());
        let mut service = self.service();
        let call = self.answered(Rpc::UploadAsset, service.upload_asset(request));
        tokio::pin!(call);

        let answer = tokio::select! {
            biased;
            sent = send_file(file, metadata, messages) => match sent {
                Ok(()) => timeout(Rpc::UploadAsset.deadline(), call)
                    .await
                    .unwrap_or_else(|_| Err(self.deadline_passed(Rpc::UploadAsset))),
                Err(SendError::Read(error)) => return Err(UploadError::Read(error)),
                Err(SendError::Stalled) => Err(self.deadline_passed(Rpc::UploadAsset)),
                Err(SendError::Closed) => match call.await {
                    Ok(_) => Err(RpcError::cut_short(Rpc::UploadAsset)),
                    error => error,
                },
            },
            answer = &mut call => match answer {
                Ok(_) => Err(RpcError::cut_short(Rpc::UploadAsset)),
                error => error,
            },
        };
        match answer {
            Ok(_) => Ok(()),
            Err(error) => {
                if error.rejects_the_token() {
                    self.tokens().discard(&authorization).await;
                }
                Err(UploadError::Rpc(error))
            }
        }
    }
}

/// Why the messages of an upload were not all handed over.
enum SendError {
    Read(io::Error),
    /// The call is over; its answer tells why.
    Closed,
    /// The service has taken nothing for too long.
    Stalled,
}

/// Sends metadata, the file in chunks, and its checksum.
async fn send_file(
    file: File,
    metadata: UploadMetadata,
    messages: mpsc::Sender<BatonServiceUploadAssetRequest>,
) -> Result<(), SendError> {
    let send = async |msg: Msg| {
        let message = BatonServiceUploadAssetRequest { msg: Some(msg) };
        match timeout(Rpc::UploadAsset.deadline(), messages.send(message)).await {
            Ok(sent) => sent.map_err(|_| SendError::Closed),
            Err(_) => Err(SendError::Stalled),
        }
    };
    // Reading and hashing have a thread of their own: neither waits for the network, nor it for them.
    let (chunks, mut read) = mpsc::channel(1);
    let reading = spawn_blocking(move || read_file(file, &chunks));
    send(Msg::Metadata(metadata)).await?;
    while let Some(data) = read.recv().await {
        send(Msg::Data(UploadData { data })).await?;
    }
    let sha256_checksum = reading.await.map_err(io::Error::other).flatten().map_err(SendError::Read)?;
    send(Msg::Eof(UploadEof { sha256_checksum, ..Default::default() })).await
}

/// Hands over the file in chunks, as long as they are taken; gives its SHA-256.
fn read_file(mut file: File, chunks: &mpsc::Sender<Vec<u8>>) -> io::Result<Vec<u8>> {
    let mut digest = Context::new(&SHA256);
    loop {
        let mut data = Vec::with_capacity(CHUNK);
        (&mut file).take(CHUNK as u64).read_to_end(&mut data)?;
        digest.update(&data);
        if data.is_empty() || chunks.blocking_send(data).is_err() {
            return Ok(digest.finish().as_ref().to_vec());
        }
    }
}
