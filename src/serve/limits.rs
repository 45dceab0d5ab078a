//! Limits on what a caller may send, in size and time.

use super::response::ApiResponse;
use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The limits of the service.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Concurrent connections; further ones wait.
    pub connections: usize,
    /// Concurrent requests, and as many waiting pushes; further ones get 503.
    pub requests: usize,
    /// Concurrent normalizations; further ones wait.
    pub normalizations: usize,
    /// Bytes of a body as sent.
    pub body: u64,
    /// Bytes of a body, decompressed.
    pub unpacked: u64,
    /// Bytes of all bodies in memory, except those of pushes.
    pub held: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Header lines of a request.
    pub headers: usize,
    /// How long a head may take, and how long a connection may be idle.
    pub head_time: Duration,
    /// How long a caller may neither send nor receive a byte.
    pub idle_time: Duration,
    /// How long a body and its response may take in total.
    pub body_time: Duration,
    /// How long requests may take to finish after a shutdown signal.
    pub grace: Duration,
}

impl Limits {
    /// How many blocking tasks last as long as a request or a run: normalizations, explanations, a run of `collect`.
    pub(crate) fn blocking_tasks(&self) -> usize {
        self.normalizations + super::explain_page::AT_ONCE + 1
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            requests: 80,
            normalizations: 16,
            body: 32 << 20,
            unpacked: 4 << 30,
            held: 128 << 20,
            head: 32 << 10,
            headers: 100,
            head_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(30),
            body_time: Duration::from_secs(300),
            grace: Duration::from_secs(8),
        }
    }
}

/// The minimum speed of a body in bytes per second, apart from pauses of `idle_time`; a line of 64 kbit/s achieves it.
/// Slower callers occupy memory that others need.
const MIN_BYTES_PER_SECOND: u64 = 8 << 10;

/// Why a body did not arrive completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It exceeds this many bytes.
    TooLarge(u64),
    TooSlow,
    Gone,
    /// Other bodies occupy the memory.
    NoRoom,
}

impl From<Broken> for ApiResponse {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::TooLarge(most) => {
                Self::too_large(format!("the body exceeds the maximum of {most} bytes"))
            }
            Broken::TooSlow => Self::too_slow(),
            Broken::Gone => Self::bad_request("the body ended early"),
            Broken::NoRoom => Self::too_many(2),
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
    most: u64,
    left: u64,
    until: Instant,
    /// The remaining time budget: each chunk adds to it, up to its initial value.
    patience: Duration,
    idle: Duration,
    room: Arc<Semaphore>,
}

impl LimitedBody {
    /// `room` is the memory budget of all bodies.
    pub(super) fn new(body: Body, limits: &Limits, room: &Arc<Semaphore>) -> Self {
        Self {
            body,
            most: limits.body,
            left: limits.body,
            until: Instant::now() + limits.body_time,
            patience: limits.idle_time,
            idle: limits.idle_time,
            room: Arc::clone(room),
        }
    }

    /// The deadline of the request.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Returns the next chunk; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<BodyChunk>, Broken> {
        loop {
            let began = Instant::now();
            let frame = timeout_at(self.until.min(began + self.patience), self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| Broken::TooSlow)? else { return Ok(None) };
            // Trailers are ignored.
            let Ok(bytes) = frame.map_err(|_| Broken::Gone)?.into_data() else { continue };
            self.credit(began.elapsed(), bytes.len() as u64);
            self.left = self.left.checked_sub(bytes.len() as u64).ok_or(Broken::TooLarge(self.most))?;
            let share = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let share = timeout_at(self.until, Arc::clone(&self.room).acquire_many_owned(share)).await;
            // The semaphore is never closed.
            let share = share.ok().and_then(Result::ok).ok_or(Broken::NoRoom)?;
            return Ok(Some(BodyChunk { bytes, share }));
        }
    }

    fn credit(&mut self, waited: Duration, bytes: u64) {
        let earned = Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / MIN_BYTES_PER_SECOND);
        self.patience = (self.patience.saturating_sub(waited) + earned).min(self.idle);
    }

    /// Reads the whole body, with its share of the budget.
    pub(super) async fn read_to_end(mut self) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Broken> {
        let mut all = Vec::new();
        let share = self.read_to(&mut all).await?;
        Ok((all, share))
    }

    /// Appends all of it to `all`, and returns its share. Of a body that is not taken, what came first is there.
    pub(super) async fn read_to(
        &mut self,
        all: &mut Vec<u8>,
    ) -> Result<Option<OwnedSemaphorePermit>, Broken> {
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
    use super::{Body, Broken, Duration, LimitedBody, Limits, Semaphore};
    use std::sync::Arc;

    /// A body of this many chunks of a size, this many milliseconds apart.
    fn body(pieces: usize, size: usize, apart: u64) -> Body {
        let piece = move |number| async move {
            if number == pieces {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(apart)).await;
            Some((Ok::<_, std::io::Error>(vec![b' '; size]), number + 1))
        };
        Body::from_stream(futures::stream::unfold(0, piece))
    }

    fn upload(body: Body, room: &Arc<Semaphore>) -> LimitedBody {
        let [idle_time, body_time] = [400, 4000].map(Duration::from_millis);
        LimitedBody::new(body, &Limits { idle_time, body_time, ..Limits::default() }, room)
    }

    #[tokio::test]
    async fn trickled_body_times_out() {
        let room = Arc::new(Semaphore::new(1 << 20));
        let took = async |pieces, size, apart| {
            let began = std::time::Instant::now();
            let whole = upload(body(pieces, size, apart), &room).read_to_end().await;
            (whole.map(|(bytes, _)| bytes.len()), began.elapsed().as_millis())
        };
        let (trickled, after) = took(100, 1, 50).await;
        assert!(trickled == Err(Broken::TooSlow) && after < 2000, "{after} ms");
        assert_eq!(took(6, 4096, 200).await.0, Ok(6 * 4096), "slow, and faster than has to be");
        assert_eq!(took(1, 10, 200).await.0, Ok(10), "a pause");
    }

    #[tokio::test]
    async fn memory_of_all_bodies_is_bounded() {
        let room = Arc::new(Semaphore::new(1000));
        let held = upload(body(3, 300, 0), &room).read_to_end().await;
        assert!(held.is_ok() && room.available_permits() == 100);
        let limits = Limits { body_time: Duration::from_millis(200), ..Limits::default() };
        let refused = LimitedBody::new(body(1, 300, 0), &limits, &room).read_to_end().await;
        assert_eq!(refused.err(), Some(Broken::NoRoom));
        drop(held);
        assert_eq!(room.available_permits(), 1000, "all of it goes back");
    }
}
