//! `zoom-udm ledger`: inspects and edits a ledger.

use super::clock;
use super::error::{CliError, Exit};
use super::parsers::{MaxAge, age, duration, env_var, location, timeout};
use super::runtime::multi_thread_runtime;
use super::stdout::{print, print_json};
use crate::clock::format_utc;
use crate::globs::compile_glob;
use crate::ingest::ledger::{self, Entry, State};
use crate::ingest::{Clock, Destination, Discrepancy, Options, VerifyReport};
use crate::sanitize::single_line as clean;
use crate::store::{Location, Store, StoreConfig};
use clap::{Args, Subcommand, ValueEnum};
use std::fmt::Write as _;
use std::time::Duration;

/// Inspect an ingest ledger, verify it against the source, or mark objects to be read again
#[derive(Args)]
#[command(after_help = "\
Examples:
  zoom-udm ledger show /var/log/zoom-udm.ledger/ --state quarantined
  zoom-udm ledger show gs://bucket/events.ledger/ --format json |
    jq -s 'map(.events) | add'
  zoom-udm ledger verify gs://bucket/events.ledger/
  zoom-udm ledger forget gs://bucket/events.ledger/ 'gs://bucket/zoom/2024/**'

Exit codes: 0 done, 1 verify found discrepancies or forget found nothing,
2 usage, 3 input or output failed, 4 credentials or permission")]
pub(super) struct LedgerArgs {
    #[command(subcommand)]
    action: LedgerAction,
    /// Attempts for each request after the first
    #[arg(long, value_name = "N", default_value_t = StoreConfig::default().retries, global = true)]
    retries: usize,
    /// Delay before the second attempt
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = duration, global = true, hide = true)]
    first_pause: Duration,
}

