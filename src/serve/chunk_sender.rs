//! Passes chunks of a response from a worker thread to the connection, with a time limit.

use std::io;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The sending side.
pub(super) struct ChunkSender<T> {
    pub(super) chunks: mpsc::Sender<T>,
    pub(super) runtime: Handle,
    /// How long a chunk may wait.
    pub(super) idle: Duration,
    /// When all chunks must have been taken.
    pub(super) until: Instant,
}

impl<T> Clone for ChunkSender<T> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), runtime: self.runtime.clone(), ..*self }
    }
}

impl<T> ChunkSender<T> {
    /// Waits until there is space for a chunk. Blocking.
    pub(super) fn send(&self, chunk: T) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        let sent = self.runtime.block_on(self.chunks.send_timeout(chunk, self.idle.min(left)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the response is not being read"))
    }
}
