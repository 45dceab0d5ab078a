//! The state between runs, stored as JSON with a format version and a checksum.

mod codec;
mod collector_state;
mod cursor;
mod day;
mod stored;
#[cfg(test)]
mod tests;

#[cfg(any(test, fuzzing))]
pub(crate) use codec::encode_envelope;
pub use collector_state::CollectorState;
#[cfg(test)]
pub(crate) use collector_state::DEFAULT_DAYS_AHEAD;
pub(crate) use collector_state::{LastRefetch, MAX_WINDOW_DAYS, PendingWrite, Totals};
pub(crate) use cursor::{ScanCheckpoint, UnreadRange};
#[cfg(test)]
pub(crate) use day::DayDeferral;
pub(crate) use day::{CountsRef, DayState};
pub(crate) use stored::{StoredState, decode};
