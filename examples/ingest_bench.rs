//! Benchmarks of `ingest` against a fake Cloud Storage on loopback:
//! `cargo build --locked --release && cargo run --locked --release --example ingest_bench [throughput] [requests]
//! [ledger]`.

#![allow(clippy::panic, clippy::manual_is_multiple_of, reason = "a bench that cannot go on ends")]

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testdata::Kind;
use testkit::gcs::Gcs;
use zoom_udm::ingest::ledger::{Entry, Feed, Ledger, LedgerOptions, State};
use zoom_udm::ingest::{Clock, Shard};
use zoom_udm::store::{Body, Store, StoreConfig};

/// About a day after the fake's objects are created.
const NOW: &str = "2023-11-16T00:00:00Z";

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if wants("throughput") {
        throughput();
    }
    if wants("requests") {
        requests();
    }
    if wants("ledger") {
        ledger();
    }
}

fn binary() -> PathBuf {
    std::env::current_exe().unwrap_or_default().ancestors().nth(2).unwrap_or(Path::new(".")).join("zoom-udm")
}

fn packed(records: u64, seed: u64) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let _ = testdata::write(Kind::Realistic, records, seed, &mut encoder);
    encoder.finish().unwrap_or_default()
}

/// The cost of a run.
struct Cost {
    wall: Duration,
    /// CPU time of the program, without the fake.
    cpu: Duration,
    /// Peak memory in MB.
    memory: u64,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2?} ({:.2?} CPU, {} MB at most)", self.wall, self.cpu, self.memory)
    }
}

