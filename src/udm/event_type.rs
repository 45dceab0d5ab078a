//! The event types that `google.backstory.Metadata.EventType` knows.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One of UDM's event types: its name and its number in the enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventType {
    name: &'static str,
    number: u32,
}

/// `number<TAB>name<TAB>note` a line behind a heading, copied from Google's proto (2026-08).
static TABLE: &str = include_str!("event_types.tsv");

static BY_NAME: LazyLock<HashMap<&'static str, EventType>> = LazyLock::new(|| {
    let types = TABLE.lines().skip(1).filter_map(|line| {
        let mut columns = line.split('\t');
        let number = columns.next()?.parse().ok()?;
        let name = columns.next()?;
        Some((name, EventType { name, number }))
    });
    types.collect()
});

impl EventType {
    /// What somebody did to some user, or what a user did, and no finer type is known.
    pub const USER_UNCATEGORIZED: Self = Self { name: "USER_UNCATEGORIZED", number: 15000 };
    /// Anything: asks for nothing but a time.
    pub const GENERIC_EVENT: Self = Self { name: "GENERIC_EVENT", number: 100_000 };

    /// The event type of exactly that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        BY_NAME.get(name).copied()
    }

    /// Every event type, in no order.
    pub fn all() -> impl Iterator<Item = Self> {
        BY_NAME.values().copied()
    }

    /// The enum's name, as proto3 JSON writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The enum's number, as an export to BigQuery holds it.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_type() {
        assert_eq!(EventType::all().count(), TABLE.lines().count() - 1);
        for known in [EventType::USER_UNCATEGORIZED, EventType::GENERIC_EVENT] {
            assert_eq!(EventType::named(known.name()), Some(known));
        }
        assert_eq!(EventType::named("USER_LOGIN").map(EventType::number), Some(15001));
        assert_eq!(EventType::named("user_login"), None);
    }
}
