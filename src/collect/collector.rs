//! The data of a run, and what happens to each page: new records go to the batch, and the batch becomes objects.

use super::batch::{Batch, Source, manifest};
use super::date::Date;
use super::journal::Journal;
use super::options::{Options, Task};
use super::report::Report;
use super::seen::Seen;
use super::zoom::{Id, Item, Page, Trouble, Window, Zoom};
use super::{Error, Observer};
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
pub(crate) enum Slot {
    Day(Date),
    Undated,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => date.fmt(f),
            Self::Undated => f.write_str("undated"),
        }
    }
}

/// Why a run cannot continue.
#[derive(Debug)]
pub(crate) enum Halt {
    Zoom(Trouble),
    Here(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Here(error.into())
    }
}

/// A run.
pub(crate) struct Collector {
    pub(crate) options: Options,
    pub(crate) zoom: Zoom,
    pub(crate) journal: Journal,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) report: Report,
    /// When it started, in milliseconds since the epoch.
    pub(crate) started: i64,
    /// The number of the current scan.
    pub(crate) pass: u32,
    pub(crate) seen: HashMap<Slot, Seen>,
    pub(crate) batch: Batch,
    /// Days that backfills are responsible for.
    pub(crate) elsewhere: Vec<(Date, Date)>,
    pub(crate) flushed: Instant,
    /// Everything up to this time had been read when the run started.
    pub(crate) known_until: Option<i64>,
    /// How many days windows end after what they have to reach, where that was not enough before.
    pub(crate) pad: i64,
}

/// Identical records of a page: the list that counts them, and their positions.
pub(crate) type Groups = HashMap<(Slot, Id), Vec<usize>>;

/// The result of a page.
pub(crate) struct Taken {
    /// The number of new records.
    pub(crate) new: u64,
    /// Ambiguous records: there may be more than are counted.
    pub(crate) unsure: Vec<(Slot, Id)>,
    /// The positions of each group of identical records.
    pub(crate) groups: Groups,
}

impl Collector {
    pub(crate) fn now(&self) -> i64 {
        self.options.clock.now()
    }

    pub(crate) fn today(&self) -> Date {
        Date::of(self.now())
    }

    /// Returns the list that counts a record; `None` if this run is not responsible for its day.
    fn slot(&self, item: &Item, window: Window) -> Option<Slot> {
        let Some(time) = item.time else { return Some(Slot::Undated) };
        let day = Date::of(time);
        // A time far outside the window is not trusted, because the record may have another one tomorrow.
        if day < window.from.plus(-1) || day > window.to.plus(1) {
            return Some(Slot::Undated);
        }
        self.is_ours(day).then_some(Slot::Day(day))
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
        self.elsewhere.iter().any(|(first, last)| (*first..=*last).contains(&day))
    }

    /// Adds the new records of a page to the batch.
    pub(crate) async fn take(&mut self, page: &Page, window: Window, number: u64) -> Result<Taken, Halt> {
        let mut groups: Groups = HashMap::new();
        for (index, item) in page.items.iter().enumerate() {
            if let Some(slot) = self.slot(item, window) {
                groups.entry((slot, item.id)).or_default().push(index);
            }
        }
        let mut slots: Vec<_> = groups.keys().map(|(slot, _)| *slot).collect();
        slots.sort_unstable();
        slots.dedup();
        for slot in slots {
            self.load(slot).await?;
        }
        self.own_undated(&groups).await?;
        let (mut fresh, mut unsure) = (Vec::new(), Vec::new());
        for (&(slot, id), places) in &groups {
            let Some(seen) = self.seen.get_mut(&slot) else { continue };
            let on_page = u32::try_from(places.len()).unwrap_or(u32::MAX);
            let (new, open) = seen.count(id, on_page, self.pass);
            fresh.extend(places.iter().take(usize::try_from(new).unwrap_or(0)).map(|index| (*index, slot)));
            if open {
                unsure.push((slot, id));
            }
        }
        fresh.sort_unstable();
        self.batch.source(Source::new(window, number, self.now(), &page.tracking));
        let mut day = window.from.plus(1);
        for (index, slot) in &fresh {
            let item = &page.items[*index];
            if let Slot::Day(date) = slot {
                day = *date;
            }
            self.add(*slot, day, item, 1);
        }
        let new = u64::try_from(fresh.len()).unwrap_or(0);
        self.report.records_read += u64::try_from(page.items.len()).unwrap_or(0);
        let counted: usize = groups.values().map(Vec::len).sum();
        self.report.duplicates_suppressed += u64::try_from(counted).unwrap_or(0) - new;
        Ok(Taken { new, unsure, groups })
    }

