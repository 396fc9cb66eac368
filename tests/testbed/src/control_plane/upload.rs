//! Receives one upload stream: order, sizes and digest are checked while the bytes go to disk.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use ring::digest::{Context, SHA256};
use tempfile::NamedTempFile;
use tonic::{Code, Status, Streaming};

use super::listener::Connection;
use super::service::{code_name, dropped};
use super::transcript::{Answer, Asset, Event, Origin};
use super::{Fault, Plane, Rpc, bounds};
use crate::proto::api::BatonServiceUploadAssetRequest;
use crate::proto::api::baton_service_upload_asset_request::{Msg, UploadData, UploadEof, UploadMetadata};

/// The first bytes of a sync file, by the engine that wrote it.
const C1Z_MAGICS: [[u8; 5]; 2] = [*b"C1ZF\0", *b"C1Z3\0"];

/// Reads a stream to its end and keeps the file if everything about it is right.
///
/// Whatever happens, also a client that goes away, one entry stands in the transcript afterwards.
pub(super) async fn receive(
    plane: &Plane,
    origin: Origin,
    connection: &Connection,
    mut stream: Streaming<BatonServiceUploadAssetRequest>,
) -> Result<(), Status> {
    let fault = plane.fault(Rpc::UploadAsset);
    let scripted = |processed| {
        fault
            .as_ref()
            .map_or(Answer::Accepted, |fault| Answer::Scripted { fault: format!("{fault:?}"), processed })
    };
    let mut entry = Pending { plane, origin: Some(origin), asset: Asset::default() };
    let mut file = Incoming::create(plane)?;
    loop {
        if let Some(Fault::DropAfter(most)) = fault
            && entry.asset.bytes >= most
        {
            entry.record(scripted(false));
            connection.drop_now().await;
            return Err(dropped());
        }
        let message = match stream.message().await {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(status) => {
                entry.record(Answer::refused(code_name(status.code()), status.message()));
                return Err(status);
            }
        };
        if let Err(faults) = file.take(message, &mut entry.asset, plane) {
            let status = Status::invalid_argument(faults.join("; "));
            entry.record(Answer::violation(code_name(Code::InvalidArgument), faults));
            return Err(status);
        }
    }
    if !file.ended {
        // A stream that its client resets ends like one that is merely short. This handler is dropped at its next
        // pause if that is what happened.
        tokio::task::yield_now().await;
        let reason = "the stream ended before eof".to_owned();
        let status = Status::invalid_argument(&reason);
        entry.record(Answer::violation(code_name(Code::InvalidArgument), vec![reason]));
        return Err(status);
    }
    match &fault {
        Some(Fault::Status(code, message)) => {
            entry.record(scripted(false));
            return Err(Status::new(*code, message));
        }
        Some(Fault::Disconnect) => {
            entry.record(scripted(false));
            connection.drop_now().await;
            return Err(dropped());
        }
        Some(Fault::Hang) => {
            entry.record(scripted(false));
            return std::future::pending().await;
        }
        _ => {}
    }
    entry.asset.path = Some(file.keep(plane, &entry.asset.task_id)?);
    plane.queue().uploaded(&entry.asset.task_id);
    entry.record(scripted(true));
    match fault {
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::LoseReply) => {
            connection.drop_now().await;
            return Err(dropped());
        }
        _ => {}
    }
    Ok(())
}

/// The transcript entry of a stream that is still read; one that is dropped unfinished says so.
struct Pending<'a> {
    plane: &'a Plane,
    origin: Option<Origin>,
    asset: Asset,
}

impl Pending<'_> {
    fn record(&mut self, answer: Answer) {
        if let Some(origin) = self.origin.take() {
            self.plane.transcript.record(origin, Event::Upload(self.asset.clone()), answer);
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.record(Answer::refused(code_name(Code::Cancelled), "the client went away"));
    }
}

