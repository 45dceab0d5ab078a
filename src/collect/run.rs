//! The phases of a run: newest records, missing days, days with possible late records; and its end.

use super::collector::{CollectError, Collector, DayKey};
use super::config::{Mode, Options};
use super::date::Date;
use super::report::{MissingDays, Report};
use super::scan_progress::ScanProgress;
use super::schedule::{self, ScheduleInput};
use super::startup::open;
use super::state::{Deferred, LastRun, PageCursor};
use super::stop::DEADLINE;
use super::window_scan::{End, WindowQuery, WindowScan};
use super::zoom::ZoomError;
use super::{Observer, RunError};
use std::sync::Arc;

const HOUR: i64 = 3_600_000;
/// Page tokens expire after 15 minutes.
const PAGE_LIFE: i64 = 14 * 60_000;
/// A deferred day is retried after an hour, two hours, and so on up to a day.
const FIRST_DEFERRAL: i64 = HOUR;

/// Days to be read in one window, first and last, and tries after the first for each page.
type Piece = ((Date, Date), Option<usize>);

/// Collects what is new. Returns the report, unless the run could not start, and the error that ended the run, if one
/// did; new records are still written if possible.
pub async fn run(options: Options, observer: Arc<dyn Observer>) -> (Option<Report>, Result<(), RunError>) {
    let mut run = match open(options, observer).await {
        Ok(run) => run,
        Err(error) => return (None, Err(error)),
    };
    let outcome = run.run_phases().await;
    let finished = run.finish(outcome).await;
    let released = run.journal.release().await;
    run.fill_report();
    (Some(run.report), finished.and(released))
}

impl Collector {
    async fn run_phases(&mut self) -> Result<(), CollectError> {
        self.begin().await?;
        let live = matches!(self.options.task, Mode::Live { .. });
        let (tail, past) = match self.take_resume(live, PAGE_LIFE) {
            Some(resume) if resume.tail => (Some(resume), None),
            past => (None, past),
        };
        self.discard_stale();
        let untold = if live { self.fetch_recent_if_readable(tail).await? } else { None };
        let outcome = self.other_days(live, past, untold.is_some()).await;
        let budget_is_left = self.unless_spent(outcome)?;
        match untold {
            Some(trouble) => return Err(CollectError::Zoom(trouble)),
            None if live && budget_is_left => {
                let outcome = self.refetch_recent_hours().await;
                self.unless_spent(outcome)?;
            }
            None => {}
        }
        Ok(())
    }

    /// The rest of an earlier run's window, then all days that are due.
    async fn other_days(
        &mut self,
        live: bool,
        past: Option<PageCursor>,
        doubt: bool,
    ) -> Result<(), CollectError> {
        if let Some(past) = past {
            self.resume_window(past).await?;
        }
        self.fetch_due_days(live, doubt).await
    }

    /// Whether a run may go on to read again for late records. Where its budget ends only that, it ends well.
    fn unless_spent(&mut self, outcome: Result<(), CollectError>) -> Result<bool, CollectError> {
        let reason = match &outcome {
            Ok(()) => return Ok(true),
            Err(CollectError::Zoom(ZoomError::QuotaExhausted(reason))) => reason,
            Err(CollectError::Zoom(ZoomError::Stopped(reason))) if reason == DEADLINE => reason,
            Err(_) => return outcome.map(|()| false),
        };
        let live = matches!(self.options.task, Mode::Live { .. });
        if !live || self.options.full || !self.unread_days().is_empty() {
            return outcome.map(|()| false);
        }
        self.observer
            .info(&format!("all days are read; a later run continues the check for late records ({reason})"));
        // Its token would go before what is never read.
        if let Some(resume) = self.journal.state.resume.take() {
            self.save_scan(&resume);
        }
        Ok(false)
    }

    /// Returns those of some days that this run is responsible for, finalized or not.
    pub(crate) fn claimed(&self, first: Date, last: Date) -> Vec<Date> {
        let state = &self.journal.state;
        let last = state.until.map_or(last, |until| until.min(last));
        first.max(state.cursor).range_to(last).filter(|day| !self.is_elsewhere(*day)).collect()
    }

    /// Fetches the rest of a window that an earlier run started.
    async fn resume_window(&mut self, resume: PageCursor) -> Result<(), CollectError> {
        let (days, reached) = (self.cursor_days(&resume), resume.reached);
        let ask = WindowQuery::resumed(resume, days);
        match self.scan_window(&ask).await {
            Ok(passed) => self.complete_range(&ask, &passed).await,
            Err(CollectError::Zoom(trouble)) if trouble.is_window_specific() => {
                if let Some(resume) = self.journal.state.resume.take() {
                    self.save_scan(&resume);
                }
                if reached.is_none() {
                    // It did not fit into one run, nor into two.
                    self.journal.state.span = (self.journal.state.span / 2).max(1);
                }
                self.observer.info(trouble.message());
                Ok(())
            }
            Err(halt) => Err(halt),
        }
    }

