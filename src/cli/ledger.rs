//! `zoom-udm ledger`: inspects and edits a ledger.

use super::values::{Age, age, duration, place, timeout, variable};
use super::{Exit, Fault, clock, print, print_json, runtime_of_many};
use crate::clock::instant;
use crate::globs::glob;
use crate::ingest::ledger::{self, Entry, State};
use crate::ingest::{Clock, Destination, Gap, Options, Verified};
use crate::store::{Location, Settings, Store};
use crate::terminal::line as clean;
use clap::{Args, Subcommand, ValueEnum};
use std::fmt::Write as _;
use std::time::Duration;

/// Inspect an ingest ledger, verify it against the source, or have objects read again
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
pub(super) struct Flags {
    #[command(subcommand)]
    deed: Deed,
    /// Attempts for each request after the first
    #[arg(long, value_name = "N", default_value_t = Settings::default().retries, global = true)]
    retries: usize,
    /// Delay before the second attempt
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = duration, global = true, hide = true)]
    first_pause: Duration,
}

#[derive(Subcommand)]
enum Deed {
    /// Print the entries: object, state, counts, reason
    #[command(after_help = "\
Examples:
  zoom-udm ledger show /var/log/zoom-udm.ledger/ --state quarantined
  zoom-udm ledger show gs://bucket/events.ledger/ --format json |
    jq -s 'map(.events) | add'")]
    Show {
        /// Ledger
        #[arg(value_parser = place)]
        url: Location,
        /// Only entries in this state
        #[arg(long, value_enum)]
        state: Option<StateFlag>,
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
        #[arg(value_parser = place)]
        url: Location,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Forget objects, so that the next run reads them again
    #[command(after_help = "\
Examples:
  zoom-udm ledger forget gs://bucket/events.ledger/ gs://bucket/zoom/a.json.gz
  zoom-udm ledger forget gs://bucket/events.ledger/ 'gs://bucket/zoom/2024/**'")]
    Forget {
        /// Ledger
        #[arg(value_parser = place)]
        url: Location,
        /// URLs of objects, or globs for them
        #[arg(required = true)]
        objects: Vec<String>,
    },
}

/// Which objects are expected, as given to `ingest`.
#[derive(Args)]
struct Chosen {
    /// Expect no objects modified longer ago (30m, 12h, 180d, or `none`)
    #[arg(long, value_name = "AGE", default_value = "180d", value_parser = age)]
    max_age: Age,
    /// Expect only objects whose name below the source matches; repeatable
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Expect no objects whose name below the source matches; repeatable
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum StateFlag {
    Done,
    Quarantined,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Human,
    Json,
}

pub(super) fn run(flags: &Flags) -> Result<Exit, Fault> {
    let timeout = timeout(variable("TIMEOUT")).map_err(Fault::Usage)?;
    let settings =
        Settings { retries: flags.retries, first_pause: flags.first_pause, timeout, ..Settings::default() };
    let deed = async {
        match &flags.deed {
            Deed::Show { url, state, format } => show(&open(url, &settings).await?, *state, *format).await,
            Deed::Verify { url, chosen } => verify(&open(url, &settings).await?, &settings, chosen).await,
            Deed::Forget { url, objects } => forget(&open(url, &settings).await?, objects).await,
        }
    };
    runtime_of_many(0)?.block_on(deed)
}

async fn open(url: &Location, settings: &Settings) -> Result<Store, Fault> {
    Ok(Store::open(url, settings).await.map_err(crate::ingest::Error::from)?)
}

async fn show(store: &Store, state: Option<StateFlag>, format: Format) -> Result<Exit, Fault> {
    let wanted = |entry: &Entry| match state {
        None => true,
        Some(StateFlag::Done) => entry.state == State::Done,
        Some(StateFlag::Quarantined) => entry.state == State::Quarantined,
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
            instant(entry.at)
        ),
        State::Quarantined => format!(
            "quarantined  {object}  {} attempts, next {}: {}",
            entry.attempts,
            if entry.next > 0 { format!("after {}", instant(entry.next)) } else { "in the next run".into() },
            clean(&entry.reason)
        ),
    }
}

/// Reports listed objects that are not done, and done objects without output.
async fn verify(store: &Store, settings: &Settings, chosen: &Chosen) -> Result<Exit, Fault> {
    // The ledger names source and destination.
    let nowhere = Options::new(store.location().clone(), Destination::Place(store.location().clone()));
    let options = Options {
        max_age: chosen.max_age,
        include: chosen.include.clone(),
        exclude: chosen.exclude.clone(),
        clock: clock::now().map(Clock::at)?,
        retry: settings.clone(),
        ..nowhere
    };
    let mut failed = None;
    let mut found = |gap: Gap, url: &str| {
        let told = print(&format!("{:12} {}\n", gap.name(), clean(url)));
        failed = failed.take().or_else(|| told.err());
    };
    let verified = crate::ingest::verify(store, &options, &mut found).await?;
    failed.map_or(Ok(()), Err)?;
    let skipped: Vec<_> =
        verified.skipped.iter().map(|(skip, count)| format!("{} {count}", skip.name())).collect();
    let skipped =
        if skipped.is_empty() { String::new() } else { format!(" (no logs: {})", skipped.join(", ")) };
    let Verified { listed, entries, gaps, .. } = verified;
    print(&format!("{listed} objects listed{skipped}, {entries} entries, {gaps} discrepancies\n"))?;
    Ok(if gaps == 0 { Exit::Done } else { Exit::Rejects })
}

async fn forget(store: &Store, objects: &[String]) -> Result<Exit, Fault> {
    let (mut globs, mut bad) = (Vec::new(), Vec::new());
    for object in objects {
        match glob(object) {
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
        return Err(Fault::Usage(format!(
            "{object:?} is neither an object in the ledger nor a valid glob: {error}"
        )));
    }
    Ok(if forgotten.is_empty() { Exit::Rejects } else { Exit::Done })
}
