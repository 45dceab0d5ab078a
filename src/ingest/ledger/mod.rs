//! The ledger: which versions of which objects are done, with counts, and which gave trouble, with reasons.
//!
//! It is a few objects of its own in a store: `ledger.json` (format, number of segments, feeds), and for each segment
//! `segment-NNNN` (entries, checksummed) and `lease-NNNN` (who works on it). An object belongs to the segment that a
//! stable hash of its address names; a shard works on the segments that are its number modulo the number of shards.
//!
//! What is done is a fact, so the same mark may be written twice and by anyone: writers read, merge and swap. Losing
//! marks loses no event and doubles none, since outputs are made only where there are none. It costs work.

mod charter;
mod codec;
mod entry;
mod inspect;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod segment;
#[cfg(test)]
mod tests;

pub use charter::{Charter, Feed, charter};
pub use entry::{Advice, Entry, State};
pub use inspect::{entries, forget};

use super::{Error, Shard};
use crate::clock::{Clock, millis};
use crate::lease::{Asked, Held, Holder, Terms};
use crate::store::Store;
use charter::{peek, sign};
use futures::{StreamExt as _, TryStreamExt as _};
pub(super) use segment::fingerprint;
use segment::{Known, Segment};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many segments are read or written at once.
const AT_ONCE: usize = 4;

/// How to open a ledger.
#[derive(Debug, Clone)]
pub struct Tenancy {
    /// Which part of the objects.
    pub shard: Shard,
    /// How long the segments stay ours without a sign of life.
    pub lease: Duration,
    /// Entries of objects modified before this, in milliseconds since the epoch, are let go.
    pub oldest: i64,
    /// From where to where.
    pub feed: Feed,
    /// Whether only to look: nothing is written, and what other runs hold is looked at too.
    pub look: bool,
    /// Addresses of the only objects that will be asked for: no other segments are taken.
    pub only: Option<Vec<String>>,
}

/// A ledger with the segments that this run holds.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    clock: Clock,
    holder: Holder,
    lease: Duration,
    oldest: i64,
    feeds: Vec<Feed>,
    count: u16,
    /// By number; `None` for those of other runs and shards.
    segments: Mutex<Vec<Option<Segment>>>,
    /// Who else is at work, if so.
    others: Option<String>,
    saving: tokio::sync::Mutex<()>,
}

