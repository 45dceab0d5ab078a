//! Schedules which days to fetch, and interprets what a window covers.
//!
//! Zoom documents neither whether `to` is inclusive nor in which time zone its days begin. So each window starts one
//! day before the first wanted day and ends two days after the last: it contains the wanted days in any time zone, with
//! either meaning of `to`. Records carry their own time, so additional records do no harm.
//!
//! Once a run ended within a window, the padding costs too much: pages come newest first, so all of it is read before the
//! wanted days are reached. From then on windows are narrow. They end with a minute, if Zoom honors it, and each scan
//! stops at the first record that is older than what is wanted. See `progress`.

use super::date::Date;
use super::state::{CollectorState, LastRefetch};
use super::zoom::Window;

/// How many days after the last wanted one a window of the past ends.
pub(crate) const MARGIN: i64 = 2;
/// How many days Zoom keeps: six months, at least 181 days.
pub(crate) const RETENTION_DAYS: i64 = 180;
/// The delay per page before something is read again: about 500 requests a day for each of the two kinds (recent hours,
/// look-back). Small accounts are read again in every run.
const MILLIS_PER_PAGE: i64 = 172_800;
/// In milliseconds.
pub(crate) const MINUTE: i64 = 60_000;

/// Returns the window that contains these days under any interpretation.
pub(crate) fn window(first: Date, last: Date, today: Date, ahead: i64) -> Window {
    let to = last.add_days(MARGIN).min(today.add_days(ahead));
    Window::days(first.add_days(-1), to.max(first))
}

/// Returns the window from the day before `first` to `end`, with as few newer records as possible. `pad` is how many
/// days to add where Zoom takes whole days only; without it, as many as are needed for certain.
pub(crate) fn narrow(state: &CollectorState, first: Date, end: i64, pad: Option<i64>, now: i64) -> Window {
    let from = first.add_days(-1);
    let minute = end.saturating_add(MINUTE - 1).div_euclid(MINUTE) * MINUTE;
    if state.time_of_day != Some(false) && minute <= now + MINUTE {
        return Window::until(from, minute);
    }
    let last = Date::from_millis(end - 1);
    let ends_late_enough =
        |pad: &i64| state.window_end.is_some_and(|after| last.add_days(*pad).start() + after >= end);
    let pad = (0..MARGIN).find(ends_late_enough).or(pad).unwrap_or(MARGIN);
    let to = last.add_days(pad).min(Date::from_millis(now).add_days(state.days_ahead));
    Window::days(from, to.max(first))
}

/// Returns the days that a window contains completely under any interpretation.
pub(crate) fn covered(window: Window, today: Date, ahead: i64) -> (Date, Date) {
    let last = if window.to >= today.add_days(ahead) { today } else { window.to.add_days(-MARGIN) };
    (window.from.add_days(1), last)
}

/// Returns the oldest day that Zoom has completely.
pub(crate) fn oldest_available(today: Date) -> Date {
    today.add_days(1 - RETENTION_DAYS)
}

/// Returns whether something is due to be read again.
pub(crate) fn is_due(cadence: LastRefetch, now: i64) -> bool {
    let pages = i64::try_from(cadence.pages).unwrap_or(i64::MAX / MILLIS_PER_PAGE);
    now >= cadence.at.saturating_add(pages.saturating_mul(MILLIS_PER_PAGE))
}

/// The input of the schedule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScheduleInput {
    pub(crate) now: i64,
    /// In days.
    pub(crate) look_back: i64,
    /// Whether to read the look-back again.
    pub(crate) full: bool,
    /// When the run started; what was read since is not read again.
    pub(crate) started: i64,
}

/// Returns when a day is finalized.
pub(crate) fn finalize_at(day: Date, look_back: i64) -> i64 {
    day.add_days(look_back).end()
}

