//! A run: the newest first, then what is missing, then what may have come late; and how it ends.

use super::begin::open;
use super::collector::{Collector, Halt, Slot};
use super::date::Date;
use super::options::{Options, Task};
use super::pass::{Ask, Passed};
use super::plan::{self, Terms};
use super::report::{Gap, Report};
use super::state::{Cadence, Day, Parked, Resume};
use super::zoom::{Trouble, Window};
use super::{Error, Observer};
use std::sync::Arc;

const HOUR: i64 = 3_600_000;
/// How far back the last hours go that are read again between two readings of the look-back.
const HOURS: i64 = 8 * HOUR;
/// The token of a page lives 15 minutes.
const PAGE_LIFE: i64 = 14 * 60_000;
/// A parked day is tried again after an hour, two, and so on up to a day.
const PARK_FIRST: i64 = HOUR;
/// Windows of the past are to have no more pages than this: what was seen of their days is held in memory.
const PAGES_OF_A_WINDOW: u64 = 1500;

/// Collects what is new.
///
/// # Errors
/// What ended the run; what was new until then is written all the same, if it can be.
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
        let resume = self.journal.state.resume.take().filter(|resume| {
            self.now() - resume.issued < PAGE_LIFE && resume.page_size <= self.options.page_size
        });
        let (tail, past) = match resume {
            Some(resume) if resume.tail && live => (Some(resume), None),
            past => (None, past),
        };
        let untold = if live { self.tail_if_it_can_be_read(tail).await? } else { None };
        if let Some(past) = past {
            self.go_on(past).await?;
        }
        self.missing(live, untold.is_some()).await?;
        match untold {
            Some(trouble) => return Err(Halt::Zoom(trouble)),
            None if live => self.last_hours().await?,
            None => {}
        }
        Ok(())
    }

    /// Trouble that is today's alone keeps no other day waiting: it is handed back, for the end of the run.
    async fn tail_if_it_can_be_read(&mut self, resume: Option<Resume>) -> Result<Option<Trouble>, Halt> {
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
        self.observer.warn(&format!("today cannot be read; going on with other days: {}", trouble.message()));
        Ok(Some(trouble))
    }

    /// Whether Zoom answers for days outside of a window: is it this window, or all of Zoom?
    async fn answers_besides(&mut self, window: Window) -> bool {
        let today = self.today();
        for day in
            [today, window.from.plus(-1)].into_iter().filter(|day| !(window.from..=window.to).contains(day))
        {
            if self.zoom.page(Window { from: day, to: day }, None, Some(2)).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// The newest records, down to what is known.
    async fn tail(&mut self, resume: Option<Resume>) -> Result<(), Halt> {
        let today = self.today();
        let mut window = plan::window(today, today, today, self.journal.state.ahead);
        if let Some(resume) = &resume {
            window = Window { from: resume.from, to: resume.to };
        }
        let floor = self.journal.state.floor;
        let ask = Ask { floor, tail: true, resume, ..Ask::of(window) };
        let (ask, passed) = self.read_tail(ask).await?;
        self.settle(&ask, &passed, &|_| false).await?;
        self.note_tail(ask.window, &passed);
        Ok(())
    }

    /// The same with less where Zoom does not answer: no days to come, no yesterday.
    async fn read_tail(&mut self, mut ask: Ask) -> Result<(Ask, Passed), Halt> {
        let ahead = self.journal.state.ahead;
        loop {
            let message = match self.read(&ask).await {
                Ok(passed) => return Ok((ask, passed)),
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
            self.observer.detail(&format!("{message}; asking for less"));
        }
    }

    fn note_tail(&mut self, window: Window, passed: &Passed) {
        let (today, began) = (self.today(), passed.began);
        let (first, last) = plan::covered(window, today, self.journal.state.ahead);
        let floor = self.journal.state.floor;
        let since = floor.map(|floor| self.claimed(Date::of(floor), today)).unwrap_or_default();
        let whole = self.claimed(first, last);
        let state = &mut self.journal.state;
        let unbroken = state.floor.is_some_and(|floor| !passed.whole || floor >= first.start());
        if passed.whole {
            for day in whole {
                state.days.entry(day).or_default().has_been_read(began);
            }
        }
        for day in since {
            let known = state.days.entry(day).or_default();
            match (unbroken, passed.whole && day >= first) {
                (true, _) => known.has_been_read(began),
                (false, false) if !known.sealed => known.full_at = None,
                _ => {}
            }
        }
        if state.floor.is_none() && passed.whole {
            // Two days were read: so many pages a window of the past will have.
            let days = PAGES_OF_A_WINDOW / (passed.pages / 2).max(1);
            state.span = i64::try_from(days).unwrap_or(1).clamp(1, plan::LONGEST_SPAN);
        }
        let floor = passed.newest.unwrap_or(i64::MIN).max(began - HOUR);
        state.floor = state.floor.max(Some(floor));
        state.tail_at = Some(began);
    }

    /// Those of some days that are this run's to see to, sealed or not.
    fn claimed(&self, first: Date, last: Date) -> Vec<Date> {
        let state = &self.journal.state;
        let last = state.until.map_or(last, |until| until.min(last));
        first.max(state.cursor).to(last).filter(|day| !self.is_elsewhere(*day)).collect()
    }

    /// The rest of a window that an earlier run began.
    async fn go_on(&mut self, resume: Resume) -> Result<(), Halt> {
        let window = Window { from: resume.from, to: resume.to };
        let ask = Ask { resume: Some(resume), ..Ask::of(window) };
        match self.read(&ask).await {
            Ok(passed) => self.done(&ask, &passed).await,
            Err(Halt::Zoom(trouble)) if trouble.is_of_window() => {
                // It did not fit into one run, nor into two.
                self.journal.state.span = (self.journal.state.span / 2).max(1);
                self.observer.detail(trouble.message());
                Ok(())
            }
            Err(halt) => Err(halt),
        }
    }

    /// Days never read whole, days that can be sealed, and the look-back.
    /// Where all is in `doubt`, since today cannot be read, each is asked for once, and none is parked.
    async fn missing(&mut self, live: bool, doubt: bool) -> Result<(), Halt> {
        let full = self.options.full || plan::is_due(self.journal.state.full, self.now());
        let terms = Terms {
            now: self.now(),
            look_back: self.options.look_back,
            full: full && live,
            started: self.started,
        };
        let mut days = plan::due(&self.journal.state, terms);
        days.retain(|day| !self.is_elsewhere(*day));
        let (before, tries) = (self.zoom.counts.pages, doubt.then_some(1));
        let again = self.today().plus(-self.options.look_back);
        let mut todo: Vec<_> =
            plan::runs(&days, self.journal.state.span).into_iter().map(|run| (run, tries)).collect();
        todo.reverse();
        while let Some(((first, last), tries)) = todo.pop() {
            let pieces = self.piece(first, last, tries, doubt).await;
            let outcome = pieces.map(|pieces| todo.extend(pieces.into_iter().map(|piece| (piece, Some(1)))));
            let left = todo.last().is_some_and(|((_, last), _)| *last >= again);
            // One that a budget ended counts too: the next run goes on with its window and does not begin it again.
            if terms.full && (!left || outcome.is_err()) && self.journal.state.full.at != self.started {
                // What was read besides the look-back, its neighbours aside, will not be read next time.
                let read = u64::try_from(self.today().since(first)).unwrap_or(0) + 3;
                let wanted = u64::try_from(self.options.look_back).unwrap_or(0) + 3;
                let pages = (self.zoom.counts.pages - before) * wanted.min(read) / read;
                self.journal.state.full = Cadence { at: self.started, pages };
            }
            outcome?;
        }
        Ok(())
    }

    /// Reads some days; returns what is to be tried instead, the newest last, where they cannot be read together.
    async fn piece(
        &mut self,
        first: Date,
        last: Date,
        tries: Option<usize>,
        doubt: bool,
    ) -> Result<Vec<(Date, Date)>, Halt> {
        let window = plan::window(first, last, self.today(), self.journal.state.ahead);
        let ask = Ask { tries, ..Ask::of(window) };
        let pages = self.zoom.counts.pages;
        let trouble = match self.read(&ask).await {
            Ok(passed) => {
                self.done(&ask, &passed).await?;
                return Ok(Vec::new());
            }
            Err(Halt::Zoom(trouble)) if trouble.is_of_window() => trouble,
            Err(halt) => return Err(halt),
        };
        self.journal.state.resume = None;
        if pages == self.zoom.counts.pages && !self.answers_besides(window).await {
            return Err(Halt::Zoom(trouble));
        }
        if first < last {
            let middle = first.plus(last.since(first) / 2);
            return Ok(vec![(first, middle), (middle.plus(1), last)]);
        }
        if doubt {
            self.observer.detail(trouble.message());
        } else {
            self.park(first, trouble.message());
        }
        Ok(Vec::new())
    }

    fn park(&mut self, day: Date, reason: &str) {
        // The state keeps it, and every `collect status` prints it.
        let reason = crate::redact::text(reason);
        self.observer.warn(&format!("{day} cannot be read and is parked: {reason}"));
        let now = self.now();
        let known = self.journal.state.days.entry(day).or_default();
        let attempts = known.parked.as_ref().map_or(0, |parked| parked.attempts) + 1;
        let wait = PARK_FIRST << attempts.min(6).saturating_sub(1);
        known.parked =
            Some(Parked { reason: reason.into_owned(), attempts, next: now + wait.min(24 * HOUR) });
    }

    /// Notes what a whole reading says about its days.
    async fn done(&mut self, ask: &Ask, passed: &Passed) -> Result<(), Halt> {
        let (today, look_back, began) = (self.today(), self.options.look_back, passed.began);
        let (first, last) = plan::covered(ask.window, today, self.journal.state.ahead);
        let closes = |day: Date| (first..=last).contains(&day) && began >= plan::seals_at(day, look_back);
        self.settle(ask, passed, &|slot| matches!(slot, Slot::Day(day) if closes(day))).await?;
        let past = last < today.plus(-look_back);
        for day in self.claimed(first, last) {
            let state = &mut self.journal.state;
            let known = state.days.entry(day).or_default();
            if known.sealed {
                continue;
            }
            (known.full_at, known.parked) = (Some(began), None);
            if closes(day) {
                *known = Day { records: known.records, sealed: true, ..Day::default() };
                state.totals.sealed += 1;
                self.seen.remove(&Slot::Day(day));
            }
        }
        self.journal.state.advance();
        if past {
            self.flush().await?;
            self.forget_old();
        }
        Ok(())
    }

    /// The last hours, where late records are likeliest, unless all of today was read again anyway.
    async fn last_hours(&mut self) -> Result<(), Halt> {
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

    /// Makes durable what there is, however the work ended, and says how it ended.
    async fn finish(&mut self, outcome: Result<(), Halt>) -> Result<(), Error> {
        let trouble = match outcome {
            Err(Halt::Here(error)) => return Err(error),
            Err(Halt::Zoom(trouble)) => Some(trouble),
            Ok(()) => None,
        };
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

    /// What the report says of the state.
    fn count(&mut self) {
        let state = &self.journal.state;
        let counts = self.zoom.counts;
        let report = &mut self.report;
        (report.requests, report.token_requests, report.throttled) =
            (counts.requests, counts.tokens, counts.throttled);
        report.unknown_members = counts.unknown;
        report.notes.extend(self.zoom.unknown.iter().map(|name| {
            format!("Zoom's pages have members that are not known here, {name:?} for one, {} in all: its API may have changed", counts.unknown)
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
