//! The ledger: which versions of which objects are done, with counts, and which failed, with reasons.
//!
//! It consists of `ledger.json` (format, number of segments, feeds) and, for each segment, `segment-NNNN` (entries,
//! checksummed) and `lease-NNNN` (the run that works on it). An object belongs to the segment that a stable hash of its
//! URL selects; a shard works on the segments whose number modulo the number of shards is its index.
//!
//! Entries are facts, so the same entry may be written twice and by anyone: writers read, merge and swap. A lost entry
//! loses no event and duplicates none, because outputs are created only if absent; it costs work.

mod charter;
mod codec;
mod contents;
mod entry;
mod inspect;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod segment;
#[cfg(test)]
mod tests;

pub use charter::{Charter, Feed, charter};
pub use entry::{Advice, Entry, OutputPart, State};
pub(super) use entry::{replaced_object, rest};
pub use inspect::{entries, forget};

use super::content::ContentIndex;
use super::{Error, Shard};
use crate::clock::{Clock, millis};
use crate::lease::{Asked, Held, Holder, Terms};
use crate::store::Store;
use charter::{peek, sign};
use futures::StreamExt as _;
pub(super) use segment::fingerprint;
use segment::{Known, Segment};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// In milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// The number of segments that are read or written at once.
const AT_ONCE: usize = 4;

/// How to open a ledger.
#[derive(Debug, Clone)]
pub struct Tenancy {
    /// The part of the objects.
    pub shard: Shard,
    /// The lease duration.
    pub lease: Duration,
    /// Entries of objects modified before this time, in milliseconds since the epoch, are dropped.
    pub oldest: i64,
    /// The source and the destination.
    pub feed: Feed,
    /// Whether to open it read-only: nothing is written, and segments of other runs are read too.
    pub look: bool,
    /// The URLs of the only objects that will be looked up; other segments are not acquired.
    pub only: Option<Vec<String>>,
}

/// A ledger, with the segments that this run holds.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    clock: Clock,
    holder: Holder,
    tenancy: Tenancy,
    feeds: Vec<Feed>,
    count: u16,
    /// By number; `None` for segments of other runs and shards.
    segments: Mutex<Vec<Option<Segment>>>,
    /// Another run that works with the ledger, if there is one.
    others: Option<String>,
    /// What is done of local files; `None` for other sources.
    contents: Option<Arc<ContentIndex>>,
    saving: tokio::sync::Mutex<()>,
}

impl Ledger {
    /// Opens or creates the ledger, and acquires the free segments of the shard.
    ///
    /// # Errors
    /// [`Error::Held`] if no segment is free; [`Error::Damaged`] if the ledger cannot be read; it is left untouched.
    pub async fn open(store: Store, clock: Clock, tenancy: &Tenancy) -> Result<Self, Error> {
        let mut ledger = Self::sign(store, clock, tenancy).await?;
        let begun = ledger.begin().await;
        if begun.is_err() {
            // Releases the leases, so that other runs need not wait; the first error says more than one from here
            // could.
            let _ = ledger.give_back().await;
        }
        begun.map(|()| ledger)
    }

    /// Opens or creates the ledger, without acquiring segments.
    pub(super) async fn sign(store: Store, clock: Clock, tenancy: &Tenancy) -> Result<Self, Error> {
        let charter = if tenancy.look {
            peek(&store, tenancy.shard.count).await?
        } else {
            sign(&store, &tenancy.feed, tenancy.shard.count).await?
        };
        Ok(Self {
            store,
            clock,
            holder: Holder::this(),
            tenancy: tenancy.clone(),
            count: charter.segments,
            segments: Mutex::new((0..charter.segments).map(|_| None).collect()),
            feeds: charter.feeds,
            others: None,
            contents: tenancy.feed.from.starts_with("file://").then(Arc::default),
            saving: tokio::sync::Mutex::default(),
        })
    }

