//! Cost grows with the work, no faster: `cargo bench --locked --bench growth`.
//!
//! For each way in which a line can grow, times lines of 16 sizes up to 4 MiB and fits `time = a · bytes ^ slope`: 1 is
//! linear. Then the worst line of 4 MiB that was thought of, against ordinary records, byte for byte. Fails where a
//! slope is over 1.25 (quadratic work has 2) or the worst line costs more than 10 times the ordinary.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes up to 4 MiB and their logarithms are far from any edge"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use zoom_udm::corpus::{self, Kind};
use zoom_udm::normalize::{DEFAULT_MAX_LINE_BYTES, Options, slice};

const LARGEST: usize = DEFAULT_MAX_LINE_BYTES - 200;

/// A way for a detail to grow: a unit that is repeated, between a start and an end.
struct Family(&'static str, &'static str, &'static str, &'static str);

const FAMILIES: [Family; 18] = [
    Family("length of a word", "Update User a@x.io ", "x", ""),
    Family("changes that are mapped", "Update User a@x.io ", " - Job Title: from A to B", ""),
    Family("changes that are not", "Security ", " - Some setting: from On to Off", ""),
    Family("pieces that are no change", "Update  - Search: a", " - b", ""),
    Family("addresses", "", "a@x.io ", ""),
    Family("signs that are no address", "", "a@", ""),
    Family("letters beyond ASCII and signs", "", "é@é", ""),
    Family("dots and signs", "", ".@a.", ""),
    Family("changes of role", "Change Role ", " - a@x.io: from A to", ""),
    Family("words of to", "x  - Job Title: from ", "tox ", ""),
    Family("elements of json_data", "x  - K: [{}", ",{'userId':'u','options':['a',1]}", "]"),
    Family("elements never closed", "x  - K: ", "[{'userId':'u'},", ""),
    Family("depth of json_data", "x  - K: [{'userId':", "[", ""),
    Family("hostile brackets", "", "[{", ""),
    Family("hostile braces", "", "{'a':", ""),
    Family("hostile braces and quotes", "", "{'[{':", ""),
    Family("hostile quotes", "", "[{'a':'\\u0022", ""),
    Family("spaces", "a", "    ", "b"),
];

/// A line whose detail is of a family and about `size` bytes long.
fn line(&Family(_, start, unit, end): &Family, size: usize) -> Vec<u8> {
    let text = |part: &str| part.replace('\'', "\\\"");
    let unit = text(unit);
    let detail = format!("{}{}{}", text(start), unit.repeat(size / unit.len()), text(end));
    format!(r#"{{"time":"2024-01-01T00:00:00Z","operator":"a@x.io","operation_detail":"{detail}"}}"#)
        .into_bytes()
}

/// The shortest of some runs: what is longer is somebody else's work. Small lines are run many times.
fn time(bytes: &[u8]) -> Duration {
    let options = Options::default();
    let (_, summary) = slice(bytes, &options);
    assert_eq!(summary.rejects, 0, "every line is a record");
    let once = || {
        let runs = (200_000 / bytes.len()).max(1);
        let start = Instant::now();
        (0..runs).for_each(|_| drop(black_box(slice(black_box(bytes), &options))));
        start.elapsed() / u32::try_from(runs).expect("runs are few")
    };
    (0..5).map(|_| once()).min().unwrap_or_default()
}

/// The slope of the line through the logarithms, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let along: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    along / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

fn main() -> ExitCode {
    let mut ordinary = Vec::new();
    corpus::write(Kind::Realistic, 16_000, 1, &mut ordinary).expect("a Vec takes all");
    let plain = time(&ordinary).as_secs_f64() / ordinary.len() as f64 * 1e9;
    println!("{:32} {:>6}  {:>9}  {:>9}", "what grows", "slope", "ns a byte", "× ordinary");
    println!("{:32} {:>6}  {plain:9.3}  {:9.2}", "ordinary records", "", 1.0);
    let mut good = true;
    for family in &FAMILIES {
        // From 64 KiB on: below, what a run costs whatever its input hides what its bytes cost.
        let sizes = (0..16)
            .map(|step| (65_536.0 * (LARGEST as f64 / 65_536.0).powf(f64::from(step) / 15.0)) as usize);
        let lines: Vec<_> = sizes.map(|size| line(family, size)).collect();
        let times: Vec<_> = lines.iter().map(|line| (line.len() as f64, time(line).as_secs_f64())).collect();
        let logs: Vec<_> = times.iter().map(|(size, time)| (size.ln(), time.ln())).collect();
        let (size, time) = times.last().copied().unwrap_or((1.0, 0.0));
        let (slope, cost) = (slope(&logs), time / size * 1e9);
        let verdict = slope <= 1.25 && cost <= 10.0 * plain;
        good &= verdict;
        println!(
            "{:32} {slope:6.2}  {cost:9.3}  {:9.2}{}",
            family.0,
            cost / plain,
            if verdict { "" } else { "  <- too much" }
        );
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
