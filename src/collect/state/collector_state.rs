//! The state between runs.

use super::codec::encode_envelope;
use super::cursor::ScanCheckpoint;
use super::day::{CountsRef, DayState};
use crate::clock::format_utc;
use crate::collect::date::{DAY, Date};
use crate::collect::log_kind::LogKind;
use crate::collect::report::MissingDays;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The maximum number of wanted days in a window, so that it spans at most 28 days with its margins: the shortest
/// month.
pub(crate) const MAX_WINDOW_DAYS: i64 = 25;
/// How many days after today are requested at first; [`CollectorState::days_ahead`] is what Zoom accepts.
pub(crate) const DEFAULT_DAYS_AHEAD: i64 = 2;

/// The state between runs. Instants are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorState {
    /// What is collected; operation logs, unless the state says otherwise.
    #[serde(default, skip_serializing_if = "LogKind::is_default")]
    pub logs: LogKind,
    /// What names of its objects begin with: a URL. Empty until a run of a version after 0.1.0 saved the state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub destination: String,
    /// Created once, so that no two collections use the same object names.
    #[serde(alias = "lineage")]
    pub collection_id: String,
    /// How often objects were written.
    pub sequence: u64,
    /// How often the state was saved.
    #[serde(default)]
    pub revision: u64,
    /// The first day of this collection.
    #[serde(alias = "began")]
    pub first_day: Date,
    /// The last day, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// All earlier days are finalized or gaps. Never moves back.
    pub cursor: Date,
    /// Everything that Zoom had up to this time was read when the newest records were fetched last, because that scan
    /// ends at the first page without new records that reaches back to it. May be in the future, if a record says so.
    #[serde(alias = "floor")]
    pub watermark: Option<i64>,
    /// When that was.
    #[serde(alias = "tail_at")]
    pub recent_read_at: Option<i64>,
    /// Days from the cursor on.
    pub days: BTreeMap<Date, DayState>,
    /// The counts of records without a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undated: Option<CountsRef>,
    /// The previous counts of records without a time; dropped when the list is old, except for records that were seen
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undated_before: Option<CountsRef>,
    /// When the list of records without a time was started.
    #[serde(default)]
    pub undated_since: i64,
    /// Days that earlier backfills collected: first and last.
    #[serde(alias = "collected", default, skip_serializing_if = "Vec::is_empty")]
    pub completed_backfills: Vec<(Date, Date)>,
    /// For the live collection: days that backfills had claimed before it started, and are responsible for. It claims
    /// all others from its first day on.
    #[serde(alias = "theirs", default, skip_serializing_if = "Vec::is_empty")]
    pub backfill_ranges: Vec<(Date, Date)>,
    /// Days that will never be collected.
    #[serde(default)]
    pub gaps: Vec<MissingDays>,
    /// Objects that are being written to the bucket.
    #[serde(default)]
    pub pending: Vec<PendingWrite>,
    /// When the recent hours were last read again, and how many pages they took.
    #[serde(alias = "hours", default)]
    pub recent_refetch: LastRefetch,
    /// When the look-back was last read again, and how many pages it took.
    #[serde(alias = "full", default)]
    pub lookback_refetch: LastRefetch,
    /// The number of days that a past window spans.
    #[serde(alias = "span")]
    pub window_days: i64,
    /// How many days after today Zoom accepts in a request.
    #[serde(alias = "ahead")]
    pub days_ahead: i64,
    /// Whether Zoom honors a time of day in `to`; unknown until a window had to end within a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_of_day: Option<bool>,
    /// A window of whole days ends at least so many milliseconds after its last day began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_end: Option<i64>,
    /// A window that a run did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<ScanCheckpoint>,
    /// What was imported from Google's reference collector.
    #[serde(alias = "taken_over", default, skip_serializing_if = "Option::is_none")]
    pub imported_from: Option<String>,
    /// Totals since the beginning.
    #[serde(default)]
    pub totals: Totals,
}

/// When something was last done, and how many pages it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRefetch {
    /// When it started.
    pub at: i64,
    /// The number of pages.
    pub pages: u64,
}

/// An object that is to be written, and is staged next to the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingWrite {
    /// Its name in the bucket.
    pub name: String,
    /// Whether it is written next to the state instead.
    #[serde(default)]
    pub beside_state: bool,
    /// The name of the staged object.
    pub staged: String,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

