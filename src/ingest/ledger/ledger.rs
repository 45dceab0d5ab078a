//! The ledger, with the segments that this run holds.

use super::entry::{Decision, Entry};
use super::manifest::{Feed, read, register_feed};
use super::options::LedgerOptions;
use super::segment::{self, EntryStatus, Segment, segment_of};
use crate::clock::{Clock, duration_millis};
use crate::error::RunError;
use crate::ingest::content_id::ProcessedContents;
use crate::lease::{Acquire, LeaseHandle, LeaseOwner, LeaseRequest};
use crate::store::Store;
use futures::StreamExt as _;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// In milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// The number of segments that are read or written at once.
pub(super) const AT_ONCE: usize = 4;

/// A ledger, with the segments that this run holds.
#[derive(Debug)]
pub struct Ledger {
    pub(super) store: Store,
    clock: Clock,
    owner: LeaseOwner,
    pub(super) options: LedgerOptions,
    feeds: Vec<Feed>,
    /// The number of segments.
    pub(super) count: u16,
    /// By number; `None` for segments of other runs and shards.
    segments: Mutex<Vec<Option<Segment>>>,
    /// Another run that works with the ledger, if there is one.
    other_holder: Option<String>,
    /// The contents of local files that are done; `None` for other sources.
    pub(super) contents: Option<Arc<ProcessedContents>>,
    saving: tokio::sync::Mutex<()>,
}

impl Ledger {
    /// Opens or creates the ledger, and acquires the free segments of the shard.
    ///
    /// # Errors
    /// [`RunError::Locked`] if no segment is free; [`RunError::Corrupt`] if the ledger cannot be read; it is left untouched.
    pub async fn open(store: Store, clock: Clock, options: &LedgerOptions) -> Result<Self, RunError> {
        let mut ledger = Self::open_unlocked(store, clock, options).await?;
        let begun = ledger.acquire_segments().await;
        if begun.is_err() {
            // Releases the leases, so that other runs need not wait; the first error says more than one from here
            // could.
            let _ = ledger.release_all().await;
        }
        begun.map(|()| ledger)
    }

    /// Opens or creates the ledger, without acquiring segments.
    pub(in crate::ingest) async fn open_unlocked(
        store: Store,
        clock: Clock,
        options: &LedgerOptions,
    ) -> Result<Self, RunError> {
        let manifest = if options.read_only {
            read(&store, options.shard.count).await?
        } else {
            register_feed(&store, &options.feed, options.shard.count).await?
        };
        Ok(Self {
            store,
            clock,
            owner: LeaseOwner::current(),
            options: options.clone(),
            count: manifest.segments,
            segments: Mutex::new((0..manifest.segments).map(|_| None).collect()),
            feeds: manifest.feeds,
            other_holder: None,
            contents: options.is_local.then(Arc::default),
            saving: tokio::sync::Mutex::default(),
        })
    }

    /// Acquires the free segments and reads them. Whatever ends it, acquired leases are in `self` and can be released;
    /// if the future is dropped, up to [`AT_ONCE`] leases may have to expire instead.
    pub(in crate::ingest) async fn acquire_segments(&mut self) -> Result<(), RunError> {
        let LedgerOptions { shard, read_only, .. } = self.options;
        let only = self.options.objects.as_ref();
        let only: Option<HashSet<u16>> =
            only.map(|urls| urls.iter().map(|url| segment_of(url, self.count)).collect());
        let ours: Vec<_> = (0..self.count)
            .filter(|segment| segment % shard.count == shard.index)
            .filter(|segment| only.as_ref().is_none_or(|only| only.contains(segment)))
            .collect();
        if read_only {
            ours.into_iter().for_each(|number| self.hold(number, None));
        } else {
            self.acquire(ours).await?;
        }
        let held: Vec<u16> = self.lock().iter().flatten().map(|segment| segment.number).collect();
        // A file may be known by its content in any segment: it may have had another name.
        let load = if self.contents.is_some() { (0..self.count).collect() } else { held };
        let from = self.contents.as_ref().map(|_| &self.options.feed.from);
        let oldest = self.options.oldest;
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
    async fn acquire(&mut self, segments: Vec<u16>) -> Result<(), RunError> {
        let (mut acquired, mut others) = (Ok(()), None);
        let request = self.lease_request();
        let mut asking = futures::stream::iter(segments)
            .map(async |number| (number, request.acquire(&format!("lease-{number:04}")).await))
            .buffer_unordered(AT_ONCE);
        while let Some((number, asked)) = asking.next().await {
            match asked {
                Ok(Acquire::Acquired(lease)) => self.hold(number, Some(lease)),
                Ok(Acquire::HeldByOther(by)) => others = Some(by),
                Err(error) => acquired = acquired.and(Err(error)),
            }
        }
        drop(asking);
        self.other_holder = others;
        acquired?;
        if self.lock().iter().all(Option::is_none) {
            let by = self.other_holder.as_deref().unwrap_or_default();
            let location = self.store.location();
            return Err(RunError::Locked(format!(
                "{location}: another run is active: {by}; if you are sure that it is dead, delete {location}lease-*"
            ).into()));
        }
        Ok(())
    }

    fn lease_request(&self) -> LeaseRequest<'_> {
        let now = self.clock.now();
        LeaseRequest {
            store: &self.store,
            holder: &self.owner,
            now,
            until: now + duration_millis(self.options.lease),
        }
    }

