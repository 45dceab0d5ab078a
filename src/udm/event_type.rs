//! The event types of `google.backstory.Metadata.EventType`.

use once_cell::sync::Lazy;
use std::collections::HashMap;

/// A UDM event type: its name and its number in the enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventType {
    name: &'static str,
    number: u32,
}

/// Google's list (proto of 2026-08): a heading, then `number<TAB>name<TAB>note` per line.
static TABLE: &str = include_str!("event_types.tsv");

static BY_NAME: Lazy<HashMap<&'static str, EventType>> = Lazy::new(|| {
    let types = TABLE.lines().skip(1).filter_map(|line| {
        let mut columns = line.split('\t');
        let number = columns.next()?.parse().ok()?;
        let name = columns.next()?;
        Some((name, EventType { name, number }))
    });
    types.collect()
});

/// What an event of a type must contain besides its time, by Google's UDM usage guide. The API rejects a whole import
/// if one event lacks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A user in the principal or the target.
    User,
    /// A user in the target.
    TargetUser,
    /// A user in the principal, and a resource in the target.
    Resource,
    /// A user in the principal, and a group with a name in the target.
    Group,
    /// A user in the target, a principal, and `extensions.auth`, which only `--enrich` fills.
    Login,
    /// A principal, and a resource in the target that is a setting, which only `--enrich` fills.
    Setting,
}

impl EventType {
    /// An operation by or on a user, without a more specific type.
    pub const USER_UNCATEGORIZED: Self = Self { name: "USER_UNCATEGORIZED", number: 15000 };
    /// Somebody signed in.
    pub const USER_LOGIN: Self = Self { name: "USER_LOGIN", number: 15001 };
    /// Somebody signed out.
    pub const USER_LOGOUT: Self = Self { name: "USER_LOGOUT", number: 15002 };
    /// A user was created.
    pub const USER_CREATION: Self = Self { name: "USER_CREATION", number: 15003 };
    /// What a user may do was changed.
    pub const USER_CHANGE_PERMISSIONS: Self = Self { name: "USER_CHANGE_PERMISSIONS", number: 15005 };
    /// A user was deleted.
    pub const USER_DELETION: Self = Self { name: "USER_DELETION", number: 15008 };
    /// A user created a resource.
    pub const USER_RESOURCE_CREATION: Self = Self { name: "USER_RESOURCE_CREATION", number: 15009 };
    /// A user changed a resource.
    pub const USER_RESOURCE_UPDATE_CONTENT: Self =
        Self { name: "USER_RESOURCE_UPDATE_CONTENT", number: 15010 };
    /// A user changed what a resource permits.
    pub const USER_RESOURCE_UPDATE_PERMISSIONS: Self =
        Self { name: "USER_RESOURCE_UPDATE_PERMISSIONS", number: 15011 };
    /// A user looked at a resource.
    pub const USER_RESOURCE_ACCESS: Self = Self { name: "USER_RESOURCE_ACCESS", number: 15013 };
    /// A user deleted a resource.
    pub const USER_RESOURCE_DELETION: Self = Self { name: "USER_RESOURCE_DELETION", number: 15014 };
    /// A group was created.
    pub const GROUP_CREATION: Self = Self { name: "GROUP_CREATION", number: 23001 };
    /// A group was deleted.
    pub const GROUP_DELETION: Self = Self { name: "GROUP_DELETION", number: 23002 };
    /// A group was changed.
    pub const GROUP_MODIFICATION: Self = Self { name: "GROUP_MODIFICATION", number: 23003 };
    /// Any event; requires only a time.
    pub const GENERIC_EVENT: Self = Self { name: "GENERIC_EVENT", number: 100_000 };

    /// Returns the event type with exactly this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        BY_NAME.get(name).copied()
    }

    /// Returns what an event of this type must contain.
    #[must_use]
    pub fn needs(self) -> Needs {
        match self.name {
            "USER_UNCATEGORIZED" => Needs::User,
            "USER_CREATION" | "USER_DELETION" | "USER_CHANGE_PASSWORD" | "USER_CHANGE_PERMISSIONS" => {
                Needs::TargetUser
            }
            "USER_LOGIN" | "USER_LOGOUT" => Needs::Login,
            name if name.starts_with("USER_RESOURCE_") => Needs::Resource,
            name if name.starts_with("GROUP_") => Needs::Group,
            name if name.starts_with("SETTING_") => Needs::Setting,
            _ => Needs::Nothing,
        }
    }

    /// Returns whether it is a type: UDM also has a name for no type.
    #[must_use]
    pub fn is_specified(self) -> bool {
        self.number != 0
    }

    /// Returns every event type, in no particular order.
    pub fn all() -> impl Iterator<Item = Self> {
        BY_NAME.values().copied()
    }

    /// Returns the name of the enum value, as proto3 JSON writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Returns the number of the enum value, as BigQuery exports hold it.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_line_is_an_event_type() {
        assert_eq!(EventType::all().count(), TABLE.lines().count() - 1);
        for known in [
            EventType::USER_UNCATEGORIZED,
            EventType::GENERIC_EVENT,
            EventType::USER_LOGIN,
            EventType::USER_LOGOUT,
            EventType::USER_CREATION,
            EventType::USER_CHANGE_PERMISSIONS,
            EventType::USER_DELETION,
            EventType::USER_RESOURCE_CREATION,
            EventType::USER_RESOURCE_UPDATE_CONTENT,
            EventType::USER_RESOURCE_UPDATE_PERMISSIONS,
            EventType::USER_RESOURCE_ACCESS,
            EventType::USER_RESOURCE_DELETION,
            EventType::GROUP_CREATION,
            EventType::GROUP_DELETION,
            EventType::GROUP_MODIFICATION,
        ] {
            assert_eq!(EventType::named(known.name()), Some(known));
        }
        assert_eq!(EventType::named("USER_LOGIN").map(EventType::number), Some(15001));
        assert_eq!(EventType::named("user_login"), None);
    }
}
