//! How a run begins: the stores, the state, which days are whose, and what Zoom has no more.

use super::collector::{Collector, Halt, Slot};
use super::date::Date;
use super::journal::{Found, Journal};
use super::options::{Options, Task};
use super::plan;
use super::report::{Gap, Report};
use super::skew::clock_skew;
use super::state::State;
use super::zoom::Zoom;
use super::{Error, Observer};
use crate::clock::Clock;
use crate::store::Store;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// No window is read any more whose records without a time were last met longer ago.
const UNDATED_AGE: i64 = 40 * super::date::DAY;

pub(crate) async fn open(options: Options, observer: Arc<dyn Observer>) -> Result<Collector, Error> {
    let zoom = Zoom::new(&options, Arc::clone(&observer))?;
    let store = Store::open(&options.state.location, &options.retry).await?;
    let to = Store::open(&options.to, &options.retry).await?;
    let began = match options.task {
        Task::Live { since } => since,
        Task::Backfill { from, .. } => from,
    };
    let places = (store.clone(), to.clone());
    let journal = Journal::open(&options, places, Arc::clone(&observer), began).await?;
    if !options.dry_run {
        for place in [store, to] {
            place.sweep().await?;
        }
    }
    let started = options.clock.now();
    Ok(Collector {
        known_until: journal.state.floor,
        options,
        zoom,
        journal,
        observer,
        report: Report::default(),
        started,
        pass: 0,
        seen: HashMap::new(),
        batch: super::batch::Batch::default(),
        elsewhere: Vec::new(),
        flushed: Instant::now(),
        pad: 0,
    })
}

impl Collector {
    /// Compares clocks with Zoom, and days with the other kind of run: all that comes before the first page. Nothing is
    /// written under a clock that is wrong.
    pub(crate) async fn begin(&mut self) -> Result<(), Halt> {
        let token = self.zoom.token().await.map_err(Halt::Zoom)?;
        let skew = token.date.and_then(|date| clock_skew(date, self.now(), Clock::machine()));
        if let Some(why) = skew {
            return Err(Halt::Here(Error::Damaged(why)));
        }
        Ok(self.agree().await?)
    }

    /// Finds out what the other kind of run sees to, and which days a backfill is about. What this one claims is durable
    /// before the first page is asked for, so that the other kind sees it.
    async fn agree(&mut self) -> Result<(), Error> {
        let other = self.journal.other(&self.options).await?;
        self.journal.state.turn_undated(self.started, UNDATED_AGE);
        if let Some((_, Some(undated))) = &other {
            self.load(Slot::Undated).await?;
            if let Some(seen) = self.seen.get_mut(&Slot::Undated) {
                seen.hear(undated);
            }
        }
        let other = other.map(|(state, _)| state);
        let claims = match self.options.task {
            Task::Live { .. } => self.leave_to_backfills(other.as_ref()),
            Task::Backfill { from, until } => self.begin_backfill(from, until, other.as_ref())?,
        };
        self.clamp();
        self.journal.state.advance();
        if claims { self.claim(other.as_ref()).await } else { Ok(()) }
    }

    /// Makes durable what this run claims, where the other kind of run had left `before`. Both may begin at once, and neither
    /// see the other: so each looks again behind its claim. What a backfill has claimed by then the live collection leaves
    /// to it, and a backfill comes again when that is settled.
    async fn claim(&mut self, before: Option<&State>) -> Result<(), Error> {
        self.journal.save().await?;
        let now = self.journal.other(&self.options).await?.map(|(state, _)| state);
        let claims = |state: Option<&State>| state.map(|state| state.claims().collect::<Vec<_>>());
        match self.options.task {
            Task::Live { .. } if claims(now.as_ref()) != claims(before) => {
                self.leave_to_backfills(now.as_ref());
                self.journal.state.advance();
                self.journal.save().await
            }
            Task::Backfill { .. } if before.is_none() && now.is_some() => Err(Error::Held(
                "the live collection began at the same time, and some of these days may be its own; run the backfill again"
                    .into(),
            )),
            _ => Ok(()),
        }
    }

