//! The ledger: which versions of which objects are done, with counts, and which failed, with reasons.
//!
//! It consists of `ledger.json` (format, number of segments, feeds) and, for each segment, `segment-NNNN` (entries,
//! checksummed) and `lease-NNNN` (the run that works on it). An object belongs to the segment that a stable hash of its
//! URL selects; a shard works on the segments whose number modulo the number of shards is its index.
//!
//! Entries are facts, so the same entry may be written twice and by anyone: writers read, merge and swap. A lost entry
//! loses no event and duplicates none, because outputs are created only if absent; it costs work.

mod codec;
mod entry;
mod entry_lookup;
mod inspect;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod ledger;
mod manifest;
mod options;
mod segment;
#[cfg(test)]
mod tests;

pub use entry::{Decision, Entry, FilePart, State};
pub(super) use entry::{backoff, replaced_object};
pub use inspect::{entries, forget};
pub use ledger::Ledger;
pub use manifest::{Feed, LedgerManifest, manifest};
pub use options::LedgerOptions;
pub(super) use segment::segment_of;
