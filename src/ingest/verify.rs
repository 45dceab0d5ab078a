//! The ledger held against what is listed now: what a run would have read and is not done, and what is done and has no
//! output.

use super::ledger::{self, Entry, Feed, State, fingerprint};
use super::select::{Selection, Skip, is_collector_state, may_be_collector_state};
use super::{Destination, Error, Options};
use crate::clock::millis;
use crate::store::{Listed, Location, Settings, Store};
use futures::TryStreamExt as _;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// What is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The ledger does not know the object.
    Unknown,
    /// The ledger knows another version of the object.
    Newer,
    /// The object failed.
    Quarantined,
    /// The object is done, and the output that it became is not there.
    NoOutput,
}

impl Gap {
    /// How it is called where it is told.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Newer => "newer",
            Self::Quarantined => "quarantined",
            Self::NoOutput => "no output",
        }
    }
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Verified {
    /// Objects listed in all sources.
    pub listed: u64,
    /// Entries of the ledger.
    pub entries: u64,
    /// Gaps found.
    pub gaps: u64,
    /// Objects that no run would read, by reason.
    pub skipped: BTreeMap<Skip, u64>,
}

/// Lists the sources and destinations of a ledger's feeds and tells every gap with its object. Of `options` it takes
/// what chooses objects (age, globs), the clock and the retries: name there what the runs were given.
/// Memory grows with the number of entries and outputs, 16 bytes and the table's room for each.
///
/// # Errors
/// As [`super::run`].
pub async fn verify(
    store: &Store,
    options: &Options,
    found: &mut (dyn FnMut(Gap, &str) + Send),
) -> Result<Verified, Error> {
    let charter = ledger::charter(store).await?;
    let mut verified = Verified::default();
    let mut known = HashMap::new();
    let mut each = |entry: Entry| {
        verified.entries += 1;
        known.insert(fingerprint(&entry.object, ""), (fingerprint(&entry.object, &entry.tag), entry.state));
    };
    ledger::entries(store, &mut each).await?;
    let mut outputs = Outputs::default();
    let sources: BTreeSet<_> = charter.feeds.iter().map(|feed| feed.from.as_str()).collect();
    for from in sources {
        let source = Source::open(from, &charter.feeds, store.location(), options).await?;
        let mut listing = source.store.list();
        while let Some(object) = listing.try_next().await? {
            verified.listed += 1;
            let url = source.store.location().url(&object.name);
            let gap = match known.get(&fingerprint(&url, "")) {
                Some((_, State::Quarantined)) => Gap::Quarantined,
                Some((version, _)) if *version == fingerprint(&url, &object.tag) => continue,
                Some(_) => Gap::Newer,
                None => Gap::Unknown,
            };
            if let Some(skip) = source.skips(&object, &url).await? {
                *verified.skipped.entry(skip).or_default() += 1;
                continue;
            }
            verified.gaps += 1;
            found(gap, &url);
        }
    }
    for feed in &charter.feeds {
        outputs.list(&feed.to, &options.retry).await?;
    }
    let mut each = |entry: Entry| {
        if outputs.lack(&entry.output) {
            verified.gaps += 1;
            found(Gap::NoOutput, &entry.object);
        }
    };
    ledger::entries(store, &mut each).await?;
    Ok(verified)
}

/// A source of objects, and what of it runs would read.
struct Source {
    store: Store,
    selection: Selection,
}

impl Source {
    async fn open(from: &str, feeds: &[Feed], ledger: &Location, chosen: &Options) -> Result<Self, Error> {
        let nowhere = Destination::Stream(Arc::new(Mutex::new(std::io::sink())));
        let options = Options {
            ledger: Some(ledger.clone()),
            include: chosen.include.clone(),
            exclude: chosen.exclude.clone(),
            ..Options::new(address(from)?, nowhere)
        };
        let now = chosen.clock.now();
        let oldest = chosen.max_age.map_or(i64::MIN, |age| now.saturating_sub(millis(age)));
        let mut selection = Selection::new(&options, oldest)?;
        selection.keep_off(&options.from, feeds);
        Ok(Self { store: Store::open(&options.from, &chosen.retry).await?, selection })
    }

    /// Why no run would read an object, if so.
    async fn skips(&self, object: &Listed, url: &str) -> Result<Option<Skip>, Error> {
        if let Err(skip) = self.selection.decide(object, url, None) {
            return Ok(Some(skip));
        }
        if !may_be_collector_state(object) {
            return Ok(None);
        }
        Ok(match self.store.read(&object.name).await? {
            None => Some(Skip::Gone),
            Some((bytes, _)) => is_collector_state(&bytes).then_some(Skip::CollectorState),
        })
    }
}

/// What stands at the destinations.
#[derive(Default)]
struct Outputs {
    listed: HashSet<String>,
    names: HashSet<u128>,
    /// Where events went to a stream nobody can tell.
    streamed: bool,
}

impl Outputs {
    async fn list(&mut self, to: &str, retry: &Settings) -> Result<(), Error> {
        if to == "-" {
            self.streamed = true;
        } else if self.listed.insert(to.to_owned()) {
            let mut listing = Store::open(&address(to)?, retry).await?.list();
            while let Some(object) = listing.try_next().await? {
                self.names.insert(fingerprint(&object.name, ""));
            }
        }
        Ok(())
    }

    fn lack(&self, output: &str) -> bool {
        !output.is_empty() && !self.streamed && !self.names.contains(&fingerprint(output, ""))
    }
}

fn address(text: &str) -> Result<Location, Error> {
    text.parse().map_err(Error::Damaged)
}
