//! What remains of a scan that ended early: by a budget, a deadline, a limit of Zoom's, or a kill.
//!
//! The token of a page lives 15 minutes, and a scan that starts over at its first page never ends where it has more pages
//! than a run may read. But pages come newest first: all records after the oldest one on the pages read so far have been
//! read. The state keeps that time with the scan's resume token. Once the token has expired, the days above that time are
//! complete, and the rest of its own day is [`UnreadRange`]. The next scan asks for a window that ends with that minute. It is
//! known to go on without a gap where its first page has a record of that time or later.
//!
//! Zoom documents a time of day in `to`, but may ignore or refuse it. A page shows whether it was honored; if not, windows
//! end with the day. Then a day with more pages than a run may read comes no further, and says so.
//!
//! Where two pages have a record in common, there may be one or two of it (`resolve_ties` resolves that once a scan is complete). A
//! scan that a run cuts goes back to that record: the next window ends with its minute, so one page has all of its kind. The token
//! would continue below it and is dropped. A scan that began there does not go back once more.

use super::collector::Collector;
use super::date::{DAY, Date};
use super::schedule::{self, MINUTE};
use super::state::{DayState, ScanCheckpoint, UnreadRange};
use super::window_query::{WindowQuery, WindowScan};

/// Zones differ from UTC by multiples of this.
const ZONE_STEP: i64 = 15 * MINUTE;
/// So many runs without progress are no accident.
const MAX_STALLS: u32 = 2;

/// How far a scan came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResumePoint {
    pub(crate) began: i64,
    /// Records after this time have been read.
    pub(crate) reached: i64,
    /// The newest time of a record of which there may be more than are counted, before the scan's `reach`.
    pub(crate) ambiguous_at: Option<i64>,
}

impl Collector {
    /// Whether a scan's window goes on without a gap from what was read before, by the newest times on its first page. Takes
    /// note of where Zoom's windows end.
    pub(crate) fn overlaps_previous(&mut self, query: &WindowQuery, newest: &[i64]) -> bool {
        let (state, window) = (&mut self.store.state, query.window);
        let first = newest.first().copied().unwrap_or(i64::MIN);
        let reaches = query.reach.is_none_or(|reach| first >= reach);
        if let Some(minute) = window.until {
            // `to` may count or not: so its own minute may be part of the window.
            let honored = reaches && first < minute + 2 * MINUTE;
            if honored && query.reach.is_some() {
                state.time_of_day = Some(true);
            } else if !honored {
                self.ignore_page_token();
            }
        }
        self.learn_newest(query, newest);
        self.scheduler.accepts_window(reaches, window.until.is_none())
    }

    /// Notes that windows cannot end within a day.
    pub(crate) fn ignore_page_token(&mut self) {
        self.store.state.time_of_day = Some(false);
        self.observer.info("Zoom does not honor the time of day in `to`; windows end with whole days");
    }

    /// Learns from the newest times of a window of whole days how long after the start of its last day it ends at least.
    fn learn_newest(&mut self, query: &WindowQuery, newest: &[i64]) {
        let (state, start) = (&mut self.store.state, query.window.to.start());
        let known = |after: i64| {
            query.reach.is_some_and(|reach| start + after > reach && newest.first() < Some(&reach))
        };
        if state.window_end.is_some_and(known) {
            state.window_end = None;
            return;
        }
        if query.window.until.is_some() && state.time_of_day != Some(false) {
            return;
        }
        // One record may bear any time; two in order are taken at their word.
        if let Some(second) = newest.get(1) {
            let after = (second - start + ZONE_STEP - 1).div_euclid(ZONE_STEP) * ZONE_STEP;
            state.window_end = state.window_end.max(Some(after.min(DAY)));
        }
    }

    /// Takes what an earlier run did not get to the end of: its token if it still holds. How far it came is kept either way.
    pub(crate) fn take_resume(&mut self, live: bool, token_life: i64) -> Option<ScanCheckpoint> {
        let resume = self.store.state.resume.take()?;
        let holds =
            self.now() - resume.issued < token_life && resume.page_size <= self.options.zoom.page_size;
        if resume.recent && holds && live {
            // Until a page has come, it is all that is known of the earlier ones.
            self.store.state.resume = Some(resume.clone());
            return Some(resume);
        }
        if resume.recent {
            self.save_recent_scan(&resume);
            return None;
        }
        let resume = self.with_expiry(resume);
        if !holds && resume.reached.is_none() {
            // Pages in another order do not tell what is left: the scan starts over, with fewer days.
            self.store.state.halve_window();
        }
        let goes_back =
            resume.reached.is_some() && self.rewind_to(resume.ambiguous_at, resume.began).is_some();
        (holds && !goes_back).then_some(resume)
    }

