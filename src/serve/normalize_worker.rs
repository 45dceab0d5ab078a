//! The work of one `POST /normalize`, on a blocking thread.

use super::chunk_sender::ChunkSender;
use super::limits::{BodyChunk, Broken};
use super::normalize_handler::unreadable;
use super::response::ApiResponse;
use crate::ingest::{Limits, decompress_limited};
use crate::normalize::{
    self, EventWriter, Input, Options, Reject, RejectWriter, RequestFormat, Sink, Summary,
};
use bytes::{Buf as _, Bytes};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// The results, in order.
pub(super) enum Chunk {
    Events(Bytes),
    Rejects(Bytes),
    /// The whole body arrived.
    End(Box<Summary>),
    /// No more of the body will arrive, and why.
    Failed(Box<ApiResponse>),
}

impl Chunk {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Events(bytes) | Self::Rejects(bytes) => bytes.len(),
            Self::End(_) | Self::Failed(_) => 0,
        }
    }
}

/// Returns whether everything succeeded.
pub(super) enum Outcome {
    Whole,
    Broken,
}

/// One request's work.
pub(super) struct NormalizeJob {
    pub(super) options: Options,
    pub(super) requests: Option<(RequestFormat, normalize::Limits)>,
    pub(super) limits: Limits,
    /// Whether rejects are returned in full.
    pub(super) rejects: bool,
    pub(super) upload: mpsc::UnboundedReceiver<BodyChunk>,
    /// Why the upload ended early; set when it has ended.
    pub(super) broken: Arc<Mutex<Option<Broken>>>,
    pub(super) answers: ChunkSender<Chunk>,
}

impl NormalizeJob {
    pub(super) fn run(self) -> Outcome {
        let answers = &self.answers;
        let to = |make| ChunkWriter { answers: answers.clone(), make };
        let broken = Arc::clone(&self.broken);
        let upload = Reader { upload: self.upload, piece: Bytes::new(), held: None, broken: self.broken };
        let worked =
            decompress_limited(Box::new(upload), self.limits).map_err(JobError::Body).and_then(|unpacked| {
                let events = EventWriter::new(to(Chunk::Events), self.requests.as_ref());
                let rejects = self.rejects.then(|| RejectWriter::new(to(Chunk::Rejects)));
                let mut sink = ChunkSink { events, rejects };
                let input = std::iter::once(Input::decompress("request", unpacked));
                let mut summary =
                    normalize::run(input, &self.options, &mut sink).map_err(|_| JobError::Gone)?;
                if let Some(failure) = summary.failures.pop() {
                    return Err(JobError::Body(failure.error));
                }
                sink.events.finish().map_err(|_| JobError::Gone)?;
                if summary.stopped { Err(JobError::Gone) } else { Ok(summary) }
            });
        let (piece, outcome) = match worked {
            Ok(summary) => (Chunk::End(Box::new(summary)), Outcome::Whole),
            Err(JobError::Gone) => return Outcome::Broken,
            Err(JobError::Body(error)) => {
                let broken = broken.lock().ok().and_then(|broken| *broken);
                (Chunk::Failed(Box::new(unreadable(broken, &error))), Outcome::Broken)
            }
        };
        if answers.send(piece).is_err() { Outcome::Broken } else { outcome }
    }
}

enum JobError {
    /// The body is invalid or incomplete.
    Body(io::Error),
    /// The client disconnected or does not read.
    Gone,
}

/// Reads the chunks of a body.
struct Reader {
    upload: mpsc::UnboundedReceiver<BodyChunk>,
    piece: Bytes,
    /// The share of the memory budget is returned with the last byte.
    held: Option<BodyChunk>,
    broken: Arc<Mutex<Option<Broken>>>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            self.held = None;
            let Some(held) = self.upload.blocking_recv() else {
                let broken = self.broken.lock().ok().and_then(|broken| *broken);
                return broken.map_or(Ok(0), |_| Err(io::Error::other("the body is incomplete")));
            };
            self.piece = held.bytes.clone();
            self.held = Some(held);
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Writes chunks of one kind.
struct ChunkWriter {
    answers: ChunkSender<Chunk>,
    make: fn(Bytes) -> Chunk,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.answers.send((self.make)(Bytes::copy_from_slice(bytes)))?;
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
