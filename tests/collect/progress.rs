//! Tests of backlogs that exceed the budget of a run: every run that reads a page must make lasting progress, however
//! it ends.

use crate::identical_records::{collect, options, written};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use testkit::zoom::log_store::{self, Entry};
use testkit::zoom::{Behavior, Zoom, at};
use tokio_util::sync::CancellationToken;
use zoom_udm::collect::{Cancellation, Date, Mode, Options, Report};

const NOW: &str = "2023-11-14T10:00:00Z";
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// What ends each run.
#[derive(Clone, Copy, Debug)]
enum Budget {
    Requests(u64),
    /// In milliseconds. Each page takes 20 ms.
    Deadline(u64),
    /// The daily request limit at Zoom.
    Daily(u64),
}

/// A collection that is run until it is complete.
struct Collection {
    zoom: Zoom,
    root: tempfile::TempDir,
    task: Mode,
    page_size: u16,
    budget: Budget,
    /// Seconds between runs.
    every: i64,
    runs: u64,
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn live(since: &str) -> Mode {
    Mode::Live { since: date(since) }
}

fn backfill(from: &str, until: &str) -> Mode {
    Mode::Backfill { from: date(from), until: date(until) }
}

impl Collection {
    fn new(task: Mode, page_size: u16, budget: Budget, every: i64) -> Self {
        let zoom = Zoom::start(NOW);
        match budget {
            Budget::Requests(_) => {}
            Budget::Deadline(_) => {
                zoom.behavior(|behavior| behavior.latency = Some(Duration::from_millis(20)))
            }
            Budget::Daily(most) => zoom.behavior(|behavior| behavior.daily = Some(most)),
        }
        Self { zoom, root: tempfile::tempdir().unwrap(), task, page_size, budget, every, runs: 0 }
    }

    fn with(self, entries: impl IntoIterator<Item = Entry>) -> Self {
        self.zoom.add(entries);
        self
    }

