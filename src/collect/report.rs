//! What a run did.

use super::date::Date;
use serde::{Deserialize, Serialize};

/// Days that were not collected and never will be, or that nobody asked for in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub until: Date,
    /// Why.
    pub reason: String,
}

/// The counts of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Records that came in pages, each time they came.
    pub records_read: u64,
    /// Records that were new and are in the bucket now.
    pub records_written: u64,
    /// Records that were known already.
    pub duplicates_suppressed: u64,
    /// New records of a time that had been read before.
    pub late: u64,
    /// Objects made.
    pub objects_written: u64,
    /// Requests for pages, repeated ones too.
    pub requests: u64,
    /// Requests for access tokens.
    pub token_requests: u64,
    /// Answers that asked for patience.
    pub throttled: u64,
    /// Members of pages that this program does not know, each time they came: Zoom's API may have changed.
    pub unknown_members: u64,
    /// New records that are not valid UTF-8 or JSON: the manifest keeps them, and the feed does not see them.
    pub malformed_records: u64,
    /// Days that are parked because they cannot be read.
    pub windows_parked: u64,
    /// Which days, and why.
    pub parked: Vec<Gap>,
    /// Days that are missing for good.
    pub gaps: Vec<Gap>,
    /// Whether days are lost that this run was to collect: gaps found in it, and those of the days that a backfill is about.
    #[serde(skip)]
    pub new_gap: bool,
    /// Why the run ended early.
    pub stopped: Option<String>,
    /// Whether it ended early because its budget or Zoom's limit is used up: run again at once it would come no further.
    #[serde(skip)]
    pub spent: bool,
    /// What the state takes, with the sets of what was seen.
    pub state_bytes: u64,
    /// How far collecting is behind now.
    pub lag_seconds: i64,
    /// The first day that is not sealed.
    pub cursor: Option<Date>,
    /// Days that are sealed.
    pub sealed_days: u64,
    /// Records that may have twins which could not be told apart.
    pub unsettled: u64,
    /// What should be known besides.
    pub notes: Vec<String>,
}

/// Hears of a run while it goes on. Must not block.
pub trait Observer: Send + Sync {
    /// Something the user should know.
    fn warn(&self, _message: &str) {}
    /// What happens.
    fn detail(&self, _message: &str) {}
    /// A request and its answer, without secrets.
    fn trace(&self, _message: &str) {}
    /// How it ended, in counts: also where it ends with an error.
    fn ended(&self, _report: &Report) {}
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Observer for Quiet {}
