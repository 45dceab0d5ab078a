//! How a run begins: the stores, the state, which days are whose, and what Zoom has no more.

use super::collector::{Collector, Slot};
use super::date::Date;
use super::journal::Journal;
use super::options::{Options, Task};
use super::plan;
use super::report::{Gap, Report};
use super::zoom::Zoom;
use super::{Error, Observer};
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
    let journal = Journal::open(&options, (store, to), Arc::clone(&observer), began).await?;
    let started = options.clock.now();
    let mut run = Collector {
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
    };
    if let Err(error) = run.agree().await {
        // What went wrong matters more than a lease that runs out by itself.
        let _ = run.journal.release().await;
        return Err(error);
    }
    Ok(run)
}

impl Collector {
    /// Finds out what the other kind of run sees to, and which days a backfill is about.
    async fn agree(&mut self) -> Result<(), Error> {
        let other = self.journal.other(&self.options).await?;
        self.journal.state.turn_undated(self.started, UNDATED_AGE);
        if let Some((state, undated)) = &other {
            match (self.options.task, state.until) {
                (Task::Live { .. }, Some(until)) => {
                    self.elsewhere.clone_from(&state.collected);
                    self.elsewhere.push((state.began, until));
                }
                (Task::Backfill { .. }, None) => self.elsewhere.push((state.began, self.today().plus(365))),
                _ => {}
            }
            if let Some(undated) = undated {
                self.load(Slot::Undated).await?;
                if let Some(seen) = self.seen.get_mut(&Slot::Undated) {
                    seen.hear(undated);
                }
            }
        }
        if let Task::Backfill { from, until } = self.options.task {
            self.begin_backfill(from, until)?;
        }
        let (today, state) = (self.today(), &mut self.journal.state);
        for (first, last) in &self.elsewhere {
            for day in (*first).max(state.cursor).to((*last).min(state.until.unwrap_or(today))) {
                state.days.entry(day).or_default().sealed = true;
            }
        }
        self.clamp();
        self.journal.state.advance();
        Ok(())
    }

    fn begin_backfill(&mut self, from: Date, until: Date) -> Result<(), Error> {
        let latest = self.today().plus(-self.options.look_back - 1);
        let state = &mut self.journal.state;
        let same = |last: Date| state.began == from && (last == until.min(latest) || last < until);
        match state.until {
            Some(last) if state.cursor <= last && same(last) => return Ok(()),
            Some(last) if state.cursor <= last => {
                return Err(Error::Usage(format!(
                    "a backfill of {} to {last} is not finished; finish it first: collect backfill --from {} --until {last}",
                    state.began, state.began
                )));
            }
            Some(last) => {
                state.collected.push((state.began, last));
                (state.days, state.resume) = Default::default();
            }
            None => {}
        }
        let until = until.min(latest);
        if until < from {
            return Err(Error::Usage(format!(
                "--from {from} --until {until}: nothing is left of it; the days since {} are the live collection's",
                latest.plus(1)
            )));
        }
        (state.began, state.cursor, state.until) = (from, from, Some(until));
        self.elsewhere.extend(state.collected.iter().copied());
        Ok(())
    }

    /// Gives up what Zoom has no more.
    fn clamp(&mut self) {
        let oldest = plan::oldest(self.today());
        let state = &mut self.journal.state;
        if state.cursor >= oldest {
            return;
        }
        let lost = |day: &Date| !state.days.get(day).is_some_and(|known| known.sealed);
        let until = state.until.map_or(oldest.plus(-1), |until| until.min(oldest.plus(-1)));
        let missing: Vec<_> = state.cursor.to(until).filter(lost).collect();
        for (from, until) in plan::runs(&missing, i64::MAX).into_iter().rev() {
            let reason = format!("Zoom keeps operation logs for {} days", plan::KEPT);
            self.observer.warn(&format!("{from} to {until} is missing for good: {reason}"));
            state.gaps.push(Gap { from, until, reason });
            self.report.new_gap = self.journal.existed;
        }
        state.cursor = until.plus(1);
        state.days = state.days.split_off(&state.cursor);
    }
}
