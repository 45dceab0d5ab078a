//! Finds the parts of a record that reached no field of the event except the description.

use super::fills::{FillWithSpan, event_type};
use super::sources::{SourceSpan, Sources, Span, is_string, string, value_text};
use crate::detail::{Change, Detail, UserField, new_value, old_and_new};
use crate::email;
use crate::json::{self, elements, members, scalars, trim};
use crate::mapping::{Profile, Source, TimeSource, row_of_key};
use crate::record::{Field, RecordKind};
use crate::webhook::Payload;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// One member of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordMember {
    /// Its name.
    pub name: String,
    /// Its value: the text of a string, otherwise the JSON. For a field that is read, the text that is read.
    pub text: String,
    /// Whether it is a field that is read, and no later member replaces it.
    pub read: bool,
}

/// A part of the record that was not mapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmapped {
    /// The kind: `unknown_field`, `not_text`, `change`, `head`, ….
    pub kind: &'static str,
    /// The member of the record that contains it.
    pub field: String,
    /// Its text.
    pub text: String,
    /// The range in the member's text; `None` for the whole text.
    pub at: Vec<Span>,
    /// Why it was not mapped.
    pub why: &'static str,
}

/// Returns the members of the record in `text`, and what was not mapped.
pub(super) fn find(
    text: &str,
    sources: &Sources<'_, '_>,
    fills: &[FillWithSpan],
) -> (Vec<RecordMember>, Vec<Unmapped>) {
    let field = |name: &str| field(sources.record.kind, name);
    let raw: Vec<_> = members(text).map(|(name, value)| (string(name), value)).collect();
    let mapped = mapped_members(text, fills);
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
            None => Some(("unknown_field", "unknown field")),
            Some(_) if !read => Some(("repeated", "the field is repeated; only the last value is used")),
            Some(Field::EventType) if text.is_some_and(|name| Some(trim(name)) != event_type(fills)) => {
                Some(("event_type", WRONG_TYPE))
            }
            Some(field) => reason_not_mapped(field, value, text, sources.time),
        };
        let text = text.map_or_else(|| value_text(value), str::to_owned);
        if let Some((kind, why)) = why.filter(|_| !mapped.contains(&index)) {
            let (field, text) = (name.clone(), text.clone());
            unmapped.push(Unmapped { kind, field, text, at: Vec::new(), why });
        }
        all.push(RecordMember { name, text, read });
    }
    if let Some(detail) = sources.detail() {
        UnmappedScanner::new(sources, detail, fills).each(&mut unmapped);
    }
    if let Some(payload) = sources.payload() {
        in_payload(payload, sources, fills, &mut unmapped);
    }
    (all, unmapped)
}

const WRONG_TYPE: &str = "unknown UDM event type, or required fields are missing; metadata.eventType shows \
                          the type used instead";

/// Returns the indices of the members that are in `additional` although no field of the record's kind is.
fn mapped_members(text: &str, fills: &[FillWithSpan]) -> HashSet<usize> {
    let names: HashSet<&str> = fills.iter().filter_map(|filled| filled.member.as_deref()).collect();
    if names.is_empty() {
        return HashSet::new();
    }
    // Of equal names the last counts.
    let last: HashMap<_, _> =
        members(text).enumerate().map(|(index, (name, _))| (json::string(name), index)).collect();
    names.into_iter().filter_map(|name| last.get(name).copied()).collect()
}

/// Returns the field with this name, if it is read of records of this kind.
fn field(kind: RecordKind, name: &str) -> Option<Field> {
    kind.fields().iter().copied().find(|field| field.name() == name)
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

/// Adds the scalars of a payload that no row used.
fn in_payload(
    payload: &Payload<'_>,
    sources: &Sources<'_, '_>,
    fills: &[FillWithSpan],
    unmapped: &mut Vec<Unmapped>,
) {
    let taken = TakenSpans::of(fills.iter().filter_map(|filled| filled.found.as_ref()), Field::Payload);
    for scalar in scalars(payload.json) {
        let value = &payload.json[scalar.value.clone()];
        if taken.overlap(std::slice::from_ref(&scalar.value)) {
            continue;
        }
        let why = if value == "null" || trim(&value_text(value)).is_empty() {
            "a null, empty or blank value is ignored"
        } else {
            "no row uses it, or another value takes precedence"
        };
        let at = std::slice::from_ref(&scalar.member);
        let text = sources.text_at(Field::Payload, at);
        let at = sources.spans(Field::Payload, at);
        unmapped.push(Unmapped { kind: "payload", field: Field::Payload.name().to_owned(), text, at, why });
    }
}

/// The ranges of a field that rows used; sorted, without overlaps.
struct TakenSpans(Vec<Range<usize>>);

impl TakenSpans {
    fn of<'f>(found: impl Iterator<Item = &'f SourceSpan>, field: Field) -> Self {
        let found = found.filter(|found| found.field == field);
        let mut spans: Vec<_> = found.flat_map(|found| found.taken.iter().cloned()).collect();
        spans.sort_by_key(|place| place.start);
        let mut taken: Vec<Range<usize>> = Vec::new();
        for place in spans {
            match taken.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => taken.push(place),
            }
        }
        Self(taken)
    }

    /// Returns whether a row used some part of these ranges.
    fn overlap(&self, spans: &[Range<usize>]) -> bool {
        spans.iter().any(|place| {
            let behind = self.0.partition_point(|taken| taken.end <= place.start);
            self.0.get(behind).is_some_and(|taken| taken.start < place.end)
        })
    }
}

