//! Compares the instructions per record of each stage with the budget in `benches/budget.tsv`:
//!
//!     cargo run --release --locked --package budget
//!     UPDATE_BUDGET=1 cargo run --release --locked --package budget
//!     python3 benches/comparison/chart.py benches/budget.tsv benches/stages.svg
//!
//! Unlike times, instruction counts do not depend on the load of the machine, so this can gate changes. Needs valgrind.
//! Each stage runs over its corpus once and twice, in separate processes under valgrind; the difference is the cost of
//! one run. Fails if a stage exceeds its budget by more than 5 %: more than the difference between compiler versions,
//! and less than any optimization worth making.

#![expect(clippy::cast_precision_loss, reason = "counts of instructions are far below 2^53")]

use anyhow::{Context, Result, bail, ensure};
use once_cell::sync::Lazy;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use testdata::Kind;
use zoom_udm::detail::{Detail, SpliceBuf};
use zoom_udm::mapping::{Content, DiagnosticCounts, MappingOptions, map};
use zoom_udm::normalize::{Options, slice};
use zoom_udm::record::{Field, Record, Scratch};
use zoom_udm::timestamp::Timestamp;
use zoom_udm::udm::Writer;
use zoom_udm::{coverage, detail, email};

/// The budget file: on each line a stage and its instructions per record.
const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../budget.tsv");
const RECORDS: u64 = 2000;
const TOLERATED: f64 = 1.05;

/// A stage: its name, its corpus, and the function that processes the lines.
struct Stage(&'static str, Kind, fn(&str));

const STAGES: [Stage; 16] = [
    Stage("whole run, realistic", Kind::Realistic, normalize),
    Stage("whole run, plain", Kind::Plain, normalize),
    Stage("whole run, every line escaped", Kind::Escaped, normalize),
    Stage("whole run, hostile", Kind::Hostile, normalize),
    Stage("whole run, sign-ins", Kind::SignIns, normalize),
    Stage("whole run, webhook events", Kind::Webhooks, normalize),
    Stage("whole run, realistic, enriched", Kind::Realistic, enrich),
    Stage("whole run, plain, enriched", Kind::Plain, enrich),
    Stage("coverage, realistic", Kind::Realistic, cover),
    Stage("coverage, sign-ins", Kind::SignIns, cover),
    Stage("coverage, webhook events", Kind::Webhooks, cover),
    Stage("reading records", Kind::Realistic, |text| each_record(text, |_, _| ())),
    Stage("and times", Kind::Realistic, |text| {
        each_record(text, |_, record| {
            black_box(record.time());
        });
    }),
    Stage("and operators", Kind::Realistic, |text| {
        each_record(text, |_, record| {
            black_box(record.get(Field::Operator).map(email::is_email));
        });
    }),
    Stage("and details", Kind::Realistic, |text| {
        let mut cut = SpliceBuf::default();
        each_record(text, |_, record| {
            black_box(detail_of(record, &mut cut));
        });
    }),
    Stage("and typed events, written", Kind::Realistic, |text| {
        let (mut cut, mut notes, mut out) = (SpliceBuf::default(), DiagnosticCounts::default(), Vec::new());
        let (writer, time) = (Writer::default(), Timestamp::parse("2024-01-31T12:00:00Z"));
        each_record(text, |line, record| {
            let (Some(time), content) = (time, Content::parse(record, &mut cut)) else { return };
            out.clear();
            writer.write(
                &map(record, line, &content, time, MappingOptions::default(), &mut notes, &mut ()),
                &mut out,
            );
            black_box(&out);
        });
    }),
];

fn normalize(text: &str) {
    // Compiled once and reused, as in the program, so that the difference excludes it.
    static OPTIONS: Lazy<Options> = Lazy::new(Options::default);
    black_box(slice(black_box(text.as_bytes()), &OPTIONS));
}

fn enrich(text: &str) {
    static OPTIONS: Lazy<Options> = Lazy::new(|| Options {
        rules: MappingOptions { enrich: true, ..MappingOptions::default() },
        ..Options::default()
    });
    black_box(slice(black_box(text.as_bytes()), &OPTIONS));
}

fn cover(text: &str) {
    static OPTIONS: Lazy<Options> = Lazy::new(Options::default);
    black_box(coverage::slice(black_box(text.as_bytes()), &OPTIONS, false));
}

fn each_record(text: &str, mut look: impl FnMut(&str, &Record<'_>)) {
    let mut scratch = Scratch::default();
    for line in text.lines() {
        if let Ok(record) = Record::read(black_box(line), &mut scratch) {
            look(line, &record);
        }
    }
}

fn detail_of<'a>(record: &Record<'a>, cut: &'a mut SpliceBuf) -> detail::Detail<'a> {
    Detail::parse(record.get(Field::OperationDetail).unwrap_or_default(), cut)
}

/// Runs a stage over its corpus the given number of times.
fn run(stage: &Stage, runs: u32) -> Result<()> {
    let mut bytes = Vec::new();
    testdata::write(stage.1, RECORDS, 1, &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    (0..runs).for_each(|_| stage.2(&text));
    Ok(())
}

/// Returns the number of instructions that a process takes to run a stage the given number of times.
fn instructions(stage: usize, runs: u32) -> Result<u64> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([stage.to_string(), runs.to_string()])
        .output()
        .context("valgrind could not be started: install it (apt-get install valgrind)")?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "the stage failed under valgrind: {said}");
    let count =
        said.lines().find_map(|line| line.split_once("Collected : ")).context("valgrind printed no count")?;
    Ok(count.1.trim().parse()?)
}

fn stored() -> Result<BTreeMap<String, f64>> {
    let text = std::fs::read_to_string(STORED).context(STORED)?;
    let line = |line: &str| {
        let (name, count) = line.split_once('\t').with_context(|| format!("no tab in {line:?}"))?;
        Ok((name.to_owned(), count.parse()?))
    };
    text.lines().map(line).collect()
}

/// Measures all stages. Returns whether each is within its budget.
fn gate() -> Result<bool> {
    let update = std::env::var_os("UPDATE_BUDGET").is_some();
    let stored = if update { BTreeMap::new() } else { stored()? };
    let (mut table, mut good) = (String::new(), true);
    println!("{:32} {:>8} {:>8}", "instructions a record", "budget", "now");
    for (index, Stage(name, ..)) in STAGES.iter().enumerate() {
        let (twice, once) = rayon::join(|| instructions(index, 2), || instructions(index, 1));
        let now = (twice? - once?) as f64 / RECORDS as f64;
        writeln!(table, "{name}\t{now:.0}")?;
        let budget = stored.get(*name).copied().unwrap_or(if update { now } else { 0.0 });
        let holds = now <= budget * TOLERATED;
        let verdict = match now / budget {
            _ if !holds => "  <- over its budget",
            ratio if ratio < 2.0 - TOLERATED => "  <- well under: lower it with UPDATE_BUDGET=1",
            _ => "",
        };
        println!("{name:32} {budget:8.0} {now:8.0}{verdict}");
        good &= holds;
    }
    if update {
        std::fs::write(STORED, table).context(STORED)?;
    }
    Ok(good)
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => Ok(if gate()? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        [stage, runs] => {
            run(STAGES.get(stage.parse::<usize>()?).context("no such stage")?, runs.parse()?)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("usage: budget, or budget STAGE RUNS"),
    }
}