    /// Adds copies of a new record; records without a time are stored under `day`.
    pub(crate) fn add(&mut self, slot: Slot, day: Date, item: &Item, copies: u32) {
        if item.malformed {
            (0..copies).for_each(|_| self.batch.add_malformed(&item.raw));
            return;
        }
        let time = item.time;
        let known = match slot {
            Slot::Day(date) => self.journal.state.days.entry(date).or_default(),
            Slot::Undated => &mut super::state::Day::default(),
        };
        known.records += u64::from(copies);
        let read_before = known.full_at.is_some_and(|read| time.is_some_and(|time| time < read));
        if read_before && time < self.known_until {
            self.report.late += u64::from(copies);
        }
        let day = if let Slot::Day(date) = slot { date } else { day };
        for _ in 0..copies {
            self.batch.add(day, &item.raw, time);
        }
    }

    /// Loads the counts of a day.
    pub(crate) async fn load(&mut self, slot: Slot) -> Result<(), Error> {
        if self.seen.contains_key(&slot) {
            return Ok(());
        }
        let state = &self.journal.state;
        let known = match slot {
            Slot::Day(date) => state.days.get(&date).and_then(|day| day.seen.as_ref()),
            Slot::Undated => state.undated.as_ref(),
        };
        let mut seen = match known {
            Some(known) => self.journal.seen(known).await?,
            None => Seen::default(),
        };
        if let (Slot::Undated, Some(before)) = (slot, &state.undated_before) {
            seen.hear(&self.journal.seen(before).await?);
        }
        self.seen.insert(slot, seen);
        Ok(())
    }

    /// Writes the collected records if there are many, or if they have waited for long.
    pub(crate) async fn flush_now_and_then(&mut self) -> Result<(), Error> {
        self.journal.keep().await?;
        let every = if self.journal.owns_undated() { FLUSH_UNDATED_EVERY } else { FLUSH_EVERY };
        if self.batch.is_full() || self.flushed.elapsed().as_secs() >= every {
            self.flush().await?;
        }
        Ok(())
    }

    /// Makes the collected records durable, together with the current state.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        self.flushed = Instant::now();
        self.journal.verify_undated().await?;
        self.write_gathered().await?;
        self.journal.release_undated().await
    }

    async fn write_gathered(&mut self) -> Result<(), Error> {
        let mut slots: Vec<_> =
            self.seen.iter().filter(|(_, seen)| seen.dirty).map(|(slot, _)| *slot).collect();
        slots.sort_unstable();
        for slot in slots {
            let Some(seen) = self.seen.get_mut(&slot) else { continue };
            let known = self.journal.put_seen(&slot.to_string(), seen).await?;
            seen.dirty = false;
            match slot {
                Slot::Day(date) => self.journal.state.days.entry(date).or_default().seen = Some(known),
                Slot::Undated => self.journal.state.undated = Some(known),
            }
        }
        if self.batch.is_empty() {
            return self.journal.save().await;
        }
        let malformed = self.batch.take_malformed();
        let objects = self.batch.take(&self.journal.state, &self.options.name_prefix);
        let (written, count) =
            (objects.iter().map(|object| object.records).sum::<u64>(), objects.len() as u64);
        let task = match self.options.task {
            Task::Live { .. } => "collect",
            Task::Backfill { .. } => "collect backfill",
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
            self.options.state.location.url(crate::kept::MANIFESTS)
        ));
    }

    /// Frees the counts of days that are not read in every run.
    pub(crate) fn forget_old(&mut self) {
        let recent = self.today().plus(-1);
        self.seen.retain(|slot, seen| seen.dirty || !matches!(slot, Slot::Day(day) if *day < recent));
    }
}