    fn of(self, change: impl FnOnce(&mut Behavior)) -> Self {
        self.zoom.behavior(change);
        self
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    /// Runs once, and advances the clock to the next run.
    fn run(&mut self) -> Report {
        let mut options = Options { mode: self.task, ..options(&self.zoom, self.root(), self.page_size) };
        match self.budget {
            Budget::Requests(most) => options.zoom.retry.max_requests = Some(most),
            Budget::Deadline(millis) => {
                options.cancellation =
                    Cancellation::new(CancellationToken::new(), Some(Duration::from_millis(millis)))
            }
            Budget::Daily(_) => {}
        }
        let report = collect(options);
        self.runs += 1;
        let mut next = self.zoom.now() + self.every;
        if report.stopped.as_ref().is_some_and(|why| why.to_string().contains("daily limit")) {
            // Every run until then ends the same way.
            next = next.max((self.zoom.now().div_euclid(DAY) + 1) * DAY + MINUTE);
        }
        self.zoom.set_clock(next);
        report
    }

    /// Runs until a run completes, at most `most` times.
    fn run_until_complete(&mut self, most: u64) -> Report {
        loop {
            let report = self.run();
            if report.stopped.is_none() {
                return report;
            }
            assert!(self.runs < most, "not done after {most} runs: {report:?}");
        }
    }

    fn requests(&self) -> u64 {
        self.zoom.counts().1
    }

    fn assert_complete(&self) {
        assert_eq!(written(self.root()), self.zoom.lock().log_store.expected(0, i64::MAX));
    }
}

/// Returns `per_day` records for each of the last `count` days and for today, evenly spread.
fn days(count: i64, per_day: u64) -> Vec<Entry> {
    let midnight = at(NOW).div_euclid(DAY) * DAY;
    let mut entries = log_store::spread(0, per_day, midnight..at(NOW));
    for day in 1..=count {
        let start = midnight - day * DAY;
        entries.extend(log_store::spread(day.unsigned_abs() * 100_000, per_day, start..start + DAY));
    }
    entries
}

#[test]
fn backlog_over_the_request_budget_completes() {
    for every in [5 * MINUTE, 15 * MINUTE, HOUR] {
        let mut runs =
            Collection::new(live("2023-11-13"), 30, Budget::Requests(10), every).with(days(1, 510));
        runs.run_until_complete(12);
        runs.assert_complete();
        assert!(runs.requests() <= 70, "34 pages: {}", runs.requests());
    }
}

#[test]
fn backlog_completes_with_two_requests_per_run() {
    for task in [live("2023-11-11"), backfill("2023-11-05", "2023-11-11")] {
        let mut runs = Collection::new(task, 30, Budget::Requests(2), HOUR);
        let records = match task {
            Mode::Live { .. } => days(3, 90),
            Mode::Backfill { .. } => {
                days(9, 90).into_iter().filter(|entry| entry.time < at(NOW) - 58 * HOUR).collect()
            }
        };
        runs = runs.with(records);
        runs.run_until_complete(60);
        runs.assert_complete();
    }
}

#[test]
fn backlog_over_the_deadline_completes() {
    for task in [live("2023-10-25"), backfill("2023-10-25", "2023-11-11")] {
        let mut runs = Collection::new(task, 30, Budget::Deadline(800), HOUR);
        let last = if let Mode::Live { .. } = task { i64::MAX } else { at("2023-11-12T00:00:00Z") };
        runs = runs.with(days(20, 120).into_iter().filter(|entry| entry.time < last));
        runs.run_until_complete(40);
        runs.assert_complete();
    }
}

#[test]
fn backlog_over_the_daily_limit_completes() {
    let mut runs = Collection::new(live("2023-11-10"), 30, Budget::Daily(12), HOUR).with(days(4, 240));
    runs.run_until_complete(40);
    runs.assert_complete();
}

#[test]
fn backlog_and_new_records_do_not_block_each_other() {
    let mut runs = Collection::new(live("2023-11-05"), 30, Budget::Requests(6), HOUR).with(days(9, 120));
    // One new page per hour, for as long as the backlog may take.
    let now = at(NOW);
    runs.zoom.add(log_store::spread(9_000_000, 30 * 60, now..now + 60 * HOUR));
    for _ in 0..60 {
        runs.run();
        let shown = runs.zoom.now() - runs.every;
        let there = written(runs.root());
        let newest = runs.zoom.lock().log_store.expected(shown - HOUR, shown - 1);
        assert!(newest.keys().all(|line| there.contains_key(line)), "each run collects the newest records");
    }
    let backlog: BTreeSet<_> = runs.zoom.lock().log_store.expected(0, now).into_keys().collect();
    let there = written(runs.root());
    assert!(backlog.iter().all(|line| there.contains_key(line)), "the backlog is complete");
}

#[test]
fn burst_over_one_run_is_collected_with_new_records() {
    let mut runs = Collection::new(live("2023-11-13"), 30, Budget::Requests(8), 15 * MINUTE);
    runs.run_until_complete(9);
    let now = runs.zoom.now();
    runs.zoom.add(log_store::spread(50_000, 900, now - 2 * HOUR..now));
    runs.zoom.add(log_store::spread(60_000, 100, now..now + 5 * HOUR));
    runs.runs = 0;
    for _ in 0..20 {
        runs.run();
    }
    runs.run_until_complete(30);
    runs.assert_complete();
    assert!(runs.requests() < 200, "{}", runs.requests());
}

#[test]
fn page_token_expiring_between_runs_keeps_progress() {
    for task in [live("2023-11-11"), backfill("2023-11-05", "2023-11-11")] {
        let records = days(9, 90).into_iter();
        let records = records.filter(|entry| match task {
            Mode::Live { .. } => entry.time >= at("2023-11-11T00:00:00Z"),
            Mode::Backfill { .. } => {
                (at("2023-11-05T00:00:00Z")..at("2023-11-12T00:00:00Z")).contains(&entry.time)
            }
        });
        let mut runs = Collection::new(task, 30, Budget::Requests(2), 5 * MINUTE)
            .with(records)
            .of(|behavior| behavior.page_life = 2 * MINUTE);
        runs.run_until_complete(90);
        runs.assert_complete();
    }
}

/// Duplicates records so that each page starts with a copy of the last record of the page before.
fn duplicated_at_page_edges(mut entries: Vec<Entry>, page_size: usize) -> Vec<Entry> {
    entries.sort_by_key(|entry| -entry.time);
    let mut list = Vec::new();
    for entry in entries {
        if list.len() % page_size == page_size - 1 {
            list.push(entry.clone());
        }
        list.push(entry);
    }
    list
}

#[test]
fn identical_records_of_two_runs_are_both_written() {
    for (since, until) in [(0, i64::MAX), (at("2023-11-08T00:00:00Z"), at("2023-11-12T00:00:00Z"))] {
        let is_live = until == i64::MAX;
        let task = if is_live { live("2023-11-10") } else { backfill("2023-11-08", "2023-11-11") };
        for budget in 2..6 {
            let records = days(6, 90).into_iter().filter(|entry| (since..until).contains(&entry.time));
            let records = duplicated_at_page_edges(records.collect(), 30);
            let mut runs =
                Collection::new(task, 30, Budget::Requests(budget), 5 * MINUTE).with(records.clone());
            runs.run_until_complete(90);
            if is_live {
                // The days that were still open are read for the last time.
                runs.zoom.set_clock(at(NOW) + 4 * DAY);
                runs.run_until_complete(180);
            }
            let there = written(runs.root());
            let first = if is_live { at("2023-11-10T00:00:00Z") } else { since };
            let lost: Vec<_> = runs
                .zoom
                .lock()
                .log_store
                .expected(first, i64::MAX)
                .into_iter()
                .filter(|(line, count)| there.get(line) != Some(count))
                .collect();
            assert!(lost.is_empty(), "live {is_live}, {budget} requests a run: {lost:?}");
        }
    }
}

/// Returns a collection with a day of 20 pages among days of 2 pages.
fn long_day(change: impl FnOnce(&mut Behavior)) -> Collection {
    let long = log_store::spread(77_000, 600, at("2023-11-08T00:00:00Z")..at("2023-11-09T00:00:00Z"));
    Collection::new(backfill("2023-11-01", "2023-11-11"), 30, Budget::Requests(8), HOUR)
        .with(days(13, 60).into_iter().filter(|entry| entry.time < at("2023-11-12T00:00:00Z")))
        .with(long)
        .of(change)
}

#[test]
fn long_day_without_minute_windows_is_last_and_logged() {
    let refuses = |behavior: &mut Behavior| behavior.minutes = false;
    let ignores = |behavior: &mut Behavior| behavior.ignores_minutes = true;
    for change in [refuses, ignores] {
        let mut runs = long_day(change);
        let mut report = Report::default();
        for _ in 0..25 {
            report = runs.run();
        }
        let there = written(runs.root());
        let others = runs
            .zoom
            .lock()
            .log_store
            .expected(0, i64::MAX)
            .into_keys()
            .filter(|line| !String::from_utf8_lossy(line).contains("2023-11-08T"));
        assert_eq!(others.filter(|line| !there.contains_key(line)).count(), 0, "all other days are complete");
        let notes = report.notes.join("\n");
        for part in ["2023-11-08", "--max-requests", "--deadline", "time of day"] {
            assert!(report.stopped.is_some() && notes.contains(part), "{part}: {report:?}");
        }
        runs.budget = Budget::Requests(30);
        runs.run_until_complete(40);
        runs.assert_complete();
    }
}

#[test]
fn long_day_without_minute_windows_completes_by_token() {
    let mut runs = long_day(|behavior| behavior.ignores_minutes = true);
    runs.every = 5 * MINUTE;
    runs.run_until_complete(20);
    runs.assert_complete();
}

#[test]
fn narrow_windows_lose_nothing_in_any_zone() {
    for (zone, inclusive, minutes) in [
        (9, true, true),
        (-8, true, true),
        (14, false, true),
        (-12, false, true),
        (5, false, false),
        (9, true, false),
    ] {
        let records = days(7, 90).into_iter().filter(|entry| entry.time < at("2023-11-12T00:00:00Z"));
        let mut runs = Collection::new(backfill("2023-11-08", "2023-11-11"), 30, Budget::Requests(9), HOUR)
            .with(records.filter(|entry| entry.time >= at("2023-11-08T00:00:00Z")))
            .of(|behavior| {
                (behavior.zone, behavior.inclusive, behavior.minutes) = (zone * HOUR, inclusive, minutes);
            });
        runs.run_until_complete(40);
        runs.assert_complete();
    }
}

fn budgets() -> impl Strategy<Value = Budget> {
    prop_oneof![
        6 => (2_u64..14).prop_map(Budget::Requests),
        1 => (400_u64..900).prop_map(Budget::Deadline),
        2 => (6_u64..20).prop_map(Budget::Daily),
    ]
}

/// Generates offsets of up to a few days before now, in units of 40 seconds.
fn times() -> impl Strategy<Value = Vec<i64>> {
    let within = (1_i64..12, 100_usize..900);
    within.prop_flat_map(|(days, count)| prop::collection::vec(1..days * DAY / 40, count / 2..=count))
}

/// The limit of requests per page at Zoom. Each page is read once. Read again are the pages of days that can be
/// finalized meanwhile, those in the margin of the first window, and those around identical records on two pages.
const REQUESTS_PER_PAGE: u64 = 3;
/// The limit of additional requests per run: for the newest records, the page at which the scan continues, and a
/// rejected window.
const REQUESTS_PER_RUN: u64 = 3;

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_backlog_completes_with_each_record_once(
        budget in budgets(),
        ago in times(),
        twins in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        page_size in 20_u16..60,
        page_life in 30_i64..2000,
        every in prop_oneof![Just(5 * MINUTE), Just(15 * MINUTE), Just(HOUR)],
        tick in 0_i64..3,
        (is_live, inclusive) in any::<(bool, bool)>(),
        arriving in prop::collection::vec(1_i64..600, 0..20),
    ) {
        let now = at(NOW);
        let task = if is_live { live("2023-11-02") } else { backfill("2023-10-30", "2023-11-11") };
        let base = if is_live { now } else { at("2023-11-12T00:00:00Z") };
        let record = |ago: &i64| log_store::record(ago.unsigned_abs(), base - ago * 40);
        let mut entries: Vec<_> = ago.iter().collect::<BTreeSet<_>>().into_iter().map(record).collect();
        let more: Vec<_> = twins.iter().map(|duplicate| entries[duplicate.index(entries.len())].clone()).collect();
        entries.extend(more);
        if is_live {
            let times: BTreeSet<_> = arriving.iter().collect();
            entries.extend(times.into_iter().map(|after| log_store::record(50_000 + after.unsigned_abs(), now + after * 60)));
        }
        let pages = (entries.len() as u64).div_ceil(u64::from(page_size));
        let mut runs = Collection::new(task, page_size, budget, every).with(entries).of(|behavior| {
            (behavior.page_life, behavior.tick, behavior.inclusive) = (page_life, tick, inclusive);
        });
        let most = 4 * pages + 30;
        runs.run_until_complete(most);
        let (requests, count) = (runs.requests(), runs.runs);
        println!("{budget:?} every {every} live {is_live}: {pages} pages, {count} runs, {requests} requests");
        prop_assert!(
            requests <= REQUESTS_PER_PAGE * pages + REQUESTS_PER_RUN * count + 20,
            "{requests} requests in {count} runs for {pages} pages"
        );
        // The next runs collect records that arrived meanwhile, and identical records that lay on both sides of a page
        // border in a run that was cut short: at the latest when their day is finalized.
        for hours in [11, 24, 48] {
            runs.zoom.set_clock(runs.zoom.now().max(now + hours * HOUR));
            runs.runs = 0;
            runs.run_until_complete(most);
        }
        let there = runs.zoom.lock().log_store.expected(0, i64::MAX);
        prop_assert_eq!(written(runs.root()), there);
    }
}
