//! The newest records, and the last hours again for those that appear late.

use super::collector::{CollectError, Collector};
use super::date::Date;
use super::scan_progress::cursor_window;
use super::schedule;
use super::state::{LastRun, PageCursor};
use super::window_scan::{End, Share, WindowQuery, WindowScan};
use super::zoom::{Window, ZoomError};

const HOUR: i64 = 3_600_000;
/// How far back the recent hours reach that are read again between two scans of the look-back.
const REFETCH_HOURS: i64 = 8 * HOUR;
/// The target for the pages of a past window, because the counts of its days are held in memory.
const MAX_WINDOW_PAGES: u64 = 1500;

impl Collector {
    /// An error that affects only today does not delay other days; it is returned at the end of the run.
    pub(crate) async fn fetch_recent_if_readable(
        &mut self,
        resume: Option<PageCursor>,
    ) -> Result<Option<ZoomError>, CollectError> {
        let trouble = match self.fetch_recent(resume).await {
            Ok(()) => return Ok(None),
            Err(CollectError::Zoom(trouble)) if trouble.is_window_specific() => trouble,
            Err(halt) => return Err(halt),
        };
        let today = self.today();
        if !self
            .zoom_answers_other_days(schedule::window(today, today, today, self.journal.state.ahead))
            .await
        {
            return Err(CollectError::Zoom(trouble));
        }
        self.journal.state.resume = None;
        self.observer
            .warn(&format!("today cannot be read; continuing with other days: {}", trouble.message()));
        Ok(Some(trouble))
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
    async fn fetch_recent(&mut self, resume: Option<PageCursor>) -> Result<(), CollectError> {
        let today = self.today();
        let mut window = schedule::window(today, today, today, self.journal.state.ahead);
        if let Some(resume) = &resume {
            window = cursor_window(resume);
        }
        let (floor, share) = (self.journal.state.floor, self.recent_budget());
        let ask = WindowQuery { floor, tail: true, resume, share, ..WindowQuery::of(window) };
        match self.scan_recent(ask).await {
            Ok((ask, passed)) if passed.end != End::Cut => {
                let settled = self.resolve_ambiguous(&ask, &passed, &|_| false).await;
                self.record_recent(ask.window, &passed);
                return settled;
            }
            Ok(_) => {}
            Err(CollectError::Zoom(ZoomError::PageTokenExpired(message)))
                if self.journal.state.resume.is_some() =>
            {
                self.observer.info(&message);
            }
            Err(halt) => return Err(halt),
        }
        if let Some(resume) = self.journal.state.resume.take() {
            self.save_recent_scan(&resume);
        }
        Ok(())
    }

    /// Half of what a run may use, where other days wait: neither they nor the newest records keep the other waiting.
    fn recent_budget(&self) -> Option<Share> {
        let (state, today) = (&self.journal.state, self.today());
        let waits =
            |day: &Date| *day != today || state.days.get(day).is_some_and(|known| known.unread.is_some());
        if !self.unread_days().iter().any(waits) {
            return None;
        }
        let used = self.zoom.counts.requests;
        let half = |most: u64| used + most.saturating_sub(used).div_ceil(2);
        let requests = self.options.zoom_retry.max_requests.map(half);
        Some(Share { requests, until: self.options.stop.half_way() })
    }

    /// The same with a smaller window if Zoom refuses it: no future days, no yesterday.
    async fn scan_recent(&mut self, mut ask: WindowQuery) -> Result<(WindowQuery, WindowScan), CollectError> {
        let ahead = self.journal.state.ahead;
        loop {
            let message = match self.scan_window(&ask).await {
                Ok(passed) => return Ok((ask, passed)),
                // What was read by then need not be read again.
                Err(halt @ CollectError::Zoom(ZoomError::PageTokenExpired(_)))
                    if self.journal.state.resume.is_some() =>
                {
                    return Err(halt);
                }
                Err(CollectError::Zoom(ZoomError::InvalidDates(message))) if self.journal.state.ahead > 0 => {
                    self.journal.state.ahead -= 1;
                    message
                }
                Err(CollectError::Zoom(trouble))
                    if trouble.is_window_specific() && ask.window.from < self.today() =>
                {
                    (ask.window.from, ask.tries) = (ask.window.from.add_days(1), Some(1));
                    trouble.message().to_owned()
                }
                Err(halt) => {
                    self.journal.state.ahead = ahead;
                    return Err(halt);
                }
            };
            ask.window.to = ask.window.to.min(self.today().add_days(self.journal.state.ahead));
            self.observer.info(&format!("{message}; retrying with a smaller window"));
        }
    }

    fn record_recent(&mut self, window: Window, passed: &WindowScan) {
        let (today, began) = (self.today(), passed.began);
        let whole = passed.end == End::Whole;
        let (first, last) = schedule::covered(window, today, self.journal.state.ahead);
        let floor = self.journal.state.floor;
        let since = floor.map(|floor| self.claimed(Date::from_millis(floor), today)).unwrap_or_default();
        let covered = self.claimed(first, last);
        let state = &mut self.journal.state;
        let unbroken = state.floor.is_some_and(|floor| !whole || floor >= first.start());
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
                (false, false) if !known.sealed => known.full_at = None,
                _ => {}
            }
        }
        if state.floor.is_none() && whole {
            // Two days were read, which predicts the pages of past windows.
            let days = MAX_WINDOW_PAGES / (passed.pages / 2).max(1);
            state.span = i64::try_from(days).unwrap_or(1).clamp(1, schedule::LONGEST_SPAN);
        }
        self.raise_watermark(passed.newest, began);
    }

    /// From now on nothing is unread up to the newest record of a reading, but for what days say is unread.
    pub(crate) fn raise_watermark(&mut self, newest: Option<i64>, began: i64) {
        let state = &mut self.journal.state;
        state.floor = state.floor.max(Some(newest.unwrap_or(i64::MIN).max(began - HOUR)));
        state.tail_at = Some(began);
    }

    /// Fetches the recent hours again, where late records are most likely, unless all of today was just read again.
    pub(crate) async fn refetch_recent_hours(&mut self) -> Result<(), CollectError> {
        let (now, today) = (self.now(), self.today());
        let read = self.journal.state.days.get(&today).and_then(|day| day.full_at);
        if read.is_some_and(|read| read >= self.started) || !schedule::is_due(self.journal.state.hours, now) {
            return Ok(());
        }
        let window = schedule::window(today, today, today, self.journal.state.ahead);
        let ask = WindowQuery { oldest: Some(now - REFETCH_HOURS), ..WindowQuery::of(window) };
        let before = self.zoom.counts.pages;
        let outcome = self.scan_window(&ask).await;
        self.journal.state.hours = LastRun { at: now, pages: self.zoom.counts.pages - before };
        match outcome {
            Ok(passed) => self.resolve_ambiguous(&ask, &passed, &|_| false).await,
            Err(CollectError::Zoom(trouble)) if trouble.is_window_specific() => {
                self.observer.info(trouble.message());
                Ok(())
            }
            Err(halt) => Err(halt),
        }
    }
}
