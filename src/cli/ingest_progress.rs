//! Reports the progress of `ingest`: a bar on a terminal, otherwise one JSON object per line.

use super::error::CliError;
use super::messages::{self, SummaryFormat};
use super::parsers::env_var;
use super::progress;
use crate::ingest::{ObjectEvent, Observer, Report, Skip};
use crate::{logging, polling_stdio, redact, sanitize};
use indicatif::{HumanBytes, HumanCount, ProgressBar};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Reports a run on standard error.
pub(super) struct IngestReporter {
    terminal: bool,
    /// Only on a terminal.
    bar: Option<ProgressBar>,
    dry_run: bool,
    events: AtomicU64,
    objects: AtomicU64,
    chosen: AtomicU64,
    failures: AtomicU64,
}

/// The number of failures reported one by one on a terminal.
const MAX_SHOWN: u64 = 10;

impl IngestReporter {
    pub(super) fn new(dry_run: bool, to_stdout: bool) -> Result<Self, CliError> {
        let terminal = io::stderr().is_terminal();
        let logs = start_log()?;
        let in_the_way = logs || dry_run || (to_stdout && io::stdout().is_terminal());
        let bar = terminal && !in_the_way;
        Ok(Self {
            terminal,
            bar: bar.then(|| progress::show(0, "{wide_bar} {bytes}/{total_bytes} {msg} {eta}")),
            dry_run,
            events: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            chosen: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Clears the bar before other output.
    #[expect(clippy::unused_self, reason = "there is one bar, and this reporter owns it")]
    pub(super) fn clear(&self) {
        progress::clear();
    }

    /// Reports an error without ending the program.
    pub(super) fn warn_counted(&self, message: &str) {
        if self.terminal {
            messages::eprint_line(message);
        } else {
            tracing::warn!("{message}");
        }
    }

    /// Restarts the bar for another round of `--follow`.
    fn restart(&self, bar: &ProgressBar) {
        if bar.is_finished() {
            bar.set_length(0);
            bar.reset();
            self.chosen.store(1, Ordering::Relaxed);
            self.objects.store(0, Ordering::Relaxed);
            self.events.store(0, Ordering::Relaxed);
        }
    }

    fn on_selected(&self, object: &str, size: u64) {
        self.chosen.fetch_add(1, Ordering::Relaxed);
        if self.dry_run {
            print_dry_run(&format!("read {object} ({size} bytes)"));
        } else if let Some(bar) = &self.bar {
            self.restart(bar);
            bar.inc_length(size);
        }
    }

    fn on_failed(&self, object: &str, size: u64, reason: &str) {
        self.advance(size);
        if !self.terminal {
            tracing::warn!(object, reason, "failed");
        } else if self.failures.fetch_add(1, Ordering::Relaxed) < MAX_SHOWN {
            self.warn_counted(&format!("{object}: {reason}"));
        }
    }

    fn advance(&self, size: u64) {
        let objects = self.objects.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(bar) = &self.bar else { return };
        bar.inc(size);
        let (events, chosen) = (self.events.load(Ordering::Relaxed), self.chosen.load(Ordering::Relaxed));
        let seconds = bar.elapsed().as_secs_f64().max(0.001);
        let rate = messages::per_second(events, seconds);
        bar.set_message(format!(
            "{}/{} objects, {} events/s",
            HumanCount(objects),
            HumanCount(chosen),
            HumanCount(rate)
        ));
    }
}

impl Observer for IngestReporter {
    fn warn(&self, message: &str) {
        self.warn_counted(message);
    }

    fn object(&self, object: &str, event: ObjectEvent<'_>) {
        match event {
            ObjectEvent::Selected { size } => self.on_selected(object, size),
            ObjectEvent::Skipped(skip) if self.dry_run => {
                print_dry_run(&format!("skip {object} ({})", skip.name()));
            }
            ObjectEvent::Skipped(skip) => tracing::debug!(object, reason = skip.name(), "skipped"),
            ObjectEvent::Backoff { .. } => {}
            ObjectEvent::Done { size, events } => {
                self.events.fetch_add(events, Ordering::Relaxed);
                self.advance(size);
                tracing::debug!(object, size, events, "done");
            }
            ObjectEvent::Failed { size, reason, .. } => self.on_failed(object, size, reason),
        }
    }
}

/// Prints a line of a dry run on standard output.
fn print_dry_run(line: &str) {
    let _ = writeln!(polling_stdio::stdout(), "{}", sanitize::single_line(&redact::redact(line)));
}

/// Starts logging to standard error; on a terminal only if `ZOOM_UDM_LOG` is set, because important messages are
/// printed there anyway. Returns whether it logs.
pub(super) fn start_log() -> Result<bool, CliError> {
    let terminal = io::stderr().is_terminal();
    let logs = !terminal || env_var("ZOOM_UDM_LOG").is_some();
    if logs {
        logging::init(!terminal, None).map_err(CliError::Usage)?;
    }
    Ok(logs)
}

/// Prints the summary.
pub(super) fn summary(summary: &Report, took: Duration, format: SummaryFormat) {
    match format {
        SummaryFormat::None => {}
        SummaryFormat::Json => messages::eprint_json(&as_json(summary, took)),
        SummaryFormat::Human => messages::eprint_lines(&as_text(summary, took)),
    }
}

fn skipped(report: &Report) -> impl Iterator<Item = (&'static str, u64)> {
    Skip::ALL.into_iter().map(|skip| (skip.name(), report.skipped_for(skip))).filter(|(_, count)| *count > 0)
}

fn as_json(report: &Report, took: Duration) -> Value {
    let seconds = took.as_secs_f64();
    let named = |list: &[(String, String)]| -> Vec<_> {
        list.iter().map(|(object, reason)| json!({"object": object, "reason": reason})).collect()
    };
    json!({
        "listed": report.listed,
        "would_read": report.would_read,
        "done": report.done,
        "already_present": report.already_present,
        "failed": report.failed,
        "failures": named(&report.failures),
        "skipped": messages::counts(skipped(report)),
        "deleted": report.deleted,
        "not_deleted": report.not_deleted,
        "undeleted": named(&report.undeleted),
        "undeleted_without_rejects": report.without_rejects,
        "undeleted_all_rejected": report.all_rejected,
        "undeleted_without_output": report.without_output,
        "undeleted_old_rules": report.old_rules,
        "records": report.summary.records,
        "events": report.summary.events,
        "events_by_type": messages::counts(messages::types(&report.summary)),
        "events_by_kind": messages::counts(messages::kinds(&report.summary)),
        "rejects": report.summary.rejects,
        "rejects_by_reason": messages::counts(messages::reasons(&report.summary)),
        "notes": messages::counts(messages::notes(&report.summary)),
        "bytes_stored": report.bytes_stored,
        "bytes_in": report.summary.bytes_in,
        "bytes_out": report.summary.bytes_out,
        "seconds": seconds,
        "objects_per_second": messages::per_second(report.done, seconds),
        "events_per_second": messages::per_second(report.summary.events, seconds),
        "unfinished": report.unfinished,
        "stopped": report.stopped,
    })
}

fn as_text(report: &Report, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let skipped: Vec<_> = skipped(report).collect();
    let total: u64 = skipped.iter().map(|(_, count)| count).sum();
    let list: Vec<_> = skipped.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let list = if list.is_empty() { list.concat() } else { format!(" ({})", list.join(", ")) };
    let deleted = match (report.deleted, report.not_deleted) {
        (0, 0) => String::new(),
        (deleted, 0) => format!(", {deleted} deleted"),
        (deleted, left) => format!(", {deleted} deleted, {left} kept"),
    };
    let read =
        if report.would_read > 0 { format!("{} would be read, ", report.would_read) } else { String::new() };
    let mut text = format!(
        "{} objects listed: {read}{} done ({} already present), {} failed, {total} skipped{list}{deleted}; {} records: {} events{}, {} rejects{}; \
         {} read, {} unpacked, in {seconds:.2} s, {} events/s",
        report.listed,
        report.done,
        report.already_present,
        report.failed,
        report.summary.records,
        report.summary.events,
        messages::kinds_text(&report.summary),
        report.summary.rejects,
        messages::list(messages::reasons(&report.summary)),
        HumanBytes(report.bytes_stored),
        HumanBytes(report.summary.bytes_in),
        messages::per_second(report.summary.events, seconds),
    );
    if report.stopped {
        text.push_str("; stopped early: run again");
    }
    for (object, reason) in report.failures.iter().take(10) {
        let _ = write!(text, "\n  failed: {}", sanitize::single_line(&format!("{object}: {reason}")));
    }
    for (object, reason) in report.undeleted.iter().take(10) {
        let _ = write!(text, "\n  not deleted: {}", sanitize::single_line(&format!("{object}: {reason}")));
    }
    if report.failed > 10 {
        let _ = write!(text, "\n  {} more; run zoom-udm ledger show", report.failed - 10);
    }
    text
}
