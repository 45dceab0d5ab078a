//! The manifest of the ledger, `ledger.json`: its format, its fixed number of segments, and its feeds.

use super::Error;
use crate::store::Store;
use serde::{Deserialize, Serialize};

/// The manifest of the ledger: `ledger.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "what a ledger is and what it is for")]
pub struct Charter {
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

const CHARTER: &str = "ledger.json";
const FORMAT: u32 = 1;
/// Enough for that many parallel tasks, and few enough that a small feed needs few requests.
const SEGMENTS: u16 = 16;

/// Reads the manifest, or returns the one that a first run would write.
pub(super) async fn peek(store: &Store, shards: u16) -> Result<Charter, Error> {
    match store.read(CHARTER).await? {
        Some((bytes, _)) => enough(store, parse(store, &bytes)?, shards),
        None => Ok(first(shards)),
    }
}

fn first(shards: u16) -> Charter {
    Charter { version: FORMAT, segments: SEGMENTS.max(shards), feeds: Vec::new() }
}

/// Returns the manifest if it has enough segments for this many shards.
fn enough(store: &Store, charter: Charter, shards: u16) -> Result<Charter, Error> {
    if charter.segments < shards {
        return Err(Error::Usage(format!(
            "{}: this ledger has {} segments, the maximum number of shards; use fewer shards or another ledger",
            store.location(),
            charter.segments
        )));
    }
    Ok(charter)
}

/// Reads the manifest, or writes the first one, and adds the feed to it.
pub(super) async fn sign(store: &Store, feed: &Feed, shards: u16) -> Result<Charter, Error> {
    loop {
        let standing = store.read(CHARTER).await?;
        let (mut charter, version) = match standing {
            None => (first(shards), None),
            Some((bytes, version)) => (enough(store, parse(store, &bytes)?, shards)?, Some(version)),
        };
        if charter.feeds.contains(feed) {
            return Ok(charter);
        }
        charter.feeds.push(feed.clone());
        let bytes = serde_json::to_vec(&charter).unwrap_or_default();
        if store.update(CHARTER, bytes.into(), version).await?.is_some() {
            return Ok(charter);
        }
    }
}

fn parse(store: &Store, bytes: &[u8]) -> Result<Charter, Error> {
    understood(&store.location().url(CHARTER), bytes)
}

pub(super) fn understood(url: &str, bytes: &[u8]) -> Result<Charter, Error> {
    match serde_json::from_slice::<Charter>(bytes) {
        Ok(charter) if charter.version == FORMAT && charter.segments > 0 => Ok(charter),
        Ok(charter) if charter.version == FORMAT => {
            Err(Error::Damaged(format!("{url}: no segments; the ledger was left untouched")))
        }
        Ok(charter) => Err(Error::Damaged(format!(
            "{url}: format {} is not supported (expected {FORMAT}); use the zoom-udm that wrote it",
            charter.version
        ))),
        Err(error) => Err(Error::Damaged(format!("{url}: not a ledger ({error}); it was left untouched"))),
    }
}

/// Reads the manifest of a ledger that must exist.
///
/// # Errors
/// [`Error::Damaged`] if there is none, or none that can be read.
pub async fn charter(store: &Store) -> Result<Charter, Error> {
    match store.read(CHARTER).await? {
        Some((bytes, _)) => parse(store, &bytes),
        None => Err(Error::Damaged(format!("{}: ledger not found; check the URL", store.location()))),
    }
}
