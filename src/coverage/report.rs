//! The report: what was counted, most frequent first.

use super::names::Names;
use super::table::{Counts as _, MAX_ENTRIES, Table};
use super::tables::{ActionCounts, ActionName, KeyCounts, KeyName, PartName, Place, Tables, UnmappedCounts};
use crate::normalize::Summary;
use crate::reject::RejectReason;
use crate::udm::EventType;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How much of the text of records is mapped, and what is not. Serializes to one JSON object.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Records read; each became an event or a reject.
    pub records: u64,
    /// Records that become events.
    pub events: u64,
    /// Rejects.
    pub rejects: u64,
    /// Rejects by the name of their reason.
    pub rejects_by_reason: BTreeMap<&'static str, u64>,
    /// The text of all events' records.
    pub text: TextShare,
    /// The kinds, categories and actions, most records first.
    pub actions: Vec<ActionRow>,
    /// The keys, most frequent first.
    pub keys: Vec<KeyRow>,
    /// The parts that are not mapped, most frequent first.
    pub unmapped: Mapped<Vec<UnmappedRow>>,
    /// The counts of names beyond the limit.
    pub other: Other,
    /// The maximum number of rows of each list.
    pub limit: usize,
    /// Whether what comes from records is hidden.
    pub redacted: bool,
    /// Whether the run was stopped, or an input could not be read to its end.
    pub incomplete: bool,
}

/// A value by default and with `--enrich`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Mapped<T> {
    /// By default.
    pub default: T,
    /// With `--enrich`.
    pub enriched: T,
}

/// How much of a text is mapped.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TextShare {
    /// All characters without white space.
    pub characters: u64,
    /// Those that are mapped by default.
    pub default: Share,
    /// Those that are mapped with `--enrich`.
    pub enriched: Share,
}

/// A share of a text.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Share {
    /// The number of characters.
    pub characters: u64,
    /// The percentage, rounded down to hundredths, so that 100 means that everything is mapped. `None` if there is no text.
    pub percent: Option<f64>,
}

/// The records of one kind, category and action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionRow {
    /// The name of the kind.
    pub kind: &'static str,
    /// The `category_type` of operation logs; otherwise empty.
    pub category: String,
    /// The `action` of operation logs, the `type` of sign-ins, or the `event` of webhook events.
    pub action: String,
    /// The number of records.
    pub records: u64,
    /// Their text.
    pub text: TextShare,
    /// Their events by type.
    pub event_types: Mapped<BTreeMap<&'static str, u64>>,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// Where it is: `record`, `operation_detail`, `operation_detail JSON` or `payload`.
    pub place: &'static str,
    /// The key, or the path in a payload.
    pub key: String,
    /// How often it occurs with a value that has text.
    pub count: u64,
    /// How often it is mapped.
    pub mapped: Mapped<u64>,
    /// The first value.
    pub example: Option<String>,
}

/// Parts that are not mapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnmappedRow {
    /// The kind of the part, as in explanations.
    pub part: String,
    /// Where its key is, as in [`KeyRow`].
    pub place: &'static str,
    /// The key; empty if it has none.
    pub key: String,
    /// How often it occurs.
    pub count: u64,
    /// The number of characters.
    pub characters: u64,
    /// The first text.
    pub example: Option<String>,
}

/// The counts of names beyond the limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Other {
    /// The records of other actions.
    pub actions: u64,
    /// How often other keys occur.
    pub keys: u64,
    /// How often other parts are unmapped.
    pub unmapped: Mapped<u64>,
}

impl Report {
    pub(super) fn new(tables: Tables, summary: &Summary, redact: bool) -> Self {
        let Tables { mut actions, mut keys, unmapped: [mut default, mut enriched], .. } = tables;
        let names = Names { redact };
        let other = Other {
            actions: actions.other.records,
            keys: keys.other.count,
            unmapped: Mapped { default: default.other.count, enriched: enriched.other.count },
        };
        let mut total = actions.other.clone();
        let rows: Vec<_> = actions.take().inspect(|(_, counts)| total.add(counts.clone())).collect();
        let reasons = RejectReason::ALL.into_iter();
        let reasons = reasons.map(|reason| (reason.name(), summary.rejects_for(reason)));
        Self {
            records: summary.records,
            events: summary.events,
            rejects: summary.rejects,
            rejects_by_reason: reasons.filter(|(_, count)| *count > 0).collect(),
            text: text_share(&total),
            actions: action_rows(&rows, names),
            keys: key_rows(&mut keys, names),
            unmapped: Mapped {
                default: unmapped_rows(&mut default, names),
                enriched: unmapped_rows(&mut enriched, names),
            },
            other,
            limit: MAX_ENTRIES,
            redacted: redact,
            incomplete: summary.stopped || !summary.failures.is_empty(),
        }
    }
}

