//! Scans a window once, page after page.

use super::collector::{CollectError, Collector, DayKey};
use super::date::Date;
use super::scan_progress::cursor_window;
use super::state::PageCursor;
use super::zoom::{Page, RecordHash, Window, ZoomError};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use tokio::time::Instant;

/// How often a window is restarted because a page token expired.
const RESTARTS: u32 = 2;
/// Ends a scan if the server returns empty pages forever.
pub(super) const EMPTY_PAGES: u32 = 100;

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
    pub(crate) tail: bool,
    /// Where an earlier run stopped.
    pub(crate) resume: Option<PageCursor>,
    /// The days that the scan completes: first and last.
    pub(crate) days: Option<(Date, Date)>,
    /// Enough is read where a page goes below this time.
    pub(crate) bottom: Option<i64>,
    /// A time that the first page reaches up to, where the window goes on from what was read before.
    pub(crate) reach: Option<i64>,
    /// After how much the scan leaves the rest of the budget to other days.
    pub(crate) share: Option<Share>,
}

/// A part of a run's budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
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
            tail: false,
            resume: None,
            days: None,
            bottom: None,
            reach: None,
            share: None,
        }
    }

    /// The rest of a scan that an earlier run began, by its token.
    pub(crate) fn resumed(resume: PageCursor, days: (Date, Date)) -> Self {
        let (window, reach) = (cursor_window(&resume), resume.reach);
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
    pub(crate) ambiguous: HashMap<(DayKey, RecordHash), usize>,
    /// The newest time of such a record that the next scan can go back to, in this run or before.
    pub(crate) ambiguous_at: Option<i64>,
    /// A hash of each page.
    pub(crate) page_fingerprints: Vec<RecordHash>,
}

/// Tracks whether records arrive newest first, as they do in practice; only then does a page without new records allow
/// a stop.
struct OrderTracker {
    newest_first: bool,
    last: i64,
}

impl OrderTracker {
    /// Creates a tracker: newest-first until a page contradicts it, or resumed from `resume`.
    fn after(resume: Option<&PageCursor>) -> Self {
        let last = resume.map_or(Some(i64::MAX), |resume| resume.reached);
        Self { newest_first: last.is_some(), last: last.unwrap_or(i64::MAX) }
    }

    /// Takes note of the times on a page; returns the newest and the oldest.
    fn look(&mut self, times: &[i64]) -> Option<(i64, i64)> {
        for time in times {
            self.newest_first &= *time <= self.last;
            self.last = *time;
        }
        Some((times.iter().copied().max()?, times.iter().copied().min()?))
    }

    /// All records after this time have been read.
    fn reached(&self) -> Option<i64> {
        (self.newest_first && self.last != i64::MAX).then_some(self.last)
    }
}

/// The times on a page, but for those that have nothing to do with the window.
fn times(page: &Page, window: Window) -> Vec<i64> {
    let (start, end) = (window.from.add_days(-1).start(), window.to.add_days(1).end());
    page.items.iter().filter_map(|item| item.time).filter(|time| (start..end).contains(time)).collect()
}

/// Returns a hash of the records of a page, in their order.
pub(crate) fn page_fingerprint(page: &Page) -> RecordHash {
    let mut hash = Sha256::new();
    page.items.iter().for_each(|item| hash.update(item.id));
    let digest = hash.finalize();
    std::array::from_fn(|at| digest[at])
}

/// A hash of a page and of the token of the next: met twice, the pages go round. A token alone may come with each page.
pub(super) fn step(page: &Page, token: &str) -> RecordHash {
    let digest = Sha256::new().chain_update(page_fingerprint(page)).chain_update(token).finalize();
    std::array::from_fn(|at| digest[at])
}

impl Collector {
    /// Scans a window and enqueues new records. On failure, the state's cursor marks the position reached.
    pub(crate) async fn scan_window(&mut self, ask: &WindowQuery) -> Result<WindowScan, CollectError> {
        let mut restarts = 0;
        let mut resume = ask.resume.clone();
        loop {
            match self.scan_once(ask, resume.take()).await {
                // What was read by then need not be read again.
                Err(halt @ CollectError::Zoom(ZoomError::PageTokenExpired(_)))
                    if self.goes_on_without_token(ask) =>
                {
                    return Err(halt);
                }
                Err(CollectError::Zoom(ZoomError::PageTokenExpired(message))) if restarts < RESTARTS => {
                    restarts += 1;
                    self.observer.info(&message);
                }
                outcome => return outcome,
            }
        }
    }

    /// Returns whether another scan can resume at this position without a token. One that began in an earlier run is
    /// not begun again: its window starts above what that run has read.
    fn goes_on_without_token(&self, ask: &WindowQuery) -> bool {
        let reached = self.journal.state.resume.as_ref().and_then(|resume| resume.reached);
        match ask.days {
            Some(_) => reached.is_some() || ask.resume.is_some(),
            None => reached.is_some() && ask.tail,
        }
    }

