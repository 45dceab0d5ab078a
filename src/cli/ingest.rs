//! `zoom-udm ingest`: objects in, events out, each object once.

use super::event_args::EventArgs;
use super::messages::{self, SummaryFormat};
use super::output_target::{holds_stream, is_null, output_is_closed};
use super::parsers::{MaxAge, age, count, duration, env_var, lease, location, nonzero_duration, timeout};
use super::{CliError, Exit, clock, ingest_progress, multi_thread_runtime, signal};
use crate::blocking_io;
use crate::ingest::{Clock, Delete, Destination, Limits, Options, Report, Shard, WriteSettling};
use crate::store::{Location, StoreConfig};
use clap::{Args, ValueEnum};
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Convert Zoom's objects in Cloud Storage or a directory to events, each object exactly once
#[derive(Args)]
#[command(after_help = "\
With a directory or bucket as destination, each object becomes events exactly
once: outputs are named by object and generation and created only if absent,
so after a kill, run it again. With `-` it is at least once, because nobody
can know what a killed run had written.

Credentials are Google's application default ones
(GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login`, or
the metadata server). STORAGE_EMULATOR_HOST is respected. TIMEOUT is the
number of seconds without a byte before a request fails (30); ZOOM_UDM_LOG is
the log level (info).

Examples:
  zoom-udm ingest gs://bucket/zoom/operationlogs/ --to gs://bucket-udm/events/
  zoom-udm ingest gs://bucket/zoom/operationlogs/ --to out/ --rejects rejects/
  zoom-udm ingest /var/log/zoom/ --to /var/log/zoom-udm/ --follow --every 60s
  zoom-udm ingest logs/ --to - --no-ledger | jq .
  zoom-udm ingest gs://bucket/zoom/operationlogs/ --to out/ --dry-run

Exit codes: 0 done, 1 some records were rejected or objects failed, 2 usage,
3 input or output failed, 4 credentials or permission, 5 another run holds the
ledger, 75 stopped by a signal with progress saved")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Flags {
    /// Source: gs://BUCKET/PREFIX/, file:///DIRECTORY/ or a directory
    #[arg(value_name = "SOURCE", value_parser = location)]
    from: Location,
    /// Destination of events: gs://BUCKET/PREFIX/, a directory, or `-` for standard output
    #[arg(long, value_name = "DEST")]
    to: String,
    /// Ledger of processed objects [default: next to DEST with `.ledger` appended]
    #[arg(long, value_name = "URL", value_parser = location)]
    ledger: Option<Location>,
    /// Keep no ledger; requires `--to -`
    #[arg(long, conflicts_with = "ledger")]
    no_ledger: bool,
    /// Destination of rejects, one object per source object
    #[arg(long, value_name = "URL", value_parser = location)]
    rejects: Option<Location>,
    /// Delete source objects after their events and the ledger are durable
    #[arg(long, value_enum, default_value_t)]
    delete: DeleteFlag,
    /// Skip objects modified longer ago (30m, 12h, 180d, or `none`)
    #[arg(long, value_name = "AGE", default_value = "180d", value_parser = age)]
    max_age: MaxAge,
    /// Read only objects whose name below SOURCE matches; repeatable; `**` crosses directories
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Skip objects whose name below SOURCE matches; repeatable
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Process the source once [default]
    #[arg(long, conflicts_with = "follow")]
    once: bool,
    /// Process the source repeatedly, until a signal
    #[arg(long)]
    follow: bool,
    /// With --follow: interval between run starts
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = nonzero_duration, requires = "follow")]
    every: Duration,
    /// How long a local file must be unchanged before it is read to its end
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    settle: Duration,
    /// Objects processed at the same time
    #[arg(long, value_name = "N", default_value = "16", value_parser = count::<NonZeroUsize>)]
    concurrency: NonZeroUsize,
    /// Process the I-th of N parts, from 0 [default: CLOUD_RUN_TASK_INDEX/CLOUD_RUN_TASK_COUNT, or 0/1]
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Report what would be read or skipped, and why
    #[arg(long)]
    dry_run: bool,
    /// Summary format on standard error
    #[arg(long, value_enum, default_value_t)]
    summary: SummaryFormat,
    /// Refuse objects that decompress to more than N times their size
    #[arg(long, value_name = "N", default_value_t = Limits::default().ratio, value_parser = clap::value_parser!(u64).range(1..))]
    max_ratio: u64,
    /// Refuse objects that decompress to more bytes
    #[arg(long, value_name = "N", default_value_t = Limits::default().bytes, value_parser = clap::value_parser!(u64).range(1..))]
    max_object_bytes: u64,
    /// Attempts for each request after the first
    #[arg(long, value_name = "N", default_value_t = StoreConfig::default().retries)]
    retries: usize,
    /// Total time for the attempts of a request
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = duration)]
    retry_for: Duration,
    /// Lease duration: another run may take over once it expires
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = lease)]
    lease: Duration,
    /// Interval between saves of the ledger
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, hide = true)]
    checkpoint: Duration,
    /// Delay before the second attempt
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = duration, hide = true)]
    first_pause: Duration,
    #[command(flatten)]
    mapping: EventArgs,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum DeleteFlag {
    #[default]
    Never,
    Transferred,
    TransferredAndEmptyDirs,
}

pub(super) fn shard(text: &str) -> Result<Shard, String> {
    let parts =
        text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match parts {
        Some((index, count)) if index < count => Ok(Shard { index, count }),
        _ => Err("expected I/N with I from 0 to N-1, like 0/4".into()),
    }
}

/// Returns the shard from Cloud Run's variables.
fn shard_of_task() -> Result<Shard, CliError> {
    match (env_var("CLOUD_RUN_TASK_INDEX"), env_var("CLOUD_RUN_TASK_COUNT")) {
        (Some(index), Some(count)) => shard(&format!("{index}/{count}")).map_err(|why| {
            let given = format!("CLOUD_RUN_TASK_INDEX and CLOUD_RUN_TASK_COUNT are {index}/{count}");
            CliError::Usage(format!("{given}; {why}"))
        }),
        _ => Ok(Shard::default()),
    }
}

pub(super) fn run(flags: &Flags) -> Result<Exit, CliError> {
    let options = options(flags)?;
    let runtime = multi_thread_runtime(0)?;
    let voice = ingest_progress::IngestReporter::new(flags.dry_run, flags.to == "-")?;
    let outcome = runtime.block_on(again(flags, &options, &voice));
    // Threads that wait for the network or for standard output are abandoned.
    runtime.shutdown_background();
    outcome
}

/// Runs once or repeatedly.
async fn again(
    flags: &Flags,
    options: &Options,
    voice: &ingest_progress::IngestReporter,
) -> Result<Exit, CliError> {
    let (stop, asked) = (Arc::new(Notify::new()), Arc::<AtomicBool>::default());
    signal::stop_at_signals(&stop, &asked);
    loop {
        let next = tokio::time::Instant::now() + flags.every;
        let clock = if flags.follow { clock()? } else { options.clock.clone() };
        let outcome = once(flags, Options { clock, ..options.clone() }, voice, &stop).await;
        match outcome {
            Ok(Exit::Stopped) if flags.follow => return Ok(Exit::Stopped),
            // An unreachable source may be reachable in the next round.
            Err(CliError::Io(error)) if flags.follow && !super::is_broken_pipe(&error) => {
                voice.warn_counted(&messages::format_chain(&error));
            }
            Err(CliError::Locked(message)) if flags.follow => voice.warn_counted(&message),
            outcome if !flags.follow => return outcome,
            // The summary reports rejects and failures.
            outcome => drop(outcome?),
        }
        // A stopped round may have ended with an error.
        if asked.load(Ordering::Relaxed) {
            return Ok(Exit::Stopped);
        }
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = stop.notified() => return Ok(Exit::Stopped),
        }
    }
}

async fn once(
    flags: &Flags,
    options: Options,
    voice: &ingest_progress::IngestReporter,
    stop: &Notify,
) -> Result<Exit, CliError> {
    let started = std::time::Instant::now();
    let said = options.rejects.is_none();
    let outcome = crate::ingest::run(options, voice, stop).await;
    voice.clear();
    let report = outcome?;
    ingest_progress::summary(&report, started.elapsed(), flags.summary);
    if said && report.summary.rejects > 0 {
        let again =
            if flags.no_ledger { "" } else { " after their objects are read again (zoom-udm ledger forget)" };
        voice.warn_counted(&format!(
            "{} records were rejected and stored nowhere; --rejects URL stores them{again}",
            report.summary.rejects
        ));
    }
    let emptied = flags.follow || !matches!(flags.delete, DeleteFlag::Never);
    if report.listed == 0 && !report.stopped && !emptied {
        voice.warn_counted(&format!(
            "{} contains no objects: name the directory, or a prefix that ends in /; select a single object with --include",
            flags.from
        ));
    }
    Ok(exit(&report))
}

fn exit(report: &Report) -> Exit {
    if report.stopped {
        Exit::Stopped
    } else if report.summary.rejects > 0 || report.failed > 0 || report.not_deleted > 0 {
        Exit::Rejects
    } else {
        Exit::Done
    }
}

/// Returns the options for runs of a service.
#[cfg(feature = "serve")]
pub(super) fn served(flags: &Flags) -> Result<Options, CliError> {
    if flags.follow || flags.dry_run || flags.shard.is_some() || flags.to == "-" {
        return Err(CliError::Usage(
            "INGEST_FLAGS: --follow, --dry-run, --shard and --to - are valid on the command line only".into(),
        ));
    }
    options(flags)
}

fn clock() -> Result<Clock, CliError> {
    clock::now().map(Clock::at)
}

/// Checks that what goes to standard output is not lost.
fn check_output(flags: &Flags) -> Result<(), CliError> {
    match (output_is_closed(), flags.no_ledger) {
        (true, false) => Err(CliError::Io(anyhow::anyhow!(
            "standard output is closed (or the null device, opened to read and write): the ledger would mark objects as done \
             whose events are lost; redirect it to a file or a pipe"
        ))),
        (true, true) => {
            messages::eprint_line(messages::OUTPUT_CLOSED);
            Ok(())
        }
        (false, _) => Ok(()),
    }
}

/// Refuses flags that contradict each other; `streams` says whether events go to standard output.
fn refuse_contradictions(flags: &Flags, streams: bool) -> Result<(), CliError> {
    if flags.no_ledger && !streams {
        return Err(CliError::Usage(
            "--no-ledger requires --to -: for other destinations the ledger records what is done".into(),
        ));
    }
    if streams && flags.ledger.is_none() && !flags.no_ledger {
        return Err(CliError::Usage(
            "--to - has no default ledger: name one with --ledger URL, or pass --no-ledger".into(),
        ));
    }
    if flags.no_ledger && !matches!(flags.delete, DeleteFlag::Never) {
        return Err(CliError::Usage(
            "--delete requires a ledger, which records the objects that are done".into(),
        ));
    }
    if streams && !matches!(flags.delete, DeleteFlag::Never) && is_null(io::stdout()) {
        return Err(CliError::Usage(
            "standard output is closed or the null device: --delete would delete objects whose events are stored nowhere"
                .into(),
        ));
    }
    if let Location::File(source) = flags.from.canonicalized()
        && streams
        && holds_stream(&source, io::stdout())
    {
        return Err(CliError::Usage(format!(
            "standard output goes to a file within the source {}, which would be read as a log; send it elsewhere",
            flags.from
        )));
    }
    Ok(())
}

fn options(flags: &Flags) -> Result<Options, CliError> {
    let place = |text: &str| location(text).map_err(|why| CliError::Usage(format!("--to: {why}")));
    let to = match flags.to.as_str() {
        "-" => Destination::Stream(Arc::new(Mutex::new(blocking_io::stdout()))),
        text => Destination::Objects(place(text)?),
    };
    refuse_contradictions(flags, to.place().is_none())?;
    if to.place().is_none() {
        check_output(flags)?;
    }
    let base = Options::new(flags.from.clone(), to);
    Ok(Options {
        ledger: flags.ledger.clone().or(base.ledger).filter(|_| !flags.no_ledger),
        rejects: flags.rejects.clone(),
        delete: match flags.delete {
            DeleteFlag::Never => Delete::Never,
            DeleteFlag::Transferred => Delete::Transferred,
            DeleteFlag::TransferredAndEmptyDirs => Delete::TransferredAndEmptyDirs,
        },
        max_age: flags.max_age,
        include: flags.include.clone(),
        exclude: flags.exclude.clone(),
        settle: if flags.follow {
            WriteSettling::following(flags.settle)
        } else {
            WriteSettling::once(flags.settle)
        },
        concurrency: flags.concurrency.get(),
        shard: flags.shard.map_or_else(shard_of_task, Ok)?,
        dry_run: flags.dry_run,
        limits: Limits { ratio: flags.max_ratio, bytes: flags.max_object_bytes },
        normalize: flags.mapping.options()?,
        // The same object must give the same bytes in every run.
        default_time_from_mtime: flags.mapping.defaults_to_now(),
        requests: flags.mapping.requests(),
        clock: clock()?,
        retry: StoreConfig {
            retries: flags.retries,
            retry_for: flags.retry_for,
            first_pause: flags.first_pause,
            timeout: timeout(env_var("TIMEOUT")).map_err(CliError::Usage)?,
            emulator: None,
        },
        lease: flags.lease,
        checkpoint: flags.checkpoint,
        ..base
    })
}
