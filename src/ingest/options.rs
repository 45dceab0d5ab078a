//! What a run is to do.

use super::Settle;
use super::ledger::{Feed, Tenancy};
use crate::clock::Clock;
use crate::normalize;
use crate::store::{Location, Settings};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How to ingest.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where objects come from.
    pub from: Location,
    /// Where events go.
    pub to: Destination,
    /// Where rejects go; `None` counts and drops them.
    pub rejects: Option<Location>,
    /// Where the ledger is; `None` keeps none.
    pub ledger: Option<Location>,
    /// What becomes of objects that are done.
    pub delete: Delete,
    /// How old an object may be, by its time of modification.
    pub max_age: Option<Duration>,
    /// Globs of names below the source: an object matches one of them, if there are any.
    pub include: Vec<String>,
    /// Globs of names below the source: an object matches none of them.
    pub exclude: Vec<String>,
    /// Only these names below the source, instead of all that is listed.
    pub only: Option<Vec<String>>,
    /// When a local file counts as finished.
    pub settle: Settle,
    /// How many objects are under way at once: at least 1.
    pub concurrency: usize,
    /// Which part of the objects.
    pub shard: Shard,
    /// Whether only to tell what would be done.
    pub dry_run: bool,
    /// How large an object may become when it is unpacked.
    pub limits: Limits,
    /// How records become events. One thread works on an object, whatever `threads` says.
    pub normalize: normalize::Options,
    /// Whether a record without a usable time gets its object's time of modification.
    pub time_of_object: bool,
    /// In what requests events are put together, if so.
    pub requests: Option<(normalize::Request, normalize::Limits)>,
    /// The time.
    pub clock: Clock,
    /// How requests are tried again.
    pub retry: Settings,
    /// How long other runs keep off without a sign of life of this one.
    pub lease: Duration,
    /// How often the ledger is written while at work.
    pub checkpoint: Duration,
}

impl Options {
    /// From one place to another, with the ledger beside it and all else as it is by default.
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
            only: None,
            settle: Settle::default(),
            concurrency: 16,
            shard: Shard::default(),
            dry_run: false,
            limits: Limits::default(),
            normalize: normalize::Options::default(),
            time_of_object: false,
            requests: None,
            clock: Clock::system(),
            retry: Settings::default(),
            lease: Duration::from_secs(120),
            checkpoint: Duration::from_secs(10),
        }
    }

    /// How to open the ledger for this, with entries of objects modified before `oldest` let go.
    pub(super) fn tenancy(&self, oldest: i64) -> Tenancy {
        let feed = Feed {
            from: self.from.to_string(),
            to: self.to.to_string(),
            rejects: self.rejects.as_ref().map(ToString::to_string),
        };
        let urls = |names: &Vec<String>| names.iter().map(|name| self.from.url(name)).collect();
        Tenancy {
            shard: self.shard,
            lease: self.lease,
            oldest,
            feed,
            look: self.dry_run,
            only: self.only.as_ref().map(urls),
        }
    }
}

/// Where events go.
#[derive(Clone)]
pub enum Destination {
    /// One object of events for each source object, made only where there is none: exactly once.
    Place(Location),
    /// One after the other into a stream: at least once, since nobody can tell what a killed run had written.
    Stream(Arc<Mutex<dyn Write + Send>>),
}

impl Destination {
    /// Where its ledger is unless another place is named: beside it; nowhere for a stream.
    #[must_use]
    pub fn ledger(&self) -> Option<Location> {
        match self {
            Self::Place(location) => Some(location.beside(".ledger")),
            Self::Stream(_) => None,
        }
    }

    /// The place, if it is one.
    #[must_use]
    pub fn place(&self) -> Option<&Location> {
        match self {
            Self::Place(location) => Some(location),
            Self::Stream(_) => None,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(location) => location.fmt(f),
            Self::Stream(_) => f.write_str("-"),
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({self})")
    }
}

/// What becomes of source objects that are done and whose mark in the ledger is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delete {
    /// They stay.
    #[default]
    Never,
    /// They are removed.
    Transferred,
    /// They are removed, and the directories that are empty after that.
    TransferredAndEmptyDirs,
}

/// A part of the objects: those of which a stable hash, modulo `count`, is `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u16,
    /// At least 1.
    pub count: u16,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

/// How large an object may become when it is unpacked: a few kilobytes of gzip can hold gigabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes unpacked for each byte packed, once there are 4 MiB.
    pub ratio: u64,
    /// Bytes unpacked in all.
    pub bytes: u64,
}

impl Default for Limits {
    /// 300 times, and 64 GiB. Logs shrink to a tenth or, where they repeat themselves, a hundredth; gzip's limit is 1032.
    fn default() -> Self {
        Self { ratio: 300, bytes: 64 << 30 }
    }
}
