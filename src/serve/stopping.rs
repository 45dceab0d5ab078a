//! Signals shutdown once.

use tokio::sync::watch;

/// Set once.
pub(super) struct Stopping(watch::Sender<bool>);

impl Stopping {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(super) fn set(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is set.
    pub(super) async fn wait(&self) {
        // The sender is owned by `self`, so it cannot be dropped.
        let _ = self.0.subscribe().wait_for(|set| *set).await;
    }
}
