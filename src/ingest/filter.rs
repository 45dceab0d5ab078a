//! Selects the objects to read, and says why others are skipped.

use super::ledger::{Decision, Feed, Ledger, segment_of};
use super::{Options, RunError};
use crate::collector_files;
use crate::globs::compile_globs;
use crate::store::{Location, ObjectMeta};
use globset::GlobSet;

/// Why an object is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// The ledger records this version as done.
    Done,
    /// It failed and is in backoff.
    Waiting,
    /// Another run holds its segment of the ledger.
    HeldByOther,
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
        Self::HeldByOther,
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
            Self::HeldByOther => "held_by_another_run",
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
pub(super) struct ObjectFilter {
    include: Option<GlobSet>,
    exclude: GlobSet,
    /// The prefixes of names that are ours.
    own: Vec<String>,
    oldest: i64,
    shard: super::Shard,
}

impl ObjectFilter {
    pub(super) fn new(options: &Options, oldest: i64) -> Result<Self, RunError> {
        let mut own = Vec::new();
        for place in options.to.place().into_iter().chain(&options.rejects).chain(&options.ledger) {
            own.extend(own_prefix(&options.from, place)?);
        }
        let set = |texts: &[String]| compile_globs(texts).map_err(RunError::Usage);
        let include = if options.include.is_empty() { None } else { Some(set(&options.include)?) };
        Ok(Self { include, exclude: set(&options.exclude)?, own, oldest, shard: options.shard })
    }

    /// Also excludes the outputs of other feeds with the same ledger: they are logs for none of them.
    pub(super) fn exclude_feeds(&mut self, from: &Location, feeds: &[Feed]) {
        let places = feeds.iter().flat_map(|feed| feed.rejects.iter().chain([&feed.to]));
        let places = places.filter(|place| *place != "-").filter_map(|place| place.parse::<Location>().ok());
        let from = from.canonicalized();
        let parts = places
            .filter_map(|place| from.relative_prefix(&place.canonicalized()))
            .filter(|part| !part.is_empty());
        self.own.extend(parts);
        self.own.sort();
        self.own.dedup();
    }

    /// Returns why an entry of which only the name is known is skipped.
    pub(super) fn excluded_by_name(&self, name: &str) -> Option<Skip> {
        if self.own.iter().any(|own| name.starts_with(own)) {
            return Some(Skip::Own);
        }
        self.exclude.is_match(name).then_some(Skip::Excluded)
    }

    /// Returns how often the object failed before, or why it is skipped.
    pub(super) fn decide(
        &self,
        listed: &ObjectMeta,
        url: &str,
        ledger: Option<&Ledger>,
    ) -> Result<u64, Skip> {
        if self.own.iter().any(|own| listed.name.starts_with(own)) {
            return Err(Skip::Own);
        }
        if collector_files::is_collector_file(&listed.name) {
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
        match ledger.map_or(Decision::Process { attempts: 0 }, |ledger| ledger.lookup(url, &listed.tag)) {
            Decision::Process { attempts } => Ok(attempts),
            Decision::Done => Err(Skip::Done),
            Decision::Backoff => Err(Skip::Waiting),
            Decision::Elsewhere => Err(Skip::HeldByOther),
        }
    }
}

/// Returns the prefix of source names that are inside a location of ours; `None` if that location contains the whole
/// source.
fn own_prefix(from: &Location, place: &Location) -> Result<Option<String>, RunError> {
    match from.canonicalized().relative_prefix(&place.canonicalized()) {
        Some(part) if part.is_empty() => Err(RunError::Usage(format!(
            "{place} contains the source {from}: what is written there would be read as logs; name a location next to the source, or below it"
        ))),
        part => Ok(part),
    }
}

/// Returns whether an object is a file that a collector stores among its logs: a state of ours, a lease, or the state
/// of Google's reference collector (one JSON object with a cursor that is not a record).
pub(super) fn is_collector_state(name: &str, bytes: &[u8]) -> bool {
    if collector_files::looks_like_state(bytes) {
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
pub(super) fn may_be_collector_state(listed: &ObjectMeta) -> bool {
    listed.size <= LARGEST_STATE && matches!(split_extension(&listed.name), Some((_, "json" | "lease")))
}

/// Returns whether the name is that of a collector's state or lease.
pub(super) fn is_named_as_state(name: &str) -> bool {
    split_extension(name).is_some_and(|(stem, extension)| match extension {
        "json" => {
            stem.contains("state")
                || stem == collector_files::state_stem(collector_files::BACKFILL)
                || stem.ends_with(".previous")
        }
        extension => extension == "lease",
    })
}

/// Splits a name without its directories into stem and extension.
fn split_extension(name: &str) -> Option<(&str, &str)> {
    name.rsplit('/').next().unwrap_or_default().rsplit_once('.')
}
