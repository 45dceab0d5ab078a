//! Starts a run: stores, state, the division of days between live collection and backfill, and days that Zoom no longer
//! has.

use super::batch::Batch;
use super::collector::{CollectError, Collector};
use super::config::{Mode, Options};
use super::date::Date;
use super::dedup::{DayKey, Dedup};
use super::report::{MissingDays, Report};
use super::schedule;
use super::scheduler::Scheduler;
use super::state::CollectorState;
use super::state_store::{InitialState, StateStore};
use super::zoom::{ZoomClient, ZoomSession};
use crate::error::RunError;
use crate::progress::Observer;
use crate::store::Store;
use std::sync::Arc;

/// No window is read any more that can contain records without a time that were last seen longer ago.
const UNDATED_AGE: i64 = 40 * super::date::DAY;

pub(crate) async fn open(
    options: Options,
    session: Arc<ZoomSession>,
    observer: Arc<dyn Observer>,
) -> Result<Collector, RunError> {
    let zoom = ZoomClient::new(
        &options.zoom,
        options.logs,
        session,
        options.clock.clone(),
        options.cancellation.clone(),
        Arc::clone(&observer),
    )?;
    let store = Store::open(&options.state.location, &options.retry).await?;
    let to = Store::open(&options.to, &options.retry).await?;
    let began = match options.mode {
        Mode::Live { since } => since,
        Mode::Backfill { from, .. } => from,
    };
    let stores = (store.clone(), to.clone());
    let state_store = StateStore::open(&options, stores, Arc::clone(&observer), began).await?;
    if !options.dry_run {
        for location in [store, to] {
            location.remove_stale_temp_files().await?;
        }
    }
    let report = Report { logs: options.logs, ..Report::default() };
    let scheduler = Scheduler::new(options.clock.now(), options.look_back, state_store.state.watermark);
    Ok(Collector {
        options,
        zoom,
        dedup: Dedup::default(),
        batch: Batch::default(),
        store: state_store,
        scheduler,
        report,
        observer,
    })
}

impl Collector {
    /// Compares clocks with Zoom, and days with the other kind of run: all that comes before the first page. Nothing is
    /// written under a clock that is wrong.
    pub(crate) async fn begin(&mut self) -> Result<(), CollectError> {
        let token = self.zoom.token().await?;
        if let Some(why) = token.clock_skew {
            return Err(RunError::Corrupt(why).into());
        }
        Ok(self.coordinate_with_backfill().await?)
    }

    /// Coordinates with the other kind of run, and selects the days of a backfill. The days that this run claims are
    /// durable before it requests the first page, so that the other kind sees them.
    async fn coordinate_with_backfill(&mut self) -> Result<(), RunError> {
        let other = self.store.read_peer_state(&self.options).await?;
        self.store.state.rotate_undated(self.scheduler.started, UNDATED_AGE);
        if let Some((_, Some(undated))) = &other {
            self.dedup.load(DayKey::Undated, &self.store).await?;
            self.dedup.merge_undated_hints(undated);
        }
        let other = other.map(|(state, _)| state);
        let claims = match self.options.mode {
            Mode::Live { .. } => self.exclude_backfill_ranges(other.as_ref()),
            Mode::Backfill { from, until } => self.begin_backfill(from, until, other.as_ref())?,
        };
        self.drop_expired_days();
        self.store.state.advance_cursor();
        if claims { self.persist_claims(other.as_ref()).await } else { Ok(()) }
    }

    /// Makes the claimed days durable; `before` is what the other kind of run had left. Two runs may start at once
    /// without seeing each other, so each looks again after its claim. The live collection then leaves days that a
    /// backfill has claimed to it, and a backfill must be run again.
    async fn persist_claims(&mut self, before: Option<&CollectorState>) -> Result<(), RunError> {
        self.store.save().await?;
        let now = self.store.read_peer_state(&self.options).await?.map(|(state, _)| state);
        let claims =
            |state: Option<&CollectorState>| state.map(|state| state.claimed_ranges().collect::<Vec<_>>());
        match self.options.mode {
            Mode::Live { .. } if claims(now.as_ref()) != claims(before) => {
                self.exclude_backfill_ranges(now.as_ref());
                self.store.state.advance_cursor();
                self.store.save().await
            }
            Mode::Backfill { .. } if before.is_none() && now.is_some() => Err(RunError::Locked(
                "the live collection started at the same time and may have claimed some of these days; run the backfill again"
                    .into(),
            )),
            _ => Ok(()),
        }
    }

