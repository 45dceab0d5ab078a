//! The configuration of a run.

use super::cancellation::Cancellation;
use super::date::Date;
use super::log_kind::LogKind;
use super::zoom::ZoomConfig;
use crate::clock::Clock;
use crate::store::{Location, StoreConfig};
use std::time::Duration;

/// Which days a run fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// From the stored state to now.
    Live {
        /// Where a first run starts.
        since: Date,
    },
    /// Past days, independent of the live collection.
    Backfill {
        /// The first day.
        from: Date,
        /// The last day.
        until: Date,
    },
}

/// The location of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateLocation {
    /// All stored state is below this location.
    pub location: Location,
    /// The name of the state object.
    pub name: String,
    /// The state of Google's reference collector to import from, if it is another object.
    pub legacy: Option<(Location, String)>,
    /// The state that the same destination would have with other kinds of logs.
    pub other: Option<OtherState>,
}

/// A state in another place than that of a run, whose existence shows that the run would collect its records again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherState {
    /// The location of the state.
    pub location: Location,
    /// The name of the state object.
    pub name: String,
    /// What to do if it exists.
    pub hint: String,
}

/// The configuration of a run, for one kind of log.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to collect.
    pub logs: LogKind,
    /// The destination of objects.
    pub to: Location,
    /// The prefix of their names.
    pub name_prefix: String,
    /// The location of the state.
    pub state: StateLocation,
    /// The Zoom account, and how to request pages.
    pub zoom: ZoomConfig,
    /// Which days to fetch.
    pub mode: Mode,
    /// How many days a day is read again for late records.
    pub look_back: i64,
    /// When to stop early.
    pub cancellation: Cancellation,
    /// Whether to write nothing.
    pub dry_run: bool,
    /// Whether to read the whole look-back in this run, whatever it costs.
    pub full: bool,
    /// Whether to start with a new state although files of an earlier one exist.
    pub new_state: bool,
    /// The lease duration.
    pub lease: Duration,
    /// Retry settings of the stores.
    pub retry: StoreConfig,
    /// The clock.
    pub clock: Clock,
}

impl Options {
    /// Returns what names of objects begin with, as a URL.
    pub(crate) fn destination(&self) -> String {
        format!("{}{}", self.to.canonicalized(), self.name_prefix)
    }
}
