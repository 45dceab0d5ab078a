//! The fields of a record.

use crate::json::{members, string};

/// The fields of a record that are read; others are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The time of the operation.
    Time,
    /// Who performed it: an e-mail address or a name.
    Operator,
    /// The kind of object: `User`, `Account`, ….
    CategoryType,
    /// The operation: `Add`, `Update`, `Delete`, ….
    Action,
    /// What was done, in Zoom's own notation: see [`crate::detail`].
    OperationDetail,
    /// A UDM event type, if a collector added one.
    EventType,
}

impl Field {
    /// All fields, in the order of their discriminants.
    pub const ALL: [Self; 6] = [
        Self::Time,
        Self::Operator,
        Self::CategoryType,
        Self::Action,
        Self::OperationDetail,
        Self::EventType,
    ];

    /// Returns the name of the field in the record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Operator => "operator",
            Self::CategoryType => "category_type",
            Self::Action => "action",
            Self::OperationDetail => "operation_detail",
            Self::EventType => "event_type",
        }
    }

    /// Returns the field with this name.
    #[inline]
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"time" => Self::Time,
            b"operator" => Self::Operator,
            b"category_type" => Self::CategoryType,
            b"action" => Self::Action,
            b"operation_detail" => Self::OperationDetail,
            b"event_type" => Self::EventType,
            _ => return None,
        })
    }
}

/// Returns whether an object, which must be valid JSON, has a member with the name of a field.
pub(crate) fn has_fields(object: &str) -> bool {
    members(object).any(|(key, _)| Field::named(string(key).as_bytes()).is_some())
}

/// The number of fields.
pub(super) const FIELDS: usize = Field::ALL.len();
