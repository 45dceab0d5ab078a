//! Delivers webhooks to `serve --webhook` at a constant rate, with a fake of Cloud Storage, and reconciles what was sent,
//! answered, counted and stored: `cargo build --locked --release && cargo run --locked --release --example webhook_load
//! [SECONDS] [PER_SECOND] [EVENT_BYTES]`. Exits with 1 if an event is missing or was stored twice.

#![allow(clippy::cast_precision_loss, clippy::panic, reason = "a bench that cannot go on ends")]

use flate2::read::GzDecoder;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use testkit::gcs::Gcs;
use testkit::process::binary;
use testkit::serve::webhooks::{Load, LoadReport, number_of};

const SECRET: &str = "secret-token-of-the-load";

fn main() -> ExitCode {
    let argument =
        |at, default| std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (seconds, per_second, size) = (argument(1, 10), argument(2, 500), argument(3, 2500));
    let gcs = Gcs::start();
    let (mut server, address) = start(&gcs);
    let load = Load {
        address,
        secret: SECRET.into(),
        now: chrono::Utc::now().timestamp(),
        per_second,
        seconds,
        connections: 1000,
        size: usize::try_from(size).unwrap_or(usize::MAX),
        repeat_every: 50,
    };
    println!("{per_second} deliveries/s of {size} bytes for {seconds} s; 2 % repeat an event");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let report = runtime.unwrap_or_else(|error| panic!("{error}")).block_on(load.run());
    let metrics = metrics(address).unwrap_or_default();
    let memory = peak(&server).unwrap_or(0) / 1024;
    let _ = server.kill();
    let _ = server.wait();
    let sound = reconcile(&report, &stored(&gcs), &metrics);
    println!("memory of the service at most {memory} MB");
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the figures; returns whether every event is stored once and every delivery is counted.
fn reconcile(report: &LoadReport, copies: &HashMap<u64, u64>, metrics: &BTreeMap<String, u64>) -> bool {
    let rate = report.answered() as f64 / report.elapsed.as_secs_f64();
    let [half, most, last] = [50, 99, 100].map(|percent| report.percentile(percent).as_millis());
    println!(
        "{rate:.0} requests/s; p50 {half} ms, p99 {most} ms, longest {last} ms; statuses {:?}",
        report.statuses
    );
    let count = |name: &str| metrics.get(name).copied().unwrap_or_default();
    let surplus: u64 = copies.values().map(|count| count - 1).sum();
    println!(
        "events: {} sent, {} stored, {} missing, {surplus} surplus, in {} objects of {} bytes",
        report.events,
        copies.len(),
        report.events.saturating_sub(copies.len() as u64),
        count("objects_written_total"),
        count("written_bytes_total")
    );
    println!(
        "deliveries: {} sent; counted {} received, {} accepted, {} duplicates",
        report.answered(),
        count("received_total"),
        count("accepted_total"),
        count("duplicates_total")
    );
    surplus == 0
        && copies.len() as u64 == report.events
        && report.statuses.keys().all(|status| *status == 200)
        && count("received_total") == report.answered()
        && count("accepted_total") == report.events
        && count("duplicates_total") == report.repeated
}

/// How often each event is stored.
fn stored(gcs: &Gcs) -> HashMap<u64, u64> {
    let mut copies = HashMap::new();
    for bytes in gcs.all("load", "").values() {
        let lines = BufReader::new(GzDecoder::new(&bytes[..])).lines().map_while(Result::ok);
        lines.for_each(|line| *copies.entry(number_of(&line)).or_default() += 1);
    }
    copies
}

fn start(gcs: &Gcs) -> (Child, SocketAddr) {
    let mut command = Command::new(binary());
    command
        .args(["serve", "--webhook", "--webhook-to", "gs://load/zoom/webhooks/"])
        .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
        .env("STORAGE_EMULATOR_HOST", gcs.host())
        .env("ZOOM_WEBHOOK_SECRET_TOKEN", SECRET);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{error}"));
    let mut lines = BufReader::new(child.stderr.take().unwrap_or_else(|| panic!("no log"))).lines();
    let address = loop {
        let line = lines.next().and_then(Result::ok).unwrap_or_else(|| panic!("the service ended"));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(address) = line["address"].as_str() {
            break address.parse().unwrap_or_else(|error| panic!("{error}"));
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

/// The metrics of webhooks, by name.
fn metrics(address: SocketAddr) -> Option<BTreeMap<String, u64>> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("zoom_udm_webhook_"));
    Some(
        lines
            .filter_map(|line| {
                Some((line.split(' ').next()?.to_owned(), line.rsplit(' ').next()?.parse().ok()?))
            })
            .collect(),
    )
}

fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    status.lines().find(|line| line.starts_with("VmHWM"))?.split_whitespace().nth(1)?.parse().ok()
}
