//! Kills runs at every request and at random times. The next run must produce the same bytes as a run that was not
//! killed.

use std::fs;
use std::time::{Duration, Instant};
use testkit::files::{gzip, read_files};
use testkit::gcs::{Faults, Gcs};
use testkit::ingest::{FAST_RETRIES, ingest, outcome, program, records, start};

const OBJECTS: u64 = 6;

fn seed(server: &Gcs) {
    for number in 0..OBJECTS {
        let refused = if number % 2 == 0 { "no record\n" } else { "" };
        server.seed(
            "zoom",
            &format!("logs/{number}.json.gz"),
            gzip(format!("{}{refused}", records(20, number))),
        );
    }
}

const BUCKET: [&str; 7] =
    ["gs://zoom/logs/", "--to", "gs://udm/out/", "--rejects", "gs://udm/rejects/", "--concurrency", "3"];

#[test]
fn run_killed_at_any_request_is_recovered() {
    let server = Gcs::start();
    seed(&server);
    let (sources, uploads) = (server.lock().objects.clone(), ["out/", "rejects/"]);
    let delete = ["--delete", "transferred"];
    let arguments = [&BUCKET[..], &delete].concat();
    assert_eq!(outcome(&ingest(Some(&server), &arguments)).0, 1);
    let expected = uploads.map(|prefix| server.all("udm", prefix));
    assert_eq!(expected.each_ref().map(std::collections::BTreeMap::len), [6, 3]);
    let requests = server.lock().requests;
    let mut kills = 0;
    for at in 1..=requests {
        for effect in [false, true] {
            {
                let mut state = server.lock();
                (state.requests, state.objects) = (0, sources.clone());
                state.faults = Faults { dies_at: Some(at), dies_after_effect: effect, ..Faults::default() };
            }
            let mut child = start(Some(&server), &arguments);
            let patience = Instant::now() + Duration::from_secs(20);
            // The number of requests varies slightly, so a run may end before.
            let ended = loop {
                let reached = server.lock().requests >= at;
                if reached || child.try_wait().unwrap().is_some() {
                    break !reached;
                }
                assert!(Instant::now() < patience, "request {at} never arrived");
                std::thread::sleep(Duration::from_micros(300));
            };
            std::thread::sleep(Duration::from_millis(2));
            child.kill().unwrap();
            child.wait().unwrap();
            kills += u32::from(!ended);
            server.lock().faults = Faults::default();
            let (code, summary) = outcome(&ingest(Some(&server), &arguments));
            assert!(matches!(code, 0 | 1) && summary["failed"] == 0, "killed at {at}: {code} {summary}");
            assert_eq!(uploads.map(|prefix| server.all("udm", prefix)), expected, "killed at request {at}");
            assert_eq!(server.all("zoom", "").len(), 0, "killed at request {at}");
            let ledger =
                program(Some(&server), &["ledger", "show", "gs://udm/out.ledger/"]).output().unwrap();
            assert_eq!(
                String::from_utf8_lossy(&ledger.stdout).lines().count() as u64,
                OBJECTS,
                "killed at request {at}"
            );
        }
    }
    assert!(kills >= 100, "{kills}");
    println!("{kills} kills at {requests} requests");
}