    async fn scan_once(
        &mut self,
        ask: &WindowQuery,
        resume: Option<PageCursor>,
    ) -> Result<WindowScan, CollectError> {
        self.pass += 1;
        let mut passed = WindowScan { began: self.now(), ..WindowScan::default() };
        let mut order = OrderTracker::after(resume.as_ref());
        let mut first = resume.is_none();
        let (mut next, mut empty, mut met) = (None::<String>, 0, HashSet::new());
        if let Some(resume) = resume {
            self.restore_last_page(&resume).await?;
            (passed.began, passed.pages) = (resume.began, resume.pages);
            (passed.newest, passed.ambiguous_at) = (resume.newest, resume.ambiguous_at);
            passed.page_fingerprints =
                vec![RecordHash::default(); usize::try_from(resume.pages).unwrap_or(0)];
            self.zoom.page_size = resume.page_size;
            next = Some(resume.token);
        }
        loop {
            let page = match self.zoom.page(ask.window, next.as_deref(), ask.tries).await {
                Ok(page) => page,
                Err(trouble) => return Err(CollectError::Zoom(trouble)),
            };
            let new = self.process_page(ask, &page, &mut passed).await?;
            let mut times = times(&page, ask.window);
            let span = order.look(&times);
            passed.reached = order.reached();
            times.sort_unstable_by(|a, b| b.cmp(a));
            if std::mem::take(&mut first) && !self.overlaps_previous(ask, &times) {
                passed.end = End::Missed;
                return Ok(passed);
            }
            let Some(token) = page.next.clone() else { return Ok(passed) };
            let read_enough = |(newest, oldest): (i64, i64)| {
                (new == 0 && ask.floor.is_some_and(|floor| oldest <= floor))
                    || ask.oldest.is_some_and(|limit| newest < limit)
                    || ask.bottom.is_some_and(|bottom| oldest < bottom)
            };
            if order.newest_first && span.is_some_and(read_enough) {
                passed.end = End::Enough;
                return Ok(passed);
            }
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            if empty > EMPTY_PAGES || !met.insert(step(&page, &token)) {
                let (from, to) = ask.window.bounds();
                let message = format!(
                    "operation logs from {from} to {to}: Zoom's pagination does not end after page {}: it \
                     repeats a page or returns only empty pages; try another PAGE_SIZE",
                    passed.pages
                );
                return Err(CollectError::Zoom(ZoomError::Rejected(message)));
            }
            if ask.tail || ask.days.is_some() {
                self.journal.state.resume = Some(self.resume(ask, &page, &passed, token.clone()));
            }
            self.flush_if_due().await?;
            if passed.reached.is_some() && self.is_used_up(ask.share) {
                passed.end = End::Cut;
                return Ok(passed);
            }
            next = Some(token);
        }
    }

    fn is_used_up(&self, share: Option<Share>) -> bool {
        share.is_some_and(|share| {
            share.requests.is_some_and(|most| self.zoom.counts.requests >= most)
                || share.until.is_some_and(|until| Instant::now() >= until)
        })
    }

    /// Processes a page, and records what later steps need.
    async fn process_page(
        &mut self,
        ask: &WindowQuery,
        page: &Page,
        passed: &mut WindowScan,
    ) -> Result<u64, CollectError> {
        let index = passed.page_fingerprints.len();
        passed.pages += 1;
        let taken = self.ingest_page(page, ask.window, passed.pages).await?;
        passed.page_fingerprints.push(page_fingerprint(page));
        let places = taken.unsure.iter().filter_map(|key| taken.groups.get(key)?.first());
        for time in places.filter_map(|place| page.items.get(*place)?.time) {
            self.record_ambiguous(ask, time, passed);
        }
        passed.ambiguous.extend(taken.unsure.into_iter().map(|unsure| (unsure, index)));
        passed.newest = passed.newest.into_iter().chain(page.items.iter().filter_map(|item| item.time)).max();
        self.journal.state.resume = None;
        Ok(taken.new)
    }

    fn resume(&self, ask: &WindowQuery, page: &Page, passed: &WindowScan, token: String) -> PageCursor {
        // A token with a secret in it would bring that into the state: it is kept as one that has expired.
        let secret = crate::redact::holds_secret(&token);
        PageCursor {
            from: ask.window.from,
            to: ask.window.to,
            page_size: self.zoom.page_size,
            token: if secret { String::new() } else { token },
            issued: if secret { 0 } else { self.now() },
            began: passed.began,
            tail: ask.tail,
            pages: passed.pages,
            last: page.items.iter().map(|item| crate::envelope::hex(&item.id)).collect(),
            until: ask.window.until,
            days: ask.days,
            reach: ask.reach,
            reached: passed.reached,
            newest: passed.newest,
            ambiguous_at: passed.ambiguous_at,
            kept: false,
        }
    }

    /// Counts the records of the last page before an interruption in this scan, because an identical record may be on
    /// the next page.
    async fn restore_last_page(&mut self, resume: &PageCursor) -> Result<(), CollectError> {
        let ids: Vec<RecordHash> = resume.last.iter().filter_map(|hex| unhex(hex)).collect();
        let days: Vec<_> = self.journal.state.days.keys().copied().collect();
        let window = cursor_window(resume);
        for day in days.into_iter().filter(|day| (window.from..=window.to).contains(day)) {
            if self.is_ours(day) {
                self.restore_last_page_of(DayKey::Day(day), &ids).await?;
            }
        }
        Ok(())
    }

    async fn restore_last_page_of(&mut self, slot: DayKey, ids: &[RecordHash]) -> Result<(), CollectError> {
        self.load_counts(slot).await?;
        let pass = self.pass;
        if let Some(seen) = self.seen.get_mut(&slot) {
            for id in ids.iter().filter(|id| seen.knows(id)).collect::<Vec<_>>() {
                seen.observe(*id, 1, pass);
            }
        }
        Ok(())
    }
}

fn unhex(text: &str) -> Option<RecordHash> {
    let mut id = RecordHash::default();
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}
