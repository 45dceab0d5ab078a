//! The newest records, and the last hours again for those that appear late.

use super::collector::{Collector, Halt};
use super::date::Date;
use super::pass::{Ask, End, Passed, Share};
use super::plan;
use super::progress::window_of;
use super::state::{Cadence, Resume};
use super::zoom::{Trouble, Window};

const HOUR: i64 = 3_600_000;
/// How far back the recent hours reach that are read again between two scans of the look-back.
const HOURS: i64 = 8 * HOUR;
/// The target for the pages of a past window, because the counts of its days are held in memory.
const PAGES_OF_A_WINDOW: u64 = 1500;

impl Collector {
    /// An error that affects only today does not delay other days; it is returned at the end of the run.
    pub(crate) async fn tail_if_it_can_be_read(
        &mut self,
        resume: Option<Resume>,
    ) -> Result<Option<Trouble>, Halt> {
        let trouble = match self.tail(resume).await {
            Ok(()) => return Ok(None),
            Err(Halt::Zoom(trouble)) if trouble.is_of_window() => trouble,
            Err(halt) => return Err(halt),
        };
        let today = self.today();
        if !self.answers_besides(plan::window(today, today, today, self.journal.state.ahead)).await {
            return Err(Halt::Zoom(trouble));
        }
        self.journal.state.resume = None;
        self.observer
            .warn(&format!("today cannot be read; continuing with other days: {}", trouble.message()));
        Ok(Some(trouble))
    }

    /// Returns whether Zoom answers for days outside a window, to distinguish a bad window from an outage.
    pub(crate) async fn answers_besides(&mut self, window: Window) -> bool {
        let today = self.today();
        for day in
            [today, window.from.plus(-1)].into_iter().filter(|day| !(window.from..=window.to).contains(day))
        {
            if self.zoom.page(Window::days(day, day), None, Some(2)).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// The newest records, down to what is known, or as far as their share of the budget goes.
    async fn tail(&mut self, resume: Option<Resume>) -> Result<(), Halt> {
        let today = self.today();
        let mut window = plan::window(today, today, today, self.journal.state.ahead);
        if let Some(resume) = &resume {
            window = window_of(resume);
        }
        let (floor, share) = (self.journal.state.floor, self.share_of_tail());
        let ask = Ask { floor, tail: true, resume, share, ..Ask::of(window) };
        match self.read_tail(ask).await {
            Ok((ask, passed)) if passed.end != End::Cut => {
                let settled = self.settle(&ask, &passed, &|_| false).await;
                self.note_tail(ask.window, &passed);
                return settled;
            }
            Ok(_) => {}
            Err(Halt::Zoom(Trouble::Expired(message))) if self.journal.state.resume.is_some() => {
                self.observer.detail(&message);
            }
            Err(halt) => return Err(halt),
        }
        if let Some(resume) = self.journal.state.resume.take() {
            self.keep_tail(&resume);
        }
        Ok(())
    }

    /// Half of what a run may use, where other days wait: neither they nor the newest records keep the other waiting.
    fn share_of_tail(&self) -> Option<Share> {
        let (state, today) = (&self.journal.state, self.today());
        let waits =
            |day: &Date| *day != today || state.days.get(day).is_some_and(|known| known.unread.is_some());
        if !self.unread_days().iter().any(waits) {
            return None;
        }
        let used = self.zoom.counts.requests;
        let half = |most: u64| used + most.saturating_sub(used).div_ceil(2);
        let requests = self.options.patience.max_requests.map(half);
        Some(Share { requests, until: self.options.stop.half_way() })
    }

    /// The same with a smaller window if Zoom refuses it: no future days, no yesterday.
    async fn read_tail(&mut self, mut ask: Ask) -> Result<(Ask, Passed), Halt> {
        let ahead = self.journal.state.ahead;
        loop {
            let message = match self.read(&ask).await {
                Ok(passed) => return Ok((ask, passed)),
                // What was read by then need not be read again.
                Err(halt @ Halt::Zoom(Trouble::Expired(_))) if self.journal.state.resume.is_some() => {
                    return Err(halt);
                }
                Err(Halt::Zoom(Trouble::Dates(message))) if self.journal.state.ahead > 0 => {
                    self.journal.state.ahead -= 1;
                    message
                }
                Err(Halt::Zoom(trouble)) if trouble.is_of_window() && ask.window.from < self.today() => {
                    (ask.window.from, ask.tries) = (ask.window.from.plus(1), Some(1));
                    trouble.message().to_owned()
                }
                Err(halt) => {
                    self.journal.state.ahead = ahead;
                    return Err(halt);
                }
            };
            ask.window.to = ask.window.to.min(self.today().plus(self.journal.state.ahead));
            self.observer.detail(&format!("{message}; retrying with a smaller window"));
        }
    }

    fn note_tail(&mut self, window: Window, passed: &Passed) {
        let (today, began) = (self.today(), passed.began);
        let whole = passed.end == End::Whole;
        let (first, last) = plan::covered(window, today, self.journal.state.ahead);
        let floor = self.journal.state.floor;
        let since = floor.map(|floor| self.claimed(Date::of(floor), today)).unwrap_or_default();
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
            let days = PAGES_OF_A_WINDOW / (passed.pages / 2).max(1);
            state.span = i64::try_from(days).unwrap_or(1).clamp(1, plan::LONGEST_SPAN);
        }
        self.raise_floor(passed.newest, began);
    }

    /// From now on nothing is unread up to the newest record of a reading, but for what days say is unread.
    pub(crate) fn raise_floor(&mut self, newest: Option<i64>, began: i64) {
        let state = &mut self.journal.state;
        state.floor = state.floor.max(Some(newest.unwrap_or(i64::MIN).max(began - HOUR)));
        state.tail_at = Some(began);
    }

    /// Fetches the recent hours again, where late records are most likely, unless all of today was just read again.
    pub(crate) async fn last_hours(&mut self) -> Result<(), Halt> {
        let (now, today) = (self.now(), self.today());
        let read = self.journal.state.days.get(&today).and_then(|day| day.full_at);
        if read.is_some_and(|read| read >= self.started) || !plan::is_due(self.journal.state.hours, now) {
            return Ok(());
        }
        let window = plan::window(today, today, today, self.journal.state.ahead);
        let ask = Ask { oldest: Some(now - HOURS), ..Ask::of(window) };
        let before = self.zoom.counts.pages;
        let outcome = self.read(&ask).await;
        self.journal.state.hours = Cadence { at: now, pages: self.zoom.counts.pages - before };
        match outcome {
            Ok(passed) => self.settle(&ask, &passed, &|_| false).await,
            Err(Halt::Zoom(trouble)) if trouble.is_of_window() => {
                self.observer.detail(trouble.message());
                Ok(())
            }
            Err(halt) => Err(halt),
        }
    }
}
