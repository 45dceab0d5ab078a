//! The phases of a run: newest records, missing days, days with possible late records; and its end.

use super::cancellation::StopReason;
use super::collector::{CollectError, Collector};
use super::config::{Mode, Options};
use super::date::Date;
use super::dedup::DayKey;
use super::report::{MissingDays, Report};
use super::scan_resume::ResumePoint;
use super::schedule;
use super::startup::open;
use super::state::{LastRefetch, ScanCheckpoint};
use super::window_query::{End, WindowQuery, WindowScan};
use super::zoom::{ZoomError, ZoomErrorKind, ZoomSession};
use crate::error::RunError;
use crate::progress::Observer;
use std::sync::Arc;

/// Page tokens expire after 15 minutes.
const PAGE_LIFE: i64 = 14 * 60_000;

/// Days to be read in one window, first and last, and tries after the first for each page.
type Piece = ((Date, Date), Option<usize>);

/// Collects what is new. Returns the report, unless the run could not start, and the error that ended the run, if one
/// did; new records are still written if possible.
pub(crate) async fn run_with(
    options: Options,
    session: Arc<ZoomSession>,
    observer: Arc<dyn Observer>,
) -> (Option<Report>, Result<(), RunError>) {
    let mut run = match open(options, session, observer).await {
        Ok(run) => run,
        Err(error) => return (None, Err(error)),
    };
    let outcome = run.run_phases().await;
    let finished = run.finish(outcome).await;
    let released = run.store.release().await;
    run.fill_report();
    (Some(run.report), finished.and(released))
}

impl Collector {
    async fn run_phases(&mut self) -> Result<(), CollectError> {
        self.begin().await?;
        let live = matches!(self.options.mode, Mode::Live { .. });
        let (recent, past) = match self.take_resume(live, PAGE_LIFE) {
            Some(resume) if resume.recent => (Some(resume), None),
            past => (None, past),
        };
        self.discard_stale();
        let recent_error = if live { self.fetch_recent_if_readable(recent).await? } else { None };
        let outcome = self.other_days(live, past, recent_error.is_some()).await;
        let budget_is_left = self.unless_spent(outcome)?;
        match recent_error {
            Some(error) => return Err(CollectError::Zoom(error)),
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
        past: Option<ScanCheckpoint>,
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
            Err(CollectError::Zoom(error))
                if matches!(
                    error.kind,
                    ZoomErrorKind::QuotaExhausted | ZoomErrorKind::Stopped(StopReason::Deadline)
                ) =>
            {
                error
            }
            Err(_) => return outcome.map(|()| false),
        };
        let live = matches!(self.options.mode, Mode::Live { .. });
        if !live || self.options.full || !self.due_days(false).is_empty() {
            return outcome.map(|()| false);
        }
        self.observer
            .info(&format!("all days are read; a later run continues the check for late records ({reason})"));
        // Its token would go before what is never read.
        if let Some(resume) = self.store.state.resume.take() {
            self.save_scan(&resume);
        }
        Ok(false)
    }