/// A file that arrives.
struct Incoming {
    file: NamedTempFile,
    digest: Context,
    begun: bool,
    ended: bool,
}

impl Incoming {
    fn create(plane: &Plane) -> Result<Self, Status> {
        let file = NamedTempFile::new_in(&plane.uploads).map_err(|error| disk(&error))?;
        Ok(Self { file, digest: Context::new(&SHA256), begun: false, ended: false })
    }

    fn take(
        &mut self,
        message: BatonServiceUploadAssetRequest,
        asset: &mut Asset,
        plane: &Plane,
    ) -> Result<(), Vec<String>> {
        let wrong = |reason: &str| Err(vec![reason.to_owned()]);
        match message.msg {
            None => wrong("msg is not set"),
            Some(_) if self.ended => wrong("a message came after eof"),
            Some(Msg::Metadata(_)) if self.begun => wrong("metadata came twice"),
            Some(Msg::Data(_) | Msg::Eof(_)) if !self.begun => wrong("the first message is not metadata"),
            Some(Msg::Metadata(metadata)) => self.begin(metadata, asset, plane),
            Some(Msg::Data(data)) => self.add(&data, asset),
            Some(Msg::Eof(eof)) => self.end(&eof, asset),
        }
    }

    fn begin(
        &mut self,
        metadata: UploadMetadata,
        asset: &mut Asset,
        plane: &Plane,
    ) -> Result<(), Vec<String>> {
        right(bounds::upload_metadata(&metadata))?;
        self.begun = true;
        asset.task_id = metadata.task_id;
        if plane.queue().kind(&asset.task_id).is_none() {
            return Err(vec![format!("task {} was never given out", asset.task_id)]);
        }
        Ok(())
    }

    fn add(&mut self, data: &UploadData, asset: &mut Asset) -> Result<(), Vec<String>> {
        right(bounds::upload_data(data))?;
        asset.bytes += data.data.len() as u64;
        asset.chunks += 1;
        asset.largest_chunk = asset.largest_chunk.max(data.data.len());
        self.digest.update(&data.data);
        self.file
            .write_all(&data.data)
            .map_err(|error| vec![format!("the testbed cannot keep the data: {error}")])
    }

    fn end(&mut self, eof: &UploadEof, asset: &mut Asset) -> Result<(), Vec<String>> {
        right(bounds::upload_eof(eof))?;
        self.ended = true;
        let digest = self.digest.clone().finish();
        asset.sha256 = hex(digest.as_ref());
        if digest.as_ref() != eof.sha256_checksum {
            return Err(vec![format!(
                "the checksum is {}, that of the data {}",
                hex(&eof.sha256_checksum),
                asset.sha256
            )]);
        }
        Ok(())
    }

    /// Moves the file to its place: `<task id>-<number>.c1z`, or `.log` for anything that is no sync.
    fn keep(mut self, plane: &Plane, task_id: &str) -> Result<PathBuf, Status> {
        let suffix =
            if starts_as_c1z(self.file.as_file_mut()).map_err(|error| disk(&error))? { "c1z" } else { "log" };
        let mut number = 1;
        loop {
            let path = plane.uploads.join(format!("{task_id}-{number}.{suffix}"));
            match self.file.persist_noclobber(&path) {
                Ok(_) => return Ok(path),
                Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
                    self.file = error.file;
                    number += 1;
                }
                Err(error) => return Err(disk(&error.error)),
            }
        }
    }
}

fn starts_as_c1z(file: &mut File) -> std::io::Result<bool> {
    let mut start = Vec::new();
    file.rewind()?;
    file.take(5).read_to_end(&mut start)?;
    Ok(C1Z_MAGICS.iter().any(|magic| *magic == *start))
}

fn right(faults: Vec<String>) -> Result<(), Vec<String>> {
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn disk(error: &std::io::Error) -> Status {
    Status::internal(format!("the testbed cannot keep the upload: {error}"))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