impl Ledger {
    /// Opens the ledger, or begins one where there truly is none, and takes the segments of the shard that are free.
    ///
    /// # Errors
    /// [`Error::Held`] where none is free; [`Error::Damaged`] where what stands cannot be read: it is left as it is.
    pub async fn open(store: Store, clock: Clock, terms: &Tenancy) -> Result<Self, Error> {
        let charter = if terms.look {
            peek(&store).await?
        } else {
            sign(&store, &terms.feed, terms.shard.count).await?
        };
        let holder = Holder::this();
        let only: Option<HashSet<u16>> = terms
            .only
            .as_ref()
            .map(|urls| urls.iter().map(|url| segment_of(url, charter.segments)).collect());
        let ours: Vec<_> = (0..charter.segments)
            .filter(|segment| segment % terms.shard.count == terms.shard.index)
            .filter(|segment| only.as_ref().is_none_or(|only| only.contains(segment)))
            .collect();
        let (held, others) = if terms.look {
            (ours.into_iter().map(|segment| (segment, None)).collect(), None)
        } else {
            let now = clock.now();
            take(&Terms { store: &store, holder: &holder, now, until: now + millis(terms.lease) }, ours)
                .await?
        };
        let loaded = futures::stream::iter(held)
            .map(|(number, lease)| Segment::load(&store, number, lease, terms.oldest))
            .buffer_unordered(AT_ONCE);
        let loaded: Vec<Segment> = loaded.try_collect().await?;
        let mut segments: Vec<_> = (0..charter.segments).map(|_| None).collect();
        for segment in loaded {
            let number = usize::from(segment.number);
            segments[number] = Some(segment);
        }
        let (count, segments, saving) =
            (charter.segments, Mutex::new(segments), tokio::sync::Mutex::default());
        Ok(Self {
            store,
            clock,
            holder,
            lease: terms.lease,
            oldest: terms.oldest,
            feeds: charter.feeds,
            count,
            segments,
            others,
            saving,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> String {
        self.store.location().to_string()
    }

    /// The feeds that were ever run with it.
    #[must_use]
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// Who else works with this ledger, where that was noticed.
    #[must_use]
    pub fn others(&self) -> Option<&str> {
        self.others.as_deref()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Segment>>> {
        // A panic elsewhere leaves nothing half changed: every change is one insertion.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many segments there are.
    #[must_use]
    pub fn segments(&self) -> u16 {
        self.count
    }

    /// What to do about a version of an object.
    #[must_use]
    pub fn ask(&self, object: &str, tag: &str) -> Advice {
        let segments = self.lock();
        let Some(segment) = &segments[usize::from(segment_of(object, self.count))] else {
            return Advice::Elsewhere;
        };
        match segment.ask(object, tag) {
            Known::New => Advice::Read { attempts: 0 },
            Known::Done => Advice::Done,
            // Another version may be a good one.
            Known::Troubled(entry) if entry.tag != tag => Advice::Read { attempts: 0 },
            Known::Troubled(entry) if entry.next > self.clock.now() => Advice::Wait,
            Known::Troubled(entry) => Advice::Read { attempts: entry.attempts },
        }
    }

    /// What is known of an object that failed, in whatever version.
    #[must_use]
    pub fn trouble(&self, object: &str) -> Option<Entry> {
        self.lock()[usize::from(segment_of(object, self.count))].as_ref()?.trouble(object).cloned()
    }

    /// Notes how an object ended; durable with the next [`Self::save`]. `false` where that is another run's to note: then
    /// it never will be.
    pub fn mark(&self, entry: Entry) -> bool {
        let number = usize::from(segment_of(&entry.object, self.count));
        let mut segments = self.lock();
        segments[number].as_mut().map(|segment| segment.mark(entry)).is_some()
    }

    /// Makes every mark durable that was made before the call.
    ///
    /// # Errors
    /// Where that may not be so. Call it again: nothing is forgotten.
    pub async fn save(&self) -> Result<(), Error> {
        let _one_at_a_time = self.saving.lock().await;
        let dirty: Vec<_> = {
            let mut segments = self.lock();
            let dirty = segments.iter_mut().flatten().filter(|segment| segment.is_dirty());
            dirty.map(|segment| (segment.number, Arc::new(segment.take_fresh()))).collect()
        };
        let saved = futures::stream::iter(dirty).map(|(number, fresh)| async move {
            let merged = segment::merge(&self.store, number, &fresh, self.oldest).await;
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

    /// Holds on to the segments. Those that another run has taken over, because this one gave no sign of life for too
    /// long, are given up once what was marked in them is durable.
    ///
    /// # Errors
    /// Where the ledger cannot be reached; [`Error::Held`] where no segment is left.
    pub async fn renew(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let terms = Terms { store: &self.store, holder: &self.holder, now, until: now + millis(self.lease) };
        for number in 0..usize::from(self.count) {
            let lease = self.lock()[number].as_mut().and_then(|segment| segment.lease.take());
            let Some(mut lease) = lease else { continue };
            let renewed = terms.renew(&mut lease).await;
            if let Ok(false) = renewed {
                // Marks are facts, whoever holds the lease, and sources are removed on their word.
                self.save().await?;
                let mut segments = self.lock();
                // What was marked meanwhile keeps it until that is saved, too.
                segments[number] = segments[number].take().filter(Segment::is_dirty);
                continue;
            }
            if let Some(segment) = &mut self.lock()[number] {
                segment.lease = Some(lease);
            }
            renewed?;
        }
        if self.lock().iter().all(Option::is_none) {
            return Err(Error::Held(format!(
                "{}: another run took over, since this one stood still",
                self.store.location()
            )));
        }
        Ok(())
    }

    /// Saves, lets old entries go where they are many, and gives the segments back.
    ///
    /// # Errors
    /// Where marks may not be durable.
    pub async fn close(self) -> Result<(), Error> {
        let saved = self.tidy().await;
        // Whatever became of it: others need not wait.
        let leases: Vec<_> =
            self.lock().iter_mut().flatten().filter_map(|segment| segment.lease.take()).collect();
        let terms = Terms { store: &self.store, holder: &self.holder, now: self.clock.now(), until: 0 };
        let released =
            futures::stream::iter(leases).map(|lease| terms.release(lease)).buffer_unordered(AT_ONCE);
        let released = released.try_collect().await;
        saved.and(released)
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
            segment::merge(&self.store, number, &Arc::default(), self.oldest).await?;
        }
        Ok(())
    }
}

type Taken = (Vec<(u16, Option<Held>)>, Option<String>);

/// Asks for segments; says which are held now, and who has others.
async fn take(terms: &Terms<'_>, segments: Vec<u16>) -> Result<Taken, Error> {
    let asked = futures::stream::iter(segments)
        .map(|segment| async move {
            Ok::<_, Error>((segment, terms.acquire(&format!("lease-{segment:04}")).await?))
        })
        .buffer_unordered(AT_ONCE);
    let asked: Vec<_> = asked.try_collect().await?;
    let (mut held, mut others) = (Vec::new(), None);
    for (segment, asked) in asked {
        match asked {
            Asked::Got(lease) => held.push((segment, Some(lease))),
            Asked::Taken { by, until } => others = Some(describe(&by, until)),
        }
    }
    if held.is_empty() {
        let by = others.unwrap_or_default();
        return Err(Error::Held(format!("{}: another run is at work: {by}", terms.store.location())));
    }
    Ok((held, others))
}

fn describe(by: &str, until: i64) -> String {
    let until = chrono::DateTime::from_timestamp_millis(until).unwrap_or_default();
    format!("{by}, until {} at least unless it ends before", until.format("%Y-%m-%dT%H:%M:%SZ"))
}

/// Which segment an address belongs to. Never changes: it decides where entries are found.
pub(super) fn segment_of(object: &str, segments: u16) -> u16 {
    let digest = Sha256::digest(object);
    let hash = u64::from_be_bytes(std::array::from_fn(|at| digest[at]));
    u16::try_from(hash % u64::from(segments.max(1))).unwrap_or(0)
}
