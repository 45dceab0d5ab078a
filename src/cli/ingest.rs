//! `zoom-udm ingest`: objects in, events out, each object once.

use super::mapping::MappingFlags;
use super::place::{holds_stream, is_null, output_is_closed};
use super::report::{self, SummaryFormat};
use super::values::{Age, age, count, duration, lease, place, span, timeout, variable};
use super::{Exit, Fault, clock, feed, runtime_of_many, signal};
use crate::blocking;
use crate::ingest::{Clock, Delete, Destination, Limits, Options, Report, Settle, Shard};
use crate::store::{Location, Settings};
use clap::{Args, ValueEnum};
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Read Zoom's objects from Cloud Storage or a directory, and write their events, each object exactly once
#[derive(Args)]
#[command(after_help = "\
Into a directory or bucket every object is turned into events exactly once:
outputs are named by object and generation and made only where there are none,
so a run that was killed is simply run again. Into `-` it is at least once:
nobody can tell what a killed run had written.

Credentials are Google's application default ones
(GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login`, or
the metadata server). STORAGE_EMULATOR_HOST is respected. TIMEOUT says for how
many seconds storage may be silent (30), ZOOM_UDM_LOG what is logged (info).

Examples:
  zoom-udm ingest gs://bucket/zoom/operationlogs/ --to gs://bucket-udm/events/
  zoom-udm ingest gs://bucket/zoom/operationlogs/ --to out/ --rejects rejects/
  zoom-udm ingest /var/log/zoom/ --to /var/log/zoom-udm/ --follow --every 60s
  zoom-udm ingest logs/ --to - --no-ledger | jq .
  zoom-udm ingest gs://bucket/zoom/operationlogs/ --to out/ --dry-run

Exit codes: 0 done, 1 some records were rejected or objects failed, 2 usage,
3 input or output failed, 4 credentials or permission, 5 another run holds the
ledger, 75 stopped by a signal with progress saved")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct Flags {
    /// Where objects are: gs://BUCKET/PREFIX/, file:///DIRECTORY/ or a directory
    #[arg(value_name = "SOURCE", value_parser = place)]
    from: Location,
    /// Where events go: gs://BUCKET/PREFIX/, a directory, or `-` for standard output
    #[arg(long, value_name = "DEST")]
    to: String,
    /// Where the record of what is done is kept [default: beside DEST, with `.ledger` on its name]
    #[arg(long, value_name = "URL", value_parser = place)]
    ledger: Option<Location>,
    /// Keep no record: only with `--to -`
    #[arg(long, conflicts_with = "ledger")]
    no_ledger: bool,
    /// Write rejects there, an object for each source object that has some
    #[arg(long, value_name = "URL", value_parser = place)]
    rejects: Option<Location>,
    /// Remove source objects once their events and the ledger are durable
    #[arg(long, value_enum, default_value_t)]
    delete: DeleteFlag,
    /// Leave objects that were modified longer ago than that (30m, 12h, 180d, or `none`)
    #[arg(long, value_name = "AGE", default_value = "180d", value_parser = age)]
    max_age: Age,
    /// Read only objects whose name below SOURCE matches (may be given again); `**` crosses directories
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Do not read objects whose name below SOURCE matches (may be given again)
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Go over the source once [default]
    #[arg(long, conflicts_with = "follow")]
    once: bool,
    /// Go over the source again and again, until a signal
    #[arg(long)]
    follow: bool,
    /// With --follow: from the start of one time to that of the next
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span, requires = "follow")]
    every: Duration,
    /// How long a local file must be unchanged before it is read to its end
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    settle: Duration,
    /// How many objects are under way at once
    #[arg(long, value_name = "N", default_value = "16", value_parser = count::<NonZeroUsize>)]
    concurrency: NonZeroUsize,
    /// Do the I-th of N parts, from 0 [default: CLOUD_RUN_TASK_INDEX/CLOUD_RUN_TASK_COUNT, or 0/1]
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Only say what would be read, and what would be skipped and why
    #[arg(long)]
    dry_run: bool,
    /// What to say at the end, on standard error
    #[arg(long, value_enum, default_value_t)]
    summary: SummaryFormat,
    /// Refuse an object that unpacks to more than so many times its size
    #[arg(long, value_name = "N", default_value_t = Limits::default().ratio, value_parser = clap::value_parser!(u64).range(1..))]
    max_ratio: u64,
    /// Refuse an object that unpacks to more bytes
    #[arg(long, value_name = "N", default_value_t = Limits::default().bytes, value_parser = clap::value_parser!(u64).range(1..))]
    max_object_bytes: u64,
    /// How often a request is tried again
    #[arg(long, value_name = "N", default_value_t = Settings::default().retries)]
    retries: usize,
    /// How long a request is tried again
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = duration)]
    retry_for: Duration,
    /// How long other runs keep off when this one gives no sign of life
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = lease)]
    lease: Duration,
    /// How often the ledger is written
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, hide = true)]
    checkpoint: Duration,
    /// The first pause before a request is tried again
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = duration, hide = true)]
    first_pause: Duration,
    #[command(flatten)]
    mapping: MappingFlags,
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

/// The shard that Cloud Run says, if it does.
fn shard_of_task() -> Result<Shard, Fault> {
    match (variable("CLOUD_RUN_TASK_INDEX"), variable("CLOUD_RUN_TASK_COUNT")) {
        (Some(index), Some(count)) => shard(&format!("{index}/{count}")).map_err(|why| {
            let given = format!("CLOUD_RUN_TASK_INDEX and CLOUD_RUN_TASK_COUNT are {index}/{count}");
            Fault::Usage(format!("{given}; {why}"))
        }),
        _ => Ok(Shard::default()),
    }
}

pub(super) fn run(flags: &Flags) -> Result<Exit, Fault> {
    let options = options(flags)?;
    let runtime = runtime_of_many(0)?;
    let voice = feed::Voice::new(flags.dry_run, flags.to == "-")?;
    let outcome = runtime.block_on(again(flags, &options, &voice));
    // Threads that wait for a network, or for who reads standard output, are not waited for.
    runtime.shutdown_background();
    outcome
}

/// Runs once, or again and again.
async fn again(flags: &Flags, options: &Options, voice: &feed::Voice) -> Result<Exit, Fault> {
    let (stop, asked) = (Arc::new(Notify::new()), Arc::<AtomicBool>::default());
    signal::stop_at_signals(&stop, &asked);
    loop {
        let next = tokio::time::Instant::now() + flags.every;
        let clock = if flags.follow { clock()? } else { options.clock.clone() };
        let outcome = once(flags, Options { clock, ..options.clone() }, voice, &stop).await;
        match outcome {
            Ok(Exit::Stopped) if flags.follow => return Ok(Exit::Stopped),
            // What cannot be reached now may be reachable next time.
            Err(Fault::Io(error)) if flags.follow && !super::is_broken_pipe(&error) => {
                voice.trouble(&report::chain(&error));
            }
            Err(Fault::Held(message)) if flags.follow => voice.trouble(&message),
            outcome if !flags.follow => return outcome,
            // What was rejected or failed is in its summary.
            outcome => drop(outcome?),
        }
        // A round that was stopped may have ended with an error.
        if asked.load(Ordering::Relaxed) {
            return Ok(Exit::Stopped);
        }
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = stop.notified() => return Ok(Exit::Stopped),
        }
    }
}

async fn once(flags: &Flags, options: Options, voice: &feed::Voice, stop: &Notify) -> Result<Exit, Fault> {
    let started = std::time::Instant::now();
    let said = options.rejects.is_none();
    let outcome = crate::ingest::run(options, voice, stop).await;
    voice.rest();
    let report = outcome?;
    feed::summary(&report, started.elapsed(), flags.summary);
    if said && report.summary.rejects > 0 {
        let again =
            if flags.no_ledger { "" } else { ", once their objects are read again (zoom-udm ledger forget)" };
        voice.trouble(&format!(
            "{} records were rejected, and are kept nowhere; --rejects URL keeps them, whole{again}",
            report.summary.rejects
        ));
    }
    let emptied = flags.follow || !matches!(flags.delete, DeleteFlag::Never);
    if report.listed == 0 && !report.stopped && !emptied {
        voice.trouble(&format!(
            "{} holds no object: name the directory, or what names begin with up to a /; a single object with --include",
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

/// What runs are told that a service begins.
#[cfg(feature = "serve")]
pub(super) fn served(flags: &Flags) -> Result<Options, Fault> {
    if flags.follow || flags.dry_run || flags.shard.is_some() || flags.to == "-" {
        return Err(Fault::Usage(
            "INGEST_FLAGS: --follow, --dry-run, --shard and --to - are for the command line".into(),
        ));
    }
    options(flags)
}

fn clock() -> Result<Clock, Fault> {
    clock::now().map(Clock::at)
}

/// Checks that what goes to standard output is not lost.
fn check_output(flags: &Flags) -> Result<(), Fault> {
    match (output_is_closed(), flags.no_ledger) {
        (true, false) => Err(Fault::Io(anyhow::anyhow!(
            "standard output is closed (or the null device, opened to read and write): the ledger would mark objects as done \
             whose events are lost; redirect it to a file or a pipe"
        ))),
        (true, true) => {
            report::say(report::OUTPUT_CLOSED);
            Ok(())
        }
        (false, _) => Ok(()),
    }
}

fn options(flags: &Flags) -> Result<Options, Fault> {
    let place = |text: &str| place(text).map_err(|why| Fault::Usage(format!("--to: {why}")));
    let to = match flags.to.as_str() {
        "-" => Destination::Stream(Arc::new(Mutex::new(blocking::stdout()))),
        text => Destination::Place(place(text)?),
    };
    let streams = to.place().is_none();
    if flags.no_ledger && !streams {
        return Err(Fault::Usage(
            "--no-ledger goes only with --to -: elsewhere the ledger says what is done".into(),
        ));
    }
    if streams && flags.ledger.is_none() && !flags.no_ledger {
        return Err(Fault::Usage(
            "--to - has nothing to keep a ledger beside: name one with --ledger URL, or say --no-ledger"
                .into(),
        ));
    }
    if flags.no_ledger && !matches!(flags.delete, DeleteFlag::Never) {
        return Err(Fault::Usage(
            "--delete needs a ledger: objects are removed once it says that they are done".into(),
        ));
    }
    if streams && !matches!(flags.delete, DeleteFlag::Never) && is_null(io::stdout()) {
        return Err(Fault::Usage(
            "standard output is closed, or the null device: --delete would remove objects whose events are nowhere"
                .into(),
        ));
    }
    if let Location::File(source) = flags.from.resolved()
        && streams
        && holds_stream(&source, io::stdout())
    {
        return Err(Fault::Usage(format!(
            "standard output goes to a file within the source {}, which would be read as a log; send it elsewhere",
            flags.from
        )));
    }
    if streams {
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
        settle: if flags.follow { Settle::following(flags.settle) } else { Settle::once(flags.settle) },
        concurrency: flags.concurrency.get(),
        shard: flags.shard.map_or_else(shard_of_task, Ok)?,
        dry_run: flags.dry_run,
        limits: Limits { ratio: flags.max_ratio, bytes: flags.max_object_bytes },
        normalize: flags.mapping.options()?,
        // The same object gives the same bytes whenever it is read.
        time_of_object: flags.mapping.defaults_to_now(),
        requests: flags.mapping.requests(),
        clock: clock()?,
        retry: Settings {
            retries: flags.retries,
            retry_for: flags.retry_for,
            first_pause: flags.first_pause,
            timeout: timeout(variable("TIMEOUT")).map_err(Fault::Usage)?,
            emulator: None,
        },
        lease: flags.lease,
        checkpoint: flags.checkpoint,
        ..base
    })
}
