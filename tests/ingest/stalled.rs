//! Stops runs (SIGSTOP) between two storage requests and resumes them after another run has taken over and finished.

use std::collections::BTreeMap;
use std::process::Output;
use testkit::files::{gunzip, gzip};
use testkit::gcs::Gcs;
use testkit::ingest::{FAST_RETRIES, ingest, outcome, program, records, start};
use testkit::stall::{cases, seed, stall};

const OBJECTS: u64 = 4;
const PLACES: [&str; 9] = [
    "gs://zoom/logs/",
    "--to",
    "gs://udm/out/",
    "--rejects",
    "gs://udm/rejects/",
    "--concurrency",
    "2",
    "--delete",
    "transferred-and-empty-dirs",
];

fn text(number: u64) -> String {
    let refused = if number.is_multiple_of(2) { "no record\n" } else { "" };
    format!("{}{refused}", records(3, number))
}

fn world() -> Gcs {
    let server = Gcs::start();
    server.seed("zoom", "logs/deep/", "");
    for number in 0..OBJECTS {
        server.seed("zoom", &format!("logs/deep/{number}.json.gz"), gzip(text(number)));
    }
    server
}

/// Runs with a clock that is an hour ahead, so that the leases of other runs have expired.
fn run_with_clock_ahead(server: &Gcs) -> Output {
    let arguments = [&["ingest"], &FAST_RETRIES[..], &PLACES].concat();
    program(Some(server), &arguments).env("ZOOM_UDM_NOW", "2023-11-16T01:00:00Z").output().unwrap()
}

/// Returns the lines of all outputs and rejects, each with its count.
fn descriptions(server: &Gcs) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for bytes in server.all("udm", "out/").values().chain(server.all("udm", "rejects/").values()) {
        for line in gunzip(bytes).lines() {
            *all.entry(line.to_owned()).or_default() += 1;
        }
    }
    all
}

fn ledger(server: &Gcs) -> (Option<i32>, String) {
    let show = program(Some(server), &["ledger", "show", "gs://udm/out.ledger/"]).output().unwrap();
    (show.status.code(), String::from_utf8_lossy(&show.stdout).into_owned())
}

/// Returns the requests to stop at: every request if there are enough cases, otherwise evenly spread ones.
fn stop_points(requests: u64, cases: u64) -> impl Iterator<Item = u64> {
    let offset = seed() % requests.max(1);
    let step = (requests / cases.max(1)).max(1);
    (0..cases).map(move |case| 1 + (offset + case * step) % requests.max(1))
}

#[test]
fn stalled_run_loses_or_repeats_no_record() {
    let whole = world();
    assert_eq!(outcome(&ingest(Some(&whole), &PLACES)).0, 1);
    let (expected, requests) = (descriptions(&whole), whole.lock().requests);
    assert_eq!(expected.len() as u64, OBJECTS * 3 + OBJECTS / 2);
    let mut stalled = 0;
    for nth in stop_points(requests, cases(20)) {
        let server = world();
        let Ok(run) = stall(&server, nth, || start(Some(&server), &PLACES)) else { continue };
        stalled += 1;
        let (code, summary) = outcome(&run_with_clock_ahead(&server));
        assert!(matches!(code, 0 | 1), "request {nth}, takes over: {code} {summary}");
        let (code, summary) = outcome(&run.resume());
        assert!(matches!(code, 0 | 1 | 5), "request {nth}, resumed: {code} {summary}");
        let (code, summary) = outcome(&run_with_clock_ahead(&server));
        assert!(code == 0 && summary["done"] == 0, "request {nth}, last: {code} {summary}");
        assert_eq!(descriptions(&server), expected, "request {nth}");
        assert!(server.all("zoom", "").is_empty(), "request {nth}: {:?}", server.all("zoom", ""));
        let (code, show) = ledger(&server);
        let done = show.lines().filter(|line| line.starts_with("done")).count() as u64;
        assert_eq!((code, done), (Some(0), OBJECTS), "request {nth}: {show}");
    }
    assert!(stalled > 0);
    println!("{stalled} runs stalled at {requests} requests");
}

#[test]
fn stalled_run_deletes_no_newer_generation() {
    let requests = {
        let whole = world();
        ingest(Some(&whole), &PLACES);
        whole.lock().requests
    };
    for nth in stop_points(requests, cases(12)) {
        let server = world();
        let Ok(run) = stall(&server, nth, || start(Some(&server), &PLACES)) else { continue };
        // Each object has a newer generation, which no run reads until the stalled run has ended.
        for number in 0..OBJECTS {
            server.seed("zoom", &format!("logs/deep/{number}.json.gz"), gzip(records(2, 50 + number)));
        }
        let (code, summary) = outcome(&run.resume());
        assert!(matches!(code, 0 | 1 | 5), "request {nth}, resumed: {code} {summary}");
        outcome(&run_with_clock_ahead(&server));
        let newer: Vec<_> = server.all("udm", "out/").values().map(|bytes| gunzip(bytes)).collect();
        for number in 0..OBJECTS {
            let operator = format!("admin{}@duff.io", 50 + number);
            let found = newer.iter().filter(|events| events.contains(&operator)).count();
            assert_eq!(found, 1, "request {nth}: {operator}");
        }
        assert!(server.all("zoom", "").is_empty(), "request {nth}");
    }
}