    /// Keeps in the state how far a scan came, before the run ends.
    pub(crate) fn restore_cursor(&mut self) {
        let Some(resume) = self.store.state.resume.take() else { return };
        self.store.state.resume = Some(if resume.recent { resume } else { self.with_expiry(resume) });
    }

    /// A scan whose days know how far it came. Completes only the days that it has not yet passed; later notes on the
    /// others are kept.
    fn with_expiry(&mut self, mut resume: ScanCheckpoint) -> ScanCheckpoint {
        self.save_scan(&resume);
        if let Some(reached) = resume.reached {
            let (first, last) = self.cursor_days(&resume);
            (resume.days, resume.saved) = (Some((first, last.min(Date::from_millis(reached)))), true);
        }
        resume
    }

    /// Takes note of the time of a record of which there may be more than are counted.
    pub(crate) fn record_ambiguous(&mut self, query: &WindowQuery, time: i64, scan: &mut WindowScan) {
        if query.days.is_some_and(|(_, last)| time >= last.end()) {
            return;
        }
        if query.reach.is_none_or(|reach| time < reach) {
            scan.ambiguous_at = scan.ambiguous_at.max(Some(time));
        } else if let Some(known) = self.store.state.days.get_mut(&Date::from_millis(time))
            && let Some(part) = &mut known.unread
        {
            // The scan began there to no avail. The day is read once more before it is finalized.
            part.ambiguous = true;
        }
    }

    /// The time of an ambiguous record if the next scan is to go back to it. Windows of whole days would have the same pages
    /// again, and a day that is only read again before it can be finalized has another reading to come.
    pub(crate) fn rewind_to(&self, ambiguous_at: Option<i64>, began: i64) -> Option<i64> {
        let state = &self.store.state;
        ambiguous_at.filter(|at| {
            let day = Date::from_millis(*at);
            let was_read = state.days.get(&day).is_some_and(|known| known.scanned_at.is_some());
            let is_last = began >= schedule::finalize_at(day, self.options.look_back);
            state.time_of_day != Some(false) && (is_last || !was_read)
        })
    }

    /// Keeps what a scan of days has read: those above where it ended are complete.
    pub(crate) fn save_scan(&mut self, resume: &ScanCheckpoint) {
        let Some(reached) = resume.reached.filter(|_| !resume.saved) else { return };
        let progress = ResumePoint { began: resume.began, reached, ambiguous_at: resume.ambiguous_at };
        self.save_progress(self.cursor_days(resume), progress);
    }

    pub(crate) fn save_progress(&mut self, (first, last): (Date, Date), progress: ResumePoint) {
        let back_to = self.rewind_to(progress.ambiguous_at, progress.began);
        for day in self.scheduler.claimed(&self.store.state, first, last) {
            let known = self.store.state.days.entry(day).or_default();
            if known.finalized {
                continue;
            }
            let new = UnreadRange {
                from: day.start(),
                until: i64::MAX,
                began: progress.began,
                stalls: 0,
                ambiguous: false,
            };
            let mut part = known.unread.unwrap_or(new);
            part.began = part.began.min(progress.began);
            let reached = back_to.map_or(progress.reached, |at| at.min(part.until).max(progress.reached));
            part.ambiguous |=
                progress.ambiguous_at.is_some_and(|at| at > reached && Date::from_millis(at) == day);
            if reached < part.from {
                self.complete(day, part.began, part.ambiguous);
            } else if day != last && reached >= day.end() {
                // Not reached yet.
            } else if reached < part.until || (reached == part.until && back_to.is_some()) {
                known.unread = Some(UnreadRange { until: reached, stalls: 0, ..part });
            } else if day == last {
                part.stalls = part.stalls.saturating_add(1);
                known.unread = Some(part);
                let waits = known.scanned_at.is_none()
                    || self.now() >= schedule::finalize_at(day, self.options.look_back);
                if waits && part.stalls >= MAX_STALLS {
                    self.warn_stalled(day);
                }
            }
        }
        self.store.state.advance_cursor();
    }

