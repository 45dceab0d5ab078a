//! `zoom-udm normalize`: raw records in, UDM events out.

use super::error::{CliError, Exit};
use super::event_args::EventArgs;
use super::inputs::{self, Inputs, Progress};
use super::messages::{self, SummaryFormat};
use super::name_filter::NameFilterArgs;
use super::normalize_output::{IoPaths, NormalizeSink};
use super::output_target::output_is_closed;
use super::signal;
use crate::normalize::{
    Error, Options, RejectReader, Summary, decompress, replay_rejects, run as run_inputs,
};
use clap::Args;
use std::ffi::OsString;
use std::io::BufReader;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

/// Convert raw Zoom admin records to UDM events, one per line, in input order
#[derive(Args)]
#[command(after_help = "\
Formats are detected from the content: one record per line, an array of
records per line, API pages on one line or pretty-printed, the CSV export of
Zoom's portal; plain or gzip. Every record becomes an event or a reject. In a
directory, only *.json, *.ndjson, *.jsonl, *.log and *.csv files are read,
also with .gz. Files that you name are always read.

Examples:
  zoom-udm normalize records.ndjson > events.ndjson
  gcloud storage cat 'gs://bucket/zoom/**.json.gz' |
    zoom-udm normalize --rejects rejects.ndjson
  zoom-udm normalize logs/ 'more/*.json.gz' -o events.ndjson --summary json
  zoom-udm normalize logs/ --include '**/*.txt' --exclude 'old/**'
  zoom-udm normalize records.ndjson --format import -o requests.ndjson
  zoom-udm normalize --from-rejects rejects.ndjson --default-time now

Exit codes: 0 done, 1 some records were rejected, 2 usage, 3 input or output
failed, 75 stopped by a signal")]
pub(super) struct NormalizeArgs {
    /// Files, globs or directories; `-` or nothing for standard input
    inputs: Vec<OsString>,
    #[command(flatten)]
    names: NameFilterArgs,
    /// Write events to FILE, replaced only on success; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    mapping: EventArgs,
    /// Write rejects to FILE as JSON lines (FILE.partial if interrupted)
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Replay a --rejects file (plain or gzip; `-` is standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    from_rejects: Option<PathBuf>,
    /// Worker threads, at most 256 [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<NonZeroUsize>,
    /// Stop at the first reject
    #[arg(long)]
    strict: bool,
    /// Summary format on standard error
    #[arg(long, value_enum, default_value_t)]
    summary: SummaryFormat,
}

pub(super) fn run(args: &NormalizeArgs) -> Result<Exit, CliError> {
    let started = Instant::now();
    let options = options(args)?;
    signal::stop_on_interrupt(&options.stop);
    let inputs = match &args.from_rejects {
        Some(file) => Inputs::of_file(file),
        None => Inputs::find(&args.inputs, args.names.filter()?),
    };
    let names = IoPaths {
        output: args.output.as_deref(),
        rejects: args.rejects.as_deref(),
        inputs: &inputs,
        again: args.from_rejects.is_some(),
    };
    if args.output.is_none() && output_is_closed() {
        messages::eprint_line(messages::OUTPUT_CLOSED);
    }
    let mut outputs = NormalizeSink::open(&names, args.mapping.requests().as_ref())?;
    let outcome = normalize(args, inputs, &options, &mut outputs);
    let summary = outputs.close(outcome)?;
    messages::summary(&summary, started.elapsed(), args.summary);
    Ok(exit(&summary, &options))
}

/// Returns how a run with this summary ended. A closed output and a reject under `--strict` count as stopped.
pub(super) fn exit(summary: &Summary, options: &Options) -> Exit {
    if !summary.failures.is_empty() {
        Exit::Io
    } else if summary.stopped && options.stop.load(std::sync::atomic::Ordering::Relaxed) {
        Exit::Stopped
    } else if summary.rejects > 0 {
        Exit::Rejects
    } else {
        Exit::Done
    }
}

fn normalize(
    args: &NormalizeArgs,
    inputs: Inputs<'_>,
    options: &Options,
    outputs: &mut NormalizeSink,
) -> Result<Summary, Error> {
    let Some(file) = &args.from_rejects else {
        let progress = Progress::start(&inputs, outputs.on_terminal());
        return run_inputs(inputs.open(&progress), options, outputs);
    };
    let name = file.display().to_string();
    let rejects: Box<dyn Iterator<Item = _> + Send> =
        match inputs::open_one_or_standard(file).and_then(decompress) {
            Ok(decompressed) => {
                Box::new(RejectReader::new(BufReader::new(decompressed.reader), options.max_line_bytes))
            }
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
    replay_rejects(&name, rejects, options, outputs)
}

/// Threads beyond the cores only wait, and each of them needs memory.
const MAX_THREADS: usize = 256;

/// Parses a number of worker threads.
pub(super) fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    let threads = text.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= MAX_THREADS);
    threads.ok_or_else(|| format!("expected a number from 1 to {MAX_THREADS}"))
}

/// Returns the number of worker threads: as many as given, otherwise one per core.
pub(super) fn thread_count(given: Option<NonZeroUsize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS);
    given.map_or_else(cores, NonZeroUsize::get)
}

fn options(args: &NormalizeArgs) -> Result<Options, CliError> {
    let options = args.mapping.options()?;
    Ok(Options { threads: thread_count(args.threads), strict: args.strict, ..options })
}
