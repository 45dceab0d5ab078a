//! Selects the objects to read, and says why others are skipped.

use super::ledger::{Advice, Feed, Ledger, segment_of};
use super::{Error, Options};
use crate::globs::globs;
use crate::kept;
use crate::store::{Listed, Location};
use globset::GlobSet;

/// Why an object is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// The ledger records this version as done.
    Done,
    /// It failed and is in backoff.
    Waiting,
    /// Another run holds its segment of the ledger.
    Held,
    /// It belongs to another shard.
    OtherShard,
    /// It is older than the maximum age.
    TooOld,
    /// It matches no `--include`.
    NotIncluded,
    /// It matches an `--exclude`.
    Excluded,
    /// It is a file of a collector: its state, or a file next to it.
    CollectorState,
    /// It is an output, a reject file or a ledger of this program.
    Own,
    /// It is a placeholder for a directory.
    Placeholder,
    /// It was deleted after it was listed.
    Gone,
    /// A local file that somebody may still be writing.
    Settling,
}

impl Skip {
    /// All reasons, in the order of a summary.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Waiting,
        Self::Held,
        Self::OtherShard,
        Self::TooOld,
        Self::NotIncluded,
        Self::Excluded,
        Self::CollectorState,
        Self::Own,
        Self::Placeholder,
        Self::Gone,
        Self::Settling,
    ];

    /// Returns the name in summaries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Held => "held_by_another_run",
            Self::OtherShard => "other_shard",
            Self::TooOld => "too_old",
            Self::NotIncluded => "not_included",
            Self::Excluded => "excluded",
            Self::CollectorState => "collector_state",
            Self::Own => "own_output",
            Self::Placeholder => "directory_placeholder",
            Self::Gone => "gone",
            Self::Settling => "settling",
        }
    }
}

/// Decides on objects from their metadata.
#[derive(Debug)]
pub(super) struct Selection {
    include: Option<GlobSet>,
    exclude: GlobSet,
    /// The prefixes of names that are ours.
    own: Vec<String>,
    oldest: i64,
    shard: super::Shard,
}

impl Selection {
    pub(super) fn new(options: &Options, oldest: i64) -> Result<Self, Error> {
        let mut own = Vec::new();
        for place in options.to.place().into_iter().chain(&options.rejects).chain(&options.ledger) {
            own.extend(own_part(&options.from, place)?);
        }
        let set = |texts: &[String]| globs(texts).map_err(Error::Usage);
        let include = if options.include.is_empty() { None } else { Some(set(&options.include)?) };
        Ok(Self { include, exclude: set(&options.exclude)?, own, oldest, shard: options.shard })
    }

    /// Also excludes the outputs of other feeds with the same ledger: they are logs for none of them.
    pub(super) fn keep_off(&mut self, from: &Location, feeds: &[Feed]) {
        let places = feeds.iter().flat_map(|feed| feed.rejects.iter().chain([&feed.to]));
        let places = places.filter(|place| *place != "-").filter_map(|place| place.parse::<Location>().ok());
        let from = from.resolved();
        let parts =
            places.filter_map(|place| from.part_in(&place.resolved())).filter(|part| !part.is_empty());
        self.own.extend(parts);
        self.own.sort();
        self.own.dedup();
    }

    /// Returns why an entry of which only the name is known is skipped.
    pub(super) fn leaves(&self, name: &str) -> Option<Skip> {
        if self.own.iter().any(|own| name.starts_with(own)) {
            return Some(Skip::Own);
        }
        self.exclude.is_match(name).then_some(Skip::Excluded)
    }

    /// Returns how often the object failed before, or why it is skipped.
    pub(super) fn decide(&self, listed: &Listed, url: &str, ledger: Option<&Ledger>) -> Result<u64, Skip> {
        if self.own.iter().any(|own| listed.name.starts_with(own)) {
            return Err(Skip::Own);
        }
        if kept::is_kept(&listed.name) {
            return Err(Skip::CollectorState);
        }
        if listed.size == 0 && listed.name.ends_with('/') {
            return Err(Skip::Placeholder);
        }
        if self.include.as_ref().is_some_and(|include| !include.is_match(&listed.name)) {
            return Err(Skip::NotIncluded);
        }
        if self.exclude.is_match(&listed.name) {
            return Err(Skip::Excluded);
        }
        if listed.modified < self.oldest {
            return Err(Skip::TooOld);
        }
        let segments = ledger.map_or(self.shard.count, Ledger::segments);
        if segment_of(url, segments) % self.shard.count != self.shard.index {
            return Err(Skip::OtherShard);
        }
        match ledger.map_or(Advice::Read { attempts: 0 }, |ledger| ledger.ask(url, &listed.tag)) {
            Advice::Read { attempts } => Ok(attempts),
            Advice::Done => Err(Skip::Done),
            Advice::Wait => Err(Skip::Waiting),
            Advice::Elsewhere => Err(Skip::Held),
        }
    }
}

/// Returns the prefix of source names that are inside a location of ours; `None` if that location contains the whole
/// source.
fn own_part(from: &Location, place: &Location) -> Result<Option<String>, Error> {
    match from.resolved().part_in(&place.resolved()) {
        Some(part) if part.is_empty() => Err(Error::Usage(format!(
            "{place} contains the source {from}: what is written there would be read as logs; name a location next to the source, or below it"
        ))),
        part => Ok(part),
    }
}

/// Returns whether an object is a file that a collector stores among its logs: a state of ours, a lease, or the state
/// of Google's reference collector (one JSON object with a cursor that is not a record).
pub(super) fn is_collector_state(name: &str, bytes: &[u8]) -> bool {
    if kept::is_state(bytes) {
        return true;
    }
    if !is_named_as_state(name) {
        return false;
    }
    let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(bytes) else { return false };
    let record = ["operation_detail", "operation_logs", "time"].iter().any(|key| members.contains_key(*key));
    let lease = members.len() == 2 && members.contains_key("holder") && members.contains_key("until");
    !record && (lease || members.contains_key("cursor_date"))
}

/// The maximum size of a state in bytes; one of half a year of open days has some hundred thousand.
const LARGEST_STATE: u64 = 1 << 20;

/// Returns whether an object may be a state, according to its metadata.
pub(super) fn may_be_collector_state(listed: &Listed) -> bool {
    listed.size <= LARGEST_STATE && matches!(parted(&listed.name), Some((_, "json" | "lease")))
}

/// Returns whether the name is that of a collector's state or lease.
pub(super) fn is_named_as_state(name: &str) -> bool {
    parted(name).is_some_and(|(stem, extension)| match extension {
        "json" => stem.contains("state") || stem == kept::stem(kept::BACKFILL) || stem.ends_with(".previous"),
        extension => extension == "lease",
    })
}

/// Splits a name without its directories into stem and extension.
fn parted(name: &str) -> Option<(&str, &str)> {
    name.rsplit('/').next().unwrap_or_default().rsplit_once('.')
}
