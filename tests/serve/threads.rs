//! Tests that a service keeps its threads bounded.

use std::fs;
use testkit::collect::World;
use testkit::ingest::records;
use testkit::serve::Server;

/// Returns the number of rounds: `SERVE_ROUNDS`, or 6.
fn rounds() -> u64 {
    std::env::var("SERVE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

fn threads(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().count()
}

/// Returns the maximum number of threads: the main thread, one for signals, one per core for the runtime, and those for
/// blocking work, which are two per core for conversions, ten others, sixteen for normalizations, two for explanations
/// and one for `collect`.
fn most_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    2 + cores + cores + cores.max(2) + 10 + 16 + 2 + 1
}

#[test]
fn service_keeps_threads_bounded() {
    let world = World::new("2024-02-01T00:00:00Z").with("INGEST_TO", "gs://udm/out/");
    let server = Server::start(world.program(&["serve", "--collect", "--ingest", "--normalize"]));
    let body = records(100, 1);
    let mut most = 0;
    for round in 0..rounds() {
        std::thread::scope(|scope| {
            for path in ["/collect", "/ingest"] {
                scope.spawn(|| server.post(path, &[], b"run"));
            }
            for number in 0..40 {
                let (path, body) = (if number % 4 == 0 { "/explain" } else { "/normalize" }, &body);
                let server = &server;
                scope.spawn(move || server.post(path, &[], body.as_bytes()));
            }
            for _ in 0..20 {
                most = most.max(threads(&server));
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        assert!(most <= most_threads(), "round {round}: {most} threads, more than {}", most_threads());
    }
    println!("{most} threads at most");
    assert!(server.get("/healthz").status == 200);
}
