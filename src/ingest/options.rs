//! Options of a run.

use super::decompress::Limits;
use super::file_stability::StabilityCheck;
use super::ledger::{Feed, LedgerOptions};
use super::shard::Shard;
use crate::clock::Clock;
use crate::normalize;
use crate::store::{Location, StoreConfig};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The source.
    pub from: Location,
    /// The destination of events.
    pub to: Destination,
    /// The destination of rejects; `None` counts and drops them.
    pub rejects: Option<Location>,
    /// The ledger; `None` keeps none.
    pub ledger: Option<Location>,
    /// What to do with processed objects.
    pub delete: Delete,
    /// The maximum age of an object, by its modification time.
    pub max_age: Option<Duration>,
    /// Globs of names below the source; if there are any, an object must match one of them.
    pub include: Vec<String>,
    /// Globs of names below the source; an object must match none of them.
    pub exclude: Vec<String>,
    /// Only these names below the source, instead of a listing.
    pub objects: Option<Vec<String>>,
    /// When a local file counts as finished.
    pub settle: StabilityCheck,
    /// The number of objects in flight, at least 1.
    pub concurrency: usize,
    /// The part of the objects that this run processes.
    pub shard: Shard,
    /// Whether to only report what would be done.
    pub dry_run: bool,
    /// Limits for decompressed objects.
    pub limits: Limits,
    /// How records become events. Each object is converted by one thread, whatever `threads` says.
    pub normalize: normalize::Options,
    /// Whether records without a usable time get the modification time of their object.
    pub default_time_from_mtime: bool,
    /// The format and size of requests, if events are grouped.
    pub requests: Option<(normalize::RequestFormat, normalize::Limits)>,
    /// The clock.
    pub clock: Clock,
    /// Retry settings for requests.
    pub retry: StoreConfig,
    /// The lease duration; other runs may take over once it expires.
    pub lease: Duration,
    /// How often the ledger is saved during a run.
    pub checkpoint: Duration,
}

impl Options {
    /// Options for a source and a destination, with the ledger next to the destination and defaults otherwise.
    #[must_use]
    pub fn new(from: Location, to: Destination) -> Self {
        let ledger = to.ledger();
        Self {
            from,
            to,
            rejects: None,
            ledger,
            delete: Delete::Never,
            max_age: Some(Duration::from_secs(180 * 86400)),
            include: Vec::new(),
            exclude: Vec::new(),
            objects: None,
            settle: StabilityCheck::default(),
            concurrency: 16,
            shard: Shard::default(),
            dry_run: false,
            limits: Limits::default(),
            normalize: normalize::Options::default(),
            default_time_from_mtime: false,
            requests: None,
            clock: Clock::system(),
            retry: StoreConfig::default(),
            lease: Duration::from_secs(120),
            checkpoint: Duration::from_secs(10),
        }
    }

    /// Returns the options for opening the ledger; entries of objects modified before `oldest` are dropped.
    pub(super) fn ledger_options(&self, oldest: i64) -> LedgerOptions {
        let feed = Feed {
            from: self.from.to_string(),
            to: self.to.to_string(),
            rejects: self.rejects.as_ref().map(ToString::to_string),
        };
        let urls = |names: &Vec<String>| names.iter().map(|name| self.from.url(name)).collect();
        LedgerOptions {
            shard: self.shard,
            lease: self.lease,
            oldest,
            feed,
            is_local: matches!(self.from, Location::File(_)),
            read_only: self.dry_run,
            objects: self.objects.as_ref().map(urls),
        }
    }
}

/// The destination of events.
#[derive(Clone)]
pub enum Destination {
    /// One output object per source object, created only if absent: exactly once.
    Objects(Location),
    /// A stream: at least once, because the output of a killed run is unknown.
    Stream(Arc<Mutex<dyn Write + Send>>),
}

impl Destination {
    /// Returns the default location of the ledger: next to the destination; none for a stream.
    #[must_use]
    pub fn ledger(&self) -> Option<Location> {
        match self {
            Self::Objects(location) => Some(location.sibling(".ledger")),
            Self::Stream(_) => None,
        }
    }

    /// Returns the location, if the destination is one.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Objects(location) => Some(location),
            Self::Stream(_) => None,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects(location) => location.fmt(f),
            Self::Stream(_) => f.write_str("-"),
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({self})")
    }
}

/// What to do with source objects that are done and recorded durably.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delete {
    /// Keep them.
    #[default]
    Never,
    /// Delete them.
    Transferred,
    /// Delete them, and the directories that become empty.
    TransferredAndEmptyDirs,
}