/// Returns the days to read: days that were never read completely, days that can be finalized, and the look-back.
pub(crate) fn due(state: &CollectorState, terms: ScheduleInput) -> Vec<Date> {
    let today = Date::from_millis(terms.now);
    let last = state.until.map_or(today, |until| until.min(today));
    let is_due = |day: &Date| {
        let Some(known) = state.days.get(day) else { return true };
        let waits = known.deferred.as_ref().is_some_and(|deferred| deferred.retry_at > terms.now);
        if known.finalized || waits {
            return false;
        }
        let Some(read) = known.scanned_at else { return true };
        let closes = terms.now >= finalize_at(*day, terms.look_back);
        closes || known.deferred.is_some() || (terms.full && read < terms.started)
    };
    state.cursor.range_to(last).filter(is_due).collect()
}

/// Groups consecutive days, newest first, into ranges of at most `span` days.
pub(crate) fn consecutive_ranges(days: &[Date], span: i64) -> Vec<(Date, Date)> {
    split(days, span, |_, _| false)
}

/// The same in the order in which to read them. A day that was read in part is the last of its piece, since the scan goes on
/// within it, and the first, where the scan ends within it. A day that makes no progress comes last.
pub(crate) fn pieces(state: &CollectorState, days: &[Date], span: i64) -> Vec<(Date, Date)> {
    let unread = |day: Date| state.days.get(&day).and_then(|known| known.unread);
    let apart = |above: Date, below: Date| {
        unread(below).is_some_and(|part| part.reached_until().is_some())
            || unread(above).is_some_and(|part| part.from > above.start() || part.stalls > 0)
    };
    let mut pieces = split(days, span, apart);
    pieces.sort_by_key(|(_, last)| unread(*last).is_some_and(|part| part.stalls > 0));
    pieces
}

