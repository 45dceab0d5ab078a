//! What is counted of records.

use super::characters::Example;
use super::table::{Counts, Table};
use crate::record::{Field, RecordKind};
use crate::udm::EventType;

/// The two profiles: the default, and `--enrich`.
pub(super) const PROFILES: [bool; 2] = [false, true];

/// What is counted of records.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// By [`ActionName`].
    pub(super) actions: Table<ActionCounts>,
    /// By [`KeyName`].
    pub(super) keys: Table<KeyCounts>,
    /// By [`PartName`], of each profile.
    pub(super) unmapped: [Table<UnmappedCounts>; 2],
    /// The indices of fields in `keys`, once they are known.
    pub(super) fields: [Option<usize>; Field::ALL.len()],
}

impl Tables {
    /// Returns the number of names in all tables.
    pub(super) fn len(&self) -> usize {
        self.actions.len() + self.keys.len() + self.unmapped.iter().map(Table::len).sum::<usize>()
    }

    /// Moves all counts of later records into this.
    pub(super) fn merge(&mut self, later: &mut Self) {
        later.fields = Default::default();
        self.actions.merge(&mut later.actions);
        self.keys.merge(&mut later.keys);
        for (all, later) in self.unmapped.iter_mut().zip(&mut later.unmapped) {
            all.merge(later);
        }
    }
}

/// The counts of records with one kind, category and action.
#[derive(Debug, Clone, Default)]
pub(super) struct ActionCounts {
    pub(super) records: u64,
    pub(super) characters: u64,
    /// The characters that were not mapped, of each profile.
    pub(super) unmapped: [u64; 2],
    pub(super) event_types: [Vec<(EventType, u64)>; 2],
}

impl ActionCounts {
    /// Counts events of a type.
    pub(super) fn add_type(&mut self, profile: usize, event_type: EventType, more: u64) {
        let counts = &mut self.event_types[profile];
        match counts.iter_mut().find(|(known, _)| known.number() == event_type.number()) {
            Some((_, count)) => *count += more,
            None => counts.push((event_type, more)),
        }
    }
}

impl Counts for ActionCounts {
    fn add(&mut self, other: Self) {
        self.records += other.records;
        self.characters += other.characters;
        for profile in 0..PROFILES.len() {
            self.unmapped[profile] += other.unmapped[profile];
            for (event_type, count) in &other.event_types[profile] {
                self.add_type(profile, *event_type, *count);
            }
        }
    }
}

/// The counts of a key.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyCounts {
    pub(super) count: u64,
    /// How often it was not mapped, of each profile.
    pub(super) unmapped: [u64; 2],
    pub(super) example: Option<Example>,
}

impl Counts for KeyCounts {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        for (unmapped, more) in self.unmapped.iter_mut().zip(other.unmapped) {
            *unmapped += more;
        }
        self.example = self.example.take().or(other.example);
    }
}

/// The counts of unmapped parts with one kind and key.
#[derive(Debug, Clone, Default)]
pub(super) struct UnmappedCounts {
    pub(super) count: u64,
    pub(super) characters: u64,
    pub(super) example: Option<Example>,
}

impl Counts for UnmappedCounts {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.characters += other.characters;
        self.example = self.example.take().or(other.example);
    }
}

/// Where a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A member of a record.
    Record,
    /// A change in `operation_detail`.
    Detail,
    /// A member of an object in the JSON of `operation_detail`.
    DetailJson,
    /// A path in `payload`.
    Payload,
}

impl Place {
    pub(super) const ALL: [Self; 4] = [Self::Record, Self::Detail, Self::DetailJson, Self::Payload];

    /// Returns the name in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Detail => "operation_detail",
            Self::DetailJson => "operation_detail JSON",
            Self::Payload => "payload",
        }
    }
}

/// The name of an action in its table: its kind, the length of the category, category and action.
pub(super) struct ActionName;

impl ActionName {
    /// Writes a name. The texts are at most a few hundred bytes long.
    pub(super) fn write(out: &mut String, kind: RecordKind, category: &str, action: &str) {
        out.clear();
        out.push(number(kind as usize));
        out.push(number(category.len()));
        out.push_str(category);
        out.push_str(action);
    }

    /// Reads a name.
    pub(super) fn read(name: &str) -> Option<(RecordKind, &str, &str)> {
        let mut characters = name.chars();
        let (kind, length) = (characters.next()? as usize, characters.next()? as usize);
        let (category, action) = characters.as_str().split_at_checked(length)?;
        Some((*RecordKind::ALL.get(kind)?, category, action))
    }
}

/// The name of a key in its table: its place and the key.
pub(super) struct KeyName;

impl KeyName {
    pub(super) fn write(out: &mut String, place: Place, key: &str) {
        out.clear();
        out.push(number(place as usize));
        out.push_str(key);
    }

    pub(super) fn read(name: &str) -> Option<(Place, &str)> {
        let mut characters = name.chars();
        let place = characters.next()? as usize;
        Some((*Place::ALL.get(place)?, characters.as_str()))
    }
}

/// The name of an unmapped part in its table: the place of its key, its kind, and its key, which may be empty.
pub(super) struct PartName;

impl PartName {
    pub(super) fn write(out: &mut String, place: Place, kind: &str, key: &str) {
        KeyName::write(out, place, kind);
        // No kind holds this.
        out.push('\0');
        out.push_str(key);
    }

    pub(super) fn read(name: &str) -> Option<(Place, &str, &str)> {
        let (place, rest) = KeyName::read(name)?;
        let (kind, key) = rest.split_once('\0')?;
        Some((place, kind, key))
    }
}

/// Returns a small number as a character.
fn number(value: usize) -> char {
    u32::try_from(value).ok().and_then(char::from_u32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_written() {
        let mut name = String::new();
        for (category, action) in [("User", "Update"), ("", ""), ("é\0", "\0x"), ("", "x")] {
            ActionName::write(&mut name, RecordKind::Webhook, category, action);
            assert_eq!(ActionName::read(&name), Some((RecordKind::Webhook, category, action)));
        }
        KeyName::write(&mut name, Place::Payload, "object.id");
        assert_eq!(KeyName::read(&name), Some((Place::Payload, "object.id")));
        PartName::write(&mut name, Place::Detail, "change", "a\0b");
        assert_eq!(PartName::read(&name), Some((Place::Detail, "change", "a\0b")));
    }
}
