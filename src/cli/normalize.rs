//! `zoom-udm normalize`: raw records in, UDM events out.

use super::inputs::{self, Progress};
use super::output::{AtStop, Destination};
use super::report::{self, SummaryFormat};
use super::{Exit, Fault, signal};
use crate::mapping::{Rules, Values};
use crate::normalize::{
    DEFAULT_MAX_LINE_BYTES, Error, Format, Limits, Options, RejectReader, RejectWriter, Rejected, Request,
    Requests, Sink, Summary, run as run_inputs, run_returned,
};
use crate::time::Timestamp;
use crate::udm::{Case, Feed, Shape, Writer};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use std::io::{self, BufReader};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

/// Turn raw Zoom operation logs into UDM events, one a line, in order
#[derive(Args)]
#[command(after_help = "\
Input is told apart by looking: one record a line, an array of records a line, API pages on one line or
pretty-printed over many; plain or gzip. Every record comes out as an event or as a reject.

Examples:
  zoom-udm normalize records.ndjson > events.ndjson
  gsutil cat 'gs://bucket/zoom/**.json.gz' | zoom-udm normalize --rejects rejects.ndjson
  zoom-udm normalize logs/ 'more/*.json.gz' -o events.ndjson --summary json
  zoom-udm normalize records.ndjson --format import -o requests.ndjson
  zoom-udm normalize --from-rejects rejects.ndjson --default-time now