#[derive(Subcommand)]
enum LedgerAction {
    /// Print the entries: object, state, counts, reason
    #[command(after_help = "\
Examples:
  zoom-udm ledger show /var/log/zoom-udm.ledger/ --state quarantined
  zoom-udm ledger show gs://bucket/events.ledger/ --format json |
    jq -s 'map(.events) | add'")]
    Show {
        /// Ledger
        #[arg(value_parser = location)]
        url: Location,
        /// Only entries in this state
        #[arg(long, value_enum)]
        state: Option<StateArg>,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List source and outputs again, and report discrepancies with the ledger
    #[command(after_help = "\
Examples:
  zoom-udm ledger verify gs://bucket/events.ledger/
  zoom-udm ledger verify /var/log/zoom-udm.ledger/ --max-age 30d")]
    Verify {
        /// Ledger
        #[arg(value_parser = location)]
        url: Location,
        #[command(flatten)]
        chosen: FilterArgs,
    },
    /// Forget objects, so that the next run reads them again
    #[command(after_help = "\
Examples:
  zoom-udm ledger forget gs://bucket/events.ledger/ gs://bucket/zoom/a.json.gz
  zoom-udm ledger forget gs://bucket/events.ledger/ 'gs://bucket/zoom/2024/**'")]
    Forget {
        /// Ledger
        #[arg(value_parser = location)]
        url: Location,
        /// URLs of objects, or globs for them
        #[arg(required = true)]
        objects: Vec<String>,
    },
}

/// Which objects are expected, as given to `ingest`.
#[derive(Args)]
struct FilterArgs {
    /// Ignore objects older than this (30m, 12h, 180d, or `none`)
    #[arg(long, value_name = "AGE", default_value = "180d", value_parser = age)]
    max_age: MaxAge,
    /// Expect only objects whose name below the source matches; repeatable
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Expect no objects whose name below the source matches; repeatable
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum StateArg {
    Done,
    Quarantined,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Human,
    Json,
}

pub(super) fn run(args: &LedgerArgs) -> Result<Exit, CliError> {
    let timeout = timeout(env_var("TIMEOUT")).map_err(CliError::Usage)?;
    let settings = StoreConfig {
        retries: args.retries,
        first_pause: args.first_pause,
        timeout,
        ..StoreConfig::default()
    };
    let action = async {
        match &args.action {
            LedgerAction::Show { url, state, format } => {
                show(&open(url, &settings).await?, *state, *format).await
            }
            LedgerAction::Verify { url, chosen } => {
                verify(&open(url, &settings).await?, &settings, chosen).await
            }
            LedgerAction::Forget { url, objects } => forget(&open(url, &settings).await?, objects).await,
        }
    };
    multi_thread_runtime(0)?.block_on(action)
}

async fn open(url: &Location, settings: &StoreConfig) -> Result<Store, CliError> {
    Ok(Store::open(url, settings).await.map_err(crate::ingest::RunError::from)?)
}

async fn show(store: &Store, state: Option<StateArg>, format: Format) -> Result<Exit, CliError> {
    let wanted = |entry: &Entry| match state {
        None => true,
        Some(StateArg::Done) => entry.state == State::Done,
        Some(StateArg::Quarantined) => entry.state == State::Quarantined,
    };
    let print = match format {
        Format::Json => print_json,
        Format::Human => print,
    };
    let (mut text, mut failed) = (String::new(), None);
    let mut each = |entry: Entry| {
        if wanted(&entry) {
            match format {
                Format::Json => text.push_str(&serde_json::to_string(&entry).unwrap_or_default()),
                Format::Human => text.push_str(&line(&entry)),
            }
            text.push('\n');
        }
        if text.len() > 1 << 20 {
            failed = failed.take().or_else(|| print(&text).err());
            text.clear();
        }
    };
    ledger::entries(store, &mut each).await?;
    failed.map_or_else(|| print(&text), Err)
}

fn line(entry: &Entry) -> String {
    let object = clean(&entry.object);
    match entry.state {
        State::Done => format!(
            "done         {object}  {} events, {} rejects, at {}",
            entry.events,
            entry.rejects,
            format_utc(entry.at)
        ),
        State::Quarantined => format!(
            "quarantined  {object}  {} attempts, next {}: {}",
            entry.attempts,
            if entry.retry_at > 0 {
                format!("after {}", format_utc(entry.retry_at))
            } else {
                "in the next run".into()
            },
            clean(&entry.reason)
        ),
    }
}

/// Reports listed objects that are not done, and done objects without output.
async fn verify(store: &Store, settings: &StoreConfig, chosen: &FilterArgs) -> Result<Exit, CliError> {
    // The ledger names source and destination.
    let nowhere = Options::new(store.location().clone(), Destination::Objects(store.location().clone()));
    let options = Options {
        max_age: chosen.max_age,
        include: chosen.include.clone(),
        exclude: chosen.exclude.clone(),
        clock: clock::now().map(Clock::at)?,
        retry: settings.clone(),
        ..nowhere
    };
    let mut failed = None;
    let mut found = |gap: Discrepancy, url: &str| {
        let printed = print(&format!("{:12} {}\n", gap.name(), clean(url)));
        failed = failed.take().or_else(|| printed.err());
    };
    let verified = crate::ingest::verify(store, &options, &mut found).await?;
    failed.map_or(Ok(()), Err)?;
    let skipped: Vec<_> =
        verified.skipped.iter().map(|(skip, count)| format!("{} {count}", skip.name())).collect();
    let skipped =
        if skipped.is_empty() { String::new() } else { format!(" (excluding {})", skipped.join(", ")) };
    let VerifyReport { listed, entries, gaps, .. } = verified;
    print(&format!("{listed} objects listed{skipped}, {entries} entries, {gaps} discrepancies\n"))?;
    Ok(if gaps == 0 { Exit::Done } else { Exit::Rejects })
}

async fn forget(store: &Store, objects: &[String]) -> Result<Exit, CliError> {
    let (mut globs, mut bad) = (Vec::new(), Vec::new());
    for object in objects {
        match compile_glob(object) {
            Ok(glob) => globs.push(glob.compile_matcher()),
            Err(error) => bad.push((object, error)),
        }
    }
    let chosen = |entry: &Entry| {
        let address = entry.address();
        objects.iter().any(|object| object == address) || globs.iter().any(|glob| glob.is_match(address))
    };
    let forgotten = ledger::forget(store, &chosen).await?;
    let mut text = String::new();
    for object in &forgotten {
        let _ = writeln!(text, "forgot {}", clean(object));
    }
    let _ = writeln!(text, "{} entries forgotten", forgotten.len());
    print(&text)?;
    // An invalid glob may still be a URL.
    if let Some((object, error)) = bad.iter().find(|(object, _)| !forgotten.contains(*object)) {
        return Err(CliError::Usage(format!(
            "{object:?} is neither an object in the ledger nor a valid glob: {error}"
        )));
    }
    Ok(if forgotten.is_empty() { Exit::Rejects } else { Exit::Done })
}
