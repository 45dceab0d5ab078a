//! A simulation that runs the program at regular intervals while records appear up to hours late, and measures the
//! result.

use super::{Balance, DAY, Entry, HOUR, Implementation, Run, World, record};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// The parameters of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub days: i64,
    pub per_day: u64,
    /// Seconds between polls.
    pub every: i64,
    /// The maximum delay of a record in seconds. Delays are distributed evenly from 0.
    pub latest: i64,
    pub page_size: u64,
}

/// The measurements of a simulation.
#[derive(Debug, Default)]
pub struct Figures {
    pub runs: u64,
    pub failed_runs: u64,
    pub balance: Balance,
    pub late: u64,
    pub objects: usize,
    /// Requests for pages, by day.
    pub requests: BTreeMap<i64, u64>,
    /// Requests for pages that the reference collector would have made, by day.
    pub reference: BTreeMap<i64, u64>,
    /// The largest size of the state that the next run needs.
    pub state_bytes: usize,
    /// The size of the manifests. Each run that writes adds one, and none is deleted.
    pub manifest_bytes: usize,
    pub memory: u64,
    pub slowest: Duration,
    pub took: Duration,
}

impl Figures {
    pub fn amplification(&self) -> f64 {
        self.balance.held as f64 / self.balance.expected.max(1) as f64
    }
}

fn per_day(days: &BTreeMap<i64, u64>) -> (u64, u64) {
    let counts = || days.values().copied();
    (counts().sum::<u64>() / (days.len() as u64).max(1), counts().max().unwrap_or(0))
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((mean, most), (theirs, theirs_most)) = (per_day(&self.requests), per_day(&self.reference));
        writeln!(f, "runs                 {} ({} not well)", self.runs, self.failed_runs)?;
        writeln!(f, "records at Zoom      {}", self.balance.expected)?;
        writeln!(f, "in the bucket        {}", self.balance.held)?;
        writeln!(f, "missing, surplus     {}, {}", self.balance.missing, self.balance.surplus)?;
        writeln!(f, "amplification        {:.4}", self.amplification())?;
        writeln!(f, "came in late         {}", self.late)?;
        writeln!(f, "objects              {}", self.objects)?;
        writeln!(f, "requests a day       {mean} (most {most})")?;
        writeln!(f, "the recipe's         {theirs} (most {theirs_most})")?;
        writeln!(f, "state, at most       {:.2} MiB", self.state_bytes as f64 / 1_048_576.0)?;
        writeln!(f, "manifests            {:.2} MiB", self.manifest_bytes as f64 / 1_048_576.0)?;
        writeln!(f, "memory, at most      {:.1} MiB", self.memory as f64 / 1024.0)?;
        writeln!(f, "slowest run          {:.2} s", self.slowest.as_secs_f64())?;
        writeln!(f, "took                 {:.0} s", self.took.as_secs_f64())
    }
}

/// Runs a simulation; calls `tell` after each day.
pub fn simulate(world: &World, scale: Scale, mut tell: impl FnMut(i64, &Figures)) -> Figures {
    let mut random = fastrand::Rng::with_seed(17);
    let mut figures = Figures::default();
    let (began, start) = (Instant::now(), world.now());
    world.zoom.lock().keeps_log = false;
    let mut number = 0;
    for day in 0..scale.days {
        let midnight = start + day * DAY;
        world.zoom.add(events(&mut number, midnight, scale, &mut random));
        let mut now = midnight + scale.every;
        while now <= midnight + DAY {
            poll(world, now, &mut figures);
            let polled = (now - 1).div_euclid(DAY);
            *figures.reference.entry(polled).or_default() += reference_page_requests(world, now, scale);
            now += scale.every;
        }
        figures.state_bytes = figures.state_bytes.max(size_of_state(world, false));
        tell(day, &figures);
    }
    // Records that have not appeared yet, and the look-back after them.
    let end = start + scale.days * DAY;
    let mut now = end + scale.every;
    while now <= end + scale.latest + HOUR {
        poll(world, now, &mut figures);
        now += scale.every;
    }
    for days in 1..=3 {
        poll(world, end + days * DAY, &mut figures);
    }
    figures.requests = world.zoom.lock().per_day.clone();
    figures.requests.retain(|day, _| (start / DAY..end / DAY).contains(day));
    figures.state_bytes = figures.state_bytes.max(size_of_state(world, false));
    figures.manifest_bytes = size_of_state(world, true);
    figures.objects = world.objects().len();
    figures.balance = world.balance(Implementation::Ours);
    figures.took = began.elapsed();
    figures
}

/// Returns the records of a day at random times. Every fiftieth is identical to the previous one.
fn events(number: &mut u64, midnight: i64, scale: Scale, random: &mut fastrand::Rng) -> Vec<Entry> {
    let mut events: Vec<Entry> = Vec::new();
    for _ in 0..scale.per_day {
        *number += 1;
        let event = match events.last() {
            Some(last) if number.is_multiple_of(50) => last.clone(),
            _ => record(*number, midnight + random.i64(0..DAY)),
        };
        events.push(event.late(random.i64(0..=scale.latest)));
    }
    events
}

fn poll(world: &World, now: i64, figures: &mut Figures) {
    world.set(now);
    let began = Instant::now();
    let mut child = world.start(&[]);
    let status = format!("/proc/{}/status", child.id());
    let said = std::thread::spawn({
        let mut pipes = (child.stdout.take(), child.stderr.take());
        move || {
            let mut said = String::new();
            let _ = pipes.0.take().map(|mut pipe| std::io::Read::read_to_string(&mut pipe, &mut said));
            let _ = pipes.1.take().map(|mut pipe| std::io::Read::read_to_string(&mut pipe, &mut said));
            said
        }
    });
    let code = loop {
        if let Some(memory) = std::fs::read_to_string(&status).ok().and_then(|text| peak_memory_kib(&text)) {
            figures.memory = figures.memory.max(memory);
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status.code().unwrap_or(-1);
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let run = Run::new(code, said.join().unwrap());
    assert!(matches!(run.code, 0 | 1 | 75), "{}: {}", run.code, run.said);
    figures.runs += 1;
    figures.failed_runs += u64::from(run.code != 0);
    figures.late += run.summary["late"].as_u64().unwrap_or(0);
    figures.slowest = figures.slowest.max(began.elapsed());
}

/// Returns the peak memory of a process in KiB.
fn peak_memory_kib(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the size of the collector's own files: of the manifests, or of everything else.
fn size_of_state(world: &World, manifests: bool) -> usize {
    let kept = world.state().into_iter().filter(|(name, _)| name.contains("manifest") == manifests);
    kept.map(|(_, bytes)| bytes.len()).sum()
}

/// Returns how many pages the reference would request now. It reads the whole day so far, and in its first run after
/// midnight the previous day.
fn reference_page_requests(world: &World, now: i64, scale: Scale) -> u64 {
    let midnight = (now - scale.every).div_euclid(DAY) * DAY;
    let seen = world.zoom.lock().log_store.visible_records(&(midnight..midnight + DAY), now).count() as u64;
    seen.div_ceil(scale.page_size).max(1)
}