Exit codes: 0 done, 1 some records were rejected, 2 usage, 3 input or output failed, 75 stopped by a signal")]
pub(super) struct Flags {
    /// Files, globs, directories; `-` or nothing for standard input
    inputs: Vec<String>,
    /// Write events to FILE (written beside it and renamed when all is well); `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What stands around each event
    #[arg(long, value_enum, default_value_t)]
    format: EventFormat,
    /// How field names are spelled (bigquery is always snake)
    #[arg(long, value_enum, default_value_t)]
    case: CaseFlag,
    /// What a change becomes: the value that was set, or Zoom's phrase
    #[arg(long, value_enum, default_value_t)]
    values: ValuesFlag,
    /// What a record without a usable time gets, instead of being rejected: `now` or a time like 2024-01-31T00:00:00Z
    #[arg(long, value_name = "now|TIME")]
    default_time: Option<String>,
    /// Cut texts to UDM's documented maxima, never within a character
    #[arg(long)]
    clip: bool,
    /// Set the namespace of every principal, target and about
    #[arg(long, value_name = "NS")]
    namespace: Option<String>,
    /// Add an ingestion label to every event (may be given again)
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Set metadata.productLogId to a stable id of the record
    #[arg(long)]
    event_id: bool,
    /// Write rejects to FILE, whole, as JSON lines: input, line, offset, reason, message, raw
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Read what --rejects wrote instead of inputs
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    from_rejects: Option<PathBuf>,
    /// How inputs are cut into records
    #[arg(long, value_enum, default_value_t)]
    input_format: InputFormat,
    /// The longest line that is read
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_LINE_BYTES as u64, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_line_bytes: u64,
    /// How many threads work [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Stop at the first reject
    #[arg(long)]
    strict: bool,
    /// What to say at the end, on standard error
    #[arg(long, value_enum, default_value_t)]
    summary: SummaryFormat,
    /// With --format batch-create: the SecOps customer id
    #[arg(long, value_name = "ID", required_if_eq("format", "batch-create"))]
    customer_id: Option<String>,
    /// With --format import or batch-create: the most events in a request
    #[arg(long, value_name = "N", default_value_t = Limits::default().events as u64, value_parser = clap::value_parser!(u64).range(1..))]
    request_events: u64,
    /// With --format import or batch-create: the most bytes in a request
    #[arg(long, value_name = "N", default_value_t = Limits::default().bytes as u64, value_parser = clap::value_parser!(u64).range(1..))]
    request_bytes: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum EventFormat {
    /// One bare event a line
    #[default]
    Udm,
    /// Requests for events:import, one a line
    Import,
    /// Requests for udmevents:batchCreate, one a line
    BatchCreate,
    /// As Google's runParser answers, one a line
    Parser,
    /// Rows like the export to BigQuery
    Bigquery,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum CaseFlag {
    #[default]
    Camel,
    Snake,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ValuesFlag {
    #[default]
    New,
    Verbatim,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum InputFormat {
    #[default]
    Auto,
    Ndjson,
    Json,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, like env=prod".to_owned()),
    }
}

pub(super) fn run(flags: &Flags) -> Result<Exit, Fault> {
    let started = Instant::now();
    let options = options(flags)?;
    signal::stop_at(&options.stop);
    let mut output = Destination::open(flags.output.as_deref(), AtStop::Remove)?;
    let reject_file = |file| Destination::open(Some(file), AtStop::Keep);
    let mut rejects = flags.rejects.as_deref().map(reject_file).transpose()?;
    let mut sink = Streams {
        events: Events::new(flags, &mut output),
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
    let case = match flags.case {
        CaseFlag::Camel => Case::Camel,
        CaseFlag::Snake => Case::Snake,
    };
    let shape = match flags.format {
        EventFormat::Udm | EventFormat::Import | EventFormat::BatchCreate => Shape::Udm(case),
        EventFormat::Parser => Shape::Parser(case),
        EventFormat::Bigquery => Shape::BigQuery,
    };
    let values = match flags.values {
        ValuesFlag::New => Values::New,
        ValuesFlag::Verbatim => Values::Verbatim,
    };
    let feed = Feed { namespace: flags.namespace.clone(), labels: flags.label.clone() };
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    Ok(Options {
        rules: Rules { values, clip: flags.clip },
        writer: Writer::new(shape, &feed),
        default_time: flags.default_time.as_deref().map(default_time).transpose()?,
        event_id: flags.event_id,
        format: match flags.input_format {
            InputFormat::Auto => Format::Auto,
            InputFormat::Ndjson => Format::Ndjson,
            InputFormat::Json => Format::Json,
        },
        max_line_bytes: usize::try_from(flags.max_line_bytes).unwrap_or(usize::MAX),
        threads: flags.threads.map_or_else(cores, NonZeroUsize::get),
        strict: flags.strict,
        ..Options::default()
    })
}

fn default_time(text: &str) -> Result<Timestamp, Fault> {
    let (name, text) = match (text, std::env::var("ZOOM_UDM_NOW")) {
        ("now", Ok(now)) => ("ZOOM_UDM_NOW", now),
        ("now", Err(_)) => {
            return Timestamp::from_chrono(chrono::Utc::now())
                .ok_or_else(|| Fault::Usage("the clock is out of range".into()));
        }
        _ => ("--default-time", text.to_owned()),
    };
    Timestamp::parse(&text).ok_or_else(|| {
        Fault::Usage(format!("{name} is {text:?}; expected a time like 2024-01-31T00:00:00Z (or now)"))
    })
}

/// Where events go, put together as asked.
enum Events<'a> {
    Bare(&'a mut Destination),
    Requests(Requests<&'a mut Destination>),
}

impl<'a> Events<'a> {
    fn new(flags: &Flags, output: &'a mut Destination) -> Self {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let limits = Limits { events: size(flags.request_events), bytes: size(flags.request_bytes) };
        let request = match flags.format {
            EventFormat::Import => Request::Import,
            EventFormat::BatchCreate => {
                Request::BatchCreate { customer_id: flags.customer_id.clone().unwrap_or_default() }
            }
            _ => return Self::Bare(output),
        };
        Self::Requests(Requests::new(output, &request, limits))
    }
}

enum Rejects<'a> {
    /// Not buffered: what was refused is in the file before more is read.
    File(RejectWriter<&'a mut Destination>),
    /// How many were said on standard error.
    Said(u64),
}

struct Streams<'a> {
    events: Events<'a>,
    rejects: Rejects<'a>,
}

impl Streams<'_> {
    fn finish(self) -> io::Result<()> {
        if let Events::Requests(requests) = self.events {
            requests.finish()?;
        }
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
        match &mut self.events {
            Events::Bare(output) => io::Write::write_all(output, events),
            Events::Requests(requests) => requests.write_events(events),
        }
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
