//! The work of one `POST /normalize`, on a blocking thread.

use super::chunk::WorkerMessage;
use crate::ingest::{Limits, decompress_limited};
use crate::normalize::{self, EventWriter, Input, Options, Reject, RejectWriter, RequestFormat, Sink};
use crate::serve::body::{BodyChunk, BodyError};
use crate::serve::chunk_sender::ChunkSender;
use crate::serve::response::{ApiResponse, Severity};
use bytes::{Buf as _, Bytes};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Cancels the work of a request when its response is dropped.
pub(super) struct CancelOnDrop(pub(super) Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The work of one request.
pub(super) struct NormalizeJob {
    pub(super) options: Options,
    pub(super) requests: Option<(RequestFormat, normalize::Limits)>,
    pub(super) limits: Limits,
    /// Whether rejects are returned in full.
    pub(super) rejects: bool,
    pub(super) body: mpsc::UnboundedReceiver<BodyChunk>,
    /// Why the body ended early; set when it has ended.
    pub(super) body_error: Arc<Mutex<Option<BodyError>>>,
    pub(super) chunks: ChunkSender<WorkerMessage>,
}

impl NormalizeJob {
    /// Does the work, and returns whether all of it succeeded.
    pub(super) fn run(self) -> bool {
        let chunks = &self.chunks;
        let to = |make| ChunkWriter { chunks: chunks.clone(), make };
        let body_error = Arc::clone(&self.body_error);
        let body =
            BodyReader { chunks: self.body, rest: Bytes::new(), current: None, error: self.body_error };
        let worked =
            decompress_limited(Box::new(body), self.limits).map_err(JobError::Body).and_then(|unpacked| {
                let events = EventWriter::new(to(WorkerMessage::Events), self.requests.as_ref());
                let rejects = self.rejects.then(|| RejectWriter::new(to(WorkerMessage::Rejects)));
                let mut sink = ChunkSink { events, rejects };
                let input = std::iter::once(Input::from_decompressed("request", unpacked));
                let mut summary =
                    normalize::run(input, &self.options, &mut sink).map_err(|_| JobError::Gone)?;
                if let Some(failure) = summary.failures.pop() {
                    return Err(JobError::Body(failure.error));
                }
                sink.events.finish().map_err(|_| JobError::Gone)?;
                if summary.stopped { Err(JobError::Gone) } else { Ok(summary) }
            });
        let (chunk, succeeded) = match worked {
            Ok(summary) => (WorkerMessage::End(Box::new(summary)), true),
            Err(JobError::Gone) => return false,
            Err(JobError::Body(error)) => {
                let body_error = body_error.lock().ok().and_then(|error| *error);
                (WorkerMessage::Failed(Box::new(body_error_response(body_error, &error))), false)
            }
        };
        chunks.send(chunk).is_ok() && succeeded
    }
}

/// Returns the response to a body that was not read completely.
fn body_error_response(body_error: Option<BodyError>, error: &io::Error) -> ApiResponse {
    match body_error {
        Some(body_error) => body_error.into(),
        None if error.kind() == io::ErrorKind::FileTooLarge => ApiResponse::too_large(
            "the body decompresses to more than --max-unpacked, or to more than 300 times its size",
        )
        .with_log(Severity::Warning, error.to_string()),
        None => ApiResponse::bad_request(error.to_string()),
    }
}

enum JobError {
    /// The body is invalid or incomplete.
    Body(io::Error),
    /// The client disconnected or does not read.
    Gone,
}

/// Reads the chunks of a body.
struct BodyReader {
    chunks: mpsc::UnboundedReceiver<BodyChunk>,
    /// The unread bytes of the current chunk.
    rest: Bytes,
    /// Its share of the memory budget is returned after its last byte.
    current: Option<BodyChunk>,
    error: Arc<Mutex<Option<BodyError>>>,
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            self.current = None;
            let Some(chunk) = self.chunks.blocking_recv() else {
                let error = self.error.lock().ok().and_then(|error| *error);
                return error.map_or(Ok(0), |_| Err(io::Error::other("the body is incomplete")));
            };
            self.rest = chunk.bytes.clone();
            self.current = Some(chunk);
        }
        let length = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Writes chunks of one kind.
struct ChunkWriter {
    chunks: ChunkSender<WorkerMessage>,
    make: fn(Bytes) -> WorkerMessage,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.chunks.send((self.make)(Bytes::copy_from_slice(bytes)))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct ChunkSink {
    events: EventWriter<ChunkWriter>,
    rejects: Option<RejectWriter<ChunkWriter>>,
}

impl Sink for ChunkSink {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.events.write(events)
    }

    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        self.rejects.as_mut().map_or(Ok(()), |rejects| rejects.write(reject))
    }
}
