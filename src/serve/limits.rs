//! How much a caller may send, at once and in time.

use super::answer::Answer;
use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The most that is taken.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; more wait to be taken.
    pub connections: usize,
    /// Requests at once; more are answered 503.
    pub requests: usize,
    /// Normalizations at once; more wait their turn.
    pub normalizations: usize,
    /// Bytes of a body as they are sent.
    pub body: u64,
    /// Bytes of a body unpacked.
    pub unpacked: u64,
    /// Bytes of bodies that are held at once, over all requests to normalize.
    pub held: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Lines of a request's head.
    pub headers: usize,
    /// How long a head may take; also how long a connection may rest between requests.
    pub head_time: Duration,
    /// How long a caller may neither send nor take a byte.
    pub idle_time: Duration,
    /// How long a body may take in all, and what is answered to it.
    pub body_time: Duration,
    /// How long requests under way may take to end once the service is told to.
    pub grace: Duration,
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

/// Why a body did not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    TooLarge,
    TooSlow,
    Gone,
}

impl From<Broken> for Answer {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::TooLarge => Self::too_large("the body is larger than --max-body allows"),
            Broken::TooSlow => Self::too_slow(),
            Broken::Gone => Self::poison("the body ended before it was whole"),
        }
    }
}

/// A body that comes in pieces, held to the limits.
pub(super) struct Upload {
    body: Body,
    left: u64,
    idle: Duration,
    until: Instant,
}

impl Upload {
    pub(super) fn new(body: Body, limits: &Limits) -> Self {
        let until = Instant::now() + limits.body_time;
        Self { body, left: limits.body, idle: limits.idle_time, until }
    }

    /// When all is to be done.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// The next piece; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            let frame = timeout(self.idle, timeout_at(self.until, self.body.frame())).await;
            let Ok(Ok(frame)) = frame else { return Err(Broken::TooSlow) };
            let Some(frame) = frame else { return Ok(None) };
            // Trailers are nothing to us.
            let Ok(bytes) = frame.map_err(|_| Broken::Gone)?.into_data() else { continue };
            self.left = self.left.checked_sub(bytes.len() as u64).ok_or(Broken::TooLarge)?;
            return Ok(Some(bytes));
        }
    }

    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Vec<u8>, Broken> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }
}