fn split(days: &[Date], span: i64, apart: impl Fn(Date, Date) -> bool) -> Vec<(Date, Date)> {
    let mut pieces: Vec<(Date, Date)> = Vec::new();
    for &day in days.iter().rev() {
        match pieces.last_mut() {
            Some((first, last))
                if first.add_days(-1) == day && last.days_since(day) < span && !apart(*first, day) =>
            {
                *first = day;
            }
            _ => pieces.push((day, day)),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::date::DAY;
    use crate::collect::state::{DEFAULT_DAYS_AHEAD, DayDeferral, DayState, MAX_WINDOW_DAYS, UnreadRange};

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn window_covers_its_days_in_every_time_zone() {
        let today = date("2024-03-10");
        for (first, last) in [("2024-03-01", "2024-03-03"), ("2024-03-09", "2024-03-10")] {
            let (first, last) = (date(first), date(last));
            let window = window(first, last, today, DEFAULT_DAYS_AHEAD);
            assert_eq!(covered(window, today, DEFAULT_DAYS_AHEAD), (first, last));
            for zone in [-12, 0, 14] {
                // Days begin `zone` hours before those in UTC; `to` is exclusive.
                let starts = window.from.start() - zone * 3_600_000;
                let ends = window.to.start() - zone * 3_600_000;
                assert!(starts <= first.start() && ends >= last.end(), "{zone}");
            }
            assert!(window.to.days_since(window.from) <= 28);
        }
    }

    #[test]
    fn longest_window_fits_the_shortest_month() {
        let first = date("2024-01-10");
        let window =
            window(first, first.add_days(MAX_WINDOW_DAYS - 1), date("2024-05-01"), DEFAULT_DAYS_AHEAD);
        assert!(window.to.days_since(window.from) <= 28);
    }

    #[test]
    fn days_are_due_until_finalized() {
        let now = date("2024-03-10").start() + DAY / 2;
        let mut state = CollectorState::new("x".into(), date("2024-03-05"));
        let terms = ScheduleInput { now, look_back: 2, full: false, started: now };
        let read = |at: &str| DayState { scanned_at: Some(date(at).start()), ..DayState::default() };
        state.days.insert(date("2024-03-05"), DayState { finalized: true, ..DayState::default() });
        state.days.insert(date("2024-03-06"), read("2024-03-07"));
        state.days.insert(date("2024-03-08"), read("2024-03-09"));
        state.days.insert(date("2024-03-09"), read("2024-03-10"));
        let deferred = DayDeferral { reason: String::new(), attempts: 1, retry_at: now + 1 };
        state.days.insert(date("2024-03-10"), DayState { deferred: Some(deferred), ..DayState::default() });
        // The 6th can be finalized since the 9th; the 7th was never read.
        assert_eq!(due(&state, terms), [date("2024-03-06"), date("2024-03-07")]);
        let full = due(&state, ScheduleInput { full: true, ..terms });
        assert_eq!(full.len(), 4);
        assert_eq!(due(&state, ScheduleInput { now: now + 1, ..terms }).len(), 3);
        assert_eq!(consecutive_ranges(&full, 25), [(date("2024-03-06"), date("2024-03-09"))]);
        assert_eq!(
            consecutive_ranges(&full, 3),
            [(date("2024-03-07"), date("2024-03-09")), (date("2024-03-06"), date("2024-03-06"))]
        );
    }

    #[test]
    fn partly_read_day_bounds_a_range() {
        let day = |number: i64| date("2024-03-01").add_days(number);
        let mut state = CollectorState::new("x".into(), day(0));
        let part = |from: i64, until: i64, stalls: u32| {
            let unread = Some(UnreadRange { from, until, began: 0, stalls, ambiguous: false });
            DayState { unread, ..DayState::default() }
        };
        let days: Vec<_> = (0..9).map(day).collect();
        assert_eq!(pieces(&state, &days, 25), [(day(0), day(8))]);
        // Its upper part was read: the scan goes on within it.
        state.days.insert(day(2), part(day(2).start(), day(2).start() + 5, 0));
        // Its lower part was read: the scan ends within it.
        state.days.insert(day(5), part(day(5).start() + 5, i64::MAX, 0));
        assert_eq!(pieces(&state, &days, 25), [(day(5), day(8)), (day(3), day(4)), (day(0), day(2))]);
        // It comes no further.
        state.days.insert(day(7), part(day(7).start(), day(7).start() + 5, 1));
        let others = [(day(8), day(8)), (day(5), day(6)), (day(3), day(4)), (day(0), day(2))];
        assert_eq!(pieces(&state, &days, 25), [&others[..], &[(day(7), day(7))]].concat());
    }

    #[test]
    fn narrow_window_ends_as_early_as_zoom_allows() {
        let first = date("2024-03-01");
        let now = date("2024-03-20").start();
        let mut state = CollectorState::new("x".into(), first);
        let (minute, second) = (first.start() + 600 * MINUTE, first.start() + 600 * MINUTE - 1000);
        let bounds =
            |state: &CollectorState, end: i64, pad: Option<i64>| narrow(state, first, end, pad, now).bounds();
        assert_eq!(bounds(&state, minute, None), ("2024-02-29 00:00".into(), "2024-03-01 10:00".into()));
        assert_eq!(bounds(&state, second, None).1, "2024-03-01 10:00");
        state.time_of_day = Some(false);
        // How long a day of Zoom's lasts is not known, or what is known is not enough.
        assert_eq!(
            (bounds(&state, minute, None).1, bounds(&state, minute, Some(0)).1),
            ("2024-03-03".into(), "2024-03-01".into())
        );
        state.window_end = Some(0);
        assert_eq!(bounds(&state, minute, Some(0)).1, "2024-03-02");
        state.window_end = Some(DAY);
        assert_eq!(
            (bounds(&state, minute, None).1, bounds(&state, first.end(), None).1),
            ("2024-03-01".into(), "2024-03-01".into())
        );
    }

    #[test]
    fn window_of_few_pages_is_due_again_sooner() {
        assert!(is_due(LastRefetch::default(), 1));
        assert!(is_due(LastRefetch { at: 0, pages: 5 }, 15 * 60_000));
        assert!(!is_due(LastRefetch { at: 0, pages: 50 }, 120 * 60_000));
    }
}
