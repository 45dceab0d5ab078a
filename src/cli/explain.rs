//! `zoom-udm explain`: each record, its event, and which rule filled each field from which text.

mod human;

use super::error::{CliError, Exit};
use super::event_args::MappingArgs;
use super::inputs::{Inputs, Progress};
use super::name_filter::NameFilterArgs;
use super::normalize::exit;
use super::output_target::{OutputTarget, output_is_closed};
use super::{messages, signal};
use crate::explain::{self, Explanation};
use crate::normalize::Error;
use crate::polling_stdio::PollingStream;
use crate::sanitize;
use clap::{Args, ValueEnum};
use human::Human;
use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal as _, Write};

/// Show which rule filled each field of an event, and what was not mapped
#[derive(Args)]
#[command(after_help = "\
Formats are detected from the content, as by normalize: one record per line,
arrays, API pages; plain or gzip. Output starts before the
input ends. Control characters are escaped.

Examples:
  zoom-udm explain records.ndjson | less -R
  zoom-udm explain --color always logs/ more.json.gz | less -R
  pbpaste | zoom-udm explain
  zoom-udm explain records.ndjson --format json |
    jq -r '.unmapped[]? | select(.kind == \"change\") | .text'
  zoom-udm explain records.ndjson --format json | jq 'select(.reject)'

Exit codes: 0 done, 1 some records were rejected, 2 usage, 3 input or output
failed, 75 stopped by a signal")]
pub(super) struct ExplainArgs {
    /// Files, globs, directories; `-` or nothing for standard input
    inputs: Vec<OsString>,
    #[command(flatten)]
    names: NameFilterArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: ExplainFormat,
    /// When to use color
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: ColorChoice,
    #[command(flatten)]
    rules: MappingArgs,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ExplainFormat {
    #[default]
    Human,
    Json,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    fn holds(self, terminal: bool) -> bool {
        let says = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value == wanted);
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                terminal && !plain && !says("TERM", "dumb")
            }
        }
    }
}

pub(super) fn run(args: &ExplainArgs) -> Result<Exit, CliError> {
    let options = args.rules.options()?;
    signal::stop_on_interrupt(&options.stop);
    if output_is_closed() {
        messages::eprint_line(messages::OUTPUT_CLOSED);
    }
    let terminal = io::stdout().is_terminal();
    let mut out = BufWriter::new(PollingStream(io::stdout().lock()));
    let mut human = Human::new(args.color.holds(terminal));
    let inputs = Inputs::find(&args.inputs, args.names.filter()?);
    inputs.refuse_output(&OutputTarget::Output, "standard output")?;
    let live = inputs.is_live();
    // The output itself shows the progress.
    let progress = Progress::hidden();
    let outcome = explain::run(inputs.open(&progress), &options, &mut |explanation| {
        match args.format {
            ExplainFormat::Human => human.write(&explanation, &mut out)?,
            ExplainFormat::Json => json(&explanation, terminal, &mut out)?,
        }
        // Users who type records or follow a pipe expect each result at once.
        if terminal || live { out.flush() } else { Ok(()) }
    });
    let finished = out.flush();
    let summary = outcome.map_err(|error| match error {
        Error::Output(error) => anyhow::Error::from(error).context("writing failed"),
        error => error.into(),
    })?;
    finished.map_err(|error| anyhow::Error::from(error).context("writing failed"))?;
    messages::failures(&summary);
    Ok(exit(&summary, &options))
}

/// Prints one object and a newline; on a terminal, control characters in its strings are escaped.
fn json(explanation: &Explanation, on_terminal: bool, out: &mut impl Write) -> io::Result<()> {
    if !on_terminal {
        serde_json::to_writer(&mut *out, explanation)?;
        return out.write_all(b"\n");
    }
    writeln!(out, "{}", sanitize::escape_json(&serde_json::to_string(explanation)?))
}
