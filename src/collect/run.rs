//! The phases of a run: newest records, missing days, days with possible late records; and its end.

use super::begin::open;
use super::collector::{Collector, Halt, Slot};
use super::date::Date;
use super::options::{Options, Task};
use super::pass::{Ask, End, Passed};
use super::plan::{self, Terms};
use super::progress::Progress;
use super::report::{Gap, Report};
use super::state::{Cadence, Parked, Resume};
use super::stop::DEADLINE;
use super::zoom::Trouble;
use super::{Error, Observer};
use std::sync::Arc;

const HOUR: i64 = 3_600_000;
/// Page tokens expire after 15 minutes.
const PAGE_LIFE: i64 = 14 * 60_000;
/// A deferred day is retried after an hour, two hours, and so on up to a day.
const PARK_FIRST: i64 = HOUR;

/// Days to be read in one window, first and last, and tries after the first for each page.
type Piece = ((Date, Date), Option<usize>);

/// Collects what is new.
///
/// # Errors
/// What ended the run; new records are still written if possible.
pub async fn run(options: Options, observer: Arc<dyn Observer>) -> Result<Report, Error> {
    let mut run = open(options, observer).await?;
    let outcome = run.work().await;
    let finished = run.finish(outcome).await;
    let released = run.journal.release().await;
    run.count();
    run.observer.ended(&run.report);
    finished?;
    released?;
    Ok(run.report)
}

impl Collector {
    async fn work(&mut self) -> Result<(), Halt> {
        self.begin().await?;
        let live = matches!(self.options.task, Task::Live { .. });
        let (tail, past) = match self.take_resume(live, PAGE_LIFE) {
            Some(resume) if resume.tail => (Some(resume), None),
            past => (None, past),
        };
        self.drop_stale();
        let untold = if live { self.tail_if_it_can_be_read(tail).await? } else { None };
        let outcome = self.other_days(live, past, untold.is_some()).await;
        let budget_is_left = self.unless_spent(outcome)?;
        match untold {
            Some(trouble) => return Err(Halt::Zoom(trouble)),
            None if live && budget_is_left => {
                let outcome = self.last_hours().await;
                self.unless_spent(outcome)?;
            }
            None => {}
        }
        Ok(())
    }

    /// The rest of an earlier run's window, then all days that are due.
    async fn other_days(&mut self, live: bool, past: Option<Resume>, doubt: bool) -> Result<(), Halt> {
        if let Some(past) = past {
            self.go_on(past).await?;
        }
        self.missing(live, doubt).await
    }

    /// Whether a run may go on to read again for late records. Where its budget ends only that, it ends well.
    fn unless_spent(&mut self, outcome: Result<(), Halt>) -> Result<bool, Halt> {
        let reason = match &outcome {
            Ok(()) => return Ok(true),
            Err(Halt::Zoom(Trouble::Later(reason))) => reason,
            Err(Halt::Zoom(Trouble::Stopped(reason))) if reason == DEADLINE => reason,
            Err(_) => return outcome.map(|()| false),
        };
        let live = matches!(self.options.task, Task::Live { .. });
        if !live || self.options.full || !self.unread_days().is_empty() {
            return outcome.map(|()| false);
        }
        self.observer.detail(&format!(
            "all days are read; reading them again for late records goes on in a later run ({reason})"
        ));
        // Its token would go before what is never read.
        if let Some(resume) = self.journal.state.resume.take() {
            self.keep_scan(&resume);
        }
        Ok(false)
    }

    /// Returns those of some days that this run is responsible for, finalized or not.
    pub(crate) fn claimed(&self, first: Date, last: Date) -> Vec<Date> {
        let state = &self.journal.state;
        let last = state.until.map_or(last, |until| until.min(last));
        first.max(state.cursor).to(last).filter(|day| !self.is_elsewhere(*day)).collect()
    }

    /// Fetches the rest of a window that an earlier run started.
    async fn go_on(&mut self, resume: Resume) -> Result<(), Halt> {
        let (days, reached) = (self.days_of(&resume), resume.reached);
        let ask = Ask::resumed(resume, days);
        match self.read(&ask).await {
            Ok(passed) => self.done(&ask, &passed).await,
            Err(Halt::Zoom(trouble)) if trouble.is_of_window() => {
                if let Some(resume) = self.journal.state.resume.take() {
                    self.keep_scan(&resume);
                }
                if reached.is_none() {
                    // It did not fit into one run, nor into two.
                    self.journal.state.span = (self.journal.state.span / 2).max(1);
                }
                self.observer.detail(trouble.message());
                Ok(())
            }
            Err(halt) => Err(halt),
        }
    }

