//! What to scan, and the result of a scan.

use super::date::Date;
use super::dedup::RecordKey;
use super::state::ScanCheckpoint;
use super::zoom::{Page, RecordHash, Window};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use tokio::time::Instant;

/// What to scan.
#[derive(Debug, Clone)]
pub(crate) struct WindowQuery {
    pub(crate) window: Window,
    /// Stop at a page without new records that reaches back to this time.
    pub(crate) floor: Option<i64>,
    /// Stop at a page older than this time.
    pub(crate) oldest: Option<i64>,
    /// Attempts for each page after the first.
    pub(crate) tries: Option<usize>,
    /// Whether the newest records are wanted.
    pub(crate) recent: bool,
    /// Where an earlier run stopped.
    pub(crate) resume: Option<ScanCheckpoint>,
    /// The days that the scan completes: first and last.
    pub(crate) days: Option<(Date, Date)>,
    /// Enough is read where a page goes below this time.
    pub(crate) bottom: Option<i64>,
    /// A time that the first page reaches up to, where the window goes on from what was read before.
    pub(crate) reach: Option<i64>,
    /// After how much the scan leaves the rest of the budget to other days.
    pub(crate) share: Option<ScanBudget>,
}

/// A part of a run's budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanBudget {
    /// Up to this number of the run's requests.
    pub(crate) requests: Option<u64>,
    pub(crate) until: Option<Instant>,
}

/// How a scan ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// With the last page, or before.
    #[default]
    Whole,
    /// With all that was asked for.
    Enough,
    /// With its share of the budget.
    Cut,
    /// At once: its window ends before what was read earlier.
    Missed,
}

impl WindowQuery {
    pub(crate) fn of(window: Window) -> Self {
        Self {
            window,
            floor: None,
            oldest: None,
            tries: None,
            recent: false,
            resume: None,
            days: None,
            bottom: None,
            reach: None,
            share: None,
        }
    }

    /// Returns whether all that is wanted has been read, given the newest and oldest time of a page and whether the page
    /// had nothing new.
    pub(crate) fn has_enough(&self, span: Option<(i64, i64)>, nothing_new: bool) -> bool {
        span.is_some_and(|(newest, oldest)| {
            (nothing_new && self.floor.is_some_and(|floor| oldest <= floor))
                || self.oldest.is_some_and(|limit| newest < limit)
                || self.bottom.is_some_and(|bottom| oldest < bottom)
        })
    }

    /// The rest of a scan that an earlier run began, by its token.
    pub(crate) fn resumed(resume: ScanCheckpoint, days: (Date, Date)) -> Self {
        let (window, reach) = (resume.window(), resume.reach);
        Self { resume: Some(resume), days: Some(days), reach, ..Self::of(window) }
    }
}

/// The result of a scan.
#[derive(Debug, Default)]
pub(crate) struct WindowScan {
    /// When it started.
    pub(crate) began: i64,
    pub(crate) pages: u64,
    pub(crate) end: End,
    /// All records after this time have been read, as far as the window has them.
    pub(crate) reached: Option<i64>,
    /// The newest time of a record.
    pub(crate) newest: Option<i64>,
    /// Ambiguous records, with the last page on which each was found.
    pub(crate) ambiguous: HashMap<RecordKey, usize>,
    /// The newest time of such a record that the next scan can go back to, in this run or before.
    pub(crate) ambiguous_at: Option<i64>,
}

/// Tracks whether records arrive newest first, as they do in practice; only then does a page without new records allow
/// a stop.
pub(crate) struct OrderTracker {
    pub(crate) newest_first: bool,
    last: i64,
}

impl OrderTracker {
    /// Creates a tracker: newest first until a page contradicts it, or as `resume` left it.
    pub(crate) fn after(resume: Option<&ScanCheckpoint>) -> Self {
        let last = resume.map_or(Some(i64::MAX), |resume| resume.reached);
        Self { newest_first: last.is_some(), last: last.unwrap_or(i64::MAX) }
    }

    /// Takes note of the times on a page; returns the newest and the oldest.
    pub(crate) fn observe(&mut self, times: &[i64]) -> Option<(i64, i64)> {
        for time in times {
            self.newest_first &= *time <= self.last;
            self.last = *time;
        }
        Some((times.iter().copied().max()?, times.iter().copied().min()?))
    }

    /// All records after this time have been read.
    pub(crate) fn reached(&self) -> Option<i64> {
        (self.newest_first && self.last != i64::MAX).then_some(self.last)
    }
}

/// The times on a page, but for those that have nothing to do with the window.
pub(crate) fn times(page: &Page, window: Window) -> Vec<i64> {
    let (start, end) = (window.from.add_days(-1).start(), window.to.add_days(1).end());
    page.items.iter().filter_map(|item| item.time).filter(|time| (start..end).contains(time)).collect()
}

/// Returns a hash of the records of a page, in their order.
fn page_fingerprint(page: &Page) -> RecordHash {
    let mut hash = Sha256::new();
    page.items.iter().for_each(|item| hash.update(item.id));
    let digest = hash.finalize();
    std::array::from_fn(|at| digest[at])
}

/// A hash of a page and of the token of the next: met twice, the pages go round. A token alone may come with each page.
fn page_and_token_fingerprint(page: &Page, token: &str) -> RecordHash {
    let digest = Sha256::new().chain_update(page_fingerprint(page)).chain_update(token).finalize();
    std::array::from_fn(|at| digest[at])
}

/// Ends a scan if the server returns empty pages forever.
const MAX_EMPTY_PAGES: u32 = 100;

/// Detects pages without an end: the same page with the same token, or only empty ones.
#[derive(Debug, Default)]
pub(crate) struct EndlessPages {
    empty: u32,
    met: HashSet<RecordHash>,
}

impl EndlessPages {
    /// Returns whether a page, with the token of the next one, shows that the pages have no end.
    pub(crate) fn is_endless(&mut self, page: &Page, token: &str) -> bool {
        self.empty = if page.items.is_empty() { self.empty + 1 } else { 0 };
        self.empty > MAX_EMPTY_PAGES || !self.met.insert(page_and_token_fingerprint(page, token))
    }
}
