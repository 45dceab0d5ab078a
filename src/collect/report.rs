//! The report of a run.

use super::date::Date;
use super::log_kind::LogKind;
use crate::error::Failure;
use serde::{Deserialize, Serialize};

/// Days that were not collected and never will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingDays {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub until: Date,
    /// The reason.
    pub reason: String,
}

/// The counts of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// What was collected.
    pub logs: LogKind,
    /// Records received, including repeated ones.
    pub records_read: u64,
    /// New records, stored in the bucket.
    pub records_written: u64,
    /// Records that were known already.
    pub duplicates_suppressed: u64,
    /// Records that appeared late, in a period already read.
    pub late: u64,
    /// Objects created.
    pub objects_written: u64,
    /// Requests for pages, including retries.
    pub requests: u64,
    /// Requests for access tokens.
    pub token_requests: u64,
    /// Responses that asked to slow down.
    pub throttled: u64,
    /// Unknown members of pages, counted each time; Zoom's API may have changed.
    pub unknown_members: u64,
    /// New records that are not valid UTF-8 or JSON: the manifest keeps them, and the feed does not see them.
    pub malformed_records: u64,
    /// Days that are deferred because they cannot be read.
    pub days_deferred: u64,
    /// Which days, and why.
    pub deferred: Vec<MissingDays>,
    /// Days that are lost.
    pub gaps: Vec<MissingDays>,
    /// Whether days are lost that this run was to collect: new gaps, and gaps in the days of a backfill.
    #[serde(skip)]
    pub new_gap: bool,
    /// Why the run ended early.
    pub stopped: Option<Failure>,
    /// Whether it ended early because its budget or Zoom's limit is used up, so that running again at once would
    /// achieve nothing.
    #[serde(skip)]
    pub budget_exhausted: bool,
    /// The size of the state, including counts.
    pub state_bytes: u64,
    /// The current lag of the collection.
    pub lag_seconds: i64,
    /// The first day that is not finalized.
    pub cursor: Option<Date>,
    /// The number of finalized days.
    pub finalized_days: u64,
    /// Ambiguous records: it is not known whether they are identical records.
    pub ambiguous_records: u64,
    /// Further remarks.
    pub notes: Vec<String>,
}
