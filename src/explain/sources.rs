//! Finds the text in a record that a row used.

use crate::detail::{Change, Detail, SpanMap, UserField, span_within};
use crate::json::{self, has_lone_surrogate, members, non_empty_elements, unescape};
use crate::mapping::{Content, KeyedValue, Row, Source, TimeSource};
use crate::record::{Field, Record};
use crate::webhook::{Payload, PayloadField};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// A range in characters from 0: start and end.
pub type Span = [usize; 2];

/// The source of a value: a field of the record, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The field, or the member that is none.
    pub field: Cow<'static, str>,
    /// The text that contains the value: the whole field, a change with its key, a member of the embedded JSON, or an
    /// element of a list there.
    pub text: String,
    /// The ranges of that text in the field; two if embedded JSON is in its middle.
    pub at: Vec<Span>,
    /// The ranges of the part that was used.
    pub taken: Vec<Span>,
}

/// A source as byte ranges of a field's text.
#[derive(Debug, Clone)]
pub(super) struct SourceSpan {
    pub(super) field: Field,
    pub(super) at: Vec<Range<usize>>,
    pub(super) taken: Vec<Range<usize>>,
}

/// A parsed record, with what is needed to find positions in it.
pub(super) struct Sources<'r, 'a> {
    pub(super) record: &'r Record<'a>,
    pub(super) content: &'r Content<'a>,
    /// Where the time is; `None` if the default time is used.
    pub(super) time: Option<TimeSource>,
    pub(super) spans: &'r SpanMap,
    /// The users in the embedded JSON, each as written.
    users: Vec<&'a str>,
    /// The members whose names UTF-8 cannot hold, by the names that they have in an event, as they are shown.
    broken_names: HashMap<String, String>,
    characters: [CharIndex; Field::ALL.len()],
}

impl<'r, 'a> Sources<'r, 'a> {
    /// `text` is the record as written.
    pub(super) fn new(
        record: &'r Record<'a>,
        text: &str,
        content: &'r Content<'a>,
        spans: &'r SpanMap,
    ) -> Self {
        let characters = Field::ALL.map(|field| CharIndex::new(record.get(field).unwrap_or_default()));
        let time = content.time_and_source(record).map(|(_, source)| source);
        let mut sources = Self {
            record,
            content,
            time,
            spans,
            users: Vec::new(),
            broken_names: HashMap::new(),
            characters,
        };
        let names = members(text).map(|(name, _)| name);
        let broken = names.filter(|name| has_lone_surrogate(name));
        sources.broken_names = broken.map(|name| (json::string(name).into_owned(), string(name))).collect();
        sources.users = sources.detail().into_iter().flat_map(Detail::users).map(|user| user.json).collect();
        sources
    }

    /// Returns the detail of an operation.
    pub(super) fn detail(&self) -> Option<&'r Detail<'a>> {
        self.content.detail()
    }

    /// Returns the payload of a webhook event.
    pub(super) fn payload(&self) -> Option<&'r Payload<'a>> {
        self.content.payload()
    }