    /// Fetches days that were never read completely, days that can be finalized, and the look-back. In `doubt`, because
    /// today cannot be read, requests each of them once and defers none.
    async fn fetch_due_days(&mut self, live: bool, doubt: bool) -> Result<(), CollectError> {
        let full = live && (self.options.full || schedule::is_due(self.journal.state.full, self.now()));
        if full && self.journal.state.was_cut_short() {
            // Where runs are cut short, what was never read must not wait for what is only read again.
            self.read_due(false, doubt).await?;
        }
        self.read_due(full, doubt).await
    }

    /// Days that wait to be read or sealed, but for those that are only read again.
    pub(crate) fn unread_days(&self) -> Vec<Date> {
        self.due_days(false)
    }

    fn due_days(&self, full: bool) -> Vec<Date> {
        let terms =
            ScheduleInput { now: self.now(), look_back: self.options.look_back, full, started: self.started };
        let mut days = schedule::due(&self.journal.state, terms);
        days.retain(|day| !self.is_elsewhere(*day));
        days
    }

    async fn read_due(&mut self, full: bool, doubt: bool) -> Result<(), CollectError> {
        let terms =
            ScheduleInput { now: self.now(), look_back: self.options.look_back, full, started: self.started };
        let mut days = schedule::due(&self.journal.state, terms);
        days.retain(|day| !self.is_elsewhere(*day));
        let (before, tries) = (self.zoom.counts.pages, doubt.then_some(1));
        let again = self.today().add_days(-self.options.look_back);
        let state = &self.journal.state;
        let mut todo: Vec<_> =
            schedule::pieces(state, &days, state.span).into_iter().map(|run| (run, tries)).collect();
        todo.reverse();
        while let Some(((first, last), tries)) = todo.pop() {
            let pieces = self.fetch_range(first, last, tries, doubt).await;
            let outcome = pieces.map(|pieces| todo.extend(pieces));
            let left = todo.last().is_some_and(|((_, last), _)| *last >= again);
            // A scan that a budget ended counts too, because the next run resumes its window.
            if full && (!left || outcome.is_err()) && self.journal.state.full.at != self.started {
                // Days outside the look-back and its margins will not be read next time.
                let read = u64::try_from(self.today().days_since(first)).unwrap_or(0) + 3;
                let wanted = u64::try_from(self.options.look_back).unwrap_or(0) + 3;
                let pages = (self.zoom.counts.pages - before) * wanted.min(read) / read;
                self.journal.state.full = LastRun { at: self.started, pages };
            }
            outcome?;
        }
        Ok(())
    }

    /// Scans a range of days. Returns the ranges still to be scanned, newest last: the remaining days, or both halves
    /// if the range is too large for one scan.
    async fn fetch_range(
        &mut self,
        first: Date,
        last: Date,
        tries: Option<usize>,
        doubt: bool,
    ) -> Result<Vec<Piece>, CollectError> {
        let ask = WindowQuery { tries, ..self.resumed_query(first, last) };
        let pages = self.zoom.counts.pages;
        let trouble = match self.scan_window(&ask).await {
            Ok(passed) if passed.end == End::Missed => return Ok(vec![((first, last), tries)]),
            Ok(passed) => {
                self.complete_range(&ask, &passed).await?;
                return Ok(Vec::new());
            }
            Err(CollectError::Zoom(trouble)) if trouble.is_window_specific() => trouble,
            Err(halt) => return Err(halt),
        };
        if let Some(rest) = self.rest_of(&ask, first, last) {
            self.observer.info(trouble.message());
            return Ok(rest.map(|rest| (rest, tries)).into_iter().collect());
        }
        let refused = matches!(
            trouble,
            ZoomError::InvalidDates(_) | ZoomError::Rejected(_) | ZoomError::InvalidResponse(_)
        );
        if refused && ask.window.until.is_some() && pages == self.zoom.counts.pages {
            self.ignore_page_token();
            return Ok(vec![((first, last), tries)]);
        }
        if pages == self.zoom.counts.pages && !self.zoom_answers_other_days(ask.window).await {
            return Err(CollectError::Zoom(trouble));
        }
        if first < last {
            let middle = first.add_days(last.days_since(first) / 2);
            return Ok([(first, middle), (middle.add_days(1), last)].map(|half| (half, Some(1))).into());
        }
        if doubt {
            self.observer.info(trouble.message());
        } else {
            self.defer_day(first, trouble.message());
        }
        Ok(Vec::new())
    }

