//! Checks that run time grows linearly with the length of a line: `cargo bench --locked --bench growth`, or `… growth
//! -- WORDS` for some of the cases.
//!
//! For each kind of long line ([`LONG`]), times lines of 16 sizes up to 4 MiB and fits `time = a · bytes ^ slope`;
//! linear time has slope 1. Then compares the cost of the 4 MiB line with that of ordinary records. Fails if a slope
//! exceeds 1.25 (quadratic time has slope 2), or if a line costs more than 10 times as much per byte as ordinary records,
//! unless it costs at most twice as much per record: a line may hold a million tiny records. Does so by default and with
//! `--enrich`.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes up to 4 MiB and their logarithms are far from any edge"
)]

use std::hint::black_box;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use testdata::{Kind, LONG};
use zoom_udm::mapping::MappingOptions;
use zoom_udm::normalize::{DEFAULT_MAX_LINE_BYTES, Input, Options, Reject, Sink, Summary, run};

const LARGEST: usize = DEFAULT_MAX_LINE_BYTES - 200;

/// A sink that discards its input.
struct NullSink;

impl Sink for NullSink {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        black_box(events);
        Ok(())
    }

    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        black_box(reject);
        Ok(())
    }
}

fn normalized(bytes: &[u8], options: &Options) -> Summary {
    let input = Input::new("memory", bytes);
    run(std::iter::once(input), options, &mut NullSink).expect("the sink cannot fail")
}

/// Returns the shortest of five measurements, which is the least affected by other load. Small lines are run many times
/// per measurement.
fn time(bytes: &[u8], options: &Options) -> Duration {
    // A page may hold no records.
    assert_eq!(normalized(bytes, options).bytes_in, bytes.len() as u64, "not everything was read");
    let once = || {
        let runs = (200_000 / bytes.len()).max(1);
        let start = Instant::now();
        (0..runs).for_each(|_| drop(black_box(normalized(black_box(bytes), options))));
        start.elapsed() / u32::try_from(runs).expect("the count fits u32")
    };
    (0..5).map(|_| once()).min().unwrap_or_default()
}

/// Returns the slope of a least-squares fit.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let along: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    along / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

fn main() -> ExitCode {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    let mut good = true;
    for enrich in [false, true] {
        let rules = MappingOptions { enrich, ..MappingOptions::default() };
        good &= grows_linearly(&Options { rules, ..Options::default() }, is_wanted);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures all wanted lines with these options; returns whether each is within the limits.
fn grows_linearly(options: &Options, is_wanted: impl Fn(&str) -> bool) -> bool {
    let mut ordinary = Vec::new();
    testdata::write(Kind::Realistic, 16_000, 1, &mut ordinary).expect("writing to memory cannot fail");
    let plain = time(&ordinary, options).as_secs_f64() / ordinary.len() as f64 * 1e9;
    let plain_record = plain * ordinary.len() as f64 / 16_000.0;
    let title = if options.rules.enrich { "what grows, with --enrich" } else { "what grows" };
    println!("{title:32} {:>6}  {:>9}  {:>9}", "slope", "ns a byte", "× ordinary");
    println!("{:32} {:>6}  {plain:9.3}  {:9.2}", "ordinary records", "", 1.0);
    let mut good = true;
    for long in LONG.iter().filter(|long| is_wanted(long.name)) {
        // Starts at 64 KiB, because the fixed cost of a run dominates below.
        let sizes = (0..16)
            .map(|step| (65_536.0 * (LARGEST as f64 / 65_536.0).powf(f64::from(step) / 15.0)) as usize);
        let lines: Vec<_> = sizes.map(|size| long.of(size).into_bytes()).collect();
        let times: Vec<_> =
            lines.iter().map(|line| (line.len() as f64, time(line, options).as_secs_f64())).collect();
        let logs: Vec<_> = times.iter().map(|(size, time)| (size.ln(), time.ln())).collect();
        let (size, time) = times.last().copied().unwrap_or((1.0, 0.0));
        let (slope, cost) = (slope(&logs), time / size * 1e9);
        let records = lines.last().map_or(0, |line| normalized(line, options).records);
        let is_cheap = cost <= 10.0 * plain || time * 1e9 <= 2.0 * plain_record * records as f64;
        let verdict = slope <= 1.25 && is_cheap;
        good &= verdict;
        println!(
            "{:32} {slope:6.2}  {cost:9.3}  {:9.2}{}",
            long.name,
            cost / plain,
            if verdict { "" } else { "  <- too much" }
        );
    }
    good
}
