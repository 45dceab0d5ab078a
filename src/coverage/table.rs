//! Counts by name, for a bounded number of names.

use std::collections::HashMap;
use std::sync::Arc;

/// The maximum number of names in a table; further ones are counted together.
///
/// The first names count, not the most frequent ones as with Space-Saving: so every count is exact, and does not depend on
/// the threads.
pub const MAX_ENTRIES: usize = 10_000;

/// The index of the counts of names beyond the maximum.
pub(super) const OTHER: usize = usize::MAX;

/// Counts that can be added to each other.
pub(super) trait Counts: Default {
    fn add(&mut self, other: Self);
}

/// Counts by name, in the order in which the names first occurred.
#[derive(Debug)]
pub(super) struct Table<V> {
    indices: HashMap<Arc<str>, usize>,
    entries: Vec<(Arc<str>, V)>,
    /// The index of the last name in each slot. Most records have the same few names, and to compare one costs less than to
    /// hash it.
    recent: [usize; SLOTS],
    /// The counts of names beyond the maximum.
    pub(super) other: V,
}

/// The number of slots for recent names.
const SLOTS: usize = 512;

/// Returns the slot of a name. Few names have the same length and the same three bytes.
fn slot(name: &str) -> usize {
    let (bytes, length) = (name.as_bytes(), name.len());
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| usize::from(*byte));
    let places = [1, length / 2, length.saturating_sub(1)];
    places.into_iter().fold(length, |mixed, at| 13 * mixed + byte(at)) % SLOTS
}

impl<V: Default> Default for Table<V> {
    fn default() -> Self {
        Self {
            indices: HashMap::default(),
            entries: Vec::new(),
            recent: [usize::MAX; SLOTS],
            other: V::default(),
        }
    }
}

impl<V: Counts> Table<V> {
    /// Returns the number of names.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the index of a name, which is added if it is new.
    #[inline]
    pub(super) fn index(&mut self, name: &str) -> usize {
        let slot = slot(name);
        let recent = self.recent[slot];
        if self.entries.get(recent).is_some_and(|(known, _)| **known == *name) {
            return recent;
        }
        let index = self.find_or_insert(name);
        self.recent[slot] = index;
        index
    }

    #[inline(never)]
    fn find_or_insert(&mut self, name: &str) -> usize {
        let known = self.indices.get(name).copied();
        known.unwrap_or_else(|| self.insert(name.into(), V::default()))
    }

    fn insert(&mut self, name: Arc<str>, counts: V) -> usize {
        let index = self.entries.len();
        self.indices.insert(Arc::clone(&name), index);
        self.entries.push((name, counts));
        index
    }

    /// Returns the counts at an index.
    #[inline]
    pub(super) fn counts(&mut self, index: usize) -> &mut V {
        self.entries.get_mut(index).map_or(&mut self.other, |(_, counts)| counts)
    }

    /// Moves all counts of a table over later records into this one.
    pub(super) fn merge(&mut self, later: &mut Self) {
        self.other.add(std::mem::take(&mut later.other));
        for (name, counts) in later.take() {
            match self.indices.get(&name) {
                Some(index) => self.entries[*index].1.add(counts),
                None if self.entries.len() < MAX_ENTRIES => {
                    self.insert(name, counts);
                }
                None => self.other.add(counts),
            }
        }
    }

    /// Takes all names with their counts, in order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Arc<str>, V)> + use<V> {
        self.indices.clear();
        std::mem::take(&mut self.entries).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Counts for u64 {
        fn add(&mut self, other: Self) {
            *self += other;
        }
    }

    #[test]
    fn names_beyond_the_maximum_are_counted_together() {
        let (mut all, mut part) = (Table::<u64>::default(), Table::default());
        for round in 0..3 {
            for number in 0..MAX_ENTRIES + 5 {
                let index = part.index(&format!("name {number}"));
                *part.counts(index) += 1;
                if number % (700 + round) == 0 {
                    all.merge(&mut part);
                }
            }
        }
        all.merge(&mut part);
        assert_eq!((all.len(), all.other), (MAX_ENTRIES, 15));
        let taken: Vec<_> = all.take().collect();
        assert!(
            taken.iter().enumerate().all(|(at, (name, count))| **name == format!("name {at}") && *count == 3)
        );
        assert_eq!((all.len(), part.len()), (0, 0));
    }
}
