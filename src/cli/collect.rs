//! `zoom-udm collect`: Zoom's API to objects of raw records, each record once.

use super::collect_config::{self, RunMode, SettingsArgs, days};
use super::collect_progress::{self, CollectReporter, TraceArgs};
use super::collect_status::{self, StatusArgs};
use super::error::{self, CliError, Exit};
use super::messages::SummaryFormat;
use super::parsers::{count, duration};
use super::runtime::current_thread_runtime;
use super::{clock, shutdown, textfile_metrics};
use crate::collect::{Date, LogRun, Mode, Observer, Options, Report};
use clap::{Args, Subcommand};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Collect Zoom operation logs and sign-ins into a bucket or directory, each record exactly once
#[derive(Args)]
#[command(
    after_help = "\
Each run fetches what is new, and reads the days within --look-back again for
records that appear late. Written records are remembered as hashes and counts,
so repeated records are not written again, and identical records are stored as
often as Zoom returns them. Objects are named by the day of their records:
PREFIX/YYYY/MM/DD/zoom-operationlogs-UUID.json.gz. If a run is
killed, run it again.

--logs operation,sign-in also collects sign-ins, with their own state and
lease, to objects named zoom-signins-UUID.json.gz. --to then names the parent
of operationlogs/ and signins/. GCS_PREFIX, STATE_KEY and --state always name
the place of operation logs; sign-ins are stored next to it.

Environment:
  ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID   the Server-to-Server OAuth app
  ZOOM_CLIENT_SECRET                its secret
  ZOOM_CLIENT_SECRET_FILE           a file with the secret, instead
  GCS_BUCKET                        destination bucket, without --to
  GCS_PREFIX                        prefix of object names
                                    [zoom/operationlogs/]
  STATE_KEY                         state object in GCS_BUCKET, without
                                    --to or --state
  COLLECT_LOGS                      value of --logs [operation]
  PAGE_SIZE                         records per page [300]
  TIMEOUT                           seconds without a byte before a
                                    request fails [30]
  ZOOM_API_BASE, ZOOM_TOKEN_URL     other endpoints, such as those of
                                    government accounts
  HTTPS_PROXY, NO_PROXY             as usual; never used for loopback
                                    hosts
  ZOOM_UDM_LOG                      log level: off, error, warn, info,
                                    debug, trace [info]

Examples:
  zoom-udm collect
  zoom-udm collect --to /var/log/zoom/ --since 7d --deadline 9m
  zoom-udm collect --to gs://bucket/zoom/ --logs operation,sign-in
  zoom-udm collect backfill --from YYYY-MM-DD --until YYYY-MM-DD
  zoom-udm collect status

Exit codes: 0 done, 1 done but some days are deferred or lost, 2 usage or
missing settings, 3 input or output failed, 4 credentials, scopes, roles or
permission, 5 another run is active, 75 stopped early with progress saved. If
the runs of several logs end differently, the first of 2, 4, 3, 5, 75, 1",
    args_conflicts_with_subcommands = true
)]
pub(super) struct CollectArgs {
    #[command(subcommand)]
    action: Option<CollectAction>,
    #[command(flatten)]
    live: LiveArgs,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum CollectAction {
    /// Backfill past days (Zoom keeps 180), independently of live collection
    #[command(after_help = "\
Examples:
  zoom-udm collect backfill --from YYYY-MM-DD --until YYYY-MM-DD
  zoom-udm collect backfill --from \"$(date -d '-60 days' +%F)\" \\
    --until \"$(date -d '-31 days' +%F)\" --deadline 9m")]
    Backfill(Box<BackfillArgs>),
    /// Show cursor, lag, open and deferred days, gaps and counts
    #[command(after_help = "\
Examples:
  zoom-udm collect status
  zoom-udm collect status --to /var/log/zoom/ --format json | jq .")]
    Status(StatusArgs),
}

