//! The clock, which tests can set.

use chrono::{DateTime, Utc};
use std::time::{Duration, Instant};

/// A clock that was set once and runs on from there.
#[derive(Debug, Clone)]
pub struct Clock {
    start: DateTime<Utc>,
    since: Instant,
}

impl Clock {
    /// Creates a clock that shows `start` now.
    #[must_use]
    pub fn at(start: DateTime<Utc>) -> Self {
        Self { start, since: Instant::now() }
    }

    /// Returns the system clock.
    #[must_use]
    pub fn system() -> Self {
        Self::at(Utc::now())
    }

    /// Milliseconds since the epoch, by the machine's clock.
    #[must_use]
    pub fn machine() -> i64 {
        Utc::now().timestamp_millis()
    }

    /// Returns milliseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.start.timestamp_millis() + duration_millis(self.since.elapsed())
    }
}

/// Converts a duration to milliseconds.
pub(crate) fn duration_millis(duration: Duration) -> i64 {
    // Capped, so that it can be added to any time.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

/// An instant in milliseconds since the epoch, to the minute: `yyyy-MM-dd HH:mm`.
pub(crate) fn minute(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).unwrap_or_default().format("%Y-%m-%d %H:%M").to_string()
}

/// Formats milliseconds since the epoch for people.
pub(crate) fn format_utc(millis: i64) -> String {
    let time = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
