//! What all requests of a run share, whichever report they are for: the access token, and the pace.

use super::token::Token;
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

/// The access token of a run, and when its next request may start.
#[derive(Default)]
pub(crate) struct ZoomSession {
    token: tokio::sync::Mutex<Option<Token>>,
    next_start: Mutex<Option<Instant>>,
}

impl ZoomSession {
    /// Returns the token. Hold the guard while requesting another one, because a second new token may invalidate the
    /// first.
    pub(super) async fn token(&self) -> MutexGuard<'_, Option<Token>> {
        self.token.lock().await
    }

    /// Discards a token that Zoom refused, unless another report has replaced it since.
    pub(super) async fn discard(&self, refused: &Token) {
        let mut current = self.token.lock().await;
        if current.as_ref().is_some_and(|token| token.text == refused.text) {
            *current = None;
        }
    }

    /// Reserves the start of the next request at this rate; returns when it may start.
    pub(super) fn reserve(&self, rate: NonZeroU64) -> Instant {
        let mut next = self.next_start.lock().unwrap_or_else(PoisonError::into_inner);
        let start = next.map_or_else(Instant::now, |next| next.max(Instant::now()));
        *next = Some(start + Duration::from_nanos(1_000_000_000 / rate));
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_starts_are_spaced_evenly() {
        let session = ZoomSession::default();
        let starts: Vec<_> = (0..3).map(|_| session.reserve(NonZeroU64::new(10).unwrap())).collect();
        for pair in starts.windows(2) {
            assert_eq!(pair[1] - pair[0], Duration::from_millis(100));
        }
    }
}