    /// Days from the first one on are the live collection's, but for those that backfills had claimed when it began. Of
    /// these it seals what has been read. Whether it begins now, or began and wrote nothing, is returned.
    fn leave_to_backfills(&mut self, backfills: Option<&State>) -> bool {
        let claims: Vec<_> = backfills.map(|backfills| backfills.claims().collect()).unwrap_or_default();
        let state = &mut self.journal.state;
        let new = self.journal.found != Found::Ours || state.sequence == 0;
        if new {
            state.theirs = claims.iter().copied().filter(|(_, last)| *last >= state.began).collect();
        }
        // Without the state of backfills nobody else reads them.
        self.elsewhere = state.theirs.iter().copied().filter(|range| claims.contains(range)).collect();
        let mut unread = Vec::new();
        for day in self.elsewhere.iter().flat_map(|(first, last)| (*first).max(state.cursor).to(*last)) {
            if backfills.is_some_and(|backfills| backfills.has_read(day)) {
                state.days.entry(day).or_default().sealed = true;
            } else {
                unread.push(day);
            }
        }
        for (from, until) in plan::runs(&unread, i64::MAX) {
            self.tell(format!(
                "{from} to {until} is a backfill's that is not finished: run collect backfill again"
            ));
        }
        new
    }

    /// Goes on with the backfill that is not finished, or claims days for a new one: returned is which.
    fn begin_backfill(&mut self, from: Date, until: Date, live: Option<&State>) -> Result<bool, Error> {
        let complete = self.today().plus(-self.options.look_back - 1);
        let free = live.map(|live| live.began.plus(-1));
        let most = until.min(complete).min(free.unwrap_or(complete));
        let state = &mut self.journal.state;
        let claimed = state.until.map(|last| (state.began, last));
        if let (Some(claimed), Some(live), Some(free)) = (claimed, live, free)
            && !live.theirs.contains(&claimed)
        {
            state.until = Some(claimed.1.min(free));
        }
        match state.until {
            Some(last) if state.cursor <= last => {
                if state.began == from && (last == until.min(complete) || last < until) {
                    self.tell_cut(last, until, free);
                    return Ok(false);
                }
                return Err(Error::Usage(format!(
                    "a backfill of {} to {last} is not finished; finish it first: collect backfill --from {} --until {last}",
                    state.began, state.began
                )));
            }
            Some(last) if last >= state.began => {
                if !state.collected.contains(&(state.began, last)) {
                    state.collected.push((state.began, last));
                }
                (state.days, state.resume) = Default::default();
            }
            _ => (state.days, state.resume) = Default::default(),
        }
        if most < from {
            return Err(Error::Usage(format!(
                "--from {from} --until {until}: nothing is left of it; the days since {} are the live collection's",
                free.map_or(complete, |free| free.min(complete)).plus(1)
            )));
        }
        (state.began, state.cursor, state.until) = (from, from, Some(most));
        let read = state.collected.iter().flat_map(|(first, last)| (*first).max(from).to((*last).min(most)));
        for day in read {
            state.days.entry(day).or_default().sealed = true;
        }
        self.tell_cut(most, until, free);
        Ok(true)
    }

    /// Says that a backfill ends earlier than it was asked to.
    fn tell_cut(&mut self, last: Date, until: Date, free: Option<Date>) {
        if last >= until {
            return;
        }
        let rest = last.plus(1);
        let why = if free == Some(last) {
            format!("the days since {rest} are the live collection's")
        } else {
            format!(
                "{rest} may still get records (--look-back {} days); ask for it again when that is over, unless the live \
                 collection has it",
                self.options.look_back
            )
        };
        self.tell(format!("the backfill ends with {last} instead of {until}: {why}"));
    }

    fn tell(&mut self, text: String) {
        self.observer.warn(&text);
        self.report.notes.push(text);
    }

    /// Gives up what Zoom has no more.
    fn clamp(&mut self) {
        let oldest = plan::oldest(self.today());
        let state = &mut self.journal.state;
        let backfill = state.until.map(|until| (state.began, until));
        let lost = |day: &Date| !state.days.get(day).is_some_and(|known| known.sealed);
        let until = state.until.map_or(oldest.plus(-1), |until| until.min(oldest.plus(-1)));
        let missing: Vec<_> = state.cursor.to(until).filter(lost).collect();
        for (from, until) in plan::runs(&missing, i64::MAX).into_iter().rev() {
            let reason = format!("Zoom keeps operation logs for {} days", plan::KEPT);
            self.observer.warn(&format!("{from} to {until} is missing for good: {reason}"));
            state.gaps.push(Gap { from, until, reason });
            // Whoever begins with days that are long gone knows it; who lost them since then, or asks for them, does not.
            self.report.new_gap = self.journal.found != Found::Nothing;
        }
        if let Some((first, last)) = backfill {
            self.report.new_gap |= state.gaps.iter().any(|gap| gap.from <= last && gap.until >= first);
        }
        if state.cursor <= until {
            state.cursor = until.plus(1);
            state.days = state.days.split_off(&state.cursor);
        }
    }
}