    /// What is left of some days where the scan of them broke off but read something.
    fn rest_of(&mut self, ask: &WindowQuery, first: Date, last: Date) -> Option<Option<(Date, Date)>> {
        let resume = self.journal.state.resume.take()?;
        self.save_scan(&resume);
        let reached = resume.reached.filter(|reached| ask.reach.is_none_or(|reach| *reached < reach))?;
        let reached = reached.max(self.rewind_to(resume.ambiguous_at, resume.began).unwrap_or(reached));
        let last = last.min(Date::from_millis(reached));
        Some((first <= last).then_some((first, last)))
    }

    fn defer_day(&mut self, day: Date, reason: &str) {
        // The state keeps it, and every `collect status` prints it.
        let reason = crate::redact::redact(reason);
        self.observer.warn(&format!("{day} cannot be read and is deferred: {reason}"));
        let now = self.now();
        let known = self.journal.state.days.entry(day).or_default();
        let attempts = known.parked.as_ref().map_or(0, |parked| parked.attempts) + 1;
        let wait = FIRST_DEFERRAL << attempts.min(6).saturating_sub(1);
        known.parked =
            Some(Deferred { reason: reason.into_owned(), attempts, next: now + wait.min(24 * HOUR) });
    }

    /// Records what a complete scan says about its days.
    async fn complete_range(&mut self, ask: &WindowQuery, passed: &WindowScan) -> Result<(), CollectError> {
        let (today, look_back) = (self.today(), self.options.look_back);
        let covered = || schedule::covered(ask.window, today, self.journal.state.ahead);
        let (first, last) = ask.days.unwrap_or_else(covered);
        let closes = |day: Date| {
            (first..=last).contains(&day) && passed.began >= schedule::finalize_at(day, look_back)
        };
        let settled = self
            .resolve_ambiguous(ask, passed, &|slot| matches!(slot, DayKey::Day(day) if closes(day)))
            .await;
        // What was read is read, also where the budget ends before all of it is settled. Of the pages that an earlier run
        // read, nothing is settled.
        let before = ask.resume.as_ref().and_then(|resume| resume.ambiguous_at);
        let ambiguous_at = if settled.is_err() { passed.ambiguous_at } else { before };
        let progress = ScanProgress { began: passed.began, reached: i64::MIN, ambiguous_at };
        self.save_progress((first, last), progress);
        settled?;
        if last < today.add_days(-look_back) {
            self.flush().await?;
            self.evict_old();
        }
        Ok(())
    }

    /// Makes the results durable, however the run ended, and reports how it ended.
    async fn finish(&mut self, outcome: Result<(), CollectError>) -> Result<(), RunError> {
        let trouble = match outcome {
            Err(CollectError::Local(error)) => return Err(error),
            Err(CollectError::Zoom(trouble)) => Some(trouble),
            Ok(()) => None,
        };
        self.restore_cursor();
        let state = &mut self.journal.state;
        state.totals.suppressed += self.report.duplicates_suppressed;
        state.totals.late += self.report.late;
        state.totals.unsettled += self.report.ambiguous_records;
        let cursor = state.cursor;
        state.days.retain(|day, known| *day >= cursor || !known.sealed);
        self.flush().await?;
        self.journal.save().await?;
        self.journal.collect_garbage().await?;
        match trouble {
            None => Ok(()),
            Some(ZoomError::Stopped(reason)) => {
                self.report.stopped = Some(reason);
                Ok(())
            }
            Some(ZoomError::QuotaExhausted(reason)) => {
                (self.report.stopped, self.report.budget_exhausted) = (Some(reason), true);
                Ok(())
            }
            Some(ZoomError::Transient { message, .. }) => {
                self.report.stopped = Some(message);
                Ok(())
            }
            Some(ZoomError::PermissionDenied(message) | ZoomError::Unauthorized(message)) => {
                Err(RunError::Access(message))
            }
            Some(other) => Err(RunError::Zoom(other.message().to_owned())),
        }
    }

    /// Fills the parts of the report that describe the state.
    fn fill_report(&mut self) {
        let state = &self.journal.state;
        let counts = self.zoom.counts;
        let report = &mut self.report;
        (report.requests, report.token_requests, report.throttled) =
            (counts.requests, counts.tokens, counts.throttled);
        report.unknown_members = counts.unknown;
        report.notes.extend(self.zoom.unknown.iter().map(|name| {
            format!(
                "Zoom returned {} unknown fields, such as {name:?}; its API may have changed",
                counts.unknown
            )
        }));
        let parked = state.days.iter().filter_map(|(day, known)| Some((*day, known.parked.as_ref()?)));
        report.parked = parked
            .map(|(day, why)| MissingDays { from: day, until: day, reason: why.reason.clone() })
            .collect();
        report.days_deferred = report.parked.len() as u64;
        report.gaps.clone_from(&state.gaps);
        report.state_bytes = state.size();
        report.cursor = Some(state.cursor);
        report.sealed_days = state.totals.sealed;
        report.lag_seconds = super::status::lag(state, self.options.clock.now());
        report.notes.extend(state.taken_over.clone().filter(|_| state.totals.sealed == 0));
    }
}