    /// Acquires the free segments and reads them. Whatever ends it, acquired leases are in `self` and can be released;
    /// if the future is dropped, up to [`AT_ONCE`] leases may have to expire instead.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        let Tenancy { shard, look, .. } = self.tenancy;
        let only = self.tenancy.only.as_ref();
        let only: Option<HashSet<u16>> =
            only.map(|urls| urls.iter().map(|url| segment_of(url, self.count)).collect());
        let ours: Vec<_> = (0..self.count)
            .filter(|segment| segment % shard.count == shard.index)
            .filter(|segment| only.as_ref().is_none_or(|only| only.contains(segment)))
            .collect();
        if look {
            ours.into_iter().for_each(|number| self.hold(number, None));
        } else {
            self.take(ours).await?;
        }
        let held: Vec<u16> = self.lock().iter().flatten().map(|segment| segment.number).collect();
        // A file may be known by its content in any segment: it may have had another name.
        let load = if self.contents.is_some() { (0..self.count).collect() } else { held };
        let from = self.contents.as_ref().map(|_| &self.tenancy.feed.from);
        let oldest = self.tenancy.oldest;
        let mut loading = futures::stream::iter(load)
            .map(async |number| (number, Segment::load(&self.store, number, oldest, from.cloned()).await))
            .buffer_unordered(AT_ONCE);
        let mut loaded = Ok(());
        while let Some((number, segment)) = loading.next().await {
            match segment {
                Ok(mut read) => {
                    if let Some(contents) = &self.contents {
                        for (content, name) in std::mem::take(&mut read.contents) {
                            contents.insert(&content, &name);
                        }
                    }
                    if let Some(held) = &mut self.lock()[usize::from(number)] {
                        read.lease = held.lease.take();
                        *held = read;
                    }
                }
                Err(error) => loaded = loaded.and(Err(error)),
            }
        }
        loaded
    }

    /// Acquires those of the segments that are free, and remembers who holds the others.
    async fn take(&mut self, segments: Vec<u16>) -> Result<(), Error> {
        let (mut trouble, mut others) = (Ok(()), None);
        let terms = self.lease_terms();
        let mut asking = futures::stream::iter(segments)
            .map(async |number| (number, terms.acquire(&format!("lease-{number:04}")).await))
            .buffer_unordered(AT_ONCE);
        while let Some((number, asked)) = asking.next().await {
            match asked {
                Ok(Asked::Got(lease)) => self.hold(number, Some(lease)),
                Ok(Asked::Taken(by)) => others = Some(by),
                Err(error) => trouble = trouble.and(Err(error)),
            }
        }
        drop(asking);
        self.others = others;
        trouble?;
        if self.lock().iter().all(Option::is_none) {
            let by = self.others.as_deref().unwrap_or_default();
            let place = self.store.location();
            return Err(Error::Held(format!(
                "{place}: another run is active: {by}; if you are sure that it is dead, delete {place}lease-*"
            )));
        }
        Ok(())
    }

    fn lease_terms(&self) -> Terms<'_> {
        let now = self.clock.now();
        Terms { store: &self.store, holder: &self.holder, now, until: now + millis(self.tenancy.lease) }
    }

    fn hold(&self, number: u16, lease: Option<Held>) {
        self.lock()[usize::from(number)] = Some(Segment::empty(number, lease));
    }

    /// Returns all feeds that were ever run with this ledger.
    #[must_use]
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// Returns another destination of the feed's source, if there is one.
    pub(super) fn other_destination(&self) -> Option<&str> {
        let Feed { from, to, .. } = &self.tenancy.feed;
        self.feeds.iter().find(|feed| feed.from == *from && feed.to != *to).map(|feed| &feed.to[..])
    }

    /// Returns another run that works with this ledger, if one was seen.
    #[must_use]
    pub fn others(&self) -> Option<&str> {
        self.others.as_deref()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Segment>>> {
        // A panic of another thread leaves the data consistent, because every change is a single insertion.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of segments.
    #[must_use]
    pub fn segments(&self) -> u16 {
        self.count
    }

    /// Returns what to do with a version of an object.
    #[must_use]
    pub fn ask(&self, object: &str, tag: &str) -> Advice {
        let segments = self.lock();
        let Some(segment) = &segments[usize::from(segment_of(object, self.count))] else {
            return Advice::Elsewhere;
        };
        match segment.ask(object, tag) {
            Known::New => Advice::Read { attempts: 0 },
            Known::Done => Advice::Done,
            // Another version may be valid.
            Known::Troubled(entry) if entry.tag != tag => Advice::Read { attempts: 0 },
            Known::Troubled(entry) if self.rests(&entry) => Advice::Wait,
            Known::Troubled(entry) => Advice::Read { attempts: entry.attempts },
        }
    }

    /// Returns whether it is too early to retry. Backoff never exceeds a day; a later time was written under another
    /// clock.
    fn rests(&self, entry: &Entry) -> bool {
        let now = self.clock.now();
        entry.next > now && entry.next - now <= DAY
    }

    /// Returns the entry of an object that failed, in any version.
    #[must_use]
    pub fn trouble(&self, object: &str) -> Option<Entry> {
        self.lock()[usize::from(segment_of(object, self.count))].as_ref()?.trouble(object).cloned()
    }

    /// Records the result of an object; durable after the next [`Self::save`]. Returns `false` if another run is
    /// responsible for the object; it is then not recorded.
    pub fn mark(&self, entry: Entry) -> bool {
        let number = usize::from(segment_of(&entry.object, self.count));
        let mut segments = self.lock();
        segments[number].as_mut().map(|segment| segment.mark(entry)).is_some()
    }

    /// Makes all entries durable that were recorded before the call.
    ///
    /// # Errors
    /// If they may not be durable. Call it again: no entry is forgotten.
    pub async fn save(&self) -> Result<(), Error> {
        let _one_at_a_time = self.saving.lock().await;
        let dirty: Vec<_> = {
            let mut segments = self.lock();
            let dirty = segments.iter_mut().flatten().filter(|segment| segment.is_dirty());
            dirty.map(|segment| (segment.number, Arc::new(segment.take_fresh()))).collect()
        };
        let saved = futures::stream::iter(dirty).map(|(number, fresh)| async move {
            let merged = segment::merge(&self.store, number, &fresh, self.tenancy.oldest).await;
            if merged.is_err()
                && let Some(segment) = &mut self.lock()[usize::from(number)]
            {
                segment.put_back(Arc::unwrap_or_clone(fresh));
            }
            merged
        });
        let saved: Vec<_> = saved.buffer_unordered(AT_ONCE).collect().await;
        saved.into_iter().collect()
    }

    /// Renews the leases of all segments. Segments that another run took over because this one was silent for too long
    /// are given up, after their recorded entries are durable.
    ///
    /// # Errors
    /// If the ledger is unreachable; [`Error::Held`] if no segment is left.
    pub async fn renew(&self) -> Result<(), Error> {
        let terms = self.lease_terms();
        for number in 0..usize::from(self.count) {
            let Some(lease) = self.lock()[number].as_mut().map(|segment| segment.lease.take()) else {
                continue;
            };
            // A segment without a lease was lost before, and is kept only until its entries are saved.
            let Some(mut lease) = lease else {
                self.give_up(number).await?;
                continue;
            };
            let renewed = terms.renew(&mut lease).await;
            if let Ok(false) = renewed {
                self.give_up(number).await?;
                continue;
            }
            if let Some(segment) = &mut self.lock()[number] {
                segment.lease = Some(lease);
            }
            renewed?;
        }
        if self.lock().iter().all(Option::is_none) {
            return Err(Error::Held(format!(
                "{}: another run took over because this one stalled",
                self.store.location()
            )));
        }
        Ok(())
    }

    /// Gives up a segment that another run holds now.
    async fn give_up(&self, number: usize) -> Result<(), Error> {
        // Entries are valid whoever holds the lease, and sources are deleted because of them.
        self.save().await?;
        let mut segments = self.lock();
        // Entries recorded meanwhile keep the segment until they are saved, too.
        segments[number] = segments[number].take().filter(Segment::is_dirty);
        Ok(())
    }

    /// Saves, drops old entries if there are many, and releases the leases.
    ///
    /// # Errors
    /// If entries may not be durable.
    pub async fn close(self) -> Result<(), Error> {
        let saved = self.tidy().await;
        // Releases the leases in any case, so that other runs need not wait.
        let released = self.give_back().await;
        saved.and(released)
    }

    async fn give_back(&self) -> Result<(), Error> {
        let leases: Vec<_> =
            self.lock().iter_mut().flatten().filter_map(|segment| segment.lease.take()).collect();
        let terms = Terms { store: &self.store, holder: &self.holder, now: self.clock.now(), until: 0 };
        let released: Vec<_> = futures::stream::iter(leases)
            .map(|lease| terms.release(lease))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        released.into_iter().collect()
    }

    async fn tidy(&self) -> Result<(), Error> {
        self.save().await?;
        let stale: Vec<_> = self
            .lock()
            .iter()
            .flatten()
            .filter(|segment| segment.is_stale())
            .map(|segment| segment.number)
            .collect();
        for number in stale {
            segment::merge(&self.store, number, &Arc::default(), self.tenancy.oldest).await?;
        }
        Ok(())
    }
}

/// Returns the segment of a URL. The formula never changes, because it decides where entries are found.
pub(super) fn segment_of(object: &str, segments: u16) -> u16 {
    let digest = Sha256::digest(object);
    let hash = u64::from_be_bytes(std::array::from_fn(|at| digest[at]));
    u16::try_from(hash % u64::from(segments.max(1))).unwrap_or(0)
}