/// Returns the user and system time of a process, assuming 100 ticks per second.
fn cpu_of(pid: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks: Vec<u64> = text
        .rsplit_once(") ")?
        .1
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    Some(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}

/// Runs the program to its end.
fn run(server: &Gcs, arguments: &[&str]) -> Cost {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env("STORAGE_EMULATOR_HOST", server.host())
        .env("ZOOM_UDM_NOW", NOW)
        .stdout(Stdio::null());
    let started = Instant::now();
    let Ok(mut child) = command.spawn() else { panic!("cargo build --locked --release first") };
    let status = format!("/proc/{}/status", child.id());
    let (mut peak, mut cpu) = (0, Duration::ZERO);
    let ended = loop {
        // Reads the CPU time before waiting, because it is gone afterwards.
        cpu = cpu_of(child.id()).unwrap_or_default().max(cpu);
        if let Ok(Some(ended)) = child.try_wait() {
            break ended;
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success(), "{arguments:?}: {ended}");
    Cost { wall: started.elapsed(), cpu, memory: peak / 1024 }
}

fn shell(script: &str) -> Duration {
    let started = Instant::now();
    let ended = Command::new("sh").args(["-c", script]).status();
    assert!(ended.is_ok_and(|ended| ended.success()), "{script}");
    started.elapsed()
}

/// Compares `ingest` of 200 objects (2 MB each) with `gunzip | normalize` of the same bytes. Writing to a bucket also
/// compresses the events, which the pipe does not.
fn throughput() {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let server = Gcs::start();
    let mut stored = 0;
    let kinds: Vec<_> = (0..10).map(|seed| bytes::Bytes::from(packed(85_000, seed))).collect();
    for number in 0..200 {
        let bytes = kinds[number % kinds.len()].clone();
        stored += bytes.len();
        std::fs::write(directory.path().join(format!("{number:03}.json.gz")), &bytes).expect("writable");
        server.seed("zoom", &format!("logs/{number:03}.json.gz"), bytes);
    }
    println!("throughput: 200 objects, {} MB of gzip in all", stored / 1_000_000);
    let (source, normalize) = (directory.path().display(), binary().display().to_string());
    for round in 0..3 {
        let plain = shell(&format!(
            "cat {source}/*.json.gz | gunzip | {normalize} normalize --summary none > /dev/null"
        ));
        let stream =
            run(&server, &["ingest", "gs://zoom/logs/", "--to", "-", "--no-ledger", "--summary", "none"]);
        let to = format!("gs://out/{round}/");
        let place = run(&server, &["ingest", "gs://zoom/logs/", "--to", &to, "--summary", "none"]);
        let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
        println!(
            "  gunzip|normalize {plain:.2?}, ingest --to - {stream}: {:.2} times; ingest --to gs:// {place}: {:.2} times",
            ratio(stream.wall, plain),
            ratio(place.wall, plain)
        );
        server.lock().objects.retain(|(bucket, _), _| bucket == "zoom");
    }
}

/// Measures requests per second over 20,000 objects of 2 KB with a latency of 10 ms, compared with a loop that only
/// downloads. With one request at a time, 1,000 objects are enough.
fn requests() {
    let server = Gcs::start();
    for number in 0..20_000_u64 {
        server.seed(
            "zoom",
            &format!("logs/{:02}/{number:05}.json.gz", number / 1000),
            packed(30, number % 50),
        );
    }
    for (latency, concurrency) in [(0, 64), (10, 64), (10, 16), (10, 1)] {
        let (source, count) =
            if concurrency > 1 { ("gs://zoom/logs/", 20_000) } else { ("gs://zoom/logs/00/", 1000) };
        server.lock().faults.latency = (latency > 0).then(|| Duration::from_millis(latency));
        let bare = bare(&server, source, count, concurrency);
        let at_once = concurrency.to_string();
        let fetch =
            ["ingest", source, "--to", "-", "--no-ledger", "--summary", "none", "--concurrency", &at_once];
        let stream = run(&server, &fetch);
        let place = ["ingest", source, "--to", "gs://out/x/", "--summary", "none", "--concurrency", &at_once];
        let before = server.lock().requests;
        let both = run(&server, &place);
        let requests = server.lock().requests - before;
        server.lock().objects.retain(|(bucket, _), _| bucket == "zoom");
        let rate = |count: u64, time: Duration| {
            format!("{:.0}/s", f64::from(u32::try_from(count).unwrap_or(0)) / time.as_secs_f64())
        };
        println!(
            "requests: {latency} ms, {concurrency} at once: bare loop {} in {bare:.2?}; ingest --to - {} objects in {stream}; \
             ingest --to gs:// {} objects, {} requests in {both}",
            rate(count, bare),
            rate(count, stream.wall),
            rate(count, both.wall),
            rate(requests, both.wall)
        );
    }
}

fn settings(server: &Gcs) -> StoreConfig {
    StoreConfig { emulator: Some(server.host()), ..StoreConfig::default() }
}

/// Downloads all objects with the same client and discards them.
fn bare(server: &Gcs, source: &str, objects: u64, concurrency: usize) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio starts");
    runtime.block_on(async {
        let store =
            Store::open(&source.parse().expect("valid URL"), &settings(server)).await.expect("store opens");
        let started = Instant::now();
        let fetched = store.list().map(|listed| {
            let store = store.clone();
            tokio::spawn(async move {
                let Body::Stream(stream) = store.get(&listed?.name).await?.body else { return Ok(0) };
                Ok::<_, zoom_udm::store::Error>(stream.count().await)
            })
        });
        let count = fetched.buffer_unordered(concurrency).count().await;
        assert_eq!(count as u64, objects);
        started.elapsed()
    })
}

/// Measures runs over a million objects, of which 999,000 are already in the ledger.
fn ledger() {
    let server = Gcs::start();
    let bytes = bytes::Bytes::from(packed(10, 1));
    for number in 0..1_000_000_u64 {
        let name = format!(
            "operationlogs/2023/{:03}/{:02}/zoom-operation-logs-{number:07}.json.gz",
            number % 365,
            number % 24
        );
        server.lock().put("zoom", &name, bytes.clone(), None);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio starts");
    let started = Instant::now();
    runtime.block_on(fill(&server));
    println!("ledger: listing 1,000,000 objects and writing 999,000 entries took {:.2?}", started.elapsed());
    let kept: usize = server.all("out.ledger", "").values().map(bytes::Bytes::len).sum();
    let ledger =
        ["ingest", "gs://zoom/", "--to", "gs://out/e/", "--ledger", "gs://ledger/l/", "--summary", "none"];
    let size: usize = server.all("ledger", "l/").values().map(bytes::Bytes::len).sum();
    println!("ledger: {} MB stored", (kept + size) / 1_000_000);
    for _ in 0..3 {
        println!("ledger: the stand-in alone, pages thrown away: {:.2?}", runtime.block_on(pages(&server)));
        println!("ledger: a loop that only lists: {:.2?}", runtime.block_on(names(&server)));
        println!("ledger: dry run: {}", run(&server, &[&ledger[..], &["--dry-run"]].concat()));
    }
    println!("ledger: ingest of the 1,000 that are new: {}", run(&server, &ledger));
    for _ in 0..3 {
        println!("ledger: ingest with nothing new: {}", run(&server, &ledger));
        touch(&server);
        println!("ledger: ingest of 1,000 new ones: {}", run(&server, &ledger));
    }
}

/// Overwrites a thousand objects, which gives them a new generation.
fn touch(server: &Gcs) {
    let mut state = server.lock();
    let names: Vec<_> =
        state.objects.keys().filter(|(bucket, _)| bucket == "zoom").step_by(1000).cloned().collect();
    for (bucket, name) in names {
        let bytes = state.objects[&(bucket.clone(), name.clone())].bytes.clone();
        state.put(&bucket, &name, bytes, None);
    }
}

/// Requests every page of the listing, and parses only the continuation token.
async fn pages(server: &Gcs) -> Duration {
    let client = reqwest::Client::new();
    let (started, mut token) = (Instant::now(), String::new());
    loop {
        let url = format!("http://{}/zoom?list-type=2&continuation-token={token}", server.host());
        let answer = client.get(url).send().await.expect("the request succeeds");
        let page = answer.bytes().await.expect("the page is complete");
        let end = String::from_utf8_lossy(&page[page.len().saturating_sub(400)..]).into_owned();
        let Some((_, rest)) = end.split_once("<NextContinuationToken>") else { return started.elapsed() };
        rest.split('<').next().unwrap_or_default().clone_into(&mut token);
    }
}

/// Lists all objects as `ingest` does, and discards the list.
async fn names(server: &Gcs) -> Duration {
    let started = Instant::now();
    let from =
        Store::open(&"gs://zoom/".parse().expect("valid URL"), &settings(server)).await.expect("store opens");
    assert_eq!(from.list().count().await, 1_000_000);
    started.elapsed()
}

async fn fill(server: &Gcs) {
    let from =
        Store::open(&"gs://zoom/".parse().expect("valid URL"), &settings(server)).await.expect("store opens");
    let store = Store::open(&"gs://ledger/l/".parse().expect("the URL is valid"), &settings(server))
        .await
        .expect("the store opens");
    let tenancy = LedgerOptions {
        is_local: false,
        objects: None,
        shard: Shard::default(),
        lease: Duration::from_secs(600),
        oldest: 0,
        feed: Feed { from: "gs://zoom/".into(), to: "gs://out/e/".into(), rejects: None },
        read_only: false,
    };
    let ledger = Ledger::open(store, Clock::system(), &tenancy).await.expect("the ledger opens");
    let mut listing = from.list();
    let mut number = 0_u32;
    while let Some(listed) = listing.next().await {
        let listed = listed.expect("the listing succeeds");
        number += 1;
        if number % 1000 == 0 {
            continue;
        }
        ledger.record(Entry {
            object: from.location().url(&listed.name),
            tag: listed.tag,
            generation: "1700000000000000".into(),
            size: listed.size,
            modified: listed.modified,
            state: State::Done,
            rules: Entry::RULES,
            at: 1_700_000_000_000,
            events: 10,
            rejects: 0,
            output: format!("{}-1700000000000000.ndjson.gz", listed.name.trim_end_matches(".json.gz")),
            attempts: 0,
            reason: String::new(),
            permanent: false,
            retry_at: 0,
            content: None,
            parts: Vec::new(),
        });
    }
    ledger.close().await.expect("the ledger can be written");
    let _ = std::io::stdout().flush();
}
