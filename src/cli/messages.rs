//! Messages on standard error.

use super::progress;
use crate::mapping::Diagnostic;
use crate::normalize::{Reject, Summary};
use crate::polling_stdio;
use crate::record::RecordKind;
use crate::redact;
use crate::reject::RejectReason;
use crate::sanitize;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

/// The format of a summary.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum SummaryFormat {
    #[default]
    Human,
    Json,
    None,
}

/// Prints one message on one line. Control characters and line ends, which may come from file names or records, are
/// escaped.
pub(super) fn eprint_line(message: &str) {
    eprint_lines(&sanitize::single_line(message));
}

/// Warns of standard output that was closed, where nothing else depends on what was written there.
pub(super) const OUTPUT_CLOSED: &str = "warning: standard output is closed; the events are lost";

/// Prints a message of several lines; the caller has escaped line ends in names.
pub(super) fn eprint_lines(message: &str) {
    let line = format!("zoom-udm: {}\n", sanitize::multiline(&redact::redact(message)));
    // If standard error is closed, the message is lost.
    progress::print_above(|| drop(polling_stdio::stderr().write_all(line.as_bytes())));
}

/// The same for a report.
pub(super) const REPORT_LOST: &str = "warning: standard output is closed; the report is lost";

/// Formats an error with its causes, omitting a cause whose text the previous one already ends with.
pub(super) fn format_chain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |chain, cause| match cause.to_string() {
        cause if chain.is_empty() => cause,
        cause if chain.ends_with(&cause) => chain,
        cause => format!("{chain}: {cause}"),
    })
}

/// Prints one JSON object on a line.
pub(super) fn eprint_json(value: &impl Serialize) {
    let text = serde_json::to_string(value).unwrap_or_default();
    let text = redact::redact_json_text(&text).into_owned();
    let text = if io::stderr().is_terminal() { sanitize::escape_json(&text) } else { text };
    progress::print_above(|| drop(polling_stdio::stderr().write_all(format!("{text}\n").as_bytes())));
}

/// The number of rejects reported one by one if nothing stores them.
const MAX_SHOWN: u64 = 10;

/// Reports one reject, up to the maximum.
pub(super) fn reject(reject: &Reject<'_>, reported: &mut u64) {
    *reported += u64::from(reject.is_first_part());
    if *reported <= MAX_SHOWN && reject.is_first_part() {
        eprint_line(&format!("rejected: {reject}"));
    }
}

/// Reports how many rejects were not reported.
pub(super) fn more_rejects(reported: u64) {
    if reported > MAX_SHOWN {
        eprint_line(&format!(
            "{} more rejects; pass --rejects FILE to store all of them",
            reported - MAX_SHOWN
        ));
    }
}

/// Reports which inputs failed, and what to know of the others.
pub(super) fn failures(summary: &Summary) {
    for failure in &summary.failures {
        let (place, read) = match failure.offset {
            0 => (String::new(), ""),
            offset => (format!(" after byte {offset}"), "; everything before it was read"),
        };
        eprint_line(&format!("{}: reading failed{place}: {}{read}", failure.input, failure.error));
    }
    for warning in &summary.warnings {
        eprint_line(&format!("{}: {}", warning.input, warning.message));
    }
}

/// Prints the summary.
pub(super) fn summary(summary: &Summary, took: Duration, format: SummaryFormat) {
    match format {
        SummaryFormat::None => {}
        SummaryFormat::Json => eprint_json(&as_json(summary, took)),
        SummaryFormat::Human => eprint_line(&as_text(summary, took)),
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
        "events_by_kind": counts(kinds(summary)),
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

/// Returns counts by name, as JSON.
pub(super) fn counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Map<String, Value> {
    counts.map(|(name, count)| (name.to_owned(), count.into())).collect()
}

pub(super) fn types(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> {
    summary.events_by_type.iter().map(|(event_type, count)| (event_type.name(), *count))
}

/// Returns the counts of events by the kind of their record.
pub(super) fn kinds(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> {
    let kinds = RecordKind::ALL.into_iter().map(|kind| (kind.name(), summary.events_of(kind)));
    kinds.filter(|(_, count)| *count > 0)
}

/// Returns the counts of events by kind as text in parentheses; empty if there are only operation logs.
pub(super) fn kinds_text(summary: &Summary) -> String {
    if summary.events == summary.events_of(RecordKind::Operation) {
        return String::new();
    }
    list(kinds(summary))
}

/// Returns counts by name as text in parentheses; empty if there are none.
pub(super) fn list<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {count}")).collect();
    if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) }
}

pub(super) fn reasons(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> {
    RejectReason::ALL
        .into_iter()
        .map(|reason| (reason.name(), summary.rejects_for(reason)))
        .filter(|(_, count)| *count > 0)
}

pub(super) fn notes(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> {
    Diagnostic::ALL
        .into_iter()
        .map(|note| (note.name(), summary.notes_of(note)))
        .filter(|(_, count)| *count > 0)
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
    let (megabytes, rate) = (mega(summary.bytes_in), mega(per_second(summary.bytes_in, seconds)));
    format!(
        "{} records: {} events{}{}, {} rejects{}{}; {megabytes:.1} MB in {seconds:.3} s, {rate:.0} MB/s, {} records/s",
        summary.records,
        summary.events,
        list(types(summary)),
        kinds_text(summary),
        summary.rejects,
        list(reasons(summary)),
        match list(notes(summary)) {
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
