//! Tests how often each record is written while new records arrive between pages, compared with Zoom after every run.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::zoom::faults::{Act, RequestFilter, Rule, When};
use testkit::zoom::log_store::Entry;
use testkit::zoom::{ACCOUNT, CLIENT, Paging, SECRET, Zoom, at, iso};
use zoom_udm::collect::{
    Account, Cancellation, LogKind, Mode, NoopObserver, Options, Report, RetryPolicy, Secret, StateLocation,
    ZoomConfig, run,
};
use zoom_udm::ingest::Clock;
use zoom_udm::store::{Location, StoreConfig};

const NOW: &str = "2023-11-14T10:00:00Z";

pub(crate) fn options(zoom: &Zoom, root: &Path, page_size: u16) -> Options {
    let place = |name: &str| Location::File(root.join(name));
    Options {
        logs: LogKind::Operation,
        to: place("out"),
        name_prefix: String::new(),
        state: StateLocation {
            location: place("state"),
            name: "state.json".into(),
            legacy: None,
            other: None,
        },
        zoom: ZoomConfig {
            account: Account {
                account_id: ACCOUNT.into(),
                client_id: CLIENT.into(),
                secret: Secret::new(SECRET),
                api_base: Some(zoom.base().parse().unwrap()),
                token_url: zoom.token_url().parse().unwrap(),
            },
            retry: RetryPolicy {
                retries: 3,
                first_pause: Duration::from_millis(1),
                max_requests: None,
                max_rate: None,
            },
            page_size,
            timeout: Duration::from_secs(10),
        },
        mode: Mode::Live { since: "2023-11-10".parse().unwrap() },
        look_back: 2,
        cancellation: Cancellation::default(),
        dry_run: false,
        full: false,
        new_state: false,
        lease: Duration::from_secs(300),
        retry: StoreConfig::default(),
        clock: Clock::at(DateTime::<Utc>::from_timestamp(zoom.now(), 0).unwrap()),
    }
}

pub(crate) fn collect(options: Options) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (report, outcome) = runtime.block_on(run(options, Arc::new(NoopObserver)));
    outcome.unwrap();
    report.unwrap()
}

/// Returns the lines of all objects, each with its count.
pub(crate) fn written(root: &Path) -> HashMap<bytes::Bytes, u64> {
    let mut counts = HashMap::new();
    let files = walkdir::WalkDir::new(root.join("out")).into_iter().flatten();
    for file in files.filter(|file| file.path().extension().is_some_and(|end| end == "gz")) {
        let bytes = std::fs::read(file.path()).unwrap();
        let mut text = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            *counts.entry(bytes::Bytes::copy_from_slice(line)).or_default() += 1;
        }
    }
    counts
}

/// Returns a record. With few kinds and few times, many records are identical.
fn entry(kind: u8, time: i64) -> Entry {
    let when = iso(time);
    Entry::new(time, format!("{{\"time\":\"{when}\",\"action\":\"{kind}\"}}"))
}

