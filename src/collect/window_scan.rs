//! Scans a window once, page after page.

use super::collector::{CollectError, Collector, DedupedPage};
use super::dedup::DayKey;
use super::log_kind::LogKind;
use super::state::ScanCheckpoint;
use super::window_query::{End, EndlessPages, OrderTracker, ScanBudget, WindowQuery, WindowScan, times};
use super::zoom::{Page, RecordHash, Window, ZoomError, ZoomErrorKind};
use crate::error::Failure;
use tokio::time::Instant;

/// How often a window is restarted because a page token expired.
const RESTARTS: u32 = 2;
impl Collector {
    /// Reads a window and collects what is new. If it fails, the cursor in the state says how far it came.
    pub(crate) async fn scan_window(&mut self, query: &WindowQuery) -> Result<WindowScan, CollectError> {
        let mut restarts = 0;
        let mut resume = query.resume.clone();
        loop {
            match self.scan_once(query, resume.take()).await {
                // What was read by then need not be read again.
                Err(CollectError::Zoom(error))
                    if error.kind == ZoomErrorKind::PageTokenExpired
                        && restarts < RESTARTS
                        && !self.goes_on_without_token(query) =>
                {
                    restarts += 1;
                    self.observer.info(&error.to_string());
                }
                outcome => return outcome,
            }
        }
    }

    /// Returns whether another scan can continue from where this one ended. One that an earlier run began is not begun
    /// again, because its window starts above what that run has read.
    fn goes_on_without_token(&self, query: &WindowQuery) -> bool {
        let reached = self.store.state.resume.as_ref().and_then(|resume| resume.reached);
        match query.days {
            Some(_) => reached.is_some() || query.resume.is_some(),
            None => reached.is_some() && query.recent,
        }
    }

    /// Reads the pages of a window. Each page goes from Zoom through dedup and batch to a commit.
    async fn scan_once(
        &mut self,
        query: &WindowQuery,
        resume: Option<ScanCheckpoint>,
    ) -> Result<WindowScan, CollectError> {
        self.dedup.begin_scan();
        let mut scan = WindowScan { began: self.now(), ..WindowScan::default() };
        let mut order = OrderTracker::after(resume.as_ref());
        let mut first = resume.is_none();
        let (mut next, mut endless) = (None::<String>, EndlessPages::default());
        if let Some(resume) = resume {
            self.restore_last_page(&resume).await?;
            (scan.began, scan.pages) = (resume.began, resume.pages);
            (scan.newest, scan.ambiguous_at) = (resume.newest, resume.ambiguous_at);
            self.zoom.page_size = resume.page_size;
            next = Some(resume.token);
        }
        loop {
            let page = self.zoom.page(query.window, next.as_deref(), query.tries).await?;
            scan.pages += 1;
            let records = self.deduplicate(&page, query.window).await?;
            self.enqueue_new(&page, &records.new, query.window, scan.pages);
            self.note_page(query, &page, &records, &mut scan);
            let mut sorted = times(&page, query.window);
            let covered = order.observe(&sorted);
            scan.reached = order.reached();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            if std::mem::take(&mut first) && !self.overlaps_previous(query, &sorted) {
                scan.end = End::Missed;
                return Ok(scan);
            }
            let Some(token) = page.next.clone() else { return Ok(scan) };
            if order.newest_first && query.has_enough(covered, records.new.is_empty()) {
                scan.end = End::Enough;
                return Ok(scan);
            }
            if endless.is_endless(&page, &token) {
                return Err(pages_without_end(self.options.logs, query.window, scan.pages).into());
            }
            if query.recent || query.days.is_some() {
                self.store.state.resume = Some(self.page_cursor(query, &page, &scan, token.clone()));
            }
            self.commit_if_due().await?;
            if scan.reached.is_some() && self.is_used_up(query.share) {
                scan.end = End::Cut;
                return Ok(scan);
            }
            next = Some(token);
        }
    }

    fn is_used_up(&self, share: Option<ScanBudget>) -> bool {
        share.is_some_and(|share| {
            share.requests.is_some_and(|most| self.zoom.stats().requests >= most)
                || share.until.is_some_and(|until| Instant::now() >= until)
        })
    }

    /// Notes what later steps need of a page.
    fn note_page(&mut self, query: &WindowQuery, page: &Page, records: &DedupedPage, scan: &mut WindowScan) {
        let index = usize::try_from(scan.pages - 1).unwrap_or(usize::MAX);
        let positions = records.ambiguous.iter().filter_map(|key| records.positions.get(key)?.first());
        for time in positions.filter_map(|position| page.items.get(*position)?.time) {
            self.record_ambiguous(query, time, scan);
        }
        scan.ambiguous.extend(records.ambiguous.iter().map(|key| (*key, index)));
        scan.newest = scan.newest.into_iter().chain(page.items.iter().filter_map(|item| item.time)).max();
        self.store.state.resume = None;
    }

    /// Returns where another run continues after this page.
    fn page_cursor(
        &self,
        query: &WindowQuery,
        page: &Page,
        scan: &WindowScan,
        token: String,
    ) -> ScanCheckpoint {
        // A token that contains a secret must not enter the state: an expired cursor takes its place.
        let secret = crate::redact::holds_secret(&token);
        ScanCheckpoint {
            from: query.window.from,
            to: query.window.to,
            page_size: self.zoom.page_size,
            token: if secret { String::new() } else { token },
            issued: if secret { 0 } else { self.now() },
            began: scan.began,
            recent: query.recent,
            pages: scan.pages,
            last_page: page.items.iter().map(|item| crate::checksummed::hex(&item.id)).collect(),
            until: query.window.until,
            days: query.days,
            reach: query.reach,
            reached: scan.reached,
            newest: scan.newest,
            ambiguous_at: scan.ambiguous_at,
            saved: false,
        }
    }

    /// Counts the records of the last page before an interruption in this scan, because an identical record may be on
    /// the next page.
    async fn restore_last_page(&mut self, resume: &ScanCheckpoint) -> Result<(), CollectError> {
        let ids: Vec<RecordHash> = resume.last_page.iter().filter_map(|hex| unhex(hex)).collect();
        let days: Vec<_> = self.store.state.days.keys().copied().collect();
        let window = resume.window();
        for day in days.into_iter().filter(|day| (window.from..=window.to).contains(day)) {
            if self.scheduler.owns(&self.store.state, day) {
                self.dedup.load(DayKey::Day(day), &self.store).await?;
                self.dedup.resume(DayKey::Day(day), &ids);
            }
        }
        Ok(())
    }
}

fn pages_without_end(logs: LogKind, window: Window, pages: u64) -> ZoomError {
    let (from, to) = window.bounds();
    let what = format!(
        "{} from {from} to {to}: Zoom's pagination does not end after page {pages}: it \
         repeats a page or returns only empty pages",
        logs.spec().title
    );
    ZoomError::new(ZoomErrorKind::Rejected, Failure::new(what, "try another PAGE_SIZE"))
}

fn unhex(text: &str) -> Option<RecordHash> {
    let mut id = RecordHash::default();
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}
