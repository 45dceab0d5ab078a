//! Shows the sources of values: their text, and where it stands in characters.

use super::sources::{SourceSpan, Sources, string, value_text};
use crate::json::{self, has_lone_surrogate, members};
use crate::mapping::KeyedValue;
use crate::record::Field;
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

/// The sources of one record, with what is needed to show them.
pub(super) struct Origins<'s, 'r, 'a> {
    pub(super) sources: &'s Sources<'r, 'a>,
    /// The members whose names UTF-8 cannot hold, by the names that they have in an event, as they are shown.
    broken_names: HashMap<String, String>,
    characters: [CharIndex; Field::ALL.len()],
}

impl<'s, 'r, 'a> Origins<'s, 'r, 'a> {
    /// `text` is the record as written.
    pub(super) fn new(sources: &'s Sources<'r, 'a>, text: &str) -> Self {
        let characters = Field::ALL.map(|field| CharIndex::new(sources.text(field)));
        let names = members(text).map(|(name, _)| name);
        let broken = names.filter(|name| has_lone_surrogate(name));
        let broken_names = broken.map(|name| (json::string(name).into_owned(), string(name))).collect();
        Self { sources, broken_names, characters }
    }

    /// Returns a whole member of the record, which no field takes, as the source.
    pub(super) fn of_member(&self, entry: KeyedValue<'_>) -> Origin {
        let shown = self.broken_names.get(entry.key).map_or(entry.key, String::as_str);
        // A webhook event's `time` is a field, and shown as it was read, even if another time takes precedence.
        let as_field = self.sources.record.get(Field::Time).filter(|_| entry.key == Field::Time.name());
        let text = as_field.map_or_else(|| value_text(entry.written).into_owned(), str::to_owned);
        let whole = vec![[0, text.chars().count()]];
        Origin { field: Cow::Owned(shown.to_owned()), text, at: whole.clone(), taken: whole }
    }

    /// Converts a source to character ranges, with its text.
    pub(super) fn origin(&self, found: &SourceSpan) -> Origin {
        Origin {
            field: Cow::Borrowed(found.field.name()),
            text: self.sources.text_in(found.field, &found.at).into_owned(),
            at: self.spans(found.field, &found.at),
            taken: self.spans(found.field, &found.taken),
        }
    }

    /// Converts ranges of a field to characters.
    pub(super) fn spans(&self, field: Field, spans: &[Range<usize>]) -> Vec<Span> {
        let (text, characters) = (self.sources.text(field), &self.characters[field as usize]);
        spans.iter().map(|place| [place.start, place.end].map(|at| characters.before(text, at))).collect()
    }
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
