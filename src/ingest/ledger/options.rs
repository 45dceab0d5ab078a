//! How to open a ledger.

use super::manifest::Feed;
use crate::ingest::shard::Shard;
use std::time::Duration;

/// How to open a ledger.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// The part of the objects.
    pub shard: Shard,
    /// The lease duration.
    pub lease: Duration,
    /// Entries of objects modified before this time, in milliseconds since the epoch, are dropped.
    pub oldest: i64,
    /// The source and the destination.
    pub feed: Feed,
    /// Whether the source is a directory: its files are known by their contents.
    pub is_local: bool,
    /// Whether to open it read-only: nothing is written, and segments of other runs are read too.
    pub read_only: bool,
    /// The URLs of the only objects that will be looked up; other segments are not acquired.
    pub objects: Option<Vec<String>>,
}
