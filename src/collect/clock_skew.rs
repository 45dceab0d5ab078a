//! Compares a run's clock with Zoom's: a state that is written under a clock that is ahead stops all later runs.

use crate::clock::format_utc;
use crate::error::Failure;

/// How far the clocks may differ, in milliseconds.
const TOLERANCE: i64 = 10 * 60_000;

/// Returns what is wrong if the run's clock, which shows `now`, differs from Zoom's, which showed `date` in the header
/// `Date`. `ZOOM_UDM_NOW` may set the run's clock to another time on purpose, so a date that agrees with `machine`, the
/// machine's own clock, proves nothing. All are in milliseconds since the epoch.
pub(crate) fn clock_skew(date: i64, now: i64, machine: i64) -> Option<Failure> {
    let agrees = |clock: i64| date.abs_diff(clock) <= TOLERANCE.unsigned_abs();
    if agrees(now) || agrees(machine) {
        return None;
    }
    let what = format!(
        "the local clock is wrong: it shows {}, but Zoom's Date header shows {}",
        format_utc(now),
        format_utc(date)
    );
    Some(Failure::new(what, "correct the clock or ZOOM_UDM_NOW and run again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_differing_from_all_others_is_wrong() {
        let day = 24 * 60 * 60_000;
        for (date, now, machine, wrong) in [
            (0, 0, 0, false),
            (0, TOLERANCE, TOLERANCE, false),
            (0, -TOLERANCE, -TOLERANCE, false),
            (0, TOLERANCE + 1, TOLERANCE + 1, true),
            (0, -TOLERANCE - 1, -TOLERANCE - 1, true),
            (0, 400 * day, 0, false),
            (0, 0, 400 * day, false),
            (0, 400 * day, 800 * day, true),
        ] {
            assert_eq!(clock_skew(date, now, machine).is_some(), wrong, "{date} {now} {machine}");
        }
        let why = clock_skew(0, 400 * day, 400 * day).unwrap().what;
        assert!(why.contains("1970-01-01T00:00:00Z") && why.contains("1971-02-05T00:00:00Z"), "{why}");
    }
}
