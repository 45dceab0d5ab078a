//! Settings of a store.

use super::error::Error;
use backon::{ExponentialBuilder, Retryable as _};
use std::time::Duration;

/// Retry settings.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Attempts after the first.
    pub retries: usize,
    /// The total time of all attempts.
    pub retry_for: Duration,
    /// The delay before the second attempt; it doubles, with jitter, up to a minute.
    pub first_pause: Duration,
    /// How long a server may be silent, also within a response.
    pub timeout: Duration,
    /// The address of a Cloud Storage emulator, which gets no credentials; by default from `STORAGE_EMULATOR_HOST`.
    pub emulator: Option<String>,
}

impl StoreConfig {
    /// Returns the delays between attempts.
    fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.first_pause)
            .with_max_delay(Duration::from_secs(60))
            .with_max_times(self.retries)
    }

    /// Makes a request, and makes it again while `again` holds for its error and the settings allow another try.
    pub(crate) async fn retry<T, F: Future<Output = Result<T, Error>>>(
        &self,
        request: impl FnMut() -> F,
        again: impl Fn(&Error) -> bool,
    ) -> Result<T, Error> {
        let until = tokio::time::Instant::now() + self.retry_for;
        let again = |error: &Error| again(error) && tokio::time::Instant::now() < until;
        request.retry(self.pauses()).when(again).await
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            retries: 8,
            retry_for: Duration::from_secs(180),
            first_pause: Duration::from_millis(200),
            timeout: Duration::from_secs(30),
            emulator: None,
        }
    }
}
