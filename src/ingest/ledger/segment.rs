//! A segment: the entries of the objects that one hash value selects.

use super::codec::{EntryEncoder, EntryHeader, decode};
use super::entry::{Entry, State};
use crate::error::RunError;
use crate::ingest::content_id::ContentId;
use crate::ingest::fingerprint::{Fingerprints, fingerprint};
use crate::lease::LeaseHandle;
use crate::store::Store;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The entries of a segment in memory. A processed object takes sixteen bytes, whatever its name: a million take 16 MB
/// plus table space.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u16,
    pub(super) lease: Option<LeaseHandle>,
    done: Fingerprints,
    failed: HashMap<String, Entry>,
    /// Entries that are not stored yet.
    pending: HashMap<String, Entry>,
    /// The number of entries that are old enough to be dropped.
    expired: u64,
    entries: u64,
    /// The contents of local files that are done, with the names of the files.
    pub(super) contents: Vec<(ContentId, String)>,
}

/// The status of an object in a segment.
pub(super) enum EntryStatus {
    New,
    Done,
    Failed(Box<Entry>),
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
            failed: HashMap::new(),
            pending: HashMap::new(),
            expired: 0,
            entries: 0,
            contents: Vec::new(),
        }
    }

    /// Loads a stored segment. Entries of objects modified before `oldest` are not remembered, and contents only of files
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
            decode(&url, &bytes, &mut |header| read.index(header, oldest, from.as_deref())).map(|()| read)
        });
        loaded.await.unwrap_or_else(|error| Err(RunError::task_failed(error)))
    }

    fn index(
        &mut self,
        header: &EntryHeader<'_>,
        oldest: i64,
        from: Option<&str>,
    ) -> Result<(), serde_json::Error> {
        self.entries += 1;
        if header.modified < oldest {
            self.expired += 1;
        } else if header.state == State::Done {
            self.done.insert(fingerprint(&header.object, &header.tag));
            // Another feed with the same ledger has a destination of its own.
            if let Some(content) = &header.content
                && let Some(name) = from.and_then(|from| header.object.strip_prefix(from))
            {
                self.contents.push((content.clone(), name.to_owned()));
            }
        } else {
            self.failed.insert(header.object.clone().into_owned(), header.parse_full()?);
        }
        Ok(())
    }

    pub(super) fn lookup(&self, object: &str, tag: &str) -> EntryStatus {
        if self.done.contains(&fingerprint(object, tag)) {
            return EntryStatus::Done;
        }
        match self.failed.get(object) {
            Some(entry) => EntryStatus::Failed(Box::new(entry.clone())),
            None => EntryStatus::New,
        }
    }

    pub(super) fn failure_of(&self, object: &str) -> Option<&Entry> {
        self.failed.get(object)
    }

    pub(super) fn record(&mut self, entry: Entry) {
        if entry.state == State::Done {
            self.failed.remove(&entry.object);
            self.done.insert(fingerprint(&entry.object, &entry.tag));
        } else {
            self.failed.insert(entry.object.clone(), entry.clone());
        }
        self.pending.insert(entry.object.clone(), entry);
    }

    /// Returns the entries that are recorded and not saved yet.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Entry> {
        self.pending.values()
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Returns whether a rewrite is worthwhile just to drop old entries.
    pub(super) fn needs_compaction(&self) -> bool {
        self.expired > 0 && self.expired * 8 >= self.entries
    }

    pub(super) fn drain_pending(&mut self) -> HashMap<String, Entry> {
        std::mem::take(&mut self.pending)
    }

    /// Takes back entries that could not be saved, except for objects recorded since.
    pub(super) fn requeue(&mut self, pending: HashMap<String, Entry>) {
        for (object, entry) in pending {
            self.pending.entry(object).or_insert(entry);
        }
    }
}

/// Which entries are looked for.
pub(super) type EntryPredicate = Arc<dyn Fn(&EntryHeader<'_>) -> bool + Send + Sync>;

/// The entries of a segment that the store has and that are wanted.
pub(super) async fn find(store: &Store, number: u16, wanted: EntryPredicate) -> Result<Vec<Entry>, RunError> {
    let name = Segment::name(number);
    let Some((bytes, _)) = store.read(&name).await? else { return Ok(Vec::new()) };
    let url = store.location().url(&name);
    let found = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        let mut each = |header: &EntryHeader<'_>| {
            if wanted(header) {
                found.push(header.parse_full()?);
            }
            Ok(())
        };
        decode(&url, &bytes, &mut each).map(|()| found)
    });
    found.await.unwrap_or_else(|error| Err(RunError::task_failed(error)))
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
    pending: &Arc<HashMap<String, Entry>>,
    oldest: i64,
) -> Result<(), RunError> {
    let url = store.location().url(&Segment::name(number));
    cas_loop(store, number, |stored| {
        let (url, pending) = (url.clone(), Arc::clone(pending));
        // Rewriting a large segment takes long, so it runs on a blocking thread.
        let merged = tokio::task::spawn_blocking(move || {
            rewrite(&url, stored.as_deref(), &|header| Ok(header.modified >= oldest), &pending)
        });
        async move { merged.await.unwrap_or_else(|error| Err(RunError::task_failed(error))) }
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
        let (stored, version) = store.read(&name).await?.unzip();
        let replacement = make(stored).await?;
        if store.compare_and_swap(&name, replacement.into(), version).await?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(..PAUSE << collision.min(6))))
            .await;
    }
    let url = store.location().url(&name);
    Err(RunError::Storage(format!("{url}: other runs keep changing it; run again").into()))
}

/// Decides which entries stay.
type KeepFn<'k> = &'k dyn Fn(&EntryHeader<'_>) -> Result<bool, serde_json::Error>;

/// Rewrites a segment: entries that stay, each replaced by the one of `more` for the same object, and the rest of
/// `more`.
pub(super) fn rewrite(
    url: &str,
    stored: Option<&[u8]>,
    keep: KeepFn<'_>,
    more: &HashMap<String, Entry>,
) -> Result<Vec<u8>, RunError> {
    let mut encoder = EntryEncoder::new();
    let mut seen = HashSet::new();
    let mut each = |header: &EntryHeader<'_>| {
        if let Some((object, newer)) = more.get_key_value(&*header.object) {
            // A run that stood still may fail at what another has done: a success of the same version is a fact.
            if header.state == State::Done && newer.state == State::Quarantined && newer.tag == header.tag {
                if seen.insert(object.as_str()) {
                    encoder.line(header.line);
                }
                return Ok(());
            }
            if let Some(content) = &header.content
                && newer.content.as_ref() != Some(content)
                && let Some(replaced) = header.parse_full()?.replaced_by(newer)
            {
                encoder.entry(&replaced);
            }
            if seen.insert(object.as_str()) {
                encoder.entry(newer);
            }
        } else if keep(header)? {
            encoder.line(header.line);
        }
        Ok(())
    };
    stored.map_or(Ok(()), |bytes| decode(url, bytes, &mut each))?;
    let mut rest: Vec<_> = more.values().filter(|entry| !seen.contains(entry.object.as_str())).collect();
    rest.sort_by(|one, other| one.object.cmp(&other.object));
    for entry in rest {
        encoder.entry(entry);
    }
    Ok(encoder.finish())
}

/// Returns the segment of a URL. The formula never changes, because it decides where entries are found.
pub(in crate::ingest) fn segment_of(object: &str, segments: u16) -> u16 {
    let digest = Sha256::digest(object);
    let hash = u64::from_be_bytes(std::array::from_fn(|at| digest[at]));
    u16::try_from(hash % u64::from(segments.max(1))).unwrap_or(0)
}
