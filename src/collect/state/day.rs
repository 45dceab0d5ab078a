//! What is known of a day.

use super::cursor::UnreadRange;
use serde::{Deserialize, Serialize};

/// What is known of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayState {
    /// Records written.
    pub records: u64,
    /// Whether the day is finalized.
    #[serde(alias = "sealed", default)]
    pub finalized: bool,
    /// When the last complete scan of the day started.
    #[serde(alias = "full_at", default, skip_serializing_if = "Option::is_none")]
    pub scanned_at: Option<i64>,
    /// The counts of its records.
    #[serde(alias = "seen", default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<CountsRef>,
    /// Present if the day could not be read.
    #[serde(alias = "parked", default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<DayDeferral>,
    /// What the current reading of it has not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<UnreadRange>,
}

/// A reference to stored counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsRef {
    /// The name of the object.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Why a day is deferred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayDeferral {
    /// The error.
    pub reason: String,
    /// The number of attempts.
    pub attempts: u32,
    /// When it is retried.
    #[serde(alias = "next")]
    pub retry_at: i64,
}

/// In milliseconds.
const HOUR: i64 = 3_600_000;

impl DayState {
    /// Defers the day: it is retried after an hour, two hours, and so on up to a day.
    pub(crate) fn defer(&mut self, reason: String, now: i64) {
        let attempts = self.deferred.as_ref().map_or(0, |deferred| deferred.attempts) + 1;
        let wait = HOUR << attempts.min(6).saturating_sub(1);
        self.deferred = Some(DayDeferral { reason, attempts, retry_at: now + wait.min(24 * HOUR) });
    }

    /// All of it has been read, at this time or before, but for a part that a run left unread.
    pub(crate) fn has_been_read(&mut self, at: i64) {
        if self.scanned_at.is_some() || self.unread.is_none() {
            self.scanned_at.get_or_insert(at);
            self.deferred = None;
        }
    }
}
