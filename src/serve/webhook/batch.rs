//! Verified events that are written together.

use super::recent::BodyHash;
use crate::serve::response::ApiResponse;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

/// A verified event.
pub(super) struct Event {
    /// Identifies the body as sent.
    pub(super) hash: BodyHash,
    /// The event without a line end.
    pub(super) line: Vec<u8>,
    /// Its share of the memory budget.
    pub(super) share: Option<OwnedSemaphorePermit>,
}

/// The result of writing a batch; `None` until it is known.
pub(super) type WriteResult = Option<Result<(), ApiResponse>>;

/// Events that are written together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<u8>,
    pub(super) hashes: Vec<BodyHash>,
    /// Held until the events are written, also if their senders disconnect.
    shares: Vec<OwnedSemaphorePermit>,
}

/// The batch that takes events.
pub(super) struct OpenBatch {
    pub(super) number: u64,
    pub(super) batch: Batch,
    /// Passes the batch to the task that writes it.
    close: oneshot::Sender<Batch>,
    pub(super) result: watch::Receiver<WriteResult>,
}

/// What a task that writes a batch needs.
pub(super) struct WriteTask {
    pub(super) number: u64,
    pub(super) closed: oneshot::Receiver<Batch>,
    pub(super) result: watch::Sender<WriteResult>,
}

impl OpenBatch {
    /// Returns an empty batch, and what the task that writes it needs.
    pub(super) fn new(number: u64) -> (Self, WriteTask) {
        let ((close, closed), (sender, result)) = (oneshot::channel(), watch::channel(None));
        let open = Self { number, batch: Batch::default(), close, result };
        (open, WriteTask { number, closed, result: sender })
    }

    /// Returns whether the task that would write the batch has ended.
    pub(super) fn is_abandoned(&self) -> bool {
        self.close.is_closed()
    }

    /// Passes the batch to its task.
    pub(super) fn close(self) {
        // The task waits for it, or has ended in a panic, which its senders notice.
        let _ = self.close.send(self.batch);
    }
}

impl Batch {
    /// Adds an event as a line.
    pub(super) fn add(&mut self, event: Event) {
        self.lines.extend_from_slice(&event.line);
        self.lines.push(b'\n');
        self.hashes.push(event.hash);
        self.shares.extend(event.share);
    }
}
