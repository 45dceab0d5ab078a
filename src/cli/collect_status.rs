//! `zoom-udm collect status`: what was collected, and what is open.

use super::clock;
use super::collect_config::{self, StateArgs};
use super::error::{self, CliError, Exit};
use super::runtime::current_thread_runtime;
use super::stdout::{print, print_json};
use crate::collect::Status;
use crate::sanitize;
use clap::{Args, ValueEnum};
use std::fmt::Write as _;

#[derive(Args)]
pub(super) struct StatusArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Human,
    Json,
}

pub(super) fn run(args: &StatusArgs) -> Result<Exit, CliError> {
    let (places, settings) = collect_config::state_locations(&args.state)?;
    let now = clock::now()?.timestamp_millis();
    let runtime = current_thread_runtime()?;
    let (mut found, mut exit) = (Vec::new(), Exit::Done);
    let several = places.len() > 1;
    // A state that cannot be read does not hide the others.
    for (logs, place) in places {
        match runtime.block_on(crate::collect::status(&place, logs, now, &settings)) {
            Ok(status) if status.is_empty() => {
                let url = place.location.url(&place.name);
                let error = anyhow::anyhow!("{url}: nothing collected yet; run zoom-udm collect");
                exit = exit.most_serious(error::exit_code(Err(error::about(logs, several, error.into()))));
            }
            Ok(status) => found.extend(status),
            Err(why) => {
                exit = exit.most_serious(error::exit_code(Err(error::about(logs, several, why.into()))));
            }
        }
    }
    if found.is_empty() {
        return Ok(exit);
    }
    let printed = match args.format {
        Format::Json => {
            let lines: Vec<_> =
                found.iter().map(|status| serde_json::to_string(status).unwrap_or_default()).collect();
            print_json(&(lines.join("\n") + "\n"))
        }
        Format::Human => print(&sanitize::multiline(&found.iter().map(status_text).collect::<String>())),
    };
    Ok(exit.most_serious(printed?))
}

fn status_text(status: &Status) -> String {
    let mut text = format!("{}\n", status.state);
    let until = status.until.map(|until| format!(" to {until}")).unwrap_or_default();
    let _ = writeln!(text, "  logs        {}", status.logs);
    let _ = writeln!(text, "  about       {}{until}", status.first_day);
    let _ = writeln!(text, "  cursor      {} (all earlier days are finalized)", status.cursor);
    let _ = writeln!(
        text,
        "  read        {}\n  lag         {} s",
        status.read_at.as_deref().unwrap_or("never"),
        status.lag_seconds
    );
    let totals = &status.totals;
    let _ = writeln!(text, "  written     {} records in {} objects", totals.records, totals.objects);
    let _ =
        writeln!(text, "  suppressed  {} duplicates; {} records came late", totals.suppressed, totals.late);
    let _ = writeln!(text, "  finalized   {} days; {} records ambiguous", totals.finalized, totals.ambiguous);
    for (day, records) in &status.open {
        let _ = writeln!(text, "  open        {day}: {records} records");
    }
    for (name, list) in [("deferred", &status.deferred), ("gaps", &status.gaps)] {
        if list.is_empty() {
            let _ = writeln!(text, "  {name:11} none");
        }
    }
    for day in &status.deferred {
        let _ = writeln!(text, "  deferred    {}: {}", day.from, day.reason);
    }
    for gap in &status.gaps {
        let _ = writeln!(text, "  gap         {} to {}: {}", gap.from, gap.until, gap.reason);
    }
    if status.pending > 0 {
        let _ = writeln!(text, "  pending     {} objects, to be written by the next run", status.pending);
    }
    if let Some(note) = &status.imported_from {
        let _ = writeln!(text, "  note        {note}");
    }
    let _ = writeln!(text, "  state       {} bytes", status.state_bytes);
    text
}
