//! Zoom as a sender of webhooks: it signs as Zoom documents, with an HMAC of its own, and can send many at once.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub const SIGNATURE: &str = "x-zm-signature";
pub const TIMESTAMP: &str = "x-zm-request-timestamp";

/// HMAC-SHA256 as RFC 2104 defines it.
pub fn hmac(key: &[u8], message: &[u8]) -> String {
    let mut block = [0; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    let outer = Sha256::new().chain_update(pad(0x5C)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The headers of a body that is sent at a time, in seconds since the epoch.
pub fn sign(secret: &str, seconds: i64, body: &[u8]) -> [(&'static str, String); 2] {
    let signed = [format!("v0:{seconds}:").as_bytes(), body].concat();
    [(TIMESTAMP, seconds.to_string()), (SIGNATURE, format!("v0={}", hmac(secret.as_bytes(), &signed)))]
}

/// An event as Zoom's documentation shows it, with settings of this many bytes.
pub fn event(number: u64, size: usize) -> String {
    let settings: String = (0..size / 30).map(|at| format!("\"setting_{number}_{at:03}\":true,")).collect();
    format!(
        "{{\"event\":\"user.settings_updated\",\"event_ts\":{},\"payload\":{{\"account_id\":\"McvEXAMPLE\",\"operator\":\"admin@example.com\",\
         \"operator_id\":\"eUbEXAMPLE\",\"object\":{{\"id\":\"user-{number}\",\"settings\":{{{settings}\"last\":true}}}}}}}}",
        1_626_230_691_572 + number
    )
}

/// The number that [`event`] made an event of.
pub fn number_of(line: &str) -> u64 {
    let (_, rest) = line.split_once("\"id\":\"user-").unwrap_or_else(|| panic!("no event: {line}"));
    rest.split('"').next().unwrap().parse().unwrap()
}

/// Many deliveries at a constant rate.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub secret: String,
    /// Seconds since the epoch at the start.
    pub now: i64,
    pub per_second: u64,
    pub seconds: u64,
    pub connections: usize,
    /// The size of an event in bytes, about.
    pub size: usize,
    /// Each delivery with a number that this divides repeats the event ten before it.
    pub repeat_every: u64,
}

/// What became of the deliveries.
#[derive(Debug, Default)]
pub struct LoadReport {
    pub statuses: BTreeMap<u16, u64>,
    /// From the time at which a delivery was due to its answer, in order of length.
    pub latencies: Vec<Duration>,
    pub elapsed: Duration,
    /// Deliveries that repeat an event.
    pub repeated: u64,
    /// Different events.
    pub events: u64,
}

impl LoadReport {
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((self.latencies.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }

    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }
}

impl Load {
    /// Sends all deliveries, each when it is due, and waits for the answers.
    pub async fn run(self) -> LoadReport {
        let (next, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let senders: Vec<_> = (0..self.connections)
            .map(|_| tokio::spawn(self.clone().send_all(Arc::clone(&next), start)))
            .collect();
        let mut report = LoadReport::default();
        for sender in senders {
            for (status, latency) in sender.await.unwrap() {
                *report.statuses.entry(status).or_default() += 1;
                report.latencies.push(latency);
            }
        }
        report.latencies.sort();
        report.elapsed = start.elapsed();
        let total = self.per_second * self.seconds;
        report.repeated = (0..total).filter(|number| self.repeats(*number)).count() as u64;
        report.events = total - report.repeated;
        report
    }

    fn repeats(&self, number: u64) -> bool {
        number >= 10 && number.is_multiple_of(self.repeat_every)
    }

    async fn send_all(self, next: Arc<AtomicU64>, start: Instant) -> Vec<(u16, Duration)> {
        let mut answers = Vec::new();
        let mut connection = None;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.per_second * self.seconds {
                return answers;
            }
            let due = start + Duration::from_nanos(number * 1_000_000_000 / self.per_second);
            tokio::time::sleep_until(due).await;
            let of = if self.repeats(number) { number - 10 } else { number };
            let body = event(of, self.size);
            let now = self.now + i64::try_from(start.elapsed().as_secs()).unwrap();
            let status = self.deliver(&mut connection, now, body.as_bytes()).await.unwrap_or(0);
            answers.push((status, due.elapsed()));
        }
    }

    /// Delivers on a connection that stays open; `None` if there was no answer.
    async fn deliver(
        &self,
        connection: &mut Option<BufReader<TcpStream>>,
        now: i64,
        body: &[u8],
    ) -> Option<u16> {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(self.address).await.ok()?),
        };
        let _ = stream.get_ref().set_nodelay(true);
        let [(time, at), (name, signature)] = sign(&self.secret, now, body);
        let head = format!(
            "POST /webhook HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{time}: {at}\r\n{name}: {signature}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.ok()?;
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        stream.read_exact(&mut vec![0; length]).await.ok()?;
        *connection = Some(stream);
        Some(status)
    }
}
