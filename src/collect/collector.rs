//! A run, and the way of a page from Zoom to the bucket: fetched by a scan, deduplicated, collected in a batch, committed.

use super::batch::{Batch, PageRef, manifest};
use super::config::{Mode, Options};
use super::date::Date;
use super::dedup::{DayKey, Dedup, Observed, PositionsByRecord, RecordKey};
use super::report::Report;
use super::scheduler::Scheduler;
use super::state_store::StateStore;
use super::zoom::{Page, PageRecord, Window, ZoomClient, ZoomError};
use crate::error::RunError;
use crate::progress::Observer;
use std::sync::Arc;

/// Seconds between writes of collected records: the work that a kill can cost.
const FLUSH_EVERY: u64 = 60;
/// The same while records without a time are among it: the other kind of run may be waiting for them.
const FLUSH_UNDATED_EVERY: u64 = 5;

/// Why a run cannot continue.
#[derive(Debug)]
pub(crate) enum CollectError {
    Zoom(ZoomError),
    Local(RunError),
}

impl From<ZoomError> for CollectError {
    fn from(error: ZoomError) -> Self {
        Self::Zoom(error)
    }
}

impl From<RunError> for CollectError {
    fn from(error: RunError) -> Self {
        Self::Local(error)
    }
}

/// A run.
pub(crate) struct Collector {
    pub(crate) options: Options,
    pub(crate) zoom: ZoomClient,
    pub(crate) dedup: Dedup,
    pub(crate) batch: Batch,
    pub(crate) store: StateStore,
    pub(crate) scheduler: Scheduler,
    pub(crate) report: Report,
    pub(crate) observer: Arc<dyn Observer>,
}

/// The records of a page, compared with the counts.
pub(crate) struct DedupedPage {
    /// The positions of new records, in order, and their lists.
    pub(crate) new: Vec<(usize, DayKey)>,
    /// Ambiguous records: there may be more than are counted.
    pub(crate) ambiguous: Vec<RecordKey>,
    /// The positions of each group of identical records.
    pub(crate) positions: PositionsByRecord,
}

impl Collector {
    pub(crate) fn now(&self) -> i64 {
        self.options.clock.now()
    }

    pub(crate) fn today(&self) -> Date {
        Date::from_millis(self.now())
    }

    /// Returns which records of a page are new, and counts them.
    pub(crate) async fn deduplicate(
        &mut self,
        page: &Page,
        window: Window,
    ) -> Result<DedupedPage, CollectError> {
        let mut positions: PositionsByRecord = PositionsByRecord::new();
        for (index, item) in page.items.iter().enumerate() {
            if let Some(key) = self.day_key(item, window) {
                positions.entry((key, item.id)).or_default().push(index);
            }
        }
        let mut keys: Vec<_> = positions.keys().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            self.dedup.load(key, &self.store).await?;
        }
        self.claim_undated(&positions).await?;
        let Observed { new, ambiguous } = self.dedup.observe(&positions);
        self.report.records_read += page.items.len() as u64;
        let counted: usize = positions.values().map(Vec::len).sum();
        self.report.duplicates_suppressed += (counted - new.len()) as u64;
        Ok(DedupedPage { new, ambiguous, positions })
    }

    /// Returns the list that counts a record; `None` if this run is not responsible for its day.
    fn day_key(&self, item: &PageRecord, window: Window) -> Option<DayKey> {
        let Some(time) = item.time else { return Some(DayKey::Undated) };
        let day = Date::from_millis(time);
        // A time far outside the window is not trusted, because the record may have another one tomorrow.
        if day < window.from.add_days(-1) || day > window.to.add_days(1) {
            return Some(DayKey::Undated);
        }
        self.scheduler.owns(&self.store.state, day).then_some(DayKey::Day(day))
    }

    /// Adds the new records of a page to the batch; `number` is that of the page in its window.
    pub(crate) fn enqueue_new(&mut self, page: &Page, new: &[(usize, DayKey)], window: Window, number: u64) {
        self.batch.set_page(PageRef::new(window, number, self.now(), &page.tracking));
        let mut day = window.from.add_days(1);
        for (index, key) in new {
            if let DayKey::Day(date) = key {
                day = *date;
            }
            self.enqueue(*key, day, &page.items[*index], 1);
        }
    }

    /// Adds copies of a new record to the batch; records without a time are stored under `day`.
    pub(crate) fn enqueue(&mut self, key: DayKey, day: Date, item: &PageRecord, copies: u32) {
        if item.malformed {
            (0..copies).for_each(|_| self.batch.add_malformed(&item.raw));
            return;
        }
        let mut day = day;
        if let DayKey::Day(date) = key {
            day = date;
            let known = self.store.state.days.entry(date).or_default();
            known.records += u64::from(copies);
            let read_before = known.scanned_at.is_some_and(|read| item.time.is_some_and(|time| time < read));
            if read_before && item.time < self.scheduler.complete_until {
                self.report.late += u64::from(copies);
            }
        }
        for _ in 0..copies {
            self.batch.add(day, &item.raw, item.time);
        }
    }

    /// Commits the batch if it is large or old.
    pub(crate) async fn commit_if_due(&mut self) -> Result<(), RunError> {
        self.store.renew_lease().await?;
        let every = if self.store.owns_undated() { FLUSH_UNDATED_EVERY } else { FLUSH_EVERY };
        if self.batch.is_full() || self.store.since_commit().as_secs() >= every {
            self.commit().await?;
        }
        Ok(())
    }

    /// Makes the batch and the counts durable, together with the current state.
    pub(crate) async fn commit(&mut self) -> Result<(), RunError> {
        self.store.mark_commit();
        self.store.verify_undated().await?;
        self.dedup.save(&mut self.store).await?;
        if self.batch.is_empty() {
            self.store.save().await?;
        } else {
            self.commit_objects().await?;
        }
        self.store.release_undated().await
    }

    async fn commit_objects(&mut self) -> Result<(), RunError> {
        let malformed = self.batch.take_malformed();
        let objects = self.batch.drain_objects(&self.store.state, &self.options.name_prefix);
        let task = match self.options.mode {
            Mode::Live { .. } => "collect",
            Mode::Backfill { .. } => "collect backfill",
        };
        let to = self.options.to.to_string();
        let manifest = manifest(&self.store.state, task, self.now(), &to, &objects, &malformed);
        let records = objects.iter().map(|object| object.records).sum::<u64>();
        self.store.state.totals.records += records;
        self.store.state.totals.objects += objects.len() as u64;
        self.store.commit(&objects, manifest).await?;
        self.report.records_written += records;
        self.report.objects_written += objects.len() as u64;
        self.report_malformed(malformed.len());
        Ok(())
    }

    fn report_malformed(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.report.malformed_records += count as u64;
        self.observer.warn(&format!(
            "{count} records from Zoom are not valid UTF-8 or JSON: the manifest of this run keeps them byte for byte as \
             `malformed`, see {}",
            self.options.state.location.url(crate::collector_files::MANIFESTS)
        ));
    }
}
