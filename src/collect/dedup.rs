//! Decides which records of a page are new, by the counts of their days.

use super::date::Date;
use super::record_counts::RecordCounts;
use super::state_store::StateStore;
use super::zoom::RecordHash;
use crate::error::RunError;
use std::collections::HashMap;
use std::fmt;

/// The list that counts a record: that of its day, or that of records without a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum DayKey {
    Day(Date),
    Undated,
}

/// Identifies a record: its list and its hash.
pub(crate) type RecordKey = (DayKey, RecordHash);

/// The positions of each group of identical records on a page.
pub(crate) type PositionsByRecord = HashMap<RecordKey, Vec<usize>>;

/// What the counts say about the records of a page.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The positions of new records, in order, and their lists.
    pub(crate) new: Vec<(usize, DayKey)>,
    /// Ambiguous records: there may be more than are counted.
    pub(crate) ambiguous: Vec<RecordKey>,
}

/// The counts of the days that a run reads.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    lists: HashMap<DayKey, RecordCounts>,
    /// The number of the current scan: copies are added up within a scan.
    scan: u32,
}

impl Dedup {
    /// Starts another scan of a window.
    pub(crate) fn begin_scan(&mut self) {
        self.scan += 1;
    }

    /// Loads the counts of a list that the state names, unless they are loaded.
    pub(crate) async fn load(&mut self, key: DayKey, store: &StateStore) -> Result<(), RunError> {
        if self.lists.contains_key(&key) {
            return Ok(());
        }
        let state = &store.state;
        let stored = match key {
            DayKey::Day(date) => state.days.get(&date).and_then(|day| day.counts.as_ref()),
            DayKey::Undated => state.undated.as_ref(),
        };
        let mut counts = match stored {
            Some(stored) => store.read_counts(stored).await?,
            None => RecordCounts::default(),
        };
        if let (DayKey::Undated, Some(before)) = (key, &state.undated_before) {
            counts.merge_hints(&store.read_counts(before).await?);
        }
        self.lists.insert(key, counts);
        Ok(())
    }

    /// Counts the records of a page, whose lists are loaded.
    pub(crate) fn observe(&mut self, groups: &PositionsByRecord) -> Observed {
        let mut observed = Observed::default();
        for (&(key, id), positions) in groups {
            let Some(counts) = self.lists.get_mut(&key) else { continue };
            let on_page = u32::try_from(positions.len()).unwrap_or(u32::MAX);
            let (new, ambiguous) = counts.observe(id, on_page, self.scan);
            let new = positions.iter().take(usize::try_from(new).unwrap_or(0));
            observed.new.extend(new.map(|position| (*position, key)));
            if ambiguous {
                observed.ambiguous.push((key, id));
            }
        }
        observed.new.sort_unstable();
        observed
    }

    /// Counts the records of a page that an earlier run read, as part of the current scan.
    pub(crate) fn resume(&mut self, key: DayKey, page: &[RecordHash]) {
        let Some(counts) = self.lists.get_mut(&key) else { return };
        for id in page.iter().filter(|id| counts.knows(id)).collect::<Vec<_>>() {
            counts.observe(*id, 1, self.scan);
        }
    }

    /// Raises the count of a record to a number that is now certain; returns how many of them are new.
    pub(crate) fn confirm(&mut self, (key, id): RecordKey, count: u32) -> u32 {
        self.lists.get_mut(&key).map_or(0, |counts| counts.confirm(id, count))
    }

    /// Returns how many of a record there are for certain.
    pub(crate) fn certain(&self, (key, id): &RecordKey) -> u32 {
        self.lists.get(key).map_or(0, |counts| counts.certain(id))
    }

    /// Returns whether the current scan found more copies of a record than are certain.
    pub(crate) fn is_ambiguous(&self, (key, id): &RecordKey) -> bool {
        self.lists.get(key).is_some_and(|counts| counts.is_ambiguous(id, self.scan))
    }

    /// Returns whether a page has a new record without a time.
    pub(crate) fn has_new_undated(&self, groups: &PositionsByRecord) -> bool {
        let counts = self.lists.get(&DayKey::Undated);
        groups.iter().any(|((key, id), positions)| {
            *key == DayKey::Undated && counts.is_none_or(|counts| counts.is_new(id, positions.len()))
        })
    }

    /// Adds what the other kind of run counted of records without a time.
    pub(crate) fn merge_undated_hints(&mut self, other: &RecordCounts) {
        if let Some(counts) = self.lists.get_mut(&DayKey::Undated) {
            counts.merge_hints(other);
        }
    }

    /// Stores the lists that changed, for the next state to name.
    pub(crate) async fn save(&mut self, store: &mut StateStore) -> Result<(), RunError> {
        let mut changed: Vec<_> = self.lists.iter_mut().filter(|(_, counts)| counts.dirty).collect();
        changed.sort_unstable_by_key(|(key, _)| **key);
        for (key, counts) in changed {
            let stored = store.put_counts(&key.to_string(), counts).await?;
            counts.dirty = false;
            match key {
                DayKey::Day(date) => store.state.days.entry(*date).or_default().counts = Some(stored),
                DayKey::Undated => store.state.undated = Some(stored),
            }
        }
        Ok(())
    }

    /// Frees the counts of a day that is finalized.
    pub(crate) fn remove(&mut self, day: Date) {
        self.lists.remove(&DayKey::Day(day));
    }

    /// Frees the stored counts of days before this one.
    pub(crate) fn evict_before(&mut self, first: Date) {
        self.lists.retain(|key, counts| counts.dirty || !matches!(key, DayKey::Day(day) if *day < first));
    }
}

impl fmt::Display for DayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => date.fmt(f),
            Self::Undated => f.write_str("undated"),
        }
    }
}