    /// Fetches days that were never read completely, days that can be finalized, and the look-back. In `doubt`, because
    /// today cannot be read, requests each of them once and defers none.
    async fn missing(&mut self, live: bool, doubt: bool) -> Result<(), Halt> {
        let full = live && (self.options.full || plan::is_due(self.journal.state.full, self.now()));
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
        let terms = Terms { now: self.now(), look_back: self.options.look_back, full, started: self.started };
        let mut days = plan::due(&self.journal.state, terms);
        days.retain(|day| !self.is_elsewhere(*day));
        days
    }

    async fn read_due(&mut self, full: bool, doubt: bool) -> Result<(), Halt> {
        let terms = Terms { now: self.now(), look_back: self.options.look_back, full, started: self.started };
        let mut days = plan::due(&self.journal.state, terms);
        days.retain(|day| !self.is_elsewhere(*day));
        let (before, tries) = (self.zoom.counts.pages, doubt.then_some(1));
        let again = self.today().plus(-self.options.look_back);
        let state = &self.journal.state;
        let mut todo: Vec<_> =
            plan::pieces(state, &days, state.span).into_iter().map(|run| (run, tries)).collect();
        todo.reverse();
        while let Some(((first, last), tries)) = todo.pop() {
            let pieces = self.piece(first, last, tries, doubt).await;
            let outcome = pieces.map(|pieces| todo.extend(pieces));
            let left = todo.last().is_some_and(|((_, last), _)| *last >= again);
            // A scan that a budget ended counts too, because the next run resumes its window.
            if full && (!left || outcome.is_err()) && self.journal.state.full.at != self.started {
                // Days outside the look-back and its margins will not be read next time.
                let read = u64::try_from(self.today().since(first)).unwrap_or(0) + 3;
                let wanted = u64::try_from(self.options.look_back).unwrap_or(0) + 3;
                let pages = (self.zoom.counts.pages - before) * wanted.min(read) / read;
                self.journal.state.full = Cadence { at: self.started, pages };
            }
            outcome?;
        }
        Ok(())
    }

    /// Reads some days; returns what is to be read then, the newest last: the rest of them, or where they cannot be read
    /// together, each half.
    async fn piece(
        &mut self,
        first: Date,
        last: Date,
        tries: Option<usize>,
        doubt: bool,
    ) -> Result<Vec<Piece>, Halt> {
        let ask = Ask { tries, ..self.scan_of(first, last) };
        let pages = self.zoom.counts.pages;
        let trouble = match self.read(&ask).await {
            Ok(passed) if passed.end == End::Missed => return Ok(vec![((first, last), tries)]),
            Ok(passed) => {
                self.done(&ask, &passed).await?;
                return Ok(Vec::new());
            }
            Err(Halt::Zoom(trouble)) if trouble.is_of_window() => trouble,
            Err(halt) => return Err(halt),
        };
        if let Some(rest) = self.rest_of(&ask, first, last) {
            self.observer.detail(trouble.message());
            return Ok(rest.map(|rest| (rest, tries)).into_iter().collect());
        }
        let refused = matches!(trouble, Trouble::Dates(_) | Trouble::Refused(_) | Trouble::Broken(_));
        if refused && ask.window.until.is_some() && pages == self.zoom.counts.pages {
            self.dishonored();
            return Ok(vec![((first, last), tries)]);
        }
        if pages == self.zoom.counts.pages && !self.answers_besides(ask.window).await {
            return Err(Halt::Zoom(trouble));
        }
        if first < last {
            let middle = first.plus(last.since(first) / 2);
            return Ok([(first, middle), (middle.plus(1), last)].map(|half| (half, Some(1))).into());
        }
        if doubt {
            self.observer.detail(trouble.message());
        } else {
            self.park(first, trouble.message());
        }
        Ok(Vec::new())
    }

    /// What is left of some days where the scan of them broke off but read something.
    fn rest_of(&mut self, ask: &Ask, first: Date, last: Date) -> Option<Option<(Date, Date)>> {
        let resume = self.journal.state.resume.take()?;
        self.keep_scan(&resume);
        let reached = resume.reached.filter(|reached| ask.reach.is_none_or(|reach| *reached < reach))?;
        let reached = reached.max(self.back_to(resume.ambiguous_at, resume.began).unwrap_or(reached));
        let last = last.min(Date::of(reached));
        Some((first <= last).then_some((first, last)))
    }

