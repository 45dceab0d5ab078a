//! The newest records, and the last hours again for those that appear late.

use super::collector::{CollectError, Collector};
use super::date::Date;
use super::schedule;
use super::state::{LastRefetch, MAX_WINDOW_DAYS, ScanCheckpoint};
use super::window_query::{End, ScanBudget, WindowQuery, WindowScan};
use super::zoom::{Window, ZoomError, ZoomErrorKind};

const HOUR: i64 = 3_600_000;
/// How far back the recent hours reach that are read again between two scans of the look-back.
const REFETCH_HOURS: i64 = 8 * HOUR;
/// The target for the pages of a past window, because the counts of its days are held in memory.
const MAX_WINDOW_PAGES: u64 = 1500;

impl Collector {
    /// An error that affects only today does not delay other days; it is returned at the end of the run.
    pub(crate) async fn fetch_recent_if_readable(
        &mut self,
        resume: Option<ScanCheckpoint>,
    ) -> Result<Option<ZoomError>, CollectError> {
        let error = match self.fetch_recent(resume).await {
            Ok(()) => return Ok(None),
            Err(CollectError::Zoom(error)) if error.is_window_specific() => error,
            Err(error) => return Err(error),
        };
        let today = self.today();
        if !self
            .zoom_answers_other_days(schedule::window(today, today, today, self.store.state.days_ahead))
            .await
        {
            return Err(CollectError::Zoom(error));
        }
        self.store.state.resume = None;
        self.observer.warn(&format!("today cannot be read; continuing with other days: {error}"));
        Ok(Some(error))
    }

