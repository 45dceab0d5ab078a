//! The parts of a detail and of a payload, and why one was not mapped.

use super::filled::Filled;
use super::members::is_blank;
use super::sources::{Sources, is_string};
use crate::detail::{Change, Detail, Ranges, UserField, new_value, old_and_new};
use crate::email;
use crate::json::{elements, members, scalars};
use crate::mapping::row_of_key;
use crate::record::Field;
use crate::webhook::Payload;
use smallvec::smallvec;
use std::ops::Range;

/// A part of a detail or a payload.
pub(crate) struct Part<'p> {
    /// The kind: `head`, `change`, `json`, `payload`, ….
    pub(crate) kind: &'static str,
    /// The field that contains it.
    pub(crate) field: Field,
    /// The key of a change, or the raw name of a member of the JSON; empty for other parts.
    pub(crate) key: &'p str,
    /// Its value: of a change in Zoom's words, otherwise JSON or text.
    pub(crate) value: &'p str,
    /// Its ranges in the field, if it was not mapped.
    pub(crate) at: Ranges,
    /// Why it was not mapped; `None` if it was.
    pub(crate) why: Option<&'static str>,
    /// Whether its value has no text: `null`, or an empty or blank text.
    pub(crate) is_blank: bool,
}

/// Passes the scalars of a payload to `emit`, in order.
pub(crate) fn of_payload(payload: &Payload<'_>, filled: &Filled, mut emit: impl FnMut(Part<'_>)) {
    for scalar in scalars(payload.json) {
        let value = &payload.json[scalar.value.clone()];
        let is_taken = filled.taken.overlap(std::slice::from_ref(&scalar.value));
        let is_blank = is_blank(value);
        let why = match (is_taken, is_blank) {
            (true, _) => None,
            (false, true) => Some("a null, empty or blank value is ignored"),
            (false, false) => Some("no row uses it, or another value takes precedence"),
        };
        let (at, field) = (smallvec![scalar.member], Field::Payload);
        emit(Part { kind: "payload", field, key: "", value, at, why, is_blank });
    }
}

/// Passes the parts of a detail to `emit`: all changes and members of the JSON, and other parts that were not mapped.
pub(crate) fn of_detail<'r, 'a>(
    sources: &Sources<'r, 'a>,
    detail: &'r Detail<'a>,
    filled: &Filled,
    emit: impl FnMut(Part<'_>),
) {
    DetailParts { sources, detail, filled, emit }.each();
}

struct DetailParts<'s, 'r, 'a, E> {
    sources: &'s Sources<'r, 'a>,
    detail: &'r Detail<'a>,
    filled: &'s Filled,
    emit: E,
}

impl<'r, E: FnMut(Part<'_>)> DetailParts<'_, 'r, '_, E> {
    /// Returns whether a row used some part of a range.
    fn is_taken(&self, spans: &[Range<usize>]) -> bool {
        self.filled.taken.overlap(spans)
    }

    fn each(&mut self) {
        let detail = self.detail;
        if !(self.filled.has_role && detail.is_change_of_role()) {
            self.part(
                "head",
                detail.head,
                "only e-mail addresses are mapped from the text before the first change",
            );
        }
        if let Some(alone) = detail.unkeyed {
            self.part("alone", alone, "only e-mail addresses are mapped from text without a key");
        }
        if detail.may_have_addresses() {
            let keys = detail.changes.iter().map(|change| change.key);
            std::iter::once(detail.head)
                .chain(detail.unkeyed)
                .chain(keys)
                .for_each(|text| self.addresses(text));
        }
        for (index, change) in detail.changes.iter().enumerate() {
            self.change(index, change);
        }
        if let Some(old) = self.sources.spans.old_json() {
            const WHY: &str = "if JSON changes `from` one value `to` another, only the second is used";
            self.push("json", "", smallvec![old], WHY);
        }
        if let Some(json) = detail.json() {
            self.json(json);
        }
    }

    /// Adds a part of the detail, unless it is empty or was used.
    fn part(&mut self, kind: &'static str, part: &str, why: &'static str) {
        let spans = self.sources.spans.find(part);
        if !part.is_empty() && !self.is_taken(&spans) {
            self.push(kind, part, spans, why);
        }
    }

    /// Adds addresses other than those that are used, if something of the text was used.
    fn addresses(&mut self, text: &str) {
        const WHY: &str = "only the first two distinct e-mail addresses are taken";
        if !self.is_taken(&self.sources.spans.find(text)) {
            return;
        }
        let mut from = 0;
        while let Some(found) = email::find(text, from) {
            from = found.end;
            self.part("address", &text[found], WHY);
        }
    }

    fn change(&mut self, index: usize, change: &Change<'r>) {
        let why = self.why_change(index, change);
        let at = if why.is_some() { self.sources.piece(change) } else { Ranges::new() };
        let (field, Change { key, value }) = (Field::OperationDetail, *change);
        (self.emit)(Part { kind: "change", field, key, value, at, why, is_blank: false });
    }

    /// Returns why a change was not mapped; `None` if it was.
    fn why_change(&self, index: usize, change: &Change<'_>) -> Option<&'static str> {
        let says_nothing = || old_and_new(change.value) == [None, None];
        let is_empty = change.value.is_empty() || self.filled.is_enriched && says_nothing();
        let part = if is_empty { change.key } else { change.value };
        if self.is_taken(&self.sources.spans.find(part)) {
            return None;
        }
        let later = |row| {
            let mut rest = self.detail.changes[index + 1..].iter();
            rest.any(|other| row_of_key(other.key).is_some_and(|known| std::ptr::eq(known, row)))
        };
        Some(match row_of_key(change.key) {
            None => "no row uses this key",
            Some(row) if later(row) => "the key is repeated; only the last value is used",
            Some(_) if new_value(change.value).is_none() => "an empty value is ignored",
            Some(_) => "the list already contains it, or another value takes precedence",
        })
    }

    /// Adds the members of the JSON's objects, and elements that are not objects.
    fn json(&mut self, json: &str) {
        let lone = json.starts_with('{').then_some(json);
        let list = json.starts_with('[').then(|| elements(json)).into_iter().flatten();
        for element in lone.into_iter().chain(list) {
            if element.starts_with('{') {
                members(element).for_each(|(key, value)| self.json_member(key, value));
            } else {
                self.part("json", element, "an element of the JSON that is not an object");
            }
        }
    }

    fn json_member(&mut self, key: &str, value: &str) {
        let (keys, values) = (self.sources.spans.find(key), self.sources.spans.find(value));
        let (Some(start), Some(end)) = (keys.first(), values.last()) else { return };
        let (kind, field, is_blank) = ("json", Field::OperationDetail, is_blank(value));
        if self.is_taken(&values) {
            let at = Ranges::new();
            return (self.emit)(Part { kind, field, key, value, at, why: None, is_blank });
        }
        let read = UserField::ALL.iter().any(|member| is_string(key, member.name()));
        let why = Some(if read { "it is empty, or repeated later" } else { "no row uses this member" });
        let at = smallvec![start.start.saturating_sub(1)..end.end];
        (self.emit)(Part { kind, field, key, value, at, why, is_blank });
    }

    /// Adds a part that was not mapped.
    fn push(&mut self, kind: &'static str, text: &str, at: Ranges, why: &'static str) {
        let is_blank = kind == "json" && is_blank(text) && !text.is_empty();
        let (field, why) = (Field::OperationDetail, Some(why));
        (self.emit)(Part { kind, field, key: "", value: text, at, why, is_blank });
    }
}