    fn park(&mut self, day: Date, reason: &str) {
        // The state keeps it, and every `collect status` prints it.
        let reason = crate::redact::text(reason);
        self.observer.warn(&format!("{day} cannot be read and is deferred: {reason}"));
        let now = self.now();
        let known = self.journal.state.days.entry(day).or_default();
        let attempts = known.parked.as_ref().map_or(0, |parked| parked.attempts) + 1;
        let wait = PARK_FIRST << attempts.min(6).saturating_sub(1);
        known.parked =
            Some(Parked { reason: reason.into_owned(), attempts, next: now + wait.min(24 * HOUR) });
    }

    /// Records what a complete scan says about its days.
    async fn done(&mut self, ask: &Ask, passed: &Passed) -> Result<(), Halt> {
        let (today, look_back) = (self.today(), self.options.look_back);
        let covered = || plan::covered(ask.window, today, self.journal.state.ahead);
        let (first, last) = ask.days.unwrap_or_else(covered);
        let closes =
            |day: Date| (first..=last).contains(&day) && passed.began >= plan::seals_at(day, look_back);
        let settled = self.settle(ask, passed, &|slot| matches!(slot, Slot::Day(day) if closes(day))).await;
        // What was read is read, also where the budget ends before all of it is settled. Of the pages that an earlier run
        // read, nothing is settled.
        let before = ask.resume.as_ref().and_then(|resume| resume.ambiguous_at);
        let ambiguous_at = if settled.is_err() { passed.ambiguous_at } else { before };
        let progress = Progress { began: passed.began, reached: i64::MIN, ambiguous_at };
        self.keep((first, last), progress);
        settled?;
        if last < today.plus(-look_back) {
            self.flush().await?;
            self.forget_old();
        }
        Ok(())
    }

    /// Makes the results durable, however the run ended, and reports how it ended.
    async fn finish(&mut self, outcome: Result<(), Halt>) -> Result<(), Error> {
        let trouble = match outcome {
            Err(Halt::Here(error)) => return Err(error),
            Err(Halt::Zoom(trouble)) => Some(trouble),
            Ok(()) => None,
        };
        self.keep_resume();
        let state = &mut self.journal.state;
        state.totals.suppressed += self.report.duplicates_suppressed;
        state.totals.late += self.report.late;
        state.totals.unsettled += self.report.unsettled;
        let cursor = state.cursor;
        state.days.retain(|day, known| *day >= cursor || !known.sealed);
        self.flush().await?;
        self.journal.save().await?;
        self.journal.sweep().await?;
        match trouble {
            None => Ok(()),
            Some(Trouble::Stopped(reason)) => {
                self.report.stopped = Some(reason);
                Ok(())
            }
            Some(Trouble::Later(reason)) => {
                (self.report.stopped, self.report.spent) = (Some(reason), true);
                Ok(())
            }
            Some(Trouble::Passing { message, .. }) => {
                self.report.stopped = Some(message);
                Ok(())
            }
            Some(Trouble::Access(message) | Trouble::Unauthorized(message)) => Err(Error::Access(message)),
            Some(other) => Err(Error::Zoom(other.message().to_owned())),
        }
    }

    /// Fills the parts of the report that describe the state.
    fn count(&mut self) {
        let state = &self.journal.state;
        let counts = self.zoom.counts;
        let report = &mut self.report;
        (report.requests, report.token_requests, report.throttled) =
            (counts.requests, counts.tokens, counts.throttled);
        report.unknown_members = counts.unknown;
        report.notes.extend(self.zoom.unknown.iter().map(|name| {
            format!(
                "Zoom's pages have unknown members such as {name:?}, {} in total: its API may have changed",
                counts.unknown
            )
        }));
        let parked = state.days.iter().filter_map(|(day, known)| Some((*day, known.parked.as_ref()?)));
        report.parked =
            parked.map(|(day, why)| Gap { from: day, until: day, reason: why.reason.clone() }).collect();
        report.windows_parked = report.parked.len() as u64;
        report.gaps.clone_from(&state.gaps);
        report.state_bytes = state.size();
        report.cursor = Some(state.cursor);
        report.sealed_days = state.totals.sealed;
        report.lag_seconds = super::status::lag(state, self.options.clock.now());
        report.notes.extend(state.taken_over.clone().filter(|_| state.totals.sealed == 0));
    }
}