#[test]
fn repeated_random_kills_lose_or_repeat_no_record() {
    let at = tempfile::tempdir().unwrap();
    let source = at.path().join("src");
    fs::create_dir_all(source.join("deep/down")).unwrap();
    for number in 0..60 {
        fs::write(source.join(format!("deep/down/{number}.json.gz")), gzip(records(50 + number, number)))
            .unwrap();
    }
    let whole = |to: &str| {
        let place = |name: &str| at.path().join(format!("{to}{name}")).display().to_string();
        [
            source.display().to_string(),
            "--to".into(),
            place(""),
            "--rejects".into(),
            place(".rejects"),
            "--max-age".into(),
            "none".into(),
        ]
    };
    let began = Instant::now();
    let never = whole("never");
    assert_eq!(outcome(&ingest(None, &never.each_ref().map(String::as_str))).0, 0);
    let took = began.elapsed();
    let expected = read_files(&at.path().join("never"));
    assert_eq!(expected.len(), 60);
    let random = fastrand::Rng::with_seed(11);
    let mut random = random;
    let mut kills = 0;
    for round in 0..4 {
        let killed = whole(&format!("killed-{round}"));
        let arguments = killed.each_ref().map(String::as_str);
        for _ in 0..15 {
            let mut child = start(None, &arguments);
            std::thread::sleep(took.mul_f64(random.f64()));
            kills += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let (code, summary) = outcome(&ingest(None, &arguments));
        assert_eq!((code, &summary["failed"]), (0, &0.into()), "{summary}");
        assert_eq!(read_files(&at.path().join(format!("killed-{round}"))), expected);
    }
    // A run with nothing left to do ends before it can be killed. About 40 of 60 runs are killed, and fewer under load.
    assert!(kills >= 4, "{kills} of 60 runs were killed");
}

#[test]
fn concurrent_runs_share_the_work() {
    let server = Gcs::start();
    for number in 0..150 {
        server.seed("zoom", &format!("logs/{number}.json.gz"), gzip(records(3, number)));
    }
    server.lock().faults.latency = Some(Duration::from_millis(3));
    let mut runs = [0, 1, 2].map(|_| Some(start(Some(&server), &BUCKET)));
    let outcomes = runs.each_mut().map(|run| outcome(&run.take().unwrap().wait_with_output().unwrap()));
    let mut done = 0;
    for (code, summary) in &outcomes {
        assert!(matches!(code, 0 | 5), "{code} {summary}");
        done += summary["done"].as_u64().unwrap_or(0);
    }
    assert_eq!(done, 150, "{outcomes:?}");
    assert_eq!(server.all("udm", "out/").len(), 150);
    let log = server.lock().log.clone();
    assert_eq!(
        log.iter().filter(|line| line.starts_with("GET /zoom/")).count(),
        150,
        "no object is read twice"
    );
    assert_eq!(
        log.iter().filter(|line| line.starts_with("PUT /udm/out%2F")).count(),
        150,
        "no output is written twice"
    );
}

#[test]
fn stalled_run_is_taken_over_without_harm() {
    let server = Gcs::start();
    seed(&server);
    server.lock().faults.latency = Some(Duration::from_millis(30));
    let slow = start(Some(&server), &BUCKET);
    let patience = Instant::now() + Duration::from_secs(20);
    while !server.lock().log.iter().any(|line| line.starts_with("GET /zoom/logs"))
        && Instant::now() < patience
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    // A run whose clock is an hour ahead takes expired leases and free segments.
    let mut later = program(Some(&server), &[&["ingest"], &FAST_RETRIES[..], &BUCKET].concat());
    let later = outcome(&later.env("ZOOM_UDM_NOW", "2023-11-16T01:00:00Z").output().unwrap());
    let slow = outcome(&slow.wait_with_output().unwrap());
    assert!(matches!(later.0, 0 | 1 | 5) && matches!(slow.0, 0 | 1 | 5), "{slow:?} {later:?}");
    server.lock().faults = Faults::default();
    outcome(&ingest(Some(&server), &BUCKET));
    assert_eq!([server.all("udm", "out/").len(), server.all("udm", "rejects/").len()], [6, 3]);
}

#[test]
fn signal_ends_the_run_with_progress_saved() {
    let server = Gcs::start();
    for number in 0..200 {
        server.seed("zoom", &format!("logs/{number:03}.json.gz"), gzip(records(1, number)));
    }
    server.lock().faults.latency = Some(Duration::from_millis(20));
    let child =
        start(Some(&server), &[&BUCKET[..5], &["--concurrency", "4", "--follow", "--every", "1s"]].concat());
    let patience = Instant::now() + Duration::from_secs(20);
    while server.all("udm", "out/").len() < 20 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(2));
    }
    let ended = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let (code, summary) = outcome(&child.wait_with_output().unwrap());
    assert_eq!((code, &summary["stopped"]), (75, &true.into()), "{summary}");
    server.lock().faults = Faults::default();
    let (code, rest) = outcome(&ingest(Some(&server), &BUCKET));
    assert_eq!(code, 0);
    assert_eq!(rest["skipped"]["done"], summary["done"], "finished objects are recorded");
    assert_eq!(server.all("udm", "out/").len(), 200);
}
