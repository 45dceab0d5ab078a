//! The members of a record, and why one was not mapped.

use super::filled::Filled;
use super::sources::{Sources, string, value_text};
use crate::json::{self, members, trim};
use crate::mapping::TimeSource;
use crate::record::{Field, RecordKind};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// One member of a record, as written.
#[derive(Debug)]
pub(crate) struct Member<'t> {
    /// The raw name, without its quotes.
    name: &'t str,
    value: &'t str,
    /// The field that it is, if records of this kind have it.
    pub(crate) field: Option<Field>,
    /// Whether it is a field, and no later member replaces it.
    pub(crate) is_read: bool,
}

/// The members of a record, in order.
pub(crate) type Members<'t> = SmallVec<[Member<'t>; 8]>;

/// Returns the members of the record in `text`.
pub(crate) fn read_members(text: &str, kind: RecordKind) -> Members<'_> {
    let mut last = [usize::MAX; Field::ALL.len()];
    let mut all: Members<'_> = members(text)
        .map(|(name, value)| Member { name, value, field: field(kind, name), is_read: false })
        .collect();
    for (index, member) in all.iter().enumerate() {
        if let Some(field) = member.field {
            last[field as usize] = index;
        }
    }
    for index in last.into_iter().filter(|index| *index < usize::MAX) {
        all[index].is_read = true;
    }
    all
}

/// Returns the field with this raw name, if it is read of records of this kind.
fn field(kind: RecordKind, name: &str) -> Option<Field> {
    let named = |name: &str| kind.fields().iter().copied().find(|field| field.name() == name);
    if name.contains('\\') { named(&string(name)) } else { named(name) }
}

impl<'t> Member<'t> {
    /// Returns its name.
    pub(crate) fn name(&self) -> Cow<'t, str> {
        if self.name.contains('\\') { Cow::Owned(string(self.name)) } else { Cow::Borrowed(self.name) }
    }

    /// Returns the text of its value; for a field that is read, the text that is read.
    pub(crate) fn text<'m>(&'m self, sources: &'m Sources<'_, '_>) -> Cow<'m, str> {
        match self.field.filter(|_| self.is_read).and_then(|field| sources.record.get(field)) {
            Some(text) => Cow::Borrowed(text),
            None => value_text(self.value),
        }
    }

    /// Returns whether its value has no text: `null`, or an empty or blank text.
    pub(crate) fn is_blank(&self) -> bool {
        is_blank(self.value)
    }

    /// Returns the kind of reason and the reason why it was not mapped, unless it was. `mapped` says whether it is in
    /// `additional` although it is not a field.
    pub(crate) fn reason(
        &self,
        sources: &Sources<'_, '_>,
        filled: &Filled,
        is_mapped: bool,
    ) -> Option<(&'static str, &'static str)> {
        if is_mapped {
            return None;
        }
        let Some(field) = self.field else { return Some(("unknown_field", "unknown field")) };
        if !self.is_read {
            return Some(("repeated", "the field is repeated; only the last value is used"));
        }
        let text = sources.record.get(field);
        if field == Field::EventType && text.is_some_and(|name| trim(name) != filled.event_type.name()) {
            return Some(("event_type", WRONG_TYPE));
        }
        reason_not_mapped(field, self.value, text, sources.time)
    }
}

/// Returns the kind of reason and the reason why a field with a text was not mapped, unless it was. `event_type` is read from
/// its members.
pub(crate) fn reason_of_field(
    sources: &Sources<'_, '_>,
    field: Field,
    text: &str,
) -> Option<(&'static str, &'static str)> {
    reason_not_mapped(field, "", Some(text), sources.time)
}

/// Returns whether a JSON value has no text: `null`, or an empty or blank text.
pub(super) fn is_blank(value: &str) -> bool {
    value == "null" || trim(&value_text(value)).is_empty()
}

const WRONG_TYPE: &str = "unknown UDM event type, or required fields are missing; metadata.eventType shows \
                          the type used instead";

/// Returns the indices of the members of the record in `text` that are in `additional` although no field of the record's
/// kind is.
pub(crate) fn mapped_members(text: &str, filled: &Filled) -> HashSet<usize> {
    let names: HashSet<&str> = filled.members.iter().map(String::as_str).collect();
    if names.is_empty() {
        return HashSet::new();
    }
    // Of equal names the last counts.
    let last: HashMap<_, _> =
        members(text).enumerate().map(|(index, (name, _))| (json::string(name), index)).collect();
    names.into_iter().filter_map(|name| last.get(name).copied()).collect()
}

/// Returns why a member that counts for a field fills nothing.
fn reason_not_mapped(
    field: Field,
    value: &str,
    text: Option<&str>,
    time: Option<TimeSource>,
) -> Option<(&'static str, &'static str)> {
    match (field, text) {
        (_, None) if value.starts_with(['{', '[']) && field != Field::OperationDetail => {
            Some(("not_text", "an object or array instead of text is ignored"))
        }
        (_, None) => Some(("empty", "a null, empty or blank value is ignored")),
        (Field::Time, Some(_)) if time.is_none() => Some(("no_time", "no usable time: the default was used")),
        (Field::Time | Field::EventTs, Some(_)) if time != Some(TimeSource::Field(field)) => {
            Some(("other_time", "it is not a usable time, or another one takes precedence"))
        }
        (Field::Version, Some(text)) if trim(text) == "-" => {
            Some(("no_version", "Zoom writes - if it does not know the version"))
        }
        _ => None,
    }
}