/// Finds the parts of a detail that no row used.
struct UnmappedScanner<'s, 'r, 'a> {
    sources: &'s Sources<'r, 'a>,
    detail: &'r Detail<'a>,
    /// The ranges that rows used, except for the description.
    taken: TakenSpans,
    /// Whether a role was taken because HEAD says `Change Role`.
    role: bool,
    /// Whether the rows of `--enrich` apply, which map a change without a value by its key.
    is_enriched: bool,
}

impl<'s, 'r, 'a> UnmappedScanner<'s, 'r, 'a> {
    fn new(sources: &'s Sources<'r, 'a>, detail: &'r Detail<'a>, fills: &[FillWithSpan]) -> Self {
        let of_part =
            |filled: &&FillWithSpan| !matches!(filled.row.map(|row| row.source), Some(Source::Field(_)));
        let found = fills.iter().filter(of_part).filter_map(|filled| filled.found.as_ref());
        let taken = TakenSpans::of(found, Field::OperationDetail);
        let is_role =
            |filled: &FillWithSpan| filled.row.is_some_and(|row| row.source == Source::Detail("role"));
        let is_enriched =
            fills.iter().any(|filled| filled.row.is_some_and(|row| row.profile() == Profile::Enriched));
        Self {
            sources,
            detail,
            taken,
            is_enriched,
            role: fills.iter().any(is_role) && detail.is_change_of_role(),
        }
    }

    /// Returns whether a row used some part of a range.
    fn is_taken(&self, spans: &[Range<usize>]) -> bool {
        self.taken.overlap(spans)
    }

    fn each(&self, unmapped: &mut Vec<Unmapped>) {
        let detail = self.detail;
        if !self.role {
            self.part(
                "head",
                detail.head,
                "only e-mail addresses are mapped from the text before the first \
                                            change",
                unmapped,
            );
        }
        if let Some(alone) = detail.unkeyed {
            self.part("alone", alone, "only e-mail addresses are mapped from text without a key", unmapped);
        }
        let keys = detail.changes.iter().map(|change| change.key);
        let addressed: Vec<_> = std::iter::once(detail.head).chain(detail.unkeyed).chain(keys).collect();
        self.addresses(&addressed, unmapped);
        for (index, change) in detail.changes.iter().enumerate() {
            self.change(index, change, unmapped);
        }
        if let Some(old) = self.sources.spans.old_json() {
            const WHY: &str = "if JSON changes `from` one value `to` another, only the second is used";
            self.push("json", std::slice::from_ref(&old), WHY, unmapped);
        }
        if let Some(json) = detail.json() {
            self.json(json, unmapped);
        }
    }

    /// Adds a part of the detail, unless it is empty or was used.
    fn part(&self, kind: &'static str, part: &str, why: &'static str, unmapped: &mut Vec<Unmapped>) {
        let spans = self.sources.spans.find(part);
        if !part.is_empty() && !self.is_taken(&spans) {
            self.push(kind, &spans, why, unmapped);
        }
    }

    /// Adds addresses other than the two that are used, in ranges of which something was used.
    fn addresses(&self, spans: &[&str], unmapped: &mut Vec<Unmapped>) {
        const WHY: &str = "only the first two distinct e-mail addresses are taken";
        for place in spans.iter().filter(|place| self.is_taken(&self.sources.spans.find(place))) {
            let mut from = 0;
            while let Some(found) = email::find(place, from) {
                from = found.end;
                self.part("address", &place[found], WHY, unmapped);
            }
        }
    }

    fn change(&self, index: usize, change: &Change<'_>, unmapped: &mut Vec<Unmapped>) {
        let says_nothing = || old_and_new(change.value) == [None, None];
        let is_empty = change.value.is_empty() || self.is_enriched && says_nothing();
        let part = if is_empty { change.key } else { change.value };
        if self.is_taken(&self.sources.spans.find(part)) {
            return;
        }
        let later = |row| {
            let mut rest = self.detail.changes[index + 1..].iter();
            rest.any(|other| row_of_key(other.key).is_some_and(|known| std::ptr::eq(known, row)))
        };
        let why = match row_of_key(change.key) {
            None => "no row uses this key",
            Some(row) if later(row) => "the key is repeated; only the last value is used",
            Some(_) if new_value(change.value).is_none() => "an empty value is ignored",
            Some(_) => "the list already contains it, or another value takes precedence",
        };
        self.push("change", &self.sources.piece(change), why, unmapped);
    }

    /// Adds members of the JSON's objects, and elements that are not objects.
    fn json(&self, json: &str, unmapped: &mut Vec<Unmapped>) {
        let lone = json.starts_with('{').then_some(json);
        let list = json.starts_with('[').then(|| elements(json)).into_iter().flatten();
        for element in lone.into_iter().chain(list) {
            if !element.starts_with('{') {
                self.part("json", element, "an element of the JSON that is not an object", unmapped);
                continue;
            }
            for (key, value) in members(element) {
                let (keys, values) = (self.sources.spans.find(key), self.sources.spans.find(value));
                let (Some(start), Some(end)) = (keys.first(), values.last()) else { continue };
                if self.is_taken(&values) {
                    continue;
                }
                let read = UserField::ALL.iter().any(|member| is_string(key, member.name()));
                let why = if read { "it is empty, or repeated later" } else { "no row uses this member" };
                let member = start.start.saturating_sub(1)..end.end;
                self.push("json", std::slice::from_ref(&member), why, unmapped);
            }
        }
    }

    fn push(
        &self,
        kind: &'static str,
        spans: &[Range<usize>],
        why: &'static str,
        unmapped: &mut Vec<Unmapped>,
    ) {
        let field = Field::OperationDetail;
        let (text, at) = (self.sources.text_at(field, spans), self.sources.spans(field, spans));
        unmapped.push(Unmapped { kind, field: field.name().to_owned(), text, at, why });
    }
}
