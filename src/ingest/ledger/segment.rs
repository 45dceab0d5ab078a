//! A segment: the entries of the objects that one hash value selects.

use super::codec::{EntryEncoder, EntryHeader, decode};
use super::{Entry, RunError, State};
use crate::ingest::content_id::ContentId;
use crate::lease::LeaseHandle;
use crate::store::Store;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use tokio::task::JoinError;

/// The entries of a segment in memory. A processed object takes sixteen bytes, whatever its name: a million take 16 MB
/// plus table space.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u16,
    pub(super) lease: Option<LeaseHandle>,
    done: Fingerprints,
    troubled: HashMap<String, Entry>,
    /// Entries that are not stored yet.
    fresh: HashMap<String, Entry>,
    /// The number of entries that are old enough to be dropped.
    expired: u64,
    entries: u64,
    /// What is done of local files, and their names.
    pub(super) contents: Vec<(ContentId, String)>,
}

/// Fingerprints are hashes already, so eight of their bytes select the place in a table.
pub(in super::super) type Fingerprints = HashSet<u128, BuildHasherDefault<IdentityHasher>>;

#[derive(Debug, Default)]
pub(in super::super) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
    fn write_u128(&mut self, number: u128) {
        self.0 = number as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Returns sixteen bytes that identify a version of an object.
pub(in super::super) fn fingerprint(object: &str, tag: &str) -> u128 {
    let digest = Sha256::new().chain_update(object).chain_update([0]).chain_update(tag).finalize();
    u128::from_le_bytes(std::array::from_fn(|at| digest[at]))
}

/// What a segment knows about an object.
pub(super) enum EntryStatus {
    New,
    Done,
    Troubled(Box<Entry>),
}

impl Segment {
    pub(super) fn name(number: u16) -> String {
        format!("segment-{number:04}")
    }

    pub(super) fn empty(number: u16, lease: Option<LeaseHandle>) -> Self {
        Self {
            number,
            lease,
            done: Fingerprints::default(),
            troubled: HashMap::new(),
            fresh: HashMap::new(),
            expired: 0,
            entries: 0,
            contents: Vec::new(),
        }
    }

    /// What the store knows. Entries of objects modified before `oldest` are not remembered, and contents only of files
    /// whose address begins with `from`.
    pub(super) async fn load(
        store: &Store,
        number: u16,
        oldest: i64,
        from: Option<String>,
    ) -> Result<Self, RunError> {
        let name = Self::name(number);
        let mut read = Self::empty(number, None);
        let Some((bytes, _)) = store.read(&name).await? else { return Ok(read) };
        let url = store.location().url(&name);
        let loaded = tokio::task::spawn_blocking(move || {
            decode(&url, &bytes, &mut |brief| read.index(brief, oldest, from.as_deref())).map(|()| read)
        });
        loaded.await.unwrap_or_else(|error| failed(&error))
    }

    fn index(
        &mut self,
        brief: &EntryHeader<'_>,
        oldest: i64,
        from: Option<&str>,
    ) -> Result<(), serde_json::Error> {
        self.entries += 1;
        if brief.modified < oldest {
            self.expired += 1;
        } else if brief.state == State::Done {
            self.done.insert(fingerprint(&brief.object, &brief.tag));
            // Another feed with the same ledger has a destination of its own.
            if let Some(content) = &brief.content
                && let Some(name) = from.and_then(|from| brief.object.strip_prefix(from))
            {
                self.contents.push((content.clone(), name.to_owned()));
            }
        } else {
            self.troubled.insert(brief.object.clone().into_owned(), brief.parse_full()?);
        }
        Ok(())
    }

    pub(super) fn lookup(&self, object: &str, tag: &str) -> EntryStatus {
        if self.done.contains(&fingerprint(object, tag)) {
            return EntryStatus::Done;
        }
        match self.troubled.get(object) {
            Some(entry) => EntryStatus::Troubled(Box::new(entry.clone())),
            None => EntryStatus::New,
        }
    }

    pub(super) fn failure_of(&self, object: &str) -> Option<&Entry> {
        self.troubled.get(object)
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

    /// What is marked and not saved yet.
    pub(super) fn fresh(&self) -> impl Iterator<Item = &Entry> {
        self.fresh.values()
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Returns whether a rewrite is worthwhile just to drop old entries.
    pub(super) fn needs_compaction(&self) -> bool {
        self.expired > 0 && self.expired * 8 >= self.entries
    }

    pub(super) fn drain_pending(&mut self) -> HashMap<String, Entry> {
        std::mem::take(&mut self.fresh)
    }

    /// Takes back entries that could not be saved, except for objects recorded since.
    pub(super) fn requeue(&mut self, fresh: HashMap<String, Entry>) {
        for (object, entry) in fresh {
            self.fresh.entry(object).or_insert(entry);
        }
    }
}

/// Which entries are looked for.
pub(super) type Wanted = Arc<dyn Fn(&EntryHeader<'_>) -> bool + Send + Sync>;

/// The entries of a segment that the store has and that are wanted.
pub(super) async fn find(store: &Store, number: u16, wanted: Wanted) -> Result<Vec<Entry>, RunError> {
    let name = Segment::name(number);
    let Some((bytes, _)) = store.read(&name).await? else { return Ok(Vec::new()) };
    let url = store.location().url(&name);
    let found = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        let mut each = |brief: &EntryHeader<'_>| {
            if wanted(brief) {
                found.push(brief.parse_full()?);
            }
            Ok(())
        };
        decode(&url, &bytes, &mut each).map(|()| found)
    });
    found.await.unwrap_or_else(|error| failed(&error))
}

/// The thread that reads or writes a segment panicked; the segment may be fine.
fn failed<T>(error: &JoinError) -> Result<T, RunError> {
    Err(RunError::Store(format!("a task failed: {error}")))
}

/// How often a compare-and-swap may lose. Each loss means that another writer made progress.
const MAX_CAS_RETRIES: u32 = 20;
/// The maximum of the first delay after a loss, in milliseconds. Short in tests.
const PAUSE: u64 = if cfg!(test) { 1 } else { 50 };

/// Merges entries into the stored segment, replacing those of the same objects. Entries of objects modified before
/// `oldest` are dropped.
pub(super) async fn merge(
    store: &Store,
    number: u16,
    fresh: &Arc<HashMap<String, Entry>>,
    oldest: i64,
) -> Result<(), RunError> {
    let url = store.location().url(&Segment::name(number));
    cas_loop(store, number, |standing| {
        let (url, fresh) = (url.clone(), Arc::clone(fresh));
        // Rewriting a large segment takes long, so it runs on a blocking thread.
        let merged = tokio::task::spawn_blocking(move || {
            rewrite(&url, standing.as_deref(), &|brief| Ok(brief.modified >= oldest), &fresh)
        });
        async move { merged.await.unwrap_or_else(|error| failed(&error)) }
    })
    .await
}

/// Replaces a segment by what `make` returns for its stored content; repeats if another writer comes first.
pub(super) async fn cas_loop<F: Future<Output = Result<Vec<u8>, RunError>>>(
    store: &Store,
    number: u16,
    make: impl Fn(Option<Bytes>) -> F,
) -> Result<(), RunError> {
    let name = Segment::name(number);
    for collision in 0..MAX_CAS_RETRIES {
        let (standing, version) = store.read(&name).await?.unzip();
        let anew = make(standing).await?;
        if store.compare_and_swap(&name, anew.into(), version).await?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(..PAUSE << collision.min(6))))
            .await;
    }
    let url = store.location().url(&name);
    Err(RunError::Store(format!("{url}: other runs keep changing it; run again")))
}

