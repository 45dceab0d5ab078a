//! The manifest of the ledger, `ledger.json`: its format, its fixed number of segments, and its feeds.

use crate::error::{Failure, RunError};
use crate::store::Store;
use serde::{Deserialize, Serialize};

/// The manifest of the ledger: `ledger.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "ledger manifest")]
pub struct LedgerManifest {
    /// The version of the format.
    pub version: u32,
    /// The number of segments; never changes.
    pub segments: u16,
    /// The feeds that were run with this ledger.
    pub feeds: Vec<Feed>,
}

/// A source and its destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// The source.
    pub from: String,
    /// The destination; `-` for standard output.
    pub to: String,
    /// The destination of rejects, if they are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
}

impl Feed {
    /// Returns the location of outputs; `None` for standard output.
    pub(in crate::ingest) fn outputs(&self) -> Option<&str> {
        Some(&*self.to).filter(|to| *to != "-")
    }
}

const MANIFEST: &str = "ledger.json";
const FORMAT: u32 = 1;
/// Enough for that many parallel tasks, and few enough that a small feed needs few requests.
const SEGMENTS: u16 = 16;

/// Reads the manifest, or returns the one that a first run would write.
pub(super) async fn read(store: &Store, shards: u16) -> Result<LedgerManifest, RunError> {
    match store.read(MANIFEST).await? {
        Some((bytes, _)) => check_shards(store, parse(store, &bytes)?, shards),
        None => Ok(new_manifest(shards)),
    }
}

fn new_manifest(shards: u16) -> LedgerManifest {
    LedgerManifest { version: FORMAT, segments: SEGMENTS.max(shards), feeds: Vec::new() }
}

/// Returns the manifest if it has enough segments for this many shards.
fn check_shards(store: &Store, manifest: LedgerManifest, shards: u16) -> Result<LedgerManifest, RunError> {
    if manifest.segments < shards {
        return Err(RunError::Usage(format!(
            "{}: this ledger has {} segments, the maximum number of shards; use fewer shards or another ledger",
            store.location(),
            manifest.segments
        ).into()));
    }
    Ok(manifest)
}

/// Reads the manifest, or writes the first one, and adds the feed to it.
pub(super) async fn register_feed(
    store: &Store,
    feed: &Feed,
    shards: u16,
) -> Result<LedgerManifest, RunError> {
    loop {
        let (mut manifest, version) = match store.read(MANIFEST).await? {
            None => (new_manifest(shards), None),
            Some((bytes, version)) => (check_shards(store, parse(store, &bytes)?, shards)?, Some(version)),
        };
        if manifest.feeds.contains(feed) {
            return Ok(manifest);
        }
        manifest.feeds.push(feed.clone());
        let bytes = serde_json::to_vec(&manifest).unwrap_or_default();
        if store.compare_and_swap(MANIFEST, bytes.into(), version).await?.is_some() {
            return Ok(manifest);
        }
    }
}

fn parse(store: &Store, bytes: &[u8]) -> Result<LedgerManifest, RunError> {
    decode(&store.location().url(MANIFEST), bytes)
}

pub(super) fn decode(url: &str, bytes: &[u8]) -> Result<LedgerManifest, RunError> {
    match serde_json::from_slice::<LedgerManifest>(bytes) {
        Ok(manifest) if manifest.version == FORMAT && manifest.segments > 0 => Ok(manifest),
        Ok(manifest) if manifest.version == FORMAT => {
            Err(RunError::Corrupt(format!("{url}: no segments; the ledger was left untouched").into()))
        }
        Ok(manifest) => Err(RunError::Corrupt(
            format!(
                "{url}: format {} is not supported (expected {FORMAT}); use the zoom-udm that wrote it",
                manifest.version
            )
            .into(),
        )),
        Err(error) => {
            let what = format!("{url}: not a ledger ({error}); it was left untouched");
            Err(RunError::Corrupt(Failure::from(what).caused_by(error)))
        }
    }
}

/// Reads the manifest of a ledger that must exist.
///
/// # Errors
/// [`RunError::Corrupt`] if there is none, or none that can be read.
pub async fn manifest(store: &Store) -> Result<LedgerManifest, RunError> {
    match store.read(MANIFEST).await? {
        Some((bytes, _)) => parse(store, &bytes),
        None => {
            Err(RunError::Corrupt(format!("{}: ledger not found; check the URL", store.location()).into()))
        }
    }
}
