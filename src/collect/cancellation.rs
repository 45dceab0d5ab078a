//! Stops a run early: on request, or at its deadline.

use std::fmt;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// When a run stops early, with its progress saved.
#[derive(Debug, Clone, Default)]
pub struct Cancellation {
    /// Cancel it to stop the run.
    pub token: CancellationToken,
    deadline: Option<Instant>,
}

/// Why a run stopped early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    Cancelled,
    Deadline,
}

impl Cancellation {
    /// Stops the run when the token is cancelled, or after this time from now.
    #[must_use]
    pub fn new(token: CancellationToken, deadline: Option<Duration>) -> Self {
        Self { token, deadline: deadline.map(|after| Instant::now() + after) }
    }

    /// Returns the middle of the time that is left until the deadline.
    pub(crate) fn half_way(&self) -> Option<Instant> {
        let now = Instant::now();
        self.deadline.map(|deadline| now + deadline.saturating_duration_since(now) / 2)
    }

    /// Returns why the run should stop, if it should.
    pub(crate) fn reason(&self) -> Option<StopReason> {
        if self.token.is_cancelled() {
            return Some(StopReason::Cancelled);
        }
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(StopReason::Deadline)
    }

    /// Waits until the run should stop; returns why.
    pub(crate) async fn stopped(&self) -> StopReason {
        let Some(deadline) = self.deadline else {
            self.token.cancelled().await;
            return StopReason::Cancelled;
        };
        tokio::select! {
            biased;
            () = self.token.cancelled() => StopReason::Cancelled,
            () = tokio::time::sleep_until(deadline) => StopReason::Deadline,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "a signal",
            Self::Deadline => "--deadline",
        })
    }
}
