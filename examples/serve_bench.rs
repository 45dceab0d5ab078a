//! Benchmarks `POST /normalize` with different numbers of clients, compared with the same parser without HTTP:
//! `cargo build --locked --release && cargo run --locked --release --example serve_bench [SECONDS]`.

#![allow(clippy::cast_precision_loss, clippy::panic, reason = "a bench that cannot go on ends")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testdata::Kind;
use zoom_udm::normalize::{self, Options};

const MEGABYTE: usize = 1_000_000;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5.0);
    let time = Duration::from_secs_f64(seconds);
    let body = body();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("bodies of {} bytes; {cores} cores, shared with the clients", body.len());
    for threads in [1, cores] {
        let rate = bare(&body, threads, time);
        println!("bare parser, {threads} threads: {rate:.0} bodies/s");
    }
    println!("| callers | requests/s | MB/s | p50 | p99 | not 200 | memory at most |");
    println!("|---|---|---|---|---|---|---|");
    for callers in [1, 8, 64] {
        let (mut server, address) = start();
        let (mut times, failed, wall) = load(&address, &body, callers, time);
        times.sort();
        let at = |percent: usize| {
            let index = times.len() * percent / 100;
            times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        let rate = times.len() as f64 / wall.as_secs_f64();
        println!(
            "| {callers} | {rate:.0} | {:.0} | {:.1?} | {:.1?} | {failed} | {} MB |",
            rate * body.len() as f64 / 1e6,
            at(50),
            at(99),
            peak(&server).unwrap_or(0) / 1024
        );
        let _ = server.kill();
        let _ = server.wait();
    }
}

/// Returns about 1 MB of realistic records, ending with a complete line.
fn body() -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = testdata::write(Kind::Realistic, 10_000, 1, &mut bytes);
    let end = bytes.iter().take(MEGABYTE).rposition(|byte| *byte == b'\n').unwrap_or(0);
    bytes.truncate(end + 1);
    bytes
}

fn bare(body: &[u8], threads: usize, time: Duration) -> f64 {
    let options = Options::default();
    let began = Instant::now();
    let all: usize = std::thread::scope(|scope| {
        let work = || {
            let mut done = 0;
            while began.elapsed() < time {
                std::hint::black_box(normalize::slice(body, &options));
                done += 1;
            }
            done
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    });
    all as f64 / began.elapsed().as_secs_f64()
}

fn binary() -> PathBuf {
    std::env::current_exe().unwrap_or_default().ancestors().nth(2).unwrap_or(Path::new(".")).join("zoom-udm")
}

fn start() -> (Child, String) {
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{error}"));
    let mut lines = BufReader::new(child.stderr.take().unwrap_or_else(|| panic!("no stderr pipe"))).lines();
    let address = loop {
        let line = lines.next().and_then(Result::ok).unwrap_or_else(|| panic!("the server exited"));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(address) = line["address"].as_str() {
            break address.to_owned();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    status.lines().find(|line| line.starts_with("VmHWM"))?.split_whitespace().nth(1)?.parse().ok()
}

/// Runs clients that each use one connection and send the next request after the last response.
fn load(address: &str, body: &[u8], callers: usize, time: Duration) -> (Vec<Duration>, usize, Duration) {
    let (over, began) = (AtomicBool::new(false), Instant::now());
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let call = || {
            let (mut times, mut failed) = (Vec::new(), 0);
            let mut caller = Caller::new(address);
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                if caller.request(body) == Some(200) {
                    times.push(began.elapsed());
                } else {
                    failed += 1;
                    caller = Caller::new(address);
                }
            }
            (times, failed)
        };
        let callers: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        callers.into_iter().filter_map(|caller| caller.join().ok()).collect()
    });
    let failed = outcomes.iter().map(|(_, failed)| failed).sum();
    (outcomes.into_iter().flat_map(|(times, _)| times).collect(), failed, began.elapsed())
}

struct Caller {
    writer: TcpStream,
    reader: BufReader<TcpStream>,
    address: String,
    sink: Vec<u8>,
}

impl Caller {
    fn new(address: &str) -> Self {
        let writer = TcpStream::connect(address).unwrap_or_else(|error| panic!("{error}"));
        let _ = writer.set_nodelay(true);
        let reader = writer.try_clone().unwrap_or_else(|error| panic!("{error}"));
        Self {
            writer,
            reader: BufReader::with_capacity(256 << 10, reader),
            address: address.into(),
            sink: Vec::new(),
        }
    }

    /// Sends a request and reads the response. Returns the status if the response is complete.
    fn request(&mut self, body: &[u8]) -> Option<u16> {
        let length = body.len();
        let head =
            format!("POST /normalize HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n", self.address);
        self.writer.write_all(head.as_bytes()).and_then(|()| self.writer.write_all(body)).ok()?;
        let status = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let mut size = 0;
        let mut chunked = false;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            chunked |= line.starts_with("transfer-encoding:");
            if let Some(length) = line.strip_prefix("content-length:") {
                size = length.trim().parse().ok()?;
            }
        }
        if !chunked {
            self.take(size)?;
            return Some(status);
        }
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).ok()?;
            self.take(size)?;
            self.line()?;
            if size == 0 {
                return Some(status);
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    }

    fn take(&mut self, size: usize) -> Option<()> {
        self.sink.resize(size, 0);
        self.reader.read_exact(&mut self.sink).ok()
    }
}