    fn text(&self, field: Field) -> &'a str {
        self.record.get(field).unwrap_or_default()
    }

    /// Returns the source of `value`, which `row` wrote. [`Sources::member`] finds values of users, and the recorder those of
    /// settings.
    pub(super) fn find(&self, row: &Row, value: &str) -> Option<SourceSpan> {
        match row.source {
            Source::Constant | Source::FirstUser(_) | Source::FurtherUser(_) | Source::Settings(_) => None,
            Source::Field(Field::EventTs) => match self.time? {
                TimeSource::Field(field) => Some(self.whole(field, value)),
                TimeSource::Payload(field) => self.in_payload(field, value),
            },
            Source::Field(field) => Some(self.whole(field, value)),
            Source::Detail("role") | Source::Key(_) => self.change(value),
            Source::Detail(_) => {
                let taken = self.spans.find(value);
                Some(SourceSpan { field: Field::OperationDetail, at: taken.clone(), taken })
            }
            Source::Payload { field, .. } => self.in_payload(field, value),
            Source::Enriched { .. } => self.of_enriched(value),
        }
    }

    /// Returns the source of a value with its key, which `row` wrote; `None` if it is a member that no field takes.
    pub(super) fn find_keyed(&self, row: &Row, entry: KeyedValue<'_>) -> Option<SourceSpan> {
        if let Some(place) = span_within(self.text(Field::Payload), entry.written) {
            return self.member_of_payload(place.clone(), place);
        }
        let is_member = row.path.ends_with(".*");
        (!is_member).then(|| self.of_enriched(entry.value)).flatten()
    }

    /// Returns the source of a value that a row of `--enrich` wrote: the text that it is a slice of, otherwise the one that
    /// says most of the record, of which nothing is used.
    fn of_enriched(&self, value: &str) -> Option<SourceSpan> {
        let in_detail = self.spans.find(value);
        if self.detail().is_some() && !in_detail.is_empty() {
            let piece = self.change(value);
            let (field, taken) = (Field::OperationDetail, in_detail);
            return piece.or(Some(SourceSpan { field, at: taken.clone(), taken }));
        }
        let holds = |text: Option<&str>| text.is_some_and(|text| span_within(text, value).is_some());
        let of_payload = self.payload().and_then(|payload| {
            let mut fields = PayloadField::ALL.into_iter();
            fields.find(|field| holds(payload.get(*field))).and_then(|field| self.in_payload(field, value))
        });
        let of_field = || {
            let mut fields = Field::ALL.into_iter();
            fields.find(|field| holds(self.record.get(*field))).map(|field| self.whole(field, value))
        };
        of_payload.or_else(of_field).or_else(|| {
            use Field::{Action, CategoryType, Event, OperationDetail, Operator, Type};
            let mut fields = [OperationDetail, Action, CategoryType, Operator, Event, Type].into_iter();
            let field = fields.find(|field| self.record.get(*field).is_some())?;
            Some(SourceSpan { taken: Vec::new(), ..self.whole(field, "") })
        })
    }

    /// Returns a member of the payload as the source, of which `value` was used; all of its value if `value` had to be built.
    fn in_payload(&self, field: PayloadField, value: &str) -> Option<SourceSpan> {
        let (key, raw) = self.payload()?.member(field)?;
        let text = self.text(Field::Payload);
        let (key, raw) = (span_within(text, key)?, span_within(text, raw)?);
        let found = self.member_of_payload(key.start - 1..raw.end, raw)?;
        let taken = span_within(text, value).map_or(found.taken, |taken| vec![taken]);
        Some(SourceSpan { taken, ..found })
    }

    /// Returns a member of the payload as the source, of which the value was used.
    pub(super) fn member_of_payload(&self, member: Range<usize>, value: Range<usize>) -> Option<SourceSpan> {
        let is_string = self.text(Field::Payload).get(value.clone())?.starts_with('"');
        let quote = usize::from(is_string);
        let taken = value.start + quote..value.end - quote;
        Some(SourceSpan { field: Field::Payload, at: vec![member], taken: vec![taken] })
    }

    /// Returns a whole field as the source, of which `value` was used; all of it if `value` had to be built.
    pub(super) fn whole(&self, field: Field, value: &str) -> SourceSpan {
        let text = self.text(field);
        let whole = 0..text.len();
        SourceSpan { field, at: vec![whole.clone()], taken: vec![span_within(text, value).unwrap_or(whole)] }
    }

    /// Returns the change whose value contains `value`.
    fn change(&self, value: &str) -> Option<SourceSpan> {
        let change =
            self.detail()?.changes.iter().find(|change| span_within(change.value, value).is_some())?;
        Some(SourceSpan {
            field: Field::OperationDetail,
            at: self.piece(change),
            taken: self.spans.find(value),
        })
    }

    /// Returns the ranges of a change: from its key to the end of its value.
    pub(super) fn piece(&self, change: &Change<'_>) -> Vec<Range<usize>> {
        let (mut key, value) = (self.spans.find(change.key), self.spans.find(change.value));
        match (key.pop(), value.split_first()) {
            (Some(key), Some((first, rest))) => {
                let joined = std::iter::once(key.start..first.end.max(key.end));
                joined.chain(rest.iter().cloned()).collect()
            }
            (Some(key), None) => vec![key],
            (None, _) => value,
        }
    }

    /// Returns where a user in the embedded JSON, counted from 0, holds the values of a member: with its key, or one
    /// source for each list element, in order.
    pub(super) fn member(&self, user: usize, member: UserField) -> Vec<SourceSpan> {
        let of_name = |(key, _): &(&str, &str)| is_string(key, member.name());
        // If a member is given twice, the last one counts.
        let Some((key, value)) = self.users.get(user).and_then(|json| members(json).filter(of_name).last())
        else {
            return Vec::new();
        };
        // A key is the text between its quotes.
        let key = self.spans.find(key).pop().map(|key| key.start.saturating_sub(1));
        let key = key.filter(|_| !value.starts_with('['));
        let found = |part: &str| {
            let place = self.spans.find(part).pop()?;
            let at = std::iter::once(key.unwrap_or(place.start)..place.end).collect();
            Some(SourceSpan { field: Field::OperationDetail, at, taken: vec![place] })
        };
        non_empty_elements(value).filter_map(found).collect()
    }

    /// The same if only `value` was used; all of it if `value` had to be built.
    pub(super) fn narrow_to(&self, mut found: SourceSpan, value: &str) -> SourceSpan {
        if let ([taken], [whole]) = (&self.spans.find(value)[..], &mut found.taken[..])
            && whole.start <= taken.start
            && taken.end <= whole.end
        {
            *whole = taken.clone();
        }
        found
    }

    /// Returns a whole member of the record, which no field takes, as the source.
    pub(super) fn of_member(&self, entry: KeyedValue<'_>) -> Origin {
        let shown = self.broken_names.get(entry.key).map_or(entry.key, String::as_str);
        // A webhook event's `time` is a field, and shown as it was read, even if another time takes precedence.
        let as_field = self.record.get(Field::Time).filter(|_| entry.key == Field::Time.name());
        let text = as_field.map_or_else(|| value_text(entry.written), str::to_owned);
        let whole = vec![[0, text.chars().count()]];
        Origin { field: Cow::Owned(shown.to_owned()), text, at: whole.clone(), taken: whole }
    }

    /// Converts a source to character ranges, with its text.
    pub(super) fn origin(&self, found: &SourceSpan) -> Origin {
        Origin {
            field: Cow::Borrowed(found.field.name()),
            text: self.text_at(found.field, &found.at),
            at: self.spans(found.field, &found.at),
            taken: self.spans(found.field, &found.taken),
        }
    }

    /// Returns the text in some ranges of a field.
    pub(super) fn text_at(&self, field: Field, spans: &[Range<usize>]) -> String {
        spans.iter().filter_map(|place| self.text(field).get(place.clone())).collect()
    }

    /// Converts ranges of a field to characters.
    pub(super) fn spans(&self, field: Field, spans: &[Range<usize>]) -> Vec<Span> {
        let (text, characters) = (self.text(field), &self.characters[field as usize]);
        spans.iter().map(|place| [place.start, place.end].map(|at| characters.before(text, at))).collect()
    }
}

