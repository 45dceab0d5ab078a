//! The data of a run, and what happens to each page: new records go to the batch, and the batch becomes objects.

use super::batch::{Batch, PageRef, manifest};
use super::config::{Mode, Options};
use super::date::Date;
use super::dedup::RecordCounts;
use super::report::Report;
use super::state_store::StateStore;
use super::zoom::{Page, PageRecord, RecordHash, Window, ZoomClient, ZoomError};
use super::{Observer, RunError};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Seconds between writes of collected records: the work that a kill can cost.
const FLUSH_EVERY: u64 = 60;
/// The same while records without a time are among it: the other kind of run may be waiting for them.
const FLUSH_UNDATED_EVERY: u64 = 5;

/// The list that counts a record: that of its day, or that of records without a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum DayKey {
    Day(Date),
    Undated,
}

impl fmt::Display for DayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => date.fmt(f),
            Self::Undated => f.write_str("undated"),
        }
    }
}

/// Why a run cannot continue.
#[derive(Debug)]
pub(crate) enum CollectError {
    Zoom(ZoomError),
    Local(RunError),
}

impl<E: Into<RunError>> From<E> for CollectError {
    fn from(error: E) -> Self {
        Self::Local(error.into())
    }
}

/// A run.
pub(crate) struct Collector {
    pub(crate) options: Options,
    pub(crate) zoom: ZoomClient,
    pub(crate) journal: StateStore,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) report: Report,
    /// When it started, in milliseconds since the epoch.
    pub(crate) started: i64,
    /// The number of the current scan.
    pub(crate) pass: u32,
    pub(crate) seen: HashMap<DayKey, RecordCounts>,
    pub(crate) batch: Batch,
    /// Days that backfills are responsible for.
    pub(crate) excluded_ranges: Vec<(Date, Date)>,
    pub(crate) flushed: Instant,
    /// Everything up to this time had been read when the run started.
    pub(crate) complete_until: Option<i64>,
    /// How many days windows end after what they have to reach, where that was not enough before.
    pub(crate) pad: i64,
}

/// Identical records of a page: the list that counts them, and their positions.
pub(crate) type PositionsByRecord = HashMap<(DayKey, RecordHash), Vec<usize>>;

/// The result of a page.
pub(crate) struct PageResult {
    /// The number of new records.
    pub(crate) new: u64,
    /// Ambiguous records: there may be more than are counted.
    pub(crate) unsure: Vec<(DayKey, RecordHash)>,
    /// The positions of each group of identical records.
    pub(crate) groups: PositionsByRecord,
}

impl Collector {
    pub(crate) fn now(&self) -> i64 {
        self.options.clock.now()
    }

    pub(crate) fn today(&self) -> Date {
        Date::from_millis(self.now())
    }

    /// Returns the list that counts a record; `None` if this run is not responsible for its day.
    fn slot(&self, item: &PageRecord, window: Window) -> Option<DayKey> {
        let Some(time) = item.time else { return Some(DayKey::Undated) };
        let day = Date::from_millis(time);
        // A time far outside the window is not trusted, because the record may have another one tomorrow.
        if day < window.from.add_days(-1) || day > window.to.add_days(1) {
            return Some(DayKey::Undated);
        }
        self.is_ours(day).then_some(DayKey::Day(day))
    }

    /// Returns whether this run may still write records of the day.
    pub(crate) fn is_ours(&self, day: Date) -> bool {
        let state = &self.journal.state;
        day >= state.cursor
            && state.until.is_none_or(|until| day <= until)
            && !state.days.get(&day).is_some_and(|known| known.sealed)
            && !self.is_elsewhere(day)
    }

    /// Returns whether a backfill is responsible for the day.
    pub(crate) fn is_elsewhere(&self, day: Date) -> bool {
        self.excluded_ranges.iter().any(|(first, last)| (*first..=*last).contains(&day))
    }

    /// Adds the new records of a page to the batch.
    pub(crate) async fn ingest_page(
        &mut self,
        page: &Page,
        window: Window,
        number: u64,
    ) -> Result<PageResult, CollectError> {
        let mut groups: PositionsByRecord = HashMap::new();
        for (index, item) in page.items.iter().enumerate() {
            if let Some(slot) = self.slot(item, window) {
                groups.entry((slot, item.id)).or_default().push(index);
            }
        }
        let mut slots: Vec<_> = groups.keys().map(|(slot, _)| *slot).collect();
        slots.sort_unstable();
        slots.dedup();
        for slot in slots {
            self.load_counts(slot).await?;
        }
        self.claim_undated(&groups).await?;
        let (mut fresh, mut unsure) = (Vec::new(), Vec::new());
        for (&(slot, id), places) in &groups {
            let Some(seen) = self.seen.get_mut(&slot) else { continue };
            let on_page = u32::try_from(places.len()).unwrap_or(u32::MAX);
            let (new, open) = seen.observe(id, on_page, self.pass);
            fresh.extend(places.iter().take(usize::try_from(new).unwrap_or(0)).map(|index| (*index, slot)));
            if open {
                unsure.push((slot, id));
            }
        }
        fresh.sort_unstable();
        self.batch.source(PageRef::new(window, number, self.now(), &page.tracking));
        let mut day = window.from.add_days(1);
        for (index, slot) in &fresh {
            let item = &page.items[*index];
            if let DayKey::Day(date) = slot {
                day = *date;
            }
            self.enqueue(*slot, day, item, 1);
        }
        let new = u64::try_from(fresh.len()).unwrap_or(0);
        self.report.records_read += u64::try_from(page.items.len()).unwrap_or(0);
        let counted: usize = groups.values().map(Vec::len).sum();
        self.report.duplicates_suppressed += u64::try_from(counted).unwrap_or(0) - new;
        Ok(PageResult { new, unsure, groups })
    }

