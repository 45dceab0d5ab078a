//! One row of the mapping table.

use crate::detail::{TextValues, UserField};
use crate::record::Field;
use crate::udm::{About, Event};

/// One mapped field.
#[derive(Debug)]
pub struct Row {
    /// The source of the value.
    pub source: Source,
    /// The destination: a JSON path in UDM.
    pub path: &'static str,
    /// The rule, in words.
    pub rule: &'static str,
    /// A source text and the value that it gives.
    pub example: (&'static str, &'static str),
    /// Whether Google or this project defined the row.
    pub basis: Provenance,
    pub(super) put: Setter,
}

impl Row {
    /// Returns whether the path ends in a list of strings, to which the value is appended.
    pub(crate) fn is_element(&self) -> bool {
        matches!(self.put, Setter::Element(_) | Setter::TargetList)
    }
}

/// The source of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The same for every record.
    Constant,
    /// A field of the record.
    Field(Field),
    /// Derived from the whole `operation_detail`: `email`, `email2` or `role`.
    Detail(&'static str),
    /// The new value of the change with this key in `operation_detail`.
    Key(&'static str),
    /// A member of the first object of the embedded JSON.
    FirstUser(UserField),
    /// A member of each further object.
    FurtherUser(UserField),
}

/// Who defined a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// Google's published mapping of Zoom operation logs.
    Google,
    /// This project, where Google's table names the fields but not the conversion.
    Project,
}

/// How a value is written to the event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Setter {
    /// The event is created with it.
    Preset,
    Constant(&'static str, fn(&mut Event<'_>, &'static str)),
    Text(for<'a> fn(&mut Event<'a>, &'a str)),
    /// The text is appended to a list of strings.
    Element(for<'a> fn(&mut Event<'a>, &'a str)),
    /// The text is the field of the target's user that the path names.
    TargetText,
    /// The same for a field that is a list of strings, of which the text is the only one.
    TargetList,
    First(for<'a> fn(&mut Event<'a>, TextValues<'a>)),
    Further(for<'a> fn(&mut About<'a>, TextValues<'a>)),
}