/// Decides which entries stay.
type KeepFn<'k> = &'k dyn Fn(&EntryHeader<'_>) -> Result<bool, serde_json::Error>;

/// Rewrites a segment: entries that stay, each replaced by the one of `more` for the same object, and the rest of
/// `more`.
pub(super) fn rewrite(
    url: &str,
    standing: Option<&[u8]>,
    keep: KeepFn<'_>,
    more: &HashMap<String, Entry>,
) -> Result<Vec<u8>, RunError> {
    let mut encoder = EntryEncoder::new();
    let mut seen = HashSet::new();
    let mut each = |brief: &EntryHeader<'_>| {
        if let Some((object, newer)) = more.get_key_value(&*brief.object) {
            // A run that stood still may fail at what another has done: a success of the same version is a fact.
            if brief.state == State::Done && newer.state == State::Quarantined && newer.tag == brief.tag {
                if seen.insert(object.as_str()) {
                    encoder.line(brief.line);
                }
                return Ok(());
            }
            if let Some(content) = &brief.content
                && newer.content.as_ref() != Some(content)
                && let Some(replaced) = brief.parse_full()?.replaced_by(newer)
            {
                encoder.entry(&replaced);
            }
            if seen.insert(object.as_str()) {
                encoder.entry(newer);
            }
        } else if keep(brief)? {
            encoder.line(brief.line);
        }
        Ok(())
    };
    standing.map_or(Ok(()), |bytes| decode(url, bytes, &mut each))?;
    let mut rest: Vec<_> = more.values().filter(|entry| !seen.contains(entry.object.as_str())).collect();
    rest.sort_by(|one, other| one.object.cmp(&other.object));
    for entry in rest {
        encoder.entry(entry);
    }
    Ok(encoder.finish())
}
