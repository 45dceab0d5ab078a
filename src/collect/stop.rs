//! Stops a run early: on a signal, or at its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The reason where the time of a run is up.
pub(crate) const DEADLINE: &str = "--deadline";

/// A stop flag with a deadline.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Set this, then notify [`Self::notify`], to stop the run.
    pub flag: Arc<AtomicBool>,
    /// Wakes waiting tasks.
    pub notify: Arc<Notify>,
    deadline: Option<Instant>,
}

impl Stop {
    /// Creates a flag that is not set, with an optional deadline.
    #[must_use]
    pub fn new(deadline: Option<Duration>) -> Self {
        let deadline = deadline.map(|after| Instant::now() + after);
        Self { flag: Arc::default(), notify: Arc::default(), deadline }
    }

    /// The middle of the time that is left until the deadline.
    pub(crate) fn half_way(&self) -> Option<Instant> {
        let now = Instant::now();
        self.deadline.map(|deadline| now + deadline.saturating_duration_since(now) / 2)
    }

    /// Returns why the run should stop, if it should.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        if self.flag.load(Ordering::Relaxed) {
            return Some("a signal");
        }
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(DEADLINE)
    }

    /// Waits until the run should stop; returns the reason.
    pub(crate) async fn wait(&self) -> &'static str {
        loop {
            if let Some(reason) = self.reason() {
                return reason;
            }
            match self.deadline {
                None => self.notify.notified().await,
                Some(deadline) => tokio::select! {
                    () = self.notify.notified() => {}
                    () = tokio::time::sleep_until(deadline) => {}
                },
            }
        }
    }
}
