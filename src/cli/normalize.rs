//! `zoom-udm normalize`: raw records in, UDM events out.

use super::inputs::{self, Progress};
use super::mapping::MappingFlags;
use super::output::{AtStop, Destination};
use super::report::{self, SummaryFormat};
use super::{Exit, Fault, signal};
use crate::normalize::{
    Error, EventWriter, Options, RejectReader, RejectWriter, Rejected, Sink, Summary, run as run_inputs,
    run_returned,
};
use anyhow::Context as _;
use clap::Args;
use std::io::{self, BufReader};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

/// Turn raw Zoom operation logs into UDM events, one a line, in order
#[derive(Args)]
#[command(after_help = "\
Input is told apart by looking: one record a line, an array of records a line,
API pages on one line or pretty-printed over many; plain or gzip. Every record
comes out as an event or as a reject.

Examples:
  zoom-udm normalize records.ndjson > events.ndjson
  gsutil cat 'gs://bucket/zoom/**.json.gz' |
    zoom-udm normalize --rejects rejects.ndjson
  zoom-udm normalize logs/ 'more/*.json.gz' -o events.ndjson --summary json
  zoom-udm normalize records.ndjson --format import -o requests.ndjson
  zoom-udm normalize --from-rejects rejects.ndjson --default-time now

Exit codes: 0 done, 1 some records were rejected, 2 usage, 3 input or output
failed, 75 stopped by a signal")]
pub(super) struct Flags {
    /// Files, globs, directories; `-` or nothing for standard input
    inputs: Vec<String>,
    /// Write events to FILE (written beside it and renamed when all is well); `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    mapping: MappingFlags,
    /// Write rejects to FILE, whole, as JSON lines: input, line, offset, reason, message, raw
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Read what --rejects wrote instead of inputs
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    from_rejects: Option<PathBuf>,
    /// How many threads work [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Stop at the first reject
    #[arg(long)]
    strict: bool,
    /// What to say at the end, on standard error
    #[arg(long, value_enum, default_value_t)]
    summary: SummaryFormat,
}

pub(super) fn run(flags: &Flags) -> Result<Exit, Fault> {
    let started = Instant::now();
    let options = options(flags)?;
    signal::stop_at(&options.stop);
    let mut output = Destination::open(flags.output.as_deref(), AtStop::Remove)?;
    let reject_file = |file| Destination::open(Some(file), AtStop::Keep);
    let mut rejects = flags.rejects.as_deref().map(reject_file).transpose()?;
    let mut sink = Streams {
        events: EventWriter::new(&mut output, flags.mapping.requests().as_ref()),
        rejects: match &mut rejects {
            Some(file) => Rejects::File(RejectWriter::new(file)),
            None => Rejects::Said(0),
        },
    };
    let outcome = normalize(flags, &options, &mut sink);
    let finished = sink.finish();
    let summary = match outcome {
        Ok(summary) => summary,
        Err(Error::Output(error)) => {
            return Err(anyhow::Error::from(error).context("writing events failed").into());
        }
        Err(error) => return Err(anyhow::Error::from(error).into()),
    };
    finished.context("writing the output failed")?;
    let exit = exit(&summary, &options);
    let whole = !(summary.stopped || matches!(exit, Exit::Io));
    report::failures(&summary);
    if whole {
        output.keep()?;
    } else if let Some(file) = flags.output.as_ref().filter(|_| output.is_replacing()) {
        report::say(&format!("{} was left as it was, since not all of the input was read", file.display()));
    }
    // What was refused is worth keeping whatever else failed.
    rejects.map(Destination::keep).transpose()?;
    report::summary(&summary, started.elapsed(), flags.summary);
    Ok(exit)
}

fn exit(summary: &Summary, options: &Options) -> Exit {
    if !summary.failures.is_empty() {
        Exit::Io
    } else if options.stop.load(std::sync::atomic::Ordering::Relaxed) {
        Exit::Stopped
    } else if summary.rejects > 0 {
        Exit::Rejects
    } else {
        Exit::Done
    }
}

fn normalize(flags: &Flags, options: &Options, sink: &mut Streams<'_>) -> Result<Summary, Error> {
    let Some(file) = &flags.from_rejects else {
        let progress = Progress::start(&flags.inputs, flags.output.is_some());
        return run_inputs(inputs::open(&flags.inputs, &progress), options, sink);
    };
    let name = file.display().to_string();
    let rejects: Box<dyn Iterator<Item = _> + Send> = match inputs::open_one(file) {
        Ok(reader) => Box::new(RejectReader::new(BufReader::new(reader), options.max_line_bytes)),
        Err(error) => Box::new(std::iter::once(Err(error))),
    };
    run_returned(&name, rejects, options, sink)
}

fn options(flags: &Flags) -> Result<Options, Fault> {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let options = flags.mapping.options()?;
    Ok(Options {
        threads: flags.threads.map_or_else(cores, NonZeroUsize::get),
        strict: flags.strict,
        ..options
    })
}

enum Rejects<'a> {
    /// Not buffered: what was refused is in the file before more is read.
    File(RejectWriter<&'a mut Destination>),
    /// How many were said on standard error.
    Said(u64),
}

struct Streams<'a> {
    events: EventWriter<&'a mut Destination>,
    rejects: Rejects<'a>,
}

impl Streams<'_> {
    fn finish(self) -> io::Result<()> {
        self.events.finish()?;
        match self.rejects {
            Rejects::File(writer) => writer.finish().map(drop),
            Rejects::Said(said) => {
                report::more_rejects(said);
                Ok(())
            }
        }
    }
}

impl Sink for Streams<'_> {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.events.write(events)
    }

    fn reject(&mut self, reject: &Rejected<'_>) -> io::Result<()> {
        match &mut self.rejects {
            Rejects::File(writer) => writer.write(reject),
            Rejects::Said(said) => {
                report::reject(reject, said);
                Ok(())
            }
        }
    }
}