/// Returns the unescaped contents of a JSON string; as written if UTF-8 cannot hold it.
pub(super) fn string(inside: &str) -> String {
    let mut text = String::new();
    unescape(inside, &mut text).map_or_else(|| inside.to_owned(), |_| text)
}

/// Returns the text of a member of a record.
pub(super) fn value_text(value: &str) -> String {
    let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inside.map_or_else(|| value.to_owned(), string)
}

/// Returns whether the inside of a JSON string equals `name` after unescaping.
pub(super) fn is_string(inside: &str, name: &str) -> bool {
    if !inside.contains('\\') {
        return inside == name;
    }
    serde_json::from_str::<String>(&format!("\"{inside}\"")).is_ok_and(|text| text == name)
}

/// Counts the characters of a text up to any byte, without scanning all of it each time.
struct CharIndex {
    /// The number of characters before each step; empty if every character is one byte.
    steps: Vec<usize>,
}

const STEP: usize = 256;

impl CharIndex {
    fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Self { steps: Vec::new() };
        }
        let mut count = 0;
        let steps = text.as_bytes().chunks(STEP).map(|step| {
            let before = count;
            count += step.iter().filter(|byte| begins(**byte)).count();
            before
        });
        Self { steps: steps.collect() }
    }

    fn before(&self, text: &str, at: usize) -> usize {
        let at = at.min(text.len());
        if self.steps.is_empty() {
            return at;
        }
        let step = (at / STEP).min(self.steps.len() - 1);
        let rest = &text.as_bytes()[step * STEP..at];
        self.steps[step] + rest.iter().filter(|byte| begins(**byte)).count()
    }
}

/// Returns whether a byte of UTF-8 begins a character.
fn begins(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_before_any_byte_are_counted() {
        let text = "aé北🙂".repeat(300);
        let characters = CharIndex::new(&text);
        for (count, (at, _)) in text.char_indices().enumerate() {
            assert_eq!(characters.before(&text, at), count);
        }
        assert_eq!(characters.before(&text, text.len()), 1200);
    }
}