    /// Fetches the rest of a window that an earlier run started.
    async fn resume_window(&mut self, resume: ScanCheckpoint) -> Result<(), CollectError> {
        let (days, reached) = (self.cursor_days(&resume), resume.reached);
        let query = WindowQuery::resumed(resume, days);
        match self.scan_window(&query).await {
            Ok(scan) => self.complete_range(&query, &scan).await,
            Err(CollectError::Zoom(error)) if error.is_window_specific() => {
                if let Some(resume) = self.store.state.resume.take() {
                    self.save_scan(&resume);
                }
                if reached.is_none() {
                    // It did not fit into one run, nor into two.
                    self.store.state.halve_window();
                }
                self.observer.info(&error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Fetches days that were never read completely, days that can be finalized, and the look-back. In `doubt`, because
    /// today cannot be read, requests each of them once and defers none.
    async fn fetch_due_days(&mut self, live: bool, doubt: bool) -> Result<(), CollectError> {
        let full =
            live && (self.options.full || schedule::is_due(self.store.state.lookback_refetch, self.now()));
        if full && self.store.state.was_cut_short() {
            // Where runs are cut short, what was never read must not wait for what is only read again.
            self.read_due(false, doubt).await?;
        }
        self.read_due(full, doubt).await
    }

    /// Returns the days to read; with `full`, also those that are only read again for late records.
    pub(crate) fn due_days(&self, full: bool) -> Vec<Date> {
        self.scheduler.due_days(&self.store.state, self.now(), full)
    }

    async fn read_due(&mut self, full: bool, doubt: bool) -> Result<(), CollectError> {
        let days = self.due_days(full);
        let (before, tries) = (self.zoom.stats().pages, doubt.then_some(1));
        let again = self.today().add_days(-self.options.look_back);
        let state = &self.store.state;
        let mut todo: Vec<_> =
            schedule::pieces(state, &days, state.window_days).into_iter().map(|run| (run, tries)).collect();
        todo.reverse();
        while let Some(((first, last), tries)) = todo.pop() {
            let pieces = self.fetch_range(first, last, tries, doubt).await;
            let outcome = pieces.map(|pieces| todo.extend(pieces));
            let left = todo.last().is_some_and(|((_, last), _)| *last >= again);
            // A scan that a budget ended counts too, because the next run resumes its window.
            if full
                && (!left || outcome.is_err())
                && self.store.state.lookback_refetch.at != self.scheduler.started
            {
                // Days outside the look-back and its margins will not be read next time.
                let read = u64::try_from(self.today().days_since(first)).unwrap_or(0) + 3;
                let wanted = u64::try_from(self.options.look_back).unwrap_or(0) + 3;
                let pages = (self.zoom.stats().pages - before) * wanted.min(read) / read;
                self.store.state.lookback_refetch = LastRefetch { at: self.scheduler.started, pages };
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
        let query = WindowQuery { tries, ..self.scheduler.query(&self.store.state, first, last, self.now()) };
        let pages = self.zoom.stats().pages;
        let error = match self.scan_window(&query).await {
            Ok(scan) if scan.end == End::Missed => return Ok(vec![((first, last), tries)]),
            Ok(scan) => {
                self.complete_range(&query, &scan).await?;
                return Ok(Vec::new());
            }
            Err(CollectError::Zoom(error)) if error.is_window_specific() => error,
            Err(error) => return Err(error),
        };
        if let Some(rest) = self.rest_of(&query, first, last) {
            self.observer.info(&error.to_string());
            return Ok(rest.map(|rest| (rest, tries)).into_iter().collect());
        }
        if error.is_refusal() && query.window.until.is_some() && pages == self.zoom.stats().pages {
            self.ignore_page_token();
            return Ok(vec![((first, last), tries)]);
        }
        if pages == self.zoom.stats().pages && !self.zoom_answers_other_days(query.window).await {
            return Err(CollectError::Zoom(error));
        }
        if first < last {
            let middle = first.add_days(last.days_since(first) / 2);
            return Ok([(first, middle), (middle.add_days(1), last)].map(|half| (half, Some(1))).into());
        }
        if doubt {
            self.observer.info(&error.to_string());
        } else {
            self.defer_day(first, &error.to_string());
        }
        Ok(Vec::new())
    }

    /// What is left of some days where the scan of them broke off but read something.
    fn rest_of(&mut self, query: &WindowQuery, first: Date, last: Date) -> Option<Option<(Date, Date)>> {
        let resume = self.store.state.resume.take()?;
        self.save_scan(&resume);
        let reached = resume.reached.filter(|reached| query.reach.is_none_or(|reach| *reached < reach))?;
        let reached = reached.max(self.rewind_to(resume.ambiguous_at, resume.began).unwrap_or(reached));
        let last = last.min(Date::from_millis(reached));
        Some((first <= last).then_some((first, last)))
    }

    fn defer_day(&mut self, day: Date, reason: &str) {
        // The state keeps it, and every `collect status` prints it.
        let reason = crate::redact::redact(reason);
        self.observer.warn(&format!("{day} cannot be read and is deferred: {reason}"));
        let now = self.now();
        self.store.state.days.entry(day).or_default().defer(reason.into_owned(), now);
    }

    /// Records what a complete scan says about its days.
    async fn complete_range(&mut self, query: &WindowQuery, scan: &WindowScan) -> Result<(), CollectError> {
        let (today, look_back) = (self.today(), self.options.look_back);
        let covered = || schedule::covered(query.window, today, self.store.state.days_ahead);
        let (first, last) = query.days.unwrap_or_else(covered);
        let closes =
            |day: Date| (first..=last).contains(&day) && scan.began >= schedule::finalize_at(day, look_back);
        let resolved = self
            .resolve_ambiguous(query, scan, &|slot| matches!(slot, DayKey::Day(day) if closes(day)))
            .await;
        // What was read is read, also where the budget ends before all of it is settled. Of the pages that an earlier run
        // read, nothing is settled.
        let before = query.resume.as_ref().and_then(|resume| resume.ambiguous_at);
        let ambiguous_at = if resolved.is_err() { scan.ambiguous_at } else { before };
        let progress = ResumePoint { began: scan.began, reached: i64::MIN, ambiguous_at };
        self.save_progress((first, last), progress);
        resolved?;
        if last < today.add_days(-look_back) {
            self.commit().await?;
            self.dedup.evict_before(today.add_days(-1));
        }
        Ok(())
    }

    /// Makes the results durable, however the run ended, and reports how it ended.
    async fn finish(&mut self, outcome: Result<(), CollectError>) -> Result<(), RunError> {
        let error = match outcome {
            Err(CollectError::Local(error)) => return Err(error),
            Err(CollectError::Zoom(error)) => Some(error),
            Ok(()) => None,
        };
        self.restore_cursor();
        let state = &mut self.store.state;
        state.totals.suppressed += self.report.duplicates_suppressed;
        state.totals.late += self.report.late;
        state.totals.ambiguous += self.report.ambiguous_records;
        let cursor = state.cursor;
        state.days.retain(|day, known| *day >= cursor || !known.finalized);
        self.commit().await?;
        self.store.save().await?;
        self.store.collect_garbage().await?;
        error.map_or(Ok(()), |error| self.report_stop(error))
    }

    /// Reports an error that a later run may not meet; returns any other.
    fn report_stop(&mut self, error: ZoomError) -> Result<(), RunError> {
        use ZoomErrorKind::{QuotaExhausted, Stopped, Transient, Unavailable};
        match error.kind {
            Stopped(_) | Unavailable | Transient { .. } => self.report.stopped = Some(error.failure),
            QuotaExhausted => {
                (self.report.stopped, self.report.budget_exhausted) = (Some(error.failure), true);
            }
            _ if error.is_access() => return Err(RunError::Access(error.failure)),
            _ => return Err(RunError::Zoom(error.failure)),
        }
        Ok(())
    }

    /// Fills the parts of the report that describe the state.
    fn fill_report(&mut self) {
        let state = &self.store.state;
        let counts = self.zoom.stats();
        let report = &mut self.report;
        (report.requests, report.token_requests, report.throttled) =
            (counts.requests, counts.tokens, counts.throttled);
        report.unknown_members = counts.unknown;
        report.notes.extend(self.zoom.unknown_member().map(|name| {
            format!(
                "Zoom returned {} unknown fields, such as {name:?}; its API may have changed",
                counts.unknown
            )
        }));
        let deferred = state.days.iter().filter_map(|(day, known)| Some((*day, known.deferred.as_ref()?)));
        report.deferred = deferred
            .map(|(day, why)| MissingDays { from: day, until: day, reason: why.reason.clone() })
            .collect();
        report.days_deferred = report.deferred.len() as u64;
        report.gaps.clone_from(&state.gaps);
        report.state_bytes = state.size();
        report.cursor = Some(state.cursor);
        report.finalized_days = state.totals.finalized;
        report.lag_seconds = super::status::lag(state, self.options.clock.now());
        report.notes.extend(state.imported_from.clone().filter(|_| state.totals.finalized == 0));
    }
}