fn entries() -> impl Strategy<Value = Vec<(u8, i64)>> {
    // Seconds before now: some within a second of each other, some days ago.
    let ago =
        prop_oneof![4 => 0_i64..4, 2 => 100_i64..104, 1 => 86_400_i64..86_403, 1 => 200_000_i64..200_002];
    prop::collection::vec((0_u8..3, ago), 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_record_is_written_as_often_as_zoom_has_it(
        first in entries(),
        arriving in prop::collection::vec((1_u64..12, entries()), 0..4),
        page_size in 1_u16..6,
        (inclusive, newest_first, anchored, shuffled) in any::<(bool, bool, bool, bool)>(),
        zone in -12_i64..=14,
    ) {
        let zoom = Zoom::start(NOW);
        let now = at(NOW);
        let book = |list: &[(u8, i64)]| list.iter().map(|(kind, ago)| entry(*kind, now - ago)).collect::<Vec<_>>();
        {
            let mut state = zoom.lock();
            state.behavior.inclusive = inclusive;
            state.behavior.newest_first = newest_first;
            state.behavior.zone = zone * 3600;
            state.behavior.shuffles_ties = shuffled;
            state.behavior.paging = if anchored { Paging::Anchor } else { Paging::Offset };
            for (nth, list) in &arriving {
                let visible = book(list).into_iter().map(|entry| Entry { visible_at: now, ..entry }).collect();
                state.rules.push(Rule::new(RequestFilter::pages(), When::Nth(*nth), Act::Insert(visible)));
            }
        }
        zoom.add(book(&first));
        let root = tempfile::tempdir().unwrap();
        for poll in 0..4 {
            zoom.set_clock(now + poll * 900);
            collect(options(&zoom, root.path(), page_size));
            let there = zoom.lock().log_store.expected(0, i64::MAX);
            for (line, count) in written(root.path()) {
                let most = there.get(&line).copied().unwrap_or(0);
                prop_assert!(count <= most, "{count} of {most}: {line:?} after poll {poll}");
            }
        }
        // No more records arrive, and a run that reads everything again must complete the collection.
        zoom.lock().rules.clear();
        zoom.set_clock(now + 7200);
        collect(Options { full: true, ..options(&zoom, root.path(), page_size) });
        let there = zoom.lock().log_store.expected(0, i64::MAX);
        prop_assert_eq!(written(root.path()), there);
    }
}

#[test]
fn three_identical_records_on_three_pages_are_written() {
    let zoom = Zoom::start(NOW);
    zoom.add((0..3).map(|_| entry(1, at(NOW) - 60)));
    let root = tempfile::tempdir().unwrap();
    let report = collect(options(&zoom, root.path(), 1));
    assert_eq!((report.records_written, report.ambiguous_records), (3, 0));
    assert_eq!(collect(options(&zoom, root.path(), 2)).records_written, 0);
}

/// Returns records in groups of `tie` with equal times, some of them identical. The fake orders ties by offset.
fn zoom_with_ties(count: u64, tie: u64) -> Zoom {
    let zoom = Zoom::start(NOW);
    zoom.behavior(|behavior| behavior.shuffles_ties = true);
    let (now, apart) = (at(NOW), 3 * 86_400 / (count / tie).cast_signed());
    zoom.add((0..count).map(|number| {
        let seconds = now - 60 - (number / tie).cast_signed() * apart;
        let same = if number % 7 == 1 { number - 1 } else { number };
        Entry::new(seconds, format!("{{\"time\":\"{}\",\"action\":\"{same}\"}}", iso(seconds)))
    }));
    zoom
}

/// Collects until everything is written. Panics if a record is written too often.
fn assert_collects_exactly(zoom: &Zoom, page_size: u16, runs: i64) {
    let root = tempfile::tempdir().unwrap();
    let there = zoom.lock().log_store.expected(0, i64::MAX);
    for run in 0..runs {
        zoom.set_clock(at(NOW) + run * 900);
        collect(Options { full: run > 0, ..options(zoom, root.path(), page_size) });
        let written = written(root.path());
        for (line, count) in &written {
            assert!(*count <= there.get(line).copied().unwrap_or(0), "{count} times {line:?} in run {run}");
        }
        if written == there {
            return;
        }
    }
    assert_eq!(written(root.path()), there, "after {runs} runs");
}

#[test]
fn ties_reordered_per_offset_are_counted_exactly() {
    for (tie, page_size) in [(2, 300), (2, 20), (40, 300), (40, 30), (7, 11), (140, 300)] {
        assert_collects_exactly(&zoom_with_ties(2100, tie), page_size, 2);
    }
}

#[test]
fn ties_longer_than_a_page_are_not_duplicated() {
    for (tie, page_size) in [(700, 300), (250, 300)] {
        assert_collects_exactly(&zoom_with_ties(2100, tie), page_size, 12);
    }
}

/// Both copies of a record are rarely on the same page of such a long tie, so a few readings are not enough.
#[test]
fn identical_records_of_a_long_tie_are_all_found() {
    for seed in [1, 3, 7] {
        // The page sizes for such a tie are random. With these seeds, four readings per run missed a copy.
        fastrand::seed(seed);
        assert_collects_exactly(&zoom_with_ties(2100, 700), 300, 8);
    }
}

#[test]
fn identical_records_beyond_one_page_are_written() {
    let zoom = Zoom::start(NOW);
    zoom.add((0..700).map(|_| entry(1, at(NOW) - 60)));
    let root = tempfile::tempdir().unwrap();
    assert_eq!(collect(options(&zoom, root.path(), 300)).records_written, 700);
    assert_eq!(written(root.path()), zoom.lock().log_store.expected(0, i64::MAX));
}

#[test]
fn backfill_and_live_run_share_days_in_any_order() {
    let day = |date: &str| date.parse::<zoom_udm::collect::Date>().unwrap();
    let backfill = |from: &str, until: &str| Mode::Backfill { from: day(from), until: day(until) };
    let live = Mode::Live { since: day("2023-11-02") };
    let early = backfill("2023-10-30", "2023-11-05");
    let overlapping = backfill("2023-10-25", "2023-11-13");
    for tasks in [[early, live, overlapping], [live, early, overlapping], [early, overlapping, live]] {
        let zoom = Zoom::start(NOW);
        let (first, now) = (day("2023-10-25").start() / 1000, at(NOW));
        zoom.add(
            (first..now).step_by(1800).flat_map(|time| [entry(1, time), entry(1, time), entry(2, time)]),
        );
        // A record without a time appears in the windows of its day and of the adjacent days.
        zoom.add([Entry::new(day("2023-11-02").start() / 1000, "{\"action\":\"undated\"}")]);
        let root = tempfile::tempdir().unwrap();
        for task in tasks.into_iter().chain(tasks) {
            collect(Options { mode: task, ..options(&zoom, root.path(), 300) });
        }
        assert_eq!(written(root.path()), zoom.lock().log_store.expected(0, i64::MAX), "{tasks:?}");
    }
}

#[test]
fn small_budgets_eventually_collect_everything() {
    let zoom = Zoom::start(NOW);
    zoom.add((0..3000_u16).map(|number| entry((number % 3) as u8, at(NOW) - i64::from(number) * 60)));
    let root = tempfile::tempdir().unwrap();
    let mut stopped = 0;
    for _ in 0..60 {
        let mut options = options(&zoom, root.path(), 50);
        options.zoom.retry.max_requests = Some(12);
        let report = collect(options);
        assert!(report.requests <= 12);
        stopped += u64::from(report.stopped.is_some());
        if report.stopped.is_none() {
            break;
        }
    }
    assert!((1..40).contains(&stopped), "{stopped}");
    assert_eq!(written(root.path()), zoom.lock().log_store.expected(0, i64::MAX));
}
