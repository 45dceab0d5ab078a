//! What runs of `collect` report on standard error.

use super::error::CliError;
use super::ingest_progress;
use super::messages::{self, SummaryFormat};
use crate::collect::{Observer, Report};
use clap::Args;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

#[derive(Args)]
pub(super) struct TraceArgs {
    /// Log each request on standard error, without secrets
    #[arg(long)]
    trace_http: bool,
}

/// Reports a run on standard error.
pub(super) struct CollectReporter {
    trace: bool,
    terminal: bool,
}

impl CollectReporter {
    pub(super) fn new(args: &TraceArgs) -> Result<Arc<Self>, CliError> {
        let terminal = io::stderr().is_terminal();
        ingest_progress::start_log()?;
        Ok(Arc::new(Self { trace: args.trace_http, terminal }))
    }
}

impl Observer for CollectReporter {
    fn warn(&self, message: &str) {
        if self.terminal { messages::eprint_line(message) } else { tracing::warn!("{message}") }
    }

    fn info(&self, message: &str) {
        if self.terminal { messages::eprint_line(message) } else { tracing::info!("{message}") }
    }

    fn trace(&self, message: &str) {
        if self.trace {
            messages::eprint_line(message);
        } else {
            tracing::debug!("{message}");
        }
    }
}

/// Prints the summary of a run; as text, with the kind of log if there are several.
pub(super) fn summary(report: &Report, several: bool, dry_run: bool, format: SummaryFormat) {
    match format {
        SummaryFormat::None => {}
        SummaryFormat::Json => messages::eprint_json(report),
        SummaryFormat::Human => {
            let name = if several { format!("{}: ", report.logs) } else { String::new() };
            messages::eprint_lines(&(name + &as_text(report, dry_run)));
        }
    }
}

fn as_text(report: &Report, dry_run: bool) -> String {
    let mut text = format!(
        "{} records read, {} new {} ({} of them late), {} already stored; {} requests and {} for tokens, {} throttled; state {} bytes, lag {} s",
        report.records_read,
        report.records_written,
        if dry_run {
            "would be written".into()
        } else {
            format!("written to {} objects", report.objects_written)
        },
        report.late,
        report.duplicates_suppressed,
        report.requests,
        report.token_requests,
        report.throttled,
        report.state_bytes,
        report.lag_seconds,
    );
    if report.malformed_records > 0 {
        let _ =
            write!(text, "\n  malformed: {} records, kept in the run's manifest", report.malformed_records);
    }
    for gap in &report.gaps {
        let _ = write!(text, "\n  lost: {} to {}: {}", gap.from, gap.until, gap.reason);
    }
    for day in &report.deferred {
        let _ = write!(text, "\n  deferred: {}: {}", day.from, day.reason);
    }
    for note in &report.notes {
        let _ = write!(text, "\n  {note}");
    }
    if let Some(reason) = &report.stopped {
        let hint = reason.hint.as_deref().unwrap_or("run again");
        let _ = write!(text, "\n  stopped early with progress saved: {}; {hint}", reason.what);
    }
    text
}
