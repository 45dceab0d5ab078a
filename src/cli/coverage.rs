//! `zoom-udm coverage`: how much of the text of records is mapped, and what is not.

use super::error::{CliError, Exit};
use super::event_args::ReadingArgs;
use super::inputs::{Inputs, Progress};
use super::name_filter::NameFilterArgs;
use super::normalize::{exit, parse_threads, thread_count};
use super::output_target::{OutputTarget, output_is_closed};
use super::stdout::print;
use super::{messages, signal};
use crate::coverage::{self, Layout, Report};
use crate::normalize::Options;
use crate::sanitize;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::num::NonZeroUsize;

/// Report how much text of the records is mapped, and what is not
#[derive(Args)]
#[command(after_help = "\
Reads what normalize reads, and prints one report: the share of text that
reaches a field besides the description, by default and with --enrich; the
same for each category and action; the keys; and the text that is not mapped.
A report with --redact holds no values and no names that zoom-udm does not
know, so that you can send it to others.

Examples:
  zoom-udm coverage logs/
  zoom-udm coverage logs/ --redact --format markdown > coverage.md
  gcloud storage cat 'gs://bucket/zoom/**.json.gz' | zoom-udm coverage
  zoom-udm coverage records.ndjson --format json |
    jq -r '.unmapped.enriched[] | [.count, .part, .key] | @tsv'

Exit codes: 0 done, 1 some records were rejected, 2 usage, 3 input or output
failed, 75 stopped by a signal")]
pub(super) struct CoverageArgs {
    /// Files, globs, directories; `-` or nothing for standard input
    inputs: Vec<OsString>,
    #[command(flatten)]
    names: NameFilterArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: CoverageFormat,
    /// Hide values and unknown names
    #[arg(long)]
    redact: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Worker threads, at most 256 [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum CoverageFormat {
    #[default]
    Human,
    Json,
    Markdown,
}

pub(super) fn run(args: &CoverageArgs) -> Result<Exit, CliError> {
    let options = Options { threads: thread_count(args.threads), ..args.reading.apply(Options::default())? };
    signal::stop_on_interrupt(&options.stop);
    if output_is_closed() {
        messages::eprint_line(messages::REPORT_LOST);
    }
    let inputs = Inputs::find(&args.inputs, args.names.filter()?);
    inputs.refuse_output(&OutputTarget::Output, "standard output")?;
    let (report, summary) = {
        let progress = Progress::start(&inputs, false);
        coverage::run(inputs.open(&progress), &options, args.redact)?
    };
    messages::failures(&summary);
    print(&text(&report, args.format)?)?;
    Ok(exit(&summary, &options))
}

fn text(report: &Report, format: CoverageFormat) -> Result<String, CliError> {
    Ok(match format {
        CoverageFormat::Human => report.render(Layout::Human),
        CoverageFormat::Markdown => report.render(Layout::Markdown),
        CoverageFormat::Json => {
            let json = serde_json::to_string(report).map_err(anyhow::Error::from)? + "\n";
            if io::stdout().is_terminal() { sanitize::escape_json(&json) } else { json }
        }
    })
}