    /// Returns whether Zoom answers for days outside a window, to distinguish a bad window from an outage.
    pub(crate) async fn zoom_answers_other_days(&mut self, window: Window) -> bool {
        let today = self.today();
        for day in [today, window.from.add_days(-1)]
            .into_iter()
            .filter(|day| !(window.from..=window.to).contains(day))
        {
            if self.zoom.page(Window::days(day, day), None, Some(2)).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// The newest records, down to what is known, or as far as their share of the budget goes.
    async fn fetch_recent(&mut self, resume: Option<ScanCheckpoint>) -> Result<(), CollectError> {
        let today = self.today();
        let mut window = schedule::window(today, today, today, self.store.state.days_ahead);
        if let Some(resume) = &resume {
            window = resume.window();
        }
        let (floor, share) = (self.store.state.watermark, self.recent_budget());
        let query = WindowQuery { floor, recent: true, resume, share, ..WindowQuery::of(window) };
        match self.scan_recent(query).await {
            Ok((query, scan)) if scan.end != End::Cut => {
                let resolved = self.resolve_ambiguous(&query, &scan, &|_| false).await;
                self.record_recent(query.window, &scan);
                return resolved;
            }
            Ok(_) => {}
            Err(CollectError::Zoom(error))
                if error.kind == ZoomErrorKind::PageTokenExpired && self.store.state.resume.is_some() =>
            {
                self.observer.info(&error.to_string());
            }
            Err(error) => return Err(error),
        }
        if let Some(resume) = self.store.state.resume.take() {
            self.save_recent_scan(&resume);
        }
        Ok(())
    }

    /// Half of what a run may use, where other days wait: neither they nor the newest records keep the other waiting.
    fn recent_budget(&self) -> Option<ScanBudget> {
        let (state, today) = (&self.store.state, self.today());
        let waits =
            |day: &Date| *day != today || state.days.get(day).is_some_and(|known| known.unread.is_some());
        if !self.due_days(false).iter().any(waits) {
            return None;
        }
        let used = self.zoom.stats().requests;
        let half = |most: u64| used + most.saturating_sub(used).div_ceil(2);
        let requests = self.options.zoom.retry.max_requests.map(half);
        Some(ScanBudget { requests, until: self.options.cancellation.half_way() })
    }

    /// The same with a smaller window if Zoom refuses it: no future days, no yesterday.
    async fn scan_recent(
        &mut self,
        mut query: WindowQuery,
    ) -> Result<(WindowQuery, WindowScan), CollectError> {
        let ahead = self.store.state.days_ahead;
        loop {
            let error = match self.scan_window(&query).await {
                Ok(scan) => return Ok((query, scan)),
                // What was read by then need not be read again.
                Err(CollectError::Zoom(error))
                    if error.kind == ZoomErrorKind::PageTokenExpired && self.store.state.resume.is_some() =>
                {
                    return Err(error.into());
                }
                Err(CollectError::Zoom(error))
                    if error.kind == ZoomErrorKind::InvalidDates && self.store.state.days_ahead > 0 =>
                {
                    self.store.state.days_ahead -= 1;
                    error
                }
                Err(CollectError::Zoom(error))
                    if error.is_window_specific() && query.window.from < self.today() =>
                {
                    (query.window.from, query.tries) = (query.window.from.add_days(1), Some(1));
                    error
                }
                Err(error) => {
                    self.store.state.days_ahead = ahead;
                    return Err(error);
                }
            };
            query.window.to = query.window.to.min(self.today().add_days(self.store.state.days_ahead));
            self.observer.info(&format!("{error}; retrying with a smaller window"));
        }
    }

    fn record_recent(&mut self, window: Window, scan: &WindowScan) {
        let (today, began) = (self.today(), scan.began);
        let whole = scan.end == End::Whole;
        let (first, last) = schedule::covered(window, today, self.store.state.days_ahead);
        let floor = self.store.state.watermark;
        let since = floor
            .map(|floor| self.scheduler.claimed(&self.store.state, Date::from_millis(floor), today))
            .unwrap_or_default();
        let covered = self.scheduler.claimed(&self.store.state, first, last);
        let state = &mut self.store.state;
        let unbroken = state.watermark.is_some_and(|floor| !whole || floor >= first.start());
        if whole {
            for day in covered {
                let known = state.days.entry(day).or_default();
                known.unread = None;
                known.has_been_read(began);
            }
        }
        for day in since {
            let known = state.days.entry(day).or_default();
            match (unbroken, whole && day >= first) {
                (true, _) => known.has_been_read(began),
                (false, false) if !known.finalized => known.scanned_at = None,
                _ => {}
            }
        }
        if state.watermark.is_none() && whole {
            // Two days were read, which predicts the pages of past windows.
            let days = MAX_WINDOW_PAGES / (scan.pages / 2).max(1);
            state.window_days = i64::try_from(days).unwrap_or(1).clamp(1, MAX_WINDOW_DAYS);
        }
        self.raise_watermark(scan.newest, began);
    }

    /// From now on nothing is unread up to the newest record of a reading, but for what days say is unread.
    pub(crate) fn raise_watermark(&mut self, newest: Option<i64>, began: i64) {
        let state = &mut self.store.state;
        state.watermark = state.watermark.max(Some(newest.unwrap_or(i64::MIN).max(began - HOUR)));
        state.recent_read_at = Some(began);
    }

    /// Fetches the recent hours again, where late records are most likely, unless all of today was just read again.
    pub(crate) async fn refetch_recent_hours(&mut self) -> Result<(), CollectError> {
        let (now, today) = (self.now(), self.today());
        let read = self.store.state.days.get(&today).and_then(|day| day.scanned_at);
        if read.is_some_and(|read| read >= self.scheduler.started)
            || !schedule::is_due(self.store.state.recent_refetch, now)
        {
            return Ok(());
        }
        let window = schedule::window(today, today, today, self.store.state.days_ahead);
        let query = WindowQuery { oldest: Some(now - REFETCH_HOURS), ..WindowQuery::of(window) };
        let before = self.zoom.stats().pages;
        let outcome = self.scan_window(&query).await;
        self.store.state.recent_refetch = LastRefetch { at: now, pages: self.zoom.stats().pages - before };
        match outcome {
            Ok(scan) => self.resolve_ambiguous(&query, &scan, &|_| false).await,
            Err(CollectError::Zoom(error)) if error.is_window_specific() => {
                self.observer.info(&error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
