//! What of a record went into no field of the event but, as part of the whole detail, the description.

use super::Span;
use super::fills::{Filled, event_type};
use super::sources::{Sources, is_string};
use crate::detail::{Change, Member as UserMember, new_value};
use crate::email;
use crate::json::{decode, elements, members, trim};
use crate::mapping::{Source, row_of_key};
use crate::record::Field;
use serde::Serialize;
use std::ops::Range;

/// One member of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What it says: a string its text, anything else its JSON. Of a field that is read, the text that is read.
    pub text: String,
    /// Whether it is a field that is read, and no later member takes its place.
    pub read: bool,
}

/// Something that was not mapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What kind of thing: `unknown_field`, `not_text`, `change`, `head`, ….
    pub kind: &'static str,
    /// The member of the record that it is, or is a part of.
    pub field: String,
    /// Its text.
    pub text: String,
    /// Where that stands in the member's text; nothing where it is all of it.
    pub at: Vec<Span>,
    /// Why it was not mapped.
    pub why: &'static str,
}

/// The members of the record in `text`, and what was not mapped.
pub(super) fn left(
    text: &str,
    sources: &Sources<'_, '_>,
    fills: &[Filled],
    default_time: bool,
) -> (Vec<Member>, Vec<Left>) {
    let raw: Vec<_> = members(text).map(|(name, value)| (string(name), value)).collect();
    let mut last = [usize::MAX; Field::ALL.len()];
    for (index, (name, _)) in raw.iter().enumerate() {
        if let Some(field) = field(name) {
            last[field as usize] = index;
        }
    }
    let (mut all, mut unmapped) = (Vec::new(), Vec::new());
    for (index, (name, value)) in raw.into_iter().enumerate() {
        let field = field(&name);
        let read = field.is_some_and(|field| last[field as usize] == index);
        let text = field.filter(|_| read).and_then(|field| sources.record.get(field));
        let why = match field {
            None => Some(("unknown_field", "no field that is read")),
            Some(_) if !read => Some(("repeated", "of a field given twice the last counts")),
            Some(Field::EventType) if text.is_some_and(|name| Some(trim(name)) != event_type(fills)) => {
                Some(("event_type", WRONG_TYPE))
            }
            Some(field) => why_not(field, value, text, default_time),
        };
        let text = text.map_or_else(|| value_text(value), str::to_owned);
        if let Some((kind, why)) = why {
            let (field, text) = (name.clone(), text.clone());
            unmapped.push(Left { kind, field, text, at: Vec::new(), why });
        }
        all.push(Member { name, text, read });
    }
    Pieces::new(sources, fills).each(&mut unmapped);
    (all, unmapped)
}

const WRONG_TYPE: &str = "not an event type of UDM, or one that needs what the event does not have: see metadata.eventType for what was taken";

fn field(name: &str) -> Option<Field> {
    Field::ALL.into_iter().find(|field| field.name() == name)
}

/// Why the member that counts for a field fills nothing.
fn why_not(
    field: Field,
    value: &str,
    text: Option<&str>,
    default_time: bool,
) -> Option<(&'static str, &'static str)> {
    match (field, text) {
        (_, None) if value.starts_with(['{', '[']) && field != Field::OperationDetail => {
            Some(("not_text", "an object or array where text belongs counts as absent"))
        }
        (_, None) => Some(("empty", "null, empty or blank counts as absent")),
        (Field::Time, Some(_)) if default_time => Some(("no_time", "no usable time: the default was taken")),
        _ => None,
    }
}

/// What stands between the quotes of a JSON string, decoded; as it is where no text can hold it.
fn string(inside: &str) -> String {
    let mut text = String::new();
    decode(inside, &mut text).map_or_else(|| inside.to_owned(), |_| text)
}

fn value_text(value: &str) -> String {
    let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inside.map_or_else(|| value.to_owned(), string)
}

/// The pieces of a detail that nothing was taken from.
struct Pieces<'s, 'r, 'a> {
    sources: &'s Sources<'r, 'a>,
    /// What was taken of the detail, the description aside: sorted, none over another.
    taken: Vec<Range<usize>>,
    /// Whether a role was taken because HEAD says `Change Role`.
    role: bool,
}

