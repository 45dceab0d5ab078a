//! `zoom-udm ingest`: objects in, events out, each object once.

use super::error::{CliError, Exit, is_broken_pipe};
use super::event_args::EventArgs;
use super::ingest_progress::{self, IngestReporter};
use super::messages::{self, SummaryFormat};
use super::output_target::{Identity, is_null, output_is_closed};
use super::parsers::{MaxAge, age, count, duration, env_var, lease, location, nonzero_duration, timeout};
use super::runtime::multi_thread_runtime;
use super::{clock, shutdown};
use crate::ingest::{Clock, Delete, Destination, Limits, Options, Report, Shard, StabilityCheck};
use crate::polling_stdio;
use crate::store::{Location, StoreConfig};
use clap::{Args, ValueEnum};
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Convert Zoom's objects in Cloud Storage or a directory to events, each object exactly once
#[derive(Args)]
#[command(after_help = "\
With a directory or bucket as destination, each object becomes events exactly
once: outputs are named by object and generation and created only if absent,
so a killed run can be repeated. With `-`, delivery is at least once, because
the output of a killed run is unknown.

Uses Google Application Default Credentials
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
pub(super) struct IngestArgs {
    #[command(flatten)]
    feed: FeedArgs,
    /// Process the source once [default]
    #[arg(long, conflicts_with = "follow")]
    once: bool,
    /// Process the source repeatedly, until a signal
    #[arg(long)]
    follow: bool,
    /// With --follow: interval between run starts
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = nonzero_duration, requires = "follow")]
    every: Duration,
    /// Process the I-th of N parts, from 0 [default: CLOUD_RUN_TASK_INDEX/CLOUD_RUN_TASK_COUNT, or 0/1]
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Report what would be read or skipped, and why
    #[arg(long)]
    dry_run: bool,
    /// Summary format on standard error
    #[arg(long, value_enum, default_value_t)]
    summary: SummaryFormat,
}

