//! `zoom-udm check`: checks the set-up.

use super::collect_config::{self, RunMode, SettingsArgs};
use super::collect_progress::{CollectReporter, TraceArgs};
use super::error::{CliError, Exit};
use super::runtime::current_thread_runtime;
use super::stdout::print;
use crate::sanitize;
use clap::Args;
use std::fmt::Write as _;

/// Check Zoom credentials, the bucket and the stored state before running `collect`
#[derive(Args)]
#[command(after_help = "\
Uses the settings of collect (see `zoom-udm collect --help`). Collects
nothing. The check writes an empty object next to the data and one next to
the state of each kind of log, and deletes them. If the account may only
create objects (objectCreator), they remain; feeds ignore empty objects.

Examples:
  zoom-udm check
  zoom-udm check --to gs://bucket/zoom/operationlogs/ --trace-http
  zoom-udm check --to gs://bucket/zoom/ --logs operation,sign-in

Exit codes: 0 all checks passed, 2 missing settings, 3 unreachable service or
bad state, 4 credentials, scopes, roles or permission")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    trace: TraceArgs,
}

/// Attempts after the first; the user waits for the result.
const RETRIES: usize = 1;

pub(super) fn run(args: &CheckArgs) -> Result<Exit, CliError> {
    let mut options = match collect_config::options(&args.settings, &RunMode::INSPECT) {
        Err(CliError::Usage(message)) => {
            print(&format!("FAIL settings: {message} -> see zoom-udm collect --help\n"))?;
            return Ok(Exit::Usage);
        }
        options => options?,
    };
    for options in &mut options {
        options.zoom.retry.retries = options.zoom.retry.retries.min(RETRIES);
        options.retry.retries = options.retry.retries.min(RETRIES);
    }
    let reporter = CollectReporter::new(&args.trace)?;
    let findings = current_thread_runtime()?.block_on(crate::collect::check(&options, reporter))?;
    let mut text = String::from("ok settings: complete\n");
    let mut exit = Exit::Done;
    for finding in &findings {
        let _ = match &finding.outcome {
            Ok(found) => writeln!(text, "ok {}: {found}", finding.name),
            Err(wrong) => {
                exit = exit.max(if wrong.access { Exit::Access } else { Exit::Io });
                let hint = wrong.failure.hint.as_deref().unwrap_or("run again with --trace-http for details");
                writeln!(text, "FAIL {}: {} -> {hint}", finding.name, wrong.failure.what)
            }
        };
    }
    // Contains text from Zoom and storage.
    print(&sanitize::multiline(&text))?;
    Ok(exit)
}