impl<'s, 'r, 'a> Pieces<'s, 'r, 'a> {
    fn new(sources: &'s Sources<'r, 'a>, fills: &[Filled]) -> Self {
        let of_part = |filled: &&Filled| !matches!(filled.row.map(|row| row.source), Some(Source::Field(_)));
        let found = fills.iter().filter(of_part).filter_map(|filled| filled.found.as_ref());
        let mut places: Vec<_> = found.flat_map(|found| found.taken.iter().cloned()).collect();
        places.sort_by_key(|place| place.start);
        let mut taken: Vec<Range<usize>> = Vec::new();
        for place in places {
            match taken.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => taken.push(place),
            }
        }
        let is_role = |filled: &Filled| filled.row.is_some_and(|row| row.source == Source::Detail("role"));
        Self { sources, taken, role: fills.iter().any(is_role) && sources.detail.is_change_of_role() }
    }

    /// Whether something was taken from some place.
    fn is_taken(&self, places: &[Range<usize>]) -> bool {
        places.iter().any(|place| {
            let behind = self.taken.partition_point(|taken| taken.end <= place.start);
            self.taken.get(behind).is_some_and(|taken| taken.start < place.end)
        })
    }

    fn each(&self, unmapped: &mut Vec<Left>) {
        let detail = self.sources.detail;
        if !self.role {
            self.part("head", detail.head, "of HEAD only e-mail addresses are taken", unmapped);
        }
        if let Some(alone) = detail.alone {
            self.part(
                "alone",
                alone,
                "of a piece that is no change only e-mail addresses are taken",
                unmapped,
            );
        }
        let keys = detail.changes.iter().map(|change| change.key);
        let addressed: Vec<_> = std::iter::once(detail.head).chain(detail.alone).chain(keys).collect();
        self.addresses(&addressed, unmapped);
        for (index, change) in detail.changes.iter().enumerate() {
            self.change(index, change, unmapped);
        }
        if let Some(old) = self.sources.places.old_json() {
            const WHY: &str = "of JSON that is changed `from` one value `to` another the second counts";
            self.push("json", std::slice::from_ref(&old), WHY, unmapped);
        }
        if let Some(json) = detail.json() {
            self.json(json, unmapped);
        }
    }

    /// A part of the detail, unless it is empty or something was taken from it.
    fn part(&self, kind: &'static str, part: &str, why: &'static str, unmapped: &mut Vec<Left>) {
        let places = self.sources.places.find(part);
        if !part.is_empty() && !self.is_taken(&places) {
            self.push(kind, &places, why, unmapped);
        }
    }

    /// Addresses beside the two that are taken, in places of which something was taken.
    fn addresses(&self, places: &[&str], unmapped: &mut Vec<Left>) {
        const WHY: &str = "of e-mail addresses the first two that differ are taken";
        for place in places.iter().filter(|place| self.is_taken(&self.sources.places.find(place))) {
            let mut from = 0;
            while let Some(found) = email::find(place, from) {
                from = found.end;
                self.part("address", &place[found], WHY, unmapped);
            }
        }
    }

    fn change(&self, index: usize, change: &Change<'_>, unmapped: &mut Vec<Left>) {
        let part = if change.value.is_empty() { change.key } else { change.value };
        if self.is_taken(&self.sources.places.find(part)) {
            return;
        }
        let later = |row| {
            let mut rest = self.sources.detail.changes[index + 1..].iter();
            rest.any(|other| row_of_key(other.key).is_some_and(|known| std::ptr::eq(known, row)))
        };
        let why = match row_of_key(change.key) {
            None => "no row asks for this key",
            Some(row) if later(row) => "of a key given twice the last counts",
            Some(_) if new_value(change.value).is_none() => "an empty value is no value",
            Some(_) => "the list has it already, or another text goes first",
        };
        self.push("change", &self.sources.piece(change), why, unmapped);
    }

    /// The members of the JSON's objects, and its elements that are none.
    fn json(&self, json: &str, unmapped: &mut Vec<Left>) {
        let lone = json.starts_with('{').then_some(json);
        let list = json.starts_with('[').then(|| elements(json)).into_iter().flatten();
        for element in lone.into_iter().chain(list) {
            if !element.starts_with('{') {
                self.part("json", element, "an element of the JSON that is no object", unmapped);
                continue;
            }
            for (key, value) in members(element) {
                let (keys, values) = (self.sources.places.find(key), self.sources.places.find(value));
                let (Some(start), Some(end)) = (keys.first(), values.last()) else { continue };
                if self.is_taken(&values) {
                    continue;
                }
                let read = UserMember::ALL.iter().any(|member| is_string(key, member.name()));
                let why =
                    if read { "it says nothing, or is given again" } else { "no row asks for this member" };
                let member = start.start.saturating_sub(1)..end.end;
                self.push("json", std::slice::from_ref(&member), why, unmapped);
            }
        }
    }

    fn push(&self, kind: &'static str, places: &[Range<usize>], why: &'static str, unmapped: &mut Vec<Left>) {
        let field = Field::OperationDetail;
        let (text, at) = (self.sources.said(field, places), self.sources.spans(field, places));
        unmapped.push(Left { kind, field: field.name().to_owned(), text, at, why });
    }
}
