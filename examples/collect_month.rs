//! Simulates a month of collection in a few minutes: runs `zoom-udm collect` every 15 minutes of simulated time against
//! fakes of Zoom and Cloud Storage, and prints measurements.
//!
//! `collect_month [--days 30] [--per-day 60000] [--every 15m] [--latest 4h] [--bin PROGRAM]`
//!
//! The default PROGRAM is the `zoom-udm` in the same build directory. Build both with `cargo build --locked --release
//! --bin zoom-udm --example collect_month`.

use testkit::collect::World;
use testkit::collect::month::{Scale, simulate};

/// Parses `15m`, `4h`, `2d` or a number of seconds.
fn seconds(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[split..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(text[..split].parse::<i64>().ok()? * unit)
}

fn main() -> Result<(), String> {
    let mut scale = Scale { days: 30, per_day: 60_000, every: 15 * 60, latest: 4 * 3600, page_size: 300 };
    let mut world = World::new("2023-11-01T00:00:00Z");
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        let number = seconds(&value).ok_or_else(|| format!("{name} {value}: expected a number"));
        match name.as_str() {
            "--days" => scale.days = number?,
            "--per-day" => scale.per_day = number?.unsigned_abs(),
            "--every" => scale.every = number?,
            "--latest" => scale.latest = number?,
            "--bin" => world.binary = value.into(),
            _ => return Err(format!("{name}: expected --days, --per-day, --every, --latest or --bin")),
        }
    }
    let figures = simulate(&world, scale, |day, figures| {
        println!(
            "day {:>2}: {} runs, {} late, state {} bytes, memory {} KiB, slowest run {:.2} s",
            day + 1,
            figures.runs,
            figures.late,
            figures.state_bytes,
            figures.memory,
            figures.slowest.as_secs_f64()
        );
    });
    println!("\n{scale:?}\n{figures}");
    let well = figures.balance.missing == 0 && figures.balance.surplus == 0;
    well.then_some(()).ok_or_else(|| figures.balance.example.clone())
}
