//! Selects the objects to read, or returns why they are skipped.

use super::classify::Class;
use super::ledger::{Decision, Feed, Ledger, segment_of};
use super::options::Options;
use super::shard::Shard;
use crate::error::RunError;
use crate::globs::compile_globs;
use crate::progress::Skip;
use crate::store::{Location, ObjectMeta};
use globset::GlobSet;

/// An object that is to be read.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    pub(super) listed: ObjectMeta,
    pub(super) class: Class,
    /// The number of earlier failures.
    pub(super) attempts: u64,
}

/// Decides on objects from their metadata.
#[derive(Debug)]
pub(super) struct ObjectFilter {
    include: Option<GlobSet>,
    exclude: GlobSet,
    /// The prefixes of names that this program writes.
    own: Vec<String>,
    oldest: i64,
    shard: Shard,
}

impl ObjectFilter {
    pub(super) fn new(options: &Options, oldest: i64) -> Result<Self, RunError> {
        let mut own = Vec::new();
        for location in options.to.location().into_iter().chain(&options.rejects).chain(&options.ledger) {
            own.extend(own_prefix(&options.from, location)?);
        }
        let set = |texts: &[String]| compile_globs(texts).map_err(|why| RunError::Usage(why.into()));
        let include = if options.include.is_empty() { None } else { Some(set(&options.include)?) };
        Ok(Self { include, exclude: set(&options.exclude)?, own, oldest, shard: options.shard })
    }

    /// Also excludes the outputs of other feeds with the same ledger: they are logs for none of them.
    pub(super) fn exclude_feeds(&mut self, from: &Location, feeds: &[Feed]) {
        let locations =
            feeds.iter().flat_map(|feed| feed.rejects.as_deref().into_iter().chain(feed.outputs()));
        let locations = locations.filter_map(|location| location.parse::<Location>().ok());
        let from = from.canonicalized();
        let parts = locations
            .filter_map(|location| from.relative_prefix(&location.canonicalized()))
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
        class: Class,
        url: &str,
        ledger: Option<&Ledger>,
    ) -> Result<u64, Skip> {
        if self.own.iter().any(|own| listed.name.starts_with(own)) {
            return Err(Skip::Own);
        }
        match class {
            Class::CollectorFile => return Err(Skip::CollectorState),
            Class::Placeholder => return Err(Skip::Placeholder),
            Class::Log | Class::MaybeState | Class::NamedAsState => {}
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

/// Returns the prefix of source names that are inside a location that this program writes; `None` if that location contains the whole
/// source.
fn own_prefix(from: &Location, location: &Location) -> Result<Option<String>, RunError> {
    match from.canonicalized().relative_prefix(&location.canonicalized()) {
        Some(part) if part.is_empty() => Err(RunError::Usage(format!(
            "{location} contains the source {from}: what is written there would be read as logs; name a location next to the source, or below it"
        ).into())),
        part => Ok(part),
    }
}
