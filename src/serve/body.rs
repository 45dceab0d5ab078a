//! Request bodies, read within limits on size, speed and memory.

use super::config::Limits;
use super::response::ApiResponse;
use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The minimum speed of a body in bytes per second, interval from pauses of `idle_time`; a line of 64 kbit/s achieves it.
/// Slower callers occupy memory that others need.
const MIN_BYTES_PER_SECOND: u64 = 8 << 10;

/// Why a body did not arrive completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It exceeds this many bytes.
    TooLarge(u64),
    TooSlow,
    Gone,
    /// Other bodies occupy the memory.
    NoMemory,
}

impl From<BodyError> for ApiResponse {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(max) => {
                Self::too_large(format!("the body exceeds the maximum of {max} bytes"))
            }
            BodyError::TooSlow => Self::too_slow(),
            BodyError::Gone => Self::bad_request("the body ended early"),
            BodyError::NoMemory => Self::too_many(2),
        }
    }
}

/// Bytes of a body, with their share of the memory budget.
pub(super) struct BodyChunk {
    pub(super) bytes: Bytes,
    share: OwnedSemaphorePermit,
}

/// A body that is read in chunks within the limits.
pub(super) struct LimitedBody {
    body: Body,
    max_bytes: u64,
    left: u64,
    deadline: Instant,
    /// The remaining time budget: each chunk adds to it, up to its initial value.
    time_budget: Duration,
    idle: Duration,
    budget: Arc<Semaphore>,
    waits_for_memory: bool,
}

impl LimitedBody {
    /// `budget` is the memory budget of all bodies.
    pub(super) fn new(body: Body, limits: &Limits, budget: &Arc<Semaphore>) -> Self {
        Self {
            body,
            max_bytes: limits.body,
            left: limits.body,
            deadline: Instant::now() + limits.body_time,
            time_budget: limits.idle_time,
            idle: limits.idle_time,
            budget: Arc::clone(budget),
            waits_for_memory: true,
        }
    }

    /// Fails with [`BodyError::NoMemory`] at once if the budget is used up, instead of waiting for other bodies.
    pub(super) fn without_waiting_for_memory(self) -> Self {
        Self { waits_for_memory: false, ..self }
    }

    /// The deadline of the request.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the next chunk; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<BodyChunk>, BodyError> {
        loop {
            let began = Instant::now();
            let frame = timeout_at(self.deadline.min(began + self.time_budget), self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| BodyError::TooSlow)? else { return Ok(None) };
            // Trailers are ignored.
            let Ok(bytes) = frame.map_err(|_| BodyError::Gone)?.into_data() else { continue };
            self.credit(began.elapsed(), bytes.len() as u64);
            self.left =
                self.left.checked_sub(bytes.len() as u64).ok_or(BodyError::TooLarge(self.max_bytes))?;
            let share = self.acquire(bytes.len()).await.ok_or(BodyError::NoMemory)?;
            return Ok(Some(BodyChunk { bytes, share }));
        }
    }

    /// Acquires a share of the memory budget; `None` if it is used up.
    async fn acquire(&mut self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let (budget, bytes) = (Arc::clone(&self.budget), u32::try_from(bytes).unwrap_or(u32::MAX));
        if !self.waits_for_memory {
            return budget.try_acquire_many_owned(bytes).ok();
        }
        // The semaphore is never closed.
        timeout_at(self.deadline, budget.acquire_many_owned(bytes)).await.ok()?.ok()
    }

    fn credit(&mut self, waited: Duration, bytes: u64) {
        let earned = Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / MIN_BYTES_PER_SECOND);
        self.time_budget = (self.time_budget.saturating_sub(waited) + earned).min(self.idle);
    }

    /// Reads the whole body, with its share of the budget.
    pub(super) async fn read_to_end(mut self) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), BodyError> {
        let mut all = Vec::new();
        let share = self.read_to(&mut all).await?;
        Ok((all, share))
    }

    /// Appends the whole body to `all`, and returns its share. After an error, `all` has the start of the body.
    pub(super) async fn read_to(
        &mut self,
        all: &mut Vec<u8>,
    ) -> Result<Option<OwnedSemaphorePermit>, BodyError> {
        let mut share = None::<OwnedSemaphorePermit>;
        while let Some(BodyChunk { bytes, share: more }) = self.next().await? {
            all.extend_from_slice(&bytes);
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
        }
        Ok(share)
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, BodyError, Duration, LimitedBody, Limits, Semaphore};
    use std::sync::Arc;

    /// A body of this many chunks of a size, this many milliseconds interval.
    fn body(chunks: usize, size: usize, interval: u64) -> Body {
        let chunk = move |number| async move {
            if number == chunks {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(interval)).await;
            Some((Ok::<_, std::io::Error>(vec![b' '; size]), number + 1))
        };
        Body::from_stream(futures::stream::unfold(0, chunk))
    }

    fn limited(body: Body, budget: &Arc<Semaphore>) -> LimitedBody {
        let [idle_time, body_time] = [400, 4000].map(Duration::from_millis);
        LimitedBody::new(body, &Limits { idle_time, body_time, ..Limits::default() }, budget)
    }

    #[tokio::test]
    async fn trickled_body_times_out() {
        let budget = Arc::new(Semaphore::new(1 << 20));
        let took = async |chunks, size, interval| {
            let began = std::time::Instant::now();
            let whole = limited(body(chunks, size, interval), &budget).read_to_end().await;
            (whole.map(|(bytes, _)| bytes.len()), began.elapsed().as_millis())
        };
        let (trickled, after) = took(100, 1, 50).await;
        assert!(trickled == Err(BodyError::TooSlow) && after < 2000, "{after} ms");
        assert_eq!(took(6, 4096, 200).await.0, Ok(6 * 4096), "slow, and faster than has to be");
        assert_eq!(took(1, 10, 200).await.0, Ok(10), "a pause");
    }

    #[tokio::test]
    async fn memory_of_all_bodies_is_bounded() {
        let budget = Arc::new(Semaphore::new(1000));
        let first = limited(body(3, 300, 0), &budget).read_to_end().await;
        assert!(first.is_ok() && budget.available_permits() == 100);
        let limits = Limits { body_time: Duration::from_millis(200), ..Limits::default() };
        let refused = LimitedBody::new(body(1, 300, 0), &limits, &budget).read_to_end().await;
        assert_eq!(refused.err(), Some(BodyError::NoMemory));
        let began = std::time::Instant::now();
        let refused = limited(body(1, 300, 0), &budget).without_waiting_for_memory().read_to_end().await;
        assert_eq!(refused.err(), Some(BodyError::NoMemory));
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "refused at once, not after the four seconds of a body"
        );
        drop(first);
        assert_eq!(budget.available_permits(), 1000, "the whole budget is free again");
    }
}
