//! How far a scan came that ended early.

use crate::collect::date::Date;
use crate::collect::zoom::Window;
use serde::{Deserialize, Serialize};

/// The part of a day that remains to be read, after a run ended within the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadRange {
    /// Records of this time or later are unread.
    pub from: i64,
    /// Records after this time have been read. May lie after the day, where the run ended before it reached the day.
    pub until: i64,
    /// When the reading began.
    pub began: i64,
    /// How many runs in a row read pages and came no further.
    #[serde(default)]
    pub stalls: u32,
    /// Whether the counts of some records are ambiguous (may be too low).
    #[serde(default)]
    pub ambiguous: bool,
}

impl UnreadRange {
    /// A time that the next scan has to reach up to, where the upper part of the day was read.
    pub(crate) fn reached_until(&self) -> Option<i64> {
        Some(self.until).filter(|until| *until != i64::MAX)
    }
}

/// How to go on in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanCheckpoint {
    /// Its first day.
    pub from: Date,
    /// Its last.
    pub to: Date,
    /// Records per page, which must stay the same.
    pub page_size: u16,
    /// The token of the next page.
    pub token: String,
    /// When it was given.
    pub issued: i64,
    /// When the first page was read.
    pub began: i64,
    /// Whether the scan fetches the newest records.
    #[serde(alias = "tail")]
    pub recent: bool,
    /// The number of pages read.
    pub pages: u64,
    /// The hashes of the records on the last page, because an identical record may be on the next one.
    #[serde(alias = "last")]
    pub last_page: Vec<String>,
    /// The minute within the last day that the window ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// The days that the scan completes: first and last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<(Date, Date)>,
    /// A time that the scan's first page reached up to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<i64>,
    /// Records after this time have been read. None where pages do not come newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<i64>,
    /// The newest time on the pages read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<i64>,
    /// The newest time of a record of which there may be more than are counted, before `reach`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous_at: Option<i64>,
    /// Whether the days know how far the scan came.
    #[serde(alias = "kept", default)]
    pub saved: bool,
}

impl ScanCheckpoint {
    /// Returns the window that the token belongs to.
    pub(crate) fn window(&self) -> Window {
        Window { from: self.from, to: self.to, until: self.until }
    }
}
