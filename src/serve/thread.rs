//! The work of one `POST /normalize`, on a blocking thread.

use super::answer::Answer;
use super::limits::{Broken, Held};
use super::normalizing::unreadable;
use super::outlet::Outlet;
use crate::ingest::{Limits, guarded};
use crate::normalize::{self, EventWriter, Input, Options, RejectWriter, Rejected, Request, Sink, Summary};
use bytes::{Buf as _, Bytes};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// The results, in order.
pub(super) enum Piece {
    Events(Bytes),
    Rejects(Bytes),
    /// The whole body arrived.
    End(Box<Summary>),
    /// No more of the body will arrive, and why.
    Failed(Box<Answer>),
}

impl Piece {
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
pub(super) struct Task {
    pub(super) options: Options,
    pub(super) requests: Option<(Request, normalize::Limits)>,
    pub(super) limits: Limits,
    /// Whether rejects are returned in full.
    pub(super) rejects: bool,
    pub(super) upload: mpsc::UnboundedReceiver<Held>,
    /// Why the upload ended early; set when it has ended.
    pub(super) broken: Arc<Mutex<Option<Broken>>>,
    pub(super) answers: Outlet<Piece>,
}

impl Task {
    pub(super) fn run(self) -> Outcome {
        let answers = &self.answers;
        let to = |make| Stream { answers: answers.clone(), make };
        let broken = Arc::clone(&self.broken);
        let upload = Reader { upload: self.upload, piece: Bytes::new(), held: None, broken: self.broken };
        let worked = guarded(Box::new(upload), self.limits).map_err(Trouble::Body).and_then(|unpacked| {
            let events = EventWriter::new(to(Piece::Events), self.requests.as_ref());
            let rejects = self.rejects.then(|| RejectWriter::new(to(Piece::Rejects)));
            let mut sink = Streams { events, rejects };
            let input = std::iter::once(Input::unpacked("request", unpacked));
            let mut summary = normalize::run(input, &self.options, &mut sink).map_err(|_| Trouble::Gone)?;
            if let Some(failure) = summary.failures.pop() {
                return Err(Trouble::Body(failure.error));
            }
            sink.events.finish().map_err(|_| Trouble::Gone)?;
            if summary.stopped { Err(Trouble::Gone) } else { Ok(summary) }
        });
        let (piece, outcome) = match worked {
            Ok(summary) => (Piece::End(Box::new(summary)), Outcome::Whole),
            Err(Trouble::Gone) => return Outcome::Broken,
            Err(Trouble::Body(error)) => {
                let broken = broken.lock().ok().and_then(|broken| *broken);
                (Piece::Failed(Box::new(unreadable(broken, &error))), Outcome::Broken)
            }
        };
        if answers.send(piece).is_err() { Outcome::Broken } else { outcome }
    }
}

enum Trouble {
    /// The body is invalid or incomplete.
    Body(io::Error),
    /// The client disconnected or does not read.
    Gone,
}

/// Reads the chunks of a body.
struct Reader {
    upload: mpsc::UnboundedReceiver<Held>,
    piece: Bytes,
    /// The share of the memory budget is returned with the last byte.
    held: Option<Held>,
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
struct Stream {
    answers: Outlet<Piece>,
    make: fn(Bytes) -> Piece,
}

impl Write for Stream {
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

struct Streams {
    events: EventWriter<Stream>,
    rejects: Option<RejectWriter<Stream>>,
}

impl Sink for Streams {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.events.write(events)
    }

    fn reject(&mut self, reject: &Rejected<'_>) -> io::Result<()> {
        self.rejects.as_mut().map_or(Ok(()), |rejects| rejects.write(reject))
    }
}