    /// Assigns all days from the first one on to the live collection, except those that backfills had claimed before it
    /// started. Finalizes those of them that were read. Returns whether the collection is new, or has written nothing
    /// yet.
    fn exclude_backfill_ranges(&mut self, backfills: Option<&CollectorState>) -> bool {
        let claims: Vec<_> =
            backfills.map(|backfills| backfills.claimed_ranges().collect()).unwrap_or_default();
        let state = &mut self.store.state;
        let new = self.store.found != InitialState::Existing || state.sequence == 0;
        if new {
            state.backfill_ranges =
                claims.iter().copied().filter(|(_, last)| *last >= state.first_day).collect();
        }
        // Without a backfill state, nobody else reads these days.
        self.scheduler.excluded_ranges =
            state.backfill_ranges.iter().copied().filter(|range| claims.contains(range)).collect();
        let mut unread = Vec::new();
        for day in self
            .scheduler
            .excluded_ranges
            .iter()
            .flat_map(|(first, last)| (*first).max(state.cursor).range_to(*last))
        {
            if backfills.is_some_and(|backfills| backfills.is_done(day)) {
                state.days.entry(day).or_default().finalized = true;
            } else {
                unread.push(day);
            }
        }
        for (from, until) in schedule::consecutive_ranges(&unread, i64::MAX) {
            self.warn(format!(
                "{from} to {until} belong to an unfinished backfill: run collect backfill again"
            ));
        }
        new
    }

    /// Continues an unfinished backfill, or claims days for a new one; returns whether it is new.
    fn begin_backfill(
        &mut self,
        from: Date,
        until: Date,
        live: Option<&CollectorState>,
    ) -> Result<bool, RunError> {
        let complete = self.today().add_days(-self.options.look_back - 1);
        let free = live.map(|live| live.first_day.add_days(-1));
        let most = until.min(complete).min(free.unwrap_or(complete));
        let state = &mut self.store.state;
        let claimed = state.until.map(|last| (state.first_day, last));
        if let (Some(claimed), Some(live), Some(free)) = (claimed, live, free)
            && !live.backfill_ranges.contains(&claimed)
        {
            state.until = Some(claimed.1.min(free));
        }
        match state.until {
            Some(last) if state.cursor <= last => {
                if state.first_day == from && (last == until.min(complete) || last < until) {
                    self.warn_truncated(last, until, free);
                    return Ok(false);
                }
                return Err(RunError::Usage(format!(
                    "the backfill of {} to {last} is unfinished; finish it first: collect backfill --from {} --until {last}",
                    state.first_day, state.first_day
                ).into()));
            }
            Some(last) if last >= state.first_day => {
                if !state.completed_backfills.contains(&(state.first_day, last)) {
                    state.completed_backfills.push((state.first_day, last));
                }
                (state.days, state.resume) = Default::default();
            }
            _ => (state.days, state.resume) = Default::default(),
        }
        if most < from {
            return Err(RunError::Usage(format!(
                "--from {from} --until {until}: no days remain; the days from {} on belong to the live collection",
                free.map_or(complete, |free| free.min(complete)).add_days(1)
            ).into()));
        }
        (state.first_day, state.cursor, state.until) = (from, from, Some(most));
        let read = state
            .completed_backfills
            .iter()
            .flat_map(|(first, last)| (*first).max(from).range_to((*last).min(most)));
        for day in read {
            state.days.entry(day).or_default().finalized = true;
        }
        self.warn_truncated(most, until, free);
        Ok(true)
    }

    /// Reports that a backfill ends earlier than requested.
    fn warn_truncated(&mut self, last: Date, until: Date, free: Option<Date>) {
        if last >= until {
            return;
        }
        let rest = last.add_days(1);
        let why = if free == Some(last) {
            format!("the days from {rest} on belong to the live collection")
        } else {
            format!(
                "late records may still appear for {rest} (--look-back {} days); run a backfill for it \
                 later, unless live collection covers it",
                self.options.look_back
            )
        };
        self.warn(format!("the backfill ends on {last} instead of {until}: {why}"));
    }

    fn warn(&mut self, text: String) {
        self.observer.warn(&text);
        self.report.notes.push(text);
    }

    /// Records the days that Zoom no longer has as gaps.
    fn drop_expired_days(&mut self) {
        let oldest = schedule::oldest_available(self.today());
        let state = &mut self.store.state;
        let backfill = state.until.map(|until| (state.first_day, until));
        let lost = |day: &Date| !state.days.get(day).is_some_and(|known| known.finalized);
        let until = state.until.map_or(oldest.add_days(-1), |until| until.min(oldest.add_days(-1)));
        let missing: Vec<_> = state.cursor.range_to(until).filter(lost).collect();
        for (from, until) in schedule::consecutive_ranges(&missing, i64::MAX).into_iter().rev() {
            let reason = format!(
                "Zoom keeps {} for {} days",
                self.options.logs.spec().title,
                schedule::RETENTION_DAYS
            );
            self.observer.warn(&format!("{from} to {until} are lost: {reason}"));
            state.gaps.push(MissingDays { from, until, reason });
            // A first run with old days expects the gap; a run that lost days since, or was asked for them, does not.
            self.report.new_gap = self.store.found != InitialState::Absent;
        }
        if let Some((first, last)) = backfill {
            self.report.new_gap |= state.gaps.iter().any(|gap| gap.from <= last && gap.until >= first);
        }
        if state.cursor <= until {
            state.cursor = until.add_days(1);
            state.days = state.days.split_off(&state.cursor);
        }
    }
}