/// Totals since the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records written.
    pub records: u64,
    /// Objects written.
    pub objects: u64,
    /// Repeated records that were not written again.
    pub suppressed: u64,
    /// Records that appeared late.
    pub late: u64,
    /// Days finalized.
    #[serde(alias = "sealed")]
    pub finalized: u64,
    /// Records that were ambiguous when their day was finalized.
    #[serde(alias = "unsettled", default)]
    pub ambiguous: u64,
}

impl CollectorState {
    pub(crate) fn new(collection_id: String, first_day: Date) -> Self {
        Self {
            logs: LogKind::default(),
            destination: String::new(),
            collection_id,
            sequence: 0,
            revision: 0,
            first_day,
            until: None,
            cursor: first_day,
            watermark: None,
            recent_read_at: None,
            days: BTreeMap::new(),
            undated: None,
            undated_before: None,
            undated_since: 0,
            completed_backfills: Vec::new(),
            backfill_ranges: Vec::new(),
            gaps: Vec::new(),
            pending: Vec::new(),
            recent_refetch: LastRefetch::default(),
            lookback_refetch: LastRefetch::default(),
            window_days: MAX_WINDOW_DAYS,
            days_ahead: DEFAULT_DAYS_AHEAD,
            time_of_day: None,
            window_end: None,
            resume: None,
            imported_from: None,
            totals: Totals::default(),
        }
    }

    /// Returns what is wrong if the live collection's state is ahead of this machine's clock, because it was written
    /// under a clock that was ahead. Otherwise nothing would be fetched until then, without an error. One day is
    /// tolerated, because of time zones.
    pub(crate) fn clock_skew(&self, now: i64) -> Option<String> {
        let read = self.recent_read_at.filter(|at| *at > now.saturating_add(DAY));
        let what = match read {
            Some(at) => format!("it was written at {}", format_utc(at)),
            None if self.cursor > Date::from_millis(now).add_days(1) => {
                format!("its cursor is at {}", self.cursor)
            }
            None => return None,
        };
        Some(format!(
            "the state is ahead of the local clock: {what}, and the clock shows {}",
            format_utc(now)
        ))
    }

    /// Whether a run ended within a window before, so that budgets matter.
    pub(crate) fn was_cut_short(&self) -> bool {
        self.time_of_day.is_some() || self.days.values().any(|known| known.unread.is_some())
    }

    /// Makes windows of the past half as long, because one did not fit into a run.
    pub(crate) fn halve_window(&mut self) {
        self.window_days = (self.window_days / 2).max(1);
    }

    /// Moves the cursor past finalized days.
    pub(crate) fn advance_cursor(&mut self) {
        while self.days.get(&self.cursor).is_some_and(|known| known.finalized) {
            self.cursor = self.cursor.add_days(1);
        }
    }

    /// Returns the days that backfills have claimed: first and last.
    pub(crate) fn claimed_ranges(&self) -> impl Iterator<Item = (Date, Date)> {
        self.completed_backfills.iter().copied().chain(self.until.map(|until| (self.first_day, until)))
    }

    /// Returns whether a backfill has claimed a day and finished it.
    pub(crate) fn is_done(&self, day: Date) -> bool {
        let within = |first: Date, last: Date| (first..=last).contains(&day);
        let read = day < self.cursor || self.days.get(&day).is_some_and(|known| known.finalized);
        self.completed_backfills.iter().any(|(first, last)| within(*first, *last))
            || (read && self.until.is_some_and(|until| within(self.first_day, until)))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        encode_envelope(serde_json::to_string(self).unwrap_or_default())
    }

    /// Returns the size of the state and all counts, in bytes.
    pub(crate) fn size(&self) -> u64 {
        let seen: u64 = self.count_refs().map(|seen| seen.bytes).sum();
        seen + u64::try_from(self.encode().len()).unwrap_or(0)
    }

    /// Returns the references to counts.
    pub(crate) fn count_refs(&self) -> impl Iterator<Item = &CountsRef> {
        let days = self.days.values().filter_map(|day| day.counts.as_ref());
        days.chain(&self.undated).chain(&self.undated_before)
    }

    /// Starts a new list of records without a time if the current one is older than `age` milliseconds.
    pub(crate) fn rotate_undated(&mut self, now: i64, age: i64) {
        if self.undated.is_none() && self.undated_before.is_none() {
            self.undated_since = now;
        } else if now - self.undated_since > age {
            (self.undated_before, self.undated_since) = (self.undated.take(), now);
        }
    }

    /// Returns the names of all objects that the state refers to.
    pub(crate) fn referenced_objects(&self) -> impl Iterator<Item = &str> {
        self.count_refs()
            .map(|seen| seen.name.as_str())
            .chain(self.pending.iter().map(|pending| pending.staged.as_str()))
    }
}