    fn hold(&self, number: u16, lease: Option<LeaseHandle>) {
        self.lock()[usize::from(number)] = Some(Segment::empty(number, lease));
    }

    /// Returns all feeds that were ever run with this ledger.
    #[must_use]
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// Returns another destination of the feed's source, if there is one.
    pub(in crate::ingest) fn other_destination(&self) -> Option<&str> {
        let Feed { from, to, .. } = &self.options.feed;
        self.feeds.iter().find(|feed| feed.from == *from && feed.to != *to).map(|feed| &feed.to[..])
    }

    /// Returns another run that works with this ledger, if one was seen.
    #[must_use]
    pub fn other_holder(&self) -> Option<&str> {
        self.other_holder.as_deref()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Option<Segment>>> {
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
    pub fn lookup(&self, object: &str, tag: &str) -> Decision {
        let segments = self.lock();
        let Some(segment) = &segments[usize::from(segment_of(object, self.count))] else {
            return Decision::Elsewhere;
        };
        match segment.lookup(object, tag) {
            EntryStatus::New => Decision::Process { attempts: 0 },
            EntryStatus::Done => Decision::Done,
            // Another version may be valid.
            EntryStatus::Failed(entry) if entry.tag != tag => Decision::Process { attempts: 0 },
            EntryStatus::Failed(entry) if self.in_backoff(&entry) => Decision::Backoff,
            EntryStatus::Failed(entry) => Decision::Process { attempts: entry.attempts },
        }
    }

    /// Returns whether it is too early to retry. Backoff never exceeds a day; a later time was written under another
    /// clock.
    fn in_backoff(&self, entry: &Entry) -> bool {
        let now = self.clock.now();
        entry.retry_at > now && entry.retry_at - now <= DAY
    }

    /// Returns the entry of an object that failed, in any version.
    #[must_use]
    pub fn failure_of(&self, object: &str) -> Option<Entry> {
        self.lock()[usize::from(segment_of(object, self.count))].as_ref()?.failure_of(object).cloned()
    }

    /// Records the result of an object; durable after the next [`Self::save`]. Returns `false` if another run is
    /// responsible for the object; it is then not recorded.
    pub fn record(&self, entry: Entry) -> bool {
        let number = usize::from(segment_of(&entry.object, self.count));
        let mut segments = self.lock();
        segments[number].as_mut().map(|segment| segment.record(entry)).is_some()
    }

    /// Makes all entries durable that were recorded before the call.
    ///
    /// # Errors
    /// If they may not be durable. Call it again: no entry is forgotten.
    pub async fn save(&self) -> Result<(), RunError> {
        let _one_at_a_time = self.saving.lock().await;
        let dirty: Vec<_> = {
            let mut segments = self.lock();
            let dirty = segments.iter_mut().flatten().filter(|segment| segment.is_dirty());
            dirty.map(|segment| (segment.number, Arc::new(segment.drain_pending()))).collect()
        };
        let saved = futures::stream::iter(dirty).map(|(number, fresh)| async move {
            let merged = segment::merge(&self.store, number, &fresh, self.options.oldest).await;
            if merged.is_err()
                && let Some(segment) = &mut self.lock()[usize::from(number)]
            {
                segment.requeue(Arc::unwrap_or_clone(fresh));
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
    /// If the ledger is unreachable; [`RunError::Locked`] if no segment is left.
    pub async fn renew(&self) -> Result<(), RunError> {
        let request = self.lease_request();
        for number in 0..usize::from(self.count) {
            let Some(lease) = self.lock()[number].as_mut().map(|segment| segment.lease.take()) else {
                continue;
            };
            // A segment without a lease was lost before, and is kept only until its entries are saved.
            let Some(mut lease) = lease else {
                self.relinquish(number).await?;
                continue;
            };
            let renewed = request.renew(&mut lease).await;
            if let Ok(false) = renewed {
                self.relinquish(number).await?;
                continue;
            }
            if let Some(segment) = &mut self.lock()[number] {
                segment.lease = Some(lease);
            }
            renewed?;
        }
        if self.lock().iter().all(Option::is_none) {
            return Err(RunError::Locked(
                format!("{}: another run took over because this one stalled", self.store.location()).into(),
            ));
        }
        Ok(())
    }

    /// Drops a segment whose lease another run has taken.
    async fn relinquish(&self, number: usize) -> Result<(), RunError> {
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
    pub async fn close(self) -> Result<(), RunError> {
        let saved = self.compact().await;
        // Releases the leases in any case, so that other runs need not wait.
        let released = self.release_all().await;
        saved.and(released)
    }

    async fn release_all(&self) -> Result<(), RunError> {
        let leases: Vec<_> =
            self.lock().iter_mut().flatten().filter_map(|segment| segment.lease.take()).collect();
        let request =
            LeaseRequest { store: &self.store, holder: &self.owner, now: self.clock.now(), until: 0 };
        let released: Vec<_> = futures::stream::iter(leases)
            .map(|lease| request.release(lease))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        released.into_iter().collect()
    }

    async fn compact(&self) -> Result<(), RunError> {
        self.save().await?;
        let stale: Vec<_> = self
            .lock()
            .iter()
            .flatten()
            .filter(|segment| segment.needs_compaction())
            .map(|segment| segment.number)
            .collect();
        for number in stale {
            segment::merge(&self.store, number, &Arc::default(), self.options.oldest).await?;
        }
        Ok(())
    }
}