fn action_rows(rows: &[(Arc<str>, ActionCounts)], names: Names) -> Vec<ActionRow> {
    let row = |(name, counts): &(Arc<str>, ActionCounts)| {
        let (kind, category, action) = ActionName::read(name)?;
        let [default, enriched] = [0, 1].map(|profile| types(&counts.event_types[profile]));
        let row = ActionRow {
            kind: kind.name(),
            category: names.category(category),
            action: names.action(kind, action),
            records: counts.records,
            text: text_share(counts),
            event_types: Mapped { default, enriched },
        };
        Some((Reverse(row.records), kind as usize, category.to_owned(), action.to_owned(), row))
    };
    let mut sorted: Vec<_> = rows.iter().filter_map(row).collect();
    sorted
        .sort_by(|one, other| (&one.0, one.1, &one.2, &one.3).cmp(&(&other.0, other.1, &other.2, &other.3)));
    sorted.into_iter().map(|(.., row)| row).collect()
}

fn key_rows(keys: &mut Table<KeyCounts>, names: Names) -> Vec<KeyRow> {
    let mut rows: Vec<_> = keys.take().collect();
    // A name begins with its place.
    rows.sort_by(|(name, counts), (other, others)| {
        (Reverse(counts.count), name).cmp(&(Reverse(others.count), other))
    });
    let row = |(name, counts): (Arc<str>, KeyCounts)| {
        let (place, key) = KeyName::read(&name)?;
        let [default, enriched] = counts.unmapped.map(|unmapped| counts.count - unmapped);
        Some(KeyRow {
            place: place.name(),
            key: names.key(place, key),
            count: counts.count,
            mapped: Mapped { default, enriched },
            example: counts.example.map(|example| names.example(&example)),
        })
    };
    rows.into_iter().filter_map(row).collect()
}

fn unmapped_rows(table: &mut Table<UnmappedCounts>, names: Names) -> Vec<UnmappedRow> {
    let mut rows: Vec<_> = table.take().collect();
    rows.sort_by(|(name, counts), (other, others)| {
        (Reverse(counts.count), name).cmp(&(Reverse(others.count), other))
    });
    let row = |(name, counts): (Arc<str>, UnmappedCounts)| {
        let (place, part, key) = PartName::read(&name)?;
        Some(UnmappedRow {
            part: part.to_owned(),
            place: place.name(),
            key: if key.is_empty() && place != Place::Payload {
                String::new()
            } else {
                names.key(place, key)
            },
            count: counts.count,
            characters: counts.characters,
            example: counts.example.map(|example| names.example(&example)),
        })
    };
    rows.into_iter().filter_map(row).collect()
}

fn types(counts: &[(EventType, u64)]) -> BTreeMap<&'static str, u64> {
    counts.iter().map(|(event_type, count)| (event_type.name(), *count)).collect()
}

fn text_share(counts: &ActionCounts) -> TextShare {
    let characters = counts.characters;
    let [default, enriched] =
        counts.unmapped.map(|unmapped| share(characters - unmapped.min(characters), characters));
    TextShare { characters, default, enriched }
}

/// Returns the share of some characters in all.
fn share(characters: u64, all: u64) -> Share {
    let hundredths = (u128::from(characters) * 10_000).checked_div(u128::from(all));
    let percent = hundredths.map(|hundredths| f64::from(u32::try_from(hundredths).unwrap_or(10_000)) / 100.0);
    Share { characters, percent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_is_whole_only_if_all_is_mapped() {
        for (characters, all, percent) in [
            (3, 3, Some("100")),
            (99_999_999, 100_000_000, Some("99.99")),
            (2, 3, Some("66.66")),
            (u64::MAX - 1, u64::MAX, Some("99.99")),
            (0, 0, None),
        ] {
            let found = share(characters, all).percent.map(|percent| percent.to_string());
            assert_eq!(found.as_deref(), percent);
        }
    }
}
