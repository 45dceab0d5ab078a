//! Decides which days and windows a run reads.

use super::date::Date;
use super::schedule::{self, ScheduleInput};
use super::state::CollectorState;
use super::window_query::WindowQuery;

/// The schedule of a run.
#[derive(Debug)]
pub(crate) struct Scheduler {
    /// When the run started, in milliseconds since the epoch.
    pub(crate) started: i64,
    /// How many days a day is read again for late records.
    look_back: i64,
    /// Days that backfills are responsible for.
    pub(crate) excluded_ranges: Vec<(Date, Date)>,
    /// Everything up to this time had been read when the run started.
    pub(crate) complete_until: Option<i64>,
    /// How many days a window ends after what it has to reach, if that was not enough before.
    pad: i64,
}

impl Scheduler {
    pub(crate) fn new(started: i64, look_back: i64, complete_until: Option<i64>) -> Self {
        Self { started, look_back, excluded_ranges: Vec::new(), complete_until, pad: 0 }
    }

    /// Returns whether this run may still write records of the day.
    pub(crate) fn owns(&self, state: &CollectorState, day: Date) -> bool {
        day >= state.cursor
            && state.until.is_none_or(|until| day <= until)
            && !state.days.get(&day).is_some_and(|known| known.finalized)
            && !self.is_excluded(day)
    }

    /// Returns those of some days that this run is responsible for, finalized or not.
    pub(crate) fn claimed(&self, state: &CollectorState, first: Date, last: Date) -> Vec<Date> {
        let last = state.until.map_or(last, |until| until.min(last));
        first.max(state.cursor).range_to(last).filter(|day| !self.is_excluded(*day)).collect()
    }

    /// Returns the days to read; with `full`, also those that are only read again for late records.
    pub(crate) fn due_days(&self, state: &CollectorState, now: i64, full: bool) -> Vec<Date> {
        let input = ScheduleInput { now, look_back: self.look_back, full, started: self.started };
        let mut days = schedule::due(state, input);
        days.retain(|day| !self.is_excluded(*day));
        days
    }

    /// Returns the query that completes some days, from where an earlier scan ended.
    pub(crate) fn query(&self, state: &CollectorState, first: Date, last: Date, now: i64) -> WindowQuery {
        let today = Date::from_millis(now);
        let unread = |day: Date| state.days.get(&day).and_then(|known| known.unread);
        let reach = unread(last).and_then(|part| part.reached_until());
        // Today's end is to come, and the margin above it is empty.
        let window = if reach.is_none() && (state.time_of_day.is_none() || last >= today) {
            schedule::window(first, last, today, state.days_ahead)
        } else {
            let end = reach.map_or(last.end(), |reach| reach.saturating_add(1));
            schedule::narrow(state, first, end, reach.map(|_| self.pad), now)
        };
        let bottom = match unread(first) {
            Some(part) => Some(part.from),
            None => (reach.is_some() || state.time_of_day.is_some()).then_some(first.start()),
        };
        WindowQuery { days: Some((first, last)), bottom, reach, ..WindowQuery::of(window) }
    }

    /// Returns whether a window went on without a gap from what was read before, or no longer one helps; `reaches` is
    /// whether its first page did. Otherwise later windows of whole days end a day later.
    pub(crate) fn accepts_window(&mut self, reaches: bool, whole_days: bool) -> bool {
        if reaches || (whole_days && self.pad >= schedule::MARGIN) {
            self.pad = 0;
            return true;
        }
        self.pad += i64::from(whole_days);
        false
    }

    /// Returns whether a backfill is responsible for the day.
    fn is_excluded(&self, day: Date) -> bool {
        self.excluded_ranges.iter().any(|(first, last)| (*first..=*last).contains(&day))
    }
}
