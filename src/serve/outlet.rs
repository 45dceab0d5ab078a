//! Hands pieces of an answer from a thread that works to who sends them, and waits for no caller for ever.

use std::io;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Where a thread puts pieces.
pub(super) struct Outlet<T> {
    pub(super) pieces: mpsc::Sender<T>,
    pub(super) runtime: Handle,
    /// How long a piece may wait to be taken.
    pub(super) idle: Duration,
    /// When all of them have to be taken.
    pub(super) until: Instant,
}

impl<T> Clone for Outlet<T> {
    fn clone(&self) -> Self {
        Self { pieces: self.pieces.clone(), runtime: self.runtime.clone(), ..*self }
    }
}

impl<T> Outlet<T> {
    /// Waits until there is room for a piece. Not to be called where nothing may wait.
    pub(super) fn send(&self, piece: T) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        let sent = self.runtime.block_on(self.pieces.send_timeout(piece, self.idle.min(left)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the answer is not taken"))
    }
}