    /// Adds copies of a new record; records without a time are stored under `day`.
    pub(crate) fn enqueue(&mut self, slot: DayKey, day: Date, item: &PageRecord, copies: u32) {
        if item.malformed {
            (0..copies).for_each(|_| self.batch.add_malformed(&item.raw));
            return;
        }
        let time = item.time;
        let known = match slot {
            DayKey::Day(date) => self.journal.state.days.entry(date).or_default(),
            DayKey::Undated => &mut super::state::DayState::default(),
        };
        known.records += u64::from(copies);
        let read_before = known.full_at.is_some_and(|read| time.is_some_and(|time| time < read));
        if read_before && time < self.complete_until {
            self.report.late += u64::from(copies);
        }
        let day = if let DayKey::Day(date) = slot { date } else { day };
        for _ in 0..copies {
            self.batch.add(day, &item.raw, time);
        }
    }

    /// Loads the counts of a day.
    pub(crate) async fn load_counts(&mut self, slot: DayKey) -> Result<(), RunError> {
        if self.seen.contains_key(&slot) {
            return Ok(());
        }
        let state = &self.journal.state;
        let known = match slot {
            DayKey::Day(date) => state.days.get(&date).and_then(|day| day.seen.as_ref()),
            DayKey::Undated => state.undated.as_ref(),
        };
        let mut seen = match known {
            Some(known) => self.journal.read_counts(known).await?,
            None => RecordCounts::default(),
        };
        if let (DayKey::Undated, Some(before)) = (slot, &state.undated_before) {
            seen.merge_hints(&self.journal.read_counts(before).await?);
        }
        self.seen.insert(slot, seen);
        Ok(())
    }

    /// Writes the collected records if there are many, or if they have waited for long.
    pub(crate) async fn flush_if_due(&mut self) -> Result<(), RunError> {
        self.journal.renew_lease().await?;
        let every = if self.journal.owns_undated() { FLUSH_UNDATED_EVERY } else { FLUSH_EVERY };
        if self.batch.is_full() || self.flushed.elapsed().as_secs() >= every {
            self.flush().await?;
        }
        Ok(())
    }

    /// Makes the collected records durable, together with the current state.
    pub(crate) async fn flush(&mut self) -> Result<(), RunError> {
        self.flushed = Instant::now();
        self.journal.verify_undated().await?;
        self.write_gathered().await?;
        self.journal.release_undated().await
    }

    async fn write_gathered(&mut self) -> Result<(), RunError> {
        let mut slots: Vec<_> =
            self.seen.iter().filter(|(_, seen)| seen.dirty).map(|(slot, _)| *slot).collect();
        slots.sort_unstable();
        for slot in slots {
            let Some(seen) = self.seen.get_mut(&slot) else { continue };
            let known = self.journal.put_counts(&slot.to_string(), seen).await?;
            seen.dirty = false;
            match slot {
                DayKey::Day(date) => self.journal.state.days.entry(date).or_default().seen = Some(known),
                DayKey::Undated => self.journal.state.undated = Some(known),
            }
        }
        if self.batch.is_empty() {
            return self.journal.save().await;
        }
        let malformed = self.batch.take_malformed();
        let objects = self.batch.drain_objects(&self.journal.state, &self.options.name_prefix);
        let (written, count) =
            (objects.iter().map(|object| object.records).sum::<u64>(), objects.len() as u64);
        let task = match self.options.task {
            Mode::Live { .. } => "collect",
            Mode::Backfill { .. } => "collect backfill",
        };
        let about = manifest(
            &self.journal.state,
            task,
            self.now(),
            &self.options.to.to_string(),
            &objects,
            &malformed,
        );
        self.journal.state.totals.records += written;
        self.journal.state.totals.objects += count;
        self.journal.commit(&objects, about).await?;
        self.report.records_written += written;
        self.report.objects_written += count;
        self.report_malformed(malformed.len());
        Ok(())
    }

    fn report_malformed(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.report.malformed_records += u64::try_from(count).unwrap_or(0);
        self.observer.warn(&format!(
            "{count} records from Zoom are not valid UTF-8 or JSON: the manifest of this run keeps them byte for byte as \
             `malformed`, see {}",
            self.options.state.location.url(crate::collector_files::MANIFESTS)
        ));
    }

    /// Frees the counts of days that are not read in every run.
    pub(crate) fn evict_old(&mut self) {
        let recent = self.today().add_days(-1);
        self.seen.retain(|slot, seen| seen.dirty || !matches!(slot, DayKey::Day(day) if *day < recent));
    }
}
