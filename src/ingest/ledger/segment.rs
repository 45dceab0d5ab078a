//! A segment: the part of the ledger that one hash of names falls into.

use super::codec::{Encoder, decode};
use super::{Entry, Error, State};
use crate::lease::Held;
use crate::store::Store;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};

/// What a run remembers of a segment. Of an object that is done only sixteen bytes, whatever its name: a million are
/// 16 MB and the table's room.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u16,
    pub(super) lease: Option<Held>,
    done: HashSet<u128>,
    troubled: HashMap<String, Entry>,
    /// What the store does not know yet.
    fresh: HashMap<String, Entry>,
    /// How many entries are older than anybody asks for.
    expired: u64,
    entries: u64,
}

/// Sixteen bytes for an object's version as a listing tells it.
fn fingerprint(object: &str, tag: &str) -> u128 {
    let digest = Sha256::new().chain_update(object).chain_update([0]).chain_update(tag).finalize();
    u128::from_le_bytes(std::array::from_fn(|at| digest[at]))
}

/// What a segment says about an object.
pub(super) enum Known {
    New,
    Done,
    Troubled(Entry),
}

impl Segment {
    pub(super) fn name(number: u16) -> String {
        format!("segment-{number:04}")
    }

    /// Reads what is known. Entries of objects modified before `oldest` are not remembered.
    pub(super) async fn load(
        store: &Store,
        number: u16,
        lease: Option<Held>,
        oldest: i64,
    ) -> Result<Self, Error> {
        let mut segment = Self {
            number,
            lease,
            done: HashSet::new(),
            troubled: HashMap::new(),
            fresh: HashMap::new(),
            expired: 0,
            entries: 0,
        };
        let name = Self::name(number);
        let Some((bytes, _)) = store.read(&name).await? else { return Ok(segment) };
        let url = store.location().url(&name);
        let loaded = tokio::task::spawn_blocking(move || {
            decode(&url, &bytes, &mut |entry, _| segment.remember(entry, oldest)).map(|()| segment)
        });
        loaded.await.unwrap_or_else(|error| Err(Error::Ledger(error.to_string())))
    }

    fn remember(&mut self, entry: Entry, oldest: i64) {
        self.entries += 1;
        if entry.modified < oldest {
            self.expired += 1;
        } else if entry.state == State::Done {
            self.done.insert(fingerprint(&entry.object, &entry.tag));
        } else {
            self.troubled.insert(entry.object.clone(), entry);
        }
    }

    pub(super) fn ask(&self, object: &str, tag: &str) -> Known {
        if self.done.contains(&fingerprint(object, tag)) {
            return Known::Done;
        }
        match self.troubled.get(object) {
            Some(entry) => Known::Troubled(entry.clone()),
            None => Known::New,
        }
    }

    pub(super) fn mark(&mut self, entry: Entry) {
        if entry.state == State::Done {
            self.troubled.remove(&entry.object);
            self.done.insert(fingerprint(&entry.object, &entry.tag));
        } else {
            self.troubled.insert(entry.object.clone(), entry.clone());
        }
        self.fresh.insert(entry.object.clone(), entry);
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Whether it is worth writing only to let old entries go.
    pub(super) fn is_stale(&self) -> bool {
        self.expired > 0 && self.expired * 8 >= self.entries
    }

    pub(super) fn take_fresh(&mut self) -> HashMap<String, Entry> {
        std::mem::take(&mut self.fresh)
    }

    /// Takes back what could not be written, but for what has been marked since.
    pub(super) fn put_back(&mut self, fresh: HashMap<String, Entry>) {
        for (object, entry) in fresh {
            self.fresh.entry(object).or_insert(entry);
        }
    }
}

/// How often another writer may come first. Each time means that somebody got on.
const COLLISIONS: u32 = 20;

/// Writes entries into a segment as it stands in the store, over what it says of the same objects.
pub(super) async fn merge(
    store: &Store,
    number: u16,
    fresh: &HashMap<String, Entry>,
    oldest: i64,
) -> Result<(), Error> {
    rewrite(
        store,
        number,
        move |entry| match fresh.get(&entry.object) {
            Some(newer) => Some(newer.clone()),
            None => (entry.modified >= oldest).then(|| entry.clone()),
        },
        fresh,
    )
    .await
}

/// Rewrites a segment: each entry as `keep` has it, or not at all, and `more` behind, where they were not among them.
pub(super) async fn rewrite(
    store: &Store,
    number: u16,
    keep: impl Fn(&Entry) -> Option<Entry>,
    more: &HashMap<String, Entry>,
) -> Result<(), Error> {
    let name = Segment::name(number);
    let url = store.location().url(&name);
    for collision in 0..COLLISIONS {
        let standing = store.read(&name).await?;
        let mut encoder = Encoder::new();
        let mut seen = HashSet::new();
        if let Some((bytes, _)) = &standing {
            decode(&url, bytes, &mut |entry, line| {
                match keep(&entry) {
                    Some(kept) if kept == entry => encoder.line(line),
                    Some(kept) => encoder.entry(&kept),
                    None => {}
                }
                if more.contains_key(&entry.object) {
                    seen.insert(entry.object);
                }
            })?;
        }
        let mut rest: Vec<_> = more.values().filter(|entry| !seen.contains(&entry.object)).collect();
        rest.sort_by(|one, other| one.object.cmp(&other.object));
        for entry in rest {
            encoder.entry(entry);
        }
        let bytes = encoder.finish();
        if store.update(&name, bytes.into(), standing.map(|(_, version)| version)).await?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(..50 << collision.min(6)))).await;
    }
    Err(Error::Ledger(format!("{url}: other runs kept changing it; run again")))
}
