//! `zoom-udm ledger`: look into the record of what is done.

use super::ingest::fault;
use super::{Exit, Fault, print};
use crate::ingest::ledger::{self, Charter, Entry, State};
use crate::ingest::{Error, glob};
use crate::store::{Location, Settings, Store};
use clap::{Args, Subcommand, ValueEnum};
use futures::TryStreamExt as _;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// Look into an ingest ledger, hold it against the source, or have objects read again
#[derive(Args)]
#[command(after_help = "\
Examples:
  zoom-udm ledger show /var/log/zoom-udm.ledger/ --state quarantined
  zoom-udm ledger show gs://bucket/events.ledger/ --format json | jq -s 'map(.events) | add'
  zoom-udm ledger verify gs://bucket/events.ledger/
  zoom-udm ledger forget gs://bucket/events.ledger/ 'gs://bucket/zoom/2024/01/**'

Exit codes: 0 all is well, 1 verify found gaps or forget found nothing, 2 usage, 3 input or output failed,
4 credentials or permission")]
pub(super) struct Flags {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Subcommand)]
enum Deed {
    /// Print the entries: object, state, counts, reason
    Show {
        /// Where the ledger is
        url: Location,
        /// Only entries in this state
        #[arg(long, value_enum)]
        state: Option<StateFlag>,
        /// As what to print them
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List sources and outputs again, and print what is missing in the ledger or behind it
    Verify {
        /// Where the ledger is
        url: Location,
    },
    /// Forget objects, so that the next run reads them again
    Forget {
        /// Where the ledger is
        url: Location,
        /// Addresses of objects, or globs of them
        #[arg(required = true)]
        objects: Vec<String>,
    },
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
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from)?;
    let deed = async {
        match &flags.deed {
            Deed::Show { url, state, format } => show(&open(url).await?, *state, *format).await,
            Deed::Verify { url } => verify(&open(url).await?).await,
            Deed::Forget { url, objects } => forget(&open(url).await?, objects).await,
        }
    };
    runtime.block_on(deed)
}

async fn open(url: &Location) -> Result<Store, Fault> {
    Store::open(url, &Settings::default()).await.map_err(|error| fault(error.into()))
}

async fn show(store: &Store, state: Option<StateFlag>, format: Format) -> Result<Exit, Fault> {
    let wanted = |entry: &Entry| match state {
        None => true,
        Some(StateFlag::Done) => entry.state == State::Done,
        Some(StateFlag::Quarantined) => entry.state == State::Quarantined,
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
    ledger::entries(store, &mut each).await.map_err(fault)?;
    failed.map_or_else(|| print(&text), Err)
}

fn line(entry: &Entry) -> String {
    let time = |millis| {
        chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ")
    };
    let clean =
        |text: &str| -> String { text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect() };
    let object = clean(&entry.object);
    match entry.state {
        State::Done => format!(
            "done         {object}  {} events, {} rejects, at {}",
            entry.events,
            entry.rejects,
            time(entry.at)
        ),
        State::Quarantined => format!(
            "quarantined  {object}  {} attempts, next after {}: {}",
            entry.attempts,
            time(entry.next),
            clean(&entry.reason)
        ),
    }
}

/// What is listed and not done, and what is done and has no output.
async fn verify(store: &Store) -> Result<Exit, Fault> {
    let charter: Charter = ledger::charter(store).await.map_err(fault)?;
    let mut known = HashMap::new();
    let mut each = |entry: Entry| drop(known.insert(entry.object.clone(), entry));
    ledger::entries(store, &mut each).await.map_err(fault)?;
    let (mut text, mut gaps, mut listed) = (String::new(), 0_u64, 0_u64);
    let mut gap = |what: &str, url: &str| {
        gaps += 1;
        let _ = writeln!(text, "{what:12} {url}");
    };
    let mut places: HashMap<&str, HashSet<String>> = HashMap::new();
    for feed in &charter.feeds {
        let from = open(&address(&feed.from)?).await?;
        let mut listing = from.list();
        while let Some(object) = listing.try_next().await.map_err(|error| fault(Error::from(error)))? {
            listed += 1;
            let url = from.location().url(&object.name);
            match known.get(&url) {
                None => gap("unknown", &url),
                Some(entry) if entry.tag != object.tag => gap("newer", &url),
                Some(entry) if entry.state == State::Quarantined => gap("quarantined", &url),
                Some(_) => {}
            }
        }
        if feed.to != "-" && !places.contains_key(feed.to.as_str()) {
            let to = open(&address(&feed.to)?).await?;
            let names = to.list().map_ok(|object| object.name).try_collect().await;
            places.insert(&feed.to, names.map_err(|error| fault(Error::from(error)))?);
        }
    }
    let streamed = charter.feeds.iter().any(|feed| feed.to == "-");
    for entry in known.values().filter(|entry| !entry.output.is_empty() && !streamed) {
        if !places.values().any(|names| names.contains(&entry.output)) {
            gap("no output", &entry.object);
        }
    }
    let _ = writeln!(text, "{listed} objects listed, {} entries, {gaps} gaps", known.len());
    print(&text)?;
    Ok(if gaps == 0 { Exit::Done } else { Exit::Rejects })
}

fn address(text: &str) -> Result<Location, Fault> {
    text.parse().map_err(Fault::Usage)
}

async fn forget(store: &Store, objects: &[String]) -> Result<Exit, Fault> {
    let globs: Vec<_> =
        objects.iter().filter_map(|object| glob(object).ok()).map(|glob| glob.compile_matcher()).collect();
    let chosen = |entry: &Entry| {
        objects.contains(&entry.object) || globs.iter().any(|glob| glob.is_match(&entry.object))
    };
    let forgotten = ledger::forget(store, &chosen).await.map_err(fault)?;
    let mut text = String::new();
    for object in &forgotten {
        let _ = writeln!(text, "forgot {object}");
    }
    let _ = writeln!(text, "{} entries forgotten", forgotten.len());
    print(&text)?;
    Ok(if forgotten.is_empty() { Exit::Rejects } else { Exit::Done })
}
