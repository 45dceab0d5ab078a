//! Tests that a run with `--follow` keeps its threads and memory bounded.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::files::gzip;
use testkit::gcs::Gcs;
use testkit::ingest::{records, start};

/// Returns the number of rounds: `INGEST_ROUNDS`, or 25.
fn rounds() -> u64 {
    std::env::var("INGEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(25)
}

/// Returns a number from `/proc/PID/status`.
fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

/// Returns the maximum number of threads: the main thread, one for signals, one per core for the runtime, and those for
/// blocking work, which are two per core for conversions, and ten others.
fn most_threads() -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    2 + cores + cores + cores.max(2) + 10
}

/// Follows a source to which `come` adds sixty objects per round, and checks the number of threads.
fn follow(server: Option<&Gcs>, places: &[&str], come: impl Fn(u64), done: impl Fn() -> usize) {
    let flags =
        ["--follow", "--every", "50ms", "--max-age", "none", "--delete", "transferred", "--settle", "0s"];
    let mut run = start(server, &[places, &flags].concat());
    // A full pipe would block the run after about 128 summaries.
    let mut summaries = run.stderr.take().unwrap();
    std::thread::spawn(move || std::io::copy(&mut summaries, &mut std::io::sink()));
    let (mut most, mut early) = (0, 0);
    for round in 0..rounds() {
        come(round);
        let patience = Instant::now() + Duration::from_secs(30);
        while done() < 60 * (usize::try_from(round).unwrap() + 1) {
            assert!(Instant::now() < patience, "round {round}: {} done", done());
            most = most.max(status(run.id(), "Threads"));
            std::thread::sleep(Duration::from_millis(5));
        }
        if round == rounds() / 2 {
            early = status(run.id(), "VmRSS");
        }
    }
    let late = status(run.id(), "VmRSS");
    assert!(Command::new("kill").args(["-TERM", &run.id().to_string()]).status().unwrap().success());
    run.wait().unwrap();
    println!("{most} threads at most, {early} and then {late} kB");
    assert!(most <= most_threads(), "{most} threads, more than {}", most_threads());
    assert!(late < early + (16 << 10), "{early} kB after half of the rounds, {late} kB at the end");
}

fn outputs(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, |entries| {
        let part = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".zoom-udm");
        entries.flatten().filter(|entry| !part(&entry.file_name())).count()
    })
}

#[test]
fn followed_directory_keeps_threads_bounded() {
    let at = tempfile::tempdir().unwrap();
    let place = |name: &str| at.path().join(name).display().to_string();
    fs::create_dir_all(place("src")).unwrap();
    let come = |round: u64| {
        for number in 0..60 {
            let text = records(2, round * 60 + number);
            fs::write(at.path().join(format!("src/{round}-{number}.json")), text).unwrap();
        }
    };
    follow(None, &[&place("src"), "--to", &place("out")], come, || outputs(&at.path().join("out")));
}

#[test]
fn followed_bucket_keeps_threads_bounded() {
    let server = Gcs::start();
    let come = |round: u64| {
        for number in 0..60 {
            server.seed("zoom", &format!("logs/{round}-{number}.json.gz"), gzip(records(2, number)));
        }
    };
    follow(Some(&server), &["gs://zoom/logs/", "--to", "gs://udm/out/"], come, || {
        server.all("udm", "out/").len()
    });
}
