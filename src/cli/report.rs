//! What is said on standard error.

use super::progress;
use crate::blocking;
use crate::mapping::Note;
use crate::normalize::{Rejected, Summary};
use crate::redact;
use crate::refusal::Reason;
use crate::terminal;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

/// In what form a summary is said.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum SummaryFormat {
    #[default]
    Human,
    Json,
    None,
}

/// Says one thing, on one line. Characters that steer, which may come from a file's name or a record, do not reach the
/// terminal; nor does the end of a line, behind which a name could say anything.
pub(super) fn say(message: &str) {
    say_lines(&terminal::line(message));
}

/// Warns of standard output that was closed, where nothing else depends on what was written there.
pub(super) const OUTPUT_CLOSED: &str = "warning: standard output is closed; the events are lost";

/// Says what is on several lines: names in it are kept to theirs by whoever puts it together.
pub(super) fn say_lines(message: &str) {
    let line = format!("zoom-udm: {}\n", terminal::text(&redact::text(message)));
    // Nobody is left to be told that standard error is closed.
    progress::above(|| drop(blocking::stderr().write_all(line.as_bytes())));
}

/// What went wrong, then what caused it, and so on; a cause that the words before it end with is not said again.
pub(super) fn chain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| match cause.to_string() {
        cause if said.is_empty() => cause,
        cause if said.ends_with(&cause) => said,
        cause => format!("{said}: {cause}"),
    })
}

/// Says one JSON object, on a line of its own.
pub(super) fn say_json(told: &impl Serialize) {
    let told = serde_json::to_string(told).unwrap_or_default();
    let told = redact::json_text(&told).into_owned();
    let told = if io::stderr().is_terminal() { terminal::json(&told) } else { told };
    progress::above(|| drop(blocking::stderr().write_all(format!("{told}\n").as_bytes())));
}

/// How many rejects are said one by one where nothing keeps them.
const SAID: u64 = 10;

/// Says one reject, unless enough were said.
pub(super) fn reject(reject: &Rejected<'_>, said: &mut u64) {
    *said += u64::from(reject.begins());
    if *said <= SAID && reject.begins() {
        say(&format!("rejected: {reject}"));
    }
}

/// Says how many rejects were not said.
pub(super) fn more_rejects(said: u64) {
    if said > SAID {
        say(&format!("rejected: {} more; --rejects FILE keeps them all, whole", said - SAID));
    }
}

/// Reports which inputs failed, and what to know of the others.
pub(super) fn failures(summary: &Summary) {
    for failure in &summary.failures {
        let (place, read) = match failure.offset {
            0 => (String::new(), ""),
            offset => (format!(" after byte {offset}"), "; what came before was read"),
        };
        say(&format!("{}: reading failed{place}: {}{read}", failure.input, failure.error));
    }
    for warning in &summary.warnings {
        say(&format!("{}: {}", warning.input, warning.message));
    }
}

/// Says what was counted.
pub(super) fn summary(summary: &Summary, took: Duration, format: SummaryFormat) {
    match format {
        SummaryFormat::None => {}
        SummaryFormat::Json => say_json(&as_json(summary, took)),
        SummaryFormat::Human => say(&as_text(summary, took)),
    }
}

fn as_json(summary: &Summary, took: Duration) -> Value {
    let seconds = took.as_secs_f64();
    let failures: Vec<_> = summary
        .failures
        .iter()
        .map(|failure| json!({"input": &*failure.input, "offset": failure.offset, "error": failure.error.to_string()}))
        .collect();
    json!({
        "records": summary.records,
        "events": summary.events,
        "events_by_type": counts(types(summary)),
        "rejects": summary.rejects,
        "rejects_by_reason": counts(reasons(summary)),
        "notes": counts(notes(summary)),
        "bytes_in": summary.bytes_in,
        "bytes_out": summary.bytes_out,
        "seconds": seconds,
        "records_per_second": per_second(summary.records, seconds),
        "bytes_per_second": per_second(summary.bytes_in, seconds),
        "failures": failures,
        "warnings": summary.warnings.iter().map(|warning| {
            json!({"input": &*warning.input, "message": warning.message})
        }).collect::<Vec<_>>(),
        "stopped": summary.stopped,
    })
}

/// Counts by their names, as JSON.
pub(super) fn counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Map<String, Value> {
    counts.map(|(name, count)| (name.to_owned(), count.into())).collect()
}

pub(super) fn types(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> {
    summary.events_by_type.iter().map(|(event_type, count)| (event_type.name(), *count))
}

pub(super) fn reasons(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> {
    Reason::ALL
        .into_iter()
        .map(|reason| (reason.name(), summary.rejects_for(reason)))
        .filter(|(_, count)| *count > 0)
}

pub(super) fn notes(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> {
    Note::ALL.into_iter().map(|note| (note.name(), summary.notes_of(note))).filter(|(_, count)| *count > 0)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people"
)]
pub(super) fn per_second(count: u64, seconds: f64) -> u64 {
    (count as f64 / seconds.max(1e-9)) as u64
}

fn as_text(summary: &Summary, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let list = |counts: Vec<(&str, u64)>| {
        let counts: Vec<_> = counts.into_iter().map(|(name, count)| format!("{name} {count}")).collect();
        if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) }
    };
    let (megabytes, rate) = (mega(summary.bytes_in), mega(per_second(summary.bytes_in, seconds)));
    format!(
        "{} records: {} events{}, {} rejects{}{}; {megabytes:.1} MB in {seconds:.3} s, {rate:.0} MB/s, {} records/s",
        summary.records,
        summary.events,
        list(types(summary).collect()),
        summary.rejects,
        list(reasons(summary).collect()),
        match list(notes(summary).collect()) {
            notes if notes.is_empty() => notes,
            notes => format!(", notes{notes}"),
        },
        per_second(summary.records, seconds),
    )
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
