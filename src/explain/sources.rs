//! Finds the text in a record that a row used, as ranges.

use crate::detail::{Change, Detail, Ranges, SpanMap, UserField, span_within};
use crate::json::{members, non_empty_elements, unescape};
use crate::mapping::{Content, KeyedValue, Row, Source, TimeSource};
use crate::record::{Field, Record};
use crate::webhook::{Payload, PayloadField};
use smallvec::smallvec;
use std::borrow::Cow;
use std::ops::Range;

/// A source as byte ranges of a field's text.
#[derive(Debug, Clone)]
pub(super) struct SourceSpan {
    pub(super) field: Field,
    pub(super) at: Ranges,
    pub(super) taken: Ranges,
}

/// A parsed record, with what is needed to find positions in it.
pub(crate) struct Sources<'r, 'a> {
    pub(super) record: &'r Record<'a>,
    pub(super) content: &'r Content<'a>,
    /// Where the time is; `None` if the default time is used.
    pub(super) time: Option<TimeSource>,
    pub(super) spans: &'r SpanMap,
    /// The users in the embedded JSON, each as written.
    users: Vec<&'a str>,
}

impl<'r, 'a> Sources<'r, 'a> {
    /// `time` says where the time is.
    pub(crate) fn new(
        record: &'r Record<'a>,
        content: &'r Content<'a>,
        spans: &'r SpanMap,
        time: Option<TimeSource>,
    ) -> Self {
        let users = content.detail().filter(|detail| detail.has_json()).into_iter().flat_map(Detail::users);
        Self { record, content, time, spans, users: users.map(|user| user.json).collect() }
    }

    /// Returns the record.
    pub(crate) fn record(&self) -> &'r Record<'a> {
        self.record
    }

    /// Returns the detail of an operation.
    pub(crate) fn detail(&self) -> Option<&'r Detail<'a>> {
        self.content.detail()
    }

    /// Returns the payload of a webhook event.
    pub(crate) fn payload(&self) -> Option<&'r Payload<'a>> {
        self.content.payload()
    }

    /// Returns the text of a field; empty if it is absent.
    pub(super) fn text(&self, field: Field) -> &'a str {
        self.record.get(field).unwrap_or_default()
    }

    /// Returns the text in some ranges of a field.
    pub(crate) fn text_in(&self, field: Field, spans: &[Range<usize>]) -> Cow<'a, str> {
        let text = self.text(field);
        match spans {
            [place] => Cow::Borrowed(text.get(place.clone()).unwrap_or_default()),
            _ => spans.iter().filter_map(|place| text.get(place.clone())).collect(),
        }
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
            Some(SourceSpan { taken: Ranges::new(), ..self.whole(field, "") })
        })
    }

    /// Returns a member of the payload as the source, of which `value` was used; all of its value if `value` had to be built.
    fn in_payload(&self, field: PayloadField, value: &str) -> Option<SourceSpan> {
        let (key, raw) = self.payload()?.member(field)?;
        let text = self.text(Field::Payload);
        let (key, raw) = (span_within(text, key)?, span_within(text, raw)?);
        let found = self.member_of_payload(key.start - 1..raw.end, raw)?;
        let taken = span_within(text, value).map_or(found.taken, |taken| smallvec![taken]);
        Some(SourceSpan { taken, ..found })
    }

    /// Returns a member of the payload as the source, of which the value was used.
    pub(super) fn member_of_payload(&self, member: Range<usize>, value: Range<usize>) -> Option<SourceSpan> {
        let is_string = self.text(Field::Payload).get(value.clone())?.starts_with('"');
        let quote = usize::from(is_string);
        let taken = value.start + quote..value.end - quote;
        Some(SourceSpan { field: Field::Payload, at: smallvec![member], taken: smallvec![taken] })
    }

    /// Returns a whole field as the source, of which `value` was used; all of it if `value` had to be built.
    pub(super) fn whole(&self, field: Field, value: &str) -> SourceSpan {
        let text = self.text(field);
        let whole = 0..text.len();
        SourceSpan {
            field,
            at: smallvec![whole.clone()],
            taken: smallvec![span_within(text, value).unwrap_or(whole)],
        }
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
    pub(super) fn piece(&self, change: &Change<'_>) -> Ranges {
        let (mut key, value) = (self.spans.find(change.key), self.spans.find(change.value));
        match (key.pop(), value.split_first()) {
            (Some(key), Some((first, rest))) => {
                let joined = std::iter::once(key.start..first.end.max(key.end));
                joined.chain(rest.iter().cloned()).collect()
            }
            (Some(key), None) => smallvec![key],
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
            Some(SourceSpan { field: Field::OperationDetail, at, taken: smallvec![place] })
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
}

/// Returns the unescaped contents of a JSON string; as written if UTF-8 cannot hold it.
pub(super) fn string(inside: &str) -> String {
    let mut text = String::new();
    unescape(inside, &mut text).map_or_else(|| inside.to_owned(), |_| text)
}

/// Returns the text of a member of a record.
pub(super) fn value_text(value: &str) -> Cow<'_, str> {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(inside) if inside.contains('\\') => Cow::Owned(string(inside)),
        Some(inside) => Cow::Borrowed(inside),
        None => Cow::Borrowed(value),
    }
}

/// Returns whether the inside of a JSON string equals `name` after unescaping.
pub(super) fn is_string(inside: &str, name: &str) -> bool {
    if !inside.contains('\\') {
        return inside == name;
    }
    serde_json::from_str::<String>(&format!("\"{inside}\"")).is_ok_and(|text| text == name)
}