    /// Says that a day comes no further.
    fn warn_stalled(&mut self, day: Date) {
        let why = if self.store.state.time_of_day == Some(false) {
            "Zoom does not honor a time of day in `to`, so the day cannot be split"
        } else {
            "one minute exceeds the page limit of a run"
        };
        let text = format!(
            "{day} has more pages than one run reads ({} requests in this run): {why}; raise --max-requests or --deadline, \
             or run at least every 10 minutes",
            self.zoom.stats().requests
        );
        self.observer.warn(&text);
        self.report.notes.push(text);
    }

    /// Notes that all of a day was read by readings that began at this time or later.
    pub(crate) fn complete(&mut self, day: Date, began: i64, ambiguous: bool) {
        let seals_at = schedule::finalize_at(day, self.options.look_back);
        let state = &mut self.store.state;
        let known = state.days.entry(day).or_default();
        // Identical records on two pages are counted for certain by another reading, if not by the one after that.
        let certain = !ambiguous || known.scanned_at.is_some_and(|read| read >= seals_at);
        if began >= seals_at && certain {
            self.report.ambiguous_records += u64::from(ambiguous);
            *known = DayState { records: known.records, finalized: true, ..DayState::default() };
            state.totals.finalized += 1;
            self.dedup.remove(day);
        } else {
            (known.scanned_at, known.deferred, known.unread) = (Some(began), None, None);
        }
    }

    /// Keeps what a reading of the newest records has read: from now on these are the newest known ones, and what lies between
    /// them and those of before is unread.
    pub(crate) fn save_recent_scan(&mut self, resume: &ScanCheckpoint) {
        let Some(reached) = resume.reached else { return };
        let (began, today) = (resume.began, Date::from_millis(resume.began));
        let bottom = self.store.state.watermark.unwrap_or(today.start());
        let unread = if reached > bottom {
            self.scheduler.claimed(&self.store.state, Date::from_millis(bottom), Date::from_millis(reached))
        } else {
            Vec::new()
        };
        for day in unread {
            let seals_at = schedule::finalize_at(day, self.options.look_back);
            let known = self.store.state.days.entry(day).or_default();
            if known.finalized {
                continue;
            }
            // A day that was complete until then lacks this part only, unless all of it has to be read once more anyway.
            let lacks_part = known.scanned_at.is_some() && began < seals_at;
            let mut part = UnreadRange {
                from: if lacks_part { bottom.max(day.start()) } else { day.start() },
                until: if day == Date::from_millis(reached) { reached } else { i64::MAX },
                began,
                stalls: 0,
                ambiguous: resume.ambiguous_at.is_some_and(|at| Date::from_millis(at) == day),
            };
            if let Some(before) = known.unread.filter(|_| known.scanned_at.is_none()) {
                part.from = bottom.max(day.start()).min(before.from);
                part.until = part.until.max(before.until);
                part.began = began.min(before.began);
                part.ambiguous |= before.ambiguous;
            }
            known.scanned_at = None;
            known.unread =
                Some(part).filter(|part| part.from > day.start() || part.reached_until().is_some());
        }
        for day in self.scheduler.claimed(&self.store.state, Date::from_millis(reached.max(bottom)), today) {
            self.store.state.days.entry(day).or_default().has_been_read(began);
        }
        self.raise_watermark(resume.newest, began);
    }

    /// Discards scans that started before their day could be finalized, if it can be finalized now, because their
    /// result would be useless.
    pub(crate) fn discard_stale(&mut self) {
        let (now, look_back) = (self.now(), self.options.look_back);
        for (day, known) in &mut self.store.state.days {
            let seals_at = schedule::finalize_at(*day, look_back);
            if known.unread.is_some_and(|part| part.began < seals_at && now >= seals_at) {
                known.unread = None;
            }
        }
    }

    /// The days that a scan completes.
    pub(crate) fn cursor_days(&self, resume: &ScanCheckpoint) -> (Date, Date) {
        let window = resume.window();
        resume.days.unwrap_or_else(|| schedule::covered(window, self.today(), self.store.state.days_ahead))
    }
}