/// The feed: arguments that a service takes too.
#[derive(Args)]
pub(super) struct FeedArgs {
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
    /// Skip objects older than this (30m, 12h, 180d, or `none`)
    #[arg(long, value_name = "AGE", default_value = "180d", value_parser = age)]
    max_age: MaxAge,
    /// Read only objects whose name below SOURCE matches; repeatable; `**` crosses directories
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Skip objects whose name below SOURCE matches; repeatable
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// How long a local file must be unchanged before it is read to its end
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    settle: Duration,
    /// Objects processed at the same time
    #[arg(long, value_name = "N", default_value = "16", value_parser = count::<NonZeroUsize>)]
    concurrency: NonZeroUsize,
    /// Maximum decompression ratio
    #[arg(long, value_name = "N", default_value_t = Limits::default().ratio, value_parser = clap::value_parser!(u64).range(1..))]
    max_ratio: u64,
    /// Maximum decompressed object size in bytes
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

pub(super) fn run(args: &IngestArgs) -> Result<Exit, CliError> {
    let options = options(args)?;
    let runtime = multi_thread_runtime(0)?;
    let reporter = IngestReporter::new(args.dry_run, args.feed.to == "-")?;
    let outcome = runtime.block_on(run_rounds(args, &options, &reporter));
    // Threads that wait for the network or for standard output are abandoned.
    runtime.shutdown_background();
    outcome
}

/// Runs once or repeatedly.
async fn run_rounds(
    args: &IngestArgs,
    options: &Options,
    reporter: &IngestReporter,
) -> Result<Exit, CliError> {
    let stop = shutdown::cancel_on_signal();
    loop {
        let next = tokio::time::Instant::now() + args.every;
        let clock = if args.follow { clock()? } else { options.clock.clone() };
        let outcome = run_round(args, Options { clock, ..options.clone() }, reporter, &stop).await;
        match outcome {
            Ok(Exit::Stopped) if args.follow => return Ok(Exit::Stopped),
            // An unreachable source may be reachable in the next round.
            Err(CliError::Io(error)) if args.follow && !is_broken_pipe(&error) => {
                reporter.warn_counted(&messages::format_chain(&error));
            }
            Err(CliError::Locked(message)) if args.follow => reporter.warn_counted(&message),
            outcome if !args.follow => return outcome,
            // The summary reports rejects and failures.
            outcome => drop(outcome?),
        }
        // A stopped round may have ended with an error.
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Exit::Stopped),
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

async fn run_round(
    args: &IngestArgs,
    options: Options,
    reporter: &IngestReporter,
    stop: &CancellationToken,
) -> Result<Exit, CliError> {
    let started = std::time::Instant::now();
    let stores_rejects = options.rejects.is_some();
    let outcome = crate::ingest::run(options, reporter, stop).await;
    reporter.clear();
    let report = outcome?;
    ingest_progress::summary(&report, started.elapsed(), args.summary);
    if !stores_rejects && report.summary.rejects > 0 {
        let again =
            if args.feed.no_ledger { "" } else { " once their objects are re-read (zoom-udm ledger forget)" };
        reporter.warn_counted(&format!(
            "{} records were rejected and stored nowhere; --rejects URL stores them{again}",
            report.summary.rejects
        ));
    }
    let may_be_empty = args.follow || !matches!(args.feed.delete, DeleteFlag::Never);
    if report.listed == 0 && !report.stopped && !may_be_empty {
        reporter.warn_counted(&format!(
            "{} contains no objects: name the directory, or a prefix that ends in /; select a single object with --include",
            args.feed.from
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

/// Returns the options of runs of a service.
pub(super) fn service_options(args: &FeedArgs) -> Result<Options, CliError> {
    if args.to == "-" {
        return Err(CliError::Usage("INGEST_TO: a service cannot write to standard output".into()));
    }
    feed_options(args)
}

fn clock() -> Result<Clock, CliError> {
    clock::now().map(Clock::at)
}

/// Checks that what goes to standard output is not lost.
fn check_output(args: &FeedArgs) -> Result<(), CliError> {
    match (output_is_closed(), args.no_ledger) {
        (true, false) => Err(CliError::Io(anyhow::anyhow!(
            "standard output is closed or the null device: events would be lost although the ledger marks \
             their objects done; redirect it to a file or a pipe"
        ))),
        (true, true) => {
            messages::eprint_line(messages::OUTPUT_CLOSED);
            Ok(())
        }
        (false, _) => Ok(()),
    }
}

/// Refuses flags that contradict each other; `streams` says whether events go to standard output.
fn refuse_contradictions(args: &FeedArgs, streams: bool) -> Result<(), CliError> {
    if args.no_ledger && !streams {
        return Err(CliError::Usage(
            "--no-ledger requires --to -: for other destinations the ledger records what is done".into(),
        ));
    }
    if streams && args.ledger.is_none() && !args.no_ledger {
        return Err(CliError::Usage(
            "--to - has no default ledger: name one with --ledger URL, or pass --no-ledger".into(),
        ));
    }
    if args.no_ledger && !matches!(args.delete, DeleteFlag::Never) {
        return Err(CliError::Usage(
            "--delete requires a ledger, which records the objects that are done".into(),
        ));
    }
    if streams && !matches!(args.delete, DeleteFlag::Never) && is_null(io::stdout()) {
        return Err(CliError::Usage(
            "standard output is closed or the null device: --delete would delete objects whose events are stored nowhere"
                .into(),
        ));
    }
    if let Location::File(source) = args.from.canonicalized()
        && streams
        && contains_standard_output(&source)
    {
        return Err(CliError::Usage(format!(
            "standard output is a file inside the source {} and would be read as a log; redirect it \
             elsewhere",
            args.from
        )));
    }
    Ok(())
}

/// Returns whether standard output is a file below a directory.
fn contains_standard_output(directory: &Path) -> bool {
    let Some(output) = Identity::of_file(io::stdout()) else { return false };
    let mut entries = walkdir::WalkDir::new(directory).into_iter().filter_map(Result::ok);
    entries.any(|entry| Identity::of(entry.path()).as_ref() == Some(&output))
}

/// Returns the options of a run on the command line.
fn options(args: &IngestArgs) -> Result<Options, CliError> {
    let options = feed_options(&args.feed)?;
    let settle = if args.follow { StabilityCheck::following(args.feed.settle) } else { options.settle };
    let shard = args.shard.map_or_else(shard_of_task, Ok)?;
    Ok(Options { settle, shard, dry_run: args.dry_run, ..options })
}

fn feed_options(args: &FeedArgs) -> Result<Options, CliError> {
    let parse = |text: &str| location(text).map_err(|why| CliError::Usage(format!("--to: {why}")));
    let to = match args.to.as_str() {
        "-" => Destination::Stream(Arc::new(Mutex::new(polling_stdio::stdout()))),
        text => Destination::Objects(parse(text)?),
    };
    refuse_contradictions(args, to.location().is_none())?;
    if to.location().is_none() {
        check_output(args)?;
    }
    let base = Options::new(args.from.clone(), to);
    Ok(Options {
        ledger: args.ledger.clone().or(base.ledger).filter(|_| !args.no_ledger),
        rejects: args.rejects.clone(),
        delete: match args.delete {
            DeleteFlag::Never => Delete::Never,
            DeleteFlag::Transferred => Delete::Transferred,
            DeleteFlag::TransferredAndEmptyDirs => Delete::TransferredAndEmptyDirs,
        },
        max_age: args.max_age,
        include: args.include.clone(),
        exclude: args.exclude.clone(),
        settle: StabilityCheck::once(args.settle),
        concurrency: args.concurrency.get(),
        limits: Limits { ratio: args.max_ratio, bytes: args.max_object_bytes },
        normalize: args.mapping.options()?,
        // The same object must give the same bytes in every run.
        default_time_from_mtime: args.mapping.defaults_to_now(),
        requests: args.mapping.requests(),
        clock: clock()?,
        retry: StoreConfig {
            retries: args.retries,
            retry_for: args.retry_for,
            first_pause: args.first_pause,
            timeout: timeout(env_var("TIMEOUT")).map_err(CliError::Usage)?,
            emulator: None,
        },
        lease: args.lease,
        checkpoint: args.checkpoint,
        ..base
    })
}
