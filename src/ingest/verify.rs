//! Compares the ledger with what is listed now: objects that a run would read but that are not done, and entries whose
//! output is missing.

use super::classify::classify;
use super::filter::ObjectFilter;
use super::fingerprint::fingerprint;
use super::ledger::{self, Entry, Feed, State};
use super::options::{Destination, Options};
use super::output_name;
use crate::clock::duration_millis;
use crate::error::RunError;
use crate::progress::Skip;
use crate::store::{self, Location, ObjectMeta, Store, StoreConfig};
use futures::TryStreamExt as _;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// A discrepancy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discrepancy {
    /// The ledger does not contain the object.
    Unknown,
    /// The ledger contains another version of the object.
    Newer,
    /// The object failed.
    Quarantined,
    /// The object is done, but its output is missing.
    NoOutput,
    /// The entry cannot be listed.
    Unlisted,
    /// A source that the ledger names does not exist.
    NoSource,
}

impl Discrepancy {
    /// Returns the name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Newer => "newer",
            Self::Quarantined => "quarantined",
            Self::NoOutput => "no output",
            Self::Unlisted => "unlisted",
            Self::NoSource => "no source",
        }
    }
}

/// The counts of a verification.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Objects listed in all sources.
    pub listed: u64,
    /// Entries of the ledger.
    pub entries: u64,
    /// Discrepancies found.
    pub gaps: u64,
    /// Objects that no run would read, by reason.
    pub skipped: BTreeMap<Skip, u64>,
}

/// Lists the sources and destinations of all feeds of a ledger, and reports every discrepancy with its object. Uses the
/// options that select objects (age, globs), the clock and the retry settings; pass what the runs were given. Memory
/// grows with the number of entries and outputs, by 16 bytes plus table space for each.
///
/// # Errors
/// As [`super::run`].
pub async fn verify(
    store: &Store,
    options: &Options,
    found: &mut (dyn FnMut(Discrepancy, &str) + Send),
) -> Result<VerifyReport, RunError> {
    let manifest = ledger::manifest(store).await?;
    let mut verified = VerifyReport::default();
    let mut known = HashMap::new();
    let mut each = |entry: Entry| {
        verified.entries += 1;
        known.insert(fingerprint(&entry.object, ""), (fingerprint(&entry.object, &entry.tag), entry.state));
    };
    ledger::entries(store, &mut each).await?;
    let sources: BTreeSet<_> = manifest.feeds.iter().map(|feed| feed.from.as_str()).collect();
    for from in sources {
        let source = Source::open(from, &manifest.feeds, store.location(), options).await?;
        let mut listing = source.store.list();
        loop {
            let gap = match listing.try_next().await {
                Ok(None) => break,
                Ok(Some(object)) => {
                    verified.listed += 1;
                    let url = source.store.location().url(&object.name);
                    match gap(&known, &object, &url) {
                        Some(gap) => source.skips(&object, &url).await?.map_or(Ok((gap, url)), Err),
                        None => continue,
                    }
                }
                Err(store::Error::UnlistableEntry { name, url, .. }) => {
                    source.filter.excluded_by_name(&name).map_or(Ok((Discrepancy::Unlisted, url)), Err)
                }
                Err(store::Error::NotFound { .. }) => Ok((Discrepancy::NoSource, from.to_owned())),
                Err(error) => return Err(error.into()),
            };
            match gap {
                Ok((gap, url)) => {
                    verified.gaps += 1;
                    found(gap, &url);
                }
                Err(skip) => *verified.skipped.entry(skip).or_default() += 1,
            }
        }
    }
    let outputs = Outputs::list_orphans(&manifest.feeds, &options.retry).await?;
    let mut each = |entry: Entry| {
        if outputs.is_missing(&manifest.feeds, &entry) {
            verified.gaps += 1;
            found(Discrepancy::NoOutput, &entry.object);
        }
    };
    ledger::entries(store, &mut each).await?;
    Ok(verified)
}

/// Versions of objects by their URLs, as fingerprints.
type Entries = HashMap<u128, (u128, State)>;

/// Returns the discrepancy of a listed object.
fn gap(known: &Entries, object: &ObjectMeta, url: &str) -> Option<Discrepancy> {
    match known.get(&fingerprint(url, "")) {
        Some((_, State::Quarantined)) => Some(Discrepancy::Quarantined),
        Some((version, _)) if *version == fingerprint(url, &object.tag) => None,
        Some(_) => Some(Discrepancy::Newer),
        None => Some(Discrepancy::Unknown),
    }
}

/// A source, and which of its objects runs would read.
struct Source {
    store: Store,
    filter: ObjectFilter,
}

impl Source {
    async fn open(from: &str, feeds: &[Feed], ledger: &Location, chosen: &Options) -> Result<Self, RunError> {
        let nowhere = Destination::Stream(Arc::new(Mutex::new(std::io::sink())));
        let options = Options {
            ledger: Some(ledger.clone()),
            include: chosen.include.clone(),
            exclude: chosen.exclude.clone(),
            ..Options::new(address(from)?, nowhere)
        };
        let now = chosen.clock.now();
        let oldest = chosen.max_age.map_or(i64::MIN, |age| now.saturating_sub(duration_millis(age)));
        let mut filter = ObjectFilter::new(&options, oldest)?;
        filter.exclude_feeds(&options.from, feeds);
        Ok(Self { store: Store::open(&options.from, &chosen.retry).await?, filter })
    }

    /// Returns why no run would read an object.
    async fn skips(&self, object: &ObjectMeta, url: &str) -> Result<Option<Skip>, RunError> {
        let class = classify(object);
        if let Err(skip) = self.filter.decide(object, class, url, None) {
            return Ok(Some(skip));
        }
        if !class.needs_content() {
            return Ok(None);
        }
        Ok(match self.store.read(&object.name).await? {
            None => Some(Skip::Gone),
            Some((bytes, _)) => class.is_collector_state(&bytes).then_some(Skip::CollectorState),
        })
    }
}

/// The objects at the destinations.
struct Outputs(HashSet<u128>);

impl Outputs {
    async fn list_orphans(feeds: &[Feed], retry: &StoreConfig) -> Result<Self, RunError> {
        let places: BTreeSet<_> = feeds.iter().filter_map(Feed::outputs).collect();
        let mut names = HashSet::new();
        for to in places {
            let mut listing = Store::open(&address(to)?, retry).await?.list();
            loop {
                match listing.try_next().await {
                    Ok(Some(object)) => names.insert(fingerprint(to, &object.name)),
                    // A destination that does not exist yet is empty.
                    Ok(None) | Err(store::Error::NotFound { .. }) => break,
                    Err(store::Error::UnlistableEntry { .. }) => continue,
                    Err(error) => return Err(error.into()),
                };
            }
        }
        Ok(Self(names))
    }

    /// Returns whether an output is missing at all destinations of its source.
    fn is_missing(&self, feeds: &[Feed], entry: &Entry) -> bool {
        let its = feeds.iter().filter(|feed| entry.object.starts_with(&feed.from));
        let stands = |output: &str| its.clone().any(|feed| self.0.contains(&fingerprint(&feed.to, output)));
        // Output to a stream cannot be checked.
        let mut parts = entry.parts.iter().filter(|part| part.events > 0 && !part.streamed);
        if entry.parts.is_empty() {
            return !entry.output.is_empty() && !stands(&entry.output);
        }
        parts.any(|part| !stands(&format!("{}{}", part.stem, output_name::EVENTS)))
    }
}

fn address(text: &str) -> Result<Location, RunError> {
    text.parse().map_err(|why: String| RunError::Corrupt(why.into()))
}