/// What a run of the live collection fetches: arguments that a service takes too.
#[derive(Args)]
pub(super) struct LiveArgs {
    /// Start of the first run: a date, or a duration ago [default: 30d]
    #[arg(long, value_name = "DATE|TIME")]
    since: Option<String>,
    /// Re-read the full look-back period in this run
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    budget: BudgetArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Args)]
struct BackfillArgs {
    /// First day
    #[arg(long, value_name = "DATE")]
    from: Date,
    /// Last day
    #[arg(long, value_name = "DATE")]
    until: Date,
    #[command(flatten)]
    budget: BudgetArgs,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Limits of a run.
#[derive(Args)]
struct BudgetArgs {
    /// Stop cleanly after this time, with progress saved
    #[arg(long, value_name = "TIME", value_parser = duration)]
    deadline: Option<Duration>,
    /// Stop cleanly after N requests to Zoom, with progress saved
    #[arg(long, value_name = "N")]
    max_requests: Option<u64>,
    /// Maximum requests per second; Zoom's limits apply to the account
    #[arg(long, value_name = "N", value_parser = count::<NonZeroU64>)]
    max_rate: Option<NonZeroU64>,
}

/// Arguments of runs on the command line.
#[derive(Args)]
struct RunArgs {
    /// Start with a new state even if old files exist
    #[arg(long)]
    new_state: bool,
    /// Report what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Summary format on standard error
    #[arg(long, value_enum, default_value_t)]
    summary: SummaryFormat,
    /// Write counts to FILE in Prometheus text format
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    #[command(flatten)]
    trace: TraceArgs,
}

pub(super) fn run(args: &CollectArgs) -> Result<Exit, CliError> {
    match &args.action {
        None => {
            let mode = RunMode {
                new_state: args.run.new_state,
                dry_run: args.run.dry_run,
                ..live_mode(&args.live)?
            };
            collect(&args.live.settings, &mode, &args.run)
        }
        Some(CollectAction::Backfill(args)) => collect(&args.settings, &backfill_mode(args)?, &args.run),
        Some(CollectAction::Status(args)) => collect_status::run(args),
    }
}

/// Runs a collection, and reports it.
fn collect(settings: &SettingsArgs, mode: &RunMode, args: &RunArgs) -> Result<Exit, CliError> {
    let mut all = collect_config::options(settings, mode)?;
    if let Some(path) = &args.metrics {
        textfile_metrics::check(path, &all)?;
    }
    let reporter = CollectReporter::new(&args.trace)?;
    let observer = Arc::clone(&reporter) as Arc<dyn Observer>;
    let runtime = current_thread_runtime()?;
    let runs = runtime.block_on(async {
        let token = shutdown::cancel_on_signal();
        all.iter_mut().for_each(|options| options.cancellation.token = token.clone());
        crate::collect::run_all(all, observer).await
    });
    runtime.shutdown_background();
    let written = args
        .metrics
        .as_ref()
        .map(|path| textfile_metrics::write(path, &runs, clock::now()?.timestamp()))
        .transpose();
    // The error of a run matters more.
    let failed = runs.iter().any(|run| run.outcome.is_err());
    let several = runs.len() > 1;
    let exits = runs.into_iter().map(|run| report_run(run, several, args));
    let exit = exits.fold(Exit::Done, Exit::most_serious);
    if !failed {
        written?;
    }
    Ok(exit)
}

/// Reports how a run ended.
fn report_run(run: LogRun, several: bool, args: &RunArgs) -> Exit {
    match run.outcome {
        Ok(()) => {
            let report = run.report.unwrap_or_default();
            collect_progress::summary(&report, several, args.dry_run, args.summary);
            exit(&report)
        }
        Err(why) => error::exit_code(Err(error::about(run.logs, several, why.into()))),
    }
}

fn live_mode(args: &LiveArgs) -> Result<RunMode, CliError> {
    Ok(RunMode {
        mode: Some(Mode::Live { since: since(args.since.as_deref().unwrap_or("30d"))? }),
        deadline: args.budget.deadline,
        max_requests: args.budget.max_requests,
        max_rate: args.budget.max_rate,
        dry_run: false,
        full: args.full,
        new_state: false,
    })
}

fn backfill_mode(args: &BackfillArgs) -> Result<RunMode, CliError> {
    let (from, until) = (args.from, args.until);
    if from > until {
        return Err(CliError::Usage(format!("--from {from} is after --until {until}")));
    }
    Ok(RunMode {
        mode: Some(Mode::Backfill { from, until }),
        deadline: args.budget.deadline,
        max_requests: args.budget.max_requests,
        max_rate: args.budget.max_rate,
        dry_run: args.run.dry_run,
        full: false,
        new_state: args.run.new_state,
    })
}

/// Returns the options of runs of a service, and their maximum duration.
pub(super) fn service_options(args: &LiveArgs) -> Result<(Vec<Options>, Option<Duration>), CliError> {
    Ok((collect_config::options(&args.settings, &live_mode(args)?)?, args.budget.deadline))
}

fn exit(report: &Report) -> Exit {
    if report.stopped.is_some() {
        Exit::Stopped
    } else if report.days_deferred > 0 || report.new_gap || report.malformed_records > 0 {
        Exit::Rejects
    } else {
        Exit::Done
    }
}

/// Parses a date up to today, or a duration before now.
pub(super) fn since(text: &str) -> Result<Date, CliError> {
    let today = Date::from_millis(clock::now()?.timestamp_millis());
    match text.parse::<Date>() {
        Ok(date) if date > today => {
            return Err(CliError::Usage(format!("--since {date} is in the future: today is {today} in UTC")));
        }
        Ok(date) => return Ok(date),
        Err(_) => {}
    }
    let ago = duration(text).map_err(|_| {
        CliError::Usage(format!(
            "--since {text:?}: expected a date like 2024-01-31 or a time like 30d or 12h"
        ))
    })?;
    Ok(today.add_days(-days(ago)))
}
